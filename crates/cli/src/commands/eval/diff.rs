//! `hone eval diff`: two results on the same tasks, paired.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hone_eval::samples::read_results;
use hone_eval::{EvalConfig, Evaluation, Interval, Provenance, Timing, comparison_table, paired_difference};
use serde::Serialize;

use crate::exit::Usage;
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  hone eval diff before.jsonl after.jsonl
  hone eval diff model-a.jsonl model-b.jsonl --k 1,10 --json

Both files are results of `hone eval --output`, on the same tasks; of a search, its answers count. The interval is that of the paired difference over
tasks (bootstrap); a difference whose interval holds 0 is not shown to be one.";

/// Which results.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// A result.
    before: PathBuf,
    /// The result that it is compared with.
    after: PathBuf,
    /// The k of pass@k.
    #[arg(long, value_name = "K,…", value_delimiter = ',', default_value = "1,2,5,8,10,100")]
    k: Vec<usize>,
}

#[derive(Serialize)]
struct Difference {
    k: usize,
    before: Interval,
    after: Interval,
    difference: Interval,
    excludes_zero: bool,
}

/// Compares and prints.
pub(super) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<()> {
    let (before, after) = (read(&arguments.before)?, read(&arguments.after)?);
    let mut differences = Vec::new();
    for k in &arguments.k {
        let (Some(first), Some(second)) = (before.pass_at(*k), after.pass_at(*k)) else { continue };
        let difference = paired_difference(&before, &after, *k).map_err(|error| Usage(error.to_string()))?;
        let excludes_zero = difference.excludes_zero();
        differences.push(Difference { k: *k, before: first, after: second, difference, excludes_zero });
    }
    if differences.is_empty() {
        return Err(Usage(format!(
            "expected samples for one of k = {:?} in both results, found too few",
            arguments.k
        ))
        .into());
    }
    if terminal.is_json {
        return terminal.json(&differences);
    }
    let table = comparison_table(&before, &after, &arguments.k).context("failed to compare")?;
    let verdicts = differences.iter().map(|one| {
        let verdict = if one.excludes_zero { "a difference" } else { "no difference shown" };
        format!("pass@{}: {verdict}", one.k)
    });
    terminal.result(&format!(
        "{} tasks\n{table}\n{}",
        before.tasks.len(),
        verdicts.collect::<Vec<_>>().join("\n")
    ));
    Ok(())
}

fn read(path: &Path) -> Result<Evaluation> {
    let mut tasks = read_results(path).map_err(|error| Usage(error.to_string()))?;
    // A search gives one answer; its other attempts are no samples of it.
    for task in tasks.iter_mut().filter(|task| task.choice().is_some()) {
        task.samples.retain(|sample| sample.search.as_ref().is_some_and(|it| it.rank == 0));
    }
    if tasks.is_empty() {
        return Err(Usage(format!("{}: expected samples, found none", path.display())).into());
    }
    Ok(Evaluation {
        config: EvalConfig::default(),
        tasks,
        provenance: Provenance::new(),
        timing: Timing::default(),
    })
}
