//! The journal of an evaluation: every judged sample, a line each, from which an interrupted one goes on.
//!
//! Beside `FILE` lies `FILE.settings`: a result of other settings is never continued.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hone_eval::samples::{SampleRow, read_results};
use hone_eval::{EvalConfig, Provenance, SampleEvaluation, TaskEvaluation};
use serde_json::json;

use crate::exit::Usage;

/// An open journal, or none.
pub(super) struct Journal {
    file: Option<(PathBuf, File)>,
    done: Vec<TaskEvaluation>,
    failure: Option<std::io::Error>,
}

impl Journal {
    /// Opens or continues the journal at `path`; without a path nothing is kept.
    pub(super) fn open(path: Option<&Path>, config: &EvalConfig, provenance: &Provenance) -> Result<Journal> {
        let Some(path) = path else { return Ok(Journal { file: None, done: Vec::new(), failure: None }) };
        let settings = settings_path(path);
        // What does not change the result may differ.
        let wanted = json!({
            "samples": config.samples, "sampling": config.sampling, "seed": config.seed, "provenance": provenance,
        });
        let wanted = serde_json::to_string_pretty(&wanted)?;
        let failed = || format!("failed to open {}", path.display());
        let mut done = Vec::new();
        if path.exists() {
            if fs::read_to_string(&settings).ok().as_deref() != Some(wanted.as_str()) {
                let message = format!(
                    "{}: expected a result of the same settings to go on from, found another\nhint: choose another --output, or remove the file",
                    path.display()
                );
                return Err(Usage(message).into());
            }
            done = read_results(path)?;
            // A line that was cut off would swallow the next one: the journal is written anew from what was whole.
            rewrite(path, &done).with_context(failed)?;
        }
        fs::write(&settings, &wanted).with_context(failed)?;
        let file = OpenOptions::new().create(true).append(true).open(path).with_context(failed)?;
        Ok(Journal { file: Some((path.to_owned(), file)), done, failure: None })
    }

    /// What was already judged.
    pub(super) fn take_done(&mut self) -> Vec<TaskEvaluation> {
        std::mem::take(&mut self.done)
    }

    /// Adds a sample; a failure is told at the end.
    pub(super) fn add(&mut self, task: &str, sample: &SampleEvaluation) {
        if let Some((_, file)) = &mut self.file {
            let mut line = Vec::new();
            let written = SampleRow::of(task, sample).write(&mut line).and_then(|()| file.write_all(&line));
            self.failure = self.failure.take().or(written.err());
        }
    }

    /// Writes a finished result anew, with what was measured since.
    pub(super) fn replace(path: &Path, tasks: &[TaskEvaluation]) -> Result<()> {
        rewrite(path, tasks).with_context(|| format!("failed to write {}", path.display()))
    }

    /// Ends the journal.
    pub(super) fn finish(self) -> Result<()> {
        let Some((path, file)) = self.file else { return Ok(()) };
        let synced = self.failure.map_or(Ok(()), Err).and_then(|()| file.sync_all());
        synced.with_context(|| format!("failed to write {}", path.display()))
    }
}

fn settings_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".settings");
    name.into()
}

fn rewrite(path: &Path, tasks: &[TaskEvaluation]) -> std::io::Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let mut file = std::io::BufWriter::new(File::create(&partial)?);
    for task in tasks {
        for sample in &task.samples {
            SampleRow::of(&task.id, sample).write(&mut file)?;
        }
    }
    file.into_inner().map_err(|error| error.into_error())?.sync_all()?;
    fs::rename(partial, path)
}
