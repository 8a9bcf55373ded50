//! GRPO, group-relative policy optimisation (DeepSeekMath, arXiv 2402.03300), in the setting of DAPO
//! (arXiv 2503.14476) and Dr. GRPO (arXiv 2503.20783).
//!
//! ```text
//! A_i  = R_i − mean_j R_j                                  (scale = "none"; or divided by a standard deviation)
//! r_it = π(o_it) / π_old(o_it)
//! L    = 1/Σ_i|o_i| · Σ_i Σ_t [ max(−A_i r_it, −A_i clip(r_it, 1−ε_low, 1+ε_high)) + β k3_it − η H_it ]
//! ```
//!
//! | symbol | here |
//! |---|---|
//! | G, R_i, A_i | group size, `Sample::reward`, `Credit::advantages` (the same for all tokens of a sequence) |
//! | π, π_old | `Sequence::logprobs`, `Sequence::behaviour` |
//! | k3_it | estimator of KL(π ‖ π_ref), `kl::k3` with `Sequence::reference` |
//! | H_it | `Sequence::entropies` |
//! | ε_low, ε_high, β, η | `clip_low`, `clip_high`, `kl_coefficient`, `entropy_coefficient` |
//!
//! What differs from the first paper, each because a later one measured it: no division by the standard deviation
//! (Dr. GRPO), mean over tokens instead of sequences, a wider clip above, no KL term, groups of equal rewards replaced
//! (dynamic sampling), truncated sequences left out of the loss (overlong filtering; they still count in the baseline)
//! (all DAPO). The original is `scale = "group"`, `aggregation = "sequence-mean-token-mean"`, `clip_high = 0.2`,
//! `kl_coefficient = 0.04`, `dynamic_sampling = false`, `mask_truncated = false`. A group of one is an error:
//! its centred reward is always 0.

use hone_train::ConfigError;
use serde::{Deserialize, Serialize};

use super::{
    Aggregation, AlgorithmError, ClipRange, Credit, Method, Sample, Scale, Sequence, SequenceLoss, Totals,
    clipped_surrogate, group_advantages, k3,
};

/// Settings of GRPO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grpo {
    /// ε_low.
    pub clip_low: f64,
    /// ε_high.
    pub clip_high: f64,
    /// c of the dual clip, above 1; `None` leaves it out.
    pub dual_clip: Option<f64>,
    /// What advantages are divided by.
    pub scale: Scale,
    /// How token losses are averaged.
    pub aggregation: Aggregation,
    /// β, weight of the KL to the reference model; 0 leaves it out.
    pub kl_coefficient: f64,
    /// η, weight of the entropy bonus; 0 leaves it out.
    pub entropy_coefficient: f64,
    /// Drop groups whose rewards are all equal and sample further tasks in their place.
    pub dynamic_sampling: bool,
    /// Samplings a step at most to fill the batch; what is missing then stays missing.
    pub sampling_rounds: usize,
    /// Leave truncated sequences out of the loss.
    pub mask_truncated: bool,
}

impl Default for Grpo {
    fn default() -> Self {
        Grpo {
            clip_low: 0.2,
            clip_high: 0.28,
            dual_clip: None,
            scale: Scale::None,
            aggregation: Aggregation::TokenMean,
            kl_coefficient: 0.0,
            entropy_coefficient: 0.0,
            dynamic_sampling: true,
            sampling_rounds: 4,
            mask_truncated: true,
        }
    }
}

impl Method for Grpo {
    fn validate(&self, group_size: usize) -> Result<(), ConfigError> {
        ConfigError::require(group_size >= 2, "group_size", "at least 2 for grpo", group_size)?;
        ConfigError::require((0.0..1.0).contains(&self.clip_low), "clip_low", "in [0, 1)", self.clip_low)?;
        ConfigError::require(self.clip_high >= 0.0, "clip_high", "at least 0", self.clip_high)?;
        if let Some(dual) = self.dual_clip {
            ConfigError::require(dual > 1.0, "dual_clip", "above 1", dual)?;
        }
        for (key, value) in
            [("kl_coefficient", self.kl_coefficient), ("entropy_coefficient", self.entropy_coefficient)]
        {
            ConfigError::require(value.is_finite() && value >= 0.0, key, "at least 0", value)?;
        }
        ConfigError::require(self.sampling_rounds >= 1, "sampling_rounds", "at least 1", self.sampling_rounds)
    }

    fn needs_reference(&self) -> bool {
        self.kl_coefficient > 0.0
    }

    fn sampling_rounds(&self) -> usize {
        if self.dynamic_sampling { self.sampling_rounds } else { 1 }
    }

    fn has_signal(&self, group: &[Sample]) -> bool {
        !self.dynamic_sampling || group.windows(2).any(|pair| pair[0].reward != pair[1].reward)
    }

    fn credit(&self, batch: &[Vec<Sample>]) -> Result<Vec<Vec<Credit>>, AlgorithmError> {
        if let Some(group) = batch.iter().find(|group| group.len() < 2) {
            let message = format!("a group has at least 2 samples, found {}", group.len());
            return Err(AlgorithmError { algorithm: "grpo", message });
        }
        let rewards: Vec<Vec<f64>> =
            batch.iter().map(|group| group.iter().map(|sample| sample.reward).collect()).collect();
        let credit = |(sample, advantage): (&Sample, f64)| Credit {
            advantages: vec![advantage; sample.tokens],
            is_in_loss: sample.tokens > 0 && !(self.mask_truncated && sample.is_truncated),
        };
        let advantages = group_advantages(&rewards, self.scale);
        Ok(batch
            .iter()
            .zip(advantages)
            .map(|(group, row)| group.iter().zip(row).map(credit).collect())
            .collect())
    }

    fn loss(&self, group: &[Sequence<'_>], totals: &Totals) -> Vec<SequenceLoss> {
        group.iter().map(|sequence| self.sequence_loss(sequence, totals)).collect()
    }
}

impl Grpo {
    fn sequence_loss(&self, sequence: &Sequence<'_>, totals: &Totals) -> SequenceLoss {
        let length = sequence.logprobs.len();
        let weight = self.aggregation.token_weight(length, totals);
        let clip = ClipRange { low: self.clip_low, high: self.clip_high, dual: self.dual_clip };
        let mut loss = SequenceLoss { logprobs: Vec::with_capacity(length), ..SequenceLoss::default() };
        for t in 0..length {
            let logprob = sequence.logprobs[t];
            let surrogate = clipped_surrogate(logprob - sequence.behaviour[t], sequence.advantages[t], clip);
            loss.clipped_tokens += usize::from(surrogate.is_clipped);
            let (mut value, mut derivative) = (surrogate.value, surrogate.derivative);
            if let Some(reference) = sequence.reference
                && self.kl_coefficient > 0.0
            {
                let divergence = k3(logprob, reference[t]);
                value += self.kl_coefficient * divergence.value;
                derivative += self.kl_coefficient * divergence.derivative;
            }
            value -= self.entropy_coefficient * sequence.entropies[t];
            loss.value += weight * value;
            loss.logprobs.push(weight * derivative);
        }
        if self.entropy_coefficient > 0.0 {
            loss.entropies = Some(vec![-weight * self.entropy_coefficient; length]);
        }
        loss
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Case, check_finite_differences, total_loss};
    use super::*;

    fn sample(reward: f64, tokens: usize, is_truncated: bool) -> Sample {
        Sample { reward, tokens, is_truncated }
    }

    /// A sequence whose log-ratios are `log_ratios`.
    fn case(log_ratios: &[f64], advantage: f64) -> Case {
        let index = |t: usize| t as f64;
        let behaviour: Vec<f64> = (0..log_ratios.len()).map(|t| -0.5 - 0.3 * index(t)).collect();
        Case {
            logprobs: behaviour.iter().zip(log_ratios).map(|(old, change)| old + change).collect(),
            entropies: (0..log_ratios.len()).map(|t| 0.7 + 0.1 * index(t)).collect(),
            reference: behaviour.iter().map(|old| old - 0.2).collect(),
            behaviour,
            advantages: vec![advantage; log_ratios.len()],
        }
    }

    /// Log-ratios on both sides of 0.8 and of 1.28, and between.
    fn groups() -> Vec<Vec<Case>> {
        let (low, high) = (0.8f64.ln(), 1.28f64.ln());
        let around = [0.0, low - 1e-3, low + 1e-3, high - 1e-3, high + 1e-3, 1.5];
        vec![
            vec![case(&around, 0.6), case(&around, -0.4), case(&[0.1], -0.2)],
            vec![case(&[0.05, -0.5, 0.9], 1.0), case(&[-0.05, 0.5], -1.0)],
        ]
    }

    #[test]
    fn derivatives_match_finite_differences() {
        let full =
            Grpo { kl_coefficient: 0.04, entropy_coefficient: 0.01, dual_clip: Some(3.0), ..Grpo::default() };
        check_finite_differences(&Grpo::default(), &groups());
        check_finite_differences(&full, &groups());
        for aggregation in [
            Aggregation::SequenceMeanTokenMean,
            Aggregation::SequenceMeanTokenSum,
            Aggregation::SequenceMeanTokenSumNorm,
        ] {
            check_finite_differences(&Grpo { aggregation, ..full.clone() }, &groups());
        }
    }

    /// On-policy the value is −mean(A) = 0, which says nothing; the gradient −A/N is what trains.
    #[test]
    fn on_policy_the_gradient_is_minus_the_advantage_over_the_tokens() {
        let credits = Grpo::default().credit(&[vec![sample(1.0, 2, false), sample(0.0, 2, false)]]).unwrap();
        let cases: Vec<Case> =
            credits[0].iter().map(|credit| case(&[0.0, 0.0], credit.advantages[0])).collect();
        let (value, parts) = total_loss(&Grpo::default(), &[cases]);
        assert!(value.abs() < 1e-15);
        assert_eq!(parts[0].logprobs, [-0.125, -0.125]);
        assert_eq!(parts[1].logprobs, [0.125, 0.125]);
    }

    /// A step against the gradient raises the log-prob of a token with positive advantage and lowers the other.
    #[test]
    fn sign() {
        let (_, parts) = total_loss(&Grpo::default(), &groups());
        assert!(parts[0].logprobs[0] < 0.0 && parts[1].logprobs[0] > 0.0);
    }

    #[test]
    fn split_and_order_do_not_change_the_loss() {
        let method = Grpo { kl_coefficient: 0.04, entropy_coefficient: 0.01, ..Grpo::default() };
        let (value, parts) = total_loss(&method, &groups());
        // Each group in a micro-batch of its own, and each sequence in one.
        let all: Vec<Case> = groups().concat();
        let totals =
            Totals { tokens: all.iter().map(|case| case.logprobs.len()).sum(), sequences: 5, max_tokens: 8 };
        let alone: Vec<SequenceLoss> =
            all.iter().flat_map(|case| method.loss(&[case.borrow()], &totals)).collect();
        assert_eq!(alone, parts);
        let mut reversed = groups();
        reversed.reverse();
        reversed.iter_mut().for_each(|group| group.reverse());
        let (other, mut other_parts) = total_loss(&method, &reversed);
        other_parts.reverse();
        assert!((value - other).abs() < 1e-15);
        assert_eq!(other_parts, parts);
    }

    /// There is no padding: a sequence that is masked leaves no trace in numerator or denominator.
    #[test]
    fn a_truncated_sequence_is_out_of_the_loss_but_in_the_baseline() {
        let batch = [vec![sample(1.0, 3, false), sample(0.0, 8, true), sample(0.5, 2, false)]];
        let masked = Grpo::default().credit(&batch).unwrap();
        let is_in_loss: Vec<bool> = masked[0].iter().map(|credit| credit.is_in_loss).collect();
        assert_eq!(is_in_loss, [true, false, true]);
        assert_eq!(masked[0][0].advantages, [0.5; 3]);
        let all = Grpo { mask_truncated: false, ..Grpo::default() }.credit(&batch).unwrap();
        assert!(all[0].iter().all(|credit| credit.is_in_loss));
    }

    #[test]
    fn groups_of_equal_rewards_have_no_signal() {
        let equal = [sample(0.3, 1, false), sample(0.3, 9, true)];
        let different = [sample(0.3, 1, false), sample(0.0, 1, false)];
        let method = Grpo::default();
        assert!(!method.has_signal(&equal) && method.has_signal(&different));
        assert!(Grpo { dynamic_sampling: false, ..method }.has_signal(&equal));
    }

    #[test]
    fn a_group_of_one_is_an_error() {
        let error = Grpo::default().credit(&[vec![sample(1.0, 1, false)]]).unwrap_err();
        assert_eq!(error.to_string(), "grpo: a group has at least 2 samples, found 1");
        let error = Grpo::default().validate(1).unwrap_err();
        assert_eq!(error.to_string(), "`group_size` must be at least 2 for grpo, got 1");
    }
}
