//! `hone eval`: pass@k of a model, an endpoint or a samples file, on tasks or a benchmark, with 95% intervals.

mod arguments;
mod contradictions;
mod diff;
mod endpoint;
mod journal;
mod measurements;
mod off_policy;
mod problems;
mod samples;
mod search;
mod shown;

use std::sync::Arc;

use anyhow::{Context, Result};
use hone_environment::{CodeEnvironmentConfig, CodeEnvironmentSet, EnvironmentSet};
use hone_eval::{Evaluation, Provenance};
use hone_sandbox::{Sandbox, SandboxConfig};

pub(crate) use self::arguments::Arguments;
use self::arguments::{Action, SamplesSource};
use self::journal::Journal;
use self::problems::Problems;
pub(crate) use self::problems::folders;
use crate::evaluation::measure_rest;
use crate::exit::Usage;
use crate::interrupt::Interrupt;
use crate::opened_model::OpenedModel;
use crate::sandboxes::OpenedSandbox;
use crate::tasks::load_checked;
use crate::terminal::Terminal;

/// Evaluates and prints; the number is the exit code.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<u8> {
    match &arguments.action {
        Some(Action::Diff(arguments)) => return diff::run(arguments, terminal).map(|()| 0),
        Some(Action::OffPolicy(arguments)) => return off_policy::run(arguments, terminal).map(|()| 0),
        None => {}
    }
    arguments.refuse_contradictions()?;
    // Absolute, but no link of it followed: a venv is known by the place its link is in.
    let python = arguments.python.as_ref().map(std::path::absolute).transpose();
    let config = SandboxConfig {
        isolation: arguments.sandbox.isolation,
        python: python.context("failed to find the current folder")?,
        ..SandboxConfig::default()
    };
    let opened = OpenedSandbox::open(config, &arguments.sandbox.endpoints, terminal)?;
    let sandbox = Arc::clone(&opened.sandbox);
    if arguments.check {
        return check(arguments, sandbox, terminal);
    }
    let interrupt = Interrupt::listen("ending the evaluation")?;
    arguments.refuse_shots_of_tasks()?;
    let levels = measurements::prepare(arguments)?;
    let searched = search::settings(arguments)?;
    let (mut evaluation, described) =
        if let (Some(settings), SamplesSource::Drawn(_)) = (&searched, &arguments.samples) {
            search::run(arguments, settings, Arc::clone(&sandbox), &interrupt, terminal)?
        } else if let SamplesSource::File(samples) = &arguments.samples {
            let problems = arguments.checked_problems(&arguments.only_input()?, &sandbox, terminal)?;
            samples::score(arguments, samples, problems, Arc::clone(&sandbox), &interrupt, terminal)?
        } else if let Some(url) = &arguments.endpoint {
            let problems = arguments.checked_problems(&arguments.only_input()?, &sandbox, terminal)?;
            endpoint::score(arguments, url, problems, Arc::clone(&sandbox), &interrupt, terminal)?
        } else {
            model(arguments, Arc::clone(&sandbox), &interrupt, terminal)?
        };
    if let (Some(settings), SamplesSource::File(_)) = (&searched, &arguments.samples) {
        search::among_given(arguments, settings, &mut evaluation, sandbox, terminal)?;
    }
    let measured = measurements::add(
        arguments,
        levels.as_ref(),
        &mut evaluation,
        &opened.sandbox,
        &interrupt,
        terminal,
    )?;
    let searched = searched.map(|settings| search::summary(&settings, &evaluation)).transpose()?;
    shown::print(arguments, &evaluation, measured, searched.as_ref(), &described, terminal)?;
    Ok(0)
}

/// Runs the references and says what they did; exit code 1 if some fail unexpectedly.
fn check(arguments: &Arguments, sandbox: Arc<Sandbox>, terminal: &Terminal) -> Result<u8> {
    let problems = Problems::load(
        &arguments.only_input()?,
        arguments.file.as_deref(),
        &arguments.window(),
        arguments.limit,
    )?;
    let found = problems.check(&sandbox, terminal)?;
    if terminal.is_json {
        terminal.json(&found)?;
    } else {
        let mut lines = vec![format!("{}: {}", problems.describe(), found.summary())];
        for failure in &found.failures {
            let why = failure.known.as_ref().map(|why| format!(" (known: {why})")).unwrap_or_default();
            lines.push(format!("  {}: {:?} {}{why}", failure.id, failure.class, failure.message));
        }
        terminal.result(&lines.join("\n"));
    }
    Ok(if found.is_sound() { 0 } else { 1 })
}

/// Samples from one of our networks.
fn model(
    arguments: &Arguments,
    sandbox: Arc<Sandbox>,
    interrupt: &Interrupt,
    terminal: &Terminal,
) -> Result<(Evaluation, String)> {
    let [name, benchmark] = arguments.inputs.as_slice() else {
        return Err(Usage(format!(
            "expected MODEL BENCHMARK, found {} arguments\nhint: `hone eval MODEL humaneval`; a samples file is given with --samples FILE",
            arguments.inputs.len()
        ))
        .into());
    };
    let is_benchmark = Problems::is_named(benchmark);
    let config = arguments.config(sandbox.workers(), is_benchmark)?;
    let (set, mut provenance): (Box<dyn EnvironmentSet>, Provenance) = if is_benchmark {
        let checked = arguments.checked_problems(benchmark, &sandbox, terminal)?;
        (Box::new(arguments.set(&checked, sandbox)), checked.provenance)
    } else {
        let environment = CodeEnvironmentConfig::default();
        let mut tasks =
            load_checked(&problems::tasks_path(benchmark)?, &sandbox, &environment.limits(), terminal)?;
        tasks.truncate(arguments.limit.unwrap_or(usize::MAX));
        (Box::new(CodeEnvironmentSet::new(tasks, sandbox, environment)?), Provenance::new())
    };
    let mut model = OpenedModel::open(name, terminal)?;
    provenance.insert("model".into(), name.clone());
    let mut network = model.policy(terminal.threads.unwrap_or(0))?;
    let mut journal = Journal::open(arguments.output.as_deref(), &config, &provenance)?;
    let done = journal.take_done();
    let mut evaluation = measure_rest(
        &mut network,
        &model.text,
        set.as_ref(),
        &config,
        "evaluating",
        done,
        &mut |task, sample| journal.add(task, sample),
        interrupt,
        terminal,
    )?;
    journal.finish()?;
    evaluation.provenance = provenance;
    Ok((evaluation, model.describe()))
}
