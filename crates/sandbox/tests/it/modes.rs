//! Each way of judging on small tasks: what passes, what does not, and one result a test.

use hone_sandbox::{JudgeMode, Judgement, Limits, OutcomeClass, SandboxError, Submission, TestSuite};
use serde_json::{Value, json};

use crate::sandbox;

fn submission(solution: &str, tests: Value) -> Submission {
    let tests: TestSuite = serde_json::from_value(tests).expect("a suite");
    Submission { solution: solution.into(), tests, limits: Limits::default() }
}

fn judge(solution: &str, tests: Value) -> Judgement {
    sandbox().judge(&submission(solution, tests)).expect("the sandbox itself works")
}

fn passed(judgement: &Judgement) -> Vec<bool> {
    judgement.tests.iter().map(|t| t.is_passed).collect()
}

/// A function that returns `found` (a Python expression) is judged against `expected` (JSON) by each rule.
fn check_rules(found: &str, expected: &str, [equal, livecodebench, apps]: [bool; 3]) {
    for (rule, is_right) in [("equal", equal), ("livecodebench", livecodebench), ("apps", apps)] {
        let case = json!({"arguments": "[]", "expected": expected});
        let tests = json!({"kind": "calls", "entry_point": "f", "rule": rule, "cases": [case]});
        let judgement = judge(&format!("def f():\n    return {found}\n"), tests);
        assert_eq!(passed(&judgement), [is_right], "{rule}: {found} for {expected}: {judgement:?}");
        assert_eq!(judgement.outcome.class == OutcomeClass::Passed, is_right);
        assert_eq!(judgement.mode, JudgeMode::Split);
    }
}

// What the benchmarks' own harnesses decide: APPS `eval/testing_util.py`, LiveCodeBench `testing_util.py`.
#[test]
fn answers_count_by_the_rule_of_their_benchmark() {
    let (all, none) = ([true; 3], [false; 3]);
    for (found, expected, rules) in [
        ("5", "5", all),
        ("5", "6", none),
        ("True", "1", all),
        ("1", "true", all),
        ("1.0", "1", all),
        ("-0.0", "0.0", all),
        ("0.1 + 0.2", "0.3", none),
        ("float('nan')", "NaN", none),
        ("float('inf')", "Infinity", all),
        ("None", "null", all),
        ("'1'", "1", none),
        ("(1, 2)", "[1, 2]", [false, true, true]),
        ("[(1, 2)]", "[[1, 2]]", [false, false, false]),
        ("[(1, 2)]", "[[[1, 2]]]", [false, false, true]),
        ("3", "[3]", [false, false, true]),
        ("[3]", "[3]", all),
        ("[3]", "3", none),
        ("3", "[3, 4]", [false, false, true]),
        ("[]", "[]", all),
        ("''", "[]", none),
        ("{1: 2}", r#"{"1": 2}"#, [false, false, true]),
        ("{'a': 2}", r#"{"a": 2}"#, all),
        ("{'a': 2}", r#"[{"a": 2}]"#, [false, false, true]),
        ("10 ** 400", &format!("1{}", "0".repeat(400)), all),
        ("10 ** 400 + 1", &format!("1{}", "0".repeat(400)), none),
        ("{1, 2}", "[1, 2]", none),
        ("iter([1])", "[1]", none),
    ] {
        check_rules(found, expected, rules);
    }
}

#[test]
fn calls_have_arguments_and_results_of_their_own() {
    let cases = json!([
        {"arguments": "[[3, 1, 2]]", "expected": "[1, 2, 3]"},
        {"arguments": "[[]]", "expected": "[]"},
        {"arguments": "[[1, 1]]", "expected": "[1, 1]"},
    ]);
    let tests = |entry_point: &str| json!({"kind": "calls", "entry_point": entry_point, "cases": cases});
    assert_eq!(passed(&judge("def f(x):\n    return sorted(x)\n", tests("f"))), [true; 3]);
    let method = "class Solution:\n    def f(self, x):\n        return sorted(set(x))\n";
    let some = judge(method, tests("Solution().f"));
    assert_eq!((passed(&some), some.passed_tests()), (vec![true, true, false], 2));
    assert_eq!(some.outcome.class, OutcomeClass::WrongAnswer);
    let raising = judge("def f(x):\n    return [min(x)] and sorted(x)\n", tests("f"));
    assert_eq!(passed(&raising), [true, false, true]);
    let error = raising.outcome.error.expect("the program's error");
    assert_eq!((error.kind.as_str(), error.line), ("ValueError", Some(2)));
    let missing = judge("def g(x):\n    return sorted(x)\n", tests("f"));
    assert_eq!(passed(&missing), [false; 3], "{missing:?}");
}

#[test]
fn a_dict_of_apps_has_numbers_for_keys_again() {
    let tests = json!({"kind": "calls", "entry_point": "f", "rule": "apps", "cases": [
        {"arguments": r#"[{"1": 2, "3": 4}]"#, "expected": r#"{"2": 1}"#},
        {"arguments": r#"[{"x": 2}]"#, "expected": r#""x""#},
    ]});
    let solution =
        "def f(d):\n    if 'x' in d:\n        return 'x'\n    assert set(d) == {1, 3}\n    return {2: 1}\n";
    assert_eq!(passed(&judge(solution, tests)), [true, true]);
}

#[test]
fn a_script_is_cut_into_its_tests() {
    let code = "import math\n\ndef near(a, b):\n    assert math.isclose(a, b)\n\nvalues = [1, 4]\n\
                assert f(0) == 0\nfor v in values:\n    near(f(v), math.sqrt(v))\nnear(f(9), 3)\n";
    let tests = json!({"kind": "script", "code": code});
    let right = judge("def f(x):\n    return x ** 0.5\n", tests.clone());
    assert_eq!((right.outcome.class, passed(&right)), (OutcomeClass::Passed, vec![true; 3]));
    let wrong = judge("def f(x):\n    return x / 2 if x < 5 else 3\n", tests);
    assert_eq!(passed(&wrong), [true, false, true], "{wrong:?}");
    for useless in ["x = 1", "x = f(1)", "print(f(1))", "assert True"] {
        let judgement = judge("def f(x):\n    return x\n", json!({"kind": "script", "code": useless}));
        assert_ne!(judgement.outcome.class, OutcomeClass::Passed, "{useless}");
    }
    let stale = json!({"kind": "script", "code": "y = 1\ny = f(1) / 0\nassert y == 1\nassert f(1) == 1\n"});
    assert_eq!(passed(&judge("def f(x):\n    return x\n", stale)), [false, false]);
}

/// Long lists are compiled apart from the rest of the tests; nothing of that may be seen.
#[test]
fn long_lists_of_a_suite_are_what_they_say() {
    let numbers = (0..1_000).map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
    let texts = (0..600).map(|i| format!("'it[{i}] = [\\'x\\']'")).collect::<Vec<_>>().join(", ");
    // The tests change the lists, and the next solution must find them new.
    let asserts = "assert [f(v) for v in values] == [v + 1 for v in values] and len(values) == 1000\n\
                   assert f(texts[599]) == \"it[599] = ['x']1\" and len(texts) == 600\n\
                   assert len(nested['a']) == 5 and f(nested['a'][3]) == -2499.0 and nested['b'] == []\n\
                   assert f(1) == 2 and quoted.strip().startswith('values = [0, 1,')\n\
                   values.append(f(0)); texts.clear(); nested['b'].append(f(0))\n";
    let lists = format!(
        "values = [{numbers}]\ntexts = [{texts}]\nnested = {{'a': [1, None, True, -2.5e3, ({numbers})], 'b': []}}\n"
    );
    let right = "def f(x):\n    return x + 1 if type(x) is not str else x + '1'\n";
    let wrong = "def f(x):\n    return x + 1 if type(x) is not str and x != 999 else 'no'\n";
    // The second time one of the lines is within a text.
    for quoted in [
        format!("quoted = ('values = [0, 1, {numbers}]')\n"),
        format!("quoted = \"\"\"\nvalues = [{numbers}]\n\"\"\"\n"),
    ] {
        let code = format!("{lists}{quoted}{asserts}");
        let body: String = code.lines().map(|line| format!("    {line}\n")).collect();
        for tests in [
            json!({"kind": "script", "code": code}),
            json!({"kind": "check", "code": format!("def check(f):\n{body}"), "entry_point": "f"}),
        ] {
            for _ in 0..3 {
                let judgement = judge(right, tests.clone());
                assert_eq!(judgement.outcome.class, OutcomeClass::Passed, "{judgement:?}");
                let judgement = judge(wrong, tests.clone());
                assert_eq!(passed(&judgement)[..4], [false, false, true, true], "{judgement:?}");
            }
        }
    }
}

const SUITE: &str = "
import unittest
class Numbers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.two = 2
    def setUp(self):
        self.one = 1
    def test_one(self):
        self.assertEqual(f(self.one), self.two)
    def test_many(self):
        for i in range(3):
            with self.subTest(i=i):
                self.assertEqual(f(i), i + 1)
class Errors(unittest.TestCase):
    def test_type(self):
        with self.assertRaises(TypeError):
            f('a')
";

#[test]
fn tests_draw_the_same_random_numbers_each_time() {
    // The first number of Python's `random.Random(0)`; a fourth run would draw others, had the third left a trace.
    let check = "import random\ndef check(candidate):\n    assert candidate(round(random.random(), 6)) == 0.844422\n    \
                 random.seed(5)\n    assert candidate(random.randint(1, 9)) < 10\n";
    for turn in 0..4 {
        let tests = json!({"kind": "check", "code": check, "entry_point": "same"});
        let judgement = judge("def same(x):\n    return x\n", tests);
        assert_eq!(passed(&judgement), [true, true, true], "turn {turn}: {judgement:?}");
    }
}

#[test]
fn what_tests_change_of_a_module_is_not_left_to_the_next() {
    // The syntax shows no change; the module is imported by the tests, or found among the solution's imports.
    let change = "def fix(self):\n    self.pi = 3\ndef check(candidate):\n    fix(math)\n    \
                  assert candidate(math.pi) == 3\n";
    let look = "def check(candidate):\n    assert candidate(round(math.pi, 2)) == 3.14\n    \
                assert round(random.random(), 6) == 0.844422\n";
    let solution = "import math, random\ndef same(x):\n    return x\n";
    for head in ["import math, random\n", ""] {
        for turn in 0..6 {
            let judge = |code: &str| {
                let code = format!("{head}{code}");
                judge(solution, json!({"kind": "check", "code": code, "entry_point": "same"}))
            };
            let (changed, looked) = (judge(change), judge(look));
            assert_eq!(passed(&changed), [true, true], "turn {turn}: {changed:?}");
            assert_eq!(passed(&looked), [true, true], "turn {turn}: {looked:?}");
        }
    }
}

#[test]
fn unittest_suites_run_apart_or_jointly_and_say_so() {
    let apart = json!({"kind": "unittest", "code": SUITE});
    let jointly = json!({"kind": "joint", "tests": apart});
    for (tests, mode) in [(apart, JudgeMode::Split), (jointly, JudgeMode::Joint)] {
        let judge = |solution: &str| judge(solution, tests.clone());
        let right = judge("def f(x):\n    return x + 1\n");
        assert_eq!((right.outcome.class, right.mode), (OutcomeClass::Passed, mode), "{right:?}");
        // By class as written, by name within: many, one, type.
        assert_eq!(passed(&right), [true; 3]);
        assert_eq!(passed(&judge("def f(x):\n    return x + 1 if x != 2 else 0\n")), [false, true, true]);
        assert_eq!(passed(&judge("def f(x):\n    return 2\n")), [false, true, false]);
        let gone = judge("import os\ndef f(x):\n    os._exit(0)\n");
        assert_eq!(gone.outcome.class, OutcomeClass::RuntimeError, "{gone:?}");
        assert!(gone.tests.iter().all(|t| !t.is_passed));
        assert_eq!(judge("def f(x:\n").outcome.class, OutcomeClass::CompileError);
    }
}

#[test]
fn a_failed_fixture_fails_its_class_and_a_skipped_test_did_not_pass() {
    let code = "import unittest\nclass A(unittest.TestCase):\n    @classmethod\n    def setUpClass(cls):\n        \
                raise ValueError('no')\n    def test_a(self):\n        self.assertEqual(f(), 1)\n\
                class B(unittest.TestCase):\n    def test_b(self):\n        self.assertEqual(f(), 1)\n    \
                @unittest.skip('later')\n    def test_c(self):\n        pass\n\
                class C(unittest.TestCase):\n    def test_d(self):\n        self.assertEqual(f(), 1)\n    \
                @classmethod\n    def tearDownClass(cls):\n        raise ValueError('late')\n";
    let tests = json!({"kind": "unittest", "code": code});
    assert_eq!(passed(&judge("def f():\n    return 1\n", tests)), [false, true, false, false]);
    let none =
        json!({"kind": "unittest", "code": "import unittest\nclass T(unittest.TestCase):\n    pass\n"});
    assert_ne!(judge("def f():\n    return 1\n", none).outcome.class, OutcomeClass::Passed);
}

#[test]
fn tests_that_use_the_solutions_classes_pass_jointly() {
    let solution = "class Point:\n    def __init__(self, x):\n        self.x = x\n    def __eq__(self, other):\n        \
                    return self.x == other.x\ndef move(p):\n    return Point(p.x + 1)\n";
    let check = json!({"kind": "check", "code": "def check(f):\n    assert f(Point(1)) == Point(2)\n", "entry_point": "move"});
    let asserts = json!({"kind": "asserts", "setup": "p = Point(0)", "asserts": ["assert move(p) == Point(1)", "assert move(p).x == 1"]});
    let script =
        json!({"kind": "script", "code": "p = Point(0)\nassert move(p) == Point(1)\nassert p.x == 0\n"});
    for (tests, count) in [(check, 1), (asserts, 2), (script, 2)] {
        let apart = judge(solution, tests.clone());
        assert_ne!(
            apart.outcome.class,
            OutcomeClass::Passed,
            "equality of its own objects is not its to decide"
        );
        let jointly = judge(solution, json!({"kind": "joint", "tests": tests}));
        assert_eq!(jointly.outcome.class, OutcomeClass::Passed, "{jointly:?}");
        assert_eq!((jointly.mode, jointly.tests.len()), (JudgeMode::Joint, count));
        let wrong = judge(&solution.replace("+ 1", "+ 2"), json!({"kind": "joint", "tests": tests}));
        assert_eq!(wrong.outcome.class, OutcomeClass::WrongAnswer);
    }
}

#[test]
fn stdio_is_a_suite_too() {
    let cases = json!([{"stdin": "1 2\n", "stdout": "3\n"}, {"stdin": "5 5\n", "stdout": "10\n"}]);
    let tests = json!({"kind": "stdio", "cases": cases, "compare": "apps"});
    assert_eq!(passed(&judge("print(sum(map(int, input().split())))", tests.clone())), [true, true]);
    assert_eq!(passed(&judge("print(3)", tests)), [true, false]);
}

#[test]
fn an_empty_suite_is_refused() {
    for tests in [
        json!({"kind": "asserts", "asserts": []}),
        json!({"kind": "calls", "entry_point": "f", "cases": []}),
        json!({"kind": "stdio", "cases": []}),
        json!({"kind": "script", "code": ""}),
        json!({"kind": "joint", "tests": {"kind": "unittest", "code": ""}}),
    ] {
        let refused = sandbox().judge(&submission("def f(): pass", tests.clone()));
        assert!(matches!(refused, Err(SandboxError::BadSubmission(_))), "{tests}");
    }
}
