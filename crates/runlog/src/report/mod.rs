//! The report: one self-contained page of a run.

use std::path::PathBuf;

use crate::{RunDir, RunlogError};

/// Writes `report.html`.
pub fn write(run: &RunDir) -> Result<PathBuf, RunlogError> {
    crate::atomic_write(&run.report_path(), b"<!doctype html>\n")?;
    Ok(run.report_path())
}
