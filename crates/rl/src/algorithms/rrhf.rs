//! RRHF, rank responses to align (arXiv 2304.05302): a better answer should be likelier than a worse one, and the best is
//! imitated.
//!
//! ```text
//! p_i    = Σ_t log π(o_it) / |o_i|^λ
//! L_rank = Σ_{R_i < R_j} max(0, p_i − p_j)
//! L_ft   = −1/|o_best| · Σ_t log π(o_best,t)
//! L      = 1/groups · Σ_groups (w L_rank + L_ft)
//! ```
//!
//! | symbol | here |
//! |---|---|
//! | R_i | `Sample::reward` |
//! | π | `Sequence::logprobs` |
//! | λ, w | `length_exponent`, `rank_weight` |
//! | o_best | the first of the best answers to the prompt |
//!
//! No reference, no value function. The scores may come from any source; here they are rewards, and the answers those
//! that were sampled or logged (`tasks.trajectories`). The policy becomes like the best answer of each prompt and hardly better, so
//! among them should be a good one: the paper's are of several models and of people. L_rank is a sum: of a dozen pairs in the paper,
//! of 120 among 16 answers, where w = 1 outweighs the imitation and 0.01 does not (`tests/it/offline.rs`). The authors' code averages the imitation term over the padded
//! length; it is the answer's own here. A prompt whose answers have equal rewards is left out. A group of one is an
//! error: it has no ranks.

use hone_train::ConfigError;
use serde::{Deserialize, Serialize};

use super::preference::{best, no_loss, pairs, push, ranked};
use super::{
    AlgorithmError, Credit, Method, Sample, Sequence, SequenceLoss, Totals, require_at_least_zero,
    require_group_size, require_groups, rewards_differ,
};

/// Settings of RRHF.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rrhf {
    /// λ.
    pub length_exponent: f64,
    /// w.
    pub rank_weight: f64,
}

impl Default for Rrhf {
    fn default() -> Self {
        Rrhf { length_exponent: 1.0, rank_weight: 1.0 }
    }
}

impl Method for Rrhf {
    fn validate(&self, group_size: usize) -> Result<(), ConfigError> {
        require_group_size(group_size, "rrhf")?;
        require_at_least_zero(&[("length_exponent", self.length_exponent), ("rank_weight", self.rank_weight)])
    }

    fn has_signal(&self, group: &[Sample]) -> bool {
        rewards_differ(group)
    }

    fn credit(&self, batch: &[Vec<Sample>]) -> Result<Vec<Vec<Credit>>, AlgorithmError> {
        require_groups(batch, "rrhf")?;
        ranked(batch)
    }

    fn loss(&self, group: &[Sequence<'_>], totals: &Totals) -> Vec<SequenceLoss> {
        let weight = 1.0 / totals.groups as f64;
        let scale = |index: usize| 1.0 / (group[index].len() as f64).powf(self.length_exponent);
        let likelihood = |index: usize| scale(index) * group[index].logprobs.iter().sum::<f64>();
        let mut losses = no_loss(group);
        for (better, worse) in pairs(group) {
            let violation = likelihood(worse) - likelihood(better);
            if violation > 0.0 {
                losses[worse].value += weight * self.rank_weight * violation;
                push(&mut losses[worse], weight * self.rank_weight * scale(worse));
                push(&mut losses[better], -weight * self.rank_weight * scale(better));
            }
        }
        if let Some(best) = best(group) {
            let length = group[best].len() as f64;
            losses[best].value -= weight * group[best].logprobs.iter().sum::<f64>() / length;
            push(&mut losses[best], -weight / length);
        }
        losses
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check_ranks, likely, total_loss};
    use super::*;

    /// By an independent script: p = −0.5, −0.2, −0.9 with scores 1, −0.3, −0.6 violate one rank, by 0.3; the best one's
    /// imitation adds 0.5.
    #[test]
    fn golden() {
        let group = vec![likely(-0.5, 1.0), likely(-0.2, -0.3), likely(-0.9, -0.6)];
        let (value, parts) = total_loss(&Rrhf::default(), &[group]);
        assert!((value - 0.8).abs() < 1e-12, "{value}");
        assert_eq!([parts[0].logprobs[0], parts[1].logprobs[0], parts[2].logprobs[0]], [-2.0, 1.0, 0.0]);
    }

    #[test]
    fn losses() {
        check_ranks(&Rrhf::default());
        check_ranks(&Rrhf { length_exponent: 0.5, rank_weight: 3.0 });
    }
}
