//! The tasks, and judging them on as many threads as the sandbox has workers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use hone_sandbox::{Compare, Limits, OutcomeClass, Sandbox, SandboxError, StdioCase, Submission, TestSuite};
use serde_json::Value;

use crate::Failure;

/// What is judged, and under which name it is reported.
pub(crate) struct Task {
    name: String,
    submission: Submission,
    /// A case of stdin and stdout is an execution, a `check` function is one.
    executions: usize,
}

/// Reads a file of rows.
pub(crate) fn read(path: &str) -> Result<Vec<Task>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))?;
    let rows = text.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    Ok(rows.iter().map(task).collect())
}

fn task(row: &Value) -> Task {
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let case = |c: &Value| StdioCase { stdin: text(c, "stdin"), stdout: text(c, "stdout") };
    let (solution, tests) = match row["cases"].as_array() {
        Some(cases) => {
            let cases = cases.iter().map(case).collect();
            let language = hone_sandbox::Language::Python;
            (text(row, "solution"), TestSuite::Stdio { cases, compare: Compare::Lines, language })
        }
        None => (
            text(row, "prompt") + &text(row, "canonical_solution"),
            TestSuite::Check { code: text(row, "test"), entry_point: text(row, "entry_point") },
        ),
    };
    let executions = match &tests {
        TestSuite::Stdio { cases, .. } => cases.len(),
        _ => 1,
    };
    let limits = Limits { cpu_ms: 10_000, wall_ms: 60_000, ..Limits::default() };
    Task { name: text(row, "task_id"), submission: Submission { solution, tests, limits }, executions }
}

/// Judges `turns` tasks, round and round; how many executions that were, and the names of tasks that did not pass.
pub(crate) fn judge_all(
    sandbox: &Sandbox,
    tasks: &[Task],
    turns: usize,
) -> Result<(usize, Vec<String>), Failure> {
    judge_on(sandbox, tasks, turns, sandbox.workers())
}

/// The same on a given number of threads.
pub(crate) fn judge_on(
    sandbox: &Sandbox,
    tasks: &[Task],
    turns: usize,
    threads: usize,
) -> Result<(usize, Vec<String>), Failure> {
    let (next, runs) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| -> Result<(), SandboxError> {
        let work = || -> Result<(), SandboxError> {
            loop {
                let turn = next.fetch_add(1, Ordering::Relaxed);
                if turn >= turns {
                    return Ok(());
                }
                let task = &tasks[turn % tasks.len()];
                let judgement = sandbox.judge(&task.submission)?;
                runs.fetch_add(task.executions, Ordering::Relaxed);
                if judgement.outcome.class != OutcomeClass::Passed {
                    failures.lock().unwrap_or_else(PoisonError::into_inner).push(task.name.clone());
                }
            }
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|t| match t.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })?;
    Ok((runs.into_inner(), failures.into_inner().unwrap_or_else(PoisonError::into_inner)))
}
