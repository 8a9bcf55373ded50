//! Append-only files of one JSON object a line that survive `kill -9` in mid-write.
//!
//! A line counts only once its newline is there. Not atomic as a whole: a file that grows is repaired when it
//! is opened for writing, and readers ignore an unfinished last line.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{RunlogError, atomic_write};

/// An open JSONL file; each line is one `write`, so it is out of this process when `append` returns.
#[derive(Debug)]
pub(crate) struct LineWriter {
    path: PathBuf,
    file: File,
}

impl LineWriter {
    /// Opens or creates, and cuts off a half-written last line.
    pub(crate) fn open(path: &Path) -> Result<LineWriter, RunlogError> {
        repair(path)?;
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map_err(|error| RunlogError::io("open", path, error))?;
        Ok(LineWriter { path: path.to_path_buf(), file })
    }

    /// Adds one line. After a failed write the file is cut back to its last whole line.
    pub(crate) fn append(&mut self, mut line: String) -> Result<(), RunlogError> {
        line.push('\n');
        self.file.write_all(line.as_bytes()).map_err(|error| {
            let _ = repair(&self.path);
            RunlogError::io("append to", &self.path, error)
        })
    }

    /// Makes what was appended durable.
    pub(crate) fn sync(&self) -> Result<(), RunlogError> {
        self.file.sync_data().map_err(|error| RunlogError::io("sync", &self.path, error))
    }
}

/// The whole lines of a file, oldest first; a missing file is empty.
pub(crate) fn read_lines(path: &Path) -> Result<Vec<String>, RunlogError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(RunlogError::io("read", path, error)),
    };
    let text = String::from_utf8_lossy(&bytes[..whole_lines(&bytes)]);
    Ok(text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect())
}

/// Keeps the lines whose `step` is at most `step`; drops the later ones and the unreadable ones.
pub(crate) fn truncate_after(path: &Path, step: u64) -> Result<(), RunlogError> {
    if !path.exists() {
        return Ok(());
    }
    let mut kept = String::new();
    for line in read_lines(path)? {
        if line_step(&line).is_some_and(|at| at <= step) {
            kept.push_str(&line);
            kept.push('\n');
        }
    }
    atomic_write(path, kept.as_bytes())
}

/// The `step` of a line; `None` if the line is not what this crate writes.
pub(crate) fn line_step(line: &str) -> Option<u64> {
    #[derive(Deserialize)]
    struct Stepped {
        step: u64,
    }
    serde_json::from_str::<Stepped>(line).ok().map(|stepped| stepped.step)
}

/// Cuts off a last line without its newline.
fn repair(path: &Path) -> Result<(), RunlogError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(RunlogError::io("read", path, error)),
    };
    let whole = whole_lines(&bytes);
    if whole < bytes.len() {
        tracing::warn!(path = %path.display(), bytes = bytes.len() - whole, "dropping a half-written last line");
        OpenOptions::new()
            .write(true)
            .open(path)
            .and_then(|file| file.set_len(whole as u64))
            .map_err(|error| RunlogError::io("repair", path, error))?;
    }
    Ok(())
}

fn whole_lines(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_written_line_is_dropped_and_appending_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        fs::write(&path, "{\"step\":1}\n{\"step\":2}\n{\"ste").unwrap();
        assert_eq!(read_lines(&path).unwrap().len(), 2);
        LineWriter::open(&path).unwrap().append("{\"step\":3}".into()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n");
    }

    /// Every prefix of a file is a state that `kill -9` can leave.
    #[test]
    fn every_prefix_opens() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        let whole = "{\"step\":1,\"a\":0.5}\n{\"step\":2,\"a\":null}\n";
        for length in 0..=whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            drop(LineWriter::open(&path).unwrap());
            let text = fs::read_to_string(&path).unwrap();
            assert!(
                whole.starts_with(&text) && (text.is_empty() || text.ends_with('\n')),
                "{length}: {text:?}"
            );
        }
    }

    #[test]
    fn truncation_keeps_the_earlier_lines_to_the_byte() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        fs::write(&path, "{\"step\":1,\"a\":0.1}\n{\"step\":2}\nnot json\n{\"step\":3}\n{\"st").unwrap();
        truncate_after(&path, 2).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"step\":1,\"a\":0.1}\n{\"step\":2}\n");
    }
}
