//! What a program may use, and how it is kept apart from the machine.

use serde::{Deserialize, Serialize};

/// How strongly programs are isolated. `Strict` refuses to run when a layer is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// Every layer is in force, or nothing runs.
    #[default]
    Strict,
    /// The layers this machine offers; what is missing is recorded with every outcome.
    Standard,
    /// Resource limits and a separate process only.
    None,
}

/// Limits of one run. Every one is hard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// CPU time of the whole process tree, in milliseconds.
    pub cpu_ms: u64,
    /// Wall time, in milliseconds.
    pub wall_ms: u64,
    /// Memory of the whole process tree, in bytes.
    pub memory_bytes: u64,
    /// Processes and threads at one time; the program itself, which is one, always runs.
    pub processes: u32,
    /// Open files of one process.
    pub open_files: u32,
    /// Captured bytes of stdout and of stderr, each.
    pub output_bytes: u64,
    /// Bytes the program may write to its private `/tmp`.
    pub disk_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            cpu_ms: 4_000,
            wall_ms: 10_000,
            memory_bytes: 512 << 20,
            processes: 64,
            open_files: 64,
            output_bytes: 64 << 10,
            disk_bytes: 16 << 20,
        }
    }
}
