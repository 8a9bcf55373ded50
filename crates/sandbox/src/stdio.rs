//! Problems of stdin and stdout: the program runs once a case, and its output is compared outside of it.
//!
//! Never a pairwise walk over lines that would forgive missing or extra ones.

use serde::{Deserialize, Serialize};

use crate::{JudgeMode, Judgement, Limits, Outcome, OutcomeClass, TestResult};

/// One case of a stdin/stdout problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StdioCase {
    /// What the program reads.
    pub stdin: String,
    /// What it must print.
    pub stdout: String,
}

/// When printed output counts as the expected one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Compare {
    /// Byte for byte.
    Exact,
    /// LiveCodeBench: outer white space removed, as many lines, each equal after trimming or equal as decimal numbers.
    #[default]
    Lines,
    /// APPS and Codeforces: the same words in the same order, numbers within 1e-6 absolutely or relatively.
    Words,
}

impl Compare {
    /// What is wrong with `found`, or `Ok`.
    pub fn check(self, expected: &str, found: &str) -> Result<(), String> {
        match self {
            Compare::Exact if expected == found => Ok(()),
            Compare::Exact => Err("the output differs".into()),
            Compare::Lines => {
                let lines = |text: &str| text.trim().lines().map(|l| l.trim().to_owned()).collect::<Vec<_>>();
                compare_parts("line", &lines(expected), &lines(found), |e, f| {
                    e == f || are_equal_decimals(e, f)
                })
            }
            Compare::Words => {
                let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
                compare_parts("word", &words(expected), &words(found), |e, f| e == f || are_close(e, f))
            }
        }
    }
}

fn compare_parts(
    what: &str,
    expected: &[String],
    found: &[String],
    is_equal: impl Fn(&str, &str) -> bool,
) -> Result<(), String> {
    let short = |text: &str| text.chars().take(200).collect::<String>();
    if expected.len() != found.len() {
        return Err(format!("expected {} {what}s, found {}", expected.len(), found.len()));
    }
    match expected.iter().zip(found).position(|(e, f)| !is_equal(e, f)) {
        None => Ok(()),
        Some(at) => Err(format!(
            "{what} {}: expected {:?}, found {:?}",
            at + 1,
            short(&expected[at]),
            short(&found[at])
        )),
    }
}

/// Whether two lines hold the same numbers, digit by digit: `1.50 2` and `1.5 2.0`, but not `0.30000000000000004` and `0.3`.
fn are_equal_decimals(expected: &str, found: &str) -> bool {
    let numbers = |line: &str| line.split_whitespace().map(normal_decimal).collect::<Option<Vec<_>>>();
    match (numbers(expected), numbers(found)) {
        (Some(e), Some(f)) => !e.is_empty() && e == f,
        _ => false,
    }
}

/// A plain decimal without needless zeros and signs; `None` for anything else.
fn normal_decimal(text: &str) -> Option<String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |part: &str| part.chars().all(|c| c.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let sign = if whole.is_empty() && fraction.is_empty() { "" } else { sign };
    Some(format!("{sign}{whole}.{fraction}"))
}

fn are_close(expected: &str, found: &str) -> bool {
    let is_number = |text: &str| text.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
    let (true, true, Ok(e), Ok(f)) =
        (is_number(expected), is_number(found), expected.parse::<f64>(), found.parse::<f64>())
    else {
        return false;
    };
    // Whole numbers are compared as such: 1e-6 of a large one would forgive a wrong digit.
    let is_whole = |text: &str| !text.contains(['.', 'e', 'E']);
    if is_whole(expected) && is_whole(found) {
        return normal_decimal(expected) == normal_decimal(found);
    }
    (e - f).abs() <= 1e-6 * e.abs().max(1.0)
}

/// Judges by cases; `run` runs the program on one stdin. Cases after one that hit a limit are not run.
pub(crate) fn judge<E>(
    cases: &[StdioCase],
    compare: Compare,
    limits: &Limits,
    mut run: impl FnMut(&[u8], &Limits) -> Result<Outcome, E>,
) -> Result<Judgement, E> {
    let mut tests = Vec::with_capacity(cases.len());
    let mut worst: Option<Outcome> = None;
    let (mut cpu_ms, mut wall_ms) = (0.0, 0.0);
    for case in cases {
        let is_hopeless = worst.as_ref().is_some_and(|o| o.class < OutcomeClass::RuntimeError);
        if is_hopeless {
            tests.push(TestResult { is_passed: false, message: Some("not run".into()) });
            continue;
        }
        let mut outcome = run(case.stdin.as_bytes(), limits)?;
        cpu_ms += outcome.cpu_ms;
        wall_ms += outcome.wall_ms;
        let mut message = None;
        if outcome.class == OutcomeClass::Passed {
            if let Err(difference) = compare.check(&case.stdout, &outcome.stdout) {
                outcome.class = OutcomeClass::WrongAnswer;
                message = Some(difference);
            }
        } else {
            message = Some(outcome.error.as_ref().map_or_else(
                || format!("the program did not end well ({:?})", outcome.class),
                |error| format!("{}: {}", error.kind, error.message),
            ));
        }
        tests.push(TestResult { is_passed: outcome.class == OutcomeClass::Passed, message });
        if worst.as_ref().is_none_or(|w| outcome.class < w.class) {
            worst = Some(outcome);
        }
    }
    // The caller refuses an empty list of cases, so there is one outcome at least.
    let outcome = match worst {
        Some(outcome) => Outcome { cpu_ms, wall_ms, ..outcome },
        None => run(b"", limits)?,
    };
    Ok(Judgement { outcome, tests, mode: JudgeMode::Split })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agree(compare: Compare, expected: &str, found: &str) -> bool {
        compare.check(expected, found).is_ok()
    }

    #[test]
    fn lines_forgive_white_space_at_ends_and_nothing_else() {
        for (expected, found, is_equal) in [
            ("1\n2\n", "1\n2", true),
            ("1\n2\n", " 1 \n2\n\n", true),
            ("1\n2\n", "1\n", false),
            ("1\n", "1\n2\n", false),
            ("1\n2", "1\n\n2", false),
            ("1.50 2", "1.5 2.0", true),
            ("0.3", "0.30000000000000004", false),
            ("-0", "0", true),
            ("a b", "a  b", false),
            ("", "x", false),
            ("", "", true),
            (".", ".", true),
            ("+1", "1", true),
        ] {
            assert_eq!(agree(Compare::Lines, expected, found), is_equal, "{expected:?} {found:?}");
        }
    }

    #[test]
    fn words_forgive_layout_and_rounding() {
        for (expected, found, is_equal) in [
            ("1 2 3", "1\n2\n3\n", true),
            ("1 2 3", "1 2", false),
            ("0.3333333", "0.33333334", true),
            ("0.333", "0.334", false),
            ("1000000007", "1000000008", false),
            ("YES", "Yes", false),
            ("nan", "inf", false),
        ] {
            assert_eq!(agree(Compare::Words, expected, found), is_equal, "{expected:?} {found:?}");
        }
        assert!(!agree(Compare::Exact, "1\n", "1"));
    }
}
