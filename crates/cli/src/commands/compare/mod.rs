//! `hone compare`: recipes side by side, on the same model, tasks and budget. Each is trained in a process of its own, one
//! after the other; what is there already is not done again, and one that fails is reported and holds up no other.

mod child;
mod plan;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hone_runlog::atomic_write;

use child::Ending;
use plan::{Planned, plan};

use crate::comparison::{Comparison, Entry, Failure, page, table};
use crate::exit::Interrupted;
use crate::interrupt::Interrupt;
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  hone compare recipes/grpo.toml recipes/rloo.toml recipes/dapo.toml --seeds 3
  hone compare recipes/*.toml --seeds 3 --out runs/all --time-limit-minutes 600
  hone compare recipes/grpo.toml recipes/ppo.toml --set trainer.time_limit_minutes=5
  hone compare recipes/grpo.toml recipes/dapo.toml --set trainer.token_limit=200000

Recipes must agree on model, tasks, evaluation, steps, limits of time and tokens, completions a step, sampling and how
programs are run; --set makes them. All recipes run with the first seed, then all with the second. The untrained model is
evaluated once. A run that fails is listed with its reason, and the others go on.

The same command continues a comparison that was ended, by Ctrl-C or by its time limit, and tries failed runs again. Prints
one table; OUT/compare.html has it with curves, OUT/compare.json as numbers, OUT/logs/ what the runs said.";

/// Which recipes, how often, where.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The recipes.
    #[arg(required = true)]
    recipes: Vec<PathBuf>,
    /// Runs of each recipe, with the seeds 0, 1, …
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Change a value in all recipes; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Where the runs go.
    #[arg(long, value_name = "DIR", default_value = "runs/compare")]
    out: PathBuf,
    /// End after so long: no run begins later, and the one that is going ends after its step, to be continued.
    #[arg(long, value_name = "MINUTES", value_parser = minutes)]
    time_limit_minutes: Option<f64>,
}

fn minutes(text: &str) -> Result<f64, String> {
    let minutes: f64 = text.parse().map_err(|_| "expected a number".to_string())?;
    let is_valid = (0.0..1e9).contains(&minutes);
    if is_valid { Ok(minutes) } else { Err("expected a number of minutes, 0 or more".into()) }
}

/// Runs what is missing, and puts everything side by side.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<()> {
    let plan = plan(arguments, terminal)?;
    let interrupt = Interrupt::listen("ending after this step of this run")?;
    let started = Instant::now();
    let deadline = arguments.time_limit_minutes.map(|limit| started + Duration::from_secs_f64(60.0 * limit));
    std::fs::create_dir_all(&arguments.out)
        .with_context(|| format!("failed to create {}", arguments.out.display()))?;
    let mut failures = Comparison::failures_of(&arguments.out);
    let mut left = 0;
    for (index, planned) in plan.iter().enumerate() {
        let key = planned.run.display().to_string();
        if planned.finished()?.is_some() {
            failures.remove(&key);
            continue;
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            left += 1;
            continue;
        }
        terminal.note(&format!("[{}/{}] {} with seed {}", index + 1, plan.len(), planned.name, planned.seed));
        let before = before(&plan)?;
        let ending = child::train(planned, &arguments.out, before.as_deref(), deadline, terminal)?;
        failures.remove(&key);
        match ending {
            Ending::Done => {}
            Ending::Interrupted if interrupt.is_set() => {}
            Ending::Interrupted => left += 1,
            Ending::Failed(reason) => {
                terminal
                    .note(&format!("{} with seed {} failed; the others go on", planned.name, planned.seed));
                failures.insert(key, failure(planned, &arguments.out, reason));
            }
        }
        // Written after every run, so that a comparison that is killed shows what it has.
        let comparison = gather(&plan, &mut failures)?;
        write(&comparison, &arguments.out)?;
        if interrupt.is_set() {
            let message = "ended by Ctrl-C; everything is saved\nhint: the same command continues";
            return Err(Interrupted(message.into()).into());
        }
    }
    let comparison = gather(&plan, &mut failures)?;
    let page = write(&comparison, &arguments.out)?;
    show(&comparison, &page, left, terminal)?;
    if !failures.is_empty() {
        let names: Vec<&str> = failures.keys().map(String::as_str).collect();
        bail!("{} of {} runs failed: {}", failures.len(), plan.len(), names.join(", "));
    }
    Ok(())
}

fn failure(planned: &Planned, out: &Path, reason: String) -> Failure {
    Failure { name: planned.name.clone(), seed: planned.seed, reason, log: child::log_path(planned, out) }
}

/// The evaluation of the untrained model by a finished run: the same for all recipes.
fn before(plan: &[Planned]) -> Result<Option<PathBuf>> {
    for planned in plan {
        if let Some(run) = planned.finished()? {
            let path = run.eval_dir().join("before.json");
            if path.is_file() {
                return Ok(Some(path));
            }
        }
    }
    Ok(None)
}

/// Everything finished, side by side. A run that cannot be read is a failure like any other.
fn gather(plan: &[Planned], failures: &mut BTreeMap<String, Failure>) -> Result<Comparison> {
    let mut entries = Vec::new();
    for planned in plan {
        if let Some(run) = planned.finished()? {
            match Entry::read(&planned.name, planned.seed, &run) {
                Ok(entry) => entries.push(entry),
                Err(error) => {
                    let out = planned.run.parent().unwrap_or(Path::new(""));
                    let reason = format!("failed to read the run: {error:#}");
                    failures.insert(planned.run.display().to_string(), failure(planned, out, reason));
                }
            }
        }
    }
    let order: Vec<&str> = plan.iter().map(|planned| planned.name.as_str()).collect();
    Ok(Comparison::of(&entries, &order, failures.values().cloned().collect()))
}

/// The page and the numbers; where the page is.
fn write(comparison: &Comparison, out: &Path) -> Result<PathBuf> {
    let path = out.join("compare.html");
    atomic_write(&path, page::render(comparison).as_bytes())?;
    atomic_write(&out.join("compare.json"), serde_json::to_string_pretty(comparison)?.as_bytes())?;
    Ok(path)
}

fn show(comparison: &Comparison, page: &Path, left: usize, terminal: &Terminal) -> Result<()> {
    if terminal.is_json {
        let mut value = serde_json::to_value(comparison)?;
        value["page"] = page.display().to_string().into();
        value["runs_left"] = left.into();
        terminal.json(&value)?;
    } else {
        terminal.result(&table::render(comparison));
        terminal.result(&format!("page  {}", page.display()));
    }
    if left > 0 {
        terminal.note(&format!("{left} runs are left; the same command makes them"));
    }
    Ok(())
}
