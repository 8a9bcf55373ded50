//! CodeRL (arXiv 2207.01780): a critic that predicts the class of a program's outcome says which tokens led there; the
//! greedy program is the baseline.
//!
//! ```text
//! u_i  = class of the outcome: compile error, runtime error, failed test, passed
//! q_it = softmax(e_it)[u_i]                                 e_it ∈ R⁴, the critic after token t
//! A_it = (R_i − R(greedy)) q_it
//! L_rl     = −1/N · Σ_i 1/|o_i| · Σ_t A_it log π(o_it)
//! L_critic = −1/M · Σ_i log softmax(max_t e_it)[u_i]     over samples and references, which are of class "passed"
//! L        = L_rl + w L_ce + c L_critic,   L_ce = −mean_gold 1/|o| Σ_t log π
//! ```
//!
//! | symbol | here |
//! |---|---|
//! | R_i, R(greedy), u_i | `Sample::reward`, `Sample::greedy_reward`, `Sample::outcome`; rewards −1, −0.6, −0.3, 1 by `[[reward]] type = "outcome-classes"` |
//! | e_it | `Sample::values` when it was sampled, `Sequence::values` in the loss |
//! | A_it, u_i again | `Credit::advantages`, `Credit::returns` (the class, as a number, for every token) |
//! | π | `Sequence::logprobs` |
//! | c, w | `critic_coefficient`, `imitation_coefficient` |
//! | N, M | samples of the update; samples and reference solutions |
//!
//! The authors train a critic network of its own to the end, then the actor on programs sampled once, every other step on
//! a reference instead, with equal weight. Here the critic is a linear head on the policy's hidden state whose gradient
//! ends there; it alone learns in the first `critic_warmup` of the run, and both go on from the policy's own samples, each
//! step also on the references. A class that
//! the critic has not met yet keeps the q of its start, near a quarter, for all its tokens: plain REINFORCE at a quarter of
//! the step; a note says so. A group of one is fine.

use hone_model::ValueHead;
use hone_train::ConfigError;
use serde::{Deserialize, Serialize};

use super::{
    Aggregation, AlgorithmError, Credit, Memory, Method, OUTCOMES, Sample, Sequence, SequenceLoss, Totals,
    imitation_loss, require_at_least_zero,
};

/// Settings of CodeRL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Coderl {
    /// c, weight of the critic's loss.
    pub critic_coefficient: f64,
    /// Share of the run's steps in which the critic learns alone.
    pub critic_warmup: f64,
    /// w, weight of the reference solutions; 0 imitates nothing.
    pub imitation_coefficient: f64,
}

impl Default for Coderl {
    fn default() -> Self {
        Coderl { critic_coefficient: 1.0, critic_warmup: 0.1, imitation_coefficient: 1.0 }
    }
}

impl Method for Coderl {
    fn validate(&self, _group_size: usize) -> Result<(), ConfigError> {
        let is_share = (0.0..1.0).contains(&self.critic_warmup);
        ConfigError::require(is_share, "critic_warmup", "in [0, 1)", self.critic_warmup)?;
        require_at_least_zero(&[
            ("critic_coefficient", self.critic_coefficient),
            ("imitation_coefficient", self.imitation_coefficient),
        ])
    }

    fn needs_gold(&self) -> bool {
        self.imitation_coefficient > 0.0
    }

    fn value_warmup(&self) -> f64 {
        self.critic_warmup
    }

    fn needs_greedy(&self) -> bool {
        true
    }

    fn value_head(&self) -> Option<ValueHead> {
        Some(ValueHead { outputs: OUTCOMES, is_detached: true })
    }

    fn needs_value_behind(&self) -> bool {
        true
    }

    fn credit(&self, batch: &[Vec<Sample>]) -> Result<Vec<Vec<Credit>>, AlgorithmError> {
        self.credit_remembering(batch, &mut Memory::default())
    }

    fn credit_remembering(
        &self,
        batch: &[Vec<Sample>],
        memory: &mut Memory,
    ) -> Result<Vec<Vec<Credit>>, AlgorithmError> {
        note_new_classes(batch, memory);
        batch.iter().map(|group| group.iter().map(sample_credit).collect()).collect()
    }

    fn loss(&self, group: &[Sequence<'_>], totals: &Totals) -> Vec<SequenceLoss> {
        let sampled = totals.sampled();
        let loss = |sequence: &Sequence<'_>| {
            let critic_weight = self.critic_coefficient / totals.sequences as f64;
            if sequence.is_gold {
                let mut loss = imitation_loss(sequence, totals, self.imitation_coefficient);
                critic_loss(&mut loss, sequence, critic_weight);
                return loss;
            }
            let weight = Aggregation::SequenceMeanTokenMean.token_weight(sequence.len(), &sampled);
            let logprobs: Vec<f64> =
                sequence.advantages.iter().map(|advantage| -weight * advantage).collect();
            let value = logprobs.iter().zip(sequence.logprobs).map(|(slope, logprob)| slope * logprob).sum();
            let mut loss = SequenceLoss { value, logprobs, ..SequenceLoss::default() };
            critic_loss(&mut loss, sequence, critic_weight);
            loss
        };
        group.iter().map(loss).collect()
    }
}

/// Says which classes of this batch the critic has not learned from so far.
fn note_new_classes(batch: &[Vec<Sample>], memory: &mut Memory) {
    let seen = batch.iter().flatten().fold(0, |bits, sample| bits | (1 << sample.outcome as u8));
    let fresh = seen & !memory.classes_seen;
    if memory.classes_seen != 0 && fresh != 0 {
        let names = ["compile error", "runtime error", "failed test", "passed"];
        let fresh = names.iter().enumerate().filter(|(class, _)| fresh & (1 << class) != 0);
        let fresh: Vec<&str> = fresh.map(|(_, name)| *name).collect();
        memory.notes.push(format!(
            "the critic never saw the class {} before: its tokens all count about a quarter this time",
            fresh.join(", ")
        ));
    }
    memory.classes_seen |= seen;
}

fn sample_credit(sample: &Sample) -> Result<Credit, AlgorithmError> {
    let refuse = |what: &str| {
        let message = format!("a sample comes with {what}, found none");
        Err(AlgorithmError { algorithm: "coderl", message })
    };
    let class = sample.outcome as usize;
    if sample.is_gold {
        return Ok(Credit {
            advantages: vec![0.0; sample.tokens],
            is_in_loss: sample.tokens > 0,
            returns: Some(vec![class as f64; sample.tokens]),
        });
    }
    let Some(baseline) = sample.greedy_reward else { return refuse("the reward of the greedy program") };
    let Some(values) = &sample.values else { return refuse("what the critic says of its tokens") };
    // The state after token t is the one before token t + 1.
    let state = |t: usize| (t + 1) * OUTCOMES;
    let trust = |t: usize| softmax(&values[state(t)..state(t) + OUTCOMES])[class];
    Ok(Credit {
        advantages: (0..sample.tokens).map(|t| (sample.reward - baseline) * trust(t)).collect(),
        is_in_loss: sample.tokens > 0,
        returns: Some(vec![class as f64; sample.tokens]),
    })
}

/// Adds weight · cross-entropy of the classes' largest logits over time to a sequence's loss.
fn critic_loss(loss: &mut SequenceLoss, sequence: &Sequence<'_>, weight: f64) {
    let (Some(values), Some(returns)) = (sequence.values, sequence.returns) else { return };
    let class = returns[0] as usize;
    // The state before the first token says nothing of the answer.
    let place = |t: usize, k: usize| t * OUTCOMES + k;
    let latest = |k: usize| {
        (1..=sequence.len())
            .map(|t| place(t, k))
            .fold(place(1, k), |best, one| if values[one] > values[best] { one } else { best })
    };
    let places: Vec<usize> = (0..OUTCOMES).map(latest).collect();
    let pooled: Vec<f64> = places.iter().map(|&place| values[place]).collect();
    let probabilities = softmax(&pooled);
    let largest = pooled.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let log_sum = pooled.iter().map(|logit| (logit - largest).exp()).sum::<f64>().ln() + largest;
    loss.value += weight * (log_sum - pooled[class]);
    let mut gradients = vec![0.0; values.len()];
    for (k, &place) in places.iter().enumerate() {
        gradients[place] = weight * (probabilities[k] - f64::from(u8::from(k == class)));
    }
    loss.values = Some(gradients);
}

fn softmax(logits: &[f64]) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let masses: Vec<f64> = logits.iter().map(|logit| (logit - largest).exp()).collect();
    let total: f64 = masses.iter().sum();
    masses.iter().map(|mass| mass / total).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::super::testing::{Case, check_order, near, sample, total_loss};
    use super::*;

    /// By hand: R − R(greedy) = 0.5. A critic without opinion gives a quarter to every token; one that says "passed" with
    /// logit ln 3 after the last of two tokens gives 3/6 to that one.
    #[test]
    fn golden() {
        let passed = Sample { outcome: Outcome::Passed, ..sample(1.0, 2) };
        let credit = sample_credit(&passed).unwrap();
        near(&credit.advantages, &[0.125, 0.125]);
        assert_eq!(credit.returns, Some(vec![3.0, 3.0]));
        let values = [vec![0.0; 2 * OUTCOMES], vec![0.0, 0.0, 0.0, 3f64.ln()]].concat();
        let credit = sample_credit(&Sample { values: Some(values), ..passed }).unwrap();
        near(&credit.advantages, &[0.125, 0.25]);
    }

    #[test]
    fn what_it_needs_is_named() {
        let error = sample_credit(&Sample { greedy_reward: None, ..sample(1.0, 1) }).unwrap_err().to_string();
        assert!(error.contains("reward of the greedy program"), "{error}");
        let error = sample_credit(&Sample { values: None, ..sample(1.0, 1) }).unwrap_err().to_string();
        assert!(error.contains("what the critic says"), "{error}");
    }

    fn case(row: &[f64], advantage: f64, class: f64) -> Case {
        let values =
            (0..(row.len() + 1) * OUTCOMES).map(|i| (i * i % 7) as f64 * 0.3 - 0.1 * i as f64).collect();
        Case { values, returns: vec![class; row.len()], ..Case::new(row, advantage) }
    }

    /// In log-probs the loss is linear, so its differences are exact; in the critic's logits they are checked at every
    /// place of the largest.
    #[test]
    fn losses() {
        let groups = [
            vec![case(&[0.3, -0.2, 0.0], 0.5, 3.0), case(&[0.1], -0.4, 0.0)],
            vec![case(&[0.0; 4], 0.1, 2.0)],
        ];
        let method = Coderl { critic_coefficient: 0.7, ..Coderl::default() };
        let parts = total_loss(&method, &groups).1;
        near(&parts[0].logprobs, &[-0.5 / 9.0; 3]);
        check_order(&method, &groups);
        for (flat, (g, s)) in [(0, 0), (0, 1), (1, 0)].into_iter().enumerate() {
            for (place, found) in parts[flat].values.as_ref().unwrap().iter().enumerate() {
                let at = |offset: f64| {
                    let mut moved = groups.clone();
                    moved[g][s].values[place] += offset;
                    total_loss(&method, &moved).0
                };
                let expected = (at(1e-6) - at(-1e-6)) / 2e-6;
                assert!((found - expected).abs() < 1e-8, "{g}/{s}/{place}: {found} {expected}");
            }
        }
    }

    /// A reference is imitated, teaches the critic its class, and changes nothing for the samples but the critic's mean.
    #[test]
    fn references_are_imitated_and_pass() {
        let method = Coderl { critic_coefficient: 0.0, imitation_coefficient: 0.5, ..Coderl::default() };
        let gold = Case { is_gold: true, behaviour: Vec::new(), ..case(&[0.0, 0.0], 0.0, 3.0) };
        let sampled = vec![case(&[0.3, -0.2], 0.5, 1.0)];
        let (alone, _) = total_loss(&method, std::slice::from_ref(&sampled));
        let groups = [[&sampled[..], &[gold]].concat()];
        let (value, parts) = total_loss(&method, &groups);
        near(&[value - alone], &[0.5 * 0.65]);
        near(&parts[1].logprobs, &[-0.25, -0.25]);
        let (_, parts) = total_loss(&Coderl { critic_coefficient: 1.0, ..method }, &groups);
        assert!(parts[1].values.as_ref().unwrap().iter().skip(3).step_by(4).sum::<f64>() < 0.0);
        let credit =
            sample_credit(&Sample { is_gold: true, outcome: Outcome::Passed, ..sample(1.0, 2) }).unwrap();
        assert_eq!((credit.advantages, credit.returns), (vec![0.0; 2], Some(vec![3.0; 2])));
    }

    #[test]
    fn a_class_that_the_critic_never_saw_is_said() {
        let (method, mut memory) = (Coderl::default(), Memory::default());
        let drawn = |outcome: Outcome| vec![vec![Sample { outcome, ..sample(0.0, 1) }]];
        method.credit_remembering(&drawn(Outcome::FailedTest), &mut memory).unwrap();
        assert!(memory.notes.is_empty());
        method.credit_remembering(&drawn(Outcome::Passed), &mut memory).unwrap();
        assert!(
            memory.notes[0].starts_with("the critic never saw the class passed before"),
            "{:?}",
            memory.notes
        );
        method.credit_remembering(&drawn(Outcome::Passed), &mut memory).unwrap();
        assert_eq!(memory.notes.len(), 1);
    }
}
