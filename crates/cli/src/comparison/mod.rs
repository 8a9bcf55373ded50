//! Finished runs side by side: one row a method over its seeds, and each pair of methods on the same tasks.
//!
//! Not here: how runs are made (`commands/compare`), how it is shown (`table.rs`, `page.rs`).

mod entry;
pub(crate) mod page;
mod settings;
pub(crate) mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hone_eval::{Interval, bootstrap_mean, bootstrap_share};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use entry::Curve;
pub(crate) use entry::Entry;

/// All methods, the best gain a minute first.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    /// The model before training, on the same tasks.
    untrained: Option<Untrained>,
    methods: Vec<Row>,
    /// Differences of pass@1 on the same tasks, each pair once, in the order of the methods.
    pairs: Vec<Pair>,
    failures: Vec<Failure>,
    /// What all runs have in common, in words: model, budget, machine, commit.
    facts: BTreeMap<String, String>,
    /// The command that made it.
    command: String,
}

/// The model before training.
#[derive(Debug, Serialize)]
struct Untrained {
    pass_at_1: Option<Interval>,
    pass_at_5: Option<Interval>,
    tasks: usize,
    samples: usize,
}

/// One method over its seeds; a mean over runs where nothing else is said.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    seeds: Vec<u64>,
    /// On held-out tasks after training.
    pass_at_1: Option<Interval>,
    /// Where there are as many samples.
    pass_at_5: Option<Interval>,
    /// After minus before on the same tasks.
    gain_at_1: Option<Interval>,
    gain_at_5: Option<Interval>,
    /// Gain of pass@1 of each run, in the order of the seeds.
    gains: Vec<f64>,
    /// Training; evaluations are not counted.
    minutes: f64,
    gain_per_minute: Option<f64>,
    steps: f64,
    /// Completion tokens.
    tokens: f64,
    rollout_minutes: f64,
    /// Waiting for programs while nothing else could be done.
    execution_minutes: f64,
    update_minutes: f64,
    /// The most memory a run held at any moment; the largest of the runs.
    peak_memory_bytes: f64,
    /// KL(policy ‖ untrained model) when last measured; none without LoRA, or where it learned from a log.
    final_kl: Option<f64>,
    /// Why the runs ended.
    endings: BTreeSet<String>,
    /// What this recipe says otherwise than another.
    settings: BTreeMap<String, Value>,
    curves: Vec<Curve>,
}

/// Two methods on the same tasks and seeds.
#[derive(Debug, Serialize)]
struct Pair {
    first: String,
    second: String,
    /// pass@1 of the first minus that of the second.
    difference: Interval,
}

/// A run that failed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) name: String,
    pub(crate) seed: u64,
    /// In the run's own words.
    pub(crate) reason: String,
    /// Everything it said.
    pub(crate) log: PathBuf,
}

impl Comparison {
    /// Puts runs side by side; `order` is that of the recipes.
    pub(crate) fn of(entries: &[Entry], order: &[&str], failures: Vec<Failure>) -> Comparison {
        let mut methods: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
        for entry in entries {
            methods.entry(&entry.name).or_default().push(entry);
        }
        let settings = settings::differing(methods.iter().map(|(name, runs)| (*name, &runs[0].recipe)));
        let mut rows: Vec<Row> = methods.iter().map(|(name, runs)| row(name, runs, &settings)).collect();
        let place = |name: &str| order.iter().position(|other| *other == name);
        rows.sort_by(|a, b| {
            let key = |row: &Row| row.gain_per_minute.unwrap_or(f64::NEG_INFINITY);
            key(b).total_cmp(&key(a)).then_with(|| place(&a.name).cmp(&place(&b.name)))
        });
        let pairs = pairs(&rows, &methods);
        let first = entries.first();
        let untrained = first.map(|entry| Untrained {
            pass_at_1: entry.before.pass_at(1),
            pass_at_5: entry.before.pass_at(5),
            tasks: entry.before.tasks.len(),
            samples: entry.before.config.samples,
        });
        let command = std::env::args().collect::<Vec<_>>().join(" ");
        let facts = first.map(Entry::facts).unwrap_or_default();
        Comparison { untrained, methods: rows, pairs, failures, facts, command }
    }

    /// The failures that the last call of the command left in a folder, by run directory.
    pub(crate) fn failures_of(out: &Path) -> BTreeMap<String, Failure> {
        let text = std::fs::read_to_string(out.join("compare.json")).unwrap_or_default();
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        let failures: Vec<Failure> = serde_json::from_value(value["failures"].clone()).unwrap_or_default();
        let key = |failure: &Failure| out.join(format!("{}-seed{}", failure.name, failure.seed));
        failures.into_iter().map(|failure| (key(&failure).display().to_string(), failure)).collect()
    }
}

fn row(name: &str, runs: &[&Entry], settings: &BTreeMap<String, BTreeMap<String, Value>>) -> Row {
    let mean =
        |value: &dyn Fn(&Entry) -> f64| runs.iter().map(|run| value(run)).sum::<f64>() / runs.len() as f64;
    let gain = |k: usize| {
        bootstrap_mean(&over_tasks(runs, &|run, task| {
            Some(run.after_at(task, k)? - run.before_at(task, k)?)
        })?)
    };
    let after = |k: usize| bootstrap_share(&over_tasks(runs, &|run, task| run.after_at(task, k))?);
    let minutes = mean(&|run| run.minutes);
    let gain_at_1 = gain(1);
    let gain_of_run = |run: &&Entry| {
        let all = over_tasks(&[run], &|run, task| Some(run.after_at(task, 1)? - run.before_at(task, 1)?))?;
        Some(all.iter().sum::<f64>() / all.len().max(1) as f64)
    };
    let kls: Vec<f64> = runs.iter().filter_map(|run| run.final_kl).collect();
    Row {
        name: name.to_string(),
        seeds: runs.iter().map(|run| run.seed).collect(),
        pass_at_1: after(1),
        pass_at_5: after(5),
        gain_per_minute: gain_at_1.as_ref().map(|gain| gain.value / minutes.max(1e-9)),
        gain_at_1,
        gain_at_5: gain(5),
        gains: runs.iter().filter_map(gain_of_run).collect(),
        minutes,
        steps: mean(&|run| run.steps),
        tokens: mean(&|run| run.tokens),
        rollout_minutes: mean(&|run| run.rollout_minutes),
        execution_minutes: mean(&|run| run.execution_minutes),
        update_minutes: mean(&|run| run.update_minutes),
        peak_memory_bytes: runs.iter().map(|run| run.peak_memory_bytes).fold(0.0, f64::max),
        final_kl: (!kls.is_empty()).then(|| kls.iter().sum::<f64>() / kls.len() as f64),
        endings: runs.iter().map(|run| run.ending.clone()).collect(),
        settings: settings.get(name).cloned().unwrap_or_default(),
        curves: runs.iter().map(|run| run.curve.clone()).collect(),
    }
}

/// For each task the mean over the runs; `None` where a run has no number for one.
fn over_tasks(runs: &[&Entry], value: &dyn Fn(&Entry, &str) -> Option<f64>) -> Option<Vec<f64>> {
    let mean = |task: &str| {
        let found: Option<Vec<f64>> = runs.iter().map(|run| value(run, task)).collect();
        found.map(|found| found.iter().sum::<f64>() / runs.len() as f64)
    };
    runs.first()?.after.tasks.iter().map(|task| mean(&task.id)).collect()
}

/// Every pair of methods over the seeds that both have.
fn pairs(rows: &[Row], methods: &BTreeMap<&str, Vec<&Entry>>) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (index, first) in rows.iter().enumerate() {
        for second in &rows[index + 1..] {
            let common = |name: &str| -> Vec<&Entry> {
                let has = |row: &Row, seed: u64| row.seeds.contains(&seed);
                let runs = methods.get(name).into_iter().flatten().copied();
                runs.filter(|run| has(first, run.seed) && has(second, run.seed)).collect()
            };
            let one = |name: &str| over_tasks(&common(name), &|run, task| run.after_at(task, 1));
            let (Some(a), Some(b)) = (one(&first.name), one(&second.name)) else { continue };
            if a.len() != b.len() {
                continue;
            }
            let differences: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
            if let Some(difference) = bootstrap_mean(&differences) {
                pairs.push(Pair { first: first.name.clone(), second: second.name.clone(), difference });
            }
        }
    }
    pairs
}
