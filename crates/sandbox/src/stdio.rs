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

/// When printed output counts as the expected one. White space is Python's, as both benchmarks use its `strip`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Compare {
    /// Byte for byte.
    Exact,
    /// LiveCodeBench: outer white space removed, as many lines, each equal after trimming or equal as decimal numbers.
    #[default]
    Lines,
    /// APPS: empty lines dropped, as many lines, each equal after trimming or, as one number, within 1e-5 of its size.
    /// Its harness goes on to compare lines as sets of words, which forgives missing, repeated and reordered ones: not here.
    Apps,
    /// Codeforces: the same words in the same order, numbers within 1e-6 absolutely or relatively.
    Words,
}

impl Compare {
    /// What is wrong with `found`, or `Ok`.
    pub fn check(self, expected: &str, found: &str) -> Result<(), String> {
        match self {
            Compare::Exact if expected == found => Ok(()),
            Compare::Exact => Err("the output differs".into()),
            Compare::Lines => {
                let lines = |text| strip(text).split('\n').map(strip).collect::<Vec<_>>();
                compare_parts("line", &lines(expected), &lines(found), |e, f| {
                    e == f || are_equal_decimals(e, f)
                })
            }
            Compare::Apps => {
                let lines =
                    |text| strip(text).split('\n').map(strip).filter(|l| !l.is_empty()).collect::<Vec<_>>();
                // numpy's allclose with its default tolerances.
                let are_close = |e: &str, f: &str| are_close(e, f, |e| 1e-8 + 1e-5 * e);
                compare_parts("line", &lines(expected), &lines(found), |e, f| e == f || are_close(e, f))
            }
            Compare::Words => {
                let words = |text| words(text).collect::<Vec<_>>();
                let are_close = |e: &str, f: &str| are_close(e, f, |e| 1e-6 * e.max(1.0));
                compare_parts("word", &words(expected), &words(found), |e, f| e == f || are_close(e, f))
            }
        }
    }
}

/// What Python takes for white space.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|word| !word.is_empty())
}

fn compare_parts(
    what: &str,
    expected: &[&str],
    found: &[&str],
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
            short(expected[at]),
            short(found[at])
        )),
    }
}

/// Whether two lines hold the same numbers, digit by digit: `1.50 2e3` and `1.5 2000`, but not `0.30000000000000004` and `0.3`.
fn are_equal_decimals(expected: &str, found: &str) -> bool {
    let numbers = |line| words(line).map(Decimal::read).collect::<Option<Vec<_>>>();
    match (numbers(expected), numbers(found)) {
        (Some(e), Some(f)) => !e.is_empty() && e == f,
        _ => false,
    }
}

/// A decimal number of any size: digits without outer zeros, times ten to a power. Zero has no sign.
#[derive(Debug, PartialEq)]
struct Decimal {
    is_negative: bool,
    digits: String,
    power: i64,
}

impl Decimal {
    /// Reads `12`, `-1.50`, `.5`, `2e-3`; `None` for anything else.
    fn read(text: &str) -> Option<Decimal> {
        let (mantissa, power) = match text.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, whole_power(power)?),
            None => (text, 0),
        };
        let (is_negative, mantissa) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let digits = [whole, fraction].concat();
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let short = digits.trim_end_matches('0');
        let power = power + (digits.len() - short.len()) as i64 - fraction.len() as i64;
        let short = short.trim_start_matches('0');
        if short.is_empty() {
            return Some(Decimal { is_negative: false, digits: String::new(), power: 0 });
        }
        Some(Decimal { is_negative, digits: short.to_owned(), power })
    }
}

fn whole_power(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_plain = !digits.is_empty() && digits.len() < 16 && digits.bytes().all(|b| b.is_ascii_digit());
    if is_plain { text.parse().ok() } else { None }
}

/// Whether two words are numbers and differ by no more than `tolerance(|expected|)`. Whole numbers must be equal:
/// a part of a large one would forgive a wrong digit. So a number with a fraction must round to the whole one expected.
fn are_close(expected: &str, found: &str, tolerance: impl Fn(f64) -> f64) -> bool {
    let (Some(exact), Some(other)) = (Decimal::read(expected), Decimal::read(found)) else { return false };
    let is_whole = |text: &str| !text.contains(['.', 'e', 'E']);
    if is_whole(expected) && is_whole(found) {
        return exact == other;
    }
    // Beyond that, a double does not tell neighbouring whole numbers apart.
    const EXACT: f64 = (1_u64 << 52) as f64;
    match (expected.parse::<f64>(), found.parse::<f64>()) {
        (Ok(e), Ok(f)) if is_whole(expected) && e.is_finite() && f.is_finite() => {
            exact == other || e.abs() < EXACT && (e - f).abs() <= tolerance(e.abs()).min(0.499_999)
        }
        (Ok(e), Ok(f)) if e.is_finite() && f.is_finite() => (e - f).abs() <= tolerance(e.abs()),
        _ => exact == other,
    }
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
            message = Some(outcome.why());
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
            ("1e-7", "0.0000001", true),
            ("2E3 .5", "2000 0.50", true),
            ("1e5", "1e6", false),
            ("123456789012345678901234567890", "123456789012345678901234567891", false),
            ("a\x1f", "a", true),
            ("1\r\n2\r\n", "1\n2\n", true),
            ("e", "E", false),
            ("1e", "1", false),
            ("nan", "NaN", false),
        ] {
            assert_eq!(agree(Compare::Lines, expected, found), is_equal, "{expected:?} {found:?}");
        }
    }

    #[test]
    fn apps_forgives_empty_lines_and_rounding_but_no_missing_line() {
        for (expected, found, is_equal) in [
            ("1\n2\n3\n", "1\n2\n3", true),
            ("1\n\n2", "1\n2\n", true),
            ("1\n2\n3", "1\n2", false),
            ("YES\nYES\nNO", "YES\nNO", false),
            ("1 2", "2 1", false),
            ("1\n2", "2\n1", false),
            ("1 2\n3", "1\n2 3", false),
            ("0.333333", "0.3333334", true),
            ("0.33", "0.34", false),
            ("3", "3.0", true),
            ("1000000007", "1000000008", false),
            ("1000000007", "1000000008.0", false),
            ("1000000007", "1000000007.25", true),
            ("123456789012345678", "123456789012345680.0", false),
            ("123456789012345678", "1.23456789012345678e17", true),
            ("1000000007.5", "1000000008.5", true),
            ("", "", true),
            ("", "0", false),
            ("1e400", "1e401", false),
        ] {
            assert_eq!(agree(Compare::Apps, expected, found), is_equal, "{expected:?} {found:?}");
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
            ("1000000007", "1000000040.0", false),
            ("20000003", "2.0000010e7", false),
            ("3", "3.0000001", true),
            ("YES", "Yes", false),
            ("nan", "inf", false),
        ] {
            assert_eq!(agree(Compare::Words, expected, found), is_equal, "{expected:?} {found:?}");
        }
        assert!(!agree(Compare::Exact, "1\n", "1"));
    }
}
