//! `hone eval --endpoint`: samples from an OpenAI-compatible endpoint, judged as they come.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use hone_environment::EnvironmentSet;
use hone_eval::collect::{Job, Produced, collect, shared_verdicts};
use hone_eval::endpoint::Endpoint;
use hone_eval::{Evaluation, Timing, id_hash};
use hone_sandbox::Sandbox;

use super::Arguments;
use super::journal::Journal;
use super::problems::Checked;
use crate::exit::{Interrupted, Usage};
use crate::interrupt::Interrupt;
use crate::progress::{Lines, Progress};
use crate::terminal::Terminal;

/// One answer may take this long.
const TIMEOUT: Duration = Duration::from_secs(600);

/// Samples every problem at the endpoint and judges the answers.
pub(super) fn score(
    arguments: &Arguments,
    url: &str,
    checked: Checked,
    sandbox: Arc<Sandbox>,
    interrupt: &Interrupt,
    terminal: &Terminal,
) -> Result<(Evaluation, String)> {
    if arguments.concurrency == 0 {
        return Err(Usage("concurrency: expected at least 1, found 0".into()).into());
    }
    let config = arguments.config(sandbox.workers(), true)?;
    if config.sampling.beams > 0 {
        return Err(Usage(
            "--beams: the protocol of endpoints has no beam search\nhint: evaluate the model itself".into(),
        )
        .into());
    }
    let key = std::env::var(&arguments.key_env).ok().filter(|key| !key.is_empty());
    let endpoint = Endpoint::new(url, &arguments.endpoint_model, key, TIMEOUT);
    let set = arguments.set(&checked, sandbox);
    let mut provenance = checked.provenance.clone();
    provenance.insert("endpoint".into(), url.to_owned());
    provenance.insert("model".into(), arguments.endpoint_model.clone());
    let mut journal = Journal::open(arguments.output.as_deref(), &config, &provenance)?;
    let problems = 0..checked.problems.problems.len();
    let jobs: Vec<Job> =
        problems.flat_map(|problem| (0..config.samples).map(move |sample| Job { problem, sample })).collect();
    let mut progress = Progress::start(terminal, "evaluating", 0, jobs.len() as u64, Lines::Sparse);
    let start = std::time::Instant::now();
    let produce = |job: Job| {
        let seen = set.open(job.problem).observe();
        // A number of its own for every sample that stays the same in every run, within what servers take.
        let seed =
            config.seed.wrapping_add(id_hash(set.id(job.problem))).wrapping_add(job.sample as u64) >> 33;
        let answer = endpoint.complete(&seen, &config.sampling, seed)?;
        let program = set.program(job.problem, &answer.text);
        Ok(Produced { text: answer.text, program, tokens: answer.tokens, finish: answer.finish })
    };
    let done = journal.take_done();
    let tasks = collect(
        &set,
        &jobs,
        arguments.concurrency,
        arguments.judge_each,
        &produce,
        done,
        &mut |task, sample| journal.add(task, sample),
        &mut |now| {
            progress.update(now.judged as u64, &format!("{} passed, {} tokens", now.passed, now.tokens))
        },
        &|| interrupt.is_set(),
    )?;
    journal.finish()?;
    if interrupt.is_set() {
        return Err(Interrupted(
            "the evaluation was ended by Ctrl-C\nhint: with --output, the same command goes on".into(),
        )
        .into());
    }
    provenance.extend(shared_verdicts(&tasks).map(|note| ("same_programs".to_owned(), note)));
    progress.finish("");
    let seconds = start.elapsed().as_secs_f64();
    let timing = Timing { generation_seconds: seconds, total_seconds: seconds };
    let described = format!("{} at {url} on {}", arguments.endpoint_model, checked.problems.describe());
    Ok((Evaluation { config, tasks, provenance, timing }, described))
}
