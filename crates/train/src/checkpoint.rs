//! Checkpoints: directories `step-000012/` that are either complete or not there.
//!
//! A checkpoint is written under a hidden name, synced to disk and renamed; a manifest with lengths and SHA-256 is
//! verified on loading, so a file that was truncated or altered later is noticed and the one before is used.
//! What a run's state means is its trainer's business: here it is one JSON value and a list of tensors.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use hone_model::weights::Tensor;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::tensors::{NamedTensor, read_tensors, write_tensors};

/// Version of the layout described here.
pub const FORMAT_VERSION: u32 = 1;

const TENSORS: &str = "tensors.safetensors";
const STATE: &str = "state.json";
const MANIFEST: &str = "manifest.json";

/// Why a checkpoint could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Writing failed; checkpoints written before are intact.
    #[error("failed to write checkpoint {path}: {source}{}", advice(source))]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Reading failed.
    #[error("failed to read checkpoint {path}: {source}")]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The checkpoint is not what its manifest promises.
    #[error("checkpoint {path} is damaged: {message}")]
    Damaged {
        /// The checkpoint.
        path: PathBuf,
        /// What was expected and found.
        message: String,
    },
}

fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "\nhint: free some space and resume the run; earlier checkpoints are intact"
        }
        _ => "",
    }
}

/// A checkpoint that was read and verified.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Where it was read from.
    pub path: PathBuf,
    /// Steps done when it was written.
    pub step: u64,
    /// The trainer's state.
    pub state: Value,
    /// Parameters and optimizer state by name.
    pub tensors: BTreeMap<String, Tensor>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    format_version: u32,
    step: u64,
    files: BTreeMap<String, FileEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct FileEntry {
    bytes: u64,
    sha256: String,
}

/// The checkpoints of one run.
#[derive(Debug, Clone)]
pub struct CheckpointStore {
    directory: PathBuf,
    keep: usize,
}

impl CheckpointStore {
    /// Checkpoints below `directory` (created when first needed), of which the last `keep` (at least 1) stay.
    pub fn new(directory: impl Into<PathBuf>, keep: usize) -> CheckpointStore {
        CheckpointStore { directory: directory.into(), keep: keep.max(1) }
    }

    /// Writes the checkpoint of `step` atomically, then removes the ones that are too old. A valid checkpoint of the
    /// same step is left as it is: a resumed run repeats its numbers.
    pub fn save(
        &self,
        step: u64,
        state: &Value,
        tensors: &[NamedTensor<'_>],
    ) -> Result<PathBuf, CheckpointError> {
        self.save_with(step, state, tensors, |path| File::create_new(path))
    }

    /// The newest checkpoint that is intact; damaged ones are skipped with a warning.
    pub fn latest_valid(&self) -> Result<Option<Checkpoint>, CheckpointError> {
        for (_, path) in self.list()?.into_iter().rev() {
            match Self::load(&path) {
                Ok(checkpoint) => return Ok(Some(checkpoint)),
                Err(error) => tracing::warn!("{error}; going back to the one before"),
            }
        }
        Ok(None)
    }

    /// Reads and verifies one checkpoint.
    pub fn load(path: &Path) -> Result<Checkpoint, CheckpointError> {
        let damaged = |message: String| CheckpointError::Damaged { path: path.to_path_buf(), message };
        let manifest: Manifest = serde_json::from_slice(&read_file(&path.join(MANIFEST))?)
            .map_err(|error| damaged(format!("{MANIFEST}: {error}")))?;
        if manifest.format_version != FORMAT_VERSION {
            let found = manifest.format_version;
            return Err(damaged(format!("format version {found}, this program reads {FORMAT_VERSION}")));
        }
        let verify = |name: &str, found: FileEntry| match manifest.files.get(name) {
            Some(expected) if *expected == found => Ok(()),
            Some(expected) => Err(damaged(format!(
                "{name} has {} bytes and SHA-256 {}…, expected {} and {}…",
                found.bytes,
                &found.sha256[..12],
                expected.bytes,
                expected.sha256.get(..12).unwrap_or_default()
            ))),
            None => Err(damaged(format!("{MANIFEST} does not list {name}"))),
        };
        let state = read_file(&path.join(STATE))?;
        verify(STATE, FileEntry { bytes: state.len() as u64, sha256: hex(&Sha256::digest(&state)) })?;
        let state = serde_json::from_slice(&state).map_err(|error| damaged(format!("{STATE}: {error}")))?;

        let tensors_path = path.join(TENSORS);
        let read_error = |source| CheckpointError::Read { path: tensors_path.clone(), source };
        let file = File::open(&tensors_path).map_err(read_error)?;
        let length = file.metadata().map_err(read_error)?.len();
        let mut reader = Hashing::new(BufReader::with_capacity(1 << 20, file));
        let tensors = read_tensors(&mut reader, length);
        io::copy(&mut reader, &mut io::sink()).map_err(read_error)?;
        verify(TENSORS, reader.entry())?;
        let tensors = tensors.map_err(|message| damaged(format!("{TENSORS}: {message}")))?;
        Ok(Checkpoint { path: path.to_path_buf(), step: manifest.step, state, tensors })
    }

    /// Steps and paths of the checkpoints that are there, oldest first, unverified.
    pub fn list(&self) -> Result<Vec<(u64, PathBuf)>, CheckpointError> {
        let read_error = |source| CheckpointError::Read { path: self.directory.clone(), source };
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(read_error(error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(read_error)?;
            let step = entry.file_name().to_str().and_then(|name| name.strip_prefix("step-")?.parse().ok());
            found.extend(step.map(|step: u64| (step, entry.path())));
        }
        found.sort();
        Ok(found)
    }

    /// `save` with the way files are created as a parameter, so that a test can make the disk full.
    fn save_with(
        &self,
        step: u64,
        state: &Value,
        tensors: &[NamedTensor<'_>],
        create: impl Fn(&Path) -> io::Result<File>,
    ) -> Result<PathBuf, CheckpointError> {
        let target = self.directory.join(format!("step-{step:06}"));
        if target.exists() && Self::load(&target).is_ok() {
            return Ok(target);
        }
        fs::create_dir_all(&self.directory).map_err(write_error(&self.directory))?;
        self.remove_leftovers();
        let partial = self.directory.join(format!(".step-{step:06}.partial"));
        let written = self.write_partial(&partial, step, state, tensors, create).and_then(|()| {
            if target.exists() {
                fs::remove_dir_all(&target).map_err(write_error(&target))?;
            }
            fs::rename(&partial, &target).map_err(write_error(&target))?;
            sync_directory(&self.directory)
        });
        if let Err(error) = written {
            // The space of a half-written checkpoint is given back; failing at that changes nothing.
            let _ = fs::remove_dir_all(&partial);
            return Err(error);
        }
        self.prune()?;
        Ok(target)
    }

    fn write_partial(
        &self,
        partial: &Path,
        step: u64,
        state: &Value,
        tensors: &[NamedTensor<'_>],
        create: impl Fn(&Path) -> io::Result<File>,
    ) -> Result<(), CheckpointError> {
        fs::create_dir(partial).map_err(write_error(partial))?;
        let write = |name: &str, content: &dyn Fn(&mut dyn Write) -> io::Result<()>| {
            let path = partial.join(name);
            let entry = || -> io::Result<FileEntry> {
                let mut writer = Hashing::new(BufWriter::with_capacity(1 << 20, create(&path)?));
                content(&mut writer)?;
                writer.inner.flush()?;
                writer.inner.get_ref().sync_all()?;
                Ok(writer.entry())
            };
            entry().map(|entry| (name.to_string(), entry)).map_err(write_error(&path))
        };
        let files = BTreeMap::from([
            write(TENSORS, &|writer| write_tensors(writer, tensors))?,
            write(STATE, &|writer| Ok(serde_json::to_writer_pretty(writer, state)?))?,
        ]);
        let manifest = Manifest { format_version: FORMAT_VERSION, step, files };
        write(MANIFEST, &|writer| Ok(serde_json::to_writer_pretty(writer, &manifest)?))?;
        sync_directory(partial)
    }

    fn prune(&self) -> Result<(), CheckpointError> {
        let found = self.list()?;
        for (_, path) in &found[..found.len().saturating_sub(self.keep)] {
            fs::remove_dir_all(path).map_err(write_error(path))?;
        }
        Ok(())
    }

    /// Removes what a killed process left half-written; failing at that changes nothing.
    fn remove_leftovers(&self) {
        for entry in fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name.to_string_lossy().starts_with(".step-") {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

fn write_error(path: &Path) -> impl Fn(io::Error) -> CheckpointError + '_ {
    move |source| CheckpointError::Write { path: path.to_path_buf(), source }
}

fn read_file(path: &Path) -> Result<Vec<u8>, CheckpointError> {
    fs::read(path).map_err(|source| CheckpointError::Read { path: path.to_path_buf(), source })
}

fn sync_directory(path: &Path) -> Result<(), CheckpointError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(write_error(path))
}

/// A reader or writer that counts and hashes what passes through.
struct Hashing<T> {
    inner: T,
    hasher: Sha256,
    bytes: u64,
}

impl<T> Hashing<T> {
    fn new(inner: T) -> Self {
        Hashing { inner, hasher: Sha256::new(), bytes: 0 }
    }

    fn entry(&self) -> FileEntry {
        FileEntry { bytes: self.bytes, sha256: hex(&self.hasher.clone().finalize()) }
    }

    fn count(&mut self, passed: &[u8]) {
        self.hasher.update(passed);
        self.bytes += passed.len() as u64;
    }
}

impl<T: Write> Write for Hashing<T> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buffer)?;
        self.count(&buffer[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Read for Hashing<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count(&buffer[..read]);
        Ok(read)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn save(store: &CheckpointStore, step: u64) -> PathBuf {
        let values = [step as f32, 2.0, 3.0];
        let tensors = [NamedTensor { name: "w".into(), shape: vec![1, 3], values: &values }];
        store.save(step, &json!({"position": step * 10}), &tensors).unwrap()
    }

    fn names(store: &CheckpointStore) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&store.directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn round_trip_and_keep_last() {
        let directory = tempfile::tempdir().unwrap();
        let store = CheckpointStore::new(directory.path().join("checkpoints"), 2);
        assert_eq!(store.latest_valid().unwrap(), None);
        for step in [1, 2, 10] {
            save(&store, step);
        }
        assert_eq!(names(&store), ["step-000002", "step-000010"]);
        let latest = store.latest_valid().unwrap().unwrap();
        assert_eq!((latest.step, &latest.state), (10, &json!({"position": 100})));
        assert_eq!(latest.tensors["w"], Tensor { shape: vec![1, 3], values: vec![10.0, 2.0, 3.0] });
    }

    #[test]
    fn any_damage_goes_back_to_the_last_good_one() {
        type Damage = fn(&Path);
        let damages: [(&str, Damage); 6] = [
            ("tensors cut off", |path| {
                let file = File::options().write(true).open(path.join(TENSORS)).unwrap();
                file.set_len(file.metadata().unwrap().len() - 1).unwrap();
            }),
            ("a flipped bit", |path| {
                let mut bytes = fs::read(path.join(TENSORS)).unwrap();
                *bytes.last_mut().unwrap() ^= 1;
                fs::write(path.join(TENSORS), bytes).unwrap();
            }),
            ("an empty state", |path| fs::write(path.join(STATE), "").unwrap()),
            ("no state", |path| fs::remove_file(path.join(STATE)).unwrap()),
            ("no manifest", |path| fs::remove_file(path.join(MANIFEST)).unwrap()),
            ("another version", |path| {
                let text = fs::read_to_string(path.join(MANIFEST)).unwrap();
                let text = text.replace("\"format_version\": 1", "\"format_version\": 99");
                fs::write(path.join(MANIFEST), text).unwrap();
            }),
        ];
        for (what, damage) in damages {
            let directory = tempfile::tempdir().unwrap();
            let store = CheckpointStore::new(directory.path(), 3);
            save(&store, 1);
            let newest = save(&store, 2);
            damage(&newest);
            assert_eq!(store.latest_valid().unwrap().unwrap().step, 1, "{what}");
            // Saving the damaged step again repairs it.
            save(&store, 2);
            assert_eq!(store.latest_valid().unwrap().unwrap().step, 2, "{what}");
        }
    }

    #[test]
    fn a_full_disk_is_a_clear_error_and_leaves_the_last_good_one() {
        let directory = tempfile::tempdir().unwrap();
        let store = CheckpointStore::new(directory.path(), 1);
        save(&store, 1);
        for full in [TENSORS, STATE, MANIFEST] {
            let create = |path: &Path| match path.ends_with(full) {
                true => File::options().write(true).open("/dev/full"),
                false => File::create_new(path),
            };
            let tensors = [NamedTensor { name: "w".into(), shape: vec![1], values: &[1.0] }];
            let error = store.save_with(2, &json!({}), &tensors, create).unwrap_err().to_string();
            assert!(error.contains(full) && error.contains("hint: free some space"), "{error}");
            assert_eq!(names(&store), ["step-000001"]);
            assert_eq!(store.latest_valid().unwrap().unwrap().step, 1);
        }
    }

    #[test]
    fn leftovers_of_a_killed_process_are_ignored_and_removed() {
        let directory = tempfile::tempdir().unwrap();
        let store = CheckpointStore::new(directory.path(), 2);
        fs::create_dir(directory.path().join(".step-000007.partial")).unwrap();
        fs::write(directory.path().join(".step-000007.partial").join(TENSORS), "half").unwrap();
        assert_eq!(store.latest_valid().unwrap(), None);
        save(&store, 7);
        assert_eq!(names(&store), ["step-000007"]);
    }
}
