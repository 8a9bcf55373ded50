//! Samples that come from elsewhere (a file, an endpoint), judged on a few threads.
//!
//! Not here: sampling from one of our networks (`evaluate.rs`), which generates many sequences at once on one thread.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use hone_environment::{EnvironmentSet, Verdict};
use hone_model::FinishReason;
use hone_sandbox::OutcomeClass;

use crate::benchmark::BenchmarkSet;
use crate::samples::GivenSample;
use crate::twins::{Admitted, Twins, shared};
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

/// Produces and judges every job on `workers` threads, and adds what is already `done`. With `is_each_judged` also those
/// that are the same program as one before are judged, which otherwise share its verdict.
///
/// `on_sample` is told of every new sample; `is_stopped` ends the work early with what there is.
#[expect(clippy::too_many_arguments, reason = "what is judged, how, and who is told")]
pub fn collect(
    set: &BenchmarkSet,
    jobs: &[Job],
    workers: usize,
    is_each_judged: bool,
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
    let twins = (!is_each_judged).then(Twins::default);
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
                    let mut send = |job: Job, judged: Result<SampleEvaluation, EvalError>| {
                        is_failed.fetch_or(judged.is_err(), Ordering::Relaxed);
                        // The receiver lives as long as this scope.
                        let _ = sender.send((job, judged));
                    };
                    match produce(*job) {
                        Ok(produced) => judge_with_twins(set, twins.as_ref(), *job, produced, &mut send),
                        Err(error) => send(*job, Err(error)),
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

/// How many samples share the verdict of another that is the same program, in words; `None` if none does.
pub fn shared_verdicts(tasks: &[TaskEvaluation]) -> Option<String> {
    let samples = tasks.iter().flat_map(|task| &task.samples);
    let total = samples.clone().count();
    let shared = samples.filter(|sample| sample.same_as.is_some()).count();
    (shared > 0).then(|| {
        format!(
            "{shared} of {total} samples are the same program as another of their task and share its verdict"
        )
    })
}

/// The jobs of a samples file, and how each is produced.
pub fn jobs_of(samples: &[GivenSample]) -> Vec<Job> {
    samples.iter().map(|one| Job { problem: one.problem, sample: one.sample }).collect()
}

/// Judges a sample and those that wait for it, or has it wait for one that is the same program.
fn judge_with_twins(
    set: &BenchmarkSet,
    twins: Option<&Twins>,
    job: Job,
    produced: Produced,
    send: &mut dyn FnMut(Job, Result<SampleEvaluation, EvalError>),
) {
    let Some(twins) = twins else { return send(job, judge(set, job, produced)) };
    match twins.admit(job, produced, &set.problems()[job.problem].tests) {
        Admitted::Waiting => {}
        Admitted::Known(produced, first, verdict) => {
            send(job, judge_like(set, job, produced, first, verdict));
        }
        Admitted::First(key, produced) => {
            let judged = judge(set, job, produced);
            let verdict = judged.as_ref().ok().and_then(|sample| sample.verdict.clone());
            send(job, judged);
            // Without a verdict the evaluation has failed, and nobody waits any more.
            let Some(verdict) = verdict else { return };
            for (other, produced) in twins.settle(key, job.sample, &verdict) {
                send(other, judge_like(set, other, produced, job.sample, verdict.clone()));
            }
        }
    }
}

/// A sample that is the same program as sample `first`, or may be: then it is judged too.
fn judge_like(
    set: &BenchmarkSet,
    job: Job,
    produced: Produced,
    first: usize,
    verdict: Verdict,
) -> Result<SampleEvaluation, EvalError> {
    match shared(verdict, &produced.program) {
        Some(verdict) => Ok(SampleEvaluation { same_as: Some(first), ..sample(job, produced, verdict) }),
        None => judge(set, job, produced),
    }
}

fn judge(set: &BenchmarkSet, job: Job, produced: Produced) -> Result<SampleEvaluation, EvalError> {
    let failure = |message: String| EvalError::Task { id: set.id(job.problem).to_owned(), message };
    let verdict =
        set.judge(job.problem, produced.program.clone()).map_err(|error| failure(error.to_string()))?;
    Ok(sample(job, produced, verdict))
}

fn sample(job: Job, produced: Produced, verdict: Verdict) -> SampleEvaluation {
    let reward = f64::from(u8::from(verdict.class == OutcomeClass::Passed));
    SampleEvaluation {
        sample: job.sample,
        text: produced.text,
        tokens: produced.tokens,
        finish: produced.finish,
        reward,
        verdict: Some(verdict),
        same_as: None,
        search: None,
        measurements: Measurements::default(),
    }
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
