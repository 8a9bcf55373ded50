//! Logged trajectories as something to learn from: the groups of an earlier run, or of any other sampler.

use std::collections::BTreeMap;

use hone_environment::{Observation, RewardValue};
use hone_model::FinishReason;
use hone_runlog::TrajectoryRecord;
use hone_train::ConfigError;

use crate::algorithms::Method;
use crate::error::RlError;
use crate::trajectory::{Group, Trajectory};

impl Group {
    /// The groups of a log, in the order of their first records. Records of one step, group and task belong together;
    /// what was shown beside the prompt's tokens is not logged.
    pub fn from_records(records: &[TrajectoryRecord]) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        let mut places = BTreeMap::new();
        for record in records {
            let place = *places.entry((record.step, record.group, &record.task)).or_insert(groups.len());
            if place == groups.len() {
                groups.push(empty_group(record, place as u64));
            }
            let mut one = trajectory(record);
            if record.prompt_tokens != groups[place].prompt {
                one.prompt = Some(record.prompt_tokens.clone());
            }
            groups[place].trajectories.push(one);
        }
        groups
    }
}

impl Group {
    /// Answers to one prompt that nobody knows the log-probs of, with their scores: another model's, or people's.
    /// [`crate::Trainer::learn_from_answers`] gives them those of the untrained policy.
    pub fn from_answers(task: &str, place: usize, prompt: Vec<u32>, answers: Vec<(Vec<u32>, f64)>) -> Group {
        let answer = |(sample, (tokens, score)): (usize, (Vec<u32>, f64))| Trajectory {
            sample,
            prompt: None,
            tokens,
            logprobs: Vec::new(),
            text: String::new(),
            finish: FinishReason::StopToken,
            reward: score,
            turn_rewards: vec![score],
            turn_return: score,
            parts: Vec::new(),
            verdict: None,
            advantage: 0.0,
            is_trained: false,
        };
        Group {
            task: task.to_string(),
            task_index: 0,
            draw: place as u64,
            turn: 0,
            policy_version: 0,
            is_logged: true,
            observation: Observation { messages: Vec::new(), answer_prefix: String::new(), stop: Vec::new() },
            prompt,
            trajectories: answers.into_iter().enumerate().map(answer).collect(),
            greedy: None,
            gold: None,
        }
    }
}

fn empty_group(record: &TrajectoryRecord, draw: u64) -> Group {
    Group {
        task: record.task.clone(),
        task_index: 0,
        draw,
        turn: record.turn as usize,
        policy_version: record.policy_version,
        is_logged: true,
        observation: Observation { messages: Vec::new(), answer_prefix: String::new(), stop: Vec::new() },
        prompt: record.prompt_tokens.clone(),
        trajectories: Vec::new(),
        greedy: None,
        gold: None,
    }
}

fn trajectory(record: &TrajectoryRecord) -> Trajectory {
    Trajectory {
        sample: record.sample as usize,
        prompt: None,
        tokens: record.completion_tokens.clone(),
        logprobs: record.logprobs.clone(),
        text: record.completion.clone(),
        finish: if record.is_truncated { FinishReason::Length } else { FinishReason::StopToken },
        reward: record.reward,
        turn_rewards: vec![record.reward],
        turn_return: record.turn_return.unwrap_or(record.reward),
        parts: record
            .reward_parts
            .iter()
            .map(|(name, value)| RewardValue { name: name.clone(), value: *value })
            .collect(),
        verdict: None,
        advantage: 0.0,
        is_trained: false,
    }
}

/// Takes a share of the groups out of a log, at even distances; at least one of each kind is left where there are two.
pub(crate) fn set_aside(log: Vec<Group>, share: f64) -> (Vec<Group>, Vec<Group>) {
    if share == 0.0 || log.len() < 2 {
        return (log, Vec::new());
    }
    let every = ((1.0 / share).round() as usize).clamp(2, log.len());
    let places = log.into_iter().enumerate();
    let (aside, kept): (Vec<_>, Vec<_>) = places.partition(|(index, _)| index % every == every - 1);
    let groups = |places: Vec<(usize, Group)>| places.into_iter().map(|(_, group)| group).collect();
    (groups(kept), groups(aside))
}

/// Refuses a log that cannot be learned from.
pub(crate) fn check(log: &[Group], method: &dyn Method) -> Result<(), RlError> {
    let refuse =
        |expected: &str, found: String| Err(ConfigError::new("trajectories", expected, found).into());
    if log.is_empty() {
        return refuse("a log with at least one group", "an empty one".into());
    }
    if method.needs_greedy() {
        let expected = "unset for an algorithm that samples a greedy answer";
        return refuse(expected, "a log, which holds none".into());
    }
    for group in log {
        let is_sound = |one: &Trajectory| one.logprobs.len() == one.tokens.len() && one.reward.is_finite();
        if let Some(bad) = group.trajectories.iter().find(|one| !is_sound(one)) {
            let found = format!(
                "{} log-probs of {} tokens and reward {} (task {}, sample {})",
                bad.logprobs.len(),
                bad.tokens.len(),
                bad.reward,
                group.task,
                bad.sample
            );
            return refuse("a log with a log-prob for every token and finite rewards", found);
        }
    }
    if !log.iter().any(|group| method.has_signal(&crate::score::samples(group, 0))) {
        return refuse("a log with a group to learn from", "none, such as groups of equal rewards".into());
    }
    Ok(())
}
