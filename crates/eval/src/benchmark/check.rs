//! Whether a benchmark works here: its reference solutions, judged like any answer, must pass.
//!
//! A benchmark whose references fail measures the machine, not a model (human-eval#57, bigcodebench#13); no score is
//! printed over it silently.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use hone_sandbox::{OutcomeClass, Sandbox, SandboxError};
use serde::{Deserialize, Serialize};

use super::set::{judge_timed, limits};
use super::{Benchmark, Problem, Rules};

/// What the references did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReferenceCheck {
    /// Problems that were checked.
    pub problems: usize,
    /// References that passed.
    pub passed: usize,
    /// Problems without a reference: nothing is known of them.
    pub without_reference: usize,
    /// References that failed, in the order of the problems.
    pub failures: Vec<ReferenceFailure>,
    /// CPU time of each reference that passed, in milliseconds, by its problem's id.
    pub cpu_ms: BTreeMap<String, f64>,
}

/// A reference that failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReferenceFailure {
    /// The problem.
    pub id: String,
    /// What its reference did.
    pub class: OutcomeClass,
    /// Its error.
    pub message: String,
    /// Why this is known and expected, if it is.
    pub known: Option<String>,
}

impl ReferenceCheck {
    /// Whether every reference passed but those known to be broken.
    pub fn is_sound(&self) -> bool {
        self.failures.iter().all(|failure| failure.known.is_some())
    }

    /// One line.
    pub fn summary(&self) -> String {
        let known = self.failures.iter().filter(|failure| failure.known.is_some()).count();
        let mut line =
            format!("references: {} of {} pass", self.passed, self.problems - self.without_reference);
        if known > 0 {
            line.push_str(&format!(", {known} known to be broken"));
        }
        let unexpected = self.failures.len() - known;
        if unexpected > 0 {
            line.push_str(&format!(", {unexpected} FAIL unexpectedly"));
        }
        if self.without_reference > 0 {
            line.push_str(&format!(", {} problems have none", self.without_reference));
        }
        line
    }
}

/// Judges every reference on as many threads as the sandbox has workers.
pub fn check_references(
    problems: &[Problem],
    sandbox: &Sandbox,
    rules: Rules,
    benchmark: Option<&Benchmark>,
    on_progress: &(dyn Fn(usize) + Sync),
) -> Result<ReferenceCheck, SandboxError> {
    let limits = limits(rules);
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..sandbox.workers().max(1) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(problem) = problems.get(index) else { break };
                    if let Some(reference) = &problem.reference {
                        let verdict = judge_timed(sandbox, problem, reference.clone(), &limits);
                        if verdict.is_err() {
                            next.store(problems.len(), Ordering::Relaxed);
                        }
                        results.lock().unwrap_or_else(PoisonError::into_inner).push((index, verdict));
                    }
                    on_progress(done.fetch_add(1, Ordering::Relaxed) + 1);
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    let judged = results.len();
    let (mut failures, mut cpu_ms) = (Vec::new(), BTreeMap::new());
    for (index, verdict) in results {
        let (verdict, took_ms) = verdict?;
        let id = problems[index].id.clone();
        if verdict.class == OutcomeClass::Passed {
            cpu_ms.insert(id, took_ms);
        } else {
            let message =
                verdict.error.map(|error| format!("{}: {}", error.kind, error.message)).unwrap_or_default();
            let known = benchmark.and_then(|benchmark| benchmark.broken_because(&id)).map(str::to_owned);
            failures.push(ReferenceFailure { id, class: verdict.class, message, known });
        }
    }
    let problems = problems.len();
    Ok(ReferenceCheck {
        problems,
        passed: judged - failures.len(),
        without_reference: problems - judged,
        failures,
        cpu_ms,
    })
}
