//! Samples that come from elsewhere (a file, an endpoint), judged on a few threads.
//!
//! Not here: sampling from one of our networks (`evaluate.rs`), which generates many sequences at once on one thread.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use hone_environment::EnvironmentSet;
use hone_model::FinishReason;
use hone_sandbox::OutcomeClass;

use crate::benchmark::BenchmarkSet;
use crate::samples::GivenSample;
use crate::{EvalError, Measurements, Progress, SampleEvaluation, TaskEvaluation};

/// A sample before it is judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Produced {
    /// What the model wrote.
    pub text: String,
    /// The program it stands for.
    pub program: String,
    /// Its length in tokens; 0 if unknown.
    pub tokens: usize,
    /// Why it ended.
    pub finish: FinishReason,
}

/// Which sample of which problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Job {
    /// Index of the problem.
    pub problem: usize,
    /// Index among its samples.
    pub sample: usize,
}

/// Produces and judges every job on `workers` threads, and adds what is already `done`.
///
/// `on_sample` is told of every new sample; `is_stopped` ends the work early with what there is.
#[expect(clippy::too_many_arguments, reason = "what is judged, how, and who is told")]
pub fn collect(
    set: &BenchmarkSet,
    jobs: &[Job],
    workers: usize,
    produce: &(dyn Fn(Job) -> Result<Produced, EvalError> + Sync),
    done: Vec<TaskEvaluation>,
    on_sample: &mut dyn FnMut(&str, &SampleEvaluation),
    on_progress: &mut dyn FnMut(&Progress),
    is_stopped: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<TaskEvaluation>, EvalError> {
    let mut found: HashMap<String, Vec<SampleEvaluation>> =
        done.into_iter().map(|task| (task.id, task.samples)).collect();
    let is_done = |job: &&Job| {
        found
            .get(set.id(job.problem))
            .is_some_and(|samples| samples.iter().any(|one| one.sample == job.sample))
    };
    let open: Vec<Job> = jobs.iter().filter(|job| !is_done(job)).copied().collect();
    let start = Instant::now();
    let mut progress = Progress { total: jobs.len(), ..Progress::default() };
    (progress.generated, progress.judged) = (jobs.len() - open.len(), jobs.len() - open.len());
    progress.passed = found.values().flatten().filter(|sample| sample.is_passed()).count();
    let (next, is_failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (sender, results) = crossbeam_channel::unbounded();
    let mut failure = None;
    std::thread::scope(|scope| {
        for _ in 0..workers.clamp(1, open.len().max(1)) {
            let sender = sender.clone();
            scope.spawn(|| {
                let sender = sender;
                while let Some(job) = open.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if is_failed.load(Ordering::Relaxed) || is_stopped() {
                        break;
                    }
                    let judged = produce(*job).and_then(|produced| judge(set, *job, produced));
                    is_failed.fetch_or(judged.is_err(), Ordering::Relaxed);
                    if sender.send((*job, judged)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for (job, judged) in &results {
            match judged {
                Ok(sample) => {
                    progress.generated += 1;
                    progress.judged += 1;
                    progress.tokens += sample.tokens;
                    progress.passed += usize::from(sample.is_passed());
                    progress.seconds = start.elapsed().as_secs_f64();
                    on_sample(set.id(job.problem), &sample);
                    on_progress(&progress);
                    found.entry(set.id(job.problem).to_owned()).or_default().push(sample);
                }
                Err(error) => failure = failure.take().or(Some(error)),
            }
        }
    });
    match failure {
        Some(failure) => Err(failure),
        None => Ok(tasks(set, found)),
    }
}

/// The jobs of a samples file, and how each is produced.
pub fn jobs_of(samples: &[GivenSample]) -> Vec<Job> {
    samples.iter().map(|one| Job { problem: one.problem, sample: one.sample }).collect()
}

fn judge(set: &BenchmarkSet, job: Job, produced: Produced) -> Result<SampleEvaluation, EvalError> {
    let failure = |message: String| EvalError::Task { id: set.id(job.problem).to_owned(), message };
    let Produced { text, program, tokens, finish } = produced;
    let verdict = set.judge(job.problem, program).map_err(|error| failure(error.to_string()))?;
    let reward = f64::from(u8::from(verdict.class == OutcomeClass::Passed));
    Ok(SampleEvaluation {
        sample: job.sample,
        text,
        tokens,
        finish,
        reward,
        verdict: Some(verdict),
        search: None,
        measurements: Measurements::default(),
    })
}

/// Samples by problem, in the order of the problems; problems without samples are left out.
fn tasks(set: &BenchmarkSet, mut found: HashMap<String, Vec<SampleEvaluation>>) -> Vec<TaskEvaluation> {
    let task = |index: usize| {
        let id = set.id(index).to_owned();
        let mut samples = found.remove(&id)?;
        samples.sort_by_key(|sample| sample.sample);
        Some(TaskEvaluation { id, level: set.level(index), topic: set.topic(index).to_owned(), samples })
    };
    (0..set.len()).filter_map(task).collect()
}
