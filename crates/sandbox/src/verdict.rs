//! A judged run: tests in one zygote's child, the solution in another's, a socket between them.
//!
//! The verdict is read from a pipe that only the tester's process holds; of the solution's process nothing is
//! believed but its data, its resource use, and that it ended.

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use serde::Deserialize;

use crate::limit_hit::limit_hit;
use crate::run::{Report, exceeded, outcome_of, payload};
use crate::supervise::{Capture, Flight, supervise};
use crate::zygote::{Operation, Reason, Zygote, memory_file};
use crate::{CallRule, JudgeMode, Judgement, Limits, OutcomeClass, Submission, TestResult, TestSuite};

const MAX_VERDICT: u64 = 64 << 20;
const MAX_TESTER_OUTPUT: u64 = 1 << 20;

/// One line of the tester's verdict.
#[derive(Debug, Deserialize)]
struct Line {
    total: Option<usize>,
    test: Option<usize>,
    #[serde(default)]
    passed: bool,
    message: Option<String>,
    error: Option<Report>,
    load: Option<Report>,
    #[serde(default)]
    end: bool,
    #[serde(default)]
    gone: bool,
    secret: Option<String>,
}

/// What the tester's lines say together.
#[derive(Debug, Default)]
struct Verdict {
    results: Vec<Option<TestResult>>,
    error: Option<Report>,
    load: Option<Report>,
    is_complete: bool,
    /// The solution's process ended, or broke the protocol, before the tests were through.
    is_gone: bool,
}

impl Verdict {
    /// Reads what the tests wrote. Where they share a process with the solution, each line must carry the `secret`.
    fn read(bytes: &[u8], secret: Option<&str>) -> Verdict {
        let mut verdict = Verdict::default();
        for line in bytes.split(|&b| b == b'\n').filter(|l| !l.is_empty()) {
            let Ok(line) = serde_json::from_slice::<Line>(line) else {
                // A line that was cut off by the tester's end; what came before it stands.
                verdict.is_complete = false;
                break;
            };
            if line.secret.as_deref() != secret {
                // Not a line of ours: after it nothing may be believed.
                return Verdict::default();
            }
            if let Some(total) = line.total {
                verdict.results = vec![None; total.min(1 << 20)];
            }
            if let Some(slot) = line.test.and_then(|t| verdict.results.get_mut(t)) {
                let message = line.message.map(|m| m.chars().take(2_000).collect());
                *slot = Some(TestResult { is_passed: line.passed, message });
            }
            verdict.error = line.error.or(verdict.error);
            verdict.load = line.load.or(verdict.load);
            verdict.is_complete |= line.end;
            verdict.is_gone |= line.gone;
        }
        verdict
    }
}

/// Which tests passed by these lines, and whether they are complete.
pub(crate) fn read_lines(bytes: &[u8], secret: Option<&str>) -> (Vec<Option<bool>>, bool) {
    let verdict = Verdict::read(bytes, secret);
    let results = verdict.results.iter().map(|result| result.as_ref().map(|r| r.is_passed)).collect();
    (results, verdict.is_complete)
}

/// The tests as the tester reads them: their kind, then what it needs.
fn parts(tests: &TestSuite) -> Vec<&[u8]> {
    match tests {
        TestSuite::Asserts { setup, asserts } => {
            let mut parts: Vec<&[u8]> = vec![b"asserts", setup.as_bytes()];
            parts.extend(asserts.iter().map(String::as_bytes));
            parts
        }
        TestSuite::Check { code, entry_point } => vec![b"check", code.as_bytes(), entry_point.as_bytes()],
        TestSuite::Script { code } => vec![b"script", code.as_bytes()],
        TestSuite::Unittest { code } => vec![b"unittest", code.as_bytes()],
        TestSuite::Calls { entry_point, cases, rule } => {
            let rule: &[u8] = match rule {
                CallRule::Equal => b"equal",
                CallRule::LiveCodeBench => b"livecodebench",
                CallRule::Apps => b"apps",
            };
            let mut parts = vec![b"calls", rule, entry_point.as_bytes()];
            parts.extend(cases.iter().flat_map(|c| [c.arguments.as_bytes(), c.expected.as_bytes()]));
            parts
        }
        TestSuite::Joint { tests } => parts(tests),
        // `stdio.rs` compares the one, `program.rs` builds the other; neither has a tester.
        TestSuite::Stdio { .. } | TestSuite::Program { .. } => Vec::new(),
    }
}

/// The tester works for every test and holds copies of what the solution answers.
fn tester_limits(limits: &Limits) -> Limits {
    Limits {
        cpu_ms: limits.cpu_ms.saturating_add(4_000),
        wall_ms: limits.wall_ms.saturating_add(1_000),
        memory_bytes: limits.memory_bytes.max(512 << 20).saturating_mul(2),
        ..Limits::default()
    }
}

/// Judges one submission. An error means a zygote failed, not the solution.
pub(crate) fn judge(
    solution: &mut Zygote,
    tester: &mut Zygote,
    submission: &Submission,
) -> Result<Judgement, String> {
    let started = Instant::now();
    let say = |e: std::io::Error| format!("preparing a run: {e}");
    let limits = &submission.limits;
    let (stdout, stdout_end) = Capture::new(limits.output_bytes, 0).map_err(say)?;
    let (stderr, stderr_end) = Capture::new(limits.output_bytes, 0).map_err(say)?;
    let (noise, noise_end) = Capture::new(MAX_TESTER_OUTPUT, 1).map_err(say)?;
    let (verdict, verdict_end) = Capture::new(MAX_VERDICT, 1).map_err(say)?;
    let (asking, answering) = UnixStream::pair().map_err(say)?;
    let nothing = memory_file(b"").map_err(say)?;
    let program = memory_file(&payload(&[submission.solution.as_bytes()])).map_err(say)?;
    let tests = memory_file(&payload(&parts(&submission.tests))).map_err(say)?;
    solution.begin(
        Operation::Serve,
        limits,
        &[nothing.as_fd(), stdout_end.as_fd(), stderr_end.as_fd(), answering.as_fd(), program.as_fd()],
    )?;
    tester.begin(
        Operation::Test,
        &tester_limits(limits),
        &[
            nothing.as_fd(),
            noise_end.as_fd(),
            noise_end.as_fd(),
            asking.as_fd(),
            tests.as_fd(),
            verdict_end.as_fd(),
        ],
    )?;
    drop((stdout_end, stderr_end, noise_end, verdict_end, asking, answering));
    let mut captures = [stdout, stderr, noise, verdict];
    let wall_ms = limits.wall_ms;
    let mut flights = [Flight::new(solution, wall_ms), Flight::new(tester, wall_ms + 1_000)];
    supervise(&mut flights, &mut captures, 1)?;
    let [
        Flight { zygote: solution, reply: Some(ran), .. },
        Flight { zygote: tester, reply: Some(tested), .. },
    ] = flights
    else {
        return Err("a run without a reply".into());
    };
    if let Some(reply) = [&ran, &tested].into_iter().find(|r| r.reason == Reason::Setup) {
        return Err(format!("a layer could not be put in force: {}", reply.text));
    }
    let [stdout, stderr, _, verdict] = captures;
    let verdict = Verdict::read(&verdict.bytes, None);
    let mut outcome = outcome_of(solution, &ran, &[&stdout, &stderr]);
    outcome.wall_ms = started.elapsed().as_secs_f64() * 1e3;
    outcome.error = verdict.error.as_ref().and_then(Report::error);
    let is_memory_error = verdict.error.as_ref().is_some_and(|e| e.kind == "MemoryError");
    let is_tester_late = matches!(tested.reason, Reason::Cpu | Reason::Wall);
    let is_tester_full = tested.reason == Reason::Memory || tester.was_out_of_memory;
    let has_passed = verdict.is_complete
        && tested.reason == Reason::Ended
        && !verdict.results.is_empty()
        && verdict.results.iter().all(|r| r.as_ref().is_some_and(|r| r.is_passed));
    if !verdict.is_gone && verdict.load.is_none() {
        // It ended because the tests were through; how says nothing.
        (outcome.exit_code, outcome.signal) = (None, None);
    }
    outcome.class = if verdict.load.as_ref().is_some_and(|l| l.compile) {
        OutcomeClass::CompileError
    } else if let Some(class) =
        exceeded(solution, &ran, limits, is_memory_error && !has_passed, outcome.truncated_bytes)
    {
        class
    } else if is_tester_late {
        OutcomeClass::Timeout
    } else if is_tester_full {
        OutcomeClass::MemoryLimit
    } else if has_passed {
        OutcomeClass::Passed
    } else if verdict.load.is_some() || outcome.error.is_some() || verdict.is_gone {
        OutcomeClass::RuntimeError
    } else {
        OutcomeClass::WrongAnswer
    };
    outcome.limit_hit = limit_hit(solution, &[&ran, &tested], limits, &outcome);
    let tests = verdict.results.into_iter().map(|r| r.unwrap_or_else(not_run)).collect();
    Ok(Judgement { outcome, tests, mode: JudgeMode::Split })
}

/// Judges by tests in the solution's own process: weaker, and recorded as such.
pub(crate) fn judge_joint(zygote: &mut Zygote, submission: &Submission) -> Result<Judgement, String> {
    let limits = &submission.limits;
    let secret = secret().map_err(|e| format!("reading random bytes: {e}"))?;
    let started = Instant::now();
    let say = |e: std::io::Error| format!("preparing a run: {e}");
    let (stdout, stdout_end) = Capture::new(limits.output_bytes, 0).map_err(say)?;
    let (stderr, stderr_end) = Capture::new(limits.output_bytes, 0).map_err(say)?;
    let (verdict, verdict_end) = Capture::new(MAX_VERDICT, 0).map_err(say)?;
    let nothing = memory_file(b"").map_err(say)?;
    let mut input: Vec<&[u8]> = vec![submission.solution.as_bytes(), secret.as_bytes()];
    input.extend(parts(&submission.tests));
    let program = memory_file(&payload(&input)).map_err(say)?;
    let ends = [nothing, stdout_end, stderr_end, verdict_end, program];
    zygote.begin(Operation::Joint, limits, &ends.each_ref().map(AsFd::as_fd))?;
    drop(ends);
    let mut captures = [stdout, stderr, verdict];
    let mut flights = [Flight::new(zygote, limits.wall_ms)];
    supervise(&mut flights, &mut captures, 0)?;
    let [Flight { zygote, reply: Some(ran), .. }] = flights else {
        return Err("a run without a reply".into());
    };
    if ran.reason == Reason::Setup {
        return Err(format!("a layer could not be put in force: {}", ran.text));
    }
    let [stdout, stderr, verdict] = captures;
    let verdict = Verdict::read(&verdict.bytes, Some(&secret));
    let mut outcome = outcome_of(zygote, &ran, &[&stdout, &stderr]);
    outcome.wall_ms = started.elapsed().as_secs_f64() * 1e3;
    outcome.error = verdict.error.as_ref().and_then(Report::error);
    let has_passed = verdict.is_complete
        && outcome.exit_code == Some(0)
        && !verdict.results.is_empty()
        && verdict.results.iter().all(|r| r.as_ref().is_some_and(|r| r.is_passed));
    let is_memory_error = verdict.error.as_ref().is_some_and(|e| e.kind == "MemoryError");
    outcome.class = if verdict.load.as_ref().is_some_and(|l| l.compile) {
        OutcomeClass::CompileError
    } else if let Some(class) = exceeded(zygote, &ran, limits, is_memory_error, outcome.truncated_bytes) {
        class
    } else if has_passed {
        OutcomeClass::Passed
    } else if verdict.load.is_some() || outcome.error.is_some() || !verdict.is_complete {
        OutcomeClass::RuntimeError
    } else {
        OutcomeClass::WrongAnswer
    };
    outcome.limit_hit = limit_hit(zygote, &[&ran], limits, &outcome);
    let tests = verdict.results.into_iter().map(|r| r.unwrap_or_else(not_run)).collect();
    Ok(Judgement { outcome, tests, mode: JudgeMode::Joint })
}

/// Sixteen random bytes as text.
fn secret() -> std::io::Result<String> {
    let mut bytes = [0u8; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

fn not_run() -> TestResult {
    TestResult { is_passed: false, message: Some("not run".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_off_verdict_keeps_what_was_said_but_is_not_complete() {
        let verdict =
            Verdict::read(b"{\"total\": 2}\n{\"test\": 0, \"passed\": true}\n{\"test\": 1, \"pas", None);
        assert_eq!(verdict.results.len(), 2);
        assert!(verdict.results[0].as_ref().is_some_and(|r| r.is_passed));
        assert!(verdict.results[1].is_none());
        assert!(!verdict.is_complete);
    }

    #[test]
    fn results_out_of_range_are_ignored() {
        let verdict =
            Verdict::read(b"{\"total\": 1}\n{\"test\": 7, \"passed\": true}\n{\"end\": true}\n", None);
        assert_eq!(verdict.results, vec![None]);
        assert!(verdict.is_complete);
    }
}
