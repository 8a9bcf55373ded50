//! Byte-level BPE tokenizers in GGUF metadata: `tokenizer.ggml.*` ↔ `tokenizer.json`.
//!
//! GGUF keeps vocabulary and merges but names the way text is cut before merging only by a word (`tokenizer.ggml.pre`), so
//! the rules behind each word are written here. Not here: SentencePiece vocabularies (`tokenizer.ggml.model` "llama").

use serde_json::{Value, json};

use super::Tokenizer;
use crate::ModelError;
use crate::weights::gguf_read::{self, GgufFile};

/// `tokenizer.ggml.token_type`.
const NORMAL: i128 = 1;
const CONTROL: i128 = 3;
const USER_DEFINED: i128 = 4;

/// How Llama 3 and its kin cut text: contractions, words, up to three digits, punctuation, spaces.
const LLAMA3_PATTERN: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

const SUPPORTED_PRE: &str = "smollm, starcoder, gpt-2, llama-bpe";

/// The tokenizer in a file's metadata.
pub(crate) fn from_gguf(file: &GgufFile) -> Result<Tokenizer, ModelError> {
    let unsupported = |key: &str, expected: &str, found: &str| {
        Err(ModelError::Unsupported(format!(
            "{}: expected {key} of {expected}, found {found}\nhint: use the model's Hugging Face folder, which has a tokenizer.json",
            file.path().display()
        )))
    };
    let model = file.required("tokenizer.ggml.model", file.text("tokenizer.ggml.model")?)?;
    if model != "gpt2" {
        return unsupported("tokenizer.ggml.model", "gpt2", model);
    }
    let pre = file.text("tokenizer.ggml.pre")?.unwrap_or("(none)");
    let Some(pre_tokenizer) = pre_tokenizer(pre) else {
        return unsupported("tokenizer.ggml.pre", SUPPORTED_PRE, pre);
    };
    let tokens = file.required("tokenizer.ggml.tokens", file.texts("tokenizer.ggml.tokens")?)?;
    let types = file.array("tokenizer.ggml.token_type")?.unwrap_or_default();
    if !types.is_empty() && types.len() != tokens.len() {
        return Err(file.error(format!("expected {} token types, found {}", tokens.len(), types.len())));
    }
    let merges = file.required("tokenizer.ggml.merges", file.texts("tokenizer.ggml.merges")?)?;
    let merges: Option<Vec<[&str; 2]>> =
        merges.iter().map(|m| m.split_once(' ').map(|(a, b)| [a, b])).collect();
    let merges =
        merges.ok_or_else(|| file.error("expected merges of two tokens with a space between them"))?;
    let mut json = tokenizer_json(&tokens, types, &merges, pre_tokenizer, pre == "llama-bpe");
    // llama.cpp's default where the file does not say.
    if file.boolean("tokenizer.ggml.add_bos_token")?.unwrap_or(pre == "llama-bpe") {
        let key = "tokenizer.ggml.bos_token_id";
        let id = file.required(key, file.unsigned(key)?)?;
        let token = tokens.get(id);
        let token = token.ok_or_else(|| file.error(format!("{key}: no token has the id {id}")))?;
        json["post_processor"] = bos_first(token, id);
    }
    Tokenizer::from_json(json.to_string().as_bytes())
        .map_err(|message| file.error(format!("tokenizer in the metadata: {message}")))
}

fn tokenizer_json(
    tokens: &[&str],
    types: &[gguf_read::Value],
    merges: &[[&str; 2]],
    pre_tokenizer: Value,
    ignore_merges: bool,
) -> Value {
    let vocabulary: serde_json::Map<String, Value> =
        tokens.iter().enumerate().map(|(id, token)| (token.to_string(), json!(id))).collect();
    let added: Vec<Value> = tokens
        .iter()
        .zip(types)
        .enumerate()
        .filter_map(|(id, (token, kind))| {
            let gguf_read::Value::Integer(kind @ (CONTROL | USER_DEFINED)) = *kind else { return None };
            Some(json!({
                "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": kind == CONTROL,
            }))
        })
        .collect();
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": null,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": null,
        "decoder": byte_level(true),
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": ignore_merges,
            "vocab": vocabulary, "merges": merges,
        },
    })
}

/// A post-processor that puts a token in front of a text.
fn bos_first(token: &str, id: usize) -> Value {
    let bos = json!({ "SpecialToken": { "id": token, "type_id": 0 } });
    let text = |name: &str| json!({ "Sequence": { "id": name, "type_id": 0 } });
    json!({
        "type": "TemplateProcessing", "single": [bos, text("A")], "pair": [bos, text("A"), text("B")],
        "special_tokens": { token: { "id": token, "ids": [id], "tokens": [token] } },
    })
}

fn byte_level(use_regex: bool) -> Value {
    json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex })
}

/// How text is cut before merging, as `tokenizer.json` says it.
fn pre_tokenizer(pre: &str) -> Option<Value> {
    let sequence =
        |first: Value, second: Value| json!({ "type": "Sequence", "pretokenizers": [first, second] });
    match pre {
        "gpt-2" => Some(byte_level(true)),
        "smollm" | "starcoder" => {
            Some(sequence(json!({ "type": "Digits", "individual_digits": true }), byte_level(true)))
        }
        "llama-bpe" => {
            let split = json!({
                "type": "Split", "pattern": { "Regex": LLAMA3_PATTERN }, "behavior": "Isolated", "invert": false,
            });
            Some(sequence(split, byte_level(false)))
        }
        _ => None,
    }
}

/// What a GGUF file says of a tokenizer.
#[derive(Debug)]
pub(crate) struct GgufTokenizer {
    pub(crate) pre: &'static str,
    pub(crate) tokens: Vec<String>,
    pub(crate) types: Vec<i32>,
    pub(crate) merges: Vec<String>,
}

/// The metadata that describes `tokenizer`, padded with unused tokens to the model's `vocab_size`.
pub(crate) fn to_gguf(tokenizer: &Tokenizer, vocab_size: usize) -> Result<GgufTokenizer, ModelError> {
    let json: Value = serde_json::from_str(&tokenizer.to_tokenizer_json()?)
        .map_err(|e| ModelError::Invalid(format!("failed to read the tokenizer back: {e}")))?;
    let unsupported = |what: &str| ModelError::Unsupported(format!("tokenizer for GGUF: expected {what}"));
    let pre = pre_of(&json["pre_tokenizer"])
        .ok_or_else(|| unsupported(&format!("text to be cut like one of {SUPPORTED_PRE}")))?;
    let model = &json["model"];
    let (Some(vocabulary), Some(merges)) = (model["vocab"].as_object(), model["merges"].as_array()) else {
        return Err(unsupported("byte-level BPE"));
    };
    let mut tokens: Vec<String> = (0..vocab_size).map(|id| format!("[PAD{id}]")).collect();
    // Padding tokens are "unused".
    let mut types = vec![5; vocab_size];
    let mut set = |token: &str, id: &Value, kind: i128| -> Result<(), ModelError> {
        let id = id.as_u64().and_then(|id| usize::try_from(id).ok()).filter(|&id| id < vocab_size);
        let id = id.ok_or_else(|| unsupported(&format!("token {token} below the model's {vocab_size}")))?;
        tokens[id] = token.to_string();
        types[id] = kind as i32;
        Ok(())
    };
    for (token, id) in vocabulary {
        set(token, id, NORMAL)?;
    }
    for added in json["added_tokens"].as_array().into_iter().flatten() {
        let kind = if added["special"].as_bool() == Some(true) { CONTROL } else { USER_DEFINED };
        set(added["content"].as_str().unwrap_or_default(), &added["id"], kind)?;
    }
    let merges: Option<Vec<String>> = merges.iter().map(merge_text).collect();
    let merges = merges.ok_or_else(|| unsupported("merges of two tokens"))?;
    Ok(GgufTokenizer { pre, tokens, types, merges })
}

/// Newer files store a merge as a pair, older ones as a text with a space.
fn merge_text(merge: &Value) -> Option<String> {
    match merge {
        Value::String(text) => Some(text.clone()),
        Value::Array(pair) => match pair.as_slice() {
            [Value::String(a), Value::String(b)] => Some(format!("{a} {b}")),
            _ => None,
        },
        _ => None,
    }
}

/// `trim_offsets` only concerns offsets, which nobody here uses: the same for the comparison.
fn set_trim(part: &mut Value) {
    if let Some(trim) = part.get_mut("trim_offsets") {
        *trim = json!(true);
    }
}

/// The word for a way of cutting text.
fn pre_of(found: &Value) -> Option<&'static str> {
    let mut found = found.clone();
    // Not `found["pretokenizers"]`: indexing would add the key where it is missing.
    let is_sequence = found.get("pretokenizers").is_some_and(Value::is_array);
    let parts = if is_sequence { found["pretokenizers"].as_array_mut() } else { None };
    for part in parts.map_or_else(Vec::new, |parts| parts.iter_mut().collect()) {
        set_trim(part);
    }
    if !is_sequence {
        set_trim(&mut found);
    }
    ["smollm", "gpt-2", "llama-bpe"].into_iter().find(|pre| pre_tokenizer(pre).as_ref() == Some(&found))
}
