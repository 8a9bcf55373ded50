//! Weights in and out: safetensors, GGUF, PEFT adapters; fetching.

mod checkpoint;
mod files;
pub(crate) mod gguf_read;
mod llama_layout;
mod quants;

use std::collections::BTreeMap;

pub use checkpoint::{Checkpoint, Source};

/// A tensor in f32, row-major, as Hugging Face lays it out (`[out, in]` for projections).
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Dimensions, outermost first.
    pub shape: Vec<usize>,
    /// Values.
    pub values: Vec<f32>,
}

/// All tensors of a model by their Hugging Face names (`model.layers.0.self_attn.q_proj.weight` …).
/// Rotary layout is Hugging Face's (halves, not interleaved): GGUF's permuted q and k are turned back on reading.
pub type WeightMap = BTreeMap<String, Tensor>;
