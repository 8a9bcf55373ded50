//! Calls that go out before the tests ask for them: no result may differ from what asking one by one gives.

use hone_sandbox::{Judgement, Limits, OutcomeClass, Submission, TestSuite};

use crate::sandbox;

fn judge(solution: &str, tests: TestSuite) -> Judgement {
    let limits = Limits { cpu_ms: 400, ..Limits::default() };
    sandbox().judge(&Submission { solution: solution.into(), tests, limits }).expect("the sandbox works")
}

fn passed(judgement: &Judgement) -> Vec<bool> {
    judgement.tests.iter().map(|test| test.is_passed).collect()
}

/// The statements as a list of asserts, as a `check` function, and as a script.
fn suites(asserts: &[&str]) -> [TestSuite; 3] {
    let body: String = asserts.iter().map(|a| format!("    {}\n", a.replace("f(", "candidate("))).collect();
    [
        TestSuite::Asserts {
            setup: "import math".into(),
            asserts: asserts.iter().map(|&a| a.to_owned()).collect(),
        },
        TestSuite::Check { code: format!("def check(candidate):\n{body}"), entry_point: "f".into() },
        TestSuite::Script { code: asserts.join("\n") },
    ]
}

/// What each test of each kind says of the solution.
fn expect(solution: &str, asserts: &[&str], results: &[bool], class: OutcomeClass) {
    for suite in suites(asserts) {
        let judgement = judge(solution, suite.clone());
        assert_eq!(passed(&judgement), results, "{suite:?}: {:?}", judgement.tests);
        assert_eq!(judgement.outcome.class, class, "{suite:?}: {:?}", judgement.outcome);
    }
}

#[test]
fn calls_keep_their_order() {
    let solution = "seen = []\ndef f(*values):\n    seen.extend(values)\n    return len(seen)";
    let asserts =
        ["assert f(1) == 1", "assert f(1, 2) == 4", "assert abs(f() - 3) < 1e-9", "assert -f(0) == -4"];
    expect(solution, &asserts, &[true, false, true, true], OutcomeClass::WrongAnswer);
}

#[test]
fn an_exception_fails_its_own_test_only() {
    let solution = "calls = 0\ndef f(x):\n    global calls\n    calls += 1\n    if x < 0:\n        raise ValueError(x)\n    return calls";
    let asserts = ["assert f(5) == 1", "assert f(-1) == 2", "assert f(5) == 3", "assert f(5) == 4, 'text'"];
    expect(solution, &asserts, &[true, false, true, true], OutcomeClass::RuntimeError);
}

#[test]
fn what_ends_the_solution_leaves_the_answers_before_it() {
    let asserts = ["assert f(0) == 0", "assert f(1) == 1", "assert f(2) == 2", "assert f(0) == 0"];
    let results = [true, true, false, false];
    let ends = "import os\ndef f(x):\n    if x == 2:\n        os._exit(0)\n    return x";
    expect(ends, &asserts, &results, OutcomeClass::RuntimeError);
    let hangs = "def f(x):\n    while x == 2:\n        pass\n    return x";
    expect(hangs, &asserts, &results, OutcomeClass::Timeout);
}

#[test]
fn a_generator_is_looked_at_before_the_next_call() {
    let solution = "last = 0\ndef f(n):\n    global last\n    last = n\n    return (last * i for i in range(3)) if n > 1 else n";
    let asserts = [
        "assert f(1) == 1",
        "assert list(f(2)) == [0, 2, 4]",
        "assert list(f(3)) == [0, 3, 6]",
        "assert f(1) == 1",
    ];
    expect(solution, &asserts, &[true; 4], OutcomeClass::Passed);
}

#[test]
fn other_uses_of_the_solution_come_in_their_place() {
    let solution = "count = 0\ndef f(x):\n    global count\n    count += 1\n    return count + x";
    let asserts = [
        "assert f(0) == 1",
        "assert f(1) + f(1) == 7",
        "assert [f(x) for x in (0, 0)] == [4, 5]",
        "assert f(f(0)) == 13",
        "assert True or f(9)",
        "assert f(0) == 8, f'{f(1)}'",
    ];
    expect(solution, &asserts, &[true; 6], OutcomeClass::Passed);
    let code = "@f\ndef seven():\n    pass\nassert f(0) == 2; assert f(0) == 3\nassert f(1) == 5".into();
    let solution = "count = 0\ndef f(x):\n    global count\n    count += 1\n    return count + (0 if callable(x) else x)";
    let judgement = judge(solution, TestSuite::Script { code });
    assert_eq!(passed(&judgement), [true; 3], "{:?}", judgement.tests);
}

#[test]
fn a_solution_that_is_not_there_is_told_as_ever() {
    for suite in suites(&["assert f(1) == 1", "assert f(2) == 2"]) {
        let broken = judge("x = 1\ndef f(x)\n    return x", suite.clone());
        let error = broken.outcome.error.as_ref().expect("an error");
        assert_eq!((broken.outcome.class, error.line), (OutcomeClass::CompileError, Some(2)), "{suite:?}");
        let raising = judge("def f(x): return x\nraise KeyError('no')", suite.clone());
        let error = raising.outcome.error.as_ref().expect("an error");
        assert_eq!((raising.outcome.class, error.kind.as_str()), (OutcomeClass::RuntimeError, "KeyError"));
        let nameless = judge("def g(x): return x", suite.clone());
        assert_eq!(passed(&nameless), [false, false]);
        let message = nameless.tests[0].message.as_ref().expect("a message");
        assert!(message.contains("define"), "{suite:?}: {message}");
    }
}

#[test]
fn a_standard_function_under_the_solutions_name_proves_nothing() {
    let asserts = ["assert gcd(4, 6) == 2", "assert gcd(9, 6) == 3"].map(str::to_owned).to_vec();
    let suite = TestSuite::Asserts { setup: String::new(), asserts };
    let imported = judge("from math import gcd", suite.clone());
    assert_eq!(passed(&imported), [false, false], "{:?}", imported.tests);
    let own = judge("def gcd(a, b):\n    return a if b == 0 else gcd(b, a % b)", suite);
    assert_eq!(own.outcome.class, OutcomeClass::Passed, "{:?}", own.tests);
}

#[test]
fn a_class_of_the_solution_has_one_instance_for_all_calls() {
    let solution = "class Solution:\n    def __init__(self):\n        self.sum = 0\n    def add(self, x):\n        self.sum += x\n        return self.sum";
    let code = "def check(candidate):\n    assert candidate(1) == 1\n    assert candidate(2) == 3\n".into();
    let judgement = judge(solution, TestSuite::Check { code, entry_point: "Solution().add".into() });
    assert_eq!(passed(&judgement), [true, true], "{:?}", judgement.tests);
}
