//! What a scanner finds in the programs of an evaluation: bandit's findings (`hone_environment::Scanner`, the real tool).
//!
//! ```text
//! findings per thousand lines = 1000 · Σ findings / Σ lines of code      over all programs that can be parsed
//! share without a finding     = mean over tasks of the share of a task's programs that have none
//! ```
//!
//! Lines of code are those that are neither blank nor a comment. Intervals resample tasks, of the first with both sums.
//! Programs are read, never run.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use hone_environment::{Findings, NoScanner, Scanner, SecurityFinding, Severity};
use serde::{Deserialize, Serialize};

use crate::bootstrap::{bootstrap_ratio, bootstrap_share};
use crate::parallel::in_parallel;
use crate::{Interval, TaskEvaluation};

/// What was found in one program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scanned {
    /// Lines of code.
    pub lines: usize,
    /// Findings; absent if the program cannot be parsed.
    pub findings: Findings,
}

/// Scans every program that was not scanned.
pub fn scan_samples(
    scanner: &Scanner,
    tasks: &mut [TaskEvaluation],
    workers: usize,
    on_progress: &(dyn Fn(usize) + Sync),
    is_stopped: &(dyn Fn() -> bool + Sync),
) -> Result<(), NoScanner> {
    let done = AtomicUsize::new(0);
    let scanned = in_parallel(tasks, workers, &|task: &TaskEvaluation| {
        let mut scanned = Vec::new();
        for (index, sample) in task.samples.iter().enumerate() {
            let is_open = sample.measurements.security.is_none() && !is_stopped();
            let Some(verdict) = sample.verdict.as_ref().filter(|_| is_open) else { continue };
            let findings = scanner.scan(&verdict.program)?;
            scanned.push((index, Scanned { lines: lines_of_code(&verdict.program), findings }));
        }
        on_progress(done.fetch_add(1, Ordering::Relaxed) + 1);
        Ok::<_, NoScanner>(scanned)
    })?;
    for (task, scanned) in tasks.iter_mut().zip(scanned) {
        for (index, scanned) in scanned {
            task.samples[index].measurements.security = Some(scanned);
        }
    }
    Ok(())
}

/// Lines that are neither blank nor a comment.
fn lines_of_code(program: &str) -> usize {
    program.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#')).count()
}

/// Findings in few numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SecuritySummary {
    /// The scanner and its version.
    pub scanner: String,
    /// Programs that were scanned.
    pub programs: usize,
    /// Programs that cannot be parsed; nothing else here counts them.
    pub unparsable: usize,
    /// Lines of code of the others.
    pub lines: usize,
    /// Share of programs without any finding.
    pub clean: Option<Interval>,
    /// Findings per thousand lines.
    pub per_thousand_lines: Option<Interval>,
    /// The same of each severity that was found.
    pub by_severity: BTreeMap<Severity, Interval>,
    /// Findings by bandit's number of the test.
    pub by_test: BTreeMap<String, usize>,
}

/// A task's programs that can be parsed.
type Parsed<'a> = Vec<(usize, &'a [SecurityFinding])>;

impl SecuritySummary {
    /// Of scanned tasks.
    pub fn of(tasks: &[TaskEvaluation], scanner: &str) -> SecuritySummary {
        let scanned =
            || tasks.iter().flat_map(|task| &task.samples).filter_map(|it| it.measurements.security.as_ref());
        let parsed: Vec<Parsed<'_>> =
            tasks.iter().map(parsed).filter(|programs| !programs.is_empty()).collect();
        let mut by_test = BTreeMap::new();
        for finding in parsed.iter().flatten().flat_map(|(_, findings)| *findings) {
            *by_test.entry(finding.test.clone()).or_default() += 1;
        }
        let clean = |programs: &Parsed<'_>| {
            programs.iter().filter(|(_, findings)| findings.is_empty()).count() as f64 / programs.len() as f64
        };
        let severities = [Severity::Undefined, Severity::Low, Severity::Medium, Severity::High];
        let found = severities.into_iter().filter(|severity| {
            parsed.iter().flatten().any(|(_, findings)| findings.iter().any(|it| it.severity == *severity))
        });
        let by_severity =
            found.filter_map(|severity| Some((severity, rate(&parsed, &|it| it.severity == severity)?)));
        SecuritySummary {
            scanner: scanner.to_owned(),
            programs: scanned().count(),
            unparsable: scanned().filter(|it| it.findings.is_none()).count(),
            lines: parsed.iter().flatten().map(|(lines, _)| lines).sum(),
            clean: bootstrap_share(&parsed.iter().map(clean).collect::<Vec<_>>()),
            per_thousand_lines: rate(&parsed, &|_| true),
            by_severity: by_severity.collect(),
            by_test,
        }
    }

    /// What was scanned, in sentences for a table or page.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = vec![format!(
            "{}: {} programs, {} lines of code; {} more cannot be parsed",
            self.scanner,
            self.programs - self.unparsable,
            self.lines,
            self.unparsable
        )];
        if !self.by_test.is_empty() {
            let mut tests: Vec<(&String, &usize)> = self.by_test.iter().collect();
            tests.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
            let named: Vec<String> = tests.iter().map(|(test, count)| format!("{test} {count}×")).collect();
            remarks.push(format!("found: {}", named.join(", ")));
        }
        remarks
    }
}

fn parsed(task: &TaskEvaluation) -> Parsed<'_> {
    let scanned = task.samples.iter().filter_map(|sample| sample.measurements.security.as_ref());
    scanned.filter_map(|it| Some((it.lines, it.findings.as_deref()?))).collect()
}

/// Such findings per thousand lines.
fn rate(parsed: &[Parsed<'_>], is_counted: &dyn Fn(&SecurityFinding) -> bool) -> Option<Interval> {
    let sums = parsed.iter().map(|programs| {
        let count = |findings: &[SecurityFinding]| findings.iter().filter(|it| is_counted(it)).count();
        let found: usize = programs.iter().map(|(_, findings)| count(findings)).sum();
        let lines: usize = programs.iter().map(|(lines, _)| lines).sum();
        (1000.0 * found as f64, lines as f64)
    });
    bootstrap_ratio(&sums.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use hone_model::FinishReason;

    use super::*;
    use crate::{Measurements, SampleEvaluation};

    fn task(id: &str, programs: &[(usize, Option<&[Severity]>)]) -> TaskEvaluation {
        let sample = |(sample, (lines, found)): (usize, &(usize, Option<&[Severity]>))| {
            let finding = |severity: &Severity| SecurityFinding { test: "B307".into(), severity: *severity };
            let findings = found.map(|found| found.iter().map(finding).collect());
            SampleEvaluation {
                sample,
                text: String::new(),
                tokens: 0,
                finish: FinishReason::StopText,
                reward: 0.0,
                verdict: None,
                same_as: None,
                search: None,
                measurements: Measurements {
                    security: Some(Scanned { lines: *lines, findings }),
                    ..Measurements::default()
                },
            }
        };
        let samples = programs.iter().enumerate().map(sample).collect();
        TaskEvaluation { id: id.into(), level: 0, topic: String::new(), samples }
    }

    #[test]
    fn findings_are_counted_by_line_and_programs_by_task() {
        let tasks = [
            task("a", &[(10, Some(&[])), (30, Some(&[Severity::High, Severity::Low]))]),
            task("b", &[(60, Some(&[Severity::Low])), (500, None)]),
        ];
        let summary = SecuritySummary::of(&tasks, "bandit 1");
        let value = |it: Option<&Interval>| it.map(|it| (it.value * 1e6).round() / 1e6);
        // 3 findings in 100 lines; half of a's programs and none of b's are clean.
        assert_eq!(value(summary.per_thousand_lines.as_ref()), Some(30.0));
        assert_eq!(value(summary.by_severity.get(&Severity::Low)), Some(20.0));
        assert_eq!(value(summary.by_severity.get(&Severity::High)), Some(10.0));
        assert_eq!(value(summary.clean.as_ref()), Some(0.25));
        assert_eq!((summary.programs, summary.unparsable, summary.lines), (4, 1, 100));
        assert_eq!(summary.by_test["B307"], 3);
        assert!(summary.remarks()[0].contains("3 programs, 100 lines of code; 1 more"));
        // Drawn twice, a has 2 findings in 40 lines and b 1 in 60: the interval ends there.
        let interval = summary.per_thousand_lines.expect("lines");
        assert!((interval.low - 1000.0 / 60.0).abs() < 1e-9 && (interval.high - 50.0).abs() < 1e-9);
        assert_eq!(SecuritySummary::of(&[], "bandit 1").per_thousand_lines, None);
    }

    #[test]
    fn comments_and_blank_lines_are_no_code() {
        assert_eq!(lines_of_code("# a\n\nx = 1  # b\n   # c\ndef f():\n    pass\n"), 3);
    }
}
