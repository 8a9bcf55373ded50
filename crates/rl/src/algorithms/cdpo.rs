//! cDPO, conservative DPO (E. Mitchell, "A note on DPO with noisy preferences", 2023,
//! <https://ericmitchell.ai/cdpo.pdf>; DPO is arXiv 2305.18290): a share of the labels is wrong.
//!
//! ```text
//! h = log(π(y_w) / π_ref(y_w)) − log(π(y_l) / π_ref(y_l))
//! L = −(1−e) log σ(β h) − e log σ(−β h)                    mean over the pairs of a prompt, then over prompts
//! ```
//!
//! | symbol | here |
//! |---|---|
//! | y_w, y_l | every two answers to a prompt with different rewards: the better and the worse |
//! | π, π_ref | sums over a sequence of `Sequence::logprobs`, `Sequence::reference` |
//! | β, e | `beta`, `label_noise` |
//!
//! The margin is pushed to log((1−e)/e)/β and no further. With executed tests the noise is that of the tests: wrong
//! programs that pass. A group of one is an error: it holds no pair. For the rest see `dpo`.

use hone_train::ConfigError;
use serde::{Deserialize, Serialize};

use super::preference::{logistic_loss, pair_loss, ranked};
use super::{
    AlgorithmError, Credit, Derived, Method, Sample, Sequence, SequenceLoss, Totals, require_group_size,
    require_groups, rewards_differ,
};

/// Settings of cDPO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cdpo {
    /// β, how dear it is to leave the reference.
    pub beta: f64,
    /// e, the share of pairs in the wrong order.
    pub label_noise: f64,
}

impl Default for Cdpo {
    fn default() -> Self {
        Cdpo { beta: 0.1, label_noise: 0.1 }
    }
}

impl Method for Cdpo {
    fn validate(&self, group_size: usize) -> Result<(), ConfigError> {
        require_group_size(group_size, "cdpo")?;
        ConfigError::require(self.beta.is_finite() && self.beta > 0.0, "beta", "above 0", self.beta)?;
        let is_below_half = (0.0..0.5).contains(&self.label_noise);
        ConfigError::require(is_below_half, "label_noise", "in [0, 0.5)", self.label_noise)
    }

    fn needs_reference(&self) -> bool {
        true
    }

    fn has_signal(&self, group: &[Sample]) -> bool {
        rewards_differ(group)
    }

    fn credit(&self, batch: &[Vec<Sample>]) -> Result<Vec<Vec<Credit>>, AlgorithmError> {
        require_groups(batch, "cdpo")?;
        ranked(batch)
    }

    fn loss(&self, group: &[Sequence<'_>], totals: &Totals) -> Vec<SequenceLoss> {
        pair_loss(group, totals, |difference| {
            let (right, wrong) =
                (logistic_loss(self.beta * difference), logistic_loss(-self.beta * difference));
            let noise = self.label_noise;
            Derived {
                value: (1.0 - noise) * right.value + noise * wrong.value,
                derivative: self.beta * ((1.0 - noise) * right.derivative - noise * wrong.derivative),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Dpo;
    use super::super::testing::{check_pairs, pair_value};
    use super::*;

    /// By an independent script: log π of −10 and −12 against −11 and −11.5, β = 0.1, e = 0.1.
    #[test]
    fn golden() {
        let (better, worse) = ((-10.0, -11.0), (-12.0, -11.5));
        let found = pair_value(&Cdpo::default(), better, worse);
        assert!((found - 0.635_957_047_8).abs() < 1e-10, "{found}");
        let plain = pair_value(&Cdpo { label_noise: 0.0, ..Cdpo::default() }, better, worse);
        assert!((plain - pair_value(&Dpo::default(), better, worse)).abs() < 1e-15);
    }

    #[test]
    fn losses() {
        check_pairs(&Cdpo { beta: 0.7, label_noise: 0.2 });
    }
}
