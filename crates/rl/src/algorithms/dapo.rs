//! DAPO, decoupled clip and dynamic sampling policy optimisation (arXiv 2503.14476).
//!
//! ```text
//! R'_i = R_i + penalty(|o_i|)
//! A_i  = (R'_i − mean_j R'_j) / (std_j R'_j + 1e-4)
//! r_it = π(o_it) / π_old(o_it)
//! L    = 1/Σ_i|o_i| · Σ_i Σ_t max(−A_i r_it, −A_i clip(r_it, 1−ε_low, 1+ε_high))
//!
//! penalty(n) = 0 up to L_max − L_cache, then (L_max − L_cache − n)/L_cache, −1 at L_max
//! ```
//!
//! | symbol | here |
//! |---|---|
//! | R_i, A_i | `Sample::reward`, `Credit::advantages` |
//! | π, π_old | `Sequence::logprobs`, `Sequence::behaviour` |
//! | ε_low, ε_high | `clip_low`, `clip_high` |
//! | L_max, L_cache | `max_new_tokens`, `overlong_buffer` · L_max |
//!
//! A wider clip above keeps unlikely tokens explorable; every token counts the same; groups of equal rewards are
//! replaced by others (up to `sampling_rounds` samplings; the authors stop with an error when they run out, here the
//! batch stays smaller); answers that near the limit are punished softly. The buffer is a fraction of the limit:
//! 4,096 of 20,480 in the paper. Its alternative, leaving truncated answers out of the loss, is `mask_truncated`;
//! the two are not meant to be used together. Whether a group is replaced is decided by the rewards without the
//! penalty, as in the authors' code. A group of one is an error: its centred reward is always 0.

use hone_train::ConfigError;
use serde::{Deserialize, Serialize};

use super::{
    Aggregation, AlgorithmError, ClipRange, Credit, Method, Sample, Scale, Sequence, SequenceLoss, Totals,
    broadcast, clipped_surrogate, group_advantages, require_group_size, require_groups, rewards_differ,
    token_loss,
};

/// Settings of DAPO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dapo {
    /// ε_low.
    pub clip_low: f64,
    /// ε_high.
    pub clip_high: f64,
    /// L_cache / L_max: the part of the length limit in which the penalty grows; 0 leaves it out.
    pub overlong_buffer: f64,
    /// Leave truncated sequences out of the loss (overlong filtering).
    pub mask_truncated: bool,
    /// Samplings a step at most to replace groups of equal rewards; 1 replaces none.
    pub sampling_rounds: usize,
}

impl Default for Dapo {
    fn default() -> Self {
        Dapo {
            clip_low: 0.2,
            clip_high: 0.28,
            overlong_buffer: 0.2,
            mask_truncated: false,
            sampling_rounds: 10,
        }
    }
}

impl Dapo {
    fn clip(&self) -> ClipRange {
        ClipRange { low: self.clip_low, high: self.clip_high, dual: None }
    }

    fn penalty(&self, tokens: usize, max_tokens: usize) -> f64 {
        overlong_penalty(tokens, max_tokens, self.overlong_buffer)
    }
}

/// What the length of an answer adds to its reward; `buffer` is L_cache / L_max.
pub(crate) fn overlong_penalty(tokens: usize, max_tokens: usize, buffer: f64) -> f64 {
    let cache = buffer * max_tokens as f64;
    let into_the_buffer = tokens as f64 - (max_tokens as f64 - cache);
    if cache > 0.0 { -(into_the_buffer / cache).clamp(0.0, 1.0) } else { 0.0 }
}

impl Method for Dapo {
    fn validate(&self, group_size: usize) -> Result<(), ConfigError> {
        require_group_size(group_size, "dapo")?;
        self.clip().validate()?;
        let is_part = (0.0..=1.0).contains(&self.overlong_buffer);
        ConfigError::require(is_part, "overlong_buffer", "from 0 to 1", self.overlong_buffer)?;
        ConfigError::require(self.sampling_rounds >= 1, "sampling_rounds", "at least 1", self.sampling_rounds)
    }

    fn sampling_rounds(&self) -> usize {
        self.sampling_rounds
    }

    fn has_signal(&self, group: &[Sample]) -> bool {
        rewards_differ(group)
    }

    fn credit(&self, batch: &[Vec<Sample>]) -> Result<Vec<Vec<Credit>>, AlgorithmError> {
        require_groups(batch, "dapo")?;
        let shaped = |sample: &Sample| sample.reward + self.penalty(sample.tokens, sample.max_tokens);
        let rewards: Vec<Vec<f64>> = batch.iter().map(|group| group.iter().map(shaped).collect()).collect();
        Ok(broadcast(batch, &group_advantages(&rewards, Scale::Group), self.mask_truncated))
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
    use super::super::testing::{advantages, check_loss, near, sample};
    use super::*;

    /// Values by an independent script; advantages with ε = 1e-4.
    #[test]
    fn golden() {
        let dapo = Dapo::default();
        let found = advantages(&dapo, &[1.0, 0.0, 0.0, 1.0, 0.0]);
        let (up, down) = (1.095_245_151_5, -0.730_163_434_3);
        near(&found, &[up, down, down, up, down]);
        let penalties = [16_384, 18_432, 20_480, 0].map(|tokens| dapo.penalty(tokens, 20_480));
        near(&penalties, &[0.0, -0.5, -1.0, 0.0]);
        assert_eq!(Dapo { overlong_buffer: 0.0, ..dapo }.penalty(20_480, 20_480), 0.0);
    }

    /// Of two right answers the one in the buffer is worth less; a truncated one can be left out instead.
    #[test]
    fn overlong_answers() {
        let long = Sample { is_truncated: true, ..sample(1.0, 8) };
        let batch = [vec![sample(1.0, 4), long, sample(0.0, 2)]];
        let shaped = Dapo::default().credit(&batch).unwrap();
        assert!(shaped[0][0].advantages[0] > shaped[0][1].advantages[0] && shaped[0][1].is_in_loss);
        let masked = Dapo { overlong_buffer: 0.0, mask_truncated: true, ..Dapo::default() };
        let masked = masked.credit(&batch).unwrap();
        assert_eq!(masked[0][0].advantages[0], masked[0][1].advantages[0]);
        assert!(!masked[0][1].is_in_loss && masked[0][2].is_in_loss);
    }

    #[test]
    fn losses() {
        let (low, high) = (0.8f64.ln(), 1.28f64.ln());
        let around = [low - 1e-3, low + 1e-3, 0.0, high - 1e-3, high + 1e-3];
        check_loss(&Dapo::default(), &[&around, &[0.1]], Aggregation::TokenMean);
    }
}
