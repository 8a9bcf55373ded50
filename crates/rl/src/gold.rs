//! Reference solutions as answers: what methods that imitate them, or learn values from right programs, take beside the
//! samples.
//!
//! A solution is judged like any answer, once a task, so that its reward is on the samples' scale. Nobody sampled it: it
//! has no log-probs of a behaviour policy, and no number of a step's metrics speaks of it.

use std::collections::BTreeMap;

use hone_environment::EnvironmentSet;
use hone_model::FinishReason;
use hone_train::ConfigError;

use crate::error::RlError;
use crate::rollout::TextCodec;
use crate::trajectory::{Group, Trajectory};

/// The solutions that were judged so far, by task.
#[derive(Default)]
pub(crate) struct Gold {
    judged: BTreeMap<usize, Option<Trajectory>>,
}

/// What a solution is judged with.
pub(crate) struct GoldContext<'a> {
    pub(crate) environments: &'a dyn EnvironmentSet,
    pub(crate) codec: TextCodec<'a>,
    /// A token that ends an answer, where the model has one.
    pub(crate) end_token: Option<u32>,
    /// 0-based step.
    pub(crate) step: u64,
}

/// Refuses tasks of which none has a solution to learn from.
pub(crate) fn require(environments: &dyn EnvironmentSet) -> Result<(), RlError> {
    let has_one = (0..environments.len()).any(|index| environments.solution(index).is_some());
    let expected = "a task whose reference solution continues its signature";
    match has_one {
        true => Ok(()),
        false => Err(ConfigError::new("tasks", expected, "none")
            .with_hint("imitation_coefficient = 0 (ptx_coefficient of rlhf) learns without references")
            .into()),
    }
}

impl Gold {
    /// Gives every group of a first turn the solution of its task. Groups of a log are found by their task's id.
    pub(crate) fn give(&mut self, groups: &mut [Group], context: &GoldContext<'_>) -> Result<(), RlError> {
        for group in groups.iter_mut().filter(|group| group.turn == 0) {
            let environments = context.environments;
            let is_own = |index: usize| index < environments.len() && environments.id(index) == group.task;
            let found = match is_own(group.task_index) {
                true => Some(group.task_index),
                false => (0..environments.len()).find(|&index| is_own(index)),
            };
            if let Some(index) = found {
                group.gold = self.of(index, context)?;
            }
        }
        Ok(())
    }

    fn of(&mut self, task: usize, context: &GoldContext<'_>) -> Result<Option<Trajectory>, RlError> {
        if let Some(known) = self.judged.get(&task) {
            return Ok(known.clone());
        }
        let solution = context.environments.solution(task);
        let judged = solution.map(|text| judge(text, task, context)).transpose()?;
        self.judged.insert(task, judged.clone());
        Ok(judged)
    }
}

/// The solution as an answer that was judged; its tokens end as a sampled answer's do.
fn judge(text: String, task: usize, context: &GoldContext<'_>) -> Result<Trajectory, RlError> {
    let id = context.environments.id(task).to_string();
    let mut episode = context.environments.open(task);
    let stop = episode.observe().stop.into_iter().next();
    let encode = |text: &str| {
        let failed = |source| RlError::Render { task: id.clone(), source };
        (context.codec.encode)(text).map_err(failed)
    };
    let tokens = match stop {
        Some(stop) => encode(&format!("{text}{stop}"))?,
        None => [encode(&text)?, context.end_token.into_iter().collect()].concat(),
    };
    let step = episode.step(&text).map_err(|source| RlError::Environment {
        step: context.step + 1,
        task: id.clone(),
        sample: 0,
        source,
    })?;
    Ok(Trajectory {
        sample: 0,
        prompt: None,
        tokens,
        logprobs: Vec::new(),
        text,
        finish: FinishReason::StopToken,
        reward: step.reward,
        turn_rewards: vec![step.reward],
        turn_return: step.reward,
        parts: step.parts,
        verdict: step.verdict,
        advantage: 0.0,
        is_trained: false,
    })
}
