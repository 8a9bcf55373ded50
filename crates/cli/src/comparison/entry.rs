//! One finished run of a method, read from its directory.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use hone_eval::Evaluation;
use hone_runlog::{Manifest, MetricRow, RunDir, RunState, metric, read_metrics, read_timings};
use serde::Serialize;
use serde_json::Value;

use crate::recipe::Recipe;

/// A run's numbers.
pub(crate) struct Entry {
    pub(super) name: String,
    pub(super) seed: u64,
    pub(super) before: Evaluation,
    pub(super) after: Evaluation,
    pub(super) minutes: f64,
    pub(super) ending: String,
    pub(super) steps: f64,
    pub(super) tokens: f64,
    pub(super) rollout_minutes: f64,
    pub(super) execution_minutes: f64,
    pub(super) update_minutes: f64,
    pub(super) peak_memory_bytes: f64,
    pub(super) final_kl: Option<f64>,
    pub(super) curve: Curve,
    /// The resolved recipe.
    pub(super) recipe: Value,
    manifest: Manifest,
}

/// How a run went, one entry a step.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Curve {
    pub(crate) seed: u64,
    /// Minutes of training when the step ended.
    pub(crate) minutes: Vec<f64>,
    /// Mean reward, on the method's own scale.
    pub(crate) rewards: Vec<f64>,
    /// Share of training completions that passed all hidden tests.
    pub(crate) pass_rates: Vec<f64>,
}

impl Entry {
    /// Reads a run that has finished.
    pub(crate) fn read(name: &str, seed: u64, run: &RunDir) -> Result<Entry> {
        let evaluation = |name: &str| -> Result<Evaluation> {
            let path = run.eval_dir().join(format!("{name}.json"));
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("failed to read {}", path.display()))?;
            serde_json::from_str(&text).with_context(|| format!("failed to read {}", path.display()))
        };
        let (wall_s, ending) = match run.state() {
            RunState::Finished(finish) => (finish.wall_s, finish.reason),
            _ => (0.0, String::new()),
        };
        let recipe = Recipe::load(&run.recipe_path(), &[])?;
        let (metrics, timings) = (read_metrics(run)?, read_timings(run)?);
        let minutes_of = |name: &str| values(&timings, name).sum::<f64>() / 60.0;
        let is_logged = recipe.tasks.trajectories.is_some();
        Ok(Entry {
            name: name.to_string(),
            seed,
            before: evaluation("before")?,
            after: evaluation("after")?,
            minutes: wall_s / 60.0,
            ending,
            steps: metrics.len() as f64,
            tokens: values(&metrics, "rollout/tokens").sum(),
            rollout_minutes: minutes_of(metric::ROLLOUT_S),
            execution_minutes: minutes_of(metric::EXECUTION_S),
            update_minutes: minutes_of(metric::UPDATE_S),
            peak_memory_bytes: values(&timings, metric::PEAK_MEMORY_BYTES).fold(0.0, f64::max),
            final_kl: values(&metrics, "update/reference_kl").next_back().filter(|_| !is_logged),
            curve: curve(seed, &metrics, &timings),
            recipe: serde_json::to_value(&recipe)?,
            manifest: run.manifest()?,
        })
    }

    /// A held-out task's pass@k after training.
    pub(super) fn after_at(&self, task: &str, k: usize) -> Option<f64> {
        self.after.tasks.iter().find(|one| one.id == task)?.pass_at_k(k)
    }

    /// The same before.
    pub(super) fn before_at(&self, task: &str, k: usize) -> Option<f64> {
        self.before.tasks.iter().find(|one| one.id == task)?.pass_at_k(k)
    }

    /// What this run has in common with the others, in words.
    pub(super) fn facts(&self) -> BTreeMap<String, String> {
        let manifest = &self.manifest;
        let at = |key: &str| match self.recipe.pointer(key).unwrap_or(&Value::Null) {
            Value::String(text) => text.clone(),
            Value::Null => "none".to_string(),
            other => other.to_string(),
        };
        let commit = manifest.commit.as_deref().map_or("unknown", |commit| &commit[..commit.len().min(12)]);
        let changes = if manifest.is_dirty == Some(true) { " with local changes" } else { "" };
        let memory = manifest.machine.memory_bytes as f64 / 1e9;
        [
            ("model", manifest.model.source.clone()),
            ("training tasks", at("/tasks/train")),
            ("held-out tasks", at("/tasks/heldout")),
            ("samples of a held-out task", at("/eval/samples")),
            ("steps at most", at("/trainer/steps")),
            ("minutes at most", at("/trainer/time_limit_minutes")),
            ("tokens at most", at("/trainer/token_limit")),
            (
                "completions a step",
                format!("{} × {}", at("/trainer/prompts_per_step"), at("/trainer/group_size")),
            ),
            ("tokens of a completion at most", at("/trainer/sampling/max_new_tokens")),
            (
                "machine",
                format!("{}, {} cores, {memory:.0} GB", manifest.machine.cpu, manifest.machine.cores),
            ),
            ("commit", format!("{commit}{changes}")),
            ("hone", manifest.hone_version.clone()),
            ("first run begun", manifest.started_at.clone()),
        ]
        .map(|(key, value)| (key.to_string(), value))
        .into()
    }
}

fn values<'a>(rows: &'a [MetricRow], name: &'a str) -> impl DoubleEndedIterator<Item = f64> + 'a {
    rows.iter().filter_map(move |row| value(row, name)).filter(|value| value.is_finite())
}

fn value(row: &MetricRow, name: &str) -> Option<f64> {
    row.values.iter().find(|(found, _)| found == name).map(|(_, value)| *value)
}

fn curve(seed: u64, metrics: &[MetricRow], timings: &[MetricRow]) -> Curve {
    let mut curve = Curve { seed, minutes: Vec::new(), rewards: Vec::new(), pass_rates: Vec::new() };
    let mut minutes = 0.0;
    for (row, time) in metrics.iter().zip(timings) {
        minutes += value(time, metric::STEP_S).unwrap_or(0.0) / 60.0;
        curve.minutes.push(minutes);
        curve.rewards.push(value(row, metric::REWARD_MEAN).unwrap_or(f64::NAN));
        curve.pass_rates.push(value(row, metric::PASS_RATE).unwrap_or(f64::NAN));
    }
    curve
}
