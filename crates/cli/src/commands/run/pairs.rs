//! Many solutions with their tests: JSONL in, JSONL out in the same order, some at a time, resumable.

use std::collections::{HashMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use hone_dataset::Task;
use hone_sandbox::{
    Judgement, Language, Limits, Outcome, OutcomeClass, Queue, Sandbox, Submission, TestResult, TestSuite,
    Ticket,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::shown::class_name;
use super::{Arguments, add_cost, agreed, cannot_read, cost_inputs, suite};
use crate::exit::{Interrupted, Usage};
use crate::interrupt::Interrupt;
use crate::progress::{Lines, Progress};
use crate::sandboxes::isolation_name;
use crate::terminal::Terminal;

/// How often it is looked whether Ctrl-C was pressed.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Results that may wait for an earlier one, for each run at a time.
const WINDOW: usize = 16;

/// A line of the input.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: Option<Id>,
    solution: String,
    tests: Option<Value>,
    task: Option<Value>,
    language: Option<Language>,
    stdin: Option<String>,
    limits: Option<Limits>,
}

/// What a line calls itself; the results name it as text.
#[derive(Deserialize)]
#[serde(untagged, expecting = "id: expected text or a whole number")]
enum Id {
    Text(String),
    Number(i64),
}

impl Id {
    fn text(self) -> String {
        match self {
            Id::Text(text) => text,
            Id::Number(number) => number.to_string(),
        }
    }
}

/// What is to be done for a line.
#[derive(Debug, Clone)]
struct Pair {
    id: String,
    line: usize,
    /// Of everything that the result depends on.
    digest: String,
    language: Language,
    tests: Option<TestSuite>,
    solution: String,
    stdin: String,
    limits: Limits,
    has_cost: bool,
}

/// A line of the output.
#[derive(Serialize)]
struct ResultRow {
    id: String,
    line: usize,
    digest: String,
    class: OutcomeClass,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<hone_sandbox::JudgeMode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tests: Option<Vec<TestResult>>,
    outcome: Outcome,
}

/// What tells a line of an earlier output.
#[derive(Deserialize)]
struct DoneRow {
    digest: String,
    class: OutcomeClass,
}

/// Runs every line. Returns the exit code.
pub(super) fn run(arguments: &Arguments, jobs: usize, limits: &Limits, terminal: &Terminal) -> Result<u8> {
    let pairs = read_pairs(arguments, limits)?;
    let mut counts: HashMap<OutcomeClass, usize> = HashMap::new();
    let mut output = Output::open(arguments.output.as_deref(), &pairs, &mut counts)?;
    let done: usize = counts.values().sum();
    let interrupt = Interrupt::listen("ending after the runs in flight")?;
    let opened = arguments.sandbox.open(jobs, terminal)?;
    let at_once = if jobs == 0 { opened.sandbox.workers() } else { jobs.min(opened.sandbox.workers()) };
    let queue = Queue::start(Arc::clone(&opened.sandbox), at_once).context("failed to start the sandbox")?;
    let mut progress = Progress::start(terminal, "running", done as u64, pairs.len() as u64, Lines::Sparse);
    let mut tickets: VecDeque<Ticket<ResultRow>> = VecDeque::new();
    let mut open = pairs[done..].iter();
    let mut finished = done;
    loop {
        while tickets.len() < at_once * WINDOW && !interrupt.is_set() {
            let Some(pair) = open.next().cloned() else { break };
            tickets.push_back(queue.submit(move |sandbox| work(sandbox, pair)));
        }
        let Some(ticket) = tickets.pop_front() else { break };
        let row = match ticket.wait_for(LOOK_EVERY) {
            Ok(row) => row.context("failed to run a line")?,
            Err(_) if interrupt.is_set() => break,
            Err(ticket) => {
                tickets.push_front(ticket);
                continue;
            }
        };
        output.write(&row, terminal)?;
        *counts.entry(row.class).or_default() += 1;
        finished += 1;
        let passed = counts.get(&OutcomeClass::Passed).copied().unwrap_or(0);
        progress.update(finished as u64, &format!("{passed} passed"));
    }
    output.finish()?;
    opened.note_repeats(terminal);
    if finished < pairs.len() {
        let hint = if arguments.output.is_some() {
            "the same command goes on"
        } else {
            "with --output, it could go on"
        };
        let message = format!("ended by Ctrl-C after {finished} of {} lines\nhint: {hint}", pairs.len());
        return Err(Interrupted(message).into());
    }
    let mut said: Vec<String> =
        counts.iter().map(|(class, count)| format!("{count} {}", class_name(*class))).collect();
    said.sort();
    progress.finish(&said.join(", "));
    Ok(0)
}

/// Does one pair; an error is the sandbox's, not the program's.
fn work(sandbox: &Sandbox, pair: Pair) -> Result<ResultRow, hone_sandbox::SandboxError> {
    let Pair { id, line, digest, language, tests, solution, stdin, limits, has_cost } = pair;
    let inputs = match &tests {
        Some(tests) => cost_inputs(tests),
        None => Some(vec![stdin.clone()]),
    };
    let (mut outcome, tests, mode) = match tests {
        Some(tests) => {
            let submission = Submission { solution: solution.clone(), tests, limits: limits.clone() };
            let Judgement { outcome, tests, mode } = sandbox.judge(&submission)?;
            (outcome, Some(tests), Some(mode))
        }
        None => (sandbox.run_in(language, &solution, stdin.as_bytes(), &limits)?, None, None),
    };
    if let Some(inputs) = inputs.filter(|_| has_cost) {
        let measured = add_cost(sandbox, language, &solution, &inputs, &limits, &mut outcome);
        measured.map_err(|error| hone_sandbox::SandboxError::Worker(format!("{error:#}")))?;
    }
    Ok(ResultRow { id, line, digest, class: outcome.class, mode, tests, outcome })
}

fn read_pairs(arguments: &Arguments, limits: &Limits) -> Result<Vec<Pair>> {
    let path = &arguments.file;
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).context("failed to read lines from stdin")?;
    } else {
        text = std::fs::read_to_string(path).map_err(|error| cannot_read(path, &error))?;
    }
    let tasks: HashMap<String, Task> = match &arguments.tasks {
        Some(path) => Task::load(path)?.into_iter().map(|task| (task.id.clone(), task)).collect(),
        None => HashMap::new(),
    };
    let mut pairs = Vec::new();
    let text = text.trim_start_matches('\u{feff}');
    for (index, text) in text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
        let line = index + 1;
        let pair = pair(text, line, arguments, &tasks, limits);
        pairs.push(pair.map_err(|message| Usage(format!("{}:{line}: {message}", path.display())))?);
    }
    if pairs.is_empty() {
        let message =
            format!("{}: expected JSON objects with a solution, one a line, found none", path.display());
        return Err(Usage(message).into());
    }
    Ok(pairs)
}

fn pair(
    text: &str,
    line: usize,
    arguments: &Arguments,
    tasks: &HashMap<String, Task>,
    limits: &Limits,
) -> Result<Pair, String> {
    let row: Row = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let named = row.language.or(arguments.lang);
    let (task_id, tests) = match (row.task, row.tests) {
        (Some(_), Some(_)) => return Err("expected `task` or `tests`, found both".into()),
        (None, tests) => {
            let tests = tests.map(|tests| suite(tests, named)).transpose();
            (None, tests.map_err(|error| format!("tests: {error}"))?)
        }
        (Some(Value::String(id)), None) => {
            let task = tasks
                .get(&id)
                .ok_or_else(|| format!("task: expected the id of a task in --tasks, found {id:?}"))?;
            (Some(id), Some(task.tests.clone()))
        }
        (Some(task), None) => {
            let task: Task = serde_json::from_value(task).map_err(|error| format!("task: {error}"))?;
            (Some(task.id), Some(task.tests))
        }
    };
    if let Some(tests) = &tests {
        tests.check().map_err(|error| format!("tests: {}", error.to_string().replace('\n', "; ")))?;
        if row.stdin.is_some() {
            return Err("expected `stdin` or tests, found both".into());
        }
    }
    let limits = row.limits.unwrap_or_else(|| limits.clone());
    let language = match &tests {
        // What is set for all lines is for those that say nothing.
        Some(tests) => agreed(row.language, tests)?,
        None => named.unwrap_or_default(),
    };
    let tests_text = serde_json::to_string(&tests).map_err(|error| error.to_string())?;
    let limits_text = serde_json::to_string(&limits).map_err(|error| error.to_string())?;
    let cost = if arguments.cost { "cost" } else { "" };
    let stdin = row.stdin.unwrap_or_default();
    let isolation = isolation_name(arguments.sandbox.isolation);
    let parts: [&str; 7] =
        [&row.solution, &tests_text, &stdin, &limits_text, language.name(), isolation, cost];
    Ok(Pair {
        id: row.id.map(Id::text).or(task_id).unwrap_or_else(|| line.to_string()),
        line,
        digest: digest(&parts),
        language,
        tests,
        solution: row.solution,
        stdin,
        limits,
        has_cost: arguments.cost,
    })
}

fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Where results go.
enum Output {
    Stdout,
    File {
        path: std::path::PathBuf,
        file: File,
        /// Whether it is a file on a disk.
        is_kept: bool,
    },
}

impl Output {
    /// Opens the file, if there is one; results at its beginning that belong to these pairs are counted as done.
    fn open(
        path: Option<&Path>,
        pairs: &[Pair],
        counts: &mut HashMap<OutcomeClass, usize>,
    ) -> Result<Output> {
        let Some(path) = path else { return Ok(Output::Stdout) };
        let failed = || format!("failed to open {}", path.display());
        // A device or a pipe holds no earlier results.
        if path.metadata().is_ok_and(|found| !found.is_file()) {
            let file = OpenOptions::new().write(true).open(path).with_context(failed)?;
            return Ok(Output::File { path: path.to_owned(), file, is_kept: false });
        }
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path);
        let file = file.with_context(failed)?;
        let mut whole_bytes = 0;
        let mut reader = BufReader::new(&file);
        let mut pairs = pairs.iter();
        loop {
            let mut line = Vec::new();
            let read = reader.read_until(b'\n', &mut line).with_context(failed)?;
            // A line without its end was cut off when an earlier run was ended.
            if read == 0 || !line.ends_with(b"\n") {
                break;
            }
            let row: Option<DoneRow> = serde_json::from_slice(&line).ok();
            let (Some(row), Some(pair)) = (row, pairs.next()) else {
                return Err(another(path));
            };
            if row.digest != pair.digest {
                return Err(another(path));
            }
            *counts.entry(row.class).or_default() += 1;
            whole_bytes += read as u64;
        }
        drop(reader);
        file.set_len(whole_bytes).with_context(failed)?;
        let mut file = file;
        std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0)).with_context(failed)?;
        Ok(Output::File { path: path.to_owned(), file, is_kept: true })
    }

    fn write(&mut self, row: &ResultRow, terminal: &Terminal) -> Result<()> {
        let mut line = serde_json::to_string(row)?;
        match self {
            Output::Stdout => terminal.result(&line),
            Output::File { path, file, .. } => {
                line.push('\n');
                file.write_all(line.as_bytes())
                    .with_context(|| format!("failed to write {}", path.display()))?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        match self {
            Output::Stdout | Output::File { is_kept: false, .. } => Ok(()),
            Output::File { path, file, .. } => {
                file.sync_all().with_context(|| format!("failed to write {}", path.display()))
            }
        }
    }
}

fn another(path: &Path) -> anyhow::Error {
    let message = format!(
        "{}: expected results of the same lines to go on from, found others\nhint: choose another --output, or remove the file",
        path.display()
    );
    Usage(message).into()
}
