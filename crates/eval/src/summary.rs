//! An evaluation in few numbers: pass@k, outcomes, lengths, and the same by level and by topic.

use std::collections::BTreeMap;

use hone_model::FinishReason;
use hone_sandbox::OutcomeClass;
use serde::{Deserialize, Serialize};

use crate::evaluation::{TaskEvaluation, compile_rate, pass_at, runtime_error_rate, test_pass_ratio};
use crate::{EfficiencySummary, Evaluation, Interval, SecuritySummary, Timing, base_pass_at};

/// Samples by class of outcome, in the order of the classes; a class that never occurred is absent.
pub type OutcomeCounts = BTreeMap<OutcomeClass, usize>;

/// The whole evaluation in few numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The settings in one line.
    pub signature: String,
    /// All tasks.
    pub all: GroupSummary,
    /// pass@k by the benchmark's base tests alone, where it has some and they were asked.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub base_pass_at: BTreeMap<usize, Interval>,
    /// Each k of pass@k that was asked for and that a task has too few samples for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undefined: Vec<usize>,
    /// Tasks of one level each.
    pub by_level: BTreeMap<u8, GroupSummary>,
    /// Tasks of one topic each.
    pub by_topic: BTreeMap<String, GroupSummary>,
    /// Costs beside the references, where they were measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub efficiency: Option<EfficiencySummary>,
    /// What a scanner finds, where it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<SecuritySummary>,
    /// How long it took.
    pub timing: Timing,
}

/// Some of the tasks in few numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupSummary {
    /// Number of tasks.
    pub tasks: usize,
    /// Number of samples.
    pub samples: usize,
    /// pass@k by k; a k for which a task has too few samples is absent.
    pub pass_at: BTreeMap<usize, Interval>,
    /// Executed samples by class of outcome.
    pub outcomes: OutcomeCounts,
    /// Share of samples that can be parsed and built; `None` if nothing was executed. Intervals over tasks, as all.
    #[serde(default)]
    pub compile_rate: Option<Interval>,
    /// Share of samples that crash or exceed a limit, of those executed.
    #[serde(default)]
    pub runtime_error_rate: Option<Interval>,
    /// Mean share of passed tests (AvgPassRatio).
    #[serde(default)]
    pub test_pass_ratio: Option<Interval>,
    /// Mean reward of a sample.
    pub mean_reward: f64,
    /// Mean length of a sample, in tokens.
    pub mean_tokens: f64,
    /// Share of samples that ran into the length limit.
    pub truncated_share: f64,
}

impl Summary {
    /// Topics with their groups, difficulties from easy to hard and the rest by name.
    pub fn topics(&self) -> Vec<(String, &GroupSummary)> {
        const DIFFICULTIES: [&str; 6] =
            ["introductory", "easy", "interview", "medium", "competition", "hard"];
        let rank =
            |topic: &str| DIFFICULTIES.iter().position(|one| *one == topic).unwrap_or(DIFFICULTIES.len());
        let mut topics: Vec<(String, &GroupSummary)> =
            self.by_topic.iter().map(|(topic, group)| (topic.clone(), group)).collect();
        topics.sort_by_key(|(topic, _)| rank(topic));
        topics
    }
}

impl Evaluation {
    /// The evaluation in few numbers, with pass@k for each of `ks`; what is measured afterwards is not in it.
    pub fn summary(&self, ks: &[usize]) -> Summary {
        let mut levels: BTreeMap<u8, Vec<&TaskEvaluation>> = BTreeMap::new();
        let mut topics: BTreeMap<String, Vec<&TaskEvaluation>> = BTreeMap::new();
        for task in &self.tasks {
            levels.entry(task.level).or_default().push(task);
            topics.entry(task.topic.clone()).or_default().push(task);
        }
        let all = group(&self.tasks.iter().collect::<Vec<_>>(), ks);
        Summary {
            signature: self.signature(),
            undefined: ks.iter().filter(|k| !all.pass_at.contains_key(*k)).copied().collect(),
            all,
            base_pass_at: base_pass_at(&self.tasks, ks),
            by_level: levels.into_iter().map(|(level, tasks)| (level, group(&tasks, ks))).collect(),
            by_topic: topics.into_iter().map(|(topic, tasks)| (topic, group(&tasks, ks))).collect(),
            efficiency: None,
            security: None,
            timing: self.timing,
        }
    }
}

fn group(tasks: &[&TaskEvaluation], ks: &[usize]) -> GroupSummary {
    let samples = || tasks.iter().flat_map(|task| &task.samples);
    let count = samples().count();
    let mean = |sum: f64| if count == 0 { 0.0 } else { sum / count as f64 };
    let mut outcomes = OutcomeCounts::new();
    for verdict in samples().filter_map(|sample| sample.verdict.as_ref()) {
        *outcomes.entry(verdict.class).or_default() += 1;
    }
    let intervals = ks.iter().filter_map(|k| Some((*k, pass_at(tasks.iter().copied(), *k)?)));
    GroupSummary {
        tasks: tasks.len(),
        samples: count,
        pass_at: intervals.collect(),
        outcomes,
        compile_rate: compile_rate(tasks),
        runtime_error_rate: runtime_error_rate(tasks),
        test_pass_ratio: test_pass_ratio(tasks),
        mean_reward: mean(samples().map(|sample| sample.reward).sum()),
        mean_tokens: mean(samples().map(|sample| sample.tokens as f64).sum()),
        truncated_share: mean(samples().filter(|s| s.finish == FinishReason::Length).count() as f64),
    }
}
