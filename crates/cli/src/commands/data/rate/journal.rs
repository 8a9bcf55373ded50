//! The ratings on disk: a line each, from which an interrupted command goes on.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hone_eval::rating::Rating;
use serde::{Deserialize, Serialize};

use super::answers::{Answer, key};
use crate::exit::Usage;

/// What the model said of an answer, or why it said nothing that can be read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Rated {
    pub(super) rating: Option<Rating>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    problem: Option<String>,
}

impl Rated {
    pub(super) fn of(rating: Rating) -> Rated {
        Rated { rating: Some(rating), problem: None }
    }

    pub(super) fn none(problem: String) -> Rated {
        Rated { rating: None, problem: Some(problem) }
    }
}

/// A line.
#[derive(Serialize, Deserialize)]
struct Line {
    task: String,
    program: String,
    is_passed: bool,
    source: String,
    /// Who rated: the model and where.
    judge: String,
    rated: Rated,
}

/// An open file of ratings.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    judge: String,
    done: HashMap<String, Rated>,
}

impl Journal {
    /// Opens or continues a file; ratings of another judge are not continued. A last line that was cut off is dropped.
    pub(super) fn open(path: &Path, judge: &str) -> Result<Journal> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| format!("failed to read {}", path.display())),
        };
        let whole = &text[..text.rfind('\n').map_or(0, |at| at + 1)];
        let mut done = HashMap::new();
        for (index, line) in whole.lines().enumerate() {
            let line: Line = serde_json::from_str(line).map_err(|error| {
                Usage(format!(
                    "{}:{}: expected a rating of this command, found {error}",
                    path.display(),
                    index + 1
                ))
            })?;
            if line.judge != judge {
                let message = format!(
                    "{} holds ratings by {}, expected {judge}\nhint: choose another --output",
                    path.display(),
                    line.judge
                );
                return Err(Usage(message).into());
            }
            done.insert(key(&line.task, &line.program), line.rated);
        }
        if whole.len() < text.len() {
            hone_runlog::atomic_write(path, whole.as_bytes())?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.with_context(|| format!("failed to write {}", path.display()))?;
        Ok(Journal { path: path.to_path_buf(), file, judge: judge.to_string(), done })
    }

    /// What is known of an answer.
    pub(super) fn get(&self, answer: &Answer) -> Option<&Rated> {
        self.done.get(&answer.key())
    }

    /// Adds a rating.
    pub(super) fn add(&mut self, answer: &Answer, rated: Rated) -> Result<()> {
        let line = Line {
            task: answer.task.clone(),
            program: answer.program.clone(),
            is_passed: answer.is_passed,
            source: answer.source.clone(),
            judge: self.judge.clone(),
            rated: rated.clone(),
        };
        let text = serde_json::to_string(&line)? + "\n";
        self.file
            .write_all(text.as_bytes())
            .with_context(|| format!("failed to write {}", self.path.display()))?;
        self.done.insert(answer.key(), rated);
        Ok(())
    }
}
