//! A file of preferences as something to learn from: prompts and answers as tokens.

use std::path::Path;

use anyhow::{Context, Result};
use hone_dataset::{Preferences, ScoredAnswer};
use hone_environment::{Message, Observation, Role};
use hone_rl::Group;

use crate::exit::Usage;
use crate::opened_model::Text;

/// The groups of a file, in its order.
pub(crate) fn preferred(path: &Path, text: &Text) -> Result<Vec<Group>> {
    let all = Preferences::load(path).map_err(|error| Usage(error.to_string()))?;
    all.iter().enumerate().map(|(place, one)| group(one, place, text)).collect()
}

fn group(one: &Preferences, place: usize, text: &Text) -> Result<Group> {
    let seen = Observation {
        messages: vec![Message { role: Role::User, content: one.prompt.clone() }],
        answer_prefix: one.prefix.clone(),
        stop: Vec::new(),
    };
    let prompt = text
        .render(&seen)
        .map_err(|error| anyhow::anyhow!("{error}"))
        .with_context(|| format!("failed to encode the prompt of {}", one.task))?;
    let tokens = |answer: &ScoredAnswer| -> Result<(Vec<u32>, f64)> {
        // As an answer that was sampled ends: with the text that stops it, or with the model's own end.
        let mut tokens = text.tokenizer.encode(&format!("{}{}", answer.text, one.suffix), false)?;
        if one.suffix.is_empty() {
            tokens.extend(text.end);
        }
        Ok((tokens, answer.score))
    };
    let answers = one.answers.iter().map(tokens).collect::<Result<Vec<_>>>()?;
    Ok(Group::from_answers(&one.task, place, prompt, answers))
}
