//! Reader of GGUF files, versions 2 and 3: typed metadata and tensors by name.
//!
//! Knows nothing of networks (that is `llama_layout`) or of tokenizers (`text::gguf_tokenizer`). Every length in the file
//! is checked against what is left of it before anything is allocated. Format: ggml's `docs/gguf.md`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::quants::{self, BlockFormat};
use super::{Tensor, files};
use crate::ModelError;

/// A metadata value; integers and floats of all widths are widened.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Integer(i128),
    Float(f64),
    Bool(bool),
    Text(String),
    Array(Vec<Value>),
}

impl Value {
    fn kind(&self) -> &'static str {
        match self {
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a float",
            Value::Bool(_) => "a bool",
            Value::Text(_) => "a string",
            Value::Array(_) => "an array",
        }
    }
}

/// Where a tensor lies.
#[derive(Debug, Clone)]
struct TensorPlace {
    /// Outermost first: the reverse of the file's order.
    shape: Vec<usize>,
    format: BlockFormat,
    start: usize,
    bytes: usize,
}

/// An open GGUF file.
#[derive(Debug)]
pub(crate) struct GgufFile {
    path: PathBuf,
    map: Mmap,
    metadata: BTreeMap<String, Value>,
    tensors: BTreeMap<String, TensorPlace>,
}

impl GgufFile {
    /// Opens a file and reads all but the tensors' values.
    pub(crate) fn open(path: &Path) -> Result<GgufFile, ModelError> {
        let map = files::map(path)?;
        let (metadata, tensors) = parse(&map).map_err(|message| ModelError::format(path, message))?;
        Ok(GgufFile { path: path.to_path_buf(), map, metadata, tensors })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Names of all tensors, sorted.
    pub(crate) fn tensor_names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Dimensions of a tensor, outermost first.
    pub(crate) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|place| place.shape.as_slice())
    }

    /// Which formats hold the tensors, most frequent first, such as "tensors: 210 Q4_1, 61 F32, 1 Q8_0; …".
    pub(crate) fn format_summary(&self) -> String {
        let mut counts: Vec<(usize, &str)> = Vec::new();
        for place in self.tensors.values() {
            let name = place.format.name();
            match counts.iter_mut().find(|(_, n)| *n == name) {
                Some((count, _)) => *count += 1,
                None => counts.push((1, name)),
            }
        }
        counts.sort_by(|a, b| b.cmp(a));
        let parts: Vec<String> = counts.iter().map(|(count, name)| format!("{count} {name}")).collect();
        let is_exact = counts.iter().all(|(_, name)| !name.starts_with('Q'));
        format!(
            "tensors: {}{}",
            parts.join(", "),
            if is_exact { "" } else { "; dequantised, not the original weights" }
        )
    }

    /// A tensor's values in f32.
    pub(crate) fn tensor(&self, name: &str) -> Result<Tensor, ModelError> {
        let place = self.tensors.get(name).ok_or_else(|| self.error(format!("tensor {name} is missing")))?;
        let mut values = Vec::with_capacity(place.shape.iter().product());
        place.format.dequantize(&self.map[place.start..place.start + place.bytes], &mut values);
        Ok(Tensor { shape: place.shape.clone(), values })
    }

    /// A `Format` error about this file.
    pub(crate) fn error(&self, message: impl Into<String>) -> ModelError {
        ModelError::format(&self.path, message)
    }

    /// The value of a key, if there is one.
    pub(crate) fn value(&self, key: &str) -> Option<&Value> {
        self.metadata.get(key)
    }

    /// A string, if the key exists.
    pub(crate) fn text(&self, key: &str) -> Result<Option<&str>, ModelError> {
        self.typed(key, "a string", |v| if let Value::Text(text) = v { Some(text.as_str()) } else { None })
    }

    /// A non-negative integer, if the key exists.
    pub(crate) fn unsigned(&self, key: &str) -> Result<Option<usize>, ModelError> {
        self.typed(key, "a non-negative integer", |v| {
            if let Value::Integer(i) = v { usize::try_from(*i).ok() } else { None }
        })
    }

    /// True or false, if the key exists.
    pub(crate) fn boolean(&self, key: &str) -> Result<Option<bool>, ModelError> {
        self.typed(key, "true or false", |v| if let Value::Bool(b) = v { Some(*b) } else { None })
    }

    /// A float, if the key exists.
    pub(crate) fn float(&self, key: &str) -> Result<Option<f64>, ModelError> {
        self.typed(key, "a float", |v| if let Value::Float(f) = v { Some(*f) } else { None })
    }

    /// An array, if the key exists.
    pub(crate) fn array(&self, key: &str) -> Result<Option<&[Value]>, ModelError> {
        self.typed(key, "an array", |v| if let Value::Array(a) = v { Some(a.as_slice()) } else { None })
    }

    /// An array of strings, if the key exists.
    pub(crate) fn texts(&self, key: &str) -> Result<Option<Vec<&str>>, ModelError> {
        let Some(array) = self.array(key)? else { return Ok(None) };
        let texts = array.iter().map(|v| if let Value::Text(t) = v { Some(t.as_str()) } else { None });
        let texts: Option<Vec<&str>> = texts.collect();
        texts
            .map(Some)
            .ok_or_else(|| self.error(format!("metadata {key}: expected an array of strings only")))
    }

    /// The value of a key that must exist.
    pub(crate) fn required<T>(&self, key: &str, value: Option<T>) -> Result<T, ModelError> {
        value.ok_or_else(|| self.error(format!("metadata {key} is missing")))
    }

    fn typed<'a, T>(
        &'a self,
        key: &str,
        expected: &str,
        convert: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ModelError> {
        let Some(value) = self.metadata.get(key) else { return Ok(None) };
        let converted = convert(value);
        if converted.is_none() {
            return Err(self.error(format!("metadata {key}: expected {expected}, found {}", value.kind())));
        }
        Ok(converted)
    }
}

/// Longest metadata array, far above any vocabulary; keeps a damaged file from asking for much memory.
const LONGEST_ARRAY: usize = 1 << 22;

type Parsed = (BTreeMap<String, Value>, BTreeMap<String, TensorPlace>);

/// Reads header, metadata and the table of tensors.
fn parse(bytes: &[u8]) -> Result<Parsed, String> {
    let mut reader = Reader { bytes, at: 0 };
    let magic = reader.take(4, "the magic number")?;
    if magic != b"GGUF" {
        return Err(format!(
            "expected a GGUF file (magic number \"GGUF\"), found {magic:?}\nhint: a Hugging Face model is given by its folder"
        ));
    }
    let version = reader.u32("the version")?;
    if !(2..=3).contains(&version) {
        let swapped = if (2..=3).contains(&version.swap_bytes()) { " in big-endian order" } else { "" };
        return Err(format!("expected GGUF version 2 or 3 in little-endian order, found {version}{swapped}"));
    }
    let tensor_count = reader.count("the number of tensors", 24)?;
    let metadata_count = reader.count("the number of metadata entries", 13)?;
    let mut metadata = BTreeMap::new();
    for index in 0..metadata_count {
        let key = reader.text(&format!("the key of metadata entry {index}"))?;
        let kind = reader.u32(&key)?;
        let value = reader.value(kind, &key, 0)?;
        if metadata.insert(key.clone(), value).is_some() {
            return Err(format!("metadata {key} occurs twice"));
        }
    }
    let alignment = match metadata.get("general.alignment") {
        None => 32,
        Some(Value::Integer(i)) if (1..=1 << 20).contains(i) && i.count_ones() == 1 => *i as usize,
        Some(other) => {
            return Err(format!("metadata general.alignment: expected a power of two, found {other:?}"));
        }
    };
    let mut places = Vec::new();
    for index in 0..tensor_count {
        places.push(reader.tensor_place(index)?);
    }
    let data_start = reader.at.next_multiple_of(alignment);
    let mut tensors = BTreeMap::new();
    for (name, mut place) in places {
        let end = data_start.checked_add(place.start).and_then(|s| Some((s, s.checked_add(place.bytes)?)));
        let (start, end) = end.ok_or_else(|| format!("tensor {name}: its offset overflows"))?;
        if end > bytes.len() {
            return Err(format!(
                "tensor {name} ends at byte {end}, the file at byte {}\nhint: the file is truncated; fetch it again",
                bytes.len()
            ));
        }
        place.start = start;
        if tensors.insert(name.clone(), place).is_some() {
            return Err(format!("tensor {name} occurs twice"));
        }
    }
    Ok((metadata, tensors))
}

/// A position in the file; every read says what it was for.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize, what: &str) -> Result<&'a [u8], String> {
        let left = self.bytes.len() - self.at;
        if length > left {
            return Err(format!(
                "expected {length} bytes at {} for {what}, found {left}\nhint: the file is truncated or damaged",
                self.at
            ));
        }
        self.at += length;
        Ok(&self.bytes[self.at - length..self.at])
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], String> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, what)?);
        Ok(array)
    }

    fn u32(&mut self, what: &str) -> Result<u32, String> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    fn u64(&mut self, what: &str) -> Result<u64, String> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// A number of things that take at least `least_bytes` each, so that a damaged count cannot ask for much memory.
    fn count(&mut self, what: &str, least_bytes: usize) -> Result<usize, String> {
        let count = self.u64(what)?;
        let possible = (self.bytes.len() - self.at) / least_bytes;
        match usize::try_from(count) {
            Ok(count) if count <= possible => Ok(count),
            _ => Err(format!(
                "{what}: expected at most {possible} in the bytes left, found {count}\nhint: the file is truncated or damaged"
            )),
        }
    }

    fn text(&mut self, what: &str) -> Result<String, String> {
        let length = self.count(&format!("the length of {what}"), 1)?;
        let bytes = self.take(length, what)?;
        // Vocabularies of SentencePiece models may hold single bytes; nothing else depends on them being text.
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    fn value(&mut self, kind: u32, key: &str, depth: usize) -> Result<Value, String> {
        Ok(match kind {
            0 => Value::Integer(i128::from(u8::from_le_bytes(self.array(key)?))),
            1 => Value::Integer(i128::from(i8::from_le_bytes(self.array(key)?))),
            2 => Value::Integer(i128::from(u16::from_le_bytes(self.array(key)?))),
            3 => Value::Integer(i128::from(i16::from_le_bytes(self.array(key)?))),
            4 => Value::Integer(i128::from(u32::from_le_bytes(self.array(key)?))),
            5 => Value::Integer(i128::from(i32::from_le_bytes(self.array(key)?))),
            6 => Value::Float(widen(f32::from_le_bytes(self.array(key)?))),
            7 => Value::Bool(self.take(1, key)?[0] != 0),
            8 => Value::Text(self.text(key)?),
            9 => {
                let element = self.u32(key)?;
                if depth > 3 {
                    return Err(format!("metadata {key}: arrays are nested too deeply"));
                }
                let least_bytes = match element {
                    0 | 1 | 7 => 1,
                    2 | 3 => 2,
                    4..=6 => 4,
                    9 => 12,
                    _ => 8,
                };
                let count = self.count(&format!("the length of metadata {key}"), least_bytes)?;
                if count > LONGEST_ARRAY {
                    return Err(format!(
                        "metadata {key}: expected at most {LONGEST_ARRAY} values, found {count}"
                    ));
                }
                let mut values = Vec::new();
                for _ in 0..count {
                    values.push(self.value(element, key, depth + 1)?);
                }
                Value::Array(values)
            }
            10 => Value::Integer(i128::from(self.u64(key)?)),
            11 => Value::Integer(i128::from(i64::from_le_bytes(self.array(key)?))),
            12 => Value::Float(f64::from_le_bytes(self.array(key)?)),
            _ => return Err(format!("metadata {key}: expected a value type of 0 to 12, found {kind}")),
        })
    }

    /// Name and place of a tensor; `start` still counts from the beginning of the data.
    fn tensor_place(&mut self, index: usize) -> Result<(String, TensorPlace), String> {
        let name = self.text(&format!("the name of tensor {index}"))?;
        let dimensions = self.u32(&name)?;
        if !(1..=4).contains(&dimensions) {
            return Err(format!("tensor {name}: expected 1 to 4 dimensions, found {dimensions}"));
        }
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            shape.push(usize::try_from(self.u64(&name)?).map_err(|_| format!("tensor {name} is too large"))?);
        }
        let number = self.u32(&name)?;
        let format = BlockFormat::from_ggml_type(number).ok_or_else(|| {
            format!("tensor {name}: expected one of {}, found ggml type {number}", quants::SUPPORTED)
        })?;
        let start = usize::try_from(self.u64(&name)?).map_err(|_| format!("tensor {name} lies too far"))?;
        let (block_values, block_bytes) = format.block();
        if !shape[0].is_multiple_of(block_values) {
            return Err(format!(
                "tensor {name}: expected rows of a multiple of {block_values} values, found {}",
                shape[0]
            ));
        }
        let values = shape.iter().try_fold(1usize, |product, n| product.checked_mul(*n));
        let bytes = values.and_then(|values| (values / block_values).checked_mul(block_bytes));
        let bytes = bytes.ok_or_else(|| format!("tensor {name}: its shape {shape:?} overflows"))?;
        shape.reverse();
        Ok((name, TensorPlace { shape, format, start, bytes }))
    }
}

/// The f64 with the same shortest decimal form, so that a stored 1e-5 reads as 1e-5 and not as 9.99999975e-6.
fn widen(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `tests/fixtures/make_quants.py` with llama.cpp's own Python package.
    const QUANTS: &[u8] = include_bytes!("../../tests/fixtures/quants.gguf");

    fn open(bytes: &[u8]) -> Result<GgufFile, ModelError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        GgufFile::open(file.path())
    }

    #[test]
    fn every_format_reads_as_llama_cpp_reads_it() {
        let file = open(QUANTS).unwrap();
        let mut formats = 0;
        for name in file.tensor_names().filter(|name| name.ends_with(".blocks")) {
            let expected = file.tensor(&name.replace(".blocks", ".expected")).unwrap();
            let found = file.tensor(name).unwrap();
            assert_eq!(found.shape, expected.shape, "{name}");
            let bits = |tensor: &Tensor| tensor.values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert!(bits(&found) == bits(&expected), "{name}: {found:?} {expected:?}");
            formats += 1;
        }
        assert_eq!(formats, 10);
    }

    #[test]
    fn metadata_is_typed() {
        let file = open(QUANTS).unwrap();
        assert_eq!(file.text("test.text").unwrap(), Some("déjà vu"));
        assert_eq!(file.float("test.float").unwrap(), Some(1e-5));
        assert_eq!(file.texts("test.texts").unwrap(), Some(vec!["a", "Ġb"]));
        assert_eq!(file.value("test.negative"), Some(&Value::Integer(-7)));
        assert_eq!(file.text("test.none").unwrap(), None);
        let error = file.unsigned("test.negative").unwrap_err().to_string();
        assert!(
            error.ends_with("metadata test.negative: expected a non-negative integer, found an integer"),
            "{error}"
        );
    }

    #[test]
    fn no_truncation_and_no_flipped_byte_panics() {
        for length in 0..QUANTS.len() {
            assert!(parse(&QUANTS[..length]).is_err(), "cut to {length} bytes");
        }
        let header = QUANTS.len().min(2500);
        let mut bytes = QUANTS.to_vec();
        for at in 0..header {
            for flipped in [bytes[at] ^ 0x01, bytes[at] ^ 0x80, 0xff] {
                let old = std::mem::replace(&mut bytes[at], flipped);
                // Some changes still make a valid file; none may panic or allocate much.
                let _ = parse(&bytes);
                bytes[at] = old;
            }
        }
    }

    #[test]
    fn errors_say_what_was_expected() {
        let check = |bytes: &[u8], expected: &str| {
            let error = parse(bytes).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        check(b"PK\x03\x04", "expected a GGUF file (magic number \"GGUF\"), found [80, 75, 3, 4]");
        check(b"GGUF\x01\0\0\0", "expected GGUF version 2 or 3 in little-endian order, found 1");
        check(b"GGUF\0\0\0\x03", "in big-endian order");
        check(b"GGUF\x03\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", "the number of tensors: expected at most 0");
        check(&QUANTS[..QUANTS.len() - 1], "hint: the file is truncated; fetch it again");
    }
}
