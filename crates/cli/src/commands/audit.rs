//! `hone audit`: whether the tests of tasks can be trusted as a reward.

use std::path::PathBuf;

use anyhow::{Context, Result};
use hone_dataset::Task;
use hone_dataset::audit::{Audit, AuditConfig, Finding, audit_all};
use serde::Serialize;

use crate::progress::{Lines, Progress};
use crate::sandboxes::SandboxArguments;
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  hone audit tasks/train.jsonl
  hone audit tasks/train.jsonl tasks/heldout.jsonl --runs 10
  hone audit my-tasks.jsonl --mutants 100 --json

Shows each task's tests programs that are wrong (constants, known ways to cheat, the reference with one small change) and
the reference several times; programs that pass and some of the wrong ones twice. Lists every task whose tests accept a wrong program, with a call that proves it, and every
task whose verdict changes from run to run. A mutant that passes but that no call was found to tell apart is counted as
undecided: it may be right.

Exit code 0 if nothing is wrong, 1 if something is, 2 if a file is no tasks file.";

/// Tasks audited between two updates of the progress.
const CHUNK: usize = 8;

/// Which files, how hard.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Task files: JSONL of ours, MBPP's or HumanEval's.
    #[arg(required = true)]
    tasks: Vec<PathBuf>,
    /// Times each reference is judged, to see whether its verdict changes.
    #[arg(long, value_name = "N", default_value_t = 3)]
    runs: usize,
    /// Small changes of each reference that are tried at most.
    #[arg(long, value_name = "N", default_value_t = 24)]
    mutants: usize,
    /// Audit the first N tasks of each file.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    sandbox: SandboxArguments,
}

/// What is said of a file.
#[derive(Serialize)]
struct FileResult {
    path: PathBuf,
    tasks: usize,
    programs_judged: usize,
    mutants: usize,
    mutants_undecided: usize,
    tasks_with_findings: usize,
    findings: Vec<Finding>,
}

/// Audits the files. Returns the exit code.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<u8> {
    let mut files = Vec::new();
    for path in &arguments.tasks {
        let mut tasks = Task::load(path)?;
        tasks.truncate(arguments.limit.unwrap_or(usize::MAX));
        files.push((path.clone(), tasks));
    }
    let opened = arguments.sandbox.open(0, terminal)?;
    let config = AuditConfig { runs: arguments.runs, mutants: arguments.mutants, ..AuditConfig::default() };
    let mut results = Vec::new();
    for (path, tasks) in &files {
        let stage = format!("auditing {}", path.display());
        let mut progress = Progress::start(terminal, &stage, 0, tasks.len() as u64, Lines::Sparse);
        let mut audits = Vec::new();
        for chunk in tasks.chunks(CHUNK) {
            audits.extend(audit_all(chunk, &opened.sandbox, &config).context("failed to audit tasks")?);
            progress.update(audits.len() as u64, &format!("{} with findings", found(&audits)));
        }
        progress.finish(&format!("{} tasks, {} with findings", audits.len(), found(&audits)));
        results.push(result(path.clone(), audits));
    }
    let is_good = results.iter().all(|file| file.findings.is_empty());
    if terminal.is_json {
        terminal.json(&serde_json::json!({ "files": results }))?;
    } else {
        terminal.result(&results.iter().map(text).collect::<Vec<_>>().join("\n\n"));
    }
    Ok(if is_good { 0 } else { 1 })
}

fn found(audits: &[Audit]) -> usize {
    audits.iter().filter(|audit| !audit.findings.is_empty()).count()
}

fn result(path: PathBuf, audits: Vec<Audit>) -> FileResult {
    FileResult {
        path,
        tasks: audits.len(),
        programs_judged: audits.iter().map(|audit| audit.judged).sum(),
        mutants: audits.iter().map(|audit| audit.mutants).sum(),
        mutants_undecided: audits.iter().map(|audit| audit.undecided).sum(),
        tasks_with_findings: found(&audits),
        findings: audits.into_iter().flat_map(|audit| audit.findings).collect(),
    }
}

fn text(file: &FileResult) -> String {
    let mut lines = vec![format!(
        "{}: {} tasks, {} programs judged, {} mutants ({} undecided), {} tasks with findings",
        file.path.display(),
        file.tasks,
        file.programs_judged,
        file.mutants,
        file.mutants_undecided,
        file.tasks_with_findings
    )];
    for finding in &file.findings {
        let kind = serde_json::to_value(finding.kind).ok();
        let kind = kind.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
        lines.push(format!("\n{}  {kind}: {}", finding.task, finding.what));
        lines.push(format!("  {}", finding.proof));
        lines.extend(finding.program.trim_end().lines().map(|line| format!("  | {line}")));
    }
    lines.join("\n")
}
