//! What is measured of judged samples: `--efficiency`.

use std::sync::Mutex;

use anyhow::{Context, Result};
use hone_eval::{EfficiencySummary, Evaluation, measure_efficiency};
use hone_sandbox::Sandbox;

use super::Arguments;
use super::journal::Journal;
use super::problems::Problems;
use crate::exit::{Interrupted, Usage};
use crate::interrupt::Interrupt;
use crate::progress::{Lines, Progress};
use crate::terminal::Terminal;

/// Summaries of what was asked for.
#[derive(Default)]
pub(super) struct Measured {
    pub(super) efficiency: Option<EfficiencySummary>,
}

/// Measures what was asked for, records how, and writes the output file anew.
pub(super) fn add(
    arguments: &Arguments,
    evaluation: &mut Evaluation,
    sandbox: &Sandbox,
    interrupt: &Interrupt,
    terminal: &Terminal,
) -> Result<Measured> {
    let mut measured = Measured::default();
    if !arguments.efficiency {
        return Ok(measured);
    }
    let name = arguments.inputs.last().ok_or_else(|| Usage("expected a BENCHMARK, found none".into()))?;
    let problems = Problems::load(name, arguments.file.as_deref(), &arguments.window(), None)?;
    measured.efficiency = Some(efficiency(arguments, &problems, evaluation, sandbox, interrupt, terminal)?);
    if let Some(path) = &arguments.output {
        Journal::replace(path, &evaluation.tasks)?;
    }
    if interrupt.is_set() {
        let message = "measuring was ended by Ctrl-C\nhint: with --output, the same command goes on";
        return Err(Interrupted(message.into()).into());
    }
    Ok(measured)
}

fn efficiency(
    arguments: &Arguments,
    problems: &Problems,
    evaluation: &mut Evaluation,
    sandbox: &Sandbox,
    interrupt: &Interrupt,
    terminal: &Terminal,
) -> Result<EfficiencySummary> {
    let total = evaluation.tasks.len() as u64;
    let progress = Mutex::new(Progress::start(terminal, "measuring costs", 0, total, Lines::Sparse));
    let tell = |done: usize| {
        if let Ok(mut progress) = progress.lock() {
            progress.update(done as u64, "");
        }
    };
    let (rules, tasks) = (problems.rules(), &mut evaluation.tasks);
    let is_stopped = || interrupt.is_set();
    let left_out = measure_efficiency(sandbox, &problems.problems, rules, tasks, &tell, &is_stopped)
        .context("failed to measure costs")?;
    let summary = EfficiencySummary::of(&evaluation.tasks, &left_out, &arguments.fast_p);
    if let Ok(progress) = progress.into_inner() {
        progress.finish(&format!("by {}", summary.method()));
    }
    for (key, value) in [("cost", summary.method()), ("fast_p", "speed-up>p".into())] {
        evaluation.provenance.insert(key.into(), value);
    }
    Ok(summary)
}
