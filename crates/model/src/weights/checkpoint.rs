//! A model as it lies on disk, whatever the format: configuration, weights, tokenizer, chat template, origin.
//!
//! Not here: running it (`engine`), fetching it (`fetch`), the formats themselves.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::gguf_read::GgufFile;
use super::{WeightMap, files, huggingface, llama_layout};
use crate::text::{ChatTemplate, Tokenizer, gguf_tokenizer};
use crate::{ModelConfig, ModelError};

/// Where a model came from; recorded with every run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Format and kind of numbers, such as "GGUF, 210 tensors Q4_1 …, dequantised".
    pub description: String,
    /// The file or folder that was opened.
    pub path: PathBuf,
    /// SHA-256 of the weights: of the file, or of the list of the shards' checksums.
    pub sha256: String,
}

/// All that is needed to run a model.
#[derive(Debug)]
pub struct Checkpoint {
    /// Hyper-parameters.
    pub config: ModelConfig,
    /// All tensors of `config`, checked for shape and finiteness.
    pub weights: WeightMap,
    /// Text ↔ tokens.
    pub tokenizer: Tokenizer,
    /// How conversations become text; base models have none.
    pub chat_template: Option<ChatTemplate>,
    /// Where it came from.
    pub source: Source,
}

/// What is written when a model is exported; borrowed, since weights are large.
#[derive(Debug, Clone, Copy)]
pub struct Export<'a> {
    /// Hyper-parameters.
    pub config: &'a ModelConfig,
    /// All tensors of `config`, with adapters merged.
    pub weights: &'a WeightMap,
    /// Text ↔ tokens.
    pub tokenizer: &'a Tokenizer,
    /// How conversations become text.
    pub chat_template: Option<&'a ChatTemplate>,
}

impl Checkpoint {
    /// Opens a Hugging Face folder or a GGUF file.
    pub fn open(path: &Path) -> Result<Checkpoint, ModelError> {
        if !path.is_dir() {
            return open_gguf(path);
        }
        if path.join("config.json").exists() {
            return huggingface::open(path);
        }
        let message = if path.join("adapter_config.json").exists() {
            "this is an adapter, not a model\nhint: open its base model and load the adapter onto it"
        } else {
            "expected a folder with config.json, or the path of a GGUF file"
        };
        Err(ModelError::format(path, message))
    }

    /// The parts to export, unchanged.
    pub fn export(&self) -> Export<'_> {
        Export {
            config: &self.config,
            weights: &self.weights,
            tokenizer: &self.tokenizer,
            chat_template: self.chat_template.as_ref(),
        }
    }
}

fn open_gguf(path: &Path) -> Result<Checkpoint, ModelError> {
    let file = GgufFile::open(path)?;
    let config = llama_layout::config_from_gguf(&file)?;
    let tokenizer = gguf_tokenizer::from_gguf(&file)?;
    let special = |id: Option<u32>| id.and_then(|id| tokenizer.token_of(id)).unwrap_or_default();
    let chat_template = match file.text("tokenizer.chat_template")? {
        Some(source) => {
            let eos = special(config.eos_token_ids.first().copied());
            Some(ChatTemplate::new(source, &special(config.bos_token_id), &eos)?)
        }
        None => None,
    };
    let weights = llama_layout::weights_from_gguf(&file, &config)?;
    let source = Source {
        description: format!("GGUF, {}", file.format_summary()),
        path: path.to_path_buf(),
        sha256: files::sha256(path)?,
    };
    Ok(Checkpoint { config, weights, tokenizer, chat_template, source })
}
