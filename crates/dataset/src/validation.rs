//! Is a task fit for training? Its reference must pass, its empty solution must fail, its example must hold.
//!
//! Not here: whether its text makes sense (`Task::load` checks that).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use hone_sandbox::{Judgement, Limits, OutcomeClass, Sandbox, SandboxError, Submission, TestSuite};

use crate::Task;

/// What the sandbox says of a task.
#[derive(Debug, Clone, PartialEq)]
pub struct Validation {
    /// The task's id.
    pub id: String,
    /// The reference, judged by the hidden tests and, as one more, the visible example.
    pub reference: Judgement,
    /// The empty solution, judged by the hidden tests.
    pub empty: Judgement,
}

impl Validation {
    /// Whether the task may be trained and evaluated on.
    pub fn is_valid(&self) -> bool {
        self.problem().is_none()
    }

    /// What is wrong with the task, if anything is.
    pub fn problem(&self) -> Option<String> {
        if self.reference.outcome.class != OutcomeClass::Passed {
            return Some(format!("expected the reference to pass, found {}", describe(&self.reference)));
        }
        (self.empty.outcome.class == OutcomeClass::Passed).then(|| {
            "expected an empty solution to fail, found that it passes: the tests test nothing".into()
        })
    }
}

/// Runs the reference and the empty solution of `task`.
pub fn validate(task: &Task, sandbox: &Sandbox, limits: &Limits) -> Result<Validation, SandboxError> {
    let judge = |solution: String, tests: TestSuite| {
        sandbox.judge(&Submission { solution, tests, limits: limits.clone() })
    };
    let mut tests_and_example = task.tests.clone();
    if let (TestSuite::Asserts { asserts, .. }, false) = (&mut tests_and_example, task.example.is_empty()) {
        asserts.push(format!("assert {}", task.example));
    }
    Ok(Validation {
        id: task.id.clone(),
        reference: judge(task.reference.clone(), tests_and_example)?,
        empty: judge(task.empty_solution(), task.tests.clone())?,
    })
}

/// Validates every task, as many at once as the sandbox has workers; results in the order of the tasks.
pub fn validate_all(
    tasks: &[Task],
    sandbox: &Sandbox,
    limits: &Limits,
) -> Result<Vec<Validation>, SandboxError> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(tasks.len()));
    std::thread::scope(|scope| {
        for _ in 0..sandbox.workers().clamp(1, tasks.len().max(1)) {
            scope.spawn(|| {
                while let Some((index, task)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    tasks.get(index).map(|task| (index, task))
                } {
                    let result = validate(task, sandbox, limits);
                    if result.is_err() {
                        next.store(tasks.len(), Ordering::Relaxed);
                    }
                    results.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Class, counts and the first failure of a judgement, for messages.
fn describe(judgement: &Judgement) -> String {
    let passed = judgement.tests.iter().filter(|test| test.is_passed).count();
    let mut text =
        format!("{:?}, {passed} of {} tests passed", judgement.outcome.class, judgement.tests.len());
    if let Some(failed) = judgement.tests.iter().position(|test| !test.is_passed) {
        let message = judgement.tests[failed].message.as_deref().unwrap_or("no message");
        text.push_str(&format!("; test {} (the visible example comes last): {message}", failed + 1));
    }
    if let Some(error) = &judgement.outcome.error {
        text.push_str(&format!("; {}: {}", error.kind, error.message));
    }
    text
}
