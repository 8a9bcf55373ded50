//! TOPR, tapered off-policy REINFORCE (arXiv 2503.14286): right answers are imitated however old they are, and wrong ones are pushed
//! down only as far as the policy would still give them.
//!
//! ```text
//! A_i  = R_i − c
//! ρ_i  = π(o_i) / π_old(o_i) = exp( Σ_t log r_it )
//! ∇L   = −1/N · Σ_i A_i w_i ∇log π(o_i)            w_i = 1 if A_i ≥ 0, else min(ρ_i, 1)
//! L    = −1/N · Σ_i A_i f_i                         f_i = log ρ_i if A_i ≥ 0 ; ρ_i if ρ_i ≤ 1 ; 1 + log ρ_i
//! ```
//!
//! | symbol | here |
//! |---|---|
//! | R_i, A_i | `Sample::reward`, `Credit::advantages` |
//! | r_it | π / π_old of a token, `Sequence::log_ratio` |
//! | c | `baseline` |
//! | N | sequences of the update |
//!
//! The paper gives the gradient; L is a function that has it. Its rewards are −1 and 1 with c = 0; for rewards of 0 and 1 that is
//! c = 1/2, on half the scale. Off-policy, c is no matter of variance: it says how much wrong answers weigh beside right ones, and the
//! paper has them weigh more. In the first update of a batch w = 1 and this is REINFORCE with a constant baseline; the taper matters in
//! later ones (`trainer.mini_batches`, `trainer.epochs_per_batch`) and for logged answers. No KL term, as in the paper. A group of one is fine.

use hone_train::ConfigError;
use serde::{Deserialize, Serialize};

use super::{AlgorithmError, Credit, Method, Sample, Sequence, SequenceLoss, Totals, broadcast, rewards_of};

/// Settings of TOPR.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Topr {
    /// c.
    pub baseline: f64,
}

impl Default for Topr {
    fn default() -> Self {
        Topr { baseline: 0.5 }
    }
}

impl Method for Topr {
    fn validate(&self, _group_size: usize) -> Result<(), ConfigError> {
        ConfigError::require(self.baseline.is_finite(), "baseline", "a number", self.baseline)
    }

    fn credit(&self, batch: &[Vec<Sample>]) -> Result<Vec<Vec<Credit>>, AlgorithmError> {
        let above = |group: &Vec<f64>| group.iter().map(|reward| reward - self.baseline).collect();
        Ok(broadcast(batch, &rewards_of(batch).iter().map(above).collect::<Vec<Vec<f64>>>(), false))
    }

    fn loss(&self, group: &[Sequence<'_>], totals: &Totals) -> Vec<SequenceLoss> {
        let loss = |sequence: &Sequence<'_>| {
            let advantage = sequence.advantages[0];
            let log_ratio: f64 = (0..sequence.len()).map(|t| sequence.log_ratio(t)).sum();
            let (value, weight) = tapered(log_ratio, advantage >= 0.0);
            let scale = -advantage / totals.sequences as f64;
            SequenceLoss {
                value: scale * value,
                logprobs: vec![scale * weight; sequence.len()],
                ..SequenceLoss::default()
            }
        };
        group.iter().map(loss).collect()
    }
}

/// f and w, its derivative by log π.
fn tapered(log_ratio: f64, is_right: bool) -> (f64, f64) {
    match (is_right, log_ratio <= 0.0) {
        (true, _) => (log_ratio, 1.0),
        (false, true) => (log_ratio.exp(), log_ratio.exp()),
        (false, false) => (1.0 + log_ratio, 1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Aggregation;
    use super::super::testing::{Case, advantages, check_loss, near, total_loss};
    use super::*;

    /// By hand: exp(−0.3) = 0.7408182206817179.
    #[test]
    fn golden() {
        near(&advantages(&Topr::default(), &[1.0, 0.0, 0.25]), &[0.5, -0.5, -0.25]);
        let down = 0.740_818_220_681_717_9;
        for (row, advantage, value, derivative) in [
            ([0.1, -0.2, 0.4], 1.0, -0.3, -1.0),
            ([-0.1, 0.2, -0.4], 1.0, 0.3, -1.0),
            ([0.1, -0.2, 0.4], -1.0, 1.3, 1.0),
            ([-0.1, 0.2, -0.4], -1.0, down, down),
        ] {
            let (found, parts) = total_loss(&Topr::default(), &[vec![Case::new(&row, advantage)]]);
            near(&[found], &[value]);
            near(&parts[0].logprobs, &[derivative; 3]);
        }
    }

    /// What the policy would hardly give any more is let alone if it is wrong, and still imitated if it is right.
    #[test]
    fn wrong_answers_that_are_unlearned_say_nothing() {
        let far = |advantage| {
            total_loss(&Topr::default(), &[vec![Case::new(&[-50.0, -50.0], advantage)]]).1[0].logprobs[0]
        };
        assert!(far(-1.0) < 1e-40 && far(1.0) == -1.0);
    }

    #[test]
    fn losses() {
        // Sums on both sides of 0.
        let rows: [&[f64]; 4] = [&[-0.3, 0.2], &[-1e-3], &[1e-3], &[0.4, -0.1, 0.2]];
        check_loss(&Topr::default(), &rows, Aggregation::SequenceMeanTokenSum);
    }
}
