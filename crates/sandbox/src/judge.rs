//! Judging a solution by its tests, with tests and solution in different processes.

use serde::{Deserialize, Serialize};

use crate::{Limits, Outcome};

/// The tests of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum TestSuite {
    /// Python `assert` statements, each one test, after `setup`; they call functions of the solution (MBPP).
    Asserts {
        /// Code that runs before the asserts, in the tester's process.
        #[serde(default)]
        setup: String,
        /// One statement (or small block) a test.
        asserts: Vec<String>,
    },
    /// A `check(candidate)` function (HumanEval).
    Check {
        /// Source that defines `check`.
        code: String,
        /// The solution's function passed as `candidate`.
        entry_point: String,
    },
}

/// A solution and the tests that judge it.
#[derive(Debug, Clone, PartialEq)]
pub struct Submission {
    /// Python source of the solution.
    pub solution: String,
    /// Its tests.
    pub tests: TestSuite,
    /// Limits of the solution's process; the tester's own are derived from them.
    pub limits: Limits,
}

/// Where tests and solution ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JudgeMode {
    /// In different processes: a verdict cannot be forged.
    Split,
    /// In one process, chosen for this task; weaker.
    Joint,
}

/// The result of one test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestResult {
    /// Whether it passed.
    pub is_passed: bool,
    /// Why not, bounded in length.
    pub message: Option<String>,
}

/// What the tests say of a solution. `outcome.class` is `Passed` only if there is at least one test and all passed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// Outcome of the solution's process, its class decided by the tests.
    pub outcome: Outcome,
    /// One entry a test, in order; shorter than the suite only if the solution could not be loaded.
    pub tests: Vec<TestResult>,
    /// Where tests and solution ran.
    pub mode: JudgeMode,
}
