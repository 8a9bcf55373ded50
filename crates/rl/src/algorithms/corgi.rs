//! CORGI, controlled generation by reinforcement learning with guided interaction (Teaching Models to Improve on Tape, arXiv
//! 2411.01483): PPO over a dialogue of answers and critiques; what counts is the best attempt.
//!
//! ```text
//! o_1, critique, o_2, critique, …, o_K       until the critic is content or the turns are used up
//! R    = max_k s_k                            the best attempt, for every answer from it back
//! R_k  = max_{j ≥ k} s_j                      what an answer can still claim
//! ρ_kt = −β log(π_old / π_ref),  ρ_kT += R_k
//! L    = as PPO with ρ, over the policy's own tokens
//! ```
//!
//! | symbol | here |
//! |---|---|
//! | s_k | the environment's reward of attempt k, `Sample::turn_rewards` |
//! | R_k | `Sample::reward`, by `Method::turn_return` |
//! | K | `environment.turns`, with `environment.feedback = "critique"`; the authors allow 3 retries |
//! | everything else | as in `ppo` |
//!
//! The authors place max_k s_k on the last token of the dialogue. Here each answer is a sequence of its own, after the
//! conversation so far, so critiques are never in a loss; an answer after the best one is worth what it and its followers
//! reached. β and the PPO settings are PPO's; the authors' KL weight is not printed. A group of one is fine.

use hone_model::ValueHead;
use hone_train::ConfigError;
use serde::{Deserialize, Serialize};

use super::{AlgorithmError, Credit, Method, Ppo, Sample, Sequence, SequenceLoss, Totals};

/// Settings of CORGI.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Corgi {
    /// ε, below and above.
    pub clip: f64,
    /// λ of the advantage estimator.
    pub lambda: f64,
    /// c_v, weight of the value loss.
    pub value_coefficient: f64,
    /// β.
    pub kl_coefficient: f64,
}

impl Default for Corgi {
    fn default() -> Self {
        let Ppo { clip_high, lambda, value_coefficient, kl_coefficient, .. } = Ppo::default();
        Corgi { clip: clip_high, lambda, value_coefficient, kl_coefficient }
    }
}

impl Corgi {
    fn ppo(&self) -> Ppo {
        Ppo {
            clip_low: self.clip,
            clip_high: self.clip,
            lambda: self.lambda,
            value_coefficient: self.value_coefficient,
            kl_coefficient: self.kl_coefficient,
            ..Ppo::default()
        }
    }
}

impl Method for Corgi {
    fn validate(&self, group_size: usize) -> Result<(), ConfigError> {
        ConfigError::require((0.0..1.0).contains(&self.clip), "clip", "in [0, 1)", self.clip)?;
        self.ppo().validate(group_size)
    }

    fn needs_reference(&self) -> bool {
        self.ppo().needs_reference()
    }

    fn value_head(&self) -> Option<ValueHead> {
        self.ppo().value_head()
    }

    fn turn_return(&self, rewards: &[f64], _gamma: f64) -> f64 {
        rewards.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    fn credit(&self, batch: &[Vec<Sample>]) -> Result<Vec<Vec<Credit>>, AlgorithmError> {
        self.ppo().credit(batch).map_err(|error| AlgorithmError { algorithm: "corgi", ..error })
    }

    fn loss(&self, group: &[Sequence<'_>], totals: &Totals) -> Vec<SequenceLoss> {
        self.ppo().loss(group, totals)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Aggregation;
    use super::super::testing::check_loss;
    use super::*;

    /// Three attempts, the second the best: the first two may claim it, the third only itself.
    #[test]
    fn golden() {
        let scores = [0.2, 0.9, 0.5];
        let worth = [0, 1, 2].map(|turn| Corgi::default().turn_return(&scores[turn..], 0.4));
        assert_eq!(worth, [0.9, 0.9, 0.5]);
    }

    #[test]
    fn losses() {
        check_loss(&Corgi::default(), &[&[0.0, 0.1, 0.3, -0.3]], Aggregation::TokenMean);
    }
}
