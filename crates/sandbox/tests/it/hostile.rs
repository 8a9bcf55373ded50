//! Parsers of hostile bytes: whatever comes, they come back, and what was written properly is read as it was.

use hone_sandbox::{Language, Limits, OutcomeClass, Submission, TestSuite, hostile};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::sandbox;

/// Bytes that look like what a parser expects, so that more than its first line is tried.
fn shaped(pieces: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => select(pieces).prop_map(|text| text.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..12),
        1 => any::<i64>().prop_map(|number| number.to_string().into_bytes()),
    ];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

const VERDICT: &[&str] = &[
    "{\"total\": ",
    "{\"test\": ",
    "\"passed\": true",
    "\"end\": true",
    "\"gone\": true",
    "}\n",
    ", ",
    "\"secret\": \"s\"",
    "\"error\": {\"kind\": \"E\"}",
    "\"message\": \"\\ud800\"",
    "\n",
    "[",
    "1e999",
    "null",
    "18446744073709551616",
];

const SAID: &[&str] = &[
    "program.c:",
    "program.cpp:",
    "program.rs:",
    "program.go:",
    "Main.java:",
    "program.js:",
    "program.sh: line ",
    "3",
    ":",
    "\n",
    " error: ",
    "error[E0382]: ",
    "error",
    "^",
    "    ^\n",
    "panicked at '",
    "panicked at ",
    "',",
    "Assertion `",
    "terminate called after throwing an instance of '",
    "'",
    "what():",
    "Exception in thread \"",
    "\" ",
    "panic: ",
    "runtime error: ",
    "Uncaught ",
    "TypeError: ",
    " [",
    "--- FAIL",
    "é",
    "\u{2028}",
    "memory allocation of ",
    "undefined reference",
    "FATAL ERROR: ",
    "SyntaxError",
    "4294967296",
];

const REPORT: &[&str] = &[
    "==7== ",
    "Callgrind, a call-graph",
    "Events    : Ir\n",
    "Collected : ",
    "Collected",
    "12345",
    "\n",
    "== ",
    "==",
];

const SUITE: &[&str] = &[
    "{\"kind\": \"",
    "asserts",
    "check",
    "calls",
    "stdio",
    "joint",
    "program",
    "unittest",
    "\"",
    ", ",
    ": ",
    "[",
    "]",
    "{",
    "}",
    "\"asserts\": [\"assert f()\"]",
    "\"code\": \"",
    "\"entry_point\": \"f",
    "\"cases\": []",
    "\"tests\": ",
    "\"language\": \"c\"",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_survived(bytes in vec(any::<u8>(), 0..300)) {
        survive(&bytes);
    }

    #[test]
    fn bytes_that_look_right_are_survived(
        verdict in shaped(VERDICT), said in shaped(SAID), report in shaped(REPORT), suite in shaped(SUITE),
    ) {
        for bytes in [verdict, said, report, suite] {
            survive(&bytes);
        }
    }

    #[test]
    fn a_whole_verdict_is_read_as_it_was_written(passed in vec(any::<bool>(), 0..20), cut in 0..2000usize) {
        let mut text = format!("{{\"total\": {}}}\n", passed.len());
        for (test, is_passed) in passed.iter().enumerate() {
            text.push_str(&format!("{{\"test\": {test}, \"passed\": {is_passed}}}\n"));
        }
        let last = "{\"end\": true}";
        text.push_str(last);
        let (results, is_complete) = hostile::verdict_lines(text.as_bytes(), None);
        prop_assert!(is_complete);
        prop_assert_eq!(results, passed.iter().copied().map(Some).collect::<Vec<_>>());
        // Cut off anywhere before its end, it is not complete, and tells no test otherwise than it was.
        let cut = cut % text.len();
        let (results, is_complete) = hostile::verdict_lines(&text.as_bytes()[..cut], None);
        prop_assert!(!is_complete);
        for (told, is_passed) in results.iter().zip(&passed) {
            prop_assert!(told.is_none() || *told == Some(*is_passed));
        }
        let (results, is_complete) = hostile::verdict_lines(text.as_bytes(), Some("secret"));
        prop_assert!(results.is_empty() && !is_complete, "lines without the secret are nobody's");
    }

    #[test]
    fn an_artifact_is_sound_whole_and_nothing_else(
        names in vec("[a-z.]{0,3}/?[a-zA-Z$._-]{0,8}", 1..6), contents in vec(any::<u8>(), 0..50), cut in 1..200usize,
    ) {
        let files: Vec<(&[u8], &[u8])> = names.iter().map(|name| (name.as_bytes(), &contents[..])).collect();
        let bytes = hostile::artifact(&files);
        let leads_out = |name: &String| name.split('/').any(|part| matches!(part, "" | "." | ".."));
        prop_assert_eq!(hostile::artifact_is_sound(&bytes), !names.iter().any(leads_out), "{:?}", names);
        let last = 8 + names[names.len() - 1].len() + contents.len();
        let cut = 1 + cut % last.max(2);
        if cut < last {
            prop_assert!(!hostile::artifact_is_sound(&bytes[..bytes.len() - cut]));
        }
    }

    #[test]
    fn equal_output_is_equal_and_a_missing_line_never_is(lines in vec("[a-z0-9.e+-]{1,6}", 1..8), drop in any::<usize>()) {
        let text = lines.join("\n");
        prop_assert_eq!(hostile::comparisons(&text, &text), [true; 4]);
        let mut fewer = lines.clone();
        fewer.remove(drop % lines.len());
        prop_assert_eq!(hostile::comparisons(&text, &fewer.join("\n")), [false; 4]);
        prop_assert_eq!(hostile::comparisons(&fewer.join("\n"), &text), [false; 4]);
    }
}

/// Gives the bytes to every parser.
fn survive(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = hostile::reply(bytes);
    let _ = hostile::verdict_lines(bytes, None);
    let _ = hostile::verdict_lines(bytes, Some("s"));
    let _ = hostile::failure_report(bytes);
    let _ = hostile::artifact_is_sound(bytes);
    let _ = hostile::counted_instructions(bytes);
    let _ = hostile::test_suite(bytes);
    let middle = (0..=text.len() / 2).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    let (half, rest) = text.split_at(middle);
    let _ = hostile::comparisons(half, rest);
    for language in Language::ALL {
        let error = hostile::build_diagnosis(language, &text, 9);
        assert!(error.line.is_none_or(|line| (1..=9).contains(&line)), "a place in the program: {error:?}");
        assert!(error.message.chars().count() <= 2_000);
        let error = hostile::crash_diagnosis(language, &text, None, 9);
        assert!(error.is_none_or(|error| error.line.is_none_or(|line| line <= 9)));
    }
}

#[test]
fn noise_on_every_descriptor_of_a_solution_passes_nothing() {
    let tests = TestSuite::Asserts { setup: String::new(), asserts: vec!["assert f(1) == 2".into()] };
    // The same numbers in every run: a linear congruence, in frames that begin like whole ones.
    for seed in 0..12u32 {
        let noise = format!(
            "import os\nstate = {seed}\ndef byte():\n    global state\n    state = (state * 1103515245 + 12345) % 2**31\n    \
             return state >> 16 & 255\ndef noise():\n    for fd in range(64):\n        body = bytes(byte() for _ in range(200))\n        \
             for frame in (body, len(body).to_bytes(4, 'little') + body, b'{{\"end\": true}}\\n' + body):\n            \
             try:\n                os.write(fd, frame)\n            except OSError:\n                pass\n"
        );
        let calls = if seed % 2 == 0 {
            "noise()\ndef f(x): return 0\n"
        } else {
            "def f(x):\n    noise()\n    return 0\n"
        };
        let limits = Limits { cpu_ms: 1_000, wall_ms: 3_000, ..Limits::default() };
        let submission = Submission { solution: format!("{noise}{calls}"), tests: tests.clone(), limits };
        let judgement = sandbox().judge(&submission).expect("the sandbox outlives noise");
        assert_ne!(judgement.outcome.class, OutcomeClass::Passed, "seed {seed}");
    }
    let honest = Submission { solution: "def f(x): return x + 1\n".into(), tests, limits: Limits::default() };
    assert_eq!(sandbox().judge(&honest).expect("runs").outcome.class, OutcomeClass::Passed);
}
