//! LoRA adapters as PEFT stores them: `adapter_config.json` and `adapter_model.safetensors`.
//!
//! Only plain LoRA (arXiv 2106.09685) is read; each variant of it (DoRA, rsLoRA, ranks per layer …) is an error that names it.

use std::path::Path;

use serde_json::{Value, json};

use super::huggingface::{read_json, write_json};
use super::safetensors::{self, StorageType};
use super::{Tensor, WeightMap};
use crate::{LoraConfig, ModelError};

const PREFIX: &str = "base_model.model.";
const ATTENTION: [&str; 4] = ["q_proj", "k_proj", "v_proj", "o_proj"];
const FEED_FORWARD: [&str; 3] = ["gate_proj", "up_proj", "down_proj"];

/// An adapter on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct PeftAdapter {
    /// Rank, alpha, targets.
    pub lora: LoraConfig,
    /// `base_model.model.model.layers.N.self_attn.q_proj.lora_A.weight` `[r, in]` and `lora_B` `[out, r]`.
    pub tensors: WeightMap,
    /// Name or path of the base model.
    pub base: String,
}

/// Writes an adapter that `peft.PeftModel.from_pretrained` loads; f32, so nothing is lost.
pub fn save_peft(folder: &Path, adapter: &PeftAdapter) -> Result<(), ModelError> {
    adapter.check().map_err(ModelError::Invalid)?;
    safetensors::write(&folder.join("adapter_model.safetensors"), &adapter.tensors, StorageType::F32)?;
    let LoraConfig { rank, alpha, targets } = &adapter.lora;
    // PEFT expects a whole number, but computes with any.
    let alpha = if alpha.fract() == 0.0 { json!(*alpha as i64) } else { json!(alpha) };
    let config = json!({
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": adapter.base,
        "r": rank,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "target_modules": targets,
        "bias": "none",
        "fan_in_fan_out": false,
        "inference_mode": true,
        "init_lora_weights": true,
        "modules_to_save": null,
        "rank_pattern": {},
        "alpha_pattern": {},
        "use_rslora": false,
        "use_dora": false,
        "revision": null,
    });
    write_json(&folder.join("adapter_config.json"), &config)
}

/// Reads an adapter.
pub fn load_peft(folder: &Path) -> Result<PeftAdapter, ModelError> {
    let path = folder.join("adapter_config.json");
    let config = read_json(&path)?;
    let value = |key: &str| config.get(key).unwrap_or(&Value::Null);
    if value("peft_type") != "LORA" {
        let found = value("peft_type");
        return Err(ModelError::Unsupported(format!(
            "{}: expected peft_type LORA, found {found}",
            path.display()
        )));
    }
    for key in
        ["use_dora", "use_rslora", "fan_in_fan_out", "modules_to_save", "rank_pattern", "alpha_pattern"]
    {
        let is_off = match value(key) {
            Value::Null | Value::Bool(false) => true,
            Value::Object(map) => map.is_empty(),
            Value::Array(list) => list.is_empty(),
            _ => false,
        };
        if !is_off {
            let found = value(key);
            return Err(ModelError::Unsupported(format!(
                "{}: {key}: expected it unset, found {found}",
                path.display()
            )));
        }
    }
    if !matches!(value("bias"), Value::Null) && value("bias") != "none" {
        let found = value("bias");
        return Err(ModelError::Unsupported(format!(
            "{}: bias: expected \"none\", found {found}",
            path.display()
        )));
    }
    let number = |key: &str| {
        value(key).as_f64().ok_or_else(|| {
            ModelError::format(&path, format!("{key}: expected a number, found {}", value(key)))
        })
    };
    let file = folder.join("adapter_model.safetensors");
    let mut tensors = WeightMap::new();
    safetensors::read(&file, &mut tensors, &|_| true)?;
    // `target_modules` may be a pattern; what the tensors say is what was trained.
    let is_target = |name: &&str| tensors.keys().any(|key| key.contains(&format!(".{name}.lora_")));
    let targets = ATTENTION.into_iter().chain(FEED_FORWARD).filter(is_target).map(String::from).collect();
    let adapter = PeftAdapter {
        lora: LoraConfig { rank: number("r")? as usize, alpha: number("lora_alpha")? as f32, targets },
        tensors,
        base: value("base_model_name_or_path").as_str().unwrap_or_default().to_string(),
    };
    adapter.check().map_err(|message| ModelError::format(&file, message))?;
    Ok(adapter)
}

impl PeftAdapter {
    /// Adds α/r · B·A to every target in `weights`; sums run over r in order, so the result is always the same.
    pub fn merge_into(&self, weights: &mut WeightMap) -> Result<(), ModelError> {
        self.check().map_err(ModelError::Invalid)?;
        let scale = self.lora.alpha / self.lora.rank as f32;
        for (name, a) in &self.tensors {
            let Some(base) = name.strip_suffix(".lora_A.weight") else { continue };
            let b = &self.tensors[&format!("{base}.lora_B.weight")];
            let target = format!("{}.weight", base.strip_prefix(PREFIX).unwrap_or(base));
            let (rank, width) = (a.shape[0], a.shape[1]);
            let shape = vec![b.shape[0], width];
            let weight =
                weights.get_mut(&target).filter(|weight| weight.shape == shape).ok_or_else(|| {
                    ModelError::Invalid(format!(
                        "failed to merge the adapter: the model has no {target} of shape {shape:?}"
                    ))
                })?;
            let mut row_update = vec![0.0; width];
            for (row, factors) in weight.values.chunks_exact_mut(width).zip(b.values.chunks_exact(rank)) {
                row_update.fill(0.0);
                for (factor, a_row) in factors.iter().zip(a.values.chunks_exact(width)) {
                    row_update.iter_mut().zip(a_row).for_each(|(sum, a)| *sum += factor * a);
                }
                row.iter_mut().zip(&row_update).for_each(|(value, update)| *value += scale * update);
            }
        }
        Ok(())
    }

    /// Whether every tensor has PEFT's name, its partner and the rank's shape.
    fn check(&self) -> Result<(), String> {
        let rank = self.lora.rank;
        if rank == 0 || self.tensors.is_empty() {
            return Err(format!(
                "expected an adapter of rank 1 or more, found rank {rank} and {} tensors",
                self.tensors.len()
            ));
        }
        for (name, Tensor { shape, values }) in &self.tensors {
            let (module, rank_axis, partner) = if let Some(module) = name.strip_suffix(".lora_A.weight") {
                (module, 0, "lora_B")
            } else if let Some(module) = name.strip_suffix(".lora_B.weight") {
                (module, 1, "lora_A")
            } else {
                return Err(format!(
                    "tensor {name}: expected a name that ends in lora_A.weight or lora_B.weight"
                ));
            };
            if !is_target_name(module) {
                return Err(format!(
                    "tensor {name}: expected {PREFIX}model.layers.N.self_attn.q_proj.lora_A.weight and the like"
                ));
            }
            if shape.len() != 2 || shape[rank_axis] != rank || values.len() != shape[0] * shape[1] {
                return Err(format!(
                    "tensor {name}: expected dimension {rank_axis} to be the rank {rank}, found shape {shape:?}"
                ));
            }
            if !self.tensors.contains_key(&format!("{module}.{partner}.weight")) {
                return Err(format!("tensor {name}: its partner {partner} is missing"));
            }
            if let Some(at) = values.iter().position(|value| !value.is_finite()) {
                return Err(format!("tensor {name}: value {at} is {}", values[at]));
            }
        }
        Ok(())
    }
}

fn is_target_name(module: &str) -> bool {
    let Some(rest) = module.strip_prefix(PREFIX).and_then(|m| m.strip_prefix("model.layers.")) else {
        return false;
    };
    match rest.split('.').collect::<Vec<_>>().as_slice() {
        [layer, "self_attn", projection] => layer.parse::<usize>().is_ok() && ATTENTION.contains(projection),
        [layer, "mlp", projection] => layer.parse::<usize>().is_ok() && FEED_FORWARD.contains(projection),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter() -> PeftAdapter {
        let tensor =
            |shape: [usize; 2], values: &[f32]| Tensor { shape: shape.to_vec(), values: values.to_vec() };
        let name = |part: &str| format!("base_model.model.model.layers.3.mlp.up_proj.{part}.weight");
        PeftAdapter {
            lora: LoraConfig { rank: 2, alpha: 4.0, targets: vec!["up_proj".to_string()] },
            tensors: WeightMap::from([
                (name("lora_A"), tensor([2, 3], &[1., 0., 2., 0., 1., 0.])),
                (name("lora_B"), tensor([1, 2], &[0.5, -1.])),
            ]),
            base: "base".to_string(),
        }
    }

    #[test]
    fn an_adapter_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        save_peft(folder.path(), &adapter()).unwrap();
        assert_eq!(load_peft(folder.path()).unwrap(), adapter());
    }

    #[test]
    fn merging_adds_scaled_products() {
        let name = "model.layers.3.mlp.up_proj.weight".to_string();
        let mut weights =
            WeightMap::from([(name.clone(), Tensor { shape: vec![1, 3], values: vec![10., 20., 30.] })]);
        adapter().merge_into(&mut weights).unwrap();
        // B·A = 0.5·[1, 0, 2] − [0, 1, 0]; times 4/2.
        assert_eq!(weights[&name].values, [11., 18., 32.]);
        let error = adapter().merge_into(&mut WeightMap::new()).unwrap_err().to_string();
        assert!(error.contains("no model.layers.3.mlp.up_proj.weight of shape [1, 3]"), "{error}");
    }

    #[test]
    fn variants_and_wrong_tensors_are_named() {
        let folder = tempfile::tempdir().unwrap();
        save_peft(folder.path(), &adapter()).unwrap();
        let path = folder.path().join("adapter_config.json");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("\"use_dora\": false", "\"use_dora\": true")).unwrap();
        let error = load_peft(folder.path()).unwrap_err().to_string();
        assert!(error.contains("use_dora: expected it unset, found true"), "{error}");

        let mut broken = adapter();
        broken.lora.rank = 3;
        let error = save_peft(folder.path(), &broken).unwrap_err().to_string();
        assert!(error.contains("expected dimension 0 to be the rank 3, found shape [2, 3]"), "{error}");
        let mut broken = adapter();
        broken.tensors.pop_last();
        assert!(save_peft(folder.path(), &broken).unwrap_err().to_string().contains("lora_B is missing"));
    }
}
