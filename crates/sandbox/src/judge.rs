//! What judges a solution: the kinds of tests, and what they say.
//!
//! Tests and solution run in different processes, unless a task says `joint`. Never here: how (`verdict.rs`, `stdio.rs`).

use serde::{Deserialize, Serialize};

use crate::{Compare, Language, Limits, Outcome, SandboxError, StdioCase};

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
        /// The solution's function passed as `candidate`: `f`, `Class.f` or `Class().f` (LeetCode).
        entry_point: String,
    },
    /// A script: each of its top-level statements that asserts, or calls for its own sake, is one test (MBPP+).
    Script {
        /// The script, which runs in the tester's process.
        code: String,
    },
    /// A function and its arguments (APPS call-based, LiveCodeBench, LeetCode).
    Calls {
        /// The solution's function: `f`, `Class.f` or `Class().f`.
        entry_point: String,
        /// One call a test.
        cases: Vec<CallCase>,
        /// When an answer counts as the expected one.
        #[serde(default)]
        rule: CallRule,
    },
    /// A program's output on given inputs, compared outside of any process of its own.
    Stdio {
        /// One run a test.
        cases: Vec<StdioCase>,
        /// When printed output counts as the expected one.
        #[serde(default)]
        compare: Compare,
        /// What the program is written in.
        #[serde(default)]
        language: Language,
    },
    /// The rest of a program that the solution begins, in any language but Python (MultiPL-E, HumanEval-X). One process,
    /// so `JudgeMode::Joint`; its end must be proven by a token that the solution is not given.
    Program {
        /// What both are written in.
        language: Language,
        /// Tests and `main`.
        code: String,
    },
    /// A unittest suite (BigCodeBench); it calls the solution's functions and compares data.
    Unittest {
        /// Source of the `TestCase` classes.
        code: String,
    },
    /// Tests that need the solution in their own process, as they use its classes or patch its inside. Weaker: a
    /// program that means to can forge what such tests say, and the judgement records that (`JudgeMode::Joint`).
    Joint {
        /// Asserts, check, script or unittest.
        tests: Box<TestSuite>,
    },
}

/// One call and what it must return. JSON texts, not values: so numbers of any size stay what they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallCase {
    /// A JSON list of arguments, such as `[[1, 2], "a"]`.
    pub arguments: String,
    /// The expected value, as JSON.
    pub expected: String,
}

/// When a returned value counts as the expected one. In all rules, equality is Python's `==` on values of exact
/// built-in types: 1, 1.0 and True are equal, NaN equals nothing, a list is never a tuple.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum CallRule {
    /// Equal (LeetCode's checks, HumanEval, MBPP).
    #[default]
    Equal,
    /// LiveCodeBench: a returned tuple counts as a list.
    #[serde(rename = "livecodebench")]
    LiveCodeBench,
    /// APPS: a returned tuple, or list of tuples, counts as lists; an expected `[answer]` also means `answer`; text keys of
    /// a dict that is the first argument or the answer are numbers again, where they all look like some.
    Apps,
}

impl TestSuite {
    /// How many tests it holds, where that is known before it runs: of code, at least one.
    pub fn known_tests(&self) -> usize {
        match self {
            TestSuite::Asserts { asserts, .. } => asserts.len(),
            TestSuite::Calls { cases, .. } => cases.len(),
            TestSuite::Stdio { cases, .. } => cases.len(),
            TestSuite::Check { .. }
            | TestSuite::Script { .. }
            | TestSuite::Unittest { .. }
            | TestSuite::Program { .. } => 1,
            TestSuite::Joint { tests } => tests.known_tests(),
        }
    }

    /// Refuses what could not judge anything.
    pub fn check(&self) -> Result<(), SandboxError> {
        let bad = |message: String| Err(SandboxError::BadSubmission(message));
        let empty = |what: &str, hint: &str| {
            bad(format!("the {what} is empty, so nothing could be judged\nhint: {hint}"))
        };
        match self {
            TestSuite::Asserts { asserts, .. } if asserts.is_empty() => {
                empty("test list", "give at least one assert")
            }
            TestSuite::Asserts { asserts, .. } if asserts.iter().any(|a| a.trim().is_empty()) => {
                bad("a test is empty, so it would always pass\nhint: remove it or write its assert".into())
            }
            TestSuite::Calls { cases, .. } if cases.is_empty() => {
                empty("list of cases", "give at least one call")
            }
            TestSuite::Stdio { cases, .. } if cases.is_empty() => {
                empty("list of cases", "give at least one case")
            }
            TestSuite::Check { code, .. } if code.trim().is_empty() => {
                empty("test code", "define check(candidate)")
            }
            TestSuite::Script { code } if code.trim().is_empty() => empty("test code", "write asserts"),
            TestSuite::Program { code, .. } if code.trim().is_empty() => {
                empty("test program", "give at least one test")
            }
            TestSuite::Program { language: Language::Python, .. } => {
                bad("a Python test program is not run whole\nhint: use script, check or unittest".into())
            }
            TestSuite::Unittest { code } if !code.contains("TestCase") => bad(
                "the tests define no unittest.TestCase, so nothing could be judged\nhint: use asserts or check"
                    .into(),
            ),
            TestSuite::Check { entry_point, .. } | TestSuite::Calls { entry_point, .. }
                if !is_entry_point(entry_point) =>
            {
                bad(format!("entry_point must be a name such as f or Solution().f, found {entry_point:?}"))
            }
            TestSuite::Joint { tests } => match tests.as_ref() {
                TestSuite::Calls { .. }
                | TestSuite::Stdio { .. }
                | TestSuite::Joint { .. }
                | TestSuite::Program { .. } => bad(
                    "calls, stdio, joint and program tests never need joint\nhint: give them without it"
                        .into(),
                ),
                inner => inner.check(),
            },
            _ => Ok(()),
        }
    }
}

/// `f`, `Class.f` or `Class().f`: what the tester can look up without running any other code.
fn is_entry_point(text: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty()
            && name.chars().all(|c| c.is_alphanumeric() || c == '_')
            && !name.starts_with(|c: char| c.is_ascii_digit())
    };
    let mut parts = text.split('.');
    parts.next().is_some_and(|first| is_name(first.strip_suffix("()").unwrap_or(first))) && parts.all(is_name)
}

/// A solution and the tests that judge it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// Source of the solution: Python, unless the tests name another language.
    pub solution: String,
    /// Its tests.
    pub tests: TestSuite,
    /// Limits of the solution's process; the tester's own are derived from them.
    #[serde(default)]
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

impl Judgement {
    /// How many tests passed.
    pub fn passed_tests(&self) -> usize {
        self.tests.iter().filter(|t| t.is_passed).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_judge_is_refused() {
        let parse = |text: &str| serde_json::from_str::<TestSuite>(text).expect("a suite");
        for (text, is_fine) in [
            (r#"{"kind": "asserts", "asserts": []}"#, false),
            (r#"{"kind": "asserts", "asserts": ["assert f() == 1", "  "]}"#, false),
            (r#"{"kind": "asserts", "asserts": ["assert f() == 1"]}"#, true),
            (r#"{"kind": "check", "code": "", "entry_point": "f"}"#, false),
            (r#"{"kind": "check", "code": "def check(f): assert f()", "entry_point": "f(1)"}"#, false),
            (r#"{"kind": "check", "code": "def check(f): assert f()", "entry_point": "Solution().f"}"#, true),
            (r#"{"kind": "script", "code": " \n"}"#, false),
            (r#"{"kind": "calls", "entry_point": "f", "cases": []}"#, false),
            (
                r#"{"kind": "calls", "entry_point": "f", "cases": [{"arguments": "[1]", "expected": "2"}], "rule": "apps"}"#,
                true,
            ),
            (r#"{"kind": "stdio", "cases": []}"#, false),
            (r#"{"kind": "stdio", "cases": [{"stdin": "", "stdout": "1"}], "compare": "apps"}"#, true),
            (r#"{"kind": "unittest", "code": "x = 1"}"#, false),
            (r#"{"kind": "joint", "tests": {"kind": "asserts", "asserts": []}}"#, false),
            (
                r#"{"kind": "joint", "tests": {"kind": "stdio", "cases": [{"stdin": "", "stdout": ""}]}}"#,
                false,
            ),
            (r#"{"kind": "joint", "tests": {"kind": "script", "code": "assert f()"}}"#, true),
        ] {
            assert_eq!(parse(text).check().is_ok(), is_fine, "{text}");
        }
        let unknown = serde_json::from_str::<TestSuite>(r#"{"kind": "script", "code": "", "cod": ""}"#);
        assert!(unknown.is_err(), "unknown keys are refused");
    }
}
