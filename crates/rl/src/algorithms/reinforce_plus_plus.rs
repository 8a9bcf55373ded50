//! REINFORCE++ (arXiv 2501.03262): PPO's clip and token-level KL without a critic; the baseline is the whole batch.
//!
//! ```text
//! ρ_it = −β log(π_old(o_it) / π_ref(o_it)),  ρ_iT += R_i
//! G_it = Σ_{l≥t} γ^(l−t) ρ_il
//! A_it = (G_it − mean G) / √(var G + 1e-8)               over all tokens of the batch
//! L    = 1/Σ_i|o_i| · Σ_i Σ_t max(−A_it r_it, −A_it clip(r_it, 1−ε, 1+ε))
//! ```
//!
//! | symbol | here |
//! |---|---|
//! | R_i, A_it | `Sample::reward`, `Credit::advantages` |
//! | π_old, π_ref | `Sample::behaviour`, `Sample::reference` |
//! | r_it | π / π_old of a token, `Sequence::log_ratio` |
//! | β, γ, ε | `kl_coefficient`, `gamma`, `clip_low` and `clip_high` |
//!
//! A group of one is fine: nothing is compared within it. Known code multiplies the running return by the
//! mask of the policy's tokens, which cuts all credit before a tool's answer; returns are carried through here
//! (`returns.rs`). The paper's β is small; it is 0 here, as in today's recipes for rewards that are executed.

use hone_train::ConfigError;
use serde::{Deserialize, Serialize};

use super::{
    Aggregation, AlgorithmError, ClipRange, Credit, Method, Sample, Sequence, SequenceLoss, Totals,
    clipped_surrogate, require_at_least_zero, returns_to_go, token_loss, whiten,
};

/// Settings of REINFORCE++.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReinforcePlusPlus {
    /// ε below.
    pub clip_low: f64,
    /// ε above.
    pub clip_high: f64,
    /// γ, discount a token.
    pub gamma: f64,
    /// β, weight of the KL to the reference model in the reward; 0 leaves it out.
    pub kl_coefficient: f64,
}

impl Default for ReinforcePlusPlus {
    fn default() -> Self {
        ReinforcePlusPlus { clip_low: 0.2, clip_high: 0.2, gamma: 1.0, kl_coefficient: 0.0 }
    }
}

impl ReinforcePlusPlus {
    fn clip(&self) -> ClipRange {
        ClipRange { low: self.clip_low, high: self.clip_high, dual: None }
    }
}

impl Method for ReinforcePlusPlus {
    fn validate(&self, _group_size: usize) -> Result<(), ConfigError> {
        self.clip().validate()?;
        ConfigError::require((0.0..=1.0).contains(&self.gamma), "gamma", "from 0 to 1", self.gamma)?;
        require_at_least_zero(&[("kl_coefficient", self.kl_coefficient)])
    }

    fn needs_reference(&self) -> bool {
        self.kl_coefficient > 0.0
    }

    fn credit(&self, batch: &[Vec<Sample>]) -> Result<Vec<Vec<Credit>>, AlgorithmError> {
        let credit = |sample: &Sample| Credit {
            advantages: returns_to_go(
                &sample.token_rewards(self.kl_coefficient),
                &vec![true; sample.tokens],
                self.gamma,
            ),
            is_in_loss: sample.tokens > 0,
            ..Credit::default()
        };
        let mut credits: Vec<Vec<Credit>> =
            batch.iter().map(|group| group.iter().map(credit).collect()).collect();
        whiten(credits.iter_mut().flatten().map(|credit| &mut credit.advantages));
        Ok(credits)
    }

    fn loss(&self, group: &[Sequence<'_>], totals: &Totals) -> Vec<SequenceLoss> {
        let loss = |sequence: &Sequence<'_>| {
            let weight = Aggregation::TokenMean.token_weight(sequence.len(), totals);
            token_loss(sequence, weight, |log_ratio, advantage| {
                clipped_surrogate(log_ratio, advantage, self.clip())
            })
        };
        group.iter().map(loss).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check_loss, near, sample};
    use super::*;

    /// By hand: returns 1, 1 and 0 over three tokens have mean 2/3 and variance 1/3.
    #[test]
    fn golden() {
        let credits =
            ReinforcePlusPlus::default().credit(&[vec![sample(1.0, 2)], vec![sample(0.0, 1)]]).unwrap();
        let deviation = (1.0f64 / 3.0 + 1e-8).sqrt();
        near(&credits[0][0].advantages, &[1.0 / 3.0 / deviation; 2]);
        near(&credits[1][0].advantages, &[-2.0 / 3.0 / deviation]);
    }

    /// γ = 0.5 and β = 0.2 with log-ratios 0.5: token rewards −0.1 and 0.9, returns 0.35 and 0.9, mean 0.625.
    #[test]
    fn returns_are_discounted_and_hold_the_divergence() {
        let method = ReinforcePlusPlus { gamma: 0.5, kl_coefficient: 0.2, ..ReinforcePlusPlus::default() };
        let drifted = Sample { reference: Some(vec![-1.5, -1.5]), ..sample(1.0, 2) };
        let credits = method.credit(&[vec![drifted]]).unwrap();
        let deviation = (2.0 * 0.275f64.powi(2) + 1e-8).sqrt();
        near(&credits[0][0].advantages, &[-0.275 / deviation, 0.275 / deviation]);
    }

    #[test]
    fn losses() {
        let (low, high) = (0.8f64.ln(), 1.2f64.ln());
        let around = [low - 1e-3, low + 1e-3, 0.0, high - 1e-3, high + 1e-3];
        check_loss(&ReinforcePlusPlus::default(), &[&around, &[0.1]], Aggregation::TokenMean);
    }
}
