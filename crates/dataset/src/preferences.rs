//! Preference data: answers to one prompt with scores, a JSONL line a prompt. What `hone data rate` writes, and what
//! preference methods learn from; plain pairs of other tools are read too.
//!
//! ```text
//! {"task": "…", "prompt": "…", "prefix": "```python\n", "suffix": "\n```", "answers": [{"text": "…", "score": 0.8}, …]}
//! {"prompt": "…", "chosen": "…", "rejected": "…"}
//! ```
//!
//! `prompt` is what the user says; the answer begins with `prefix`, which is not learned, and ends with `suffix`, which is
//! (without one it ends with the model's end of text). Not here: tokens.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// Answers to one prompt.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Preferences {
    /// The task's id; the line's number where the file names none.
    #[serde(default)]
    pub task: String,
    /// What the user says.
    pub prompt: String,
    /// How every answer begins.
    #[serde(default)]
    pub prefix: String,
    /// How every answer ends.
    #[serde(default)]
    pub suffix: String,
    /// The answers, best first in files of ours.
    pub answers: Vec<ScoredAnswer>,
}

/// An answer and what it is worth.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ScoredAnswer {
    /// Its text, after the prefix and before the suffix.
    pub text: String,
    /// Its score; only the order counts for most methods.
    pub score: f64,
}

/// Why a file of preferences cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct PreferencesError {
    place: String,
    message: String,
}

/// A line of either form.
#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    task: String,
    prompt: Option<String>,
    #[serde(default)]
    prefix: String,
    #[serde(default)]
    suffix: String,
    answers: Option<Vec<ScoredAnswer>>,
    chosen: Option<String>,
    rejected: Option<String>,
}

impl Preferences {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Vec<Preferences>, PreferencesError> {
        let place = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| PreferencesError { place: place.clone(), message: error.to_string() })?;
        Preferences::parse(&text, &place)
    }

    /// Reads text; `place` is its name in messages.
    pub fn parse(text: &str, place: &str) -> Result<Vec<Preferences>, PreferencesError> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let read = |(index, line): (usize, &str)| {
            let failure =
                |message: String| PreferencesError { place: format!("{place}:{}", index + 1), message };
            preferences(line, index + 1).map_err(failure)
        };
        let all: Vec<Preferences> = lines.map(read).collect::<Result<_, _>>()?;
        if all.is_empty() {
            let message = "expected a line of preferences, found none".to_string();
            return Err(PreferencesError { place: place.to_string(), message });
        }
        Ok(all)
    }
}

fn preferences(line: &str, number: usize) -> Result<Preferences, String> {
    let line: Line =
        serde_json::from_str(line).map_err(|error| format!("expected JSON of preferences, found {error}"))?;
    let prompt = line.prompt.ok_or("prompt: expected a text, found none")?;
    let answers = match (line.answers, line.chosen, line.rejected) {
        (Some(answers), None, None) => answers,
        (None, Some(chosen), Some(rejected)) => {
            vec![ScoredAnswer { text: chosen, score: 1.0 }, ScoredAnswer { text: rejected, score: 0.0 }]
        }
        _ => return Err("expected `answers`, or `chosen` and `rejected`".into()),
    };
    if answers.len() < 2 {
        return Err(format!("answers: expected at least 2, found {}", answers.len()));
    }
    if let Some(bad) = answers.iter().find(|answer| answer.text.is_empty() || !answer.score.is_finite()) {
        return Err(format!("answers: expected texts with finite scores, found {:?}", bad));
    }
    let task = if line.task.is_empty() { format!("line {number}") } else { line.task };
    Ok(Preferences { task, prompt, prefix: line.prefix, suffix: line.suffix, answers })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let text = "{\"prompt\": \"p\", \"chosen\": \"a\", \"rejected\": \"b\"}\n\n\
            {\"task\": \"t\", \"prompt\": \"q\", \"prefix\": \"x\", \"answers\": [{\"text\": \"c\", \"score\": 0.5, \"why\": 1}, {\"text\": \"d\", \"score\": 0}]}\n";
        let found = Preferences::parse(text, "file").unwrap();
        assert_eq!(
            (found[0].task.as_str(), found[0].answers[0].score, found[0].answers[1].score),
            ("line 1", 1.0, 0.0)
        );
        assert_eq!((found[1].task.as_str(), found[1].prefix.as_str(), found[1].answers.len()), ("t", "x", 2));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, part) in [
            ("", "file: expected a line of preferences"),
            ("{", "file:1: expected JSON"),
            ("{\"chosen\": \"a\", \"rejected\": \"b\"}", "prompt: expected a text"),
            ("{\"prompt\": \"p\"}", "expected `answers`, or `chosen`"),
            ("{\"prompt\": \"p\", \"answers\": [{\"text\": \"a\", \"score\": 1}]}", "at least 2, found 1"),
            ("{\"prompt\": \"p\", \"chosen\": \"\", \"rejected\": \"b\"}", "expected texts"),
        ] {
            let message = Preferences::parse(text, "file").unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }
}
