//! One evaluation as a self-contained HTML page: score with interval, pass@k curve, by difficulty, by outcome, samples.
//!
//! No script and no network; every text goes through `escape`. Not here: the report of a training run (`hone-runlog`).

mod samples;

use std::fmt::Write as _;

use crate::table::{UNDEFINED, class_name, severity_name};
use crate::{EfficiencySummary, Evaluation, FastP, GroupSummary, Interval, SecuritySummary, Summary};

const STYLE: &str = include_str!("report.css");

/// The whole page of an evaluation and its summary; `questions` gives what a task was asked, where that is known.
pub fn render(
    title: &str,
    evaluation: &Evaluation,
    summary: &Summary,
    questions: &dyn Fn(&str) -> Option<String>,
) -> String {
    let body = [
        format!("<h1>{}</h1>\n<p class=\"soft\">{}</p>\n", escape(title), escape(&summary.signature)),
        scores(summary),
        curve(evaluation),
        summary.efficiency.as_ref().map_or_else(String::new, efficiency),
        summary.security.as_ref().map_or_else(String::new, security),
        outcomes(&summary.all),
        groups(
            "By level",
            summary.by_level.iter().map(|(level, group)| (format!("level {level}"), group)).collect(),
        ),
        groups("By topic", summary.topics()),
        samples::tasks(evaluation, questions),
        facts(evaluation, summary),
    ];
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{}</main>\n</body>\n</html>\n",
        escape(title),
        body.concat()
    )
}

/// Text as it may stand in HTML; what cannot be shown becomes U+FFFD.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

fn percent(value: f64) -> String {
    format!("{:.1}%", value * 100.0)
}

fn with_interval(interval: &Interval) -> String {
    format!(
        "{} <span class=\"soft\">[{}, {}]</span>",
        percent(interval.value),
        percent(interval.low),
        percent(interval.high)
    )
}

fn scores(summary: &Summary) -> String {
    let all = &summary.all;
    let mut cards = String::new();
    for (k, interval) in &all.pass_at {
        let _ = writeln!(
            cards,
            "<div class=\"card\"><b>pass@{k}</b><div class=\"big\">{}</div></div>",
            with_interval(interval)
        );
    }
    for (k, interval) in &summary.base_pass_at {
        let _ = writeln!(
            cards,
            "<div class=\"card\"><b>pass@{k}, base tests</b><div class=\"big\">{}</div></div>",
            with_interval(interval)
        );
    }
    for k in &summary.undefined {
        let _ = writeln!(
            cards,
            "<div class=\"card\"><b>pass@{k}</b><div class=\"big\">{UNDEFINED}</div>needs {k} samples a task</div>"
        );
    }
    format!(
        "<section class=\"cards\">\n{cards}</section>\n<p class=\"soft\">{} tasks, {} samples; intervals are 95%, by bootstrap over tasks.</p>\n",
        all.tasks, all.samples
    )
}

/// pass@k for every k that all tasks allow, with its interval as a band.
fn curve(evaluation: &Evaluation) -> String {
    const WIDTH: f64 = 640.0;
    const HEIGHT: f64 = 240.0;
    let most = evaluation.tasks.iter().map(|task| task.samples.len()).min().unwrap_or(0);
    if most < 2 {
        return String::new();
    }
    let powers = std::iter::successors(Some(1_usize), |k| Some(k * 2)).take_while(|k| *k < most);
    let points: Vec<(usize, Interval)> =
        powers.chain([most]).filter_map(|k| Some((k, evaluation.pass_at(k)?))).collect();
    let x = |k: usize| 40.0 + (k as f64).ln() / (most as f64).ln() * (WIDTH - 60.0);
    let y = |value: f64| 10.0 + (1.0 - value) * (HEIGHT - 40.0);
    let place = |k: usize, value: f64| format!("{:.1},{:.1}", x(k), y(value));
    let line: Vec<String> = points.iter().map(|(k, interval)| place(*k, interval.value)).collect();
    let above = points.iter().map(|(k, interval)| place(*k, interval.high));
    let below = points.iter().rev().map(|(k, interval)| place(*k, interval.low));
    let band: Vec<String> = above.chain(below).collect();
    let mut marks = String::new();
    for (k, interval) in &points {
        let (left, top) = (x(*k), y(interval.value));
        let _ = write!(
            marks,
            "<circle cx=\"{left:.1}\" cy=\"{top:.1}\" r=\"3\"><title>pass@{k} {}</title></circle><text x=\"{left:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{k}</text>",
            percent(interval.value),
            HEIGHT - 10.0
        );
    }
    for share in [0.0, 0.5, 1.0] {
        let _ = write!(marks, "<text x=\"0\" y=\"{:.1}\">{}</text>", y(share) + 4.0, percent(share));
    }
    format!(
        "<h2>pass@k</h2>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"pass@k by k\"><polygon class=\"band\" points=\"{}\"/><polyline class=\"line\" points=\"{}\"/>{marks}</svg>\n",
        band.join(" "),
        line.join(" ")
    )
}

/// fast_p, the speed-up and scores on levels, and how they were measured.
fn efficiency(it: &EfficiencySummary) -> String {
    let mut rows = String::new();
    for FastP { p, share } in &it.fast {
        let _ = writeln!(rows, "<tr><td>fast_{p}</td><td>{}</td></tr>", with_interval(share));
    }
    if let Some(Interval { value, low, high }) = it.speedup {
        let _ = writeln!(
            rows,
            "<tr><td>speed-up</td><td>{value:.2} <span class=\"soft\">[{low:.2}, {high:.2}]</span></td></tr>"
        );
    }
    let scores = it.levels.iter().flat_map(|it| [("DPS", it.dps), ("DPS_norm", it.dps_norm)]);
    for (name, Interval { value, low, high }) in scores {
        let _ = writeln!(
            rows,
            "<tr><td>{name}</td><td>{value:.1} <span class=\"soft\">[{low:.1}, {high:.1}]</span></td></tr>"
        );
    }
    format!("<h2>Cost beside the reference</h2>\n<table>\n{rows}</table>\n{}", soft(&it.remarks()))
}

/// What a scanner finds.
fn security(it: &SecuritySummary) -> String {
    let mut rows = String::new();
    let mut row = |name: &str, value: String| {
        let _ = writeln!(rows, "<tr><td>{name}</td><td>{value}</td></tr>");
    };
    let rate = |Interval { value, low, high }: &Interval| {
        format!("{value:.1} <span class=\"soft\">[{low:.1}, {high:.1}]</span>")
    };
    if let Some(clean) = &it.clean {
        row("programs without a finding", with_interval(clean));
    }
    if let Some(all) = &it.per_thousand_lines {
        row("findings per 1000 lines", rate(all));
    }
    for (severity, interval) in &it.by_severity {
        row(&format!("of {} severity", severity_name(*severity)), rate(interval));
    }
    format!("<h2>Security findings</h2>\n<table>\n{rows}</table>\n{}", soft(&it.remarks()))
}

fn soft(remarks: &[String]) -> String {
    remarks.iter().map(|remark| format!("<p class=\"soft\">{}</p>\n", escape(remark))).collect()
}

fn outcomes(all: &GroupSummary) -> String {
    if all.outcomes.is_empty() {
        return String::new();
    }
    let row = |(class, count): (&hone_sandbox::OutcomeClass, &usize)| {
        let share = *count as f64 / all.samples.max(1) as f64;
        format!(
            "<tr><td>{}</td><td class=\"number\">{count}</td><td class=\"number\">{}</td></tr>\n",
            class_name(*class),
            percent(share)
        )
    };
    let rows: String = all.outcomes.iter().map(row).collect();
    format!(
        "<h2>What the programs did</h2>\n<table>\n<tr><th>Outcome</th><th>Samples</th><th>Share</th></tr>\n{rows}</table>\n"
    )
}

fn groups(heading: &str, groups: Vec<(String, &GroupSummary)>) -> String {
    if groups.len() < 2 {
        return String::new();
    }
    let row = |(name, group): &(String, &GroupSummary)| {
        let scores: String = group
            .pass_at
            .values()
            .map(|it| format!("<td class=\"number\">{}</td>", with_interval(it)))
            .collect();
        format!("<tr><td>{}</td><td class=\"number\">{}</td>{scores}</tr>\n", escape(name), group.tasks)
    };
    let heads: String = groups[0].1.pass_at.keys().map(|k| format!("<th>pass@{k}</th>")).collect();
    let rows: String = groups.iter().map(row).collect();
    format!("<h2>{heading}</h2>\n<table>\n<tr><th></th><th>Tasks</th>{heads}</tr>\n{rows}</table>\n")
}

fn facts(evaluation: &Evaluation, summary: &Summary) -> String {
    let row = |(key, value): (&String, &String)| {
        format!("<tr><td>{}</td><td>{}</td></tr>\n", escape(key), escape(value))
    };
    let rows: String = evaluation.provenance.iter().map(row).collect();
    format!(
        "<h2>How it was measured</h2>\n<table>\n{rows}</table>\n<p class=\"soft\">{:.1} s for generation, {:.1} s in all; hone {}</p>\n",
        summary.timing.generation_seconds,
        summary.timing.total_seconds,
        env!("CARGO_PKG_VERSION")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Efficiency, EvalConfig, LeftOut, Measurements, Provenance, SampleEvaluation, Scanned, TaskEvaluation,
        Timing,
    };
    use hone_environment::{SecurityFinding, Severity, Verdict};
    use hone_model::FinishReason;
    use hone_sandbox::{CostMethod, JudgeMode, OutcomeClass, ProgramError};

    #[test]
    fn the_page_shows_everything_and_lets_nothing_through() {
        let sample = |sample: usize, class: OutcomeClass| SampleEvaluation {
            sample,
            text: "<script>alert(1)</script>".into(),
            tokens: 3,
            finish: FinishReason::StopText,
            reward: 0.0,
            verdict: Some(Verdict {
                class,
                tests_passed: 1,
                tests_total: 2,
                error: Some(ProgramError {
                    kind: "ValueError".into(),
                    message: "a < b & c".into(),
                    line: Some(3),
                    column: None,
                }),
                program: "print('</pre>')".into(),
                mode: JudgeMode::Split,
                missed_lines: Vec::new(),
            }),
            same_as: None,
            search: None,
            measurements: Measurements {
                efficiency: (class == OutcomeClass::Passed).then_some(Efficiency {
                    method: CostMethod::Callgrind,
                    solution: 200,
                    reference: 250,
                }),
                passes_base: None,
                security: Some(Scanned {
                    lines: 10,
                    findings: Some(vec![SecurityFinding { test: "B307".into(), severity: Severity::Medium }]),
                }),
            },
        };
        let task = |id: &str, topic: &str, class: OutcomeClass| TaskEvaluation {
            id: id.into(),
            level: 0,
            topic: topic.into(),
            samples: (0..2).map(|index| sample(index, class)).collect(),
        };
        let evaluation = Evaluation {
            config: EvalConfig { samples: 2, ..EvalConfig::default() },
            tasks: vec![
                task("a", "easy", OutcomeClass::Passed),
                task("b", "hard", OutcomeClass::WrongAnswer),
            ],
            provenance: Provenance::from([("benchmark".to_owned(), "toy".to_owned())]),
            timing: Timing::default(),
        };
        let mut summary = evaluation.summary(&[1, 2]);
        summary.efficiency = Some(EfficiencySummary::of(&evaluation.tasks, &LeftOut::new(), &[0.5, 2.0]));
        summary.security = Some(SecuritySummary::of(&evaluation.tasks, "bandit 1"));
        let page = render("A & B", &evaluation, &summary, &|id| Some(format!("question of {id}")));
        for part in [
            "<title>A &amp; B</title>",
            "pass@2",
            "<svg",
            "question of b",
            "wrong answer, 1 of 2 tests",
            "ValueError: a &lt; b &amp; c (line 3)",
            "benchmark",
            "By topic",
            "fast_0.5",
            "bandit: B307 (medium)",
            "<td>of medium severity</td><td>100.0 ",
            "1.25 times as fast",
            "cost by callgrind",
        ] {
            assert!(page.contains(part), "{part}");
        }
        assert!(!page.contains("<script") && !page.contains("print('</pre>"));
    }
}
