//! The record of a rollout: what was asked, sampled and judged. Numbers and text, no tensors, no files.

use hone_environment::{Observation, RewardValue, Verdict};
use hone_model::FinishReason;
use hone_runlog::{ErrorRecord, TrajectoryRecord};
use serde::Serialize;

/// One sampled completion and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Trajectory {
    /// Index within its group, 0..G.
    pub sample: usize,
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

/// The G trajectories of one task, sampled by one version of the policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Task id.
    pub task: String,
    /// Task index in its set.
    pub task_index: usize,
    /// Number of updates the policy had seen when it sampled this group.
    pub policy_version: u64,
    /// What the policy saw.
    pub observation: Observation,
    /// The same as tokens.
    pub prompt: Vec<u32>,
    /// The samples in order.
    pub trajectories: Vec<Trajectory>,
    /// The greedy answer, where the algorithm asks for one; it is never trained on.
    pub greedy: Option<Trajectory>,
}

impl Group {
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
                policy_version: self.policy_version,
                task: self.task.clone(),
                group: group as u64,
                sample: trajectory.sample as u64,
                prompt: prompt.clone(),
                prompt_tokens: self.prompt.clone(),
                ..record(trajectory)
            })
            .collect()
    }
}

fn record(trajectory: &Trajectory) -> TrajectoryRecord {
    let mut record = TrajectoryRecord {
        completion: trajectory.text.clone(),
        completion_tokens: trajectory.tokens.clone(),
        logprobs: trajectory.logprobs.clone(),
        finish: name(&trajectory.finish),
        reward: trajectory.reward,
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
