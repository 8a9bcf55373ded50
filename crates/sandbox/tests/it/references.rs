//! Reference solutions of public benchmarks must pass their own tests. Skipped where the data is not at hand.
//!
//! Data: a folder named by `HONE_BENCHMARKS`, else `../shared/benchmarks` beside the repository. Large sets are
//! sampled; `HONE_BENCHMARKS_ALL=1` takes every row.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use hone_sandbox::{Limits, OutcomeClass, Submission, TestSuite};
use serde_json::Value;

use crate::sandbox;

fn rows(file: &str) -> Option<Vec<Value>> {
    let folder = std::env::var_os("HONE_BENCHMARKS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/benchmarks"),
        PathBuf::from,
    );
    let path = folder.join(file);
    if !path.exists() {
        eprintln!("skipped: {file} is not at hand (set HONE_BENCHMARKS to the folder of benchmarks)");
        return None;
    }
    let text = if file.ends_with(".gz") {
        let output = Command::new("gzip").arg("-dc").arg(&path).output().expect("gzip runs");
        String::from_utf8(output.stdout).expect("benchmarks are UTF-8")
    } else {
        std::fs::read_to_string(&path).expect("benchmarks are UTF-8")
    };
    if file.ends_with(".json") {
        return serde_json::from_str(&text).ok();
    }
    Some(text.lines().map(|l| serde_json::from_str(l).expect("a row is JSON")).collect())
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_default()
}

/// Judges every `stride`-th row and demands that all pass; those in `broken` may fail.
fn check(
    file: &str,
    stride: usize,
    broken: &[&str],
    submission: impl Fn(&Value) -> (String, Submission) + Sync,
) {
    let Some(rows) = rows(file) else { return };
    let stride = if std::env::var_os("HONE_BENCHMARKS_ALL").is_some() { 1 } else { stride };
    let rows: Vec<Value> = rows.into_iter().step_by(stride).collect();
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..sandbox().workers() {
            scope.spawn(|| {
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (id, submission) = submission(row);
                    let judgement = sandbox().judge(&submission).expect("the sandbox itself works");
                    let has_passed = judgement.outcome.class == OutcomeClass::Passed;
                    if !has_passed && !broken.contains(&id.as_str()) {
                        let failed =
                            judgement.tests.iter().find(|t| !t.is_passed).and_then(|t| t.message.clone());
                        let line = format!(
                            "{id}: {:?} {:?} {failed:?}",
                            judgement.outcome.class, judgement.outcome.error
                        );
                        failures.lock().expect("no panic").push(line);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no panic");
    eprintln!(
        "{file}: {} rows, {} failures, {:.1} s",
        rows.len(),
        failures.len(),
        started.elapsed().as_secs_f64()
    );
    assert!(failures.is_empty(), "{file}:\n{}", failures.join("\n"));
}

fn limits() -> Limits {
    Limits { cpu_ms: 60_000, wall_ms: 240_000, memory_bytes: 1 << 30, ..Limits::default() }
}

fn check_function(row: &Value, preamble: &str) -> TestSuite {
    TestSuite::Check {
        code: format!("{preamble}\n{}", text(row, "test")),
        entry_point: text(row, "entry_point").into(),
    }
}

#[test]
fn human_eval() {
    check("humaneval/HumanEval.jsonl.gz", 1, &[], |row| {
        let solution = format!("{}{}", text(row, "prompt"), text(row, "canonical_solution"));
        (
            text(row, "task_id").into(),
            Submission { solution, tests: check_function(row, ""), limits: limits() },
        )
    });
}

#[test]
fn human_eval_plus() {
    check("humanevalplus/HumanEvalPlus-OriginFmt.jsonl.gz", 16, &["HumanEval/32"], |row| {
        let solution = format!("{}{}", text(row, "prompt"), text(row, "canonical_solution"));
        (
            text(row, "task_id").into(),
            Submission { solution, tests: check_function(row, ""), limits: limits() },
        )
    });
}

#[test]
fn mbpp() {
    for (file, code) in [("mbpp/mbpp.jsonl", "code"), ("mbpp/sanitized-mbpp.json", "code")] {
        check(file, 6, &[], |row| {
            let strings = |key: &str| -> Vec<String> {
                row[key]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|v| v.as_str().map(str::to_owned))
                    .collect()
            };
            let setup = format!("{}\n{}", strings("test_imports").join("\n"), text(row, "test_setup_code"));
            let tests = TestSuite::Asserts { setup, asserts: strings("test_list") };
            (
                row["task_id"].to_string(),
                Submission { solution: text(row, code).into(), tests, limits: limits() },
            )
        });
    }
}

#[test]
fn mbpp_plus() {
    check("mbppplus/MbppPlus-OriginFmt.jsonl.gz", 8, &["Mbpp/599"], |row| {
        let tests = TestSuite::Asserts { setup: String::new(), asserts: vec![text(row, "test").into()] };
        let id = row["task_id"].as_str().map_or_else(|| format!("Mbpp/{}", row["task_id"]), str::to_owned);
        (id, Submission { solution: text(row, "code").into(), tests, limits: limits() })
    });
}

#[test]
fn cruxeval() {
    check("cruxeval/cruxeval.jsonl", 8, &[], |row| {
        let assert = format!("assert f({}) == {}", text(row, "input"), text(row, "output"));
        let tests = TestSuite::Asserts { setup: String::new(), asserts: vec![assert] };
        (text(row, "id").into(), Submission { solution: text(row, "code").into(), tests, limits: limits() })
    });
}

/// Imports numpy, which the machine need not have.
const NEEDS_NUMPY: &str = "abbreviating-the-product-of-a-range";

#[test]
fn leetcode() {
    check(
        "leetcodedataset/LeetCodeDataset-v0.2.0-train.jsonl.gz",
        40,
        &["word-ladder-ii", NEEDS_NUMPY],
        |row| {
            let solution = format!("{}\n{}", text(row, "prompt"), text(row, "completion"));
            let tests = check_function(row, text(row, "prompt"));
            (text(row, "task_id").into(), Submission { solution, tests, limits: limits() })
        },
    );
}
