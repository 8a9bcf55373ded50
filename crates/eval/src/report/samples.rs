//! Every sample of an evaluation on its page: what was asked, written, executed and found.

use std::fmt::Write as _;

use hone_environment::Verdict;

use super::escape;
use crate::search::{Attempted, Stage};
use crate::table::{class_name, severity_name};
use crate::{Evaluation, SampleEvaluation, Scanned, TaskEvaluation};

/// Samples shown of one task.
const SAMPLES_SHOWN: usize = 20;
/// Characters shown of one text.
const TEXT_SHOWN: usize = 20_000;

/// A folded section for each task.
pub(super) fn tasks(evaluation: &Evaluation, questions: &dyn Fn(&str) -> Option<String>) -> String {
    let mut page = String::from("<h2>Every sample</h2>\n");
    for task in &evaluation.tasks {
        let (passed, total) = (task.passed(), task.samples.len());
        let class = if passed == 0 {
            "none"
        } else if passed == total {
            "all"
        } else {
            "some"
        };
        let _ = writeln!(
            page,
            "<details class=\"task {class}\"><summary><b>{}</b> {} {passed} of {total} passed</summary>",
            escape(&task.id),
            escape(&task.topic)
        );
        if let Some(question) = questions(&task.id) {
            let _ = writeln!(page, "<h3>Asked</h3>\n<pre>{}</pre>", shown(&question));
        }
        page.push_str(&samples(task));
        page.push_str("</details>\n");
    }
    page
}

fn samples(task: &TaskEvaluation) -> String {
    let mut text: String = task.samples.iter().take(SAMPLES_SHOWN).map(sample).collect();
    if task.samples.len() > SAMPLES_SHOWN {
        let _ = writeln!(text, "<p class=\"soft\">and {} more</p>", task.samples.len() - SAMPLES_SHOWN);
    }
    text
}

fn sample(sample: &SampleEvaluation) -> String {
    let verdict = sample.verdict.as_ref();
    let says = verdict.map_or_else(|| format!("reward {:.3}", sample.reward), says);
    let error = verdict.and_then(|verdict| verdict.error.as_ref()).map_or_else(String::new, |error| {
        let line = error.line.map(|line| format!(" (line {line})")).unwrap_or_default();
        format!("<p class=\"error\">{}: {}{line}</p>\n", escape(&error.kind), shown(&error.message))
    });
    let cost = sample.measurements.efficiency.map_or_else(String::new, |it| {
        format!("<p class=\"soft\">{:.2} times as fast as the reference</p>\n", it.speedup())
    });
    let security = sample.measurements.security.as_ref().map_or_else(String::new, scanned);
    let search = sample.search.as_ref().map_or_else(String::new, searched);
    let program = verdict.map_or(sample.text.as_str(), |verdict| verdict.program.as_str());
    let answer = if program == sample.text {
        String::new()
    } else {
        format!("<details><summary>as it was written</summary><pre>{}</pre></details>\n", shown(&sample.text))
    };
    format!(
        "<h3>Sample {}: {}</h3>\n{search}{cost}{security}{error}<pre>{}</pre>\n{answer}",
        sample.sample,
        escape(&says),
        shown(program)
    )
}

/// A program's findings by bandit's numbers; nothing where it has none.
fn scanned(it: &Scanned) -> String {
    let Some(findings) = it.findings.as_ref().filter(|findings| !findings.is_empty()) else {
        return String::new();
    };
    let named: Vec<String> = findings
        .iter()
        .map(|finding| format!("{} ({})", finding.test, severity_name(finding.severity)))
        .collect();
    format!("<p class=\"error\">bandit: {}</p>\n", escape(&named.join(", ")))
}

/// How an attempt of a search came about.
fn searched(it: &Attempted) -> String {
    let stage = match it.stage {
        Stage::Sampled => "sampled".to_owned(),
        Stage::Refined => format!("resumed from {}", it.parent.unwrap_or(0)),
        Stage::Repaired => format!("repair of {}", it.parent.unwrap_or(0)),
    };
    let examples = match it.passes_examples {
        Some(true) => ", passes the examples",
        Some(false) => ", fails the examples",
        None => "",
    };
    let given = if it.rank == 0 { "<b>the answer given</b>, " } else { "" };
    format!("<p class=\"soft\">{given}{stage}, turn {}{examples}</p>\n", it.turn)
}

fn says(verdict: &Verdict) -> String {
    format!("{}, {} of {} tests", class_name(verdict.class), verdict.tests_passed, verdict.tests_total)
}

fn shown(text: &str) -> String {
    let cut: String = text.chars().take(TEXT_SHOWN).collect();
    if cut.len() < text.len() { format!("{}\n…", escape(&cut)) } else { escape(&cut) }
}
