//! Writer of GGUF files, version 3, that llama.cpp loads: weights, tokenizer, chat template.
//!
//! Not here: block formats (`quants`) and names (`llama_layout`).

use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::checkpoint::Export;
use super::llama_layout::{self, ExpectedTensor};
use super::{Tensor, files, quants, safetensors};
use crate::ModelError;
use crate::text::gguf_tokenizer::{self, GgufTokenizer};

const ALIGNMENT: usize = 32;

/// How the matrices of an exported GGUF file are stored; norms are always F32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GgufType {
    /// 32 bits, exact.
    F32,
    /// IEEE half precision.
    #[default]
    F16,
    /// 8 bits and a scale for every 32 values; rows that are no multiple of 32 stay F16.
    #[serde(rename = "q8_0")]
    Q8_0,
}

impl GgufType {
    /// llama.cpp's `general.file_type`.
    fn file_type(self) -> u32 {
        match self {
            GgufType::F32 => 0,
            GgufType::F16 => 1,
            GgufType::Q8_0 => 7,
        }
    }

    /// The type of one tensor.
    fn of(self, shape: &[usize]) -> GgufType {
        match (self, shape) {
            (_, [_]) => GgufType::F32,
            (GgufType::Q8_0, [_, width]) if !width.is_multiple_of(32) => GgufType::F16,
            _ => self,
        }
    }

    /// `ggml_type`.
    fn ggml_type(self) -> u32 {
        match self {
            GgufType::F32 => 0,
            GgufType::F16 => 1,
            GgufType::Q8_0 => 8,
        }
    }

    fn bytes(self, values: usize) -> usize {
        match self {
            GgufType::F32 => values * 4,
            GgufType::F16 => values * 2,
            GgufType::Q8_0 => values / 32 * 34,
        }
    }
}

/// Writes a GGUF file atomically; returns its SHA-256.
pub fn save_gguf(path: &Path, name: &str, model: &Export<'_>, kind: GgufType) -> Result<String, ModelError> {
    llama_layout::check(model.config, model.weights).map_err(ModelError::Invalid)?;
    if kind != GgufType::F32 {
        safetensors::check_half_range(path, model.weights)?;
    }
    let expected = llama_layout::expected_tensors(model.config);
    let tokenizer = gguf_tokenizer::to_gguf(model.tokenizer, model.config.vocab_size)?;
    let mut header = Header::default();
    write_metadata(&mut header, name, model, &tokenizer, kind);
    let mut bytes = Vec::new();
    bytes.extend(b"GGUF");
    bytes.extend(3u32.to_le_bytes());
    bytes.extend((expected.len() as u64).to_le_bytes());
    bytes.extend(header.entries.to_le_bytes());
    bytes.append(&mut header.bytes);
    let mut offset = 0;
    for tensor in &expected {
        let stored = kind.of(&tensor.shape);
        put_text(&mut bytes, &tensor.gguf_name);
        bytes.extend((tensor.shape.len() as u32).to_le_bytes());
        tensor.shape.iter().rev().for_each(|&n| bytes.extend((n as u64).to_le_bytes()));
        bytes.extend(stored.ggml_type().to_le_bytes());
        bytes.extend((offset as u64).to_le_bytes());
        offset += stored.bytes(tensor.shape.iter().product()).next_multiple_of(ALIGNMENT);
    }
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
    files::write_atomic(path, |writer| {
        writer.write_all(&bytes)?;
        expected
            .iter()
            .try_for_each(|tensor| write_tensor(writer, tensor, &model.weights[&tensor.name], kind))
    })
}

fn write_tensor(
    writer: &mut dyn Write,
    expected: &ExpectedTensor,
    tensor: &Tensor,
    kind: GgufType,
) -> std::io::Result<()> {
    let permuted = expected.rotary_heads.map(|heads| {
        let mut tensor = tensor.clone();
        llama_layout::halves_to_pairs(&mut tensor, heads);
        tensor
    });
    let values = &permuted.as_ref().unwrap_or(tensor).values;
    let stored = kind.of(&expected.shape);
    match stored {
        GgufType::F32 => safetensors::write_values(writer, values, safetensors::StorageType::F32)?,
        GgufType::F16 => safetensors::write_values(writer, values, safetensors::StorageType::F16)?,
        GgufType::Q8_0 => writer.write_all(&quants::quantize_q8_0(values))?,
    }
    let length = stored.bytes(values.len());
    writer.write_all(&[0; ALIGNMENT][..length.next_multiple_of(ALIGNMENT) - length])
}

/// Metadata entries as bytes.
#[derive(Default)]
struct Header {
    entries: u64,
    bytes: Vec<u8>,
}

impl Header {
    fn key(&mut self, key: &str, value_type: u32) -> &mut Vec<u8> {
        self.entries += 1;
        put_text(&mut self.bytes, key);
        self.bytes.extend(value_type.to_le_bytes());
        &mut self.bytes
    }

    fn u32(&mut self, key: &str, value: u32) {
        self.key(key, 4).extend(value.to_le_bytes());
    }

    fn f32(&mut self, key: &str, value: f64) {
        self.key(key, 6).extend((value as f32).to_le_bytes());
    }

    fn bool(&mut self, key: &str, value: bool) {
        self.key(key, 7).push(u8::from(value));
    }

    fn text(&mut self, key: &str, value: &str) {
        put_text(self.key(key, 8), value);
    }

    fn array(&mut self, key: &str, element_type: u32, length: usize) -> &mut Vec<u8> {
        let bytes = self.key(key, 9);
        bytes.extend(element_type.to_le_bytes());
        bytes.extend((length as u64).to_le_bytes());
        bytes
    }

    fn texts(&mut self, key: &str, values: &[String]) {
        let bytes = self.array(key, 8, values.len());
        values.iter().for_each(|value| put_text(bytes, value));
    }

    fn i32s(&mut self, key: &str, values: &[i32]) {
        let bytes = self.array(key, 5, values.len());
        values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
    }
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

fn write_metadata(
    header: &mut Header,
    name: &str,
    model: &Export<'_>,
    tokenizer: &GgufTokenizer,
    kind: GgufType,
) {
    let config = model.config;
    header.text("general.architecture", "llama");
    header.text("general.type", "model");
    header.text("general.name", name);
    header.u32("general.file_type", kind.file_type());
    header.u32("general.quantization_version", 2);
    let sizes = [
        ("block_count", config.num_hidden_layers),
        ("context_length", config.max_position_embeddings),
        ("embedding_length", config.hidden_size),
        ("feed_forward_length", config.intermediate_size),
        ("attention.head_count", config.num_attention_heads),
        ("attention.head_count_kv", config.num_key_value_heads),
        ("attention.key_length", config.head_dim),
        ("attention.value_length", config.head_dim),
        ("rope.dimension_count", config.head_dim),
        ("vocab_size", config.vocab_size),
    ];
    for (key, value) in sizes {
        // `ModelConfig::validate` keeps sizes far below this limit.
        header.u32(&format!("llama.{key}"), u32::try_from(value).unwrap_or(u32::MAX));
    }
    header.f32("llama.rope.freq_base", config.rope_theta);
    header.f32("llama.attention.layer_norm_rms_epsilon", config.rms_norm_eps);
    header.text("tokenizer.ggml.model", "gpt2");
    header.text("tokenizer.ggml.pre", tokenizer.pre);
    header.texts("tokenizer.ggml.tokens", &tokenizer.tokens);
    header.i32s("tokenizer.ggml.token_type", &tokenizer.types);
    header.texts("tokenizer.ggml.merges", &tokenizer.merges);
    if let Some(id) = config.bos_token_id {
        header.u32("tokenizer.ggml.bos_token_id", id);
    }
    if let Some(&id) = config.eos_token_ids.first() {
        header.u32("tokenizer.ggml.eos_token_id", id);
        header.u32("tokenizer.ggml.padding_token_id", id);
    }
    if let Some(&id) = config.eos_token_ids.get(1) {
        header.u32("tokenizer.ggml.eot_token_id", id);
    }
    header.bool("tokenizer.ggml.add_bos_token", model.tokenizer.adds_bos(config.bos_token_id));
    header.bool("tokenizer.ggml.add_space_prefix", false);
    if let Some(template) = model.chat_template {
        header.text("tokenizer.chat_template", template.source());
    }
}
