//! A safetensors file of f32 tensors, streamed: what checkpoints hold. Models in other types are `hone_model::weights`.
//!
//! Layout: 8 bytes length of the header, little-endian; the header, a JSON object of
//! `name: {dtype, shape, data_offsets}` padded with spaces to a multiple of 8; the values.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use hone_model::weights::Tensor;
use serde_json::{Map, Value, json};

/// A named tensor to be saved.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor<'a> {
    /// Unique in its file.
    pub name: String,
    /// Row-major dimensions.
    pub shape: Vec<usize>,
    /// Values.
    pub values: &'a [f32],
}

/// Writes the tensors in the given order.
pub(crate) fn write_tensors(writer: &mut dyn Write, tensors: &[NamedTensor<'_>]) -> io::Result<()> {
    let mut header = Map::new();
    let mut offset = 0;
    for tensor in tensors {
        let end = offset + 4 * tensor.values.len();
        let entry = json!({"dtype": "F32", "shape": tensor.shape, "data_offsets": [offset, end]});
        header.insert(tensor.name.clone(), entry);
        offset = end;
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    writer.write_all(&(header.len() as u64).to_le_bytes())?;
    writer.write_all(&header)?;
    let mut buffer = Vec::with_capacity(1 << 16);
    for chunk in tensors.iter().flat_map(|tensor| tensor.values.chunks(1 << 14)) {
        buffer.clear();
        buffer.extend(chunk.iter().flat_map(|value| value.to_le_bytes()));
        writer.write_all(&buffer)?;
    }
    Ok(())
}

/// Reads a file of `length` bytes that `write_tensors` wrote.
pub(crate) fn read_tensors(reader: &mut dyn Read, length: u64) -> Result<BTreeMap<String, Tensor>, String> {
    let mut prefix = [0; 8];
    reader.read_exact(&mut prefix).map_err(|error| format!("no header: {error}"))?;
    let header_length = u64::from_le_bytes(prefix);
    let body_length = length
        .checked_sub(8)
        .and_then(|rest| rest.checked_sub(header_length))
        .ok_or_else(|| format!("header of {header_length} bytes in a file of {length}"))?;
    let mut header = vec![0; header_length as usize];
    reader.read_exact(&mut header).map_err(|error| format!("header cut off: {error}"))?;
    let header: Map<String, Value> =
        serde_json::from_slice(&header).map_err(|error| format!("header is not JSON: {error}"))?;
    let mut entries = header
        .into_iter()
        .filter(|(name, _)| name != "__metadata__")
        .map(|(name, entry)| Ok((parse_entry(&name, &entry)?, name)))
        .collect::<Result<Vec<_>, String>>()?;
    entries.sort_by_key(|(entry, _)| entry.begin);
    let mut tensors = BTreeMap::new();
    let mut position = 0;
    for (entry, name) in entries {
        if entry.begin != position || entry.end > body_length {
            return Err(format!(
                "{name} lies at {}..{}, expected to begin at {position}",
                entry.begin, entry.end
            ));
        }
        position = entry.end;
        let mut bytes = vec![0; (entry.end - entry.begin) as usize];
        reader.read_exact(&mut bytes).map_err(|error| format!("{name} cut off: {error}"))?;
        let (quads, _) = bytes.as_chunks::<4>();
        let values = quads.iter().map(|quad| f32::from_le_bytes(*quad)).collect();
        tensors.insert(name, Tensor { shape: entry.shape, values });
    }
    Ok(tensors)
}

struct Entry {
    begin: u64,
    end: u64,
    shape: Vec<usize>,
}

fn parse_entry(name: &str, entry: &Value) -> Result<Entry, String> {
    let numbers =
        |key: &str| -> Option<Vec<u64>> { entry.get(key)?.as_array()?.iter().map(Value::as_u64).collect() };
    let (Some(shape), Some(offsets)) = (numbers("shape"), numbers("data_offsets")) else {
        return Err(format!("{name} has no shape or offsets"));
    };
    if entry.get("dtype").and_then(Value::as_str) != Some("F32") {
        return Err(format!("{name} is not F32"));
    }
    let bytes = shape.iter().try_fold(4u64, |product, &dimension| product.checked_mul(dimension));
    match (offsets.as_slice(), bytes) {
        (&[begin, end], Some(bytes)) if end.checked_sub(begin) == Some(bytes) => {
            Ok(Entry { begin, end, shape: shape.iter().map(|&dimension| dimension as usize).collect() })
        }
        _ => Err(format!("{name} has shape {shape:?} but offsets {offsets:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_keeps_every_bit() {
        let first = [1.0, -0.0, f32::MIN_POSITIVE / 4.0, f32::from_bits(0x7fc0_1234)];
        let second: Vec<f32> = (0..40_000).map(|i| i as f32 * 0.1).collect();
        let tensors = [
            NamedTensor { name: "b".into(), shape: vec![2, 2], values: &first },
            NamedTensor { name: "a".into(), shape: vec![40_000], values: &second },
            NamedTensor { name: "empty".into(), shape: vec![0, 3], values: &[] },
        ];
        let mut bytes = Vec::new();
        write_tensors(&mut bytes, &tensors).unwrap();
        let read = read_tensors(&mut &bytes[..], bytes.len() as u64).unwrap();
        assert_eq!(read.len(), 3);
        assert_eq!(read["b"].shape, [2, 2]);
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&read["b"].values), bits(&first));
        assert_eq!(read["a"].values, second);
    }

    #[test]
    fn broken_files_are_errors() {
        let values = [1.0f32; 4];
        let mut bytes = Vec::new();
        let tensor = NamedTensor { name: "w".into(), shape: vec![4], values: &values };
        write_tensors(&mut bytes, &[tensor]).unwrap();
        for cut in 0..bytes.len() {
            assert!(read_tensors(&mut &bytes[..cut], cut as u64).is_err(), "cut at {cut}");
        }
        let huge = u64::MAX.to_le_bytes();
        assert!(read_tensors(&mut &huge[..], 8).is_err());
    }
}
