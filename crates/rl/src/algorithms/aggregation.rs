//! From a loss a token to one number. The denominators are those of the whole update ([`Totals`]), never of a
//! micro-batch, so that splitting it changes nothing.

use serde::{Deserialize, Serialize};

use super::Totals;

/// How token losses L[i, t] of N sequences are averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aggregation {
    /// Σ L / Σ tokens: every token counts the same (DAPO, arXiv 2503.14476).
    #[default]
    TokenMean,
    /// mean over sequences of the mean over tokens: every sequence counts the same (GRPO, arXiv 2402.03300).
    SequenceMeanTokenMean,
    /// mean over sequences of the sum over tokens.
    SequenceMeanTokenSum,
    /// the same divided by the constant L_max: no bias by length (Dr. GRPO, arXiv 2503.20783).
    SequenceMeanTokenSumNorm,
}

impl Aggregation {
    /// Weight of each token of a sequence of `length` tokens.
    pub fn token_weight(self, length: usize, totals: &Totals) -> f64 {
        let denominator = match self {
            Aggregation::TokenMean => totals.tokens,
            Aggregation::SequenceMeanTokenMean => totals.sequences * length,
            Aggregation::SequenceMeanTokenSum => totals.sequences,
            Aggregation::SequenceMeanTokenSumNorm => totals.sequences * totals.max_tokens,
        };
        1.0 / denominator.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// L = [[1, 2, 3, 4], [10]], L_max = 4; values by an independent script.
    #[test]
    fn golden() {
        let losses: [&[f64]; 2] = [&[1.0, 2.0, 3.0, 4.0], &[10.0]];
        let totals = Totals { tokens: 5, sequences: 2, groups: 1, max_tokens: 4, ..Totals::default() };
        for (aggregation, expected) in [
            (Aggregation::TokenMean, 4.0),
            (Aggregation::SequenceMeanTokenSum, 10.0),
            (Aggregation::SequenceMeanTokenMean, 6.25),
            (Aggregation::SequenceMeanTokenSumNorm, 2.5),
        ] {
            let weigh = |row: &&[f64]| aggregation.token_weight(row.len(), &totals) * row.iter().sum::<f64>();
            assert_eq!(losses.iter().map(weigh).sum::<f64>(), expected, "{aggregation:?}");
        }
    }
}
