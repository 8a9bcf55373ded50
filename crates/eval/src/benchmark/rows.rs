//! A benchmark's rows as they are in its file: JSONL, one JSON array or object of objects, plain or gzip.

use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// A file larger than this is refused, also after decompression.
const MAX_BYTES: u64 = 2 << 30;

/// Why a benchmark could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BenchmarkError {
    /// The file cannot be read.
    #[error("failed to read {path}: {message}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        message: String,
    },
    /// A row is not what this benchmark's rows are.
    #[error("{path}: row {row}: {message}")]
    Row {
        /// The file.
        path: String,
        /// 1-based row.
        row: usize,
        /// What was expected and found.
        message: String,
    },
    /// There is no such benchmark, or its file is not at hand.
    #[error("{message}")]
    Unknown {
        /// What is known, and what to do.
        message: String,
    },
}

/// One row; what a reader misses is named.
pub(crate) struct Row {
    keys: Map<String, Value>,
    /// The line it is, in a file of lines.
    line: String,
}

impl Row {
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.keys.get(key).filter(|value| !value.is_null())
    }

    /// A text that must be there, with line ends of Unix.
    pub(crate) fn text(&self, key: &str) -> Result<String, String> {
        match self.get(key) {
            Some(Value::String(text)) => Ok(text.replace("\r\n", "\n")),
            Some(other) => Err(format!("key `{key}`: expected a text, found {other}")),
            None => Err(format!("key `{key}` is missing; there are {}", self.keys())),
        }
    }

    pub(crate) fn text_or_empty(&self, key: &str) -> String {
        self.text(key).unwrap_or_default()
    }

    /// A value, or a text that holds one in JSON.
    pub(crate) fn json(&self, key: &str) -> Result<Value, String> {
        match self.get(key) {
            Some(Value::String(text)) => serde_json::from_str(text)
                .map_err(|error| format!("key `{key}`: expected JSON, found {error}")),
            Some(value) => Ok(value.clone()),
            None => Err(format!("key `{key}` is missing; there are {}", self.keys())),
        }
    }

    /// A value as it is written, in a file of lines: a number of any size stays what it is.
    pub(crate) fn raw(&self, key: &str) -> Result<&str, String> {
        raw_value(&self.line, key).ok_or_else(|| {
            format!("key `{key}`: expected it in a line of a JSONL file; there are {}", self.keys())
        })
    }

    /// A text or a number, as text.
    pub(crate) fn id(&self, key: &str) -> Result<String, String> {
        match self.get(key) {
            Some(Value::Number(number)) => Ok(number.to_string()),
            _ => self.text(key),
        }
    }

    /// A list of texts; none if it is absent.
    pub(crate) fn texts(&self, key: &str) -> Result<Vec<String>, String> {
        let Some(value) = self.get(key) else { return Ok(Vec::new()) };
        let items = value
            .as_array()
            .ok_or_else(|| format!("key `{key}`: expected a list of texts, found {value}"))?;
        let text = |item: &Value| {
            let text = item.as_str().ok_or_else(|| format!("key `{key}`: expected a text, found {item}"))?;
            Ok(text.replace("\r\n", "\n"))
        };
        items.iter().map(text).collect()
    }

    fn keys(&self) -> String {
        self.keys.keys().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
    }
}

/// The rows of a file, or of a folder in APPS' original form.
pub(crate) fn read_rows(path: &Path) -> Result<Vec<Row>, BenchmarkError> {
    let failure = |message: String| BenchmarkError::Read { path: path.display().to_string(), message };
    if path.is_dir() {
        return folder_rows(path).map_err(failure);
    }
    let text = read_text(path).map_err(failure)?;
    rows(&text).map_err(|(row, message)| BenchmarkError::Row {
        path: path.display().to_string(),
        row,
        message,
    })
}

/// One row a folder: `question.txt`, `input_output.json`, `solutions.json`, `starter_code.py`, `metadata.json`.
fn folder_rows(path: &Path) -> Result<Vec<Row>, String> {
    let mut folders: Vec<std::path::PathBuf> = std::fs::read_dir(path)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(|error: std::io::Error| error.to_string())?;
    folders.retain(|folder| folder.join("question.txt").is_file());
    folders.sort();
    if folders.is_empty() {
        return Err("expected a folder of problems, each a folder with `question.txt` as in APPS' `train` and `test`, found none".into());
    }
    let row = |folder: &std::path::PathBuf| {
        let mut row = Map::new();
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        row.insert("problem_id".into(), name.into());
        for (key, file) in [
            ("question", "question.txt"),
            ("input_output", "input_output.json"),
            ("solutions", "solutions.json"),
            ("starter_code", "starter_code.py"),
        ] {
            let path = folder.join(file);
            if path.is_file() {
                row.insert(key.into(), read_text(&path)?.into());
            }
        }
        if let Ok(metadata) = read_text(&folder.join("metadata.json")) {
            let metadata: Value = serde_json::from_str(&metadata).map_err(|error| error.to_string())?;
            row.insert("difficulty".into(), metadata["difficulty"].clone());
        }
        Ok(Row { keys: row, line: String::new() })
    };
    folders.iter().map(row).collect()
}

fn rows(text: &str) -> Result<Vec<Row>, (usize, String)> {
    let text = text.trim_start_matches('\u{feff}');
    let row = |(index, value): (usize, Value)| match value {
        Value::Object(keys) => Ok(Row { keys, line: String::new() }),
        other => Err((index + 1, format!("expected an object, found {other}"))),
    };
    let invalid =
        |index: usize, error: serde_json::Error| (index + 1, format!("expected JSON, found {error}"));
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Array(items)) => items.into_iter().enumerate().map(row).collect(),
        // One object whose values are the rows (BigCodeBench-Hard).
        Ok(Value::Object(object)) if object.values().all(Value::is_object) && !object.is_empty() => {
            object.into_iter().map(|(_, value)| value).enumerate().map(row).collect()
        }
        _ => {
            let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
            lines
                .map(|(index, line)| {
                    let value = serde_json::from_str(line).map_err(|error| invalid(index, error))?;
                    Ok::<_, (usize, String)>(Row { line: line.to_owned(), ..row((index, value))? })
                })
                .collect()
        }
    }
}

/// The text of a key's value in an object, which is known to be JSON; the last one if there are several.
fn raw_value<'a>(object: &'a str, key: &str) -> Option<&'a str> {
    let bytes = object.as_bytes();
    let (mut depth, mut start, mut found) = (0_u32, 0, None);
    let mut name: Option<&str> = None;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let begin = at;
                at += 1;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += 1 + usize::from(bytes[at] == b'\\');
                }
                if depth == 1 && name.is_none() {
                    name = object.get(begin..=at);
                }
            }
            b':' if depth == 1 => start = at + 1,
            b'{' | b'[' => depth += 1,
            end @ (b'}' | b']' | b',') => {
                if depth == 1
                    && let Some(name) = name.take()
                {
                    let is_it = serde_json::from_str::<String>(name).is_ok_and(|name| name == key);
                    found = if is_it { object.get(start..at).map(str::trim) } else { found };
                }
                depth -= u32::from(end != b',');
            }
            _ => {}
        }
        at += 1;
    }
    found
}

pub(crate) fn read_text(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = |reader: &mut dyn Read, bytes: &mut Vec<u8>| {
        reader.take(MAX_BYTES + 1).read_to_end(bytes).map_err(|error| error.to_string())
    };
    let mut file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    read(&mut file, &mut bytes)?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let compressed = std::mem::take(&mut bytes);
        read(&mut flate2::read::MultiGzDecoder::new(&compressed[..]), &mut bytes)?;
    }
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("expected at most {MAX_BYTES} bytes, found more"));
    }
    String::from_utf8(bytes).map_err(|error| format!("expected UTF-8 text, found {error}"))
}

/// Checksum of a file as hexadecimal digits; of a folder, that of its files in alphabetical order.
pub fn sha256(path: &Path) -> Result<String, BenchmarkError> {
    fn add(path: &Path, hash: &mut Sha256) -> std::io::Result<()> {
        if !path.is_dir() {
            return std::io::copy(&mut std::fs::File::open(path)?, hash).map(drop);
        }
        let mut inside =
            std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
        inside.sort();
        inside.iter().try_for_each(|path| add(path, hash))
    }
    let mut hash = Sha256::new();
    add(path, &mut hash).map_err(|error| BenchmarkError::Read {
        path: path.display().to_string(),
        message: error.to_string(),
    })?;
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_as_lines_as_a_list_or_as_an_object() {
        for text in [
            "{\"a\": 1}\n\n{\"a\": 2}\n",
            "[{\"a\": 1}, {\"a\": 2}]",
            "{\"x\": {\"a\": 1}, \"y\": {\"a\": 2}}",
        ] {
            let rows = rows(text).unwrap_or_else(|_| panic!("{text}"));
            assert_eq!(
                rows.iter().map(|row| row.id("a")).collect::<Vec<_>>(),
                [Ok("1".into()), Ok("2".into())]
            );
        }
        assert_eq!(rows("{\"a\": 1}\n{").map(|rows| rows.len()).map_err(|(row, _)| row), Err(2));
        assert!(rows("[1]").is_err());
    }

    #[test]
    fn a_value_is_found_as_it_is_written() {
        let line = r#"{"a": "x\\\": [1,", "b" : [12345678901234567890123, {"c": 1e400}] , "\u0063": -0.10}"#;
        assert_eq!(raw_value(line, "b"), Some(r#"[12345678901234567890123, {"c": 1e400}]"#));
        assert_eq!(raw_value(line, "c"), Some("-0.10"), "the outer one, whose name is escaped");
        assert_eq!((raw_value(line, "a"), raw_value(line, "d")), (Some(r#""x\\\": [1,""#), None));
        let rows = rows("{\"b\": [99999999999999999999]}\n").expect("a row");
        assert_eq!(rows[0].raw("b"), Ok("[99999999999999999999]"));
    }

    #[test]
    fn a_missing_key_is_named_with_those_there_are() {
        let row =
            rows("{\"prompt\": 3, \"test\": \"a\\r\\nb\", \"list\": [\"x\", 1]}").expect("rows").remove(0);
        assert_eq!(row.text("test"), Ok("a\nb".into()));
        assert!(row.text("prompt").expect_err("a number").contains("expected a text, found 3"));
        assert!(row.text("code").expect_err("absent").contains("there are `prompt`"));
        assert!(row.texts("list").is_err());
        assert_eq!(row.texts("none"), Ok(vec![]));
    }
}
