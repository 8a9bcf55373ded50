//! `hone report`: a run's HTML page.

use std::path::PathBuf;

use anyhow::{Context, Result};
use hone_runlog::{RunDir, report};

use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  hone report runs/quickstart-20260131-120000
  hone report runs/quickstart-20260131-120000 --json";

/// Which run.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// A run directory; it may still be going.
    run: PathBuf,
}

/// Writes the report and prints its path.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<()> {
    let run = RunDir::open(&arguments.run)?;
    let path = report::write(&run)
        .with_context(|| format!("failed to write the report of {}", arguments.run.display()))?;
    if terminal.is_json {
        return terminal.json(&serde_json::json!({ "report": path }));
    }
    terminal.result(&path.display().to_string());
    Ok(())
}
