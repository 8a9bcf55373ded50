//! IPO, identity preference optimisation (arXiv 2310.12036): a margin to reach instead of a likelihood to maximise, so that
//! sure preferences do not drive the policy away from the reference without end.
//!
//! ```text
//! h = log(π(y_w) / π_ref(y_w)) − log(π(y_l) / π_ref(y_l))
//! L = (h − 1/(2β))²                                        mean over the pairs of a prompt, then over prompts
//! ```
//!
//! | symbol | here |
//! |---|---|
//! | y_w, y_l | every two answers to a prompt with different rewards: the better and the worse |
//! | π, π_ref | sums over a sequence of `Sequence::logprobs`, `Sequence::reference` |
//! | β | `beta` |
//!
//! The margin is all that is asked for, so a policy that is to be sampled at temperature 1 and to avoid n wrong answers needs one of
//! about log n: β 0.1 asks for 5 nats. Some codes average log-probs over a sequence's length here; the paper and DPO's own code sum, and so does this. A group
//! of one is an error: it holds no pair. For the rest see `dpo`.

use hone_train::ConfigError;
use serde::{Deserialize, Serialize};

use super::preference::{pair_loss, ranked};
use super::{
    AlgorithmError, Credit, Derived, Method, Sample, Sequence, SequenceLoss, Totals, require_group_size,
    require_groups, rewards_differ,
};

/// Settings of IPO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ipo {
    /// β: the margin to reach is 1/(2β).
    pub beta: f64,
}

impl Default for Ipo {
    fn default() -> Self {
        Ipo { beta: 0.1 }
    }
}

impl Method for Ipo {
    fn validate(&self, group_size: usize) -> Result<(), ConfigError> {
        require_group_size(group_size, "ipo")?;
        ConfigError::require(self.beta.is_finite() && self.beta > 0.0, "beta", "above 0", self.beta)
    }

    fn needs_reference(&self) -> bool {
        true
    }

    fn has_signal(&self, group: &[Sample]) -> bool {
        rewards_differ(group)
    }

    fn credit(&self, batch: &[Vec<Sample>]) -> Result<Vec<Vec<Credit>>, AlgorithmError> {
        require_groups(batch, "ipo")?;
        ranked(batch)
    }

    fn loss(&self, group: &[Sequence<'_>], totals: &Totals) -> Vec<SequenceLoss> {
        pair_loss(group, totals, |difference| {
            let missing = difference - 0.5 / self.beta;
            Derived { value: missing * missing, derivative: 2.0 * missing }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check_pairs, pair_value};
    use super::*;

    /// By an independent script: log π of −10 and −12 against −11 and −11.5, β = 0.1.
    #[test]
    fn golden() {
        let found = pair_value(&Ipo::default(), (-10.0, -11.0), (-12.0, -11.5));
        assert!((found - 12.25).abs() < 1e-12, "{found}");
    }

    #[test]
    fn losses() {
        check_pairs(&Ipo { beta: 0.7 });
    }
}
