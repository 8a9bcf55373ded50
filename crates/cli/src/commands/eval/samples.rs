//! `hone eval --samples-file`: anyone's samples, judged.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use hone_eval::benchmark::sha256;
use hone_eval::collect::{Job, Produced, collect, jobs_of, shared_verdicts};
use hone_eval::samples::{GivenSample, read_samples};
use hone_eval::{EvalConfig, Evaluation, Timing};
use hone_model::{FinishReason, SamplingParams};
use hone_sandbox::Sandbox;

use super::Arguments;
use super::journal::Journal;
use super::problems::{Checked, Problems};
use crate::exit::{Interrupted, Usage};
use crate::interrupt::Interrupt;
use crate::progress::{Lines, Progress};
use crate::terminal::Terminal;

/// Judges a samples file.
pub(super) fn score(
    arguments: &Arguments,
    path: &Path,
    checked: Checked,
    sandbox: Arc<Sandbox>,
    interrupt: &Interrupt,
    terminal: &Terminal,
) -> Result<(Evaluation, String)> {
    let usage = |error: hone_eval::benchmark::BenchmarkError| Usage(error.to_string());
    let Problems { problems, left_out, .. } = &checked.problems;
    let samples = read_samples(path, problems, left_out, arguments.extract).map_err(usage)?;
    if samples.is_empty() {
        let message =
            format!("{}: expected samples of the chosen problems, found others only", path.display());
        return Err(Usage(message).into());
    }
    let workers = sandbox.workers();
    let set = arguments.set(&checked, sandbox);
    let mut provenance = checked.provenance.clone();
    let prompt =
        if arguments.extract { "answers of the file, code extracted" } else { "completions of the file" };
    provenance.insert("prompt".into(), prompt.into());
    provenance.insert("samples_file".into(), path.display().to_string());
    provenance.insert("samples_sha256".into(), sha256(path).map_err(usage)?);
    let most = samples.iter().map(|sample| sample.sample + 1).max().unwrap_or(0);
    // What the file does not say is not made up: the sampling's settings are those of no sampling.
    let sampling = SamplingParams { temperature: 0.0, max_new_tokens: 0, ..SamplingParams::default() };
    let config = EvalConfig { samples: most, sampling, seed: 0, slots: 1, workers };
    let mut journal = Journal::open(arguments.output.as_deref(), &config, &provenance)?;
    let mut progress = Progress::start(terminal, "judging", 0, samples.len() as u64, Lines::Sparse);
    let start = std::time::Instant::now();
    let by_job: HashMap<Job, &GivenSample> = jobs_of(&samples).into_iter().zip(&samples).collect();
    let find = |job: Job| {
        let sample = by_job[&job];
        Ok(Produced {
            text: sample.text.clone(),
            program: sample.program.clone(),
            tokens: 0,
            finish: FinishReason::StopText,
        })
    };
    let done = journal.take_done();
    let tasks = collect(
        &set,
        &jobs_of(&samples),
        workers,
        arguments.judge_each,
        &find,
        done,
        &mut |task, sample| journal.add(task, sample),
        &mut |now| progress.update(now.judged as u64, &format!("{} passed", now.passed)),
        &|| interrupt.is_set(),
    )?;
    journal.finish()?;
    if interrupt.is_set() {
        let message = "the evaluation was ended by Ctrl-C\nhint: with --output, the same command goes on";
        return Err(Interrupted(message.into()).into());
    }
    provenance.extend(shared_verdicts(&tasks).map(|note| ("same_programs".to_owned(), note)));
    progress.finish(&format!("{} samples of {} problems", samples.len(), tasks.len()));
    let unanswered = checked.problems.problems.len() - tasks.len();
    if unanswered > 0 {
        let note = format!("{unanswered} problems have no sample and are not part of the score");
        let warning = provenance.entry("warning".into()).or_default();
        *warning = if warning.is_empty() { note } else { format!("{warning}; {note}") };
    }
    let timing = Timing { generation_seconds: 0.0, total_seconds: start.elapsed().as_secs_f64() };
    let described = format!("{} on {}", path.display(), checked.problems.describe());
    Ok((Evaluation { config, tasks, provenance, timing }, described))
}
