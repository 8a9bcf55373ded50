//! Benchmarks in their original formats: small rows of our own in each, and the public files where they are at hand.
//!
//! Public files: a folder named by `HONE_BENCHMARKS`, else `../shared/benchmarks` beside the repository; a few rows of each
//! here, all of them by `hone eval --check NAME`.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use hone_environment::EnvironmentSet;
use hone_eval::benchmark::{
    BenchmarkSet, Problem, PromptStyle, benchmarks, check_references, find_benchmark,
};
use hone_eval::collect::{Job, Produced, collect};
use hone_eval::{base_pass_at, judge_base_tests};
use hone_model::FinishReason;
use hone_sandbox::{Isolation, OutcomeClass, Sandbox, SandboxConfig, TestSuite};
use serde_json::{Value, json};

/// One sandbox for all tests of this file.
pub(crate) fn sandbox() -> Arc<Sandbox> {
    static SANDBOX: OnceLock<Arc<Sandbox>> = OnceLock::new();
    let start = || {
        let config = SandboxConfig { isolation: Isolation::Standard, ..SandboxConfig::default() };
        Arc::new(Sandbox::start(config).expect("the sandbox starts"))
    };
    SANDBOX.get_or_init(start).clone()
}

pub(crate) fn read(name: &str, rows: &[Value]) -> Result<Vec<Problem>, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rows.jsonl");
    let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
    std::fs::write(&path, text).expect("written");
    find_benchmark(name).expect("known").read(&path).map_err(|error| error.to_string())
}

/// The classes of these answers to the first problem, as a base model's completions.
pub(crate) fn judged(name: &str, row: Value, answers: &[(&str, OutcomeClass)]) {
    let problems = read(name, &[row]).expect("a problem");
    let rules = find_benchmark(name).expect("known").rules;
    let check = check_references(&problems, &sandbox(), rules, None, &|_| {}).expect("judged");
    assert!(check.is_sound(), "{name}: {check:?}");
    let set = BenchmarkSet::new(problems, sandbox(), rules, PromptStyle::Completion);
    for (answer, expected) in answers {
        let verdict = set.open(0).step(answer).expect("judged").verdict.expect("a verdict");
        assert_eq!(verdict.class, *expected, "{name}: {answer:?}: {verdict:?}");
    }
}

use OutcomeClass::{CompileError, Passed, RuntimeError, WrongAnswer};

#[test]
fn human_eval_and_infilling() {
    let test = "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(0) == 0\n";
    let prompt = "import math\n\n\ndef twice(x: int) -> int:\n    \"\"\" Doubles x. \"\"\"\n";
    judged(
        "humaneval",
        json!({"task_id": "T/0", "prompt": prompt, "entry_point": "twice", "canonical_solution": "    return 2 * x\n", "test": test}),
        &[
            ("    return x + x\n", Passed),
            ("    return x + x\n\nprint(1 / 0)\n", Passed),
            ("    return x + 1\n", WrongAnswer),
            ("    return 2 * (x", CompileError),
            ("    import os\n    os._exit(0)\n", RuntimeError),
        ],
    );
    judged(
        "humaneval-infilling-single",
        json!({"task_id": "SingleLine/T/0", "prompt": "def twice(x):\n", "suffix": "    return y\n", "entry_point": "twice",
               "canonical_solution": "    y = 2 * x\n", "test": test}),
        &[("    y = x + x\n", Passed), ("    y = x\n", WrongAnswer), ("", RuntimeError)],
    );
    judged(
        "humaneval-x-python",
        json!({"task_id": "Python/0", "prompt": "def twice(x):\n    \"\"\" Doubles x. \"\"\"\n", "canonical_solution": "    return 2 * x\n",
               "test": format!("{test}\ncheck(twice)\n")}),
        &[("    return x * 2", Passed), ("    pass", WrongAnswer)],
    );
}

#[test]
fn mbpp_and_its_plus() {
    let row = json!({"task_id": 7, "text": "Double a number.", "code": "def twice(x):\r\n  return 2 * x", "test_setup_code": "",
                     "test_list": ["assert twice(2) == 4", "assert twice(0) == 0"], "challenge_test_list": []});
    judged(
        "mbpp",
        row.clone(),
        &[("def twice(x): return x + x", Passed), ("def twice(x): return 4", WrongAnswer)],
    );
    let mut plus = row;
    plus["test"] = "inputs = [[2], [0], [-3]]\nfor i in inputs:\n    assert twice(*i) == 2 * i[0]\n".into();
    judged(
        "mbpp+",
        plus,
        &[("def twice(x): return x + x", Passed), ("def twice(x): return abs(2 * x)", WrongAnswer)],
    );
}

#[test]
fn cruxeval_both_ways() {
    let row =
        json!({"id": "sample_0", "code": "def f(x):\n    return [x, x]", "input": "3", "output": "[3, 3]"});
    judged("cruxeval-o", row.clone(), &[(" [3, 3]", Passed), (" [3]", WrongAnswer), (" f(3)", RuntimeError)]);
    judged(
        "cruxeval-i",
        row,
        &[(" f(3)", Passed), (" f(1 + 2)", Passed), (" f(4)", WrongAnswer), (" [3, 3]", RuntimeError)],
    );
}

#[test]
fn leetcode_calls_a_method() {
    judged(
        "leetcode",
        json!({"task_id": "twice", "prompt": "from typing import *\n", "query": "Double x.", "entry_point": "Solution().twice",
               "completion": "class Solution:\n    def twice(self, x: int) -> int:\n        return 2 * x\n",
               "test": "def check(candidate):\n    assert candidate(x = 2) == 4\n", "meta": {"difficulty": "Easy"}}),
        &[
            ("class Solution:\n    def twice(self, x):\n        return x + x\n", Passed),
            ("class Solution:\n    def twice(self, x):\n        return x\n", WrongAnswer),
            ("def twice(x): return 2 * x", WrongAnswer),
        ],
    );
}

#[test]
fn contests_by_calls_and_by_what_is_printed() {
    judged(
        "apps",
        json!({"problem_id": 1, "question": "Double.", "difficulty": "introductory", "solutions": "[\"print(2 * int(input()))\"]",
               "input_output": "{\"inputs\": [\"2\\n\", \"5\\n\"], \"outputs\": [\"4\\n\", \"10\\n\"]}"}),
        &[("print(2 * int(input()))", Passed), ("print(4)", WrongAnswer), ("print(", CompileError)],
    );
    judged(
        "apps",
        json!({"problem_id": 2, "question": "Double.", "difficulty": "interview", "starter_code": "class Solution:\n    def twice(self, x):\n",
               "solutions": "[\"def twice(x):\\n    return 2 * x\\n\"]",
               "input_output": "{\"fn_name\": \"twice\", \"inputs\": [[2]], \"outputs\": [4]}"}),
        &[
            ("class Solution:\n    def twice(self, x):\n        return x * 2\n", Passed),
            ("def twice(x): return x", WrongAnswer),
        ],
    );
    judged(
        "livecodebench",
        json!({"question_id": "a", "question_content": "Double.", "contest_date": "2024-08-31T00:00:00", "difficulty": "easy",
               "starter_code": "", "metadata": "{}", "private_test_cases": "",
               "public_test_cases": "[{\"input\": \"2\\n\", \"output\": \"4.0\", \"testtype\": \"stdin\"}]"}),
        &[("print(2 * int(input()))", Passed), ("print(5)", WrongAnswer)],
    );
    judged(
        "livecodebench",
        json!({"question_id": "b", "question_content": "Pair.", "contest_date": "2024-08-31T00:00:00", "difficulty": "easy",
               "starter_code": "class Solution:\n    def pair(self, x, y):\n", "metadata": "{\"func_name\": \"pair\"}",
               "private_test_cases": "[{\"input\": \"3\\n\\\"a\\\"\", \"output\": \"[3, \\\"a\\\"]\", \"testtype\": \"functional\"}]",
               "public_test_cases": "[{\"input\": \"1\\n2\", \"output\": \"[1, 2]\", \"testtype\": \"functional\"}]"}),
        &[("class Solution:\n    def pair(self, x, y):\n        return (x, y)\n", Passed)],
    );
}

#[test]
fn a_chat_answers_code_is_found() {
    let row = json!({"task_id": "T/0", "prompt": "def twice(x):\n    \"\"\" Doubles x. \"\"\"\n", "entry_point": "twice",
                     "canonical_solution": "    return 2 * x\n", "test": "def check(candidate):\n    assert candidate(2) == 4\n"});
    let problems = read("humaneval", &[row]).expect("a problem");
    let set = BenchmarkSet::new(
        problems,
        sandbox(),
        find_benchmark("humaneval").expect("known").rules,
        PromptStyle::Chat,
    );
    for (answer, expected) in [
        (
            "Sure:\n```python\ndef twice(x):\n    return 2 * x\n\nprint(twice(input()))\n```\nThat's it.",
            Passed,
        ),
        ("```python\ndef twice(x):\n    return 2 * x\n\ndef helper(y):\n    return [y, (", Passed),
        ("def twice(x):\n    return 2 * x\n", Passed),
        ("I can't.", WrongAnswer),
    ] {
        let verdict = set.open(0).step(answer).expect("judged").verdict.expect("a verdict");
        assert_eq!(verdict.class, expected, "{answer:?}: {verdict:?}");
    }
}

#[test]
fn what_a_row_lacks_is_named() {
    for (name, row, expected) in [
        ("humaneval", json!({"task_id": "T/0"}), "row 1: key `prompt` is missing"),
        (
            "livecodebench",
            json!({"question_id": "a", "public_test_cases": "[]", "private_test_cases": "gASVAAAA"}),
            "private tests",
        ),
        ("apps", json!({"problem_id": 1, "input_output": "{}"}), "input_output.inputs"),
    ] {
        let message = read(name, &[row]).expect_err("must fail");
        assert!(message.contains(expected), "{name}: {message:?} lacks {expected:?}");
    }
    let row = json!({"id": "s", "code": "def f(x): return x", "input": "1", "output": "1"});
    assert!(read("cruxeval-o", &[row.clone(), row]).expect_err("twice").contains("every id once"));
}

/// The folder of the public files.
pub(crate) fn public_files() -> PathBuf {
    std::env::var_os("HONE_BENCHMARKS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/benchmarks"),
        PathBuf::from,
    )
}

/// A few rows of each; with `HONE_BENCHMARKS_ALL=NAME` all rows of one.
#[test]
fn references_of_the_public_files() {
    let all = std::env::var("HONE_BENCHMARKS_ALL").ok();
    for benchmark in benchmarks() {
        let is_all = all.as_ref().is_some_and(|name| name == benchmark.name);
        if all.is_some() && !is_all {
            continue;
        }
        let Some(path) = benchmark.find(&[public_files()]) else {
            eprintln!(
                "skipped: {} is not at hand (set HONE_BENCHMARKS to the folder of benchmarks)",
                benchmark.file
            );
            continue;
        };
        let problems = benchmark.read(&path).unwrap_or_else(|error| panic!("{}: {error}", benchmark.name));
        assert!(benchmark.problems == 0 || problems.len() == benchmark.problems, "{}", benchmark.name);
        for (id, _) in benchmark.broken.iter().chain(benchmark.exceptions) {
            assert!(problems.iter().any(|problem| problem.id == *id), "{}: no problem {id}", benchmark.name);
        }
        let has_references = problems.iter().any(|problem| problem.reference.is_some());
        if benchmark.name == "bigcodebench-hard" || !has_references {
            // BigCodeBench's references need libraries that a machine need not have.
            continue;
        }
        let is_built = matches!(problems[0].tests, hone_sandbox::TestSuite::Program { .. });
        let stride = if is_all { 1 } else { (problems.len() / if is_built { 3 } else { 12 }).max(1) };
        let some: Vec<Problem> = problems.into_iter().step_by(stride).collect();
        let check =
            check_references(&some, &sandbox(), benchmark.rules, Some(benchmark), &|_| {}).expect("judged");
        eprintln!("{}: {}", benchmark.name, check.summary());
        assert!(check.is_sound(), "{}: {check:?}", benchmark.name);
        assert!(check.passed > 0, "{}: {check:?}", benchmark.name);
    }
}

/// A row of EvalPlus's own format; the sums of its inputs need more digits than a float has.
fn plus_row() -> String {
    let prompt = "def add(a, b):\n    \"\"\" Adds. \"\"\"\n";
    let row = json!({"task_id": "T/0", "prompt": prompt, "entry_point": "add", "canonical_solution": "    return a + b\n",
                     "atol": 0, "base_input": "BASE", "plus_input": "PLUS"});
    row.to_string()
        .replace("\"BASE\"", "[[1, 2], [0.1, 0.2]]")
        .replace("\"PLUS\"", "[[100000000000000000000, 1], [[1.5], [2.5]], [\"a\", \"b\"]]")
}

#[test]
fn evalplus_rows_are_judged_by_their_inputs_and_the_canonical_solution() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rows.jsonl");
    std::fs::write(&path, plus_row() + "\n").expect("written");
    let benchmark = find_benchmark("humaneval+").expect("known");
    let problems = benchmark.read(&path).expect("a problem");
    let check = check_references(&problems, &sandbox(), benchmark.rules, None, &|_| {}).expect("judged");
    assert!(check.is_sound(), "{check:?}");
    let set = BenchmarkSet::new(problems.clone(), sandbox(), benchmark.rules, PromptStyle::Completion);
    let answers = [
        // Near enough for floats.
        ("    return a + b + 1e-9 if isinstance(a, float) else a + b\n", true, true),
        ("    return int(float(a + b)) if isinstance(a, int) else a + b\n", false, true),
        ("    return a + b if a != 'a' else 'x'\n", false, true),
        ("    return a + b if a != 1 else 4\n", false, false),
        ("    return a + b if isinstance(a, int) else 0.31\n", false, false),
    ];
    let jobs: Vec<Job> = (0..answers.len()).map(|sample| Job { problem: 0, sample }).collect();
    let produce = |job: Job| {
        let text = answers[job.sample].0.to_owned();
        let program = set.program(job.problem, &text);
        Ok(Produced { text, program, tokens: 0, finish: FinishReason::StopText })
    };
    let mut tasks =
        collect(&set, &jobs, 2, false, &produce, Vec::new(), &mut |_, _| {}, &mut |_| {}, &|| false)
            .expect("judged");
    assert!(base_pass_at(&tasks, &[1]).is_empty(), "nobody asked yet");
    judge_base_tests(&sandbox(), &problems, benchmark.rules, &mut tasks, &|_| {}, &|| false).expect("judged");
    for (sample, (answer, plus, base)) in tasks[0].samples.iter().zip(answers) {
        let found = (sample.is_passed(), sample.measurements.passes_base);
        assert_eq!(found, (plus, Some(base)), "{answer:?}: {:?}", sample.verdict);
    }
    let base = base_pass_at(&tasks, &[1, 5, 9]);
    assert_eq!(base.keys().collect::<Vec<_>>(), [&1, &5]);
    assert!((base[&1].value - 0.6).abs() < 1e-12, "{base:?}");
}

#[test]
fn mbpp_plus_has_its_asserts_as_base_tests_and_refuses_what_has_lost_its_tuples() {
    let row = json!({"task_id": 2, "prompt": "Add.", "code": "def f(x):\n    return x + 1\n", "test_imports": [],
                     "test_list": ["assert f(1) == 2"], "test": "assert f(1) == 2\nassert f(5) == 6\n"});
    let problems = read("mbpp+", std::slice::from_ref(&row)).expect("a problem");
    let TestSuite::Asserts { asserts, .. } = problems[0].base_tests.as_ref().expect("base tests") else {
        panic!("{:?}", problems[0].base_tests);
    };
    assert_eq!(asserts, &["assert f(1) == 2"]);
    let mut row = row;
    row["plus_input"] = json!([[1]]);
    let message = read("mbpp+", &[row]).expect_err("must be refused");
    assert!(message.contains("MbppPlus-OriginFmt"), "{message}");
}
