//! A solution and its tests as programs whose cost can be measured.
//!
//! Python's functions are loaded, and called by their tests, in one process; a run that only loads is taken off, so that
//! imports, the solution's length and the tests' own compilation cost nothing. Programs that read stdin run on the inputs
//! of their tests. Right or wrong is not decided here: one process proves nothing (`set.rs` judges).

use hone_sandbox::{CostProgram, Language, TestSuite};

use super::Problem;
use super::set::tests_of;

/// Loads `SOLUTION` and, where stdin says so, runs `TESTS` on it.
const HARNESS: &str = include_str!("measurable.py");
/// What a run prints that got to its end.
const MARK: &str = "tests ended";

/// What is run to see what a solution costs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measurable {
    pub(crate) program: CostProgram,
    /// What each run reads from stdin.
    pub(crate) runs: Vec<String>,
    /// Stdin of the run that only loads, whose cost is taken off.
    pub(crate) load: Option<String>,
    /// What a run that got to its end has printed; empty where its output was judged.
    pub(crate) mark: &'static str,
}

impl Problem {
    /// What is run to see what a solution costs on this problem's tests.
    pub(crate) fn measurable(&self, solution: &str) -> Measurable {
        match &self.tests {
            TestSuite::Stdio { cases, language, .. } => Measurable {
                program: CostProgram { language: *language, source: solution.to_owned() },
                runs: cases.iter().map(|case| case.stdin.clone()).collect(),
                load: None,
                mark: "",
            },
            TestSuite::Program { language, code } => Measurable {
                program: CostProgram { language: *language, source: format!("{solution}\n{code}") },
                runs: vec![String::new()],
                load: None,
                mark: "",
            },
            _ => Measurable {
                program: CostProgram {
                    language: Language::Python,
                    source: harnessed(solution, &script(&tests_of(self, solution))),
                },
                runs: vec!["run".into()],
                load: Some("load".into()),
                mark: MARK,
            },
        }
    }

    /// What solutions are written in.
    pub fn language(&self) -> Language {
        match &self.tests {
            TestSuite::Stdio { language, .. } | TestSuite::Program { language, .. } => *language,
            _ => Language::Python,
        }
    }
}

fn harnessed(solution: &str, tests: &str) -> String {
    // A JSON text without characters outside of ASCII's control codes escaped is a literal of Python, too.
    let literal = |text: &str| serde_json::Value::from(text).to_string();
    format!(
        "SOLUTION = {}\nTESTS = {}\nMARK = {}\n{HARNESS}",
        literal(solution),
        literal(tests),
        literal(MARK)
    )
}

/// Tests as a script that runs beside the solution's names.
fn script(tests: &TestSuite) -> String {
    match tests {
        TestSuite::Asserts { setup, asserts } => format!("{setup}\n{}\n", asserts.join("\n")),
        TestSuite::Check { code, entry_point } => format!("{code}\ncheck({entry_point})\n"),
        TestSuite::Script { code } => code.clone(),
        TestSuite::Calls { entry_point, cases, .. } => {
            let lists: Vec<&str> = cases.iter().map(|case| case.arguments.as_str()).collect();
            let lists = serde_json::Value::from(format!("[{}]", lists.join(","))).to_string();
            format!("import json\nfor arguments in json.loads({lists}):\n    {entry_point}(*arguments)\n")
        }
        TestSuite::Unittest { code } => format!(
            "{code}\nimport unittest\nfor case in [it for it in list(globals().values()) if isinstance(it, type) and issubclass(it, unittest.TestCase)]:\n    assert unittest.defaultTestLoader.loadTestsFromTestCase(case).run(unittest.TestResult()).wasSuccessful()\n"
        ),
        TestSuite::Joint { tests } => script(tests),
        // Those have no script: `measurable` runs them as they are.
        TestSuite::Stdio { .. } | TestSuite::Program { .. } => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use hone_sandbox::{CallCase, CallRule};

    use super::*;

    #[test]
    fn every_kind_of_tests_is_a_script() {
        let check = |tests: TestSuite, expected: &str| assert_eq!(script(&tests), expected);
        check(
            TestSuite::Asserts { setup: "import re".into(), asserts: vec!["assert f()".into()] },
            "import re\nassert f()\n",
        );
        check(
            TestSuite::Check { code: "def check(c): pass".into(), entry_point: "Solution().f".into() },
            "def check(c): pass\ncheck(Solution().f)\n",
        );
        let cases = vec![CallCase { arguments: "[1, \"a\"]".into(), expected: "2".into() }];
        check(
            TestSuite::Calls { entry_point: "f".into(), cases, rule: CallRule::Equal },
            "import json\nfor arguments in json.loads(\"[[1, \\\"a\\\"]]\"):\n    f(*arguments)\n",
        );
        let inner = Box::new(TestSuite::Script { code: "assert f()".into() });
        check(TestSuite::Joint { tests: inner }, "assert f()");
    }

    #[test]
    fn a_solution_is_carried_as_a_literal() {
        let text = harnessed("print(\"é\\n\")", "pass");
        assert!(
            text.starts_with("SOLUTION = \"print(\\\"é\\\\n\\\")\"\nTESTS = \"pass\"\nMARK = "),
            "{text}"
        );
    }
}
