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
