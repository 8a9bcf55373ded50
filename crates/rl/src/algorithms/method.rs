//! What the trainer asks of an algorithm, and what passes between them: samples in, credit and derivatives out.

use std::ops::Range;

use hone_model::ValueHead;
use hone_train::ConfigError;
use serde::{Deserialize, Serialize};

/// A sampled sequence as credit assignment sees it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sample {
    /// Its reward.
    pub reward: f64,
    /// T, its length.
    pub tokens: usize,
    /// L_max, the longest completion that sampling allowed.
    pub max_tokens: usize,
    /// Whether the length limit ended it.
    pub is_truncated: bool,
    /// log π_old of each token, `[T]`.
    pub behaviour: Vec<f64>,
    /// log π_ref of each token, `[T]`; there if [`Method::needs_reference`].
    pub reference: Option<Vec<f64>>,
    /// What the value head said before each token, `[T · K]`; there if [`Method::value_head`]. With
    /// [`Method::needs_value_behind`] also after the last one, `[(T + 1) · K]`.
    pub values: Option<Vec<f64>>,
    /// What execution did.
    pub outcome: Outcome,
    /// Tests passed.
    pub tests_passed: u32,
    /// Tests in all; 0 if nothing was executed.
    pub tests_total: u32,
    /// The tokens that its error is about; empty unless [`Method::needs_error_tokens`].
    pub error_tokens: Range<usize>,
    /// Which drawing of a task: the turns of one episode, and the episodes of one group, have it in common.
    pub draw: u64,
    /// The turn of its episode, from 0.
    pub turn: usize,
    /// The environment's rewards of this turn and those after it; `reward` is what they are worth together.
    pub turn_rewards: Vec<f64>,
    /// Reward of the greedy answer to the same prompt; there if [`Method::needs_greedy`].
    pub greedy_reward: Option<f64>,
    /// Whether it is the task's reference solution instead of something sampled: it has a reward and no log-probs of a
    /// behaviour policy. One a group, the last, if [`Method::needs_gold`] and the task has one.
    pub is_gold: bool,
    /// How far the logit of the reference model's likeliest token is below the policy's own largest, in each token's place,
    /// `[T]`; there if [`Method::needs_lookahead`].
    pub lookahead: Option<Vec<f64>>,
    /// Whether a token is of a line that could have been executed and was not, `[T]`; empty unless
    /// [`Method::needs_coverage`], and where nothing was measured.
    pub missed: Vec<bool>,
}

impl Sample {
    /// log π_old − log π_ref of each token, the estimator k1 of their KL; zeros without a reference.
    pub fn reference_log_ratios(&self) -> Vec<f64> {
        match &self.reference {
            Some(reference) => self.behaviour.iter().zip(reference).map(|(old, other)| old - other).collect(),
            None => vec![0.0; self.tokens],
        }
    }

    /// The reward of each token: −β k1 for each, and the sequence's reward for the last.
    pub fn token_rewards(&self, kl_coefficient: f64) -> Vec<f64> {
        let mut rewards: Vec<f64> =
            self.reference_log_ratios().iter().map(|log_ratio| -kl_coefficient * log_ratio).collect();
        if let Some(last) = rewards.last_mut() {
            *last += self.reward;
        }
        rewards
    }
}

/// The four classes of an outcome (CodeRL, arXiv 2207.01780), worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Outcome {
    /// It cannot be parsed or built.
    CompileError,
    /// It raised, crashed, or went past a limit.
    RuntimeError,
    /// It ran, and a test failed.
    #[default]
    FailedTest,
    /// Every test passed.
    Passed,
}

/// How many classes of outcomes there are.
pub const OUTCOMES: usize = 4;

/// What credit assignment says of a sequence.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Credit {
    /// Advantage of each token, `[T]`.
    pub advantages: Vec<f64>,
    /// Whether the sequence enters the loss, numerator and denominator.
    pub is_in_loss: bool,
    /// What the value of each token should be, `[T]`; `None` without a value function.
    pub returns: Option<Vec<f64>>,
}

/// A sequence as the loss sees it. All slices are `[T]`; entry `t` is about token `t`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sequence<'a> {
    /// log π, the current policy: the only variable besides `entropies` and `values`.
    pub logprobs: &'a [f64],
    /// Entropy of the current policy.
    pub entropies: &'a [f64],
    /// log π_old, the behaviour policy.
    pub behaviour: &'a [f64],
    /// log π_ref; there if [`Method::needs_reference`].
    pub reference: Option<&'a [f64]>,
    /// A, from [`Method::credit`].
    pub advantages: &'a [f64],
    /// What the value head says before each token, `[T · K]`; there if [`Method::value_head`]. With
    /// [`Method::needs_value_behind`] also after the last one, `[(T + 1) · K]`.
    pub values: Option<&'a [f64]>,
    /// The same when the batch was sampled.
    pub old_values: Option<&'a [f64]>,
    /// G, from [`Method::credit`].
    pub returns: Option<&'a [f64]>,
    /// log π of the likeliest token in the token's place, of the current policy: a variable as `logprobs` are.
    pub likeliest: &'a [f64],
    /// Whether it is a reference solution; `behaviour` is empty then.
    pub is_gold: bool,
}

impl Sequence<'_> {
    /// T.
    #[expect(clippy::len_without_is_empty, reason = "a sequence in a loss has a token")]
    pub fn len(&self) -> usize {
        self.logprobs.len()
    }

    /// log r of token `t`, with r = π / π_old.
    pub fn log_ratio(&self, t: usize) -> f64 {
        self.logprobs[t] - self.behaviour[t]
    }
}

/// A sequence's part of the loss, and its derivatives.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SequenceLoss {
    /// The part; the loss of an update is the sum over all its sequences.
    pub value: f64,
    /// ∂loss/∂logprobs, `[T]`.
    pub logprobs: Vec<f64>,
    /// ∂loss/∂entropies, `[T]`; `None` if the loss does not use them.
    pub entropies: Option<Vec<f64>>,
    /// ∂loss/∂values, as long as [`Sequence::values`]; `None` if the loss does not use them.
    pub values: Option<Vec<f64>>,
    /// ∂loss/∂likeliest, `[T]`; `None` if the loss does not use them.
    pub likeliest: Option<Vec<f64>>,
    /// Tokens whose gradient the clip removed.
    pub clipped_tokens: usize,
}

/// What an algorithm carries from step to step; part of every checkpoint.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Memory {
    /// β where it is steered.
    pub kl_coefficient: Option<f64>,
    /// The classes of outcomes that a critic has learned from, as bits.
    pub classes_seen: u8,
    /// Share of the solution that a curriculum still gives; `None` before its first step.
    pub given: Option<f64>,
    /// What the last step has to say to people; not part of the state.
    #[serde(skip)]
    pub notes: Vec<String>,
}

/// Sums over everything in the loss of one optimizer update, however it is split into micro-batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Tokens.
    pub tokens: usize,
    /// Sequences.
    pub sequences: usize,
    /// Those of them that are reference solutions.
    pub gold_sequences: usize,
    /// Their tokens.
    pub gold_tokens: usize,
    /// Prompts.
    pub groups: usize,
    /// Longest completion that sampling allows, L_max.
    pub max_tokens: usize,
}

impl Totals {
    /// The same without the reference solutions.
    pub fn sampled(&self) -> Totals {
        Totals {
            tokens: self.tokens - self.gold_tokens,
            sequences: self.sequences - self.gold_sequences,
            gold_sequences: 0,
            gold_tokens: 0,
            ..*self
        }
    }
}

/// A curriculum of completion sub-tasks: answers begin with a part of the reference solution, less of it as they succeed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Curriculum {
    /// Stages from almost all of the solution to none of it.
    pub stages: usize,
    /// The pass rate of a step that ends a stage.
    pub threshold: f64,
}

impl Curriculum {
    /// The share of the solution that is given after a step with this pass rate.
    pub fn next(&self, given: f64, pass_rate: f64) -> f64 {
        if pass_rate < self.threshold {
            return given;
        }
        let stage = (given * self.stages as f64).round() - 1.0;
        stage.max(0.0) / self.stages as f64
    }
}

/// Why an algorithm cannot work with what it was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{algorithm}: {message}")]
pub struct AlgorithmError {
    /// Which.
    pub algorithm: &'static str,
    /// What was expected and found.
    pub message: String,
}

/// What the trainer asks of an algorithm.
pub trait Method {
    /// Refuses impossible settings, also in view of the group size.
    fn validate(&self, group_size: usize) -> Result<(), ConfigError>;

    /// Whether the loss needs the reference model's log-probs.
    fn needs_reference(&self) -> bool {
        false
    }

    /// Whether credit needs the reward of a greedy answer to every prompt.
    fn needs_greedy(&self) -> bool {
        false
    }

    /// Whether credit needs the tokens that an error is about.
    fn needs_error_tokens(&self) -> bool {
        false
    }

    /// The value head that credit and loss need.
    fn value_head(&self) -> Option<ValueHead> {
        None
    }

    /// Whether the value head is also read after the last token.
    fn needs_value_behind(&self) -> bool {
        false
    }

    /// Whether groups come with the reference solutions of their tasks.
    fn needs_gold(&self) -> bool {
        false
    }

    /// Whether credit looks ahead by the reference model's likeliest tokens.
    fn needs_lookahead(&self) -> bool {
        false
    }

    /// Whether credit asks which lines were executed.
    fn needs_coverage(&self) -> bool {
        false
    }

    /// Whether it learns from logged trajectories only.
    fn needs_log(&self) -> bool {
        false
    }

    /// Share of a run's steps, at its beginning, in which the value head learns and nothing else.
    fn value_warmup(&self) -> f64 {
        0.0
    }

    /// The curriculum of beginnings that answers are given, if there is one.
    fn curriculum(&self) -> Option<Curriculum> {
        None
    }

    /// Groups that are kept to be learned from again, first in first out; 0 learns from each step's own.
    fn buffer_groups(&self) -> usize {
        0
    }

    /// Share of a log's groups that are kept aside to be judged by [`Method::ranking`].
    fn held_out(&self) -> f64 {
        0.0
    }

    /// Of the pairs of a group whose rewards differ: how many the value head puts in their order, and how many there are.
    fn ranking(&self, _group: &[Sample]) -> (usize, usize) {
        (0, 0)
    }

    /// Steps after which the reference becomes the policy as it is then; 0 keeps the base model.
    fn reference_every(&self) -> u64 {
        0
    }

    /// Whether one sequence without others beside it can be learned from.
    fn can_learn_alone(&self) -> bool {
        self.validate(1).is_ok()
    }

    /// What a turn is worth, from its reward and those of the turns after it: Σ_j γ^j r_j.
    fn turn_return(&self, rewards: &[f64], gamma: f64) -> f64 {
        rewards.iter().rev().fold(0.0, |after, reward| reward + gamma * after)
    }

    /// How often at most further tasks are sampled to replace groups without signal; 1 samples once.
    fn sampling_rounds(&self) -> usize {
        1
    }

    /// Whether a group is worth an update.
    fn has_signal(&self, _group: &[Sample]) -> bool {
        true
    }

    /// The advantage of every token of the batch, `[group][sample]`.
    fn credit(&self, batch: &[Vec<Sample>]) -> Result<Vec<Vec<Credit>>, AlgorithmError>;

    /// The same for an algorithm that carries something from step to step.
    fn credit_remembering(
        &self,
        batch: &[Vec<Sample>],
        _memory: &mut Memory,
    ) -> Result<Vec<Vec<Credit>>, AlgorithmError> {
        self.credit(batch)
    }

    /// The loss of one prompt's sequences (those that are in the loss), one entry a sequence.
    fn loss(&self, group: &[Sequence<'_>], totals: &Totals) -> Vec<SequenceLoss>;
}
