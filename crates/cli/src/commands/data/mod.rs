//! `hone data`: whether task files are fit for training, and ratings of what was written for them.

mod rate;

use std::path::PathBuf;

use anyhow::Result;
use hone_dataset::{NEAR_DUPLICATE_JACCARD, Task, near_duplicates, near_duplicates_within};
use hone_sandbox::Limits;
use serde::Serialize;

use crate::sandboxes::SandboxArguments;
use crate::tasks::{Problem, problems};
use crate::terminal::Terminal;

/// What is done with task files.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Check that every reference passes, every empty solution fails, and no two tasks are nearly the same.
    Check(Arguments),
    /// Have answers rated by a model, as preference data.
    Rate(rate::Arguments),
}

const EXAMPLES: &str = "\
Examples:
  hone data check tasks/train.jsonl
  hone data check tasks/train.jsonl tasks/heldout.jsonl    also for near-duplicates across the files
  hone data check my-tasks.jsonl --json

Exit code 0 if nothing is wrong, 1 if something is, 2 if a file is no tasks file.";

/// Which files.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Task files: JSONL of ours, MBPP's or HumanEval's.
    #[arg(required = true)]
    tasks: Vec<PathBuf>,
    #[command(flatten)]
    sandbox: SandboxArguments,
}

#[derive(Serialize)]
struct FileResult {
    path: PathBuf,
    tasks: usize,
    problems: Vec<Problem>,
}

#[derive(Serialize)]
struct NearDuplicate {
    first: String,
    second: String,
    similarity: f64,
}

#[derive(Serialize)]
struct CheckResult {
    files: Vec<FileResult>,
    near_duplicates: Vec<NearDuplicate>,
}

/// Checks the files. Returns the exit code.
pub(crate) fn run(command: &Command, terminal: &Terminal) -> Result<u8> {
    let arguments = match command {
        Command::Check(arguments) => arguments,
        Command::Rate(arguments) => return rate::run(arguments, terminal).map(|()| 0),
    };
    let files: Vec<(PathBuf, Vec<Task>)> =
        arguments.tasks.iter().map(|path| Ok((path.clone(), Task::load(path)?))).collect::<Result<_>>()?;
    let opened = arguments.sandbox.open(0, terminal)?;
    let mut result = CheckResult { files: Vec::new(), near_duplicates: likeness(&files) };
    for (path, tasks) in &files {
        let stage = format!("checking {}", path.display());
        let problems = problems(tasks, &opened.sandbox, &Limits::default(), &stage, terminal)?;
        result.files.push(FileResult { path: path.clone(), tasks: tasks.len(), problems });
    }
    let is_good =
        result.near_duplicates.is_empty() && result.files.iter().all(|file| file.problems.is_empty());
    if terminal.is_json {
        terminal.json(&result)?;
    } else {
        terminal.result(&text(&result));
    }
    Ok(if is_good { 0 } else { 1 })
}

fn likeness(files: &[(PathBuf, Vec<Task>)]) -> Vec<NearDuplicate> {
    let mut pairs = Vec::new();
    for (index, (_, tasks)) in files.iter().enumerate() {
        pairs.extend(near_duplicates_within(tasks, NEAR_DUPLICATE_JACCARD));
        for (_, others) in &files[index + 1..] {
            pairs.extend(near_duplicates(tasks, others, NEAR_DUPLICATE_JACCARD));
        }
    }
    pairs.into_iter().map(|(first, second, similarity)| NearDuplicate { first, second, similarity }).collect()
}

fn text(result: &CheckResult) -> String {
    let mut lines = Vec::new();
    for file in &result.files {
        let bad = file.problems.len();
        lines.push(format!(
            "{}: {} tasks, {} good, {bad} bad",
            file.path.display(),
            file.tasks,
            file.tasks - bad
        ));
        lines.extend(file.problems.iter().map(|problem| format!("  {}: {}", problem.task, problem.problem)));
    }
    let count = result.near_duplicates.len();
    lines.push(format!("{count} near-duplicate pair{}", if count == 1 { "" } else { "s" }));
    lines.extend(
        result
            .near_duplicates
            .iter()
            .map(|pair| format!("  {} ~ {} ({:.2})", pair.first, pair.second, pair.similarity)),
    );
    lines.join("\n")
}
