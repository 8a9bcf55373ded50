//! What the page shows, gathered from the run's files; what cannot be read becomes a note, not a failure, since
//! a report is wanted most of all of a run that went wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

use super::chart::{Chart, Series};
use crate::metric::{self, METRICS, OUTCOME_PREFIX};
use crate::run_dir::read_json;
use crate::{
    Alert, Manifest, MetricRow, RunDir, RunState, RunlogError, Switch, TrajectoryRecord, read_metrics,
    read_timings, read_trajectories, trajectory_files,
};

/// Bytes of trajectories that the page may hold.
const TRAJECTORY_BUDGET_BYTES: usize = 5 << 20;
/// Characters of one text on the page.
const TEXT_MAX: usize = 8_000;

/// Outcome classes from best to worst, as the areas are stacked.
pub(super) const OUTCOMES: [&str; 8] = [
    "passed",
    "wrong-answer",
    "runtime-error",
    "compile-error",
    "timeout",
    "memory-limit",
    "output-limit",
    "none",
];

/// Everything on the page.
pub(super) struct Content {
    pub manifest: Manifest,
    pub state: RunState,
    pub resumptions: usize,
    pub directory: String,
    pub recipe: String,
    pub metrics: Vec<MetricRow>,
    pub timings: Vec<MetricRow>,
    pub before: Option<Value>,
    pub after: Option<Value>,
    pub differences: Option<Value>,
    pub switch: Option<Switch>,
    pub at_switch: Option<Value>,
    pub alerts: Vec<Alert>,
    pub trajectories: Trajectories,
    pub notes: Vec<String>,
}

/// What the trajectories say, and the sample of them that the page holds.
#[derive(Default)]
pub(super) struct Trajectories {
    /// Step → outcome → number of completions.
    pub outcomes: BTreeMap<u64, BTreeMap<String, u64>>,
    /// Task → step → (passed, sampled).
    pub tasks: BTreeMap<String, BTreeMap<u64, (u64, u64)>>,
    /// Number of trajectories in the run.
    pub total: usize,
    /// The shown ones.
    pub shown: Vec<TrajectoryRecord>,
}

/// Reads the run.
pub(super) fn gather(run: &RunDir) -> Result<Content, RunlogError> {
    let mut notes = Vec::new();
    let mut or_note = |what: &str, error: RunlogError| notes.push(format!("{what} left out: {error}"));
    let manifest = run.manifest().unwrap_or_else(|error| {
        or_note("the manifest is", error);
        Manifest::default()
    });
    let metrics = read_metrics(run).unwrap_or_else(|error| {
        or_note("the metrics are", error);
        Vec::new()
    });
    let timings = read_timings(run).unwrap_or_else(|error| {
        or_note("the timings are", error);
        Vec::new()
    });
    let mut evaluation = |name: &str| -> Option<Value> {
        let path = run.eval_dir().join(name);
        if !path.exists() {
            return None;
        }
        read_json(&path).map_err(|error| or_note("an evaluation is", error)).ok()
    };
    let summary = evaluation("summary.json");
    let part = |name: &str| summary.as_ref()?.get(name).filter(|part| !part.is_null()).cloned();
    let before = part("before").or_else(|| evaluation("before.json"));
    let after = part("after").or_else(|| evaluation("after.json"));
    let differences = part("differences");
    let switch = evaluation("online.json").and_then(|value| serde_json::from_value(value).ok());
    let at_switch = part("switch");
    let alerts = run.alerts().unwrap_or_else(|error| {
        or_note("the alerts are", error);
        Vec::new()
    });
    let trajectories = read_all(run, &mut notes)?;
    Ok(Content {
        manifest,
        state: run.state(),
        resumptions: run.resumptions(),
        directory: std::path::absolute(run.path())
            .ok()
            .and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .unwrap_or_default(),
        recipe: std::fs::read_to_string(run.recipe_path()).unwrap_or_default(),
        metrics,
        timings,
        before,
        after,
        differences,
        switch,
        at_switch,
        alerts,
        trajectories,
        notes,
    })
}

/// A metric's name and its points by step.
pub(super) type Named = (String, Vec<(u64, f64)>);

impl Content {
    /// Last step with numbers.
    pub(super) fn last_step(&self) -> u64 {
        self.metrics.iter().map(|row| row.step).max().unwrap_or(0)
    }

    /// Every name with its points, documented names first in their order, then the others by name.
    pub(super) fn series(&self) -> Vec<Named> {
        let mut by_name: BTreeMap<&str, BTreeMap<u64, f64>> = BTreeMap::new();
        for row in self.metrics.iter().chain(&self.timings) {
            for (name, value) in &row.values {
                by_name.entry(name).or_default().insert(row.step, *value);
            }
        }
        let rank =
            |name: &str| METRICS.iter().position(|metric| metric.name == name).unwrap_or(METRICS.len());
        let mut names: Vec<&str> = by_name.keys().copied().collect();
        names.sort_by_key(|name| rank(name));
        let points = |name: &str| by_name[name].iter().map(|(step, value)| (*step, *value)).collect();
        names.into_iter().map(|name| (name.to_owned(), points(name))).collect()
    }

    /// The areas of outcomes: from the trajectories, else from the metrics.
    pub(super) fn outcome_chart(&self) -> Option<Chart> {
        let mut counts: BTreeMap<u64, BTreeMap<String, f64>> = BTreeMap::new();
        for (step, outcomes) in &self.trajectories.outcomes {
            let total = outcomes.values().sum::<u64>().max(1) as f64;
            let fractions = outcomes.iter().map(|(name, count)| (name.clone(), *count as f64 / total));
            counts.insert(*step, fractions.collect());
        }
        if counts.is_empty() {
            for row in &self.metrics {
                let classes = row.values.iter().filter_map(|(name, value)| {
                    Some((name.strip_prefix(OUTCOME_PREFIX)?.to_owned(), *value))
                });
                counts.entry(row.step).or_default().extend(classes);
            }
            counts.retain(|_, classes| !classes.is_empty());
        }
        let title = "Outcomes";
        let meaning = "fraction of each step's programs, by what their execution did";
        let name = |name: &str| name.to_owned();
        stacked(title, "outcome/…", meaning, &counts, &OUTCOMES.map(name), &OUTCOMES.map(name))
    }

    /// The areas of time.
    pub(super) fn time_chart(&self) -> Option<Chart> {
        let parts = [metric::ROLLOUT_S, metric::EXECUTION_S, metric::UPDATE_S];
        let mut seconds: BTreeMap<u64, BTreeMap<String, f64>> = BTreeMap::new();
        for row in &self.timings {
            let known = row.values.iter().filter(|(name, _)| parts.contains(&name.as_str()));
            seconds.entry(row.step).or_default().extend(known.cloned());
        }
        seconds.retain(|_, parts| !parts.is_empty());
        let titles = parts.map(|name| metric::find(name).map_or(name, |metric| metric.title).to_lowercase());
        let meaning = "wall seconds of a step, by what they were spent on";
        let classes = ["rollout", "execution", "update"].map(str::to_owned);
        let mut chart = stacked("Time", "time/…_s", meaning, &seconds, &parts.map(str::to_owned), &classes)?;
        for series in &mut chart.series {
            let place = parts.iter().position(|part| *part == series.name);
            series.name = place.map_or(series.name.clone(), |place| titles[place].clone());
        }
        Some(chart)
    }
}

/// A stacked chart of the known names, in their order, that occur; unknown names are added on top.
fn stacked(
    title: &str,
    name: &str,
    meaning: &str,
    values: &BTreeMap<u64, BTreeMap<String, f64>>,
    order: &[String],
    classes: &[String],
) -> Option<Chart> {
    let present: BTreeSet<&String> = values.values().flat_map(|row| row.keys()).collect();
    let known = order.iter().zip(classes).filter(|(name, _)| present.contains(name));
    let known = known.map(|(name, class)| (name.clone(), class.clone()));
    let unknown =
        present.iter().filter(|name| !order.contains(name)).map(|name| (name.to_string(), "none".to_owned()));
    let names: Vec<(String, String)> = known.chain(unknown).collect();
    let series = names.into_iter().map(|(name, class)| Series {
        values: values.values().map(|row| row.get(&name).copied().unwrap_or(0.0)).collect(),
        name,
        class: format!("c-{class}"),
    });
    let chart = Chart {
        title: title.to_owned(),
        name: name.to_owned(),
        meaning: meaning.to_owned(),
        steps: values.keys().copied().collect(),
        series: series.collect(),
        is_stacked: true,
    };
    (!chart.steps.is_empty()).then_some(chart)
}

/// First pass: count everything and weigh each group. Second pass: load the groups that fit.
fn read_all(run: &RunDir, notes: &mut Vec<String>) -> Result<Trajectories, RunlogError> {
    let mut all = Trajectories::default();
    let mut groups: Vec<GroupWeight> = Vec::new();
    let files = trajectory_files(run)?;
    for (step, path) in &files {
        for record in read_or_note(path, notes) {
            all.total += 1;
            let outcome = outcome_of(&record).to_owned();
            let passed = u64::from(outcome == OUTCOMES[0]);
            *all.outcomes.entry(*step).or_default().entry(outcome).or_default() += 1;
            let attempts = all.tasks.entry(record.task.clone()).or_default().entry(*step).or_default();
            *attempts = (attempts.0 + passed, attempts.1 + 1);
            let bytes = shown_bytes(&record);
            match groups.last_mut().filter(|group| group.step == *step && group.group == record.group) {
                Some(group) => group.bytes += bytes,
                None => groups.push(GroupWeight { step: *step, group: record.group, bytes }),
            }
        }
    }
    let chosen = choose(groups, TRAJECTORY_BUDGET_BYTES);
    for (step, path) in &files {
        if chosen.range((*step, 0)..=(*step, u64::MAX)).next().is_some() {
            let records = read_or_note(path, &mut Vec::new()).into_iter();
            all.shown.extend(records.filter(|record| chosen.contains(&(*step, record.group))));
        }
    }
    Ok(all)
}

fn read_or_note(path: &Path, notes: &mut Vec<String>) -> Vec<TrajectoryRecord> {
    read_trajectories(path).unwrap_or_else(|error| {
        notes.push(format!("trajectories left out: {error}"));
        Vec::new()
    })
}

struct GroupWeight {
    step: u64,
    group: u64,
    bytes: usize,
}

/// Whole groups within the budget: those of the first and the last step, then others in an order that is random
/// in effect and the same every time.
fn choose(mut groups: Vec<GroupWeight>, budget_bytes: usize) -> BTreeSet<(u64, u64)> {
    let (first, last) = (groups.first().map(|group| group.step), groups.last().map(|group| group.step));
    groups.sort_by_key(|group| {
        let is_end = Some(group.step) == first || Some(group.step) == last;
        (!is_end, scramble(group.step ^ scramble(group.group)))
    });
    let mut left = budget_bytes;
    let fits = |group: &GroupWeight| {
        let fits = group.bytes <= left;
        left -= if fits { group.bytes } else { 0 };
        fits
    };
    groups.into_iter().filter(fits).map(|group| (group.step, group.group)).collect()
}

/// SplitMix64's finaliser.
fn scramble(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

fn outcome_of(record: &TrajectoryRecord) -> &str {
    if record.outcome.is_empty() { "none" } else { &record.outcome }
}

/// Upper estimate of the bytes on the page: a character may take six as an escape, most take one.
fn shown_bytes(record: &TrajectoryRecord) -> usize {
    let text = |text: &str| {
        let kept = &text.as_bytes()[..text.len().min(TEXT_MAX * 4)];
        kept.len()
            + 5 * kept.iter().filter(|byte| matches!(byte, b'<' | b'>' | b'&' | b'\'' | 0..=31)).count()
    };
    let error = record.error.as_ref().map_or(0, |error| text(&error.kind) + text(&error.message));
    400 + text(&record.program) + text(&record.completion) + error
}

/// The trajectories for the script: tasks and prompts once each, then one object a trajectory.
pub(super) fn trajectory_data(trajectories: &Trajectories) -> Value {
    let mut prompts: Vec<&str> = Vec::new();
    let mut prompt_index: BTreeMap<&str, usize> = BTreeMap::new();
    let mut rows = Vec::with_capacity(trajectories.shown.len());
    for record in &trajectories.shown {
        let prompt = *prompt_index.entry(&record.prompt).or_insert_with(|| {
            prompts.push(&record.prompt);
            prompts.len() - 1
        });
        let tokens = record.completion_tokens.len();
        let mean_logprob =
            record.logprobs.iter().map(|&logprob| f64::from(logprob)).sum::<f64>() / tokens.max(1) as f64;
        let mut row = json!({
            "step": record.step, "task": clip(&record.task), "group": record.group, "sample": record.sample,
            "prompt": prompt, "outcome": outcome_of(record), "passed": record.tests_passed,
            "total": record.tests_total, "reward": record.reward, "advantage": record.advantage,
            "finish": record.finish, "tokens": tokens, "logprob": mean_logprob,
            "version": record.policy_version, "mode": record.mode, "program": clip(&record.program),
        });
        if record.completion != record.program {
            row["completion"] = clip(&record.completion).into();
        }
        if let Some(error) = &record.error {
            row["error"] =
                json!({ "kind": clip(&error.kind), "message": clip(&error.message), "line": error.line });
        }
        rows.push(row);
    }
    let prompts: Vec<String> = prompts.into_iter().map(clip).collect();
    json!({ "prompts": prompts, "rows": rows, "total": trajectories.total, "outcomes": OUTCOMES })
}

fn clip(text: &str) -> String {
    match text.char_indices().nth(TEXT_MAX) {
        Some((end, _)) => {
            format!("{}\n… ({} more bytes in the trajectory file)", &text[..end], text.len() - end)
        }
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_fits_and_holds_both_ends() {
        let weigh = |step| (0..4).map(move |group| GroupWeight { step, group, bytes: 100 });
        let groups = || (1..=50).flat_map(weigh).collect::<Vec<_>>();
        let chosen = choose(groups(), 3_000);
        assert_eq!(chosen.len(), 30);
        assert!((0..4).all(|group| chosen.contains(&(1, group)) && chosen.contains(&(50, group))));
        assert_eq!(chosen, choose(groups(), 3_000));
        assert_eq!(choose(groups(), usize::MAX).len(), 200);
        assert!(choose(groups(), 99).is_empty());
    }

    #[test]
    fn clipping_counts_characters_not_bytes() {
        assert_eq!(clip("é"), "é");
        let long = "é".repeat(TEXT_MAX + 10);
        assert!(clip(&long).ends_with("(20 more bytes in the trajectory file)"));
    }
}
