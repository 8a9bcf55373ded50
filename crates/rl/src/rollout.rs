//! Sampling and execution: every finished completion is executed on a thread while the network samples on. Results are
//! put in the order of drawing, so that nothing depends on which thread was faster.

use std::ops::ControlFlow;
use std::thread;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded};
use hone_environment::{EnvironmentError, EnvironmentSet, Observation, Step};
use hone_model::{Completion, GenerateRequest, Network, SamplingParams};

use crate::config::TrainerConfig;
use crate::error::RlError;
use crate::observer::{Progress, Stage};
use crate::order::Draw;
use crate::trajectory::{Group, Trajectory};

/// Turns an observation into the prompt's tokens.
pub type Render<'a> = dyn Fn(&Observation) -> Result<Vec<u32>, Box<dyn std::error::Error + Send + Sync>> + 'a;

/// From text to tokens and back; the loop knows neither tokenizers nor chat templates.
#[derive(Clone, Copy)]
pub struct TextCodec<'a> {
    /// Turns an observation (with its answer prefix) into the prompt's tokens.
    pub render: &'a Render<'a>,
    /// Turns tokens into text.
    pub decode: &'a dyn Fn(&[u32]) -> String,
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
}

/// Seconds and tokens of a rollout.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RolloutCost {
    pub(crate) sampling_s: f64,
    /// Time after the last token until the last execution.
    pub(crate) execution_wait_s: f64,
    pub(crate) tokens: usize,
}

struct Job {
    request: usize,
    sample: usize,
    task: usize,
    action: String,
}

struct Executed {
    request: usize,
    sample: usize,
    result: Result<Step, EnvironmentError>,
}

/// Samples `group_size` completions of every drawn task and executes them.
pub(crate) fn rollout(
    network: &mut dyn Network,
    context: &RolloutContext<'_>,
    draws: &[Draw],
    cost: &mut RolloutCost,
    on_progress: &mut dyn FnMut(&Progress),
) -> Result<Vec<Group>, RlError> {
    let started = Instant::now();
    let (mut groups, requests) = prepare(context, draws)?;
    let environments = context.environments;
    let total = requests.iter().map(|request| request.samples).sum();
    let mut completions: Vec<Vec<Option<Completion>>> = slots(&requests);
    let mut steps: Vec<Vec<Option<Step>>> = slots(&requests);
    let mut failures = Vec::new();
    let mut progress = Progress {
        step: context.step + 1,
        steps: context.config.steps,
        stage: Stage::Rollout,
        done: 0,
        total,
        tokens: cost.tokens,
    };
    // Room for everything, so that sampling never waits for execution.
    let (job_sender, job_receiver) = bounded::<Job>(total);
    let (result_sender, result_receiver) = bounded::<Executed>(total);
    let mut collect = |executed: Executed, failures: &mut Vec<_>| match executed.result {
        Ok(step) => steps[executed.request][executed.sample] = Some(step),
        Err(error) => failures.push((executed.request, executed.sample, error)),
    };
    thread::scope(|scope| {
        for _ in 0..context.config.execution_threads {
            let (jobs, results) = (job_receiver.clone(), result_sender.clone());
            scope.spawn(move || execute(environments, &jobs, &results));
        }
        drop((job_receiver, result_sender));
        let mut on_completion = |completion: Completion| {
            let (request, sample) = (completion.request, completion.sample);
            progress.done += 1;
            progress.tokens += completion.tokens.len();
            on_progress(&progress);
            let task = draws[request % draws.len()].task;
            let job = Job { request, sample, task, action: completion.text.clone() };
            completions[request][sample] = Some(completion);
            result_receiver.try_iter().for_each(|executed| collect(executed, &mut failures));
            // The workers only end when this side hangs up, so sending fails only if one of them panicked.
            if failures.is_empty() && job_sender.send(job).is_ok() {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        };
        let slots = context.config.generation_slots;
        let generated = network.generate(&requests, slots, context.codec.decode, &mut on_completion);
        drop(job_sender);
        cost.sampling_s += started.elapsed().as_secs_f64();
        let waiting = Instant::now();
        progress.stage = Stage::Execution;
        on_progress(&progress);
        result_receiver.iter().for_each(|executed| collect(executed, &mut failures));
        cost.execution_wait_s += waiting.elapsed().as_secs_f64();
        generated.map_err(|source| network_error(context, source))
    })?;
    cost.tokens = progress.tokens;
    failures.sort_by_key(|(request, sample, _)| (*request, *sample));
    if let Some((request, sample, source)) = failures.into_iter().next() {
        return Err(environment_error(context, &groups[request % draws.len()].task, sample, source));
    }
    for (request, (completions, steps)) in completions.into_iter().zip(steps).enumerate() {
        let group = &mut groups[request % draws.len()];
        for (sample, (completion, step)) in completions.into_iter().zip(steps).enumerate() {
            let trajectory = trajectory(context, &group.task, sample, completion, step)?;
            if request < draws.len() {
                group.trajectories.push(trajectory)
            } else {
                group.greedy = Some(trajectory)
            }
        }
    }
    Ok(groups)
}

/// An empty place for every sample of every request.
fn slots<T: Clone>(requests: &[GenerateRequest]) -> Vec<Vec<Option<T>>> {
    requests.iter().map(|request| vec![None; request.samples]).collect()
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
        let observation = context.environments.open(draw.task).observe();
        let prompt = (context.codec.render)(&observation)
            .map_err(|source| RlError::Render { task: task.clone(), source })?;
        requests.push(GenerateRequest {
            prompt: prompt.clone(),
            samples: context.config.group_size,
            sampling: context.config.sampling.clone(),
            stop: observation.stop.clone(),
            stop_tokens: context.codec.stop_tokens.to_vec(),
            seed: [context.config.seed, context.step, draw.key],
        });
        groups.push(Group {
            task,
            task_index: draw.task,
            policy_version: context.policy_version,
            observation,
            prompt,
            trajectories: Vec::with_capacity(context.config.group_size),
            greedy: None,
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

/// A worker: opens a fresh episode for every job and steps it.
fn execute(environments: &dyn EnvironmentSet, jobs: &Receiver<Job>, results: &Sender<Executed>) {
    for Job { request, sample, task, action } in jobs {
        let result = environments.open(task).step(&action);
        if results.send(Executed { request, sample, result }).is_err() {
            return;
        }
    }
}

fn trajectory(
    context: &RolloutContext<'_>,
    task: &str,
    sample: usize,
    completion: Option<Completion>,
    step: Option<Step>,
) -> Result<Trajectory, RlError> {
    let (Some(completion), Some(step)) = (completion, step) else {
        let message = format!("the completion of task {task}, sample {sample} is missing");
        return Err(network_error(context, hone_model::ModelError::Invalid(message)));
    };
    let refuse = |message: &str| {
        let source = EnvironmentError { id: task.to_string(), message: message.to_string() };
        Err(environment_error(context, task, sample, source))
    };
    if step.next.is_some() {
        return refuse("it asks for another turn, but this loop runs episodes of one turn");
    }
    if !step.reward.is_finite() {
        return refuse(&format!("the reward is {}, expected a finite number", step.reward));
    }
    Ok(Trajectory {
        sample,
        tokens: completion.tokens,
        logprobs: completion.logprobs,
        text: completion.text,
        finish: completion.finish,
        reward: step.reward,
        parts: step.parts,
        verdict: step.verdict,
        advantage: 0.0,
        is_trained: false,
    })
}

fn network_error(context: &RolloutContext<'_>, source: hone_model::ModelError) -> RlError {
    RlError::Network { step: context.step + 1, stage: "sampling", source }
}

fn environment_error(
    context: &RolloutContext<'_>,
    task: &str,
    sample: usize,
    source: EnvironmentError,
) -> RlError {
    RlError::Environment { step: context.step + 1, task: task.to_string(), sample, source }
}
