//! Evaluations as plain text tables for a terminal.
//!
//! Not here: HTML (`hone-runlog`) or JSON (`Summary` serialises itself).

use hone_environment::Severity;
use hone_sandbox::OutcomeClass;

use crate::{
    EfficiencySummary, EvalError, Evaluation, GroupSummary, Interval, SecuritySummary, Summary,
    paired_difference,
};

/// What stands for pass@k of fewer than k samples.
pub(crate) const UNDEFINED: &str = "—";

/// One evaluation: pass@k, outcomes, and pass@k by level and topic.
pub fn summary_table(summary: &Summary) -> String {
    let GroupSummary { tasks, samples, mean_reward, mean_tokens, truncated_share, .. } = &summary.all;
    let mut rows = Vec::new();
    for (k, interval) in &summary.all.pass_at {
        rows.push(vec![format!("pass@{k}"), percent(interval)]);
    }
    rows.extend(summary.undefined.iter().map(|k| vec![format!("pass@{k}"), UNDEFINED.to_owned()]));
    for (k, interval) in &summary.base_pass_at {
        rows.push(vec![format!("pass@{k}, base tests"), percent(interval)]);
    }
    for (name, rate) in [
        ("compile rate", &summary.all.compile_rate),
        ("runtime errors", &summary.all.runtime_error_rate),
        ("test-pass ratio", &summary.all.test_pass_ratio),
    ] {
        rows.extend(rate.as_ref().map(|rate| vec![name.to_owned(), percent(rate)]));
    }
    rows.extend(summary.efficiency.iter().flat_map(efficiency_rows));
    rows.extend(summary.security.iter().flat_map(security_rows));
    let mut text = aligned(&rows);
    text.push_str(&format!(
        "\n{tasks} tasks, {samples} samples, mean reward {mean_reward:.3}, {mean_tokens:.1} tokens a sample, {:.1}% \
         cut at the length limit\n",
        truncated_share * 100.0
    ));
    let costs = summary.efficiency.iter().flat_map(EfficiencySummary::remarks);
    for remark in costs.chain(summary.security.iter().flat_map(SecuritySummary::remarks)) {
        text.push_str(&format!("{remark}\n"));
    }
    if !summary.all.outcomes.is_empty() {
        let outcomes = summary.all.outcomes.iter().map(|(class, count)| {
            let share = *count as f64 / (*samples).max(1) as f64;
            vec![class_name(*class).to_owned(), count.to_string(), format!("{:.1}%", share * 100.0)]
        });
        text.push('\n');
        text.push_str(&aligned(&outcomes.collect::<Vec<_>>()));
    }
    let levels = summary.by_level.iter().map(|(level, group)| (format!("level {level}"), group));
    for groups in [levels.collect::<Vec<_>>(), summary.topics()] {
        if groups.len() > 1 {
            text.push('\n');
            text.push_str(&group_table(&groups, &summary.undefined));
        }
    }
    text
}

/// fast_p for every p, the speed-up, and scores on levels.
fn efficiency_rows(efficiency: &EfficiencySummary) -> Vec<Vec<String>> {
    let fast = efficiency.fast.iter().map(|it| vec![format!("fast_{}", it.p), percent(&it.share)]);
    let speedup = efficiency
        .speedup
        .iter()
        .map(|it| vec!["speed-up".to_owned(), format!("{:.2} [{:.2}, {:.2}]", it.value, it.low, it.high)]);
    let scores = efficiency.levels.iter().flat_map(|it| [("DPS", it.dps), ("DPS_norm", it.dps_norm)]);
    let scores = scores.map(|(name, Interval { value, low, high })| {
        vec![name.to_owned(), format!("{value:.1} [{low:.1}, {high:.1}]")]
    });
    fast.chain(speedup).chain(scores).collect()
}

/// Findings per thousand lines, all and by severity, and the share of programs without any.
fn security_rows(security: &SecuritySummary) -> Vec<Vec<String>> {
    let rate =
        |name: String, it: &Interval| vec![name, format!("{:.1} [{:.1}, {:.1}]", it.value, it.low, it.high)];
    let clean = security.clean.iter().map(|it| vec!["no finding".to_owned(), percent(it)]);
    let all = security.per_thousand_lines.iter().map(|it| rate("findings per 1000 lines".into(), it));
    let by_severity =
        security.by_severity.iter().map(|(severity, it)| rate(format!("  {}", severity_name(*severity)), it));
    clean.chain(all).chain(by_severity).collect()
}

pub(crate) fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Undefined => "undefined",
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
    }
}

/// Two evaluations of the same tasks: before, after, and the paired difference, for each of `ks` both allow.
pub fn comparison_table(before: &Evaluation, after: &Evaluation, ks: &[usize]) -> Result<String, EvalError> {
    let mut rows = vec![["", "before", "after", "difference"].map(String::from).to_vec()];
    for k in ks {
        let (Some(first), Some(second)) = (before.pass_at(*k), after.pass_at(*k)) else { continue };
        let difference = paired_difference(before, after, *k)?;
        let points = |value: f64| format!("{:+.1}", value * 100.0);
        rows.push(vec![
            format!("pass@{k}"),
            percent(&first),
            percent(&second),
            format!("{} [{}, {}]", points(difference.value), points(difference.low), points(difference.high)),
        ]);
    }
    Ok(aligned(&rows))
}

fn group_table(groups: &[(String, &GroupSummary)], undefined: &[usize]) -> String {
    let rows = groups.iter().map(|(name, group)| {
        let mut row = vec![name.clone(), format!("{} tasks", group.tasks)];
        row.extend(group.pass_at.iter().map(|(k, interval)| format!("pass@{k} {}", percent(interval))));
        // A group that has samples enough where others have not would stand in another column.
        let lacking = undefined.iter().filter(|k| !group.pass_at.contains_key(*k));
        row.extend(lacking.map(|k| format!("pass@{k} {UNDEFINED}")));
        row
    });
    aligned(&rows.collect::<Vec<_>>())
}

/// `34.0% [27.1, 41.0]`.
fn percent(interval: &Interval) -> String {
    let Interval { value, low, high } = interval;
    format!("{:.1}% [{:.1}, {:.1}]", value * 100.0, low * 100.0, high * 100.0)
}

pub(crate) fn class_name(class: OutcomeClass) -> &'static str {
    match class {
        OutcomeClass::CompileError => "compile error",
        OutcomeClass::Timeout => "timeout",
        OutcomeClass::MemoryLimit => "memory limit",
        OutcomeClass::OutputLimit => "output limit",
        OutcomeClass::RuntimeError => "runtime error",
        OutcomeClass::WrongAnswer => "wrong answer",
        OutcomeClass::Passed => "passed",
    }
}

/// Columns as wide as their widest cell, two blanks between; no trailing blanks.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}
