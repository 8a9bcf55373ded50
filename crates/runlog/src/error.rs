//! Why the run directory could not be read or written.

use std::io;
use std::path::{Path, PathBuf};

/// What went wrong with a run directory.
#[derive(Debug, thiserror::Error)]
pub enum RunlogError {
    /// `create` on a directory that already holds something.
    #[error(
        "expected a new or empty run directory, found files in {}\n\
         hint: `hone resume {}` continues that run, if it has not ended; or choose another directory", path.display(), path.display()
    )]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// `open` on something that is no run.
    #[error(
        "expected a run directory, found no manifest.json in {}\n\
         hint: a run directory is made by `hone train`; give the directory itself, not its parent", path.display()
    )]
    NotARun {
        /// The directory.
        path: PathBuf,
    },
    /// Another process writes this run.
    #[error(
        "run {} is being written by another process{}\n\
         hint: wait for it or stop it; `hone report` works on a run that is still going",
        path.display(), pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    Locked {
        /// The directory.
        path: PathBuf,
        /// The process that holds it, where it could be read.
        pid: Option<u32>,
    },
    /// A write through a run that was opened for reading.
    #[error("run {} was opened for reading\nhint: RunDir::create or RunDir::resume give a run that can be written", path.display())]
    ReadOnly {
        /// The directory.
        path: PathBuf,
    },
    /// No space left, or a quota is used up.
    #[error(
        "disk full: could not {action} {}; what was there before is intact\n\
         hint: free some space (old checkpoints are the largest files of a run), then `hone resume`", path.display()
    )]
    DiskFull {
        /// What was being done.
        action: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A file that could not be understood.
    #[error("could not read {}: {reason}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What was expected and what was found.
        reason: String,
    },
    /// Any other failure of the file system.
    #[error("could not {action} {}: {source}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl RunlogError {
    /// Names the file and the action of an I/O error, and tells a full disk from the rest.
    pub fn io(action: &'static str, path: &Path, source: io::Error) -> RunlogError {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                RunlogError::DiskFull { action, path }
            }
            _ => RunlogError::Io { action, path, source },
        }
    }

    /// A file that does not hold what it should.
    pub fn corrupt(path: &Path, reason: impl Into<String>) -> RunlogError {
        RunlogError::Corrupt { path: path.to_path_buf(), reason: reason.into() }
    }
}
