//! The report: one self-contained page of a run, written at any moment of its life.
//!
//! No network, no foreign script: the drawings are SVG, the only script is `report.js`, allowed by its hash. In
//! reading order: `data` (what the files say), `chart` (curves), `page` (sections), `escape` (the only way for
//! text to reach the page).

mod alerts;
mod chart;
mod data;
mod escape;
mod evaluation;
mod online;
mod page;
mod ticks;

use std::path::PathBuf;

use crate::{RunDir, RunlogError, atomic_write};

/// Writes `report.html` from whatever the run has written so far; it works on a run that is going, was killed,
/// or has damaged files (what could not be read is named on the page).
pub fn write(run: &RunDir) -> Result<PathBuf, RunlogError> {
    let content = data::gather(run)?;
    let path = run.report_path();
    atomic_write(&path, page::render(&content).as_bytes())?;
    Ok(path)
}
