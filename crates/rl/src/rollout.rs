//! Sampling and execution of a step's tasks, over as many turns as their episodes have.
//!
//! A turn after the first has a prompt of its own: the conversation so far, what the policy said and what it was told. So
//! what the environment says is never in a loss, and each turn's answer is a sequence like any other. The turns of one
//! task are one group each: G first answers, then the second answers of those episodes that went on, and so on.

use std::collections::BTreeMap;

use hone_environment::{Environment, EnvironmentError, EnvironmentSet, Observation};
use hone_model::{GenerateRequest, Network, SamplingParams};

use crate::config::TrainerConfig;
use crate::error::RlError;
use crate::observer::Progress;
use crate::order::{Draw, mix};
use crate::round::{Played, RoundError, round};
use crate::trajectory::{Group, Trajectory};

/// Turns of an episode at most; one that goes on longer is a defect of its environment.
const MOST_TURNS: usize = 64;

/// Turns an observation into the prompt's tokens.
pub type Render<'a> = dyn Fn(&Observation) -> Result<Vec<u32>, Box<dyn std::error::Error + Send + Sync>> + 'a;

/// Turns a text into tokens, without anything around it.
pub type Encode<'a> = dyn Fn(&str) -> Result<Vec<u32>, Box<dyn std::error::Error + Send + Sync>> + 'a;

/// From text to tokens and back; the loop knows neither tokenizers nor chat templates.
#[derive(Clone, Copy)]
pub struct TextCodec<'a> {
    /// Turns an observation (with its answer prefix) into the prompt's tokens.
    pub render: &'a Render<'a>,
    /// Turns tokens into text.
    pub decode: &'a dyn Fn(&[u32]) -> String,
    /// Turns the text of an answer into tokens, as they would follow a prompt.
    pub encode: &'a Encode<'a>,
    /// Tokens that end a completion, beside the model's own.
    pub stop_tokens: &'a [u32],
}

/// What a rollout needs to know of its step.
pub(crate) struct RolloutContext<'a> {
    pub(crate) config: &'a TrainerConfig,
    pub(crate) environments: &'a dyn EnvironmentSet,
    pub(crate) codec: TextCodec<'a>,
    /// 0-based step.
    pub(crate) step: u64,
    pub(crate) policy_version: u64,
    /// Sample a greedy answer to every prompt, beside the others.
    pub(crate) has_greedy: bool,
    /// Share of the reference solution that answers begin with, in a curriculum.
    pub(crate) given: f64,
}

/// Seconds and tokens of a rollout.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RolloutCost {
    pub(crate) sampling_s: f64,
    /// Time after the last token until the last execution.
    pub(crate) execution_wait_s: f64,
    pub(crate) tokens: usize,
}

/// What is seen next, and the episode it is seen in, if there is more.
type GoesOn<'e> = Option<(Observation, Box<dyn Environment + 'e>)>;

/// An episode that goes on.
struct Open<'e> {
    draw: usize,
    sample: usize,
    observation: Observation,
    episode: Option<Box<dyn Environment + 'e>>,
}

/// Samples `group_size` episodes of every drawn task. First the groups of the first turn, in the order of the draws, then
/// those of the second, and so on.
pub(crate) fn rollout(
    network: &mut dyn Network,
    context: &RolloutContext<'_>,
    draws: &[Draw],
    cost: &mut RolloutCost,
    on_progress: &mut dyn FnMut(&Progress),
) -> Result<Vec<Group>, RlError> {
    let (mut groups, requests) = prepare(context, draws)?;
    let fail =
        |error, place: &dyn Fn(usize, usize) -> (usize, usize)| round_error(context, draws, error, place);
    let mut begin = |request: usize, _| open(context, draws[request % draws.len()].task);
    let played = round(network, context, &requests, &mut begin, cost, on_progress)
        .map_err(|error| fail(error, &|request, sample| (request % draws.len(), sample)))?;
    let mut open = Vec::new();
    for (request, row) in played.into_iter().enumerate() {
        let draw = request % draws.len();
        for (sample, played) in row.into_iter().enumerate() {
            let (trajectory, next) = trajectory(context, &groups[draw].task, sample, played)?;
            if request < draws.len() {
                groups[draw].trajectories.push(trajectory);
                let going_on =
                    |(observation, episode)| Open { draw, sample, observation, episode: Some(episode) };
                open.extend(next.map(going_on));
            } else {
                groups[draw].greedy = Some(trajectory);
            }
        }
    }
    for turn in 1.. {
        if open.is_empty() {
            break;
        }
        if turn >= MOST_TURNS {
            let Open { draw, sample, .. } = open[0];
            let message = format!("the episode goes on after {MOST_TURNS} turns");
            let source = EnvironmentError { id: groups[draw].task.clone(), message };
            return Err(environment_error(context, &groups[draw].task, sample, source));
        }
        open = next_turn(network, context, draws, turn, open, &mut groups, cost, on_progress)?;
    }
    Ok(groups)
}

/// One more turn of the open episodes; returns those that are still open.
#[expect(clippy::too_many_arguments, reason = "a step of the loop above, with what it works on")]
fn next_turn<'e>(
    network: &mut dyn Network,
    context: &RolloutContext<'_>,
    draws: &[Draw],
    turn: usize,
    mut open: Vec<Open<'e>>,
    groups: &mut Vec<Group>,
    cost: &mut RolloutCost,
    on_progress: &mut dyn FnMut(&Progress),
) -> Result<Vec<Open<'e>>, RlError> {
    let mut requests = Vec::with_capacity(open.len());
    for one in &open {
        let prompt = render(context, &groups[one.draw].task, &one.observation)?;
        let key = mix(draws[one.draw].key ^ mix(((turn as u64) << 32) | one.sample as u64));
        requests.push(request(context, prompt, &one.observation, 1, key));
    }
    let places: Vec<(usize, usize)> = open.iter().map(|one| (one.draw, one.sample)).collect();
    let mut go_on = |request: usize, _| -> Box<dyn Environment + 'e> {
        open[request].episode.take().unwrap_or_else(|| unreachable!("one sample a request"))
    };
    let played = round(network, context, &requests, &mut go_on, cost, on_progress)
        .map_err(|error| round_error(context, draws, error, &|request, _| places[request]))?;
    let mut still_open = Vec::new();
    let mut last = None;
    for ((row, &(draw, sample)), request) in played.into_iter().zip(&places).zip(requests) {
        if last != Some(draw) {
            let first = &groups[draw];
            groups.push(Group { turn, trajectories: Vec::new(), ..first.clone() });
            last = Some(draw);
        }
        let task = groups[draw].task.clone();
        for played in row {
            let (mut trajectory, next) = trajectory(context, &task, sample, played)?;
            trajectory.prompt = Some(request.prompt.clone());
            if let Some(group) = groups.last_mut() {
                group.trajectories.push(trajectory);
            }
            still_open.extend(next.map(|(observation, episode)| Open {
                draw,
                sample,
                observation,
                episode: Some(episode),
            }));
        }
    }
    Ok(still_open)
}

/// What each turn is worth, from its reward and those of the turns after it.
pub(crate) fn give_returns(groups: &mut [Group], turn_return: &dyn Fn(&[f64]) -> f64) {
    let mut episodes: BTreeMap<(u64, usize), Vec<(usize, usize)>> = BTreeMap::new();
    for (index, group) in groups.iter().enumerate() {
        for (at, one) in group.trajectories.iter().enumerate() {
            episodes.entry((group.draw, one.sample)).or_default().push((index, at));
        }
    }
    for places in episodes.into_values() {
        let reward = |&(group, at): &(usize, usize)| groups[group].trajectories[at].reward;
        let rewards: Vec<f64> = places.iter().map(reward).collect();
        for (turn, (group, at)) in places.into_iter().enumerate() {
            let trajectory = &mut groups[group].trajectories[at];
            trajectory.turn_rewards = rewards[turn..].to_vec();
            trajectory.turn_return = turn_return(&rewards[turn..]);
        }
    }
}

/// Opens every task once to see its prompt. Request `i` samples group `i`; behind those of all groups come the greedy
/// ones, in the same order.
fn prepare(
    context: &RolloutContext<'_>,
    draws: &[Draw],
) -> Result<(Vec<Group>, Vec<GenerateRequest>), RlError> {
    let mut groups = Vec::with_capacity(draws.len());
    let mut requests = Vec::with_capacity(draws.len());
    for draw in draws {
        let task = context.environments.id(draw.task).to_string();
        let observation = open(context, draw.task).observe();
        let prompt = render(context, &task, &observation)?;
        requests.push(request(context, prompt.clone(), &observation, context.config.group_size, draw.key));
        groups.push(Group {
            task,
            task_index: draw.task,
            draw: draw.key,
            turn: 0,
            policy_version: context.policy_version,
            is_logged: false,
            observation,
            prompt,
            trajectories: Vec::with_capacity(context.config.group_size),
            greedy: None,
            gold: None,
        });
    }
    if context.has_greedy {
        let sampling = SamplingParams { temperature: 0.0, ..context.config.sampling.clone() };
        let greedy = |request: &GenerateRequest| GenerateRequest {
            samples: 1,
            sampling: sampling.clone(),
            ..request.clone()
        };
        let all: Vec<GenerateRequest> = requests.iter().map(greedy).collect();
        requests.extend(all);
    }
    Ok((groups, requests))
}

fn open<'e>(context: &RolloutContext<'e>, task: usize) -> Box<dyn Environment + 'e> {
    match context.given > 0.0 {
        true => context.environments.open_part_way(task, context.given),
        false => context.environments.open(task),
    }
}

fn render(context: &RolloutContext<'_>, task: &str, observation: &Observation) -> Result<Vec<u32>, RlError> {
    (context.codec.render)(observation).map_err(|source| RlError::Render { task: task.to_string(), source })
}

fn request(
    context: &RolloutContext<'_>,
    prompt: Vec<u32>,
    observation: &Observation,
    samples: usize,
    key: u64,
) -> GenerateRequest {
    GenerateRequest {
        prompt,
        samples,
        sampling: context.config.sampling.clone(),
        stop: observation.stop.clone(),
        stop_tokens: context.codec.stop_tokens.to_vec(),
        seed: [context.config.seed, context.step, key],
    }
}

/// The record of a turn, and what follows, if something does.
fn trajectory<'e>(
    context: &RolloutContext<'_>,
    task: &str,
    sample: usize,
    played: Played<'e>,
) -> Result<(Trajectory, GoesOn<'e>), RlError> {
    let Played { completion, step, episode } = played;
    if !step.reward.is_finite() {
        let message = format!("the reward is {}, expected a finite number", step.reward);
        let source = EnvironmentError { id: task.to_string(), message };
        return Err(environment_error(context, task, sample, source));
    }
    let trajectory = Trajectory {
        sample,
        prompt: None,
        tokens: completion.tokens,
        logprobs: completion.logprobs,
        text: completion.text,
        finish: completion.finish,
        reward: step.reward,
        turn_rewards: vec![step.reward],
        turn_return: step.reward,
        parts: step.parts,
        verdict: step.verdict,
        advantage: 0.0,
        is_trained: false,
    };
    Ok((trajectory, step.next.map(|observation| (observation, episode))))
}

/// `place` maps (request, sample) to (draw, sample).
fn round_error(
    context: &RolloutContext<'_>,
    draws: &[Draw],
    error: RoundError,
    place: &dyn Fn(usize, usize) -> (usize, usize),
) -> RlError {
    match error {
        RoundError::Network(source) => RlError::Network { step: context.step + 1, stage: "sampling", source },
        RoundError::Environment(request, sample, source) => {
            let (draw, sample) = place(request, sample);
            environment_error(context, context.environments.id(draws[draw].task), sample, source)
        }
    }
}

fn environment_error(
    context: &RolloutContext<'_>,
    task: &str,
    sample: usize,
    source: EnvironmentError,
) -> RlError {
    RlError::Environment { step: context.step + 1, task: task.to_string(), sample, source }
}
