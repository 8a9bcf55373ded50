//! Weights in and out: safetensors, GGUF, PEFT adapters; fetching.

mod checkpoint;
mod fetch;
mod fetch_hub;
mod fetch_pypi;
mod files;
pub(crate) mod gguf_read;
mod gguf_write;
mod huggingface;
mod llama_layout;
mod peft;
mod quants;
mod safetensors;

use std::collections::BTreeMap;

pub use checkpoint::{Checkpoint, Export, Source};
pub use fetch::{DEFAULT_MODEL, FetchOptions, FetchProgress, FetchSource, cache_folder, cached, fetch};
pub use gguf_write::{GgufType, save_gguf};
pub use huggingface::save_huggingface;
pub use peft::{PeftAdapter, load_peft, save_peft};
pub use safetensors::StorageType;

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
