//! What the monitor found suspicious, with the programs: `alerts.jsonl`, one line an alert.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::jsonl::{self, LineWriter};
use crate::{RunDir, RunlogError};

/// What is suspicious.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlertKind {
    /// The reward rose far more than it varies.
    RewardJump,
    /// The reward rose, and the share of programs that pass all tests did not follow.
    RewardWithoutPasses,
    /// Answers became short at once.
    LengthCollapse,
    /// One program, but for the function's name, is rewarded for several tasks.
    RepeatedProgram,
    /// Programs that pass the tests differ from the reference on other inputs.
    PassesButDiffers,
}

impl AlertKind {
    /// In words, for a heading.
    pub fn title(self) -> &'static str {
        match self {
            AlertKind::RewardJump => "the reward jumped",
            AlertKind::RewardWithoutPasses => "the reward rose without passes",
            AlertKind::LengthCollapse => "answers became short at once",
            AlertKind::RepeatedProgram => "one program for several tasks",
            AlertKind::PassesButDiffers => "programs pass and are wrong",
        }
    }
}

/// One thing that somebody should look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// The step.
    pub step: u64,
    /// What is suspicious.
    pub kind: AlertKind,
    /// What was seen, in a sentence.
    pub message: String,
    /// The number that was too large.
    pub statistic: f64,
    /// From where on it is too large.
    pub threshold: f64,
    /// The programs to look at.
    pub programs: Vec<SuspectProgram>,
}

/// A program to look at.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SuspectProgram {
    /// Its task.
    pub task: String,
    /// Its index in its group.
    pub sample: u64,
    /// Its reward.
    pub reward: f64,
    /// Its text.
    pub program: String,
    /// What speaks against it, where something does: a call, and what it and the reference say.
    pub proof: String,
}

impl RunDir {
    /// `alerts.jsonl`.
    pub fn alerts_path(&self) -> PathBuf {
        self.path().join("alerts.jsonl")
    }

    /// Adds alerts of a step.
    pub fn write_alerts(&self, alerts: &[Alert]) -> Result<(), RunlogError> {
        self.require_lock()?;
        if alerts.is_empty() {
            return Ok(());
        }
        let path = self.alerts_path();
        let mut writer = LineWriter::open(&path)?;
        for alert in alerts {
            let line = serde_json::to_string(alert);
            writer.append(line.map_err(|error| RunlogError::io("write", &path, error.into()))?)?;
        }
        Ok(())
    }

    /// Every alert, earliest first; lines that are none are left out.
    pub fn alerts(&self) -> Result<Vec<Alert>, RunlogError> {
        let lines = jsonl::read_lines(&self.alerts_path())?;
        Ok(lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }
}
