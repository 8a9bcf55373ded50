//! An evaluation as it is printed: table or JSON, the report, and the settings that decide the numbers.

use anyhow::{Context, Result};
use hone_eval::search::SearchSummary;
use hone_eval::{Evaluation, report, summary_table};

use super::Arguments;
use super::measurements::Measured;
use super::problems::Problems;
use crate::terminal::Terminal;

/// The table or JSON, the report, and the settings.
pub(super) fn print(
    arguments: &Arguments,
    evaluation: &Evaluation,
    measured: Measured,
    searched: Option<&SearchSummary>,
    described: &str,
    terminal: &Terminal,
) -> Result<()> {
    let mut summary = evaluation.summary(&arguments.ks(evaluation));
    (summary.efficiency, summary.security) = (measured.efficiency, measured.security);
    if let Some(path) = &arguments.report {
        let problems = arguments.inputs.last().filter(|name| Problems::is_named(name));
        let problems = problems
            .and_then(|name| Problems::load(name, arguments.file.as_deref(), &arguments.window(), None).ok());
        let question = |id: &str| {
            let problems = problems.as_ref()?;
            problems.problems.iter().find(|problem| problem.id == id).map(|problem| problem.question.clone())
        };
        let page = report::render(described, evaluation, &summary, &question);
        std::fs::write(path, page).with_context(|| format!("failed to write {}", path.display()))?;
        terminal.note(&format!("report: {}", path.display()));
    }
    if let Some(searched) = searched {
        if terminal.is_json {
            return terminal.json(searched);
        }
        terminal.result(&format!("{described}\n{}", searched.table()));
        terminal.note(&format!("{} {}", searched.signature, summary.signature));
        return Ok(());
    }
    if terminal.is_json {
        return terminal.json(&summary);
    }
    let mut text = format!("{described}\n{}", summary_table(&summary));
    if let Some(warning) = evaluation.provenance.get("warning") {
        text.push_str(&format!("\nWARNING: {warning}\n"));
    }
    terminal.result(&text);
    terminal.note(&summary.signature);
    Ok(())
}
