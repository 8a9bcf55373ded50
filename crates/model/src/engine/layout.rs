//! How prompt groups lie in one matrix of rows: packed end to end, no padding, each prompt once.
//!
//! A completion's last token predicts nothing, so it has no row. The prompt's last row predicts the first token of every
//! completion, so one row of the output head may serve several tokens.

use crate::{ModelConfig, ModelError, PromptGroup, TokenValues};

/// A run of rows that see each other causally, and all of an earlier run (their prompt).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    /// First row.
    pub(crate) first_row: usize,
    /// Rows.
    pub(crate) rows: usize,
    /// First row of the prompt before it.
    pub(crate) prefix_row: usize,
    /// Rows of the prompt before it; 0 for a prompt itself.
    pub(crate) prefix_rows: usize,
}

/// A token whose log-prob is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    /// Index of the group.
    pub(crate) group: usize,
    /// Index within the group.
    pub(crate) completion: usize,
    /// Index within the completion.
    pub(crate) position: usize,
    /// The token.
    pub(crate) token: u32,
}

/// A row that the output head is computed for, and the tokens it predicts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeadRow {
    /// The row.
    pub(crate) row: usize,
    /// `targets[first..end]` of the layout.
    pub(crate) targets: std::ops::Range<usize>,
}

/// Rows of one forward pass.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layout {
    /// Token of each row.
    pub(crate) tokens: Vec<u32>,
    /// Position of each row in its sequence.
    pub(crate) positions: Vec<u32>,
    /// Segments, a prompt before its completions.
    pub(crate) segments: Vec<Segment>,
    /// Rows with a head, ascending.
    pub(crate) head_rows: Vec<HeadRow>,
    /// Tokens predicted, grouped by head row.
    pub(crate) targets: Vec<Target>,
    /// `[group][completion]` lengths in tokens.
    lengths: Vec<Vec<usize>>,
}

impl Layout {
    /// Lays out groups; an empty prompt or completion, a token outside the vocabulary or a sequence longer than the
    /// context is an error.
    pub(crate) fn new(config: &ModelConfig, batch: &[PromptGroup]) -> Result<Layout, ModelError> {
        let mut layout = Layout::default();
        for (index, group) in batch.iter().enumerate() {
            check_group(config, index, group)?;
            layout.push_group(index, group);
        }
        Ok(layout)
    }

    fn push_group(&mut self, group_index: usize, group: &PromptGroup) {
        let prefix_row = self.tokens.len();
        let prefix_rows = group.prompt.len();
        self.push_rows(&group.prompt, 0, 0, 0);
        let first = self.targets.len();
        for (completion, tokens) in group.completions.iter().enumerate() {
            self.targets.push(Target { group: group_index, completion, position: 0, token: tokens[0] });
        }
        self.push_head(prefix_row + prefix_rows - 1, first);
        for (completion, tokens) in group.completions.iter().enumerate() {
            let row = self.tokens.len();
            self.push_rows(&tokens[..tokens.len() - 1], prefix_rows, prefix_row, prefix_rows);
            for (i, &token) in tokens[1..].iter().enumerate() {
                let first = self.targets.len();
                self.targets.push(Target { group: group_index, completion, position: i + 1, token });
                self.push_head(row + i, first);
            }
        }
        self.lengths.push(group.completions.iter().map(Vec::len).collect());
    }

    fn push_rows(&mut self, tokens: &[u32], first_position: usize, prefix_row: usize, prefix_rows: usize) {
        let segment = Segment { first_row: self.tokens.len(), rows: tokens.len(), prefix_row, prefix_rows };
        self.tokens.extend_from_slice(tokens);
        self.positions.extend((0..tokens.len()).map(|i| (first_position + i) as u32));
        if segment.rows > 0 {
            self.segments.push(segment);
        }
    }

    fn push_head(&mut self, row: usize, first_target: usize) {
        if self.targets.len() > first_target {
            self.head_rows.push(HeadRow { row, targets: first_target..self.targets.len() });
        }
    }

    /// The same layout, asked about `tokens[group][completion][position]` instead of the completions' own.
    pub(crate) fn about(
        mut self,
        config: &ModelConfig,
        tokens: &[Vec<Vec<u32>>],
    ) -> Result<Layout, ModelError> {
        let lengths: Vec<Vec<usize>> = tokens.iter().map(|g| g.iter().map(Vec::len).collect()).collect();
        if lengths != self.lengths {
            let message = "tokens to ask about do not have the shape of the completions";
            return Err(ModelError::Invalid(message.into()));
        }
        tokens.iter().flatten().try_for_each(|row| check_tokens(config, row))?;
        for target in &mut self.targets {
            target.token = tokens[target.group][target.completion][target.position];
        }
        Ok(self)
    }

    /// Number of rows, T.
    #[must_use]
    pub(crate) fn rows(&self) -> usize {
        self.tokens.len()
    }

    /// Zeros in the shape of the completions.
    #[must_use]
    pub(crate) fn empty_values(&self) -> TokenValues {
        TokenValues {
            logprobs: self.zeros(1),
            entropies: self.zeros(1),
            likeliest: self.zeros(1),
            values: None,
        }
    }

    /// Zeros in the shape of the completions, `outputs` a token.
    #[must_use]
    pub(crate) fn zeros(&self, outputs: usize) -> Vec<Vec<Vec<f32>>> {
        self.lengths.iter().map(|g| g.iter().map(|&n| vec![0.0; n * outputs]).collect()).collect()
    }

    /// Whether an array has the shape of the completions.
    #[must_use]
    pub(crate) fn fits(&self, values: &[Vec<Vec<f32>>], outputs: usize) -> bool {
        values.len() == self.lengths.len()
            && values.iter().zip(&self.lengths).all(|(group, lengths)| {
                group.len() == lengths.len()
                    && group.iter().zip(lengths).all(|(tokens, &n)| tokens.len() == n * outputs)
            })
    }
}

fn check_group(config: &ModelConfig, index: usize, group: &PromptGroup) -> Result<(), ModelError> {
    let invalid = |message: String| Err(ModelError::Invalid(format!("group {index}: {message}")));
    if group.prompt.is_empty() {
        return invalid("expected a prompt of at least one token, got none".into());
    }
    if let Some(completion) = group.completions.iter().position(Vec::is_empty) {
        return invalid(format!("completion {completion} has no tokens"));
    }
    let longest = group.completions.iter().map(Vec::len).max().unwrap_or(0);
    check_tokens(config, &group.prompt)?;
    for completion in &group.completions {
        check_tokens(config, completion)?;
    }
    if group.prompt.len() + longest > config.max_position_embeddings {
        return invalid(format!(
            "a sequence of {} tokens is longer than the model's context of {}",
            group.prompt.len() + longest,
            config.max_position_embeddings
        ));
    }
    Ok(())
}

/// Checks that every token id is in the vocabulary.
pub(crate) fn check_tokens(config: &ModelConfig, tokens: &[u32]) -> Result<(), ModelError> {
    match tokens.iter().find(|&&t| t as usize >= config.vocab_size) {
        Some(token) => Err(ModelError::Invalid(format!(
            "token id {token} is outside the vocabulary of {} (is this the model's own tokenizer?)",
            config.vocab_size
        ))),
        None => Ok(()),
    }
}
