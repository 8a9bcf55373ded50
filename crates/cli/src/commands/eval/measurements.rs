//! What is measured of judged samples: base tests, `--efficiency`, `--security`.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use anyhow::{Context, Result};
use hone_environment::Scanner;
use hone_eval::benchmark::{Benchmark, find_benchmark};
use hone_eval::samples::results_of;
use hone_eval::{
    EfficiencySummary, Evaluation, Ladders, SecuritySummary, judge_base_tests, measure_efficiency,
    scan_samples,
};
use hone_sandbox::{Language, Sandbox};
use sha2::{Digest, Sha256};

use super::Arguments;
use super::journal::Journal;
use super::problems::Problems;
use crate::exit::{Interrupted, Lacking, Usage};
use crate::interrupt::Interrupt;
use crate::progress::{Lines, Progress};
use crate::terminal::Terminal;

/// Summaries of what was asked for.
#[derive(Default)]
pub(super) struct Measured {
    pub(super) efficiency: Option<EfficiencySummary>,
    pub(super) security: Option<SecuritySummary>,
}

/// The levels of `--levels FILE`, and its checksum.
pub(super) struct Levels {
    ladders: Ladders,
    sha256: String,
}

/// Reads what measuring needs, and refuses what cannot be measured here, before anything is sampled.
pub(super) fn prepare(arguments: &Arguments) -> Result<Option<Levels>> {
    if arguments.security {
        scanner()?;
    }
    arguments.levels.as_deref().map(levels).transpose()
}

/// The levels that a file of measured samples makes.
fn levels(path: &Path) -> Result<Levels> {
    let hint = "hint: `hone eval --samples SOLUTIONS BENCHMARK --efficiency --output FILE` makes such a file";
    let failure = |error: String| Usage(format!("--levels {error}\n{hint}"));
    let text = fs::read_to_string(path)
        .map_err(|error| failure(format!("failed to read {}: {error}", path.display())))?;
    let ladders = Ladders::of(&results_of(&text, path).map_err(|error| failure(error.to_string()))?);
    if ladders.is_empty() {
        let path = path.display();
        let message = format!("--levels {path}: expected right samples with their costs, found none\n{hint}");
        return Err(Usage(message).into());
    }
    let sha256 = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Levels { ladders, sha256 })
}

fn scanner() -> Result<Scanner> {
    Scanner::start().map_err(|error| Lacking(format!("--security: {error}")).into())
}

/// Measures what was asked for, records how, and writes the output file anew.
pub(super) fn add(
    arguments: &Arguments,
    levels: Option<&Levels>,
    evaluation: &mut Evaluation,
    sandbox: &Sandbox,
    interrupt: &Interrupt,
    terminal: &Terminal,
) -> Result<Measured> {
    let mut measured = Measured::default();
    let name = arguments.inputs.last().ok_or_else(|| Usage("expected a BENCHMARK, found none".into()))?;
    // An answer that a search chose is right by all tests or wrong.
    let is_evalplus = find_benchmark(name).is_some_and(Benchmark::is_evalplus);
    let may_have_base = is_evalplus && arguments.search.is_none();
    if !arguments.efficiency && !arguments.security && !may_have_base {
        return Ok(measured);
    }
    let problems = Problems::load(name, arguments.file.as_deref(), &arguments.window(), None)?;
    let has_base = may_have_base && problems.problems.iter().any(|problem| problem.base_tests.is_some());
    if !arguments.efficiency && !arguments.security && !has_base {
        return Ok(measured);
    }
    if has_base {
        base(&problems, evaluation, sandbox, interrupt, terminal)?;
    }
    if arguments.security {
        measured.security = Some(security(&problems, evaluation, interrupt, terminal)?);
    }
    if arguments.efficiency {
        let mut summary = efficiency(arguments, &problems, evaluation, sandbox, interrupt, terminal)?;
        if let Some(Levels { ladders, sha256 }) = levels {
            summary.levels = ladders.summary(&evaluation.tasks);
            if summary.levels.is_none() {
                terminal.note("no task has two levels and a right sample, so there is no DPS");
            }
            evaluation.provenance.insert("levels_sha256".into(), sha256.clone());
        }
        measured.efficiency = Some(summary);
    }
    if let Some(path) = &arguments.output {
        Journal::replace(path, &evaluation.tasks)?;
    }
    if interrupt.is_set() {
        let message = "measuring was ended by Ctrl-C\nhint: with --output, the same command goes on";
        return Err(Interrupted(message.into()).into());
    }
    Ok(measured)
}

/// EvalPlus's other number: what the benchmark's base tests say.
fn base(
    problems: &Problems,
    evaluation: &mut Evaluation,
    sandbox: &Sandbox,
    interrupt: &Interrupt,
    terminal: &Terminal,
) -> Result<()> {
    let stage = Stage::start("base tests", evaluation, terminal);
    let (rules, tasks) = (problems.rules(), &mut evaluation.tasks);
    let is_stopped = || interrupt.is_set();
    judge_base_tests(sandbox, &problems.problems, rules, tasks, &|done| stage.tell(done), &is_stopped)
        .context("failed to judge by the base tests")?;
    stage.finish("");
    Ok(())
}

fn efficiency(
    arguments: &Arguments,
    problems: &Problems,
    evaluation: &mut Evaluation,
    sandbox: &Sandbox,
    interrupt: &Interrupt,
    terminal: &Terminal,
) -> Result<EfficiencySummary> {
    let stage = Stage::start("measuring costs", evaluation, terminal);
    let (rules, tasks) = (problems.rules(), &mut evaluation.tasks);
    let is_stopped = || interrupt.is_set();
    let left_out =
        measure_efficiency(sandbox, &problems.problems, rules, tasks, &|done| stage.tell(done), &is_stopped)
            .context("failed to measure costs")?;
    let summary = EfficiencySummary::of(&evaluation.tasks, &left_out, &arguments.fast_p);
    stage.finish(&format!("by {}", summary.method()));
    for (key, value) in [("cost", summary.method()), ("fast_p", "speed-up>p".into())] {
        evaluation.provenance.insert(key.into(), value);
    }
    Ok(summary)
}

fn security(
    problems: &Problems,
    evaluation: &mut Evaluation,
    interrupt: &Interrupt,
    terminal: &Terminal,
) -> Result<SecuritySummary> {
    let languages = problems.problems.iter().map(|problem| problem.language());
    if let Some(other) = languages.into_iter().find(|language| *language != Language::Python) {
        let message =
            format!("--security: expected Python programs, which bandit reads, found {}", other.name());
        return Err(Usage(message).into());
    }
    let scanner = scanner()?;
    let stage = Stage::start("scanning", evaluation, terminal);
    let is_stopped = || interrupt.is_set();
    // One process scans; a second thread would wait for it.
    scan_samples(&scanner, &mut evaluation.tasks, 1, &|done| stage.tell(done), &is_stopped)
        .context("failed to scan the programs")?;
    let named = format!("bandit {}", scanner.version());
    stage.finish("");
    evaluation.provenance.insert("security".into(), named.replace(' ', "-"));
    Ok(SecuritySummary::of(&evaluation.tasks, &named))
}

/// Progress that is told from several threads.
struct Stage(Mutex<Progress>);

impl Stage {
    fn start(name: &str, evaluation: &Evaluation, terminal: &Terminal) -> Stage {
        let total = evaluation.tasks.len() as u64;
        Stage(Mutex::new(Progress::start(terminal, name, 0, total, Lines::Sparse)))
    }

    fn tell(&self, done: usize) {
        if let Ok(mut progress) = self.0.lock() {
            progress.update(done as u64, "");
        }
    }

    fn finish(self, facts: &str) {
        if let Ok(progress) = self.0.into_inner() {
            progress.finish(facts);
        }
    }
}
