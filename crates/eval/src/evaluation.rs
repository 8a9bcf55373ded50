//! What an evaluation found: every sample of every task, and pass@k over them.
//!
//! Not here: how samples are made (`evaluate.rs`), or how counts are shown (`summary.rs`, `table.rs`).

use std::collections::BTreeMap;
use std::io::Write;

use hone_environment::Verdict;
use hone_model::FinishReason;
use hone_sandbox::OutcomeClass;
use serde::{Deserialize, Serialize};

use crate::bootstrap::{bootstrap_mean, bootstrap_share};
use crate::samples::SampleRow;
use crate::search::Attempted;
use crate::{Efficiency, EvalConfig, EvalError, Interval, Scanned, pass_at_k};

/// All samples of all tasks, with the settings that made them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The settings.
    pub config: EvalConfig,
    /// The tasks, in the order of the environment set.
    pub tasks: Vec<TaskEvaluation>,
    /// What was evaluated, where that is more than the tasks say.
    #[serde(default)]
    pub provenance: Provenance,
    /// How long it took; the only part that differs between two runs with the same seed.
    pub timing: Timing,
}

/// Facts that decide the numbers besides the settings: benchmark, file, rules, where the samples came from.
pub type Provenance = BTreeMap<String, String>;

/// The samples of one task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskEvaluation {
    /// The task's id.
    pub id: String,
    /// Its difficulty, 0 if unknown.
    pub level: u8,
    /// Its topic, empty if unknown.
    pub topic: String,
    /// The samples, by index.
    pub samples: Vec<SampleEvaluation>,
}

/// One completion and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampleEvaluation {
    /// Index within the task.
    pub sample: usize,
    /// The completion's text, without the answer prefix.
    pub text: String,
    /// Its length in tokens.
    pub tokens: usize,
    /// Why it ended.
    pub finish: FinishReason,
    /// Its reward.
    pub reward: f64,
    /// Its verdict, where a program was executed.
    pub verdict: Option<Verdict>,
    /// The sample of the same task that is the same program and was judged for both; `None` if it was judged itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_as: Option<usize>,
    /// What a search knows of it, if it is an attempt of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<Attempted>,
    /// What was measured of it after its verdict.
    #[serde(default, skip_serializing_if = "Measurements::is_empty")]
    pub measurements: Measurements,
}

/// What was measured of a sample after its verdict, where it was asked for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Measurements {
    /// Its cost beside its task's reference, if it is right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub efficiency: Option<Efficiency>,
    /// Whether it is right by the benchmark's base tests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passes_base: Option<bool>,
    /// What a scanner finds in its program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security: Option<Scanned>,
}

impl Measurements {
    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        *self == Measurements::default()
    }
}

/// How long an evaluation took.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Timing {
    /// Until the last completion was generated, in seconds.
    pub generation_seconds: f64,
    /// Until the last verdict, in seconds.
    pub total_seconds: f64,
}

impl SampleEvaluation {
    /// Whether it counts as correct: all tests passed or, where nothing was executed, a reward of 1.
    pub fn is_passed(&self) -> bool {
        match &self.verdict {
            Some(verdict) => verdict.class == OutcomeClass::Passed,
            None => self.reward >= 1.0,
        }
    }
}

impl TaskEvaluation {
    /// Number of correct samples.
    pub fn passed(&self) -> usize {
        self.samples.iter().filter(|sample| sample.is_passed()).count()
    }

    /// pass@k of this task.
    pub fn pass_at_k(&self, k: usize) -> Option<f64> {
        pass_at_k(self.samples.len(), self.passed(), k)
    }
}

impl Evaluation {
    /// Mean share of passed tests over samples (AvgPassRatio), by task, with its interval; `None` if nothing was tested.
    pub fn test_pass_ratio(&self) -> Option<Interval> {
        test_pass_ratio(&self.tasks.iter().collect::<Vec<_>>())
    }

    /// Share of samples that could be parsed and built, with its interval.
    pub fn compile_rate(&self) -> Option<Interval> {
        compile_rate(&self.tasks.iter().collect::<Vec<_>>())
    }

    /// Mean pass@k over the tasks with its 95% interval; `None` if a task has fewer than k samples.
    pub fn pass_at(&self, k: usize) -> Option<Interval> {
        pass_at(self.tasks.iter(), k)
    }

    /// One JSON object a sample, a line each (`samples::SampleRow`).
    pub fn write_samples(&self, out: &mut dyn Write) -> std::io::Result<()> {
        for task in &self.tasks {
            for sample in &task.samples {
                SampleRow::of(&task.id, sample).write(out)?;
            }
        }
        Ok(())
    }

    /// The settings that decide the numbers, in one line, to print beside them.
    pub fn signature(&self) -> String {
        let EvalConfig { samples, sampling, seed, .. } = &self.config;
        let facts: String = self.provenance.iter().map(|(key, value)| format!("{key}={value} ")).collect();
        let drawing = match sampling.beams {
            0 => format!(
                "temperature={} top_p={} top_k={} min_p={}",
                sampling.temperature, sampling.top_p, sampling.top_k, sampling.min_p
            ),
            beams => format!("beams={beams} length_penalty={}", sampling.length_penalty),
        };
        format!(
            "{facts}tasks={} samples={samples} {drawing} max_new_tokens={} seed={seed} estimator=unbiased \
             interval=bootstrap-over-tasks-95% hone={}",
            self.tasks.len(),
            sampling.max_new_tokens,
            env!("CARGO_PKG_VERSION"),
        )
    }
}

pub(crate) fn test_pass_ratio(tasks: &[&TaskEvaluation]) -> Option<Interval> {
    mean_over_tasks(tasks, &|verdict| f64::from(verdict.tests_passed) / f64::from(verdict.tests_total.max(1)))
}

pub(crate) fn compile_rate(tasks: &[&TaskEvaluation]) -> Option<Interval> {
    mean_over_tasks(tasks, &|verdict| f64::from(u8::from(verdict.class != OutcomeClass::CompileError)))
}

/// Crashes and exceeded limits: what ran, and did not come to an answer that could be wrong.
pub(crate) fn runtime_error_rate(tasks: &[&TaskEvaluation]) -> Option<Interval> {
    let is_error = |class: OutcomeClass| {
        !matches!(class, OutcomeClass::CompileError | OutcomeClass::WrongAnswer | OutcomeClass::Passed)
    };
    mean_over_tasks(tasks, &|verdict| f64::from(u8::from(is_error(verdict.class))))
}

/// Mean over tasks of the mean over a task's judged samples.
fn mean_over_tasks(tasks: &[&TaskEvaluation], value: &dyn Fn(&Verdict) -> f64) -> Option<Interval> {
    let mean = |task: &&TaskEvaluation| {
        let values: Vec<f64> =
            task.samples.iter().filter_map(|sample| sample.verdict.as_ref()).map(value).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    bootstrap_share(&tasks.iter().filter_map(mean).collect::<Vec<f64>>())
}

pub(crate) fn pass_at<'a>(tasks: impl Iterator<Item = &'a TaskEvaluation>, k: usize) -> Option<Interval> {
    let values: Option<Vec<f64>> = tasks.map(|task| task.pass_at_k(k)).collect();
    bootstrap_share(&values?)
}

/// Mean over tasks of pass@k of `after` minus that of `before`, with the interval of the paired differences.
///
/// Tasks are paired by id, and both must have the same: an unpaired interval would be far wider.
pub fn paired_difference(before: &Evaluation, after: &Evaluation, k: usize) -> Result<Interval, EvalError> {
    let mismatch = |message: String| EvalError::Mismatch { message };
    let mut differences = Vec::with_capacity(before.tasks.len());
    for task in &before.tasks {
        let id = &task.id;
        let other = after.tasks.iter().find(|other| other.id == *id);
        let other = other.ok_or_else(|| mismatch(format!("task {id} is in the first evaluation only")))?;
        let (Some(first), Some(second)) = (task.pass_at_k(k), other.pass_at_k(k)) else {
            let (n, m) = (task.samples.len(), other.samples.len());
            return Err(mismatch(format!("pass@{k} needs {k} samples of task {id}, found {n} and {m}")));
        };
        differences.push(second - first);
    }
    if after.tasks.len() != before.tasks.len() {
        let (n, m) = (before.tasks.len(), after.tasks.len());
        return Err(mismatch(format!("the first evaluation has {n} tasks, the second {m}")));
    }
    bootstrap_mean(&differences).ok_or_else(|| mismatch("there are no tasks".into()))
}
