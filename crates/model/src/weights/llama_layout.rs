//! What a Llama-family model consists of: names and shapes of its tensors, here and in GGUF, and its GGUF metadata.
//!
//! Not here: file formats. Rotary layout: Hugging Face rotates the two halves of a head against each other, GGUF's `llama`
//! architecture neighbouring pairs, so rows of q and k change places on the way in and out.

use std::collections::BTreeSet;

use super::gguf_read::{GgufFile, Value};
use super::{Tensor, WeightMap};
use crate::{ModelConfig, ModelError};

/// Architectures of Hugging Face folders and of GGUF files that this crate runs, for error messages.
pub(crate) const SUPPORTED_HUGGINGFACE: &str = "LlamaForCausalLM (model_type llama)";
pub(crate) const SUPPORTED_GGUF: &str = "llama";

/// Names (Hugging Face, GGUF) of the tensors of a decoder layer, without prefix.
const LAYER_TENSORS: [(&str, &str); 9] = [
    ("input_layernorm", "attn_norm"),
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.o_proj", "attn_output"),
    ("post_attention_layernorm", "ffn_norm"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
];

/// A tensor that a model of a given configuration has.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ExpectedTensor {
    pub(crate) name: String,
    pub(crate) gguf_name: String,
    /// Outermost first.
    pub(crate) shape: Vec<usize>,
    /// For q and k: the heads whose rows GGUF stores in another order.
    pub(crate) rotary_heads: Option<usize>,
}

/// All tensors of a model, embedding first, then layer by layer, in the order in which files hold them.
pub(crate) fn expected_tensors(config: &ModelConfig) -> Vec<ExpectedTensor> {
    let (d, v) = (config.hidden_size, config.vocab_size);
    let plain = |name: &str, gguf_name: &str, shape: &[usize]| ExpectedTensor {
        name: name.to_string(),
        gguf_name: gguf_name.to_string(),
        shape: shape.to_vec(),
        rotary_heads: None,
    };
    let mut tensors = vec![plain("model.embed_tokens.weight", "token_embd.weight", &[v, d])];
    for layer in 0..config.num_hidden_layers {
        for (name, gguf_name) in LAYER_TENSORS {
            let (shape, rotary_heads) = layer_tensor(config, name);
            tensors.push(ExpectedTensor {
                name: format!("model.layers.{layer}.{name}.weight"),
                gguf_name: format!("blk.{layer}.{gguf_name}.weight"),
                shape,
                rotary_heads,
            });
        }
    }
    tensors.push(plain("model.norm.weight", "output_norm.weight", &[d]));
    if !config.tie_word_embeddings {
        tensors.push(plain("lm_head.weight", "output.weight", &[v, d]));
    }
    tensors
}

fn layer_tensor(config: &ModelConfig, name: &str) -> (Vec<usize>, Option<usize>) {
    let (d, ffn) = (config.hidden_size, config.intermediate_size);
    let queries = config.num_attention_heads * config.head_dim;
    let keys = config.num_key_value_heads * config.head_dim;
    match name {
        "self_attn.q_proj" => (vec![queries, d], Some(config.num_attention_heads)),
        "self_attn.k_proj" => (vec![keys, d], Some(config.num_key_value_heads)),
        "self_attn.v_proj" => (vec![keys, d], None),
        "self_attn.o_proj" => (vec![d, queries], None),
        "mlp.gate_proj" | "mlp.up_proj" => (vec![ffn, d], None),
        "mlp.down_proj" => (vec![d, ffn], None),
        _ => (vec![d], None),
    }
}

/// Checks that `weights` holds exactly the tensors of `config`, in the right shapes and without NaN or infinity.
pub(crate) fn check(config: &ModelConfig, weights: &WeightMap) -> Result<(), String> {
    let expected = expected_tensors(config);
    for ExpectedTensor { name, shape, .. } in &expected {
        let tensor = weights.get(name).ok_or_else(|| format!("tensor {name} {shape:?} is missing"))?;
        if tensor.shape != *shape {
            return Err(format!("tensor {name}: expected shape {shape:?}, found {:?}", tensor.shape));
        }
        if tensor.values.len() != shape.iter().product::<usize>() {
            return Err(format!("tensor {name}: expected {shape:?} values, found {}", tensor.values.len()));
        }
        if let Some(at) = tensor.values.iter().position(|value| !value.is_finite()) {
            return Err(format!("tensor {name}: value {at} is {}", tensor.values[at]));
        }
    }
    let known: BTreeSet<&str> = expected.iter().map(|t| t.name.as_str()).collect();
    match weights.keys().find(|name| !known.contains(name.as_str())) {
        Some(name) => Err(format!("tensor {name} has no place in this architecture")),
        None => Ok(()),
    }
}

/// Turns GGUF's order of the rows of q or k (rotary pairs side by side) into Hugging Face's (in halves).
pub(crate) fn pairs_to_halves(tensor: &mut Tensor, heads: usize) {
    reorder(tensor, heads, |half, j, h| (h * half + j, 2 * j + h));
}

/// The inverse of `pairs_to_halves`.
pub(crate) fn halves_to_pairs(tensor: &mut Tensor, heads: usize) {
    reorder(tensor, heads, |half, j, h| (2 * j + h, h * half + j));
}

/// Within every head, row `to` becomes the old row `from`, for j in 0..half and h in 0..2.
fn reorder(tensor: &mut Tensor, heads: usize, rows: impl Fn(usize, usize, usize) -> (usize, usize)) {
    let &[total_rows, width] = tensor.shape.as_slice() else { return };
    let half = total_rows / heads / 2;
    let old = tensor.values.clone();
    for head in 0..heads {
        let first = head * 2 * half;
        for j in 0..half {
            for h in 0..2 {
                let (to, from) = rows(half, j, h);
                let (to, from) = ((first + to) * width, (first + from) * width);
                tensor.values[to..to + width].copy_from_slice(&old[from..from + width]);
            }
        }
    }
}

/// The configuration a GGUF file describes.
pub(crate) fn config_from_gguf(file: &GgufFile) -> Result<ModelConfig, ModelError> {
    let architecture = file.required("general.architecture", file.text("general.architecture")?)?;
    if architecture != SUPPORTED_GGUF {
        return Err(ModelError::Unsupported(format!(
            "{}: expected GGUF architecture {SUPPORTED_GGUF}, found {architecture}",
            file.path().display()
        )));
    }
    refuse_extensions(file)?;
    let unsigned = |key: &str| -> Result<usize, ModelError> {
        let key = format!("llama.{key}");
        file.required(&key, file.unsigned(&key)?)
    };
    let token = |key: &str| -> Result<Option<u32>, ModelError> {
        let id = file.unsigned(&format!("tokenizer.ggml.{key}_token_id"))?;
        id.map(|id| u32::try_from(id).map_err(|_| file.error(format!("{key} token {id} is too large"))))
            .transpose()
    };
    let hidden_size = unsigned("embedding_length")?;
    let num_attention_heads = unsigned("attention.head_count")?;
    let num_key_value_heads = file.unsigned("llama.attention.head_count_kv")?.unwrap_or(num_attention_heads);
    let head_dim = match file.unsigned("llama.attention.key_length")? {
        Some(length) => length,
        None => hidden_size / num_attention_heads.max(1),
    };
    let embedding =
        file.shape("token_embd.weight").ok_or_else(|| file.error("tensor token_embd.weight is missing"))?;
    let mut eos_token_ids: Vec<u32> = token("eos")?.into_iter().collect();
    eos_token_ids.extend(token("eot")?.filter(|eot| !eos_token_ids.contains(eot)));
    let config = ModelConfig {
        hidden_size,
        intermediate_size: unsigned("feed_forward_length")?,
        num_hidden_layers: unsigned("block_count")?,
        num_attention_heads,
        num_key_value_heads,
        head_dim,
        vocab_size: embedding[0],
        max_position_embeddings: unsigned("context_length")?,
        rope_theta: file.float("llama.rope.freq_base")?.unwrap_or(10_000.0),
        rms_norm_eps: file.required(
            "llama.attention.layer_norm_rms_epsilon",
            file.float("llama.attention.layer_norm_rms_epsilon")?,
        )?,
        tie_word_embeddings: file.shape("output.weight").is_none(),
        bos_token_id: token("bos")?,
        eos_token_ids,
    };
    config.validate().map_err(|message| file.error(message))?;
    let rotated = file.unsigned("llama.rope.dimension_count")?.unwrap_or(head_dim);
    if rotated != head_dim {
        return Err(ModelError::Unsupported(format!(
            "{}: expected rotary embedding over the whole head of {head_dim}, found {rotated}",
            file.path().display()
        )));
    }
    Ok(config)
}

/// Llama files may say more than this engine computes; each such thing is named instead of silently ignored.
fn refuse_extensions(file: &GgufFile) -> Result<(), ModelError> {
    let refuse = |what: String| Err(ModelError::Unsupported(format!("{}: {what}", file.path().display())));
    if let Some(scaling) = file.text("llama.rope.scaling.type")?
        && scaling != "none"
    {
        return refuse(format!("expected no rope scaling, found {scaling}"));
    }
    if file.shape("rope_freqs.weight").is_some() {
        return refuse("expected no rope scaling, found frequency factors (rope_freqs.weight)".to_string());
    }
    if let Some(experts) = file.unsigned("llama.expert_count")?
        && experts > 0
    {
        return refuse(format!("expected a dense feed-forward layer, found {experts} experts"));
    }
    match file.value("llama.attention.head_count_kv") {
        Some(Value::Array(_)) => refuse("expected one number of key/value heads for all layers".to_string()),
        _ => Ok(()),
    }
}

/// All weights of a GGUF file under Hugging Face's names and in its rotary layout.
pub(crate) fn weights_from_gguf(file: &GgufFile, config: &ModelConfig) -> Result<WeightMap, ModelError> {
    let mut weights = WeightMap::new();
    let mut names: BTreeSet<&str> = file.tensor_names().collect();
    for ExpectedTensor { name, gguf_name, shape, rotary_heads } in expected_tensors(config) {
        match file.shape(&gguf_name) {
            Some(found) if found == shape => {}
            Some(found) => {
                return Err(
                    file.error(format!("tensor {gguf_name}: expected shape {shape:?}, found {found:?}"))
                );
            }
            None => return Err(file.error(format!("tensor {gguf_name} {shape:?} is missing"))),
        }
        let mut tensor = file.tensor(&gguf_name)?;
        if let Some(heads) = rotary_heads {
            pairs_to_halves(&mut tensor, heads);
        }
        names.remove(gguf_name.as_str());
        weights.insert(name, tensor);
    }
    if let Some(name) = names.first() {
        return Err(ModelError::Unsupported(format!(
            "{}: tensor {name} has no place in a plain llama model",
            file.path().display()
        )));
    }
    check(config, &weights).map_err(|message| file.error(message))?;
    Ok(weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_head_change_places_and_back() {
        // Two heads of four rows of width 1; in GGUF rows (0, 1) and (2, 3) are rotary pairs.
        let gguf = Tensor { shape: vec![8, 1], values: vec![0., 1., 2., 3., 10., 11., 12., 13.] };
        let mut tensor = gguf.clone();
        pairs_to_halves(&mut tensor, 2);
        assert_eq!(tensor.values, [0., 2., 1., 3., 10., 12., 11., 13.]);
        halves_to_pairs(&mut tensor, 2);
        assert_eq!(tensor, gguf);
    }
}
