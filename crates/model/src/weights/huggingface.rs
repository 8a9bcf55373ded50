//! Hugging Face model folders, in and out: `config.json`, safetensors, `tokenizer.json`, chat template.
//!
//! Only what the engine computes exactly is accepted; a setting it does not know how to honour is an error that names it.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::checkpoint::{Checkpoint, Export, Source};
use super::safetensors::{self, StorageType};
use super::{WeightMap, files, llama_layout};
use crate::text::{ChatTemplate, Tokenizer};
use crate::{ModelConfig, ModelError};

/// Opens a folder.
pub(crate) fn open(folder: &Path) -> Result<Checkpoint, ModelError> {
    let config = read_config(folder)?;
    let tokenizer_path = folder.join("tokenizer.json");
    if !tokenizer_path.exists() {
        let message = "the file is missing\nhint: save it with transformers: AutoTokenizer.from_pretrained(…).save_pretrained(…)";
        return Err(ModelError::format(&tokenizer_path, message));
    }
    let tokenizer = Tokenizer::from_file(&tokenizer_path)?;
    let chat_template = read_chat_template(folder)?;
    let (weights, dtypes, sha256) = read_weights(folder, &config)?;
    let description = format!("Hugging Face folder, {}", dtypes.join(" and "));
    let source = Source { description, path: folder.to_path_buf(), sha256 };
    Ok(Checkpoint { config, weights, tokenizer, chat_template, source })
}

/// Writes a folder that transformers loads; `config.json` comes last, so that its presence means the rest is there.
pub fn save_huggingface(folder: &Path, model: &Export<'_>, storage: StorageType) -> Result<(), ModelError> {
    llama_layout::check(model.config, model.weights).map_err(ModelError::Invalid)?;
    safetensors::write(&folder.join("model.safetensors"), model.weights, storage)?;
    let text = model.tokenizer.to_tokenizer_json()?;
    files::write_atomic(&folder.join("tokenizer.json"), |w| w.write_all(text.as_bytes()))?;
    write_json(&folder.join("tokenizer_config.json"), &tokenizer_config(model))?;
    let ModelConfig { bos_token_id, eos_token_ids, .. } = model.config;
    let generation = json!({
        "bos_token_id": bos_token_id,
        "eos_token_id": eos_value(eos_token_ids),
        "pad_token_id": eos_token_ids.first(),
    });
    write_json(&folder.join("generation_config.json"), &generation)?;
    write_json(&folder.join("config.json"), &config_json(model.config, storage))
}

pub(crate) fn write_json(path: &Path, value: &Value) -> Result<(), ModelError> {
    files::write_atomic(path, |writer| writeln!(writer, "{value:#}")).map(|_| ())
}

pub(crate) fn read_json(path: &Path) -> Result<Map<String, Value>, ModelError> {
    let text = std::fs::read(path).map_err(|e| ModelError::io(path, e))?;
    serde_json::from_slice(&text)
        .map_err(|e| ModelError::format(path, format!("expected a JSON object: {e}")))
}

/// One or several end tokens, as transformers writes them.
fn eos_value(ids: &[u32]) -> Value {
    match ids {
        [] => Value::Null,
        [id] => json!(id),
        ids => json!(ids),
    }
}

fn config_json(config: &ModelConfig, storage: StorageType) -> Value {
    json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.num_hidden_layers,
        "num_attention_heads": config.num_attention_heads,
        "num_key_value_heads": config.num_key_value_heads,
        "head_dim": config.head_dim,
        "vocab_size": config.vocab_size,
        "max_position_embeddings": config.max_position_embeddings,
        "rope_theta": config.rope_theta,
        "rope_scaling": null,
        "rms_norm_eps": config.rms_norm_eps,
        "hidden_act": "silu",
        "attention_bias": false,
        "mlp_bias": false,
        "tie_word_embeddings": config.tie_word_embeddings,
        "bos_token_id": config.bos_token_id,
        "eos_token_id": eos_value(&config.eos_token_ids),
        "pad_token_id": config.eos_token_ids.first(),
        "torch_dtype": storage.torch_name(),
        "use_cache": true,
    })
}

fn tokenizer_config(model: &Export<'_>) -> Value {
    let name = |id: Option<u32>| id.and_then(|id| model.tokenizer.token_of(id));
    let eos = name(model.config.eos_token_ids.first().copied());
    json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": name(model.config.bos_token_id),
        "eos_token": eos,
        "pad_token": eos,
        "model_max_length": model.config.max_position_embeddings,
        "clean_up_tokenization_spaces": false,
        "chat_template": model.chat_template.map(ChatTemplate::source),
    })
}

/// A `config.json` being read.
struct ConfigReader {
    path: PathBuf,
    values: Map<String, Value>,
}

impl ConfigReader {
    fn size(&self, key: &str) -> Result<Option<usize>, ModelError> {
        match self.values.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_u64().and_then(|n| usize::try_from(n).ok()) {
                Some(size) => Ok(Some(size)),
                None => Err(self.unexpected(key, "a non-negative integer", value)),
            },
        }
    }

    fn required(&self, key: &str) -> Result<usize, ModelError> {
        self.size(key)?.ok_or_else(|| ModelError::format(&self.path, format!("{key} is missing")))
    }

    fn float(&self, key: &str, value: Option<&Value>, default: f64) -> Result<f64, ModelError> {
        match value {
            None | Some(Value::Null) => Ok(default),
            Some(value) => value.as_f64().ok_or_else(|| self.unexpected(key, "a number", value)),
        }
    }

    fn token_ids(&self, key: &str) -> Result<Vec<u32>, ModelError> {
        let value = self.values.get(key).unwrap_or(&Value::Null);
        let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
        let ids = match value {
            Value::Null => Some(Vec::new()),
            Value::Array(ids) => ids.iter().map(id).collect(),
            value => id(value).map(|id| vec![id]),
        };
        ids.ok_or_else(|| self.unexpected(key, "a token id or a list of them", value))
    }

    fn unexpected(&self, key: &str, expected: &str, found: &Value) -> ModelError {
        ModelError::format(&self.path, format!("{key}: expected {expected}, found {found}"))
    }

    /// An error if `key` is set to anything but null or one of `accepted`.
    fn only(&self, key: &str, accepted: &[Value]) -> Result<(), ModelError> {
        match self.values.get(key) {
            None | Some(Value::Null) => Ok(()),
            Some(value) if accepted.contains(value) => Ok(()),
            Some(value) => {
                let accepted: Vec<String> = accepted.iter().map(Value::to_string).collect();
                let expected =
                    if accepted.is_empty() { "nothing".to_string() } else { accepted.join(" or ") };
                let path = self.path.display();
                Err(ModelError::Unsupported(format!("{path}: {key}: expected {expected}, found {value}")))
            }
        }
    }
}

fn read_config(folder: &Path) -> Result<ModelConfig, ModelError> {
    let path = folder.join("config.json");
    let mut reader = ConfigReader { values: read_json(&path)?, path };
    let model_type = reader.values.get("model_type").and_then(Value::as_str).unwrap_or("(none)");
    let architecture = reader.values.get("architectures").and_then(|a| a.get(0)).and_then(Value::as_str);
    if model_type != "llama" || architecture.is_some_and(|name| name != "LlamaForCausalLM") {
        return Err(ModelError::Unsupported(format!(
            "{}: expected {}, found {} (model_type {model_type})",
            reader.path.display(),
            llama_layout::SUPPORTED_HUGGINGFACE,
            architecture.unwrap_or("no architecture"),
        )));
    }
    reader.only("hidden_act", &[json!("silu"), json!("swish")])?;
    for key in ["attention_bias", "mlp_bias"] {
        reader.only(key, &[json!(false)])?;
    }
    reader.only("quantization_config", &[])?;
    reader.only("partial_rotary_factor", &[json!(1.0), json!(1)])?;
    // Since transformers 5 the rotary embedding's settings live in one object.
    let rope = reader.values.get("rope_parameters").cloned().unwrap_or(Value::Null);
    for (key, scaling) in [
        ("rope_scaling", reader.values.get("rope_scaling").cloned()),
        ("rope_parameters", Some(rope.clone())),
    ] {
        let kind = scaling.as_ref().and_then(|s| s.get("rope_type").or_else(|| s.get("type")));
        if let Some(kind) = kind.filter(|kind| **kind != json!("default")) {
            return Err(ModelError::Unsupported(format!(
                "{}: {key}: expected no rope scaling, found {kind}",
                reader.path.display()
            )));
        }
    }
    let theta = rope.get("rope_theta").or_else(|| reader.values.get("rope_theta"));
    let rope_theta = reader.float("rope_theta", theta, 10_000.0)?;
    let (bos, mut eos) = (reader.token_ids("bos_token_id")?, reader.token_ids("eos_token_id")?);
    let heads = reader.required("num_attention_heads")?;
    let hidden_size = reader.required("hidden_size")?;
    let config_path = reader.path.clone();
    let generation = folder.join("generation_config.json");
    let mut config = ModelConfig {
        hidden_size,
        intermediate_size: reader.required("intermediate_size")?,
        num_hidden_layers: reader.required("num_hidden_layers")?,
        num_attention_heads: heads,
        num_key_value_heads: reader.size("num_key_value_heads")?.unwrap_or(heads),
        head_dim: reader.size("head_dim")?.unwrap_or(hidden_size / heads.max(1)),
        vocab_size: reader.required("vocab_size")?,
        max_position_embeddings: reader.size("max_position_embeddings")?.unwrap_or(2048),
        rope_theta,
        rms_norm_eps: reader.float("rms_norm_eps", reader.values.get("rms_norm_eps"), 1e-6)?,
        tie_word_embeddings: reader.values.get("tie_word_embeddings") == Some(&json!(true)),
        bos_token_id: bos.first().copied(),
        eos_token_ids: Vec::new(),
    };
    if generation.exists() {
        reader = ConfigReader { values: read_json(&generation)?, path: generation };
        let ids = reader.token_ids("eos_token_id")?;
        eos = if ids.is_empty() { eos } else { ids };
    }
    config.eos_token_ids = eos;
    config.validate().map_err(|message| ModelError::format(&config_path, message))?;
    Ok(config)
}

/// Template and special tokens, from `chat_template.jinja` or `tokenizer_config.json`.
fn read_chat_template(folder: &Path) -> Result<Option<ChatTemplate>, ModelError> {
    let path = folder.join("tokenizer_config.json");
    let values = if path.exists() { read_json(&path)? } else { Map::new() };
    let jinja = folder.join("chat_template.jinja");
    let source = if jinja.exists() {
        Some(std::fs::read_to_string(&jinja).map_err(|e| ModelError::io(&jinja, e))?)
    } else {
        match values.get("chat_template") {
            Some(Value::String(template)) => Some(template.clone()),
            // Several named templates: the one called "default".
            Some(Value::Array(named)) => named
                .iter()
                .find(|entry| entry["name"] == "default")
                .and_then(|entry| entry["template"].as_str().map(str::to_string)),
            _ => None,
        }
    };
    let token = |key: &str| match values.get(key) {
        Some(Value::String(token)) => token.clone(),
        Some(value) => value["content"].as_str().unwrap_or_default().to_string(),
        None => String::new(),
    };
    source.map(|source| ChatTemplate::new(&source, &token("bos_token"), &token("eos_token"))).transpose()
}

/// All weights, the dtypes they are stored in, and their checksum.
fn read_weights(folder: &Path, config: &ModelConfig) -> Result<(WeightMap, Vec<String>, String), ModelError> {
    let single = folder.join("model.safetensors");
    let index = folder.join("model.safetensors.index.json");
    let shards = if single.exists() {
        vec![single]
    } else if index.exists() {
        shards(folder, &index)?
    } else {
        let hint = "hint: weights in PyTorch's own format (.bin) are not read; convert them with transformers' save_pretrained";
        return Err(ModelError::format(
            folder,
            format!("expected model.safetensors or its index, found neither\n{hint}"),
        ));
    };
    // A tied head may be stored a second time, and old files hold constants of the rotary embedding.
    let wanted = |name: &str| {
        !(name.ends_with("rotary_emb.inv_freq") || config.tie_word_embeddings && name == "lm_head.weight")
    };
    let (mut weights, mut dtypes, mut digests) = (WeightMap::new(), Vec::new(), Vec::new());
    for shard in &shards {
        dtypes.extend(safetensors::read(shard, &mut weights, &wanted)?);
        digests.push(files::sha256(shard)?);
    }
    llama_layout::check(config, &weights).map_err(|message| ModelError::format(folder, message))?;
    dtypes.sort();
    dtypes.dedup();
    let sha256 = match digests.as_slice() {
        [digest] => digest.clone(),
        digests => files::hex(&Sha256::digest(digests.join("\n"))),
    };
    Ok((weights, dtypes, sha256))
}

/// The files an index names, sorted; they must lie in the folder itself.
fn shards(folder: &Path, index: &Path) -> Result<Vec<PathBuf>, ModelError> {
    let values = read_json(index)?;
    let files = values.get("weight_map").and_then(Value::as_object).into_iter().flat_map(|map| map.values());
    let mut names = std::collections::BTreeSet::new();
    for file in files {
        match file.as_str() {
            Some(name) if Path::new(name).file_name().is_some_and(|plain| plain == name) => {
                names.insert(name)
            }
            _ => {
                return Err(ModelError::format(
                    index,
                    format!("expected file names in weight_map, found {file}"),
                ));
            }
        };
    }
    if names.is_empty() {
        return Err(ModelError::format(index, "expected a weight_map with file names, found none"));
    }
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}
