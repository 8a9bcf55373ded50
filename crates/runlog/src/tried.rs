//! Programs that passed and were tried on inputs their tests do not have: `tried.jsonl`, one line each. A resumed run's monitor
//! reads it again, and then knows what it would have known.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::jsonl::{self, LineWriter};
use crate::{RunDir, RunlogError, SuspectProgram};

/// A program that passed and was tried on inputs that its tests do not have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// The program.
    pub program: SuspectProgram,
    /// Whether it differs from the reference there; `program.proof` says where.
    pub differs: bool,
}

#[derive(Serialize, Deserialize)]
struct Line {
    step: u64,
    tried: Tried,
}

impl RunDir {
    /// `tried.jsonl`.
    pub fn tried_path(&self) -> PathBuf {
        self.path().join("tried.jsonl")
    }

    /// Adds the programs that were tried in a step.
    pub fn write_tried(&self, step: u64, tried: &[Tried]) -> Result<(), RunlogError> {
        self.require_lock()?;
        if tried.is_empty() {
            return Ok(());
        }
        let path = self.tried_path();
        let mut writer = LineWriter::open(&path)?;
        for tried in tried {
            let line = serde_json::to_string(&Line { step, tried: tried.clone() });
            writer.append(line.map_err(|error| RunlogError::io("write", &path, error.into()))?)?;
        }
        Ok(())
    }

    /// Every program that was tried, earliest first; lines that are none are left out.
    pub fn tried(&self) -> Result<Vec<Tried>, RunlogError> {
        let lines = jsonl::read_lines(&self.tried_path())?;
        let tried = |line: &String| serde_json::from_str::<Line>(line).ok().map(|line| line.tried);
        Ok(lines.iter().filter_map(tried).collect())
    }
}
