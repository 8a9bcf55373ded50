//! The comparison as text for a terminal.

use hone_eval::Interval;

use super::{Comparison, Row};

const HEAD: [&str; 12] = [
    "method",
    "seeds",
    "pass@1",
    "gain",
    "pass@5",
    "gain",
    "gain/min",
    "minutes",
    "rollout/exec/update",
    "tokens",
    "memory",
    "KL",
];

/// One line a method, then what has to be known of it.
pub(crate) fn render(comparison: &Comparison) -> String {
    let mut cells: Vec<Vec<String>> = vec![HEAD.map(String::from).to_vec()];
    cells.extend(comparison.methods.iter().map(row));
    if let Some(untrained) = &comparison.untrained {
        let mut row = vec![String::new(); HEAD.len()];
        row[0] = "(untrained)".into();
        (row[2], row[4]) = (share(&untrained.pass_at_1), share(&untrained.pass_at_5));
        cells.push(row);
    }
    let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let padded = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_string()
    };
    let mut lines: Vec<String> = cells.iter().map(line).collect();
    lines.push(String::new());
    lines.push("Gains in points, paired by task; intervals 95%, bootstrap over tasks. Sorted by gain of pass@1 a minute.".into());
    for failure in &comparison.failures {
        let reason = failure.reason.replace('\n', "\n  ");
        lines.push(format!("failed: {} with seed {}: {reason}", failure.name, failure.seed));
    }
    lines.join("\n")
}

fn row(row: &Row) -> Vec<String> {
    let percent = |minutes: f64| format!("{:.0}", 100.0 * minutes / row.minutes.max(1e-9));
    let split = [row.rollout_minutes, row.execution_minutes, row.update_minutes].map(percent).join("/");
    vec![
        row.name.clone(),
        row.seeds.len().to_string(),
        share(&row.pass_at_1),
        gain(&row.gain_at_1),
        share(&row.pass_at_5),
        gain(&row.gain_at_5),
        row.gain_per_minute.map_or("–".into(), |value| format!("{:+.2}", 100.0 * value)),
        format!("{:.1}", row.minutes),
        format!("{split}%"),
        count(row.tokens),
        format!("{:.1} GB", row.peak_memory_bytes / 1e9),
        row.final_kl.map_or("–".into(), |value| format!("{value:.1e}")),
    ]
}

/// A share as per cent with its interval.
pub(super) fn share(interval: &Option<Interval>) -> String {
    interval.as_ref().map_or("–".into(), |one| {
        format!("{:.1}% [{:.1}, {:.1}]", 100.0 * one.value, 100.0 * one.low, 100.0 * one.high)
    })
}

/// A difference of shares as points with its interval.
pub(super) fn gain(interval: &Option<Interval>) -> String {
    interval.as_ref().map_or("–".into(), |one| {
        format!("{:+.1} [{:+.1}, {:+.1}]", 100.0 * one.value, 100.0 * one.low, 100.0 * one.high)
    })
}

/// A number of tokens in few characters.
pub(super) fn count(tokens: f64) -> String {
    match tokens {
        t if t >= 1e6 => format!("{:.2}M", t / 1e6),
        t if t >= 1e4 => format!("{:.0}k", t / 1e3),
        t => format!("{t:.0}"),
    }
}
