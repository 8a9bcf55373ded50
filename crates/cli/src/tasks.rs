//! Tasks on their way from a file to an environment: loaded, checked by the sandbox, remembered as checked.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hone_dataset::{Task, validate_all};
use hone_sandbox::{Limits, Sandbox};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::exit::Usage;
use crate::progress::{Lines, Progress};
use crate::terminal::Terminal;

/// Tasks checked between two updates of the progress.
const CHUNK: usize = 16;

/// A task that may not be used.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Problem {
    /// The task's id.
    pub(crate) task: String,
    /// Why.
    pub(crate) problem: String,
}

/// Loads a file all of whose tasks are fit for use: the reference passes and an empty solution fails. A file that
/// was found good under these limits is not checked again until it changes.
pub(crate) fn load_checked(
    path: &Path,
    sandbox: &Sandbox,
    limits: &Limits,
    terminal: &Terminal,
) -> Result<Vec<Task>> {
    let tasks = Task::load(path)?;
    let mark = mark(path, limits)?;
    if mark.as_ref().is_some_and(|mark| mark.is_file()) {
        return Ok(tasks);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let problems = problems(&tasks, sandbox, limits, &format!("checking {name}"), terminal)?;
    if let Some(first) = problems.first() {
        let message = format!(
            "{}: {} of {} tasks are not fit for use; {}: {}\nhint: `hone data check {}` lists them all",
            path.display(),
            problems.len(),
            tasks.len(),
            first.task,
            first.problem,
            path.display()
        );
        return Err(Usage(message).into());
    }
    if let Some(mark) = mark {
        // Without the mark the tasks are only checked once more.
        let written = mark.parent().map(fs::create_dir_all).transpose().and_then(|_| fs::write(&mark, b""));
        written.unwrap_or_else(|error| tracing::debug!("failed to write {}: {error}", mark.display()));
    }
    Ok(tasks)
}

/// What is wrong with each task, where something is; with progress.
pub(crate) fn problems(
    tasks: &[Task],
    sandbox: &Sandbox,
    limits: &Limits,
    stage: &str,
    terminal: &Terminal,
) -> Result<Vec<Problem>> {
    let mut progress = Progress::start(terminal, stage, 0, tasks.len() as u64, Lines::Sparse);
    let mut problems = Vec::new();
    let mut done = 0;
    for chunk in tasks.chunks(CHUNK) {
        for validation in validate_all(chunk, sandbox, limits).context("failed to check tasks")? {
            if let Some(problem) = validation.problem() {
                problems.push(Problem { task: validation.id.clone(), problem });
            }
        }
        done += chunk.len();
        progress.update(done as u64, &format!("{} bad", problems.len()));
    }
    progress.finish(&format!("{} tasks, {} bad", tasks.len(), problems.len()));
    Ok(problems)
}

/// Where it is noted that a file with this content was found good under these limits.
fn mark(path: &Path, limits: &Limits) -> Result<Option<PathBuf>> {
    let Ok(cache) = hone_model::weights::cache_folder() else { return Ok(None) };
    let content = fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
    let mut hash = Sha256::new();
    hash.update(content);
    hash.update(serde_json::to_vec(limits)?);
    hash.update(env!("CARGO_PKG_VERSION"));
    let name: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Some(cache.join("checked-tasks").join(name)))
}
