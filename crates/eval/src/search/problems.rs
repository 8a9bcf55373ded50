//! What a search sees of a problem: its visible examples, and how programs differ on generated inputs.
//!
//! Inputs are made by changing those of the visible examples (AlphaCode trains a model for that); the same ones for every
//! program of a problem, by a fixed seed. What a program answers to them is compared as text, an exception by its type. The
//! program could forge that, and would only spoil its own chances.

use std::sync::{Arc, Mutex, PoisonError};

use hone_environment::{EnvironmentSet, Verdict};
use hone_sandbox::{Limits, OutcomeClass, Sandbox, StdioCase, Submission, TestSuite};
use sha2::{Digest, Sha256};

use crate::EvalError;

/// Makes inputs out of those in visible examples; what is in braces is filled in.
const INPUTS: &str = include_str!("inputs.py");
/// Runs a function on such inputs.
const CALLS: &str = include_str!("calls.py");
/// Inputs of one problem at most.
const INPUTS_AT_MOST: usize = 16;
/// Inputs of a program that reads stdin; each one is a run.
const STDIN_AT_MOST: usize = 5;
/// Ends what the program itself printed.
const MARK: &str = "\u{1}hone-behaviour\u{1}";

/// What is visible of one problem.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SearchProblem {
    /// Tests that the problem's text shows.
    pub examples: Option<TestSuite>,
    /// The function that is called; empty for programs that read stdin.
    pub entry_point: String,
}

/// Problems as a search sees them.
pub struct SearchSet<'a> {
    /// The problems themselves: how they are shown, and the hidden tests.
    pub set: &'a dyn EnvironmentSet,
    problems: Vec<SearchProblem>,
    sandbox: Arc<Sandbox>,
    limits: Limits,
    inputs: Vec<Mutex<Option<Arc<Vec<String>>>>>,
}

impl<'a> SearchSet<'a> {
    /// `problems` in the order of the set.
    pub fn new(
        set: &'a dyn EnvironmentSet,
        problems: Vec<SearchProblem>,
        sandbox: Arc<Sandbox>,
        limits: Limits,
    ) -> SearchSet<'a> {
        let inputs = problems.iter().map(|_| Mutex::new(None)).collect();
        SearchSet { set, problems, sandbox, limits, inputs }
    }

    /// How many problems show examples.
    pub fn with_examples(&self) -> usize {
        self.problems.iter().filter(|problem| problem.examples.is_some()).count()
    }

    pub(super) fn failure(&self, index: usize, message: impl ToString) -> EvalError {
        EvalError::Task { id: self.set.id(index).to_owned(), message: message.to_string() }
    }

    /// What the visible examples say of a program; `None` where there are none.
    pub(super) fn examples(&self, index: usize, program: &str) -> Result<Option<Verdict>, EvalError> {
        let Some(tests) = &self.problems[index].examples else { return Ok(None) };
        let mut tests = tests.clone();
        if let TestSuite::Check { entry_point, .. } | TestSuite::Calls { entry_point, .. } = &mut tests
            && program.contains("class Solution")
            && !entry_point.contains('.')
        {
            *entry_point = format!("Solution().{entry_point}");
        }
        let submission = Submission { solution: program.to_owned(), tests, limits: self.limits.clone() };
        let judgement = self.sandbox.judge(&submission).map_err(|error| self.failure(index, error))?;
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Ok(Some(Verdict {
            class: judgement.outcome.class,
            tests_passed: count(judgement.passed_tests()),
            tests_total: count(submission.tests.known_tests().max(judgement.tests.len())),
            error: judgement.outcome.error.clone(),
            program: submission.solution,
            mode: judgement.mode,
            missed_lines: Vec::new(),
        }))
    }

    /// The examples as a reader would be told of them; empty where there are none.
    pub(super) fn shown_examples(&self, index: usize) -> String {
        match &self.problems[index].examples {
            Some(TestSuite::Asserts { asserts, .. }) => asserts.join("\n"),
            Some(TestSuite::Check { code, .. }) => code
                .lines()
                .filter_map(|line| line.trim().strip_prefix("assert "))
                .collect::<Vec<_>>()
                .join("\n"),
            Some(TestSuite::Stdio { cases, .. }) => cases
                .iter()
                .map(|case| format!("input:\n{}\noutput:\n{}", case.stdin.trim(), case.stdout.trim()))
                .collect::<Vec<_>>()
                .join("\n\n"),
            _ => String::new(),
        }
    }

    /// A digest of what a program answers to generated inputs; empty where no inputs can be made.
    pub(super) fn behaviour(&self, index: usize, program: &str) -> Result<String, EvalError> {
        let inputs = self.generated_inputs(index)?;
        if inputs.is_empty() {
            return Ok(String::new());
        }
        let answers = if let Some(TestSuite::Stdio { .. }) = &self.problems[index].examples {
            let mut answers = String::new();
            for input in inputs.iter() {
                let outcome = self.sandbox.run(program, input.as_bytes(), &self.limits);
                let outcome = outcome.map_err(|error| self.failure(index, error))?;
                answers.push_str(&format!("{:?}\n{}\n", outcome.class, outcome.stdout.trim_end()));
            }
            answers
        } else {
            let entry_point = self.entry_point_of(index, program);
            let source = format!("{program}\n\n{}", calls(&entry_point, &inputs));
            let outcome = self.sandbox.run(&source, b"", &self.limits);
            let outcome = outcome.map_err(|error| self.failure(index, error))?;
            match outcome.stdout.rsplit_once(MARK) {
                Some((_, answers)) => answers.to_owned(),
                // It never came to be called: all such programs behave alike.
                None => format!("{:?}", outcome.class),
            }
        };
        Ok(digest(&answers))
    }

    fn entry_point_of(&self, index: usize, program: &str) -> String {
        let entry_point = &self.problems[index].entry_point;
        match program.contains("class Solution") && !entry_point.contains('.') {
            true => format!("Solution().{entry_point}"),
            false => entry_point.clone(),
        }
    }

    /// Inputs made of the visible examples', made once.
    fn generated_inputs(&self, index: usize) -> Result<Arc<Vec<String>>, EvalError> {
        let mut slot = self.inputs[index].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(inputs) = slot.as_ref() {
            return Ok(Arc::clone(inputs));
        }
        let inputs = match &self.problems[index].examples {
            Some(TestSuite::Stdio { cases, .. }) => changed_stdin(cases),
            Some(TestSuite::Asserts { asserts, .. }) => self.changed_arguments(index, &asserts.join("\n"))?,
            Some(TestSuite::Check { code, .. }) => self.changed_arguments(index, code)?,
            _ => Vec::new(),
        };
        Ok(Arc::clone(slot.insert(Arc::new(inputs))))
    }

    /// Argument lists as source texts, made of the calls in `examples`.
    fn changed_arguments(&self, index: usize, examples: &str) -> Result<Vec<String>, EvalError> {
        let name = self.problems[index].entry_point.rsplit('.').next().unwrap_or_default().to_owned();
        if name.is_empty() {
            return Ok(Vec::new());
        }
        let names = [name, "candidate".to_owned()];
        let source = INPUTS
            .replace("{examples}", &python_text(examples))
            .replace("{names}", &names.map(|name| python_text(&name)).join(", "))
            .replace("{most}", &INPUTS_AT_MOST.to_string());
        let outcome = self.sandbox.run(&source, b"", &Limits::default());
        let outcome = outcome.map_err(|error| self.failure(index, error))?;
        if outcome.class != OutcomeClass::Passed {
            tracing::debug!(id = self.set.id(index), ?outcome.error, "no inputs could be made of the examples");
            return Ok(Vec::new());
        }
        Ok(outcome.stdout.lines().map(str::to_owned).collect())
    }
}

/// The script that calls a function on all inputs and prints what it answers after the mark.
fn calls(entry_point: &str, inputs: &[String]) -> String {
    CALLS
        .replace("{function}", entry_point)
        .replace("{mark}", &python_text(MARK))
        .replace("{inputs}", &inputs.iter().map(|input| format!("    {input},\n")).collect::<String>())
}

/// The text as a Python literal, without any line break in it.
fn python_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn digest(text: &str) -> String {
    Sha256::digest(text).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The examples' own inputs, then the same with every number changed a little.
fn changed_stdin(cases: &[StdioCase]) -> Vec<String> {
    let mut inputs: Vec<String> = cases.iter().map(|case| case.stdin.clone()).collect();
    for by in [1_i64, -1, 2] {
        inputs.extend(cases.iter().map(|case| with_numbers_changed(&case.stdin, by)));
    }
    let mut distinct: Vec<String> = Vec::new();
    for input in inputs {
        if !distinct.contains(&input) {
            distinct.push(input);
        }
    }
    distinct.truncate(STDIN_AT_MOST);
    distinct
}

/// Every number on its last line, or on the only one, plus `by`: counts at the beginning stay what they are.
fn with_numbers_changed(text: &str, by: i64) -> String {
    let (head, tail) =
        text.trim_end().rsplit_once('\n').map_or(("", text.trim_end()), |(head, tail)| (head, tail));
    let changed: Vec<String> = tail
        .split(' ')
        .map(|word| word.parse::<i64>().map_or_else(|_| word.to_owned(), |number| (number + by).to_string()))
        .collect();
    let tail = changed.join(" ");
    if head.is_empty() { format!("{tail}\n") } else { format!("{head}\n{tail}\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_last_line_change() {
        assert_eq!(with_numbers_changed("3\n1 2 x\n", 1), "3\n2 3 x\n");
        assert_eq!(with_numbers_changed("7", -1), "6\n");
        let cases = [StdioCase { stdin: "5\n".into(), stdout: "x".into() }];
        assert_eq!(changed_stdin(&cases), ["5\n", "6\n", "4\n", "7\n"]);
    }

    #[test]
    fn texts_become_literals() {
        assert_eq!(python_text("a\"b\n\u{1}"), "\"a\\\"b\\n\\u0001\"");
        let script = calls("Solution().f", &["([1],)".into()]);
        assert!(script.contains("Solution().f") && script.contains("    ([1],),\n"), "{script}");
    }
}
