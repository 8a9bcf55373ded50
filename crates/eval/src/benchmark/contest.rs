//! Benchmarks of contest problems: APPS (and APPS+, of the same format) and LiveCodeBench.
//!
//! A problem is judged by calls of a function, or by what a program prints. APPS' harness tries ever more lenient
//! comparisons in turn, down to sets of words; here a printed answer is compared line by line, numbers by its tolerance.
//! LiveCodeBench's private tests are base64 of zlib of a pickle: the pickle may hold one text, and nothing else is read.

use std::io::Read;

use hone_sandbox::{CallCase, CallRule, Compare, StdioCase, TestSuite};
use serde_json::Value;

use super::rows::Row;
use super::{Assembly, Problem};

/// Put before every program, as both harnesses do (they put more).
const IMPORTS: &str = "import sys, math, heapq, bisect, itertools, collections, string, re, random\nfrom typing import *\nfrom collections import *\nfrom itertools import *\nfrom functools import *\nfrom heapq import *\nfrom bisect import *\nfrom math import *\n";
/// Decompressed private tests are at most so large.
const MAX_PRIVATE: u64 = 1 << 30;

/// A row of APPS (Hendrycks et al., arXiv 2105.09938): of the hub's file, or of a problem's folder.
pub(super) fn apps(row: &Row) -> Result<Problem, String> {
    let tests = row.json("input_output")?;
    let list = |key: &str| -> Result<Vec<Value>, String> {
        let items = tests[key]
            .as_array()
            .ok_or_else(|| format!("key `input_output.{key}`: expected a list, found {}", tests[key]))?;
        Ok(items.clone())
    };
    let pairs = list("inputs")?.into_iter().zip(list("outputs")?);
    let entry_point = tests["fn_name"].as_str().map(str::to_owned);
    let tests = match &entry_point {
        Some(name) => TestSuite::Calls {
            entry_point: name.clone(),
            cases: pairs
                .map(|(i, o)| CallCase { arguments: i.to_string(), expected: o.to_string() })
                .collect(),
            rule: CallRule::Apps,
        },
        None => TestSuite::Stdio {
            cases: pairs.map(|(i, o)| StdioCase { stdin: lines(&i), stdout: lines(&o) }).collect(),
            compare: Compare::Apps,
            language: hone_sandbox::Language::default(),
        },
    };
    let solutions = row.json("solutions").unwrap_or(Value::Null);
    let reference =
        solutions[0].as_str().map(|solution| format!("{IMPORTS}{}", solution.replace("\r\n", "\n")));
    let (question, starter) = (row.text("question")?, row.text_or_empty("starter_code"));
    let form = if entry_point.is_some() { "Use Call-Based format" } else { "Use Standard Input format" };
    // The prompt of its paper, §A.
    let prompt = format!("\nQUESTION:\n{question}\n{starter}\n{form}\nANSWER:\n");
    Ok(Problem {
        memory_bytes: None,
        base_tests: None,
        id: row.id("problem_id")?,
        topic: row.text_or_empty("difficulty"),
        date: String::new(),
        question: question_of(&question, &starter),
        prompt,
        stops: vec!["\nQUESTION:".into(), "\n```".into()],
        assembly: Assembly::Program { preamble: IMPORTS.trim_end().to_owned(), entry_point },
        tests,
        reference,
    })
}

/// Lists of lines count as their lines.
fn lines(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(lines).collect::<Vec<_>>().join("\n"),
        other => other.to_string(),
    }
}

/// A row of LiveCodeBench (Jain et al., arXiv 2403.07974), code generation.
pub(super) fn live_code_bench(row: &Row) -> Result<Problem, String> {
    let mut cases = parse_cases(&row.text("public_test_cases")?)?;
    cases.extend(private_cases(&row.text("private_test_cases")?)?);
    let (question, starter) = (row.text("question_content")?, row.text_or_empty("starter_code"));
    let name =
        row.json("metadata").ok().and_then(|metadata| metadata["func_name"].as_str().map(str::to_owned));
    let is_functional = cases.iter().any(|case| case.testtype == "functional");
    let entry_point = if is_functional {
        Some(name.ok_or("key `metadata`: expected `func_name`, found none")?)
    } else {
        None
    };
    let tests = match &entry_point {
        Some(name) => TestSuite::Calls {
            entry_point: name.clone(),
            // One argument a line, each in JSON.
            cases: cases
                .iter()
                .map(|case| CallCase {
                    arguments: format!("[{}]", case.input.lines().collect::<Vec<_>>().join(",")),
                    expected: case.output.clone(),
                })
                .collect(),
            rule: CallRule::LiveCodeBench,
        },
        None => TestSuite::Stdio {
            cases: cases
                .iter()
                .map(|case| StdioCase { stdin: case.input.clone(), stdout: case.output.clone() })
                .collect(),
            compare: Compare::Lines,
            language: hone_sandbox::Language::default(),
        },
    };
    Ok(Problem {
        memory_bytes: None,
        base_tests: None,
        id: row.id("question_id")?,
        topic: row.text_or_empty("difficulty"),
        date: row.text_or_empty("contest_date").chars().take(10).collect(),
        question: question_of(&question, &starter),
        prompt: format!(
            "### Question:\n{question}\n\n### Format:\n{starter}\n\n### Answer: (use the provided format with backticks)\n\n"
        ),
        stops: vec!["###".into()],
        assembly: Assembly::Program { preamble: IMPORTS.trim_end().to_owned(), entry_point },
        tests,
        reference: None,
    })
}

fn question_of(question: &str, starter: &str) -> String {
    let form = if starter.trim().is_empty() {
        "Read the inputs from stdin, solve the problem and write the answer to stdout.".to_owned()
    } else {
        format!("Use this starter code:\n```python\n{}\n```", starter.trim_end())
    };
    format!("{}\n\n{form}\n\nAnswer with one Python program in a markdown code block.", question.trim())
}

#[derive(serde::Deserialize)]
struct Case {
    input: String,
    output: String,
    #[serde(default)]
    testtype: String,
}

fn parse_cases(text: &str) -> Result<Vec<Case>, String> {
    serde_json::from_str(text)
        .map_err(|error| format!("test cases: expected a JSON list of inputs and outputs, found {error}"))
}

/// Private tests: JSON, or base64 of zlib of a pickle of its text.
fn private_cases(text: &str) -> Result<Vec<Case>, String> {
    if text.trim_start().starts_with('[') || text.trim().is_empty() {
        return if text.trim().is_empty() { Ok(Vec::new()) } else { parse_cases(text) };
    }
    let compressed = base64(text)?;
    let mut pickle = Vec::new();
    let mut decoder = flate2::read::ZlibDecoder::new(&compressed[..]).take(MAX_PRIVATE);
    decoder
        .read_to_end(&mut pickle)
        .map_err(|error| format!("private tests: expected zlib, found {error}"))?;
    parse_cases(pickled_text(&pickle)?)
}

/// Bytes of base64 text.
fn base64(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=') {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            other => return Err(format!("private tests: expected base64, found the byte {other}")),
        };
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Ok(bytes)
}

/// The one text that a pickle holds: `PROTO`, `FRAME`, a text, `MEMOIZE` or `PUT`, `STOP`. Anything else, such as what
/// would call a function, is refused without a look.
fn pickled_text(pickle: &[u8]) -> Result<&str, String> {
    let mut rest = pickle;
    let mut found = None;
    let refused = |what: &str| format!("private tests: expected a pickle of one text, found {what}");
    while let Some((operation, tail)) = rest.split_first() {
        let number = |bytes: usize| -> Result<usize, String> {
            let digits = tail.get(..bytes).ok_or_else(|| refused("its end"))?;
            let value = digits.iter().rev().fold(0_u64, |value, digit| value << 8 | u64::from(*digit));
            usize::try_from(value).map_err(|_| refused("a length out of range"))
        };
        let (arguments, text) = match operation {
            0x80 | b'q' => (1, None),
            b'r' => (4, None),
            0x95 => (8, None),
            0x94 => (0, None),
            0x8c => (1, Some(number(1)?)),
            b'X' => (4, Some(number(4)?)),
            0x8d => (8, Some(number(8)?)),
            b'.' if tail.is_empty() => return found.ok_or_else(|| refused("none")),
            other => return Err(refused(&format!("the operation {other:#04x}"))),
        };
        let tail = tail.get(arguments..).ok_or_else(|| refused("its end"))?;
        rest = tail;
        if let Some(length) = text {
            let bytes = tail.get(..length).ok_or_else(|| refused("its end"))?;
            if found.is_some() {
                return Err(refused("two"));
            }
            found = Some(std::str::from_utf8(bytes).map_err(|_| refused("bytes that are no UTF-8"))?);
            rest = &tail[length..];
        }
    }
    Err(refused("no end"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pickle_of_one_text_is_read_and_nothing_else() {
        // pickle.dumps("[]") by protocols 4 and 2, and one that would call os.system.
        assert_eq!(pickled_text(b"\x80\x04\x95\x06\x00\x00\x00\x00\x00\x00\x00\x8c\x02[]\x94."), Ok("[]"));
        assert_eq!(pickled_text(b"\x80\x02X\x02\x00\x00\x00[]q\x00."), Ok("[]"));
        for pickle in [
            &b"cos\nsystem\n(S'true'\ntR."[..],
            b"\x80\x04\x8c\x02[]\x8c\x02[].",
            b"\x80\x04\x8c\xff[].",
            b"\x80\x04\x8c\x02[]",
            b"\x80\x04.",
            b"",
        ] {
            assert!(pickled_text(pickle).is_err(), "{pickle:?}");
        }
    }

    #[test]
    fn private_tests_are_unpacked() {
        // base64.b64encode(zlib.compress(pickle.dumps('[{"input": "1", "output": "2", "testtype": "stdin"}]'))).
        let packed = "eJxrYJlqwQABPSbR1UqZeQWlJUpWCkqGSjoKSvmlJVCuEYhbklpcUlJZkAoSKC5JycxTqo2dogcAOgkSqg==";
        let cases = private_cases(packed).expect("cases");
        assert_eq!(
            (cases[0].input.as_str(), cases[0].output.as_str(), cases[0].testtype.as_str()),
            ("1", "2", "stdin")
        );
        assert!(private_cases("!!").is_err());
        assert!(private_cases("").expect("none").is_empty());
        assert_eq!(base64("aG9uZQ=="), Ok(b"hone".to_vec()));
    }
}
