//! The least time a step can take: its floating-point operations over the rate of a large matrix product.
//!
//! Counted are matrix products and attention at 2 operations a multiply-add; norms, softmax, sampling and the optimizer are not.
//! The base weights are frozen, so the backward pass needs their input gradients only.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// Sizes of a Llama-family model that decide its arithmetic.
#[derive(Debug, Clone)]
pub(super) struct Sizes {
    width: f64,
    ffn: f64,
    layers: f64,
    vocabulary: f64,
    query_width: f64,
    key_width: f64,
}

/// A step: rows of equal length over prompts that are computed once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Prompts.
    pub(super) prompts: usize,
    /// Completions of each.
    pub(super) samples: usize,
    /// Tokens of each completion.
    pub(super) tokens: usize,
    /// Tokens of all prompts together.
    pub(super) prompt_tokens: usize,
}

impl Sizes {
    /// Reads a `config.json`.
    pub(super) fn read(folder: &Path) -> Result<Sizes> {
        let path = folder.join("config.json");
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
        Sizes::from_config(&serde_json::from_str(&text)?)
    }

    fn from_config(config: &Value) -> Result<Sizes> {
        let number =
            |key: &str| config[key].as_f64().with_context(|| format!("config.json: expected a number {key}"));
        let heads = number("num_attention_heads")?;
        let width = number("hidden_size")?;
        let head = config["head_dim"].as_f64().unwrap_or(width / heads);
        Ok(Sizes {
            width,
            ffn: number("intermediate_size")?,
            layers: number("num_hidden_layers")?,
            vocabulary: number("vocab_size")?,
            query_width: heads * head,
            key_width: number("num_key_value_heads")? * head,
        })
    }

    /// Weights of the linear layers of all blocks.
    fn blocks(&self) -> f64 {
        self.layers * self.width * (2.0 * self.query_width + 2.0 * self.key_width + 3.0 * self.ffn)
    }

    fn head(&self) -> f64 {
        self.width * self.vocabulary
    }

    /// Weights of adapters of a rank on all linear layers.
    fn adapters(&self, rank: f64) -> f64 {
        let (d, q, k, f) = (self.width, self.query_width, self.key_width, self.ffn);
        self.layers * rank * (2.0 * (d + q) + 2.0 * (d + k) + 3.0 * (d + f))
    }

    /// Operations of attention's two products over all positions, forward.
    fn attention(&self, shape: Shape) -> f64 {
        let prompt = shape.prompt_tokens as f64 / shape.prompts as f64;
        let tokens = shape.tokens as f64;
        let rows = (shape.prompts * shape.samples) as f64;
        let seen = shape.prompts as f64 * prompt * prompt / 2.0 + rows * tokens * (prompt + tokens / 2.0);
        4.0 * self.query_width * self.layers * seen
    }

    /// Operations of sampling all completions.
    pub(super) fn generation(&self, shape: Shape) -> f64 {
        let completions = (shape.prompts * shape.samples * shape.tokens) as f64;
        let all = completions + shape.prompt_tokens as f64;
        2.0 * (self.blocks() * all + self.head() * completions) + self.attention(shape)
    }

    /// Operations of one forward and backward pass with adapters on frozen weights.
    pub(super) fn update(&self, shape: Shape, rank: f64) -> f64 {
        let completions = (shape.prompts * shape.samples * shape.tokens) as f64;
        let all = completions + shape.prompt_tokens as f64;
        let frozen = 4.0 * (self.blocks() * all + self.head() * completions);
        frozen + 6.0 * self.adapters(rank) * all + 3.0 * self.attention(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_the_default_model() {
        let config = serde_json::json!({
            "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9,
            "num_key_value_heads": 3, "vocab_size": 49152,
        });
        let sizes = Sizes::from_config(&config).expect("all sizes are there");
        assert_eq!(sizes.blocks(), 106_168_320.0);
        assert_eq!(sizes.head(), 28_311_552.0);
        // PEFT counts 4,884,480 trainable parameters for r = 16 on all linear layers.
        assert_eq!(sizes.adapters(16.0), 4_884_480.0);
        let shape = Shape { prompts: 4, samples: 8, tokens: 128, prompt_tokens: 240 };
        // By hand: 2 × (106168320 × 4336 + 28311552 × 4096) + 4 × 576 × 30 × (7200 + 4096 × 124).
        assert_eq!(sizes.generation(shape), 1_188_223_893_504.0);
        assert!(sizes.update(shape, 16.0) > 2.0 * sizes.generation(shape));
    }
}
