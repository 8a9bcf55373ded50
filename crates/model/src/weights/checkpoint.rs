//! A model as it lies on disk, whatever the format: configuration, weights, tokenizer, chat template, origin.
//!
//! Not here: running it (`engine`), fetching it (`fetch`).

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::gguf_read::GgufFile;
use super::{WeightMap, files, llama_layout};
use crate::text::{ChatTemplate, Tokenizer, gguf_tokenizer};
use crate::{ModelConfig, ModelError};

/// Where a model came from; recorded with every run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Format and kind of numbers, such as "GGUF Q4_1, dequantised".
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

impl Checkpoint {
    /// Opens a GGUF file.
    pub fn open(path: &Path) -> Result<Checkpoint, ModelError> {
        open_gguf(path)
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
