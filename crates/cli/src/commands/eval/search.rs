//! `hone eval --search`: tokens spent on an answer before one is given.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hone_environment::{CodeEnvironmentConfig, CodeEnvironmentSet, EnvironmentSet, Observation};
use hone_eval::endpoint::Endpoint;
use hone_eval::search::{
    Beam, BestOfN, EndpointProposer, NetworkProposer, Proposer, Reading, SearchProblem, SearchSet,
    SearchSettings, SearchSummary, examples_of_problem, examples_of_task, search, search_given,
};
use hone_eval::{EvalConfig, Evaluation, Progress as EvalProgress, Provenance, TaskEvaluation, Timing};
use hone_sandbox::{Limits, Sandbox};

use super::journal::Journal;
use super::problems::{Checked, Problems};
use super::{Arguments, SamplesSource};
use crate::evaluation::Interruptible;
use crate::exit::{Interrupted, Usage};
use crate::interrupt::Interrupt;
use crate::opened_model::OpenedModel;
use crate::progress::{Lines, Progress};
use crate::tasks::load_checked;
use crate::terminal::Terminal;

/// Problems with what a search sees of them.
struct Searched {
    set: Box<dyn EnvironmentSet>,
    problems: Vec<SearchProblem>,
    limits: Limits,
    provenance: Provenance,
}

/// The search the arguments name; --samples and --beams are its size where --set does not say.
pub(super) fn settings(arguments: &Arguments) -> Result<Option<SearchSettings>> {
    let Some(name) = &arguments.search else {
        return match arguments.set.first() {
            Some((key, _)) => Err(Usage(format!("--set {key}: expected --search too")).into()),
            None => Ok(None),
        };
    };
    let mut settings = SearchSettings::named(name, &arguments.set).map_err(Usage)?;
    let is_set = |key: &str| arguments.set.iter().any(|(set, _)| set == key);
    match (&mut settings, &arguments.samples) {
        (SearchSettings::BestOfN(BestOfN { samples, .. }), SamplesSource::Drawn(drawn))
            if !is_set("samples") =>
        {
            *samples = *drawn;
        }
        (SearchSettings::BestOfN(_), SamplesSource::File(file)) if is_set("samples") => {
            let message = format!("--set samples: expected no number, as {} has the samples", file.display());
            return Err(Usage(message).into());
        }
        (SearchSettings::Beam(Beam { width, .. }), _) if !is_set("width") && arguments.beams > 0 => {
            *width = arguments.beams;
        }
        _ => {}
    }
    settings.check().map_err(Usage)?;
    Ok(Some(settings))
}

/// Searches with a model or an endpoint.
pub(super) fn run(
    arguments: &Arguments,
    settings: &SearchSettings,
    sandbox: Arc<Sandbox>,
    interrupt: &Interrupt,
    terminal: &Terminal,
) -> Result<(Evaluation, String)> {
    let start = Instant::now();
    let (model, benchmark) = match (&arguments.endpoint, arguments.inputs.as_slice()) {
        (Some(_), [benchmark]) => (None, benchmark),
        (None, [model, benchmark]) => (Some(model), benchmark),
        _ => return Err(Usage("expected MODEL BENCHMARK, or BENCHMARK with --endpoint".into()).into()),
    };
    let mut config = arguments.config(sandbox.workers(), Problems::is_named(benchmark))?;
    config.samples = settings.first_samples();
    let mut searched = problems(arguments, benchmark, Arc::clone(&sandbox), terminal)?;
    searched.provenance.insert("search".into(), settings.signature());
    let named = model.or(arguments.endpoint.as_ref()).cloned().unwrap_or_default();
    searched.provenance.insert("model".into(), named.clone());
    let mut journal = Journal::open(arguments.output.as_deref(), &config, &searched.provenance)?;
    let Searched { set, problems, limits, provenance } = searched;
    let set = SearchSet::new(set.as_ref(), problems, sandbox, limits);
    let mut work = Work { set: &set, settings, config: &config, journal: &mut journal, interrupt, terminal };
    let (tasks, described) = match model {
        Some(name) => {
            let mut model = OpenedModel::open(name, terminal)?;
            let described = model.describe();
            let mut network = model.policy(terminal.threads.unwrap_or(0))?;
            let critic_outputs = model.critic_outputs();
            let b_coder = model.b_coder();
            // How B-Coder reads its head: V under its cap, and of a whole answer the implied reward.
            let value = b_coder.as_ref().map(|method| |v: f64| method.capped(v).0);
            let whole = b_coder.as_ref().map(|method| {
                |logprobs: &[f64], likeliest: &[f64], values: &[f64]| {
                    method.implied_reward(logprobs, likeliest, values)
                }
            });
            let reading = value.as_ref().zip(whole.as_ref()).map(|(value, whole)| Reading { value, whole });
            let mut network = Interruptible { network: &mut network, interrupt };
            let mut proposer = NetworkProposer {
                network: &mut network,
                render: &|seen: &Observation| model.text.render(seen),
                decode: &|tokens: &[u32]| model.text.decode(tokens),
                slots: config.slots,
                critic_outputs,
                reading,
            };
            (work.search(&mut proposer)?, described)
        }
        None => {
            let key = std::env::var(&arguments.key_env).ok().filter(|key| !key.is_empty());
            let endpoint = Endpoint::new(&named, &arguments.endpoint_model, key, Duration::from_secs(600));
            let concurrency = arguments.concurrency.max(1);
            let is_stopped = || interrupt.is_set();
            let mut proposer = EndpointProposer { endpoint: &endpoint, concurrency, is_stopped: &is_stopped };
            (work.search(&mut proposer)?, format!("{} at {named}", arguments.endpoint_model))
        }
    };
    journal.finish()?;
    let seconds = start.elapsed().as_secs_f64();
    let timing = Timing { generation_seconds: seconds, total_seconds: seconds };
    Ok((Evaluation { config, tasks, provenance, timing }, described))
}

/// Chooses among the samples of a file, already judged.
pub(super) fn among_given(
    arguments: &Arguments,
    settings: &SearchSettings,
    evaluation: &mut Evaluation,
    sandbox: Arc<Sandbox>,
    terminal: &Terminal,
) -> Result<()> {
    if !matches!(settings, SearchSettings::BestOfN(_)) {
        let message = "a samples file holds no model that could write more\nhint: --search best-of-n";
        return Err(Usage(message.into()).into());
    }
    let workers = sandbox.workers();
    let Searched { set, problems, limits, .. } =
        self::problems(arguments, &arguments.only_input()?, Arc::clone(&sandbox), terminal)?;
    let set = SearchSet::new(set.as_ref(), problems, sandbox, limits);
    let counts = || evaluation.tasks.iter().map(|task| task.samples.len());
    let signature = settings.signature_among(counts().min().unwrap_or(0), counts().max().unwrap_or(0));
    evaluation.provenance.insert("search".into(), signature);
    search_given(&set, &mut evaluation.tasks, settings.chooser(), workers)?;
    Ok(())
}

/// What the search was worth, as text or JSON.
pub(super) fn summary(settings: &SearchSettings, evaluation: &Evaluation) -> Result<SearchSummary> {
    SearchSummary::of(&evaluation.tasks, settings).context("the search holds no attempts")
}

fn problems(
    arguments: &Arguments,
    benchmark: &str,
    sandbox: Arc<Sandbox>,
    terminal: &Terminal,
) -> Result<Searched> {
    let is_task_file = !Problems::is_named(benchmark) && !matches!(arguments.samples, SamplesSource::File(_));
    if is_task_file && arguments.endpoint.is_none() {
        let environment = CodeEnvironmentConfig::default();
        let limits = environment.limits();
        let mut tasks = load_checked(&PathBuf::from(benchmark), &sandbox, &limits, terminal)?;
        tasks.truncate(arguments.limit.unwrap_or(usize::MAX));
        let problems = tasks.iter().map(examples_of_task).collect();
        let set = Box::new(CodeEnvironmentSet::new(tasks, sandbox, environment)?);
        let provenance = Provenance::from([("benchmark".to_owned(), benchmark.to_owned())]);
        return Ok(Searched { set, problems, limits, provenance });
    }
    let checked: Checked = arguments.checked_problems(benchmark, &sandbox, terminal)?;
    let problems = checked.problems.problems.iter().map(examples_of_problem).collect();
    let set = arguments.set(&checked, sandbox);
    let limits = set.limits().clone();
    Ok(Searched { set: Box::new(set), problems, limits, provenance: checked.provenance })
}

struct Work<'a> {
    set: &'a SearchSet<'a>,
    settings: &'a SearchSettings,
    config: &'a EvalConfig,
    journal: &'a mut Journal,
    interrupt: &'a Interrupt,
    terminal: &'a Terminal,
}

impl Work<'_> {
    fn search(&mut self, proposer: &mut dyn Proposer) -> Result<Vec<TaskEvaluation>> {
        let done = self.journal.take_done();
        let total = self.set.set.len() as u64;
        let mut progress = Progress::start(self.terminal, "searching", 0, total, Lines::Sparse);
        let journal = &mut self.journal;
        let found = search(
            self.set,
            proposer,
            self.settings,
            self.config,
            done,
            &mut |task| task.samples.iter().for_each(|sample| journal.add(&task.id, sample)),
            &mut |now: &EvalProgress| {
                let facts =
                    format!("{} right, {} attempts, {} tokens", now.passed, now.generated, now.tokens);
                progress.update(now.judged as u64, &facts);
            },
        );
        if self.interrupt.is_set() {
            let message = "the search was ended by Ctrl-C\nhint: with --output, the same command goes on";
            return Err(Interrupted(message.into()).into());
        }
        let found = found.map_err(|error| match error {
            hone_eval::EvalError::Config { message } => anyhow::Error::new(Usage(message)),
            other => other.into(),
        })?;
        progress.finish("");
        Ok(found)
    }
}
