//! A task: what is asked, and the hidden tests that decide. One JSON object a line in a tasks file.

use hone_sandbox::TestSuite;
use serde::{Deserialize, Serialize};

/// Prompt and hidden tests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Unique within its file, such as `lists/sum-even`.
    pub id: String,
    /// What the function must do, in words.
    pub instruction: String,
    /// The line(s) a solution begins with, such as `def sum_even(numbers):`; empty if the answer is free-form.
    #[serde(default)]
    pub signature: String,
    /// Name of the function the tests call.
    pub entry_point: String,
    /// A visible example, such as `sum_even([1, 2, 3, 4]) == 6`; empty if there is none.
    #[serde(default)]
    pub example: String,
    /// Hidden tests.
    pub tests: TestSuite,
    /// A solution that passes all tests.
    pub reference: String,
    /// Difficulty by intent, 1 (one expression) to 5 (a short algorithm).
    #[serde(default)]
    pub level: u8,
    /// Topic, such as `strings`.
    #[serde(default)]
    pub topic: String,
}

/// Why tasks could not be read or used.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// The file cannot be read.
    #[error("failed to read tasks from {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// A line is not a task.
    #[error("{path}:{line}: {message}")]
    Line {
        /// The file.
        path: String,
        /// 1-based line.
        line: usize,
        /// What was expected and found.
        message: String,
    },
}
