//! Plain and judged runs of honest programs.

use hone_sandbox::{Judgement, Limits, OutcomeClass, Submission, TestSuite};

use crate::{run, sandbox};

fn judge(solution: &str, asserts: &[&str]) -> Judgement {
    let submission = Submission {
        solution: solution.to_owned(),
        tests: TestSuite::Asserts {
            setup: String::new(),
            asserts: asserts.iter().map(|a| (*a).to_owned()).collect(),
        },
        limits: Limits::default(),
    };
    sandbox().judge(&submission).expect("the sandbox itself works")
}

#[test]
fn a_program_prints_and_reads() {
    let outcome = sandbox().run("print(input()[::-1])", b"abc\n", &Limits::default()).expect("runs");
    assert_eq!(outcome.class, OutcomeClass::Passed, "{outcome:?}");
    assert_eq!(outcome.stdout, "cba\n");
    assert_eq!(outcome.exit_code, Some(0));
    assert!(outcome.isolation.iter().any(|l| l == "landlock"), "{:?}", outcome.isolation);
}

#[test]
fn an_error_has_its_place() {
    let outcome = run("def f(x):\n    return 1 / x\n\nf(0)\n");
    assert_eq!(outcome.class, OutcomeClass::RuntimeError);
    assert_eq!(outcome.exit_code, Some(1));
    let error = outcome.error.expect("an error");
    assert_eq!((error.kind.as_str(), error.line), ("ZeroDivisionError", Some(2)));
    let outcome = run("x = (1,\ny = 2\n");
    assert_eq!(outcome.class, OutcomeClass::CompileError, "{outcome:?}");
    assert_eq!(outcome.error.expect("an error").kind, "SyntaxError");
}

#[test]
fn a_right_solution_passes_and_a_wrong_one_does_not() {
    let right = judge(
        "def add(a, b):\n    return a + b\n",
        &["assert add(1, 2) == 3", "assert add([1], [2]) == [1, 2]"],
    );
    assert_eq!(right.outcome.class, OutcomeClass::Passed, "{right:?}");
    let wrong =
        judge("def add(a, b):\n    return a - b\n", &["assert add(1, 2) == 3", "assert add(2, 0) == 2"]);
    assert_eq!(wrong.outcome.class, OutcomeClass::WrongAnswer, "{wrong:?}");
    assert_eq!(wrong.tests.iter().map(|t| t.is_passed).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_program() {
    let outcome = run("\u{feff}# -*- coding: utf-8 -*-\r\nprint('ok')\r\n");
    assert_eq!((outcome.class, outcome.stdout.as_str()), (OutcomeClass::Passed, "ok\n"), "{outcome:?}");
    let judgement = judge("\u{feff}def f():\n    return 1\n", &["assert f() == 1"]);
    assert_eq!(judgement.outcome.class, OutcomeClass::Passed, "{judgement:?}");
}

#[test]
fn text_that_is_no_text_hides_no_other_test() {
    let solution = "def f(x):\n    if x == 1:\n        raise ValueError('\\ud800')\n    return x\n";
    let judgement = judge(solution, &["assert f(0) == 0", "assert f(1) == 1", "assert f(2) == 2"]);
    let passed: Vec<bool> = judgement.tests.iter().map(|t| t.is_passed).collect();
    assert_eq!(passed, [true, false, true], "{judgement:?}");
    let outcome = run("raise ValueError('\\ud800')");
    assert_eq!(outcome.error.expect("an error").kind, "ValueError");
}

#[test]
fn check_functions_are_judged_by_assert() {
    let submission = |solution: &str| {
        Submission {
        solution: solution.to_owned(),
        tests: TestSuite::Check {
            code: "METADATA = {}\n\ndef check(candidate):\n    assert candidate(1) == 2\n    for i in range(3):\n        \
                   assert candidate(i) == i + 1\n    assert candidate(-1) == 0, 'negative'\n"
                .into(),
            entry_point: "inc".into(),
        },
        limits: Limits::default(),
    }
    };
    let right = sandbox().judge(&submission("def inc(x):\n    return x + 1")).expect("runs");
    assert_eq!(right.outcome.class, OutcomeClass::Passed, "{right:?}");
    assert_eq!(right.tests.len(), 3);
    let wrong = sandbox().judge(&submission("def inc(x):\n    return abs(x) + 1")).expect("runs");
    assert_eq!(wrong.outcome.class, OutcomeClass::WrongAnswer, "{wrong:?}");
    assert_eq!(wrong.tests.iter().map(|t| t.is_passed).collect::<Vec<_>>(), [true, true, false]);
    let missing = sandbox().judge(&submission("def dec(x):\n    return x - 1")).expect("runs");
    assert_ne!(missing.outcome.class, OutcomeClass::Passed);
}
