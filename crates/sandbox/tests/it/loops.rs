//! Loops over constant inputs, whose calls go out together and whose reference's results are kept: nothing of that may be seen.

use hone_sandbox::{Judgement, Limits, OutcomeClass, Submission, TestSuite};

use crate::sandbox;

fn judge(solution: &str, code: &str) -> Judgement {
    let tests = TestSuite::Check { code: code.to_owned(), entry_point: "f".into() };
    let submission = Submission { solution: solution.to_owned(), tests, limits: Limits::default() };
    sandbox().judge(&submission).expect("the sandbox itself works")
}

/// A suite whose last statement is a loop over `inputs`, which `statement` compares.
fn looped(helpers: &str, inputs: &str, results: &str, statement: &str) -> String {
    format!(
        "{helpers}\ndef check(candidate):\n    inputs = {inputs}\n    results = {results}\n    \
         for i, (inp, exp) in enumerate(zip(inputs, results)):\n        {statement}\n"
    )
}

fn referenced(helpers: &str, inputs: &str) -> String {
    format!(
        "{helpers}\ndef check(candidate):\n    inputs = {inputs}\n    \
         for i, inp in enumerate(inputs):\n        assertion(candidate(*inp), ref(*inp), 0)\n"
    )
}

/// Judged three times: the standing tester remembers the suite from the first.
fn check(solution: &str, code: &str, is_right: bool) {
    for _ in 0..3 {
        let judgement = judge(solution, code);
        let has_passed = judgement.outcome.class == OutcomeClass::Passed;
        assert_eq!(has_passed, is_right, "{solution}\n{code}\n{judgement:?}");
        assert_eq!(judgement.tests.len(), 1);
    }
}

const EQUAL: &str = "assert candidate(*inp) == exp";

#[test]
fn each_call_is_as_if_it_were_made_alone() {
    // An answer is what it was when it was given, and arguments are copies.
    let grows = looped("", "[[1], [2], [3]]", "[[1], [1, 2], [1, 2, 3]]", EQUAL);
    check("kept = []\ndef f(x):\n    kept.append(x)\n    return kept", &grows, true);
    check("def f(x):\n    return [x]", &grows, false);
    let own = looped("", "[[[]], [[]], [[5]]]", "[1, 1, 2]", EQUAL);
    check("def f(x):\n    x.append(1)\n    return len(x)", &own, true);
    // Answers that are no data stay where they are, and the tests ask for what they hold.
    let lazy = looped(
        "",
        "[[3], [0], [2], [1]]",
        "[[0, 1, 2], [], [0, 1], [0]]",
        "assert list(candidate(*inp)) == exp",
    );
    check("def f(n):\n    yield from range(n)", &lazy, true);
    check("def f(n):\n    return range(n) if n != 2 else (i for i in range(n))", &lazy, true);
    check("def f(n):\n    yield from range(min(n, 2))", &lazy, false);
    // All sorts of data, and more answers than go out at once.
    let kinds = looped(
        "",
        "[[0], [1], [2], [3], [4], [5], [6]]",
        "[1, 'a', None, True, [1, [2]], (1.5, {'a': {2}}), 'é' * 3000]",
        "assert type(candidate(*inp)) is type(exp)",
    );
    let answers = "[1, 'a', None, True, [1, [2]], (1.5, {'a': {2}}), 'é' * 3000]";
    check(&format!("def f(i):\n    return {answers}[i]"), &kinds, true);
    let many =
        |last: &str| format!("[{}, {last}]", (0..999).map(|i| i.to_string()).collect::<Vec<_>>().join(", "));
    let inputs = format!("[[{}]]", (0..1000).map(|i| i.to_string()).collect::<Vec<_>>().join("], ["));
    check("def f(x):\n    return x", &looped("", &inputs, &many("999"), EQUAL), true);
    check("def f(x):\n    return x", &looped("", &inputs, &many("998"), EQUAL), false);
    check("def f(x):\n    return x if x < 999 else 'no'", &looped("", &inputs, &many("999"), EQUAL), false);
    // Only as many calls as there are results.
    let fewer = looped("", "[[1], [2], [3]]", "[1, 2]", EQUAL);
    check("def f(x):\n    return x if x < 3 else 1 / 0", &fewer, true);
}

#[test]
fn what_ends_a_call_fails_the_loop() {
    let code = looped("", "[[1], [2], [3]]", "[1, 2, 3]", EQUAL);
    for last in ["1 / 0", "exit(0)", "os._exit(0)", "os.kill(os.getpid(), 9)", "next(iter([]))", "f(x)"] {
        check(&format!("import os\ndef f(x):\n    return x if x < 3 else {last}"), &code, false);
    }
    let judgement = judge("def f(x):\n    return x if x < 2 else 1 / 0", &code);
    assert_eq!(judgement.outcome.class, OutcomeClass::RuntimeError);
    let error = judgement.outcome.error.expect("the program's error");
    assert_eq!((error.kind.as_str(), error.line), ("ZeroDivisionError", Some(2)));
    // Only the process that was asked answers.
    let forks = "import os\ndef f(x):\n    return x if os.fork() else 0";
    let judgement = judge(forks, &code);
    assert_eq!(judgement.outcome.class, OutcomeClass::Passed, "{judgement:?}");
    // A wrong answer ends the tests, though later calls would take for ever.
    let hangs = "def f(x):\n    while x > 2:\n        pass\n    return 0";
    assert_ne!(judge(hangs, &code).outcome.class, OutcomeClass::Passed);
}

const ASSERTION: &str = "def assertion(out, exp, atol):\n    assert out == exp\n";

#[test]
fn what_a_reference_gives_is_kept_only_if_it_cannot_differ() {
    let pure = referenced(
        &format!(
            "{ASSERTION}import math\ndef half(x):\n    return math.floor(x / 2)\ndef ref(x: int) -> list:\n    return [half(x)] * 3\n"
        ),
        "[[1], [8], [9]]",
    );
    check("def f(x):\n    return [x // 2] * 3", &pure, true);
    check("def f(x):\n    return [x // 2] * (3 if x < 9 else 2)", &pure, false);
    check("def f(x):\n    return [x // 2] * 3", &pure, true);
    // The tests change what they expect: the next solution finds it whole.
    let changing = referenced(
        "def assertion(out, exp, atol):\n    exp.append(0)\n    assert out + [0] == exp\ndef ref(x):\n    return [x]\n",
        "[[1], [2]]",
    );
    check("def f(x):\n    return [x]", &changing, true);
    // These count their calls, each in its own way.
    for counting in [
        "def ref(x, seen=[]):\n    seen.append(x)\n    return len(seen)\n",
        "seen = []\ndef ref(x):\n    seen.append(x)\n    return len(seen)\n",
        "calls = 0\ndef ref(x):\n    global calls\n    calls += 1\n    return calls\n",
    ] {
        let code = referenced(&format!("{ASSERTION}{counting}"), "[[5], [5], [5]]");
        check("seen = []\ndef f(x):\n    seen.append(x)\n    return len(seen)", &code, true);
        check("def f(x):\n    return 1", &code, false);
    }
    // What the solution defines is not the reference's to keep.
    let foreign = referenced(&format!("{ASSERTION}def ref(x):\n    return x + ONE\n"), "[[1], [2]]");
    check("ONE = 1\ndef f(x):\n    return x + 1", &foreign, true);
    check("ONE = 2\ndef f(x):\n    return x + 2", &foreign, true);
    check("ONE = 1\ndef f(x):\n    return x + 2", &foreign, false);
    // A reference that changes its argument.
    let sorts =
        referenced(&format!("{ASSERTION}def ref(x):\n    x.sort()\n    return x\n"), "[[[2, 1]], [[3]]]");
    check("def f(x):\n    return sorted(x)", &sorts, true);
    check("def f(x):\n    return x", &sorts, false);
}

#[test]
fn long_answers_cross_whole() {
    let code = referenced(
        &format!("{ASSERTION}def ref(n):\n    return 'ab' * n\n"),
        "[[10], [3000000], [1], [2500000]]",
    );
    check("def f(n):\n    return 'ab' * n", &code, true);
    check("def f(n):\n    return 'ab' * n if n < 3000000 else 'ab' * (n - 1) + 'a?'", &code, false);
}
