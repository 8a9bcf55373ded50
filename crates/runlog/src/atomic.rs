//! Files that are either the old one or the new one, whole, whatever happens in between.
//!
//! Temporary file beside the target, fsync, rename, fsync of the directory. Not for files that grow (see
//! `jsonl`): those are repaired when they are opened.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::RunlogError;

/// Suffix of unfinished files; what a killed process left behind is swept by `RunDir::resume`.
const TEMPORARY_SUFFIX: &str = ".unfinished";

/// Writes `bytes` to `path` so that a reader sees the old content or the new one, never a part.
pub fn atomic_write(path: &Path, bytes: &[u8]) -> Result<(), RunlogError> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes).map_err(|error| RunlogError::io("write", path, error))?;
    file.commit()
}

/// A file under construction; it appears under its name at [`AtomicFile::commit`] and vanishes if dropped before.
#[derive(Debug)]
pub struct AtomicFile {
    target: PathBuf,
    temporary: PathBuf,
    writer: Option<BufWriter<File>>,
}

impl AtomicFile {
    /// Starts a file that will replace `path`. Missing parent directories are made.
    pub fn create(path: &Path) -> Result<AtomicFile, RunlogError> {
        let directory = parent(path);
        fs::create_dir_all(&directory).map_err(|error| RunlogError::io("create", &directory, error))?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let temporary = directory.join(format!(".{name}.{}{TEMPORARY_SUFFIX}", std::process::id()));
        let file = File::create(&temporary).map_err(|error| RunlogError::io("create", path, error))?;
        Ok(AtomicFile {
            target: path.to_path_buf(),
            temporary,
            writer: Some(BufWriter::with_capacity(1 << 20, file)),
        })
    }

    /// Makes everything durable, then visible.
    pub fn commit(mut self) -> Result<(), RunlogError> {
        let fail = |error| RunlogError::io("write", &self.target, error);
        if let Some(writer) = self.writer.take() {
            let file = writer.into_inner().map_err(|error| fail(error.into_error()))?;
            file.sync_all().map_err(fail)?;
        }
        fs::rename(&self.temporary, &self.target).map_err(fail)?;
        sync_directory(&parent(&self.target))
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match &mut self.writer {
            Some(writer) => writer.write(bytes),
            None => Err(std::io::ErrorKind::NotConnected.into()),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.writer.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        // After a commit the temporary name is gone and this does nothing.
        if let Some(writer) = self.writer.take() {
            drop(writer.into_parts());
        }
        let _ = fs::remove_file(&self.temporary);
    }
}

/// Removes what killed processes left half-written in `directory` (not below it).
pub(crate) fn sweep_unfinished(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') && name.ends_with(TEMPORARY_SUFFIX) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

fn sync_directory(directory: &Path) -> Result<(), RunlogError> {
    let sync = File::open(directory).and_then(|file| file.sync_all());
    match sync {
        // Some file systems cannot sync a directory; the rename itself has happened.
        Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => Ok(()),
        other => other.map_err(|error| RunlogError::io("sync", directory, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_whole_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/er/file.json");
        atomic_write(&path, b"one").unwrap();
        atomic_write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn an_uncommitted_file_never_appears() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        atomic_write(&path, b"old").unwrap();
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_sweep_takes_unfinished_files_only() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(".weights.7.unfinished"), b"x").unwrap();
        fs::write(dir.path().join("weights"), b"x").unwrap();
        sweep_unfinished(dir.path());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    /// `/dev/full` answers every write with ENOSPC; it is not on every system.
    #[test]
    fn a_full_disk_is_named() {
        let error = std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .and_then(|mut file| file.write_all(b"x"))
            .map_err(|error| RunlogError::io("write", Path::new("/run/metrics.jsonl"), error));
        match error {
            Err(RunlogError::DiskFull { .. }) => {}
            Err(RunlogError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
            other => panic!("expected a full disk, got {other:?}"),
        }
    }
}
