//! Outcomes and judgements as a person reads them.

use std::time::Duration;

use hone_sandbox::{
    CostUnit, Isolation, JudgeMode, Judgement, LimitHit, LimitName, Outcome, OutcomeClass, probe,
};

use crate::progress::{bytes, duration};
use crate::sandboxes::isolation_name;

/// The name of a class, as in JSON.
pub(super) fn class_name(class: OutcomeClass) -> String {
    let class = serde_json::to_value(class).ok();
    class.as_ref().and_then(serde_json::Value::as_str).unwrap_or("unknown").to_string()
}

/// What an outcome says beside stdout.
pub(super) fn summary(outcome: &Outcome, isolation: Isolation) -> String {
    let mut text = outcome.stderr.clone();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&format!("outcome: {}", class_name(outcome.class)));
    match (outcome.exit_code, outcome.signal) {
        (Some(code), _) if code != 0 => text.push_str(&format!(", exit code {code}")),
        (None, Some(signal)) => text.push_str(&format!(", signal {signal}")),
        _ => {}
    }
    if let Some(error) = &outcome.error {
        let line = error.line.map(|line| format!(" in line {line}")).unwrap_or_default();
        let column = error.column.map(|column| format!(", column {column}")).unwrap_or_default();
        text.push_str(&format!("{line}{column}: {}: {}", error.kind, error.message));
    }
    let milliseconds = |ms: f64| {
        if ms < 10_000.0 { format!("{ms:.0} ms") } else { duration(Duration::from_secs_f64(ms / 1e3)) }
    };
    text.push_str(&format!(
        "{}\ncpu {}, wall {}{}{}{}\n{}",
        outcome.limit_hit.map(limit_reached).unwrap_or_default(),
        milliseconds(outcome.cpu_ms),
        milliseconds(outcome.wall_ms),
        outcome.peak_memory_bytes.map(|peak| format!(", memory {}", bytes(peak))).unwrap_or_default(),
        cut(outcome),
        cost(outcome),
        in_force(outcome, isolation),
    ));
    text
}

/// The limit that was reached, and how it is raised.
fn limit_reached(hit: LimitHit) -> String {
    let LimitHit { limit, value } = hit;
    let what = match limit {
        LimitName::CpuMs => "ms of CPU time",
        LimitName::WallMs => "ms of wall time",
        LimitName::MemoryBytes => "bytes of memory",
        LimitName::OutputBytes => "bytes of stdout or stderr",
        LimitName::Processes => "processes and threads at one time",
        LimitName::OpenFiles => "open files in one process",
        LimitName::DiskBytes => "bytes in /tmp",
        LimitName::DiskFiles => {
            return format!(
                "\nreached its limit of {value} files in /tmp\nhint: this limit cannot be raised"
            );
        }
    };
    let name = serde_json::to_value(limit).ok();
    let name = name.as_ref().and_then(serde_json::Value::as_str).unwrap_or("unknown").to_string();
    let more = value.saturating_mul(2).max(1);
    format!("\nreached its limit of {value} {what}\nhint: raise it with --limit {name}={more}")
}

/// How much of the output is missing.
fn cut(outcome: &Outcome) -> String {
    if outcome.truncated_bytes == 0 {
        return String::new();
    }
    let stdout = outcome.truncated_bytes - outcome.truncated_stderr_bytes;
    format!(", {} of stdout and {} of stderr cut off", bytes(stdout), bytes(outcome.truncated_stderr_bytes))
}

fn cost(outcome: &Outcome) -> String {
    let Some(cost) = outcome.cost else { return String::new() };
    let method = serde_json::to_value(cost.method).ok();
    let method = method.as_ref().and_then(serde_json::Value::as_str).unwrap_or("unknown").to_string();
    match cost.unit {
        CostUnit::Instructions => format!("\ncost: {} instructions ({method})", cost.amount),
        CostUnit::CpuNs => format!("\ncost: {:.3} ms ({method})", cost.amount as f64 / 1e6),
    }
}

/// The layers that were in force; under less than strict isolation also those that were not.
fn in_force(outcome: &Outcome, isolation: Isolation) -> String {
    let layers = if outcome.isolation.is_empty() { "none".to_string() } else { outcome.isolation.join(", ") };
    if isolation == Isolation::Strict {
        return format!("isolation: {layers}");
    }
    let missing: Vec<String> = probe()
        .into_iter()
        .filter(|layer| layer.is_required && !outcome.isolation.contains(&layer.layer))
        .map(|layer| layer.layer)
        .collect();
    let missing =
        if missing.is_empty() { String::new() } else { format!("\nNOT in force: {}", missing.join(", ")) };
    format!("isolation ({}): {layers}{missing}", isolation_name(isolation))
}

/// What a judgement says: one line a test, and the outcome.
pub(super) fn judgement_summary(judgement: &Judgement, isolation: Isolation) -> String {
    let mut lines = Vec::new();
    for (number, test) in judgement.tests.iter().enumerate() {
        let mark = if test.is_passed { "passed" } else { "FAILED" };
        let message = test.message.as_ref().map(|message| format!("  {message}")).unwrap_or_default();
        lines.push(format!("test {}: {mark}{message}", number + 1));
    }
    let mode = match judgement.mode {
        JudgeMode::Split => "tests in another process",
        JudgeMode::Joint => "tests in the solution's own process (weaker)",
    };
    lines.push(format!("{} of {} tests passed, {mode}", judgement.passed_tests(), judgement.tests.len()));
    lines.push(summary(&judgement.outcome, isolation));
    lines.join("\n")
}
