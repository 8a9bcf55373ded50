//! GSPO, group sequence policy optimisation (arXiv 2507.18071): the ratio is that of whole sequences, as the reward is.
//!
//! ```text
//! A_i = (R_i − mean_j R_j) / (std_j R_j + 1e-4)
//! s_i = (π(o_i) / π_old(o_i))^(1/|o_i|) = exp( 1/|o_i| · Σ_t log r_it )
//! L   = 1/N · Σ_i max(−A_i s_i, −A_i clip(s_i, 1−ε_low, 1+ε_high))
//! ```
//!
//! | symbol | here |
//! |---|---|
//! | R_i, A_i | `Sample::reward`, `Credit::advantages` |
//! | r_it | π / π_old of a token, `Sequence::log_ratio` |
//! | N | sequences of the update |
//! | ε_low, ε_high | `clip_low`, `clip_high`: 3e-4 and 4e-4, for a mean over tokens hardly moves |
//!
//! The paper's GSPO-token has the same value and gradient where all tokens of a sequence share their advantage, as
//! here, so there is one form. The clip only bites after the first update of a batch: the paper cuts a batch into four
//! mini-batches (section 5.1, as are the clips; `trainer.mini_batches = 4`). No KL term. A group of one is an error: its centred reward is always 0.

use hone_train::ConfigError;
use serde::{Deserialize, Serialize};

use super::{
    AlgorithmError, ClipRange, Credit, Method, Sample, Scale, Sequence, SequenceLoss, Totals, broadcast,
    clipped_surrogate, group_advantages, require_group_size, require_groups, rewards_of, sequence_loss,
};

/// Settings of GSPO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gspo {
    /// ε_low.
    pub clip_low: f64,
    /// ε_high.
    pub clip_high: f64,
}

impl Default for Gspo {
    fn default() -> Self {
        Gspo { clip_low: 3e-4, clip_high: 4e-4 }
    }
}

impl Gspo {
    fn clip(&self) -> ClipRange {
        ClipRange { low: self.clip_low, high: self.clip_high, dual: None }
    }
}

impl Method for Gspo {
    fn validate(&self, group_size: usize) -> Result<(), ConfigError> {
        require_group_size(group_size, "gspo")?;
        self.clip().validate()
    }

    fn credit(&self, batch: &[Vec<Sample>]) -> Result<Vec<Vec<Credit>>, AlgorithmError> {
        require_groups(batch, "gspo")?;
        Ok(broadcast(batch, &group_advantages(&rewards_of(batch), Scale::Group), false))
    }

    fn loss(&self, group: &[Sequence<'_>], totals: &Totals) -> Vec<SequenceLoss> {
        let weight = 1.0 / totals.sequences as f64;
        let surrogate = |log_ratio, advantage| clipped_surrogate(log_ratio, advantage, self.clip());
        group.iter().map(|sequence| sequence_loss(sequence, weight, surrogate)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Case, check_loss, total_loss};
    use super::super::{Aggregation, Grpo};
    use super::*;

    const WIDE: Gspo = Gspo { clip_low: 0.2, clip_high: 0.28 };

    /// s = 1.1051709181 by an independent script.
    #[test]
    fn golden() {
        let (value, parts) = total_loss(&WIDE, &[vec![Case::new(&[0.1, -0.2, 0.4], 1.0)]]);
        assert!((value + 1.105_170_918_1).abs() < 1e-10, "{value}");
        assert!(parts[0].logprobs.iter().all(|derivative| (derivative - value / 3.0).abs() < 1e-15));
    }

    /// A sequence of one token is a token.
    #[test]
    fn of_one_token_it_is_the_token_form() {
        for (log_ratio, advantage) in [(0.3, 1.0), (0.3, -1.0), (-0.3, 1.0), (-0.3, -1.0)] {
            let groups = [vec![Case::new(&[log_ratio], advantage)]];
            assert_eq!(total_loss(&WIDE, &groups), total_loss(&Grpo::default(), &groups));
        }
    }

    #[test]
    fn losses() {
        // Means on both sides of 1 − 3e-4 and 1 + 4e-4, by 2e-5.
        let rows: [[f64; 3]; 5] =
            [-3.2e-4, -2.8e-4, 0.0, 3.8e-4, 4.2e-4].map(|mean| [mean, mean - 0.1, mean + 0.1]);
        let rows: Vec<&[f64]> = rows.iter().map(|row| &row[..]).collect();
        check_loss(&Gspo::default(), &rows, Aggregation::SequenceMeanTokenMean);
        let (_, parts) =
            total_loss(&Gspo::default(), &[rows.iter().map(|row| Case::new(row, 1.0)).collect()]);
        let clipped: Vec<usize> = parts.iter().map(|part| part.clipped_tokens).collect();
        assert_eq!(clipped, [0, 0, 0, 0, 3]);
    }
}
