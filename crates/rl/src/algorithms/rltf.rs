//! RLTF, reinforcement learning from unit test feedback (arXiv 2307.04349): partial credit for the tests that pass, and a
//! penalty on the tokens of the line that failed.
//!
//! ```text
//! R_i  = class value, or −0.3 + 1.3 · passed/total for a program that ran      (adaptive)
//! A_it = R_i − R(greedy) − p · |o_i|/|S_i| for t ∈ S_i                           (fine)
//! L    = −1/N · Σ_i 1/|o_i| · Σ_t A_it log π(o_it) − w · mean_gold 1/|o| Σ_t log π(o_t)
//! ```
//!
//! | symbol | here |
//! |---|---|
//! | R_i, R(greedy) | from `Sample::outcome` and `Sample::tests_passed`; `Sample::greedy_reward` |
//! | S_i | `Sample::error_tokens`: the failing line's, all where the whole program is to blame, none where no token is |
//! | π | `Sequence::logprobs` |
//! | p, w, N | `fine_penalty`, `imitation_coefficient`, samples of the update |
//!
//! With `[[reward]] type = "outcome-classes"` the greedy program's reward is on the same scale. The paper's scale |o|/|S|
//! is meant; its code divides a length by itself, so that it is always 1. The fine term has no baseline, as in that code.
//! Online buffer: the samples of a step enter a first-in-first-out buffer of `buffer_groups` tasks with their advantages, and
//! the step learns from as many tasks drawn from it; 0 learns from the step's own. The paper's other processes refill 6,400
//! programs every 50 steps with a newer model; here 64 tasks (of 8 programs, an eighth of the quickstart's run) are
//! refilled each step, so the buffer is younger. Half of the paper's steps imitate references; here each step does, with
//! equal weight. A group of one is fine.

use hone_train::ConfigError;
use serde::{Deserialize, Serialize};

use super::{
    Aggregation, AlgorithmError, Credit, Method, Outcome, Sample, Sequence, SequenceLoss, Totals,
    imitation_loss, require_at_least_zero,
};

/// Settings of RLTF.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rltf {
    /// p, what a failing line costs.
    pub fine_penalty: f64,
    /// Whether a program that ran is worth the share of its tests.
    pub adaptive: bool,
    /// Tasks whose samples are kept to be learned from again; 0 keeps none.
    pub buffer_groups: usize,
    /// w, weight of the reference solutions; 0 imitates nothing.
    pub imitation_coefficient: f64,
}

impl Default for Rltf {
    fn default() -> Self {
        Rltf { fine_penalty: 0.3, adaptive: true, buffer_groups: 64, imitation_coefficient: 1.0 }
    }
}

impl Method for Rltf {
    fn validate(&self, _group_size: usize) -> Result<(), ConfigError> {
        require_at_least_zero(&[
            ("fine_penalty", self.fine_penalty),
            ("imitation_coefficient", self.imitation_coefficient),
        ])
    }

    fn needs_gold(&self) -> bool {
        self.imitation_coefficient > 0.0
    }

    fn buffer_groups(&self) -> usize {
        self.buffer_groups
    }

    fn needs_greedy(&self) -> bool {
        true
    }

    fn needs_error_tokens(&self) -> bool {
        self.fine_penalty > 0.0
    }

    fn credit(&self, batch: &[Vec<Sample>]) -> Result<Vec<Vec<Credit>>, AlgorithmError> {
        batch.iter().map(|group| group.iter().map(|sample| self.sample_credit(sample)).collect()).collect()
    }

    fn loss(&self, group: &[Sequence<'_>], totals: &Totals) -> Vec<SequenceLoss> {
        let sampled = totals.sampled();
        let loss = |sequence: &Sequence<'_>| {
            if sequence.is_gold {
                return imitation_loss(sequence, totals, self.imitation_coefficient);
            }
            let weight = Aggregation::SequenceMeanTokenMean.token_weight(sequence.len(), &sampled);
            let logprobs: Vec<f64> =
                sequence.advantages.iter().map(|advantage| -weight * advantage).collect();
            let value = logprobs.iter().zip(sequence.logprobs).map(|(slope, logprob)| slope * logprob).sum();
            SequenceLoss { value, logprobs, ..SequenceLoss::default() }
        };
        group.iter().map(loss).collect()
    }
}

impl Rltf {
    fn reward(&self, sample: &Sample) -> f64 {
        let is_partial = self.adaptive && sample.outcome == Outcome::FailedTest && sample.tests_total > 0;
        if is_partial {
            -0.3 + 1.3 * f64::from(sample.tests_passed) / f64::from(sample.tests_total)
        } else {
            sample.reward
        }
    }

    fn sample_credit(&self, sample: &Sample) -> Result<Credit, AlgorithmError> {
        if sample.is_gold {
            let (advantages, is_in_loss) = (vec![0.0; sample.tokens], sample.tokens > 0);
            return Ok(Credit { advantages, is_in_loss, ..Credit::default() });
        }
        let Some(baseline) = sample.greedy_reward else {
            let message = "a sample comes with the reward of the greedy program, found none".to_string();
            return Err(AlgorithmError { algorithm: "rltf", message });
        };
        let mut advantages = vec![self.reward(sample) - baseline; sample.tokens];
        let span = sample.error_tokens.clone();
        let scale = sample.tokens as f64 / span.len().max(1) as f64;
        advantages[span].iter_mut().for_each(|advantage| *advantage -= self.fine_penalty * scale);
        Ok(Credit { advantages, is_in_loss: sample.tokens > 0, ..Credit::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Case, check_on_policy, check_order, near, sample, total_loss};
    use super::*;

    fn advantages(method: &Rltf, sample: Sample) -> Vec<f64> {
        method.credit(&[vec![sample]]).unwrap()[0][0].advantages.clone()
    }

    /// 3 of 5 tests are worth 0.48 by an independent script; the greedy program's reward is 0.5.
    #[test]
    fn golden() {
        let method = Rltf::default();
        let failed =
            Sample { tests_passed: 3, tests_total: 5, outcome: Outcome::FailedTest, ..sample(-0.3, 2) };
        near(&advantages(&method, failed.clone()), &[-0.02, -0.02]);
        near(&advantages(&Rltf { adaptive: false, ..method.clone() }, failed), &[-0.8, -0.8]);
        // A line of two of six tokens costs 0.3 · 3 on each.
        let raised = Sample { outcome: Outcome::RuntimeError, error_tokens: 2..4, ..sample(-0.6, 6) };
        near(&advantages(&method, raised), &[-1.1, -1.1, -2.0, -2.0, -1.1, -1.1]);
        near(&advantages(&method, Sample { outcome: Outcome::Passed, ..sample(1.0, 1) }), &[0.5]);
    }

    #[test]
    fn losses() {
        check_on_policy(&Rltf::default(), Aggregation::SequenceMeanTokenMean);
        let sampled = vec![Case::new(&[0.3, 2.0], 1.0), Case::new(&[-1.0], -0.5)];
        check_order(&Rltf::default(), std::slice::from_ref(&sampled));
        // By hand: a reference at −0.5 and −0.8 costs its mean, and changes nothing for the samples.
        let gold = Case { is_gold: true, behaviour: Vec::new(), ..Case::new(&[0.0, 0.0], 0.0) };
        let (alone, _) = total_loss(&Rltf::default(), std::slice::from_ref(&sampled));
        let (value, parts) = total_loss(&Rltf::default(), &[[&sampled[..], &[gold]].concat()]);
        near(&[value - alone], &[0.65]);
        near(&parts[2].logprobs, &[-0.5, -0.5]);
    }
}
