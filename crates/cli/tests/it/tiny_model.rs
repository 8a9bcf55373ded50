//! A model small enough for a test: random weights, one token a byte, in a Hugging Face folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use hone_model::ModelConfig;
use hone_model::engine::random_weights;
use hone_model::text::Tokenizer;
use hone_model::weights::{Export, StorageType, save_huggingface};

/// Writes the model.
pub(crate) fn write(folder: &Path) {
    let config = ModelConfig {
        hidden_size: 32,
        intermediate_size: 64,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        num_key_value_heads: 1,
        head_dim: 16,
        vocab_size: 257,
        max_position_embeddings: 1024,
        rope_theta: 10_000.0,
        rms_norm_eps: 1e-5,
        tie_word_embeddings: true,
        bos_token_id: None,
        eos_token_ids: vec![256],
    };
    let path = folder.join("tokenizer-source.json");
    fs::create_dir_all(folder).unwrap();
    fs::write(&path, tokenizer_json()).unwrap();
    let tokenizer = Tokenizer::from_file(&path).unwrap();
    let weights = random_weights(&config, 5);
    let export = Export { config: &config, weights: &weights, tokenizer: &tokenizer, chat_template: None };
    save_huggingface(folder, &export, StorageType::F32).unwrap();
}

/// Byte-level BPE without merges: GPT-2's alphabet of 256 bytes, and an end.
fn tokenizer_json() -> String {
    let is_plain = |byte: u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let mut next = 256;
    let vocabulary: BTreeMap<String, u32> = (0..256_u32)
        .map(|byte| {
            let character = if is_plain(byte) {
                byte
            } else {
                next += 1;
                next - 1
            };
            (char::from_u32(character).unwrap().to_string(), byte)
        })
        .collect();
    let byte_level = serde_json::json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "post_processor": null,
        "added_tokens": [{"id": 256, "content": "<end>", "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true}],
        "pre_tokenizer": byte_level, "decoder": byte_level,
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "vocab": vocabulary, "merges": []},
    })
    .to_string()
}
