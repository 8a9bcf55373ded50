//! A plain run: one program as a script, its stdin given, its output captured.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use serde::Deserialize;

use crate::limit_hit::limit_hit;
use crate::supervise::{Capture, Flight, supervise};
use crate::zygote::{Operation, Reason, Reply, Zygote, memory_file};
use crate::{Limits, Outcome, OutcomeClass, ProgramError};

const MAX_REPORT: u64 = 16 << 10;

/// What the program's process says of its own failure: advice, never a verdict.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Report {
    pub(crate) kind: String,
    pub(crate) message: String,
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) compile: bool,
}

impl Report {
    pub(crate) fn error(&self) -> Option<ProgramError> {
        let cut = |text: &str, most: usize| text.chars().take(most).collect::<String>();
        (!self.kind.is_empty()).then(|| ProgramError {
            kind: cut(&self.kind, 200),
            message: cut(&self.message, 2_000),
            line: (self.line > 0).then_some(self.line),
            column: (self.column > 0).then_some(self.column),
        })
    }
}

/// Length-prefixed parts, as the child reads them.
pub(crate) fn payload(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(parts.iter().map(|p| p.len() + 4).sum());
    for part in parts {
        bytes.extend((part.len() as u32).to_le_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

/// A program as its runs read it; one serves many.
pub(crate) fn script(source: &str) -> std::io::Result<OwnedFd> {
    memory_file(&payload(&[source.as_bytes()]))
}

/// Runs one program. An error means the zygote failed, not the program.
pub(crate) fn run_script(
    zygote: &mut Zygote,
    script: &OwnedFd,
    stdin: &[u8],
    limits: &Limits,
) -> Result<Outcome, String> {
    let started = Instant::now();
    let say = |e: std::io::Error| format!("preparing a run: {e}");
    let (stdout, stdout_end) = Capture::new(limits.output_bytes, 0).map_err(say)?;
    let (stderr, stderr_end) = Capture::new(limits.output_bytes, 0).map_err(say)?;
    let (report, report_end) = Capture::new(MAX_REPORT, 0).map_err(say)?;
    let input = memory_file(stdin).map_err(say)?;
    let ends = [&input, &stdout_end, &stderr_end, &report_end, script];
    zygote.begin(Operation::Script, limits, &ends.map(AsFd::as_fd))?;
    drop((input, stdout_end, stderr_end, report_end));
    let mut captures = [stdout, stderr, report];
    let mut flights = [Flight::new(zygote, limits.wall_ms)];
    supervise(&mut flights, &mut captures, 0)?;
    let [Flight { zygote, reply: Some(reply), .. }] = flights else {
        return Err("a run without a reply".into());
    };
    if reply.reason == Reason::Setup {
        return Err(format!("a layer could not be put in force: {}", reply.text));
    }
    let report: Report = serde_json::from_slice(&captures[2].bytes).unwrap_or_default();
    let [stdout, stderr, _] = captures;
    let mut outcome = outcome_of(zygote, &reply, &[&stdout, &stderr]);
    outcome.wall_ms = started.elapsed().as_secs_f64() * 1e3;
    outcome.error = report.error();
    outcome.class = if report.compile {
        OutcomeClass::CompileError
    } else if let Some(class) =
        exceeded(zygote, &reply, limits, report.kind == "MemoryError", outcome.truncated_bytes)
    {
        class
    } else if outcome.exit_code == Some(0) && report.kind.is_empty() {
        OutcomeClass::Passed
    } else {
        OutcomeClass::RuntimeError
    };
    outcome.limit_hit = limit_hit(zygote, &[&reply], limits, &outcome);
    Ok(outcome)
}

/// The limit that was hit, if one was; in the order of `OutcomeClass`.
pub(crate) fn exceeded(
    zygote: &Zygote,
    reply: &Reply,
    limits: &Limits,
    is_memory_error: bool,
    truncated_bytes: u64,
) -> Option<OutcomeClass> {
    let is_signal = |signal: i32| libc::WIFSIGNALED(reply.status) && libc::WTERMSIG(reply.status) == signal;
    let is_late = matches!(reply.reason, Reason::Cpu | Reason::Wall)
        || is_signal(libc::SIGXCPU)
        || reply.cpu_ms >= limits.cpu_ms as f64;
    if is_late {
        Some(OutcomeClass::Timeout)
    } else if reply.reason == Reason::Memory || is_memory_error || zygote.was_out_of_memory {
        Some(OutcomeClass::MemoryLimit)
    } else if truncated_bytes > 0 {
        Some(OutcomeClass::OutputLimit)
    } else {
        None
    }
}

/// The parts of an outcome that need no interpretation; class, error and wall time are the caller's.
pub(crate) fn outcome_of(zygote: &Zygote, reply: &Reply, captures: &[&Capture; 2]) -> Outcome {
    let is_own_end = reply.reason == Reason::Ended;
    let status = reply.status;
    Outcome {
        class: OutcomeClass::RuntimeError,
        exit_code: (is_own_end && libc::WIFEXITED(status)).then(|| libc::WEXITSTATUS(status)),
        signal: (reply.reason != Reason::Killed && libc::WIFSIGNALED(status)).then(|| libc::WTERMSIG(status)),
        stdout: String::from_utf8_lossy(&captures[0].bytes).into_owned(),
        stderr: String::from_utf8_lossy(&captures[1].bytes).into_owned(),
        truncated_bytes: captures.iter().map(|c| c.dropped).sum(),
        truncated_stderr_bytes: captures[1].dropped,
        cpu_ms: reply.cpu_ms,
        wall_ms: 0.0,
        peak_memory_bytes: (reply.peak_memory_bytes > 0).then_some(reply.peak_memory_bytes),
        error: None,
        limit_hit: None,
        isolation: zygote.isolation.clone(),
        cost: None,
    }
}
