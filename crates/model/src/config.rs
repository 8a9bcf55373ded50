//! The network's hyper-parameters, mirroring a Hugging Face `config.json` of a Llama-family model.

use serde::{Deserialize, Serialize};

/// Hyper-parameters of a Llama-family decoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelConfig {
    /// D, the residual width.
    pub hidden_size: usize,
    /// Width of the gated feed-forward layer.
    pub intermediate_size: usize,
    /// Number of decoder layers.
    pub num_hidden_layers: usize,
    /// H, the query heads.
    pub num_attention_heads: usize,
    /// Key/value heads; divides `num_attention_heads`.
    pub num_key_value_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// V, the vocabulary.
    pub vocab_size: usize,
    /// Longest sequence.
    pub max_position_embeddings: usize,
    /// Base of the rotary embedding.
    pub rope_theta: f64,
    /// ε of the RMS norms.
    pub rms_norm_eps: f64,
    /// Whether the output head is the embedding matrix.
    pub tie_word_embeddings: bool,
    /// First token of a text, if the model has one.
    pub bos_token_id: Option<u32>,
    /// Tokens that end a generation.
    pub eos_token_ids: Vec<u32>,
}

/// Largest value of any size that is believed; a damaged file must not make the engine plan for terabytes.
const LARGEST_SIZE: usize = 1 << 24;

impl ModelConfig {
    /// Whether the sizes fit together; the message names the first that does not.
    pub fn validate(&self) -> Result<(), String> {
        let sizes = [
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("num_key_value_heads", self.num_key_value_heads),
            ("head_dim", self.head_dim),
            ("vocab_size", self.vocab_size),
            ("max_position_embeddings", self.max_position_embeddings),
        ];
        if let Some((name, value)) = sizes.into_iter().find(|(_, value)| !(1..=LARGEST_SIZE).contains(value))
        {
            return Err(format!("expected {name} of 1 to {LARGEST_SIZE}, found {value}"));
        }
        let (heads, key_heads) = (self.num_attention_heads, self.num_key_value_heads);
        if !heads.is_multiple_of(key_heads) {
            return Err(format!(
                "expected num_key_value_heads to divide num_attention_heads, found {key_heads} and {heads}"
            ));
        }
        if !self.head_dim.is_multiple_of(2) {
            return Err(format!(
                "expected an even head_dim for the rotary embedding, found {}",
                self.head_dim
            ));
        }
        let is_positive = |value: f64| value.is_finite() && value > 0.0;
        if !is_positive(self.rope_theta) || !is_positive(self.rms_norm_eps) {
            let (theta, eps) = (self.rope_theta, self.rms_norm_eps);
            return Err(format!("expected positive rope_theta and rms_norm_eps, found {theta} and {eps}"));
        }
        let special = self.bos_token_id.iter().chain(&self.eos_token_ids);
        match special.copied().find(|&id| id as usize >= self.vocab_size) {
            Some(id) => {
                Err(format!("expected special tokens below vocab_size {}, found {id}", self.vocab_size))
            }
            None => Ok(()),
        }
    }
}
