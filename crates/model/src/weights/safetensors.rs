//! Safetensors files: read in any of three dtypes, written in the order of their names.
//!
//! Not here: names and shapes (`llama_layout`), folders (`huggingface`). Format: the `safetensors` crate's documentation.

use std::io::Write;
use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Tensor, WeightMap, files};
use crate::ModelError;

/// How exported values are stored; f32 loses nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StorageType {
    /// 32 bits, exact.
    #[default]
    F32,
    /// IEEE half precision; values beyond ±65,504 are refused.
    F16,
    /// The upper half of an f32, rounded to nearest.
    Bf16,
}

impl StorageType {
    /// The name in PyTorch and `config.json`.
    pub(crate) fn torch_name(self) -> &'static str {
        match self {
            StorageType::F32 => "float32",
            StorageType::F16 => "float16",
            StorageType::Bf16 => "bfloat16",
        }
    }

    fn safetensors_name(self) -> &'static str {
        match self {
            StorageType::F32 => "F32",
            StorageType::F16 => "F16",
            StorageType::Bf16 => "BF16",
        }
    }

    fn bytes(self) -> usize {
        if self == StorageType::F32 { 4 } else { 2 }
    }
}

/// Adds the tensors of a file whose names `wanted` accepts to `weights`; returns the dtypes found.
pub(crate) fn read(
    path: &Path,
    weights: &mut WeightMap,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Vec<String>, ModelError> {
    let map = files::map(path)?;
    let damaged =
        |e| ModelError::format(path, format!("expected a safetensors file: {e}\nhint: fetch it again"));
    let tensors = SafeTensors::deserialize(&map).map_err(damaged)?;
    let mut dtypes = Vec::new();
    for (name, view) in tensors.iter().filter(|(name, _)| wanted(name)) {
        let values = values_in_f32(&view).ok_or_else(|| {
            ModelError::Unsupported(format!(
                "{}: tensor {name}: expected F32, F16 or BF16, found {:?}",
                path.display(),
                view.dtype()
            ))
        })?;
        let dtype = format!("{:?}", view.dtype());
        if !dtypes.contains(&dtype) {
            dtypes.push(dtype);
        }
        let tensor = Tensor { shape: view.shape().to_vec(), values };
        if weights.insert(name.to_string(), tensor).is_some() {
            return Err(ModelError::format(path, format!("tensor {name} is also in another file")));
        }
    }
    dtypes.sort();
    Ok(dtypes)
}

fn values_in_f32(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let bytes = view.data();
    Some(match view.dtype() {
        Dtype::F32 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        Dtype::F16 => bytes.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
        Dtype::BF16 => bytes.chunks_exact(2).map(|b| bf16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
        _ => return None,
    })
}

/// Writes all tensors atomically; returns the SHA-256 of the file.
pub(crate) fn write(path: &Path, weights: &WeightMap, storage: StorageType) -> Result<String, ModelError> {
    if storage == StorageType::F16 {
        check_half_range(path, weights)?;
    }
    let mut header = serde_json::Map::new();
    header.insert("__metadata__".to_string(), json!({ "format": "pt" }));
    let mut offset = 0;
    for (name, Tensor { shape, values }) in weights {
        let end = offset + values.len() * storage.bytes();
        let dtype = storage.safetensors_name();
        header.insert(name.clone(), json!({ "dtype": dtype, "shape": shape, "data_offsets": [offset, end] }));
        offset = end;
    }
    let mut header = serde_json::Value::Object(header).to_string().into_bytes();
    // Readers map the file, so the values start at a multiple of 8.
    header.resize(header.len().next_multiple_of(8), b' ');
    files::write_atomic(path, |writer| {
        writer.write_all(&(header.len() as u64).to_le_bytes())?;
        writer.write_all(&header)?;
        weights.values().try_for_each(|tensor| write_values(writer, &tensor.values, storage))
    })
}

/// Refuses values that half precision would turn into infinity.
pub(crate) fn check_half_range(path: &Path, weights: &WeightMap) -> Result<(), ModelError> {
    let outside = |tensor: &Tensor| tensor.values.iter().copied().find(|v| f16::from_f32(*v).is_infinite());
    match weights.iter().find_map(|(name, tensor)| Some((name, outside(tensor)?))) {
        Some((name, value)) => Err(ModelError::Invalid(format!(
            "failed to write {}: tensor {name} holds {value}, too large for f16\nhint: export as f32 or bf16",
            path.display()
        ))),
        None => Ok(()),
    }
}

/// Writes values in little-endian order.
pub(crate) fn write_values(
    writer: &mut dyn Write,
    values: &[f32],
    storage: StorageType,
) -> std::io::Result<()> {
    let mut buffer = Vec::with_capacity(1 << 16);
    for chunk in values.chunks(1 << 14) {
        buffer.clear();
        match storage {
            StorageType::F32 => chunk.iter().for_each(|v| buffer.extend(v.to_le_bytes())),
            StorageType::F16 => chunk.iter().for_each(|v| buffer.extend(f16::from_f32(*v).to_le_bytes())),
            StorageType::Bf16 => chunk.iter().for_each(|v| buffer.extend(bf16::from_f32(*v).to_le_bytes())),
        }
        writer.write_all(&buffer)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights() -> WeightMap {
        // All exact in half precision and bfloat16.
        let tensor =
            |shape: &[usize], values: &[f32]| Tensor { shape: shape.to_vec(), values: values.to_vec() };
        WeightMap::from([
            ("b".to_string(), tensor(&[3], &[0.5, -2.0, 0.0])),
            ("a".to_string(), tensor(&[2, 1], &[1.0, -0.25])),
        ])
    }

    #[test]
    fn every_storage_type_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        for (storage, dtype) in
            [(StorageType::F32, "F32"), (StorageType::F16, "F16"), (StorageType::Bf16, "BF16")]
        {
            let path = folder.path().join("x.safetensors");
            write(&path, &weights(), storage).unwrap();
            let mut back = WeightMap::new();
            assert_eq!(read(&path, &mut back, &|_| true).unwrap(), [dtype]);
            assert_eq!(back, weights());
            let mut only_b = WeightMap::new();
            read(&path, &mut only_b, &|name| name == "b").unwrap();
            assert_eq!(only_b.keys().collect::<Vec<_>>(), ["b"]);
        }
    }

    #[test]
    fn truncation_and_overflow_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        write(&path, &weights(), StorageType::F32).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for length in 0..bytes.len() {
            std::fs::write(&path, &bytes[..length]).unwrap();
            assert!(read(&path, &mut WeightMap::new(), &|_| true).is_err(), "cut to {length} bytes");
        }
        let huge = WeightMap::from([("w".to_string(), Tensor { shape: vec![1], values: vec![1e6] })]);
        let error = write(&path, &huge, StorageType::F16).unwrap_err().to_string();
        assert!(error.contains("tensor w holds 1000000, too large for f16"), "{error}");
    }
}
