//! HumanEval-X (arXiv 2303.17568): every reference solution passes its test program, where the data is at hand.
//!
//! Rows that need a library beside the language's own are left out, by what they include.

use hone_sandbox::{Language, Submission, TestSuite};
use serde_json::Value;

use crate::references::{check, limits, text};

/// Includes and crates that a plain toolchain does not bring.
const LIBRARIES: [&str; 7] =
    ["boost/", "openssl/", "rand::thread_rng", "rand::random", "Regex::new", "md5::compute", "js-md5"];

/// The row as a submission; a trivial one in place of a row that needs a library.
fn submission(language: Language, row: &Value, solution: String, tests: String) -> (String, Submission) {
    let id = text(row, "task_id").to_owned();
    let needs_library = LIBRARIES.iter().any(|l| solution.contains(l) || tests.contains(l));
    let (solution, tests) = if needs_library {
        eprintln!("skipped: {id} needs a library beside {}", language.name());
        ("def f(): return 1".into(), TestSuite::Script { code: "assert f() == 1".into() })
    } else {
        (solution, TestSuite::Program { language, code: tests })
    };
    (id, Submission { solution, tests, limits: limits() })
}

fn whole(language: Language, row: &Value) -> (String, Submission) {
    let solution = format!("{}{}", text(row, "prompt"), text(row, "canonical_solution"));
    submission(language, row, solution, text(row, "test").to_owned())
}

#[test]
fn human_eval_x_cpp() {
    check("humaneval-x/humaneval_cpp.jsonl.gz", 41, &[], |row| whole(Language::Cpp, row));
}

#[test]
fn human_eval_x_java() {
    check("humaneval-x/humaneval_java.jsonl.gz", 27, &[], |row| whole(Language::Java, row));
}

/// Wrong in the data itself: plain node prints `Assertion failed` for both.
const WRONG: [&str; 2] = ["JavaScript/112", "JavaScript/155"];

#[test]
fn human_eval_x_javascript() {
    check("humaneval-x/humaneval_js.jsonl.gz", 9, &WRONG, |row| whole(Language::JavaScript, row));
}

#[test]
fn human_eval_x_go() {
    // What its reference says depends on the order of a map, which Go shuffles.
    check("humaneval-x/humaneval_go.jsonl.gz", 13, &["Go/95"], |row| {
        // Rows list imports for solution and tests together; here these are two files with what each uses.
        let body = format!("{}{}", text(row, "declaration"), text(row, "canonical_solution"));
        let solution = format!("package main\n{}{body}", imports(&body));
        let tests = text(row, "test");
        let setup = "package main\nimport \"testing\"\nimport \"github.com/stretchr/testify/assert\"\n";
        submission(Language::Go, row, solution, format!("{setup}{}{tests}", imports(tests)))
    });
}

/// An import of every standard package that `code` uses.
fn imports(code: &str) -> String {
    let packages =
        ["bytes", "crypto/md5", "fmt", "math", "math/rand", "regexp", "sort", "strconv", "strings", "time"];
    let is_used = |path: &&&str| {
        let name = format!("{}.", path.rsplit('/').next().unwrap_or(path));
        code.match_indices(&name).any(|(at, _)| {
            let is_whole = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '.');
            is_whole && code[at + name.len()..].starts_with(|c: char| c.is_ascii_uppercase())
        })
    };
    packages.iter().filter(is_used).map(|path| format!("import {path:?}\n")).collect()
}

#[test]
fn human_eval_x_rust() {
    check("humaneval-x/humaneval_rust.jsonl.gz", 13, &[], |row| {
        // Every row imports three crates; those that use none of them do without.
        let declaration: String = text(row, "declaration")
            .lines()
            .filter(|l| !["use rand::Rng;", "use regex::Regex;", "use md5;"].contains(&l.trim()))
            .flat_map(|l| [l, "\n"])
            .collect();
        let solution = format!("{}{declaration}{}", text(row, "prompt"), text(row, "canonical_solution"));
        submission(Language::Rust, row, solution, text(row, "test").to_owned())
    });
}
