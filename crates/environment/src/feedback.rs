//! What the policy is told of a program that failed, before it tries again. Hidden tests stay hidden, unless a recipe says
//! `failing-test`.

use hone_dataset::Task;
use hone_sandbox::{Judgement, OutcomeClass, TestSuite};
use serde::{Deserialize, Serialize};

use crate::Verdict;

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feedback {
    /// The error message and its line, or how many tests failed: what a person sees in a terminal.
    #[default]
    Error,
    /// A critique in words: what kind of mistake it is and what to look at (CORGI, arXiv 2411.01483, whose critics are
    /// rules too).
    Critique,
    /// The error, and the first hidden test that failed.
    FailingTest,
}

impl Feedback {
    /// What is said of this verdict.
    pub(crate) fn of(self, task: &Task, judgement: &Judgement, verdict: &Verdict) -> String {
        let happened = describe_failure(verdict);
        let said = match self {
            Feedback::Error => happened,
            Feedback::Critique => format!("{happened}\nCritique: {}", advice(task, verdict)),
            Feedback::FailingTest => match failing_test(task, judgement) {
                Some(test) => format!("{happened}\nThis test fails:\n```python\n{}\n```", test.trim()),
                None => happened,
            },
        };
        format!("{said}\n\nWrite the function again, corrected. Answer with the function only.")
    }
}

/// The outcome as a person would read it: the error with its line, or how many tests failed.
pub fn describe_failure(verdict: &Verdict) -> String {
    let error = verdict.error.as_ref().map(|error| {
        let number = error.line.and_then(|line| usize::try_from(line).ok());
        let line = number.and_then(|number| verdict.program.lines().nth(number.checked_sub(1)?));
        let place = match (number, line) {
            (Some(number), Some(line)) if !line.trim().is_empty() => {
                format!(" in line {number}, `{}`", line.trim())
            }
            _ => String::new(),
        };
        format!("{}: {}{place}", error.kind, error.message)
    });
    let error = error.unwrap_or_else(|| "no message".into());
    match verdict.class {
        OutcomeClass::CompileError => format!("The program cannot be parsed. {error}"),
        OutcomeClass::Timeout => "The program ran out of time.".into(),
        OutcomeClass::MemoryLimit => "The program ran out of memory.".into(),
        OutcomeClass::OutputLimit => "The program printed too much.".into(),
        OutcomeClass::RuntimeError => format!("The program raised an error. {error}"),
        OutcomeClass::WrongAnswer | OutcomeClass::Passed => {
            let failed = verdict.tests_total - verdict.tests_passed.min(verdict.tests_total);
            format!("The program ran, but {failed} of {} tests failed.", verdict.tests_total)
        }
    }
}

/// What kind of mistake it is, and what to look at.
fn advice(task: &Task, verdict: &Verdict) -> String {
    let kind = verdict.error.as_ref().map_or("", |error| error.kind.as_str());
    let plain = match (verdict.class, kind) {
        (OutcomeClass::CompileError, "IndentationError" | "TabError") => {
            "the indentation is inconsistent; indent every block by four spaces."
        }
        (OutcomeClass::CompileError, _) => {
            "it is not valid Python; look for an unclosed bracket or quote, or text that is no code."
        }
        (OutcomeClass::Timeout, _) => {
            "a loop or recursion does not end, or does far too much work; check its condition."
        }
        (OutcomeClass::MemoryLimit | OutcomeClass::OutputLimit, _) => {
            "it builds or prints far more than the answer; build only what is returned."
        }
        (_, "NameError" | "UnboundLocalError") => {
            "a name is used before it is defined; use the parameters, define helpers, import modules."
        }
        (_, "IndexError" | "KeyError") => {
            "it looks up what is not there; think of empty inputs and of the last element."
        }
        (_, "ZeroDivisionError") => "it divides by zero on some input; handle that case first.",
        (_, "TypeError" | "AttributeError") => {
            "a value has another type than the code assumes; check what each operation is applied to."
        }
        (OutcomeClass::RuntimeError, _) => "it fails on some input; think of the unusual ones.",
        _ if verdict.tests_passed == 0 => "no result is right, so the idea is wrong; read the task again.",
        _ => "some results are right; think of the cases that differ from the example.",
    };
    let is_about_results = matches!(verdict.class, OutcomeClass::WrongAnswer);
    match task.example.trim() {
        example if is_about_results && !example.is_empty() => {
            format!("{plain} Check it by hand against the example `{example}`.")
        }
        _ => plain.into(),
    }
}

fn failing_test(task: &Task, judgement: &Judgement) -> Option<String> {
    let index = judgement.tests.iter().position(|test| !test.is_passed)?;
    match &task.tests {
        TestSuite::Asserts { asserts, .. } => asserts.get(index).cloned(),
        TestSuite::Calls { entry_point, cases, .. } => {
            cases.get(index).map(|case| format!("{entry_point}(*{}) == {}", case.arguments, case.expected))
        }
        _ => judgement.tests[index].message.clone(),
    }
}
