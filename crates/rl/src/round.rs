//! One round of sampling: every request's completions are drawn, and each is executed on a thread while the network samples
//! on. Results come in the order of the requests, so that nothing depends on which thread was faster.

use std::ops::ControlFlow;
use std::thread;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded};
use hone_environment::{Environment, EnvironmentError, Step};
use hone_model::{Completion, GenerateRequest, ModelError, Network};

use crate::observer::{Progress, Stage};
use crate::rollout::{RolloutContext, RolloutCost};

/// Gives the episode that sample `sample` of request `request` goes on in.
pub(crate) type Episodes<'a, 'e> = dyn FnMut(usize, usize) -> Box<dyn Environment + 'e> + 'a;

/// A completion, what it led to, and the episode, which may go on.
pub(crate) struct Played<'e> {
    pub(crate) completion: Completion,
    pub(crate) step: Step,
    pub(crate) episode: Box<dyn Environment + 'e>,
}

/// Why a round failed.
pub(crate) enum RoundError {
    Network(ModelError),
    /// The first failure in the order of (request, sample).
    Environment(usize, usize, EnvironmentError),
}

struct Job<'e> {
    request: usize,
    sample: usize,
    action: String,
    episode: Box<dyn Environment + 'e>,
}

struct Executed<'e> {
    request: usize,
    sample: usize,
    result: Result<Step, EnvironmentError>,
    episode: Box<dyn Environment + 'e>,
}

/// Samples and executes everything; `[request][sample]`.
pub(crate) fn round<'e>(
    network: &mut dyn Network,
    context: &RolloutContext<'_>,
    requests: &[GenerateRequest],
    open: &mut Episodes<'_, 'e>,
    cost: &mut RolloutCost,
    on_progress: &mut dyn FnMut(&Progress),
) -> Result<Vec<Vec<Played<'e>>>, RoundError> {
    let started = Instant::now();
    let total = requests.iter().map(|request| request.samples).sum();
    let mut completions: Vec<Vec<Option<Completion>>> = slots(requests);
    let mut executions: Vec<Vec<Option<Executed<'e>>>> = slots(requests);
    let mut progress = Progress {
        step: context.step + 1,
        steps: context.config.steps,
        stage: Stage::Rollout,
        done: 0,
        total,
        tokens: cost.tokens,
    };
    // Room for everything, so that sampling never waits for execution.
    let (job_sender, job_receiver) = bounded::<Job<'e>>(total);
    let (result_sender, result_receiver) = bounded::<Executed<'e>>(total);
    let mut has_failed = false;
    let mut collect = |executed: Executed<'e>, has_failed: &mut bool| {
        *has_failed |= executed.result.is_err();
        let place = (executed.request, executed.sample);
        executions[place.0][place.1] = Some(executed);
    };
    let generated = thread::scope(|scope| {
        for _ in 0..context.config.execution_threads {
            let (jobs, results) = (job_receiver.clone(), result_sender.clone());
            scope.spawn(move || execute(&jobs, &results));
        }
        drop((job_receiver, result_sender));
        let mut on_completion = |completion: Completion| {
            let (request, sample) = (completion.request, completion.sample);
            progress.done += 1;
            progress.tokens += completion.tokens.len();
            on_progress(&progress);
            let episode = open(request, sample);
            let job = Job { request, sample, action: completion.text.clone(), episode };
            completions[request][sample] = Some(completion);
            result_receiver.try_iter().for_each(|executed| collect(executed, &mut has_failed));
            // The workers only end when this side hangs up, so sending fails only if one of them panicked.
            if !has_failed && job_sender.send(job).is_ok() {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        };
        let slots = context.config.generation_slots;
        let generated = network.generate(requests, slots, context.codec.decode, &mut on_completion);
        drop(job_sender);
        cost.sampling_s += started.elapsed().as_secs_f64();
        let waiting = Instant::now();
        progress.stage = Stage::Execution;
        on_progress(&progress);
        result_receiver.iter().for_each(|executed| collect(executed, &mut has_failed));
        cost.execution_wait_s += waiting.elapsed().as_secs_f64();
        generated
    });
    generated.map_err(RoundError::Network)?;
    cost.tokens = progress.tokens;
    in_order(completions, executions)
}

/// An empty place for every sample of every request.
fn slots<T>(requests: &[GenerateRequest]) -> Vec<Vec<Option<T>>> {
    requests.iter().map(|request| (0..request.samples).map(|_| None).collect()).collect()
}

/// A worker: steps the episode of every job.
fn execute<'e>(jobs: &Receiver<Job<'e>>, results: &Sender<Executed<'e>>) {
    for Job { request, sample, action, mut episode } in jobs {
        let result = episode.step(&action);
        if results.send(Executed { request, sample, result, episode }).is_err() {
            return;
        }
    }
}

fn in_order<'e>(
    completions: Vec<Vec<Option<Completion>>>,
    executions: Vec<Vec<Option<Executed<'e>>>>,
) -> Result<Vec<Vec<Played<'e>>>, RoundError> {
    let mut failed = None;
    let mut is_missing = false;
    let mut all = Vec::with_capacity(completions.len());
    for (request, (completions, executions)) in completions.into_iter().zip(executions).enumerate() {
        let mut row = Vec::with_capacity(completions.len());
        for (sample, pair) in completions.into_iter().zip(executions).enumerate() {
            match pair {
                (Some(completion), Some(Executed { result: Ok(step), episode, .. })) => {
                    row.push(Played { completion, step, episode });
                }
                (_, Some(Executed { result: Err(error), .. })) if failed.is_none() => {
                    failed = Some(RoundError::Environment(request, sample, error));
                }
                _ => is_missing = true,
            }
        }
        all.push(row);
    }
    match failed {
        Some(error) => Err(error),
        None if is_missing => {
            Err(RoundError::Network(ModelError::Invalid("a completion is missing".to_string())))
        }
        None => Ok(all),
    }
}
