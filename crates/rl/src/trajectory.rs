//! The record of a rollout: what was asked, sampled and judged. Numbers and text, no tensors, no files.

use hone_environment::{Observation, RewardValue, Verdict};
use hone_model::{FinishReason, PromptGroup};
use hone_runlog::{ErrorRecord, TrajectoryRecord};
use serde::Serialize;

/// One sampled completion and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Trajectory {
    /// Index within its group, 0..G.
    pub sample: usize,
    /// The prompt's tokens, where turns before made it differ from the group's.
    pub prompt: Option<Vec<u32>>,
    /// Sampled tokens, `[T]`, with the stop token if one was sampled.
    pub tokens: Vec<u32>,
    /// Log-prob of each token under the behaviour policy, `[T]`; entry `t` is about token `t`.
    pub logprobs: Vec<f32>,
    /// The action: decoded text without stop token and stop text.
    pub text: String,
    /// Why it ended.
    pub finish: FinishReason,
    /// Verdict → scalar.
    pub reward: f64,
    /// The rewards of this turn and those after it in the episode; one of them in an episode of one turn.
    pub turn_rewards: Vec<f64>,
    /// What the turn is worth for credit: its reward and, discounted, those of the turns after it.
    pub turn_return: f64,
    /// What each part of the reward is worth, before its weight.
    pub parts: Vec<RewardValue>,
    /// What the verifier said, where something was executed.
    pub verdict: Option<Verdict>,
    /// Mean advantage over its tokens; 0 where it was not trained on.
    pub advantage: f64,
    /// Whether it entered a loss.
    pub is_trained: bool,
}

impl Trajectory {
    /// Whether the length limit ended it, so that its verdict is about an unfinished answer.
    pub fn is_truncated(&self) -> bool {
        self.finish == FinishReason::Length
    }

    /// Whether all tests passed; without a verdict, whether the reward is at least 1.
    pub fn is_passed(&self) -> bool {
        match &self.verdict {
            Some(verdict) => verdict.tests_total > 0 && verdict.tests_passed == verdict.tests_total,
            None => self.reward >= 1.0,
        }
    }

    /// Name of the outcome's class, such as `wrong-answer`; empty if nothing was executed.
    pub fn outcome(&self) -> String {
        self.verdict.as_ref().map(|verdict| name(&verdict.class)).unwrap_or_default()
    }
}

/// The trajectories of one task at one turn, sampled by one version of the policy: G at the first turn, those of the
/// episodes that went on at later ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Task id.
    pub task: String,
    /// Task index in its set.
    pub task_index: usize,
    /// Which drawing of the task; its turns have it in common.
    pub draw: u64,
    /// The turn, from 0.
    pub turn: usize,
    /// Number of updates the policy had seen when it sampled this group.
    pub policy_version: u64,
    /// Whether it comes from a log, and so maybe from another policy.
    pub is_logged: bool,
    /// What the policy saw.
    pub observation: Observation,
    /// The same as tokens.
    pub prompt: Vec<u32>,
    /// The samples in order.
    pub trajectories: Vec<Trajectory>,
    /// The greedy answer, where the algorithm asks for one; it is never trained on.
    pub greedy: Option<Trajectory>,
    /// The task's reference solution as an answer, where the algorithm asks for it; nobody sampled it.
    pub gold: Option<Trajectory>,
}

impl Group {
    /// Completion tokens.
    pub(crate) fn tokens(&self) -> usize {
        self.trajectories.iter().map(|one| one.tokens.len()).sum()
    }

    /// The tokens before a trajectory's own.
    pub fn prompt_of<'a>(&'a self, trajectory: &'a Trajectory) -> &'a [u32] {
        trajectory.prompt.as_deref().unwrap_or(&self.prompt)
    }

    /// Everything that may be learned from: the samples, and the reference solution behind them.
    pub(crate) fn answers(&self) -> impl Iterator<Item = &Trajectory> {
        self.trajectories.iter().chain(&self.gold)
    }

    /// These trajectories as a network takes them: all after one prompt, or each after its own.
    pub(crate) fn prompt_groups(&self, trajectories: &[&Trajectory]) -> Vec<PromptGroup> {
        let shared = |one: &&&Trajectory| one.prompt.is_none();
        let tokens = |one: &&Trajectory| one.tokens.clone();
        if trajectories.iter().all(|one| shared(&one)) {
            let completions = trajectories.iter().map(tokens).collect();
            return vec![PromptGroup { prompt: self.prompt.clone(), completions }];
        }
        let alone = |one: &&Trajectory| PromptGroup {
            prompt: self.prompt_of(one).to_vec(),
            completions: vec![one.tokens.clone()],
        };
        trajectories.iter().map(alone).collect()
    }

    /// The group as records for the run directory; `group` is its index within the step.
    pub fn records(
        &self,
        step: u64,
        group: usize,
        decode: &dyn Fn(&[u32]) -> String,
    ) -> Vec<TrajectoryRecord> {
        let prompt = decode(&self.prompt);
        self.trajectories
            .iter()
            .map(|trajectory| TrajectoryRecord {
                step,
                turn: self.turn as u64,
                policy_version: self.policy_version,
                is_replayed: self.is_logged,
                task: self.task.clone(),
                group: group as u64,
                sample: trajectory.sample as u64,
                prompt: trajectory.prompt.as_ref().map_or_else(|| prompt.clone(), |own| decode(own)),
                prompt_tokens: self.prompt_of(trajectory).to_vec(),
                ..record(trajectory)
            })
            .collect()
    }
}

/// The same prompts with one more place behind every completion, in which a value head speaks of the whole answer. The token
/// there is never read: what is said of a place depends on what is before it. Where a model's `context` is full, the prompt
/// loses its first token.
pub(crate) fn with_place_behind(mut prompts: Vec<PromptGroup>, context: usize) -> Vec<PromptGroup> {
    for PromptGroup { prompt, completions } in &mut prompts {
        completions.iter_mut().for_each(|completion| completion.push(0));
        let longest = completions.iter().map(Vec::len).max().unwrap_or(0);
        if prompt.len() > 1 && prompt.len() + longest > context {
            prompt.remove(0);
        }
    }
    prompts
}

fn record(trajectory: &Trajectory) -> TrajectoryRecord {
    let mut record = TrajectoryRecord {
        completion: trajectory.text.clone(),
        completion_tokens: trajectory.tokens.clone(),
        logprobs: trajectory.logprobs.clone(),
        finish: name(&trajectory.finish),
        reward: trajectory.reward,
        turn_return: (trajectory.turn_rewards.len() > 1).then_some(trajectory.turn_return),
        reward_parts: trajectory.parts.iter().map(|part| (part.name.clone(), part.value)).collect(),
        advantage: trajectory.advantage,
        is_truncated: trajectory.is_truncated(),
        ..TrajectoryRecord::default()
    };
    if let Some(verdict) = &trajectory.verdict {
        record.outcome = trajectory.outcome();
        record.tests_passed = verdict.tests_passed;
        record.tests_total = verdict.tests_total;
        record.program = verdict.program.clone();
        record.mode = name(&verdict.mode);
        record.error = verdict.error.as_ref().map(|error| ErrorRecord {
            kind: error.kind.clone(),
            message: error.message.clone(),
            line: error.line,
            column: error.column,
        });
    }
    record
}

/// The name under which a plain enum is serialised.
fn name(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}
