//! The user's own grader: a program that reads JSON lines and writes JSON lines, run in the sandbox like any other.
//!
//! ```text
//! stdin   {"task": …, "instruction": …, "reference": …, "answer": …, "program": …,
//!          "outcome": "wrong-answer", "tests_passed": 1, "tests_total": 3}
//! stdout  {"reward": 0.5}
//! ```
//!
//! It has no network, no files but its own source, and the limits of any program. What it prints besides, before its last
//! line, is ignored.

use std::path::{Path, PathBuf};

use hone_sandbox::{Language, Limits, OutcomeClass, Sandbox};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Judged;

/// `type = "program"`: whose program, and what it counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grader {
    /// Its source file.
    pub path: PathBuf,
    /// What its values are logged under.
    #[serde(default = "name")]
    pub name: String,
    /// w.
    #[serde(default = "weight")]
    pub weight: f64,
    /// What it is written in.
    #[serde(default)]
    pub language: Language,
    /// CPU time of one call, in milliseconds.
    #[serde(default = "cpu_ms")]
    pub cpu_ms: u64,
    /// What an answer is worth on which it fails; without it, a failure ends the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<f64>,
}

fn name() -> String {
    "program".into()
}

fn weight() -> f64 {
    1.0
}

fn cpu_ms() -> u64 {
    2_000
}

/// Why a grader gave no number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "grader {name} on task {task}: expected a last line of output like {{\"reward\": 0.5}}, found {found}\n\
     hint: on_failure = 0.0 in its [[reward]] table makes a failure a value"
)]
pub struct GraderError {
    /// The grader.
    pub name: String,
    /// The task.
    pub task: String,
    /// What it did instead.
    pub found: String,
}

impl Grader {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.name.is_empty() || !self.name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
            return Err(format!("name: expected letters, digits, - and _, found {:?}", self.name));
        }
        if self.name != "program" && super::RewardPart::TYPES.contains(&self.name.as_str()) {
            return Err(format!("name: expected a name of its own, found {:?}, a type's", self.name));
        }
        if self.cpu_ms == 0 {
            return Err("cpu_ms: expected at least 1, found 0".into());
        }
        match self.on_failure {
            Some(value) if !value.is_finite() => {
                Err(format!("on_failure: expected a finite number, found {value}"))
            }
            _ => Ok(()),
        }
    }

    fn limits(&self) -> Limits {
        Limits { cpu_ms: self.cpu_ms, wall_ms: 4 * self.cpu_ms, ..Limits::default() }
    }
}

/// The sources of a recipe's graders, read once.
#[derive(Debug, Clone, Default)]
pub struct Graders {
    sources: Vec<(PathBuf, String)>,
}

impl Graders {
    /// Reads the sources of all graders among `parts`.
    pub fn read(parts: &[super::RewardPart]) -> Result<Graders, String> {
        let mut sources = Vec::new();
        for part in parts {
            if let super::RewardPart::Program(grader) = part {
                let path = grader.path.clone();
                let source = std::fs::read_to_string(&path)
                    .map_err(|error| format!("failed to read the grader {}: {error}", path.display()))?;
                sources.push((path, source));
            }
        }
        Ok(Graders { sources })
    }

    fn source(&self, path: &Path) -> &str {
        self.sources.iter().find(|(known, _)| known == path).map_or("", |(_, source)| source)
    }

    /// What a grader says of an answer.
    pub fn grade(&self, grader: &Grader, judged: &Judged<'_>, sandbox: &Sandbox) -> Result<f64, GraderError> {
        let fail = |found: String| match grader.on_failure {
            Some(value) => Ok(value),
            None => Err(GraderError { name: grader.name.clone(), task: judged.task.to_string(), found }),
        };
        let stdin = format!("{}\n", question(judged));
        let source = self.source(&grader.path);
        let outcome = match sandbox.run_in(grader.language, source, stdin.as_bytes(), &grader.limits()) {
            Ok(outcome) => outcome,
            // The sandbox, not the grader: never a value.
            Err(error) => {
                let (name, task) = (grader.name.clone(), judged.task.to_string());
                return Err(GraderError { name, task, found: error.to_string() });
            }
        };
        if outcome.class != OutcomeClass::Passed {
            let error =
                outcome.error.map_or(String::new(), |error| format!(", {}: {}", error.kind, error.message));
            return fail(format!("{:?}{error}", outcome.class));
        }
        match reward(&outcome.stdout) {
            Some(value) => Ok(value),
            None => fail(format!("{:?}", outcome.stdout.lines().last().unwrap_or_default())),
        }
    }
}

fn question(judged: &Judged<'_>) -> Value {
    serde_json::json!({
        "task": judged.task,
        "instruction": judged.instruction,
        "reference": judged.reference,
        "answer": judged.answer,
        "program": judged.verdict.program,
        "outcome": judged.verdict.class,
        "tests_passed": judged.verdict.tests_passed,
        "tests_total": judged.verdict.tests_total,
    })
}

/// The number of the last line.
fn reward(stdout: &str) -> Option<f64> {
    let line = stdout.lines().rev().find(|line| !line.trim().is_empty())?;
    let value = serde_json::from_str::<Value>(line).ok()?.get("reward")?.as_f64()?;
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::reward;

    #[test]
    fn the_last_line_is_the_answer() {
        assert_eq!(reward("thinking\n{\"reward\": 0.5}\n\n"), Some(0.5));
        assert_eq!(reward("{\"reward\": 1}"), Some(1.0));
        for wrong in [
            "",
            "0.5",
            "{\"score\": 1}",
            "{\"reward\": \"high\"}",
            "{\"reward\": 1}\nbye",
            "{\"reward\": 1e999}",
        ] {
            assert_eq!(reward(wrong), None, "{wrong}");
        }
    }
}
