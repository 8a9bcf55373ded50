//! The parsers that read bytes which a program, its compiler or its tests' process may choose, by name.
//!
//! For fuzz targets and property tests only, and no part of the crate's interface. What each must do with any bytes at
//! all: come back, without a panic, and believe nothing that is not exactly as it should be.

use crate::language::diagnosis::{self, Place};
use crate::run::{Report, payload};
use crate::{Compare, Language, ProgramError, TestSuite, meter, program, verdict, zygote};

/// A zygote's reply: whether it is whole, and the CPU milliseconds it tells.
pub fn reply(bytes: &[u8]) -> Option<f64> {
    zygote::parse_reply(bytes).map(|reply| reply.cpu_ms)
}

/// The lines of a verdict: which tests passed (`None`: nothing was said of it), and whether the verdict is complete.
pub fn verdict_lines(bytes: &[u8], secret: Option<&str>) -> (Vec<Option<bool>>, bool) {
    verdict::read_lines(bytes, secret)
}

/// What a program's process says of its own failure.
pub fn failure_report(bytes: &[u8]) -> Option<ProgramError> {
    serde_json::from_slice::<Report>(bytes).unwrap_or_default().error()
}

/// Whether the files that a build sent may be placed in a folder.
pub fn artifact_is_sound(bytes: &[u8]) -> bool {
    program::are_sound(bytes)
}

/// Names and contents as a build sends them.
pub fn artifact(files: &[(&[u8], &[u8])]) -> Vec<u8> {
    files.iter().flat_map(|(name, contents)| payload(&[name, contents])).collect()
}

/// What a compiler's text means for a program of `lines` lines.
pub fn build_diagnosis(language: Language, said: &str, lines: u32) -> ProgramError {
    diagnosis::of_build(language, said, &place(language, lines))
}

/// What a crashed program's text means.
pub fn crash_diagnosis(
    language: Language,
    said: &str,
    signal: Option<i32>,
    lines: u32,
) -> Option<ProgramError> {
    diagnosis::of_run(language, said, signal, &place(language, lines))
}

/// The count in callgrind's report.
pub fn counted_instructions(report: &[u8]) -> Option<u64> {
    meter::reported_instructions(report)
}

/// Whether `found` counts as `expected` by each rule, in the order of `Compare`.
pub fn comparisons(expected: &str, found: &str) -> [bool; 4] {
    [Compare::Exact, Compare::Lines, Compare::Apps, Compare::Words]
        .map(|rule| rule.check(expected, found).is_ok())
}

/// A task's tests as they stand in a tasks file or a request.
pub fn test_suite(json: &[u8]) -> Option<TestSuite> {
    serde_json::from_slice::<TestSuite>(json).ok().filter(|suite| suite.check().is_ok())
}

fn place(language: Language, lines: u32) -> Place {
    let file = match language {
        Language::Python => "program.py",
        Language::C => "program.c",
        Language::Cpp => "program.cpp",
        Language::Rust => "program.rs",
        Language::JavaScript => "program.js",
        Language::Go => "program.go",
        Language::Java => "Main.java",
        Language::Bash => "program.sh",
    };
    Place { file: file.into(), lines, has_tests: false }
}
