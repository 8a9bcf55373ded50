//! Solved examples that are shown before every question (few-shot): a benchmark's own first problems, or a file's rows.
//!
//! A row is `{"question": …, "answer": …}`, both shown as they are: to a chat model as a dialogue, to a base model as the
//! text `question` + `answer` + an empty line.

use std::path::Path;

use hone_environment::{Message, Role};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::rows::read_rows;
use super::{Assembly, BenchmarkError, Problem, PromptStyle};

/// A solved example.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shot {
    /// What is asked.
    pub question: String,
    /// What a good model answers.
    pub answer: String,
}

/// Reads examples of a JSONL file.
pub fn read_shots(path: &Path) -> Result<Vec<Shot>, BenchmarkError> {
    let shot = |(index, row): (usize, super::rows::Row)| {
        let shot = || Ok::<_, String>(Shot { question: row.text("question")?, answer: row.text("answer")? });
        shot().map_err(|message| BenchmarkError::Row {
            path: path.display().to_string(),
            row: index + 1,
            message,
        })
    };
    read_rows(path)?.into_iter().enumerate().map(shot).collect()
}

/// Checksum of what is shown, as hexadecimal digits: the same for the same examples, whatever file they are in.
pub fn shots_sha256(shots: &[Shot]) -> String {
    let mut hash = Sha256::new();
    for text in shots.iter().flat_map(|shot| [&shot.question, &shot.answer]) {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Problem {
    /// It with its reference as the answer; `None` where the reference is no answer to the question.
    pub fn solved(&self, style: PromptStyle) -> Option<Shot> {
        if matches!(self.assembly, Assembly::Expression { .. } | Assembly::Middle { .. }) {
            return None;
        }
        let reference = self.reference.as_ref()?;
        Some(match style {
            PromptStyle::Chat => Shot {
                question: self.question.clone(),
                answer: format!("```{}\n{}\n```", self.language().name(), reference.trim()),
            },
            PromptStyle::Completion => Shot {
                question: self.prompt.clone(),
                answer: reference.strip_prefix(self.prompt.as_str()).unwrap_or(reference).to_owned(),
            },
        })
    }
}

/// Examples as a dialogue.
pub(super) fn dialogue(shots: &[Shot]) -> Vec<Message> {
    let messages = |shot: &Shot| {
        let message = |role, content: &str| Message { role, content: content.to_owned() };
        [message(Role::User, &shot.question), message(Role::Assistant, &shot.answer)]
    };
    shots.iter().flat_map(messages).collect()
}

/// Examples as a text that goes before a prompt.
pub(super) fn text(shots: &[Shot]) -> String {
    shots.iter().map(|shot| format!("{}{}\n\n", shot.question, shot.answer.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shot(question: &str, answer: &str) -> Shot {
        Shot { question: question.into(), answer: answer.into() }
    }

    #[test]
    fn examples_are_read_and_named_by_their_content() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("shots.jsonl");
        let read = |text: &str| {
            std::fs::write(&path, text).expect("written");
            read_shots(&path).map_err(|error| error.to_string())
        };
        let shots =
            read("{\"question\": \"a?\", \"answer\": \"b\"}\n{\"question\": \"c?\", \"answer\": \"d\"}\n");
        let shots = shots.expect("two");
        assert_eq!(shots, [shot("a?", "b"), shot("c?", "d")]);
        let message = read("{\"question\": \"a?\"}\n").expect_err("half a row");
        assert!(message.contains("row 1: key `answer` is missing"), "{message}");
        // Where one text ends and the next begins is part of it.
        assert_ne!(shots_sha256(&[shot("ab", "c")]), shots_sha256(&[shot("a", "bc")]));
        assert_eq!(shots_sha256(&shots), shots_sha256(&shots.clone()));
        assert_eq!(text(&[shot("def f():\n", "    return 1\n")]), "def f():\n    return 1\n\n");
        assert_eq!(dialogue(&shots)[1], Message { role: Role::Assistant, content: "b".into() });
    }
}
