//! ReMax (arXiv 2310.10505): REINFORCE whose baseline is the reward of the model's own greedy answer; no value model, and
//! one sample a prompt is enough.
//!
//! ```text
//! A_it = G_it − R(greedy),   G_it = Σ_{l≥t} ρ_il
//! ρ_it = −β log(π_old(o_it) / π_ref(o_it)),  ρ_iT += R_i
//! L    = 1/N · Σ_i Σ_t −A_it r_it
//! ```
//!
//! | symbol | here |
//! |---|---|
//! | R_i, R(greedy) | `Sample::reward`, `Sample::greedy_reward` |
//! | r_it | π / π_old of a token: 1 in the first update, so that the gradient is −A_it ∇log π(o_it) |
//! | β | `kl_coefficient`, 0 leaves it out |
//! | N | sequences of the update |
//!
//! A group of one is fine. The greedy answer is sampled and executed once a prompt and is never trained on. The paper's β is tuned a task; 0
//! here, as in today's recipes for rewards that are executed. Ratios are not clipped: with several updates a batch the
//! gradient is importance-weighted, which the paper does not need since it makes one.

use hone_train::ConfigError;
use serde::{Deserialize, Serialize};

use super::{
    Aggregation, AlgorithmError, ClipRange, Credit, Method, Sample, Sequence, SequenceLoss, Totals,
    clipped_surrogate, require_at_least_zero, returns_to_go, token_loss,
};

const UNCLIPPED: ClipRange = ClipRange { low: 1.0, high: f64::INFINITY, dual: None };

/// Settings of ReMax.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Remax {
    /// β, weight of the KL to the reference model in the reward; 0 leaves it out.
    pub kl_coefficient: f64,
}

impl Method for Remax {
    fn validate(&self, _group_size: usize) -> Result<(), ConfigError> {
        require_at_least_zero(&[("kl_coefficient", self.kl_coefficient)])
    }

    fn needs_reference(&self) -> bool {
        self.kl_coefficient > 0.0
    }

    fn needs_greedy(&self) -> bool {
        true
    }

    fn credit(&self, batch: &[Vec<Sample>]) -> Result<Vec<Vec<Credit>>, AlgorithmError> {
        batch.iter().map(|group| group.iter().map(|sample| self.sample_credit(sample)).collect()).collect()
    }

    fn loss(&self, group: &[Sequence<'_>], totals: &Totals) -> Vec<SequenceLoss> {
        let loss = |sequence: &Sequence<'_>| {
            let weight = Aggregation::SequenceMeanTokenSum.token_weight(sequence.len(), totals);
            token_loss(sequence, weight, |log_ratio, advantage| {
                clipped_surrogate(log_ratio, advantage, UNCLIPPED)
            })
        };
        group.iter().map(loss).collect()
    }
}

impl Remax {
    fn sample_credit(&self, sample: &Sample) -> Result<Credit, AlgorithmError> {
        let Some(baseline) = sample.greedy_reward else {
            let message = "a sample comes with the reward of the greedy answer, found none".to_string();
            return Err(AlgorithmError { algorithm: "remax", message });
        };
        let returns =
            returns_to_go(&sample.token_rewards(self.kl_coefficient), &vec![true; sample.tokens], 1.0);
        Ok(Credit {
            advantages: returns.iter().map(|value| value - baseline).collect(),
            is_in_loss: sample.tokens > 0,
            ..Credit::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check_loss, near, sample};
    use super::*;

    /// By hand: greedy 0.5; with β = 0.1 and log-ratios 0.5 and 1 the returns are 0.85 and 0.9.
    #[test]
    fn golden() {
        let credits = Remax::default().credit(&[vec![sample(1.0, 2)], vec![sample(0.0, 1)]]).unwrap();
        near(&credits[0][0].advantages, &[0.5, 0.5]);
        near(&credits[1][0].advantages, &[-0.5]);
        let drifted = Sample { reference: Some(vec![-1.5, -2.0]), ..sample(1.0, 2) };
        let credits = Remax { kl_coefficient: 0.1 }.credit(&[vec![drifted]]).unwrap();
        near(&credits[0][0].advantages, &[0.35, 0.4]);
    }

    #[test]
    fn without_a_greedy_answer_it_is_an_error() {
        let alone = Sample { greedy_reward: None, ..sample(1.0, 2) };
        let error = Remax::default().credit(&[vec![alone]]).unwrap_err();
        assert!(
            error.to_string().starts_with("remax: a sample comes with the reward of the greedy"),
            "{error}"
        );
    }

    #[test]
    fn losses() {
        check_loss(&Remax::default(), &[&[0.0, 0.5, -2.0, 3.0], &[0.1]], Aggregation::SequenceMeanTokenSum);
    }
}
