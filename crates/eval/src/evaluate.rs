//! Sampling every task and executing the completions while generation continues.
//!
//! The network generates on the calling thread; finished completions go to a few threads that judge them. The result
//! does not depend on which finishes first.
//!
//! Not here: tokens or templates. The caller says how an observation becomes tokens and tokens become text.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};
use hone_environment::{EnvironmentSet, Observation, Step};
use hone_model::{Completion, GenerateRequest, ModelError, Network};

use crate::{EvalConfig, Evaluation, Measurements, Provenance, SampleEvaluation, TaskEvaluation, Timing};

/// Why an evaluation failed; a wrong program is no failure.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// The settings make no sense.
    #[error("evaluation settings: {message}")]
    Config {
        /// Which, what was expected and found.
        message: String,
    },
    /// A task cannot be shown to the model.
    #[error("task {id}: failed to render the prompt: {message}")]
    Render {
        /// The task.
        id: String,
        /// Why.
        message: String,
    },
    /// A task cannot be evaluated in this way, or its verifier failed.
    #[error("task {id}: {message}")]
    Task {
        /// The task.
        id: String,
        /// What happened.
        message: String,
    },
    /// The network failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// An endpoint gave no completion.
    #[error("endpoint {message}")]
    Endpoint {
        /// Where, and what it said.
        message: String,
    },
    /// Logged trajectories do not allow an estimate.
    #[error("off-policy evaluation: {message}")]
    OffPolicy {
        /// Why.
        message: String,
    },
    /// Two evaluations cannot be compared.
    #[error("evaluations differ: {message}")]
    Mismatch {
        /// In what.
        message: String,
    },
}

/// How far an evaluation is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Progress {
    /// Samples generated.
    pub generated: usize,
    /// Samples judged.
    pub judged: usize,
    /// Samples in all.
    pub total: usize,
    /// Judged samples that passed.
    pub passed: usize,
    /// Tokens generated.
    pub tokens: usize,
    /// Seconds since the start.
    pub seconds: f64,
}

impl Progress {
    /// Tokens generated a second, so far.
    pub fn tokens_per_second(&self) -> f64 {
        if self.seconds > 0.0 { self.tokens as f64 / self.seconds } else { 0.0 }
    }
}

/// How an observation becomes prompt tokens (chat template, then answer prefix).
pub type Render<'a> = dyn Fn(&Observation) -> Result<Vec<u32>, Box<dyn std::error::Error + Send + Sync>> + 'a;

/// Step of the random streams of evaluations: no training step ever gets there.
const EVALUATION_STREAM: u64 = u64::MAX;

/// Samples every task `config.samples` times and judges the completions.
///
/// A task's completions depend on the seed and its id only, not on which other tasks are evaluated.
pub fn evaluate(
    network: &mut dyn Network,
    render: &Render<'_>,
    decode: &dyn Fn(&[u32]) -> String,
    tasks: &dyn EnvironmentSet,
    config: &EvalConfig,
    on_progress: &mut dyn FnMut(&Progress),
) -> Result<Evaluation, EvalError> {
    evaluate_rest(network, render, decode, tasks, config, Vec::new(), &mut |_, _| {}, on_progress)
}

/// The same where some tasks are already done, as an interrupted evaluation left them; `on_sample` gets every new
/// sample with its task's id as it is judged.
#[expect(clippy::too_many_arguments, reason = "what is evaluated, how, and who is told")]
pub fn evaluate_rest(
    network: &mut dyn Network,
    render: &Render<'_>,
    decode: &dyn Fn(&[u32]) -> String,
    tasks: &dyn EnvironmentSet,
    config: &EvalConfig,
    done: Vec<TaskEvaluation>,
    on_sample: &mut dyn FnMut(&str, &SampleEvaluation),
    on_progress: &mut dyn FnMut(&Progress),
) -> Result<Evaluation, EvalError> {
    config.check().map_err(|message| EvalError::Config { message })?;
    let mut board = Board::new(tasks, config, done, on_sample, on_progress);
    let context = network.config().max_position_embeddings;
    let requests = requests(tasks, &board.open, render, context, config)?;
    if requests.is_empty() {
        return board.finish(config);
    }
    let (job_sender, jobs) = crossbeam_channel::unbounded::<Completion>();
    let (result_sender, results) = crossbeam_channel::unbounded();
    let generation = std::thread::scope(|scope| {
        for _ in 0..config.workers {
            let (jobs, result_sender) = (jobs.clone(), result_sender.clone());
            let open = board.open.clone();
            scope.spawn(move || judge_all(tasks, &open, &jobs, &result_sender));
        }
        drop((jobs, result_sender));
        let generation = network.generate(&requests, config.slots, decode, &mut |completion| {
            board.generated(&completion);
            // The workers outlive the generation, so the channel is open.
            let is_sent = job_sender.send(completion).is_ok();
            results.try_iter().for_each(|result| board.judged(result));
            if is_sent && board.failure.is_none() {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        board.generation_seconds = board.start.elapsed().as_secs_f64();
        drop(job_sender);
        results.iter().for_each(|result| board.judged(result));
        generation
    });
    match board.failure.take() {
        Some(failure) => Err(failure),
        None => {
            generation?;
            board.finish(config)
        }
    }
}

fn requests(
    tasks: &dyn EnvironmentSet,
    open: &[usize],
    render: &Render<'_>,
    context: usize,
    config: &EvalConfig,
) -> Result<Vec<GenerateRequest>, EvalError> {
    let request = |index: usize| {
        let id = tasks.id(index);
        let observation = tasks.open(index).observe();
        let prompt = render(&observation)
            .map_err(|error| EvalError::Render { id: id.into(), message: error.to_string() })?;
        if prompt.is_empty() || prompt.len() >= context {
            return Err(EvalError::Task {
                id: id.into(),
                message: format!("expected a prompt of 1 to {} tokens, found {}", context - 1, prompt.len()),
            });
        }
        Ok(GenerateRequest {
            prompt,
            samples: config.samples,
            sampling: config.sampling.clone(),
            stop: observation.stop,
            stop_tokens: Vec::new(),
            seed: [config.seed, EVALUATION_STREAM, id_hash(id)],
        })
    };
    open.iter().map(|index| request(*index)).collect()
}

/// FNV-1a of an id: a number that stays the task's whatever else is evaluated.
pub fn id_hash(id: &str) -> u64 {
    id.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A judged completion, or why it could not be judged.
type Judged = (Completion, Result<Step, String>);

/// A worker: judges completions until no more come.
fn judge_all(
    tasks: &dyn EnvironmentSet,
    open: &[usize],
    jobs: &Receiver<Completion>,
    results: &Sender<Judged>,
) {
    for mut completion in jobs {
        // Requests are made for open tasks only; from here on it is the task's index.
        completion.request = open[completion.request];
        let step = tasks.open(completion.request).step(&completion.text).map_err(|error| error.to_string());
        if results.send((completion, step)).is_err() {
            return;
        }
    }
}

/// What is known so far, by task and sample.
struct Board<'a> {
    tasks: &'a dyn EnvironmentSet,
    samples: Vec<Vec<Option<SampleEvaluation>>>,
    /// Indices of the tasks that are not done.
    open: Vec<usize>,
    progress: Progress,
    on_sample: &'a mut dyn FnMut(&str, &SampleEvaluation),
    on_progress: &'a mut dyn FnMut(&Progress),
    start: Instant,
    generation_seconds: f64,
    failure: Option<EvalError>,
}

impl<'a> Board<'a> {
    fn new(
        tasks: &'a dyn EnvironmentSet,
        config: &EvalConfig,
        done: Vec<TaskEvaluation>,
        on_sample: &'a mut dyn FnMut(&str, &SampleEvaluation),
        on_progress: &'a mut dyn FnMut(&Progress),
    ) -> Board<'a> {
        let mut done: HashMap<String, Vec<SampleEvaluation>> =
            done.into_iter().map(|task| (task.id, task.samples)).collect();
        let (mut samples, mut open) = (Vec::with_capacity(tasks.len()), Vec::new());
        let mut progress = Progress { total: tasks.len() * config.samples, ..Progress::default() };
        for index in 0..tasks.len() {
            match done.remove(tasks.id(index)).filter(|found| found.len() == config.samples) {
                Some(found) => {
                    progress.generated += found.len();
                    progress.judged += found.len();
                    progress.passed += found.iter().filter(|sample| sample.is_passed()).count();
                    samples.push(found.into_iter().map(Some).collect());
                }
                None => {
                    samples.push(vec![None; config.samples]);
                    open.push(index);
                }
            }
        }
        Board {
            tasks,
            samples,
            open,
            progress,
            on_sample,
            on_progress,
            start: Instant::now(),
            generation_seconds: 0.0,
            failure: None,
        }
    }

    fn generated(&mut self, completion: &Completion) {
        self.progress.generated += 1;
        self.progress.tokens += completion.tokens.len();
        self.report();
    }

    fn judged(&mut self, (completion, step): Judged) {
        let id = self.tasks.id(completion.request);
        let message = match step {
            Ok(Step { reward, verdict, next: None, .. }) => {
                let sample = SampleEvaluation {
                    sample: completion.sample,
                    text: completion.text,
                    tokens: completion.tokens.len(),
                    finish: completion.finish,
                    reward,
                    verdict,
                    same_as: None,
                    search: None,
                    measurements: Measurements::default(),
                };
                self.progress.judged += 1;
                self.progress.passed += usize::from(sample.is_passed());
                (self.on_sample)(id, &sample);
                self.samples[completion.request][completion.sample] = Some(sample);
                return self.report();
            }
            Ok(_) => "expected an episode of one step, found one that goes on".into(),
            Err(message) => message,
        };
        self.failure.get_or_insert(EvalError::Task { id: id.into(), message });
    }

    fn report(&mut self) {
        self.progress.seconds = self.start.elapsed().as_secs_f64();
        (self.on_progress)(&self.progress);
    }

    fn finish(self, config: &EvalConfig) -> Result<Evaluation, EvalError> {
        let mut tasks = Vec::with_capacity(self.samples.len());
        for (index, samples) in self.samples.into_iter().enumerate() {
            let id = self.tasks.id(index).to_owned();
            let samples: Option<Vec<SampleEvaluation>> = samples.into_iter().collect();
            let Some(samples) = samples else {
                let message = "expected every sample to be generated, found one missing".into();
                return Err(EvalError::Task { id, message });
            };
            let (level, topic) = (self.tasks.level(index), self.tasks.topic(index).to_owned());
            tasks.push(TaskEvaluation { id, level, topic, samples });
        }
        let timing = Timing {
            generation_seconds: self.generation_seconds,
            total_seconds: self.start.elapsed().as_secs_f64(),
        };
        Ok(Evaluation { config: config.clone(), tasks, provenance: Provenance::new(), timing })
    }
}
