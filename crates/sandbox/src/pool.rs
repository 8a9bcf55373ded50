//! The worker pool: `Sandbox` is the handle everything else uses.

use std::path::PathBuf;

use crate::{Isolation, Judgement, Limits, Outcome, Submission};

/// How the sandbox is set up.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// Isolation demanded.
    pub isolation: Isolation,
    /// Worker processes; 0 means one a core.
    pub workers: usize,
    /// The Python interpreter; `None` finds `python3` once, past any shim.
    pub python: Option<PathBuf>,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        SandboxConfig { isolation: Isolation::Strict, workers: 0, python: None }
    }
}

/// Why the sandbox itself (never the program) failed.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// An isolation layer is missing under `Strict`.
    #[error("isolation layer {layer} is missing: {reason}\nhint: {hint}")]
    MissingLayer {
        /// Name of the layer.
        layer: String,
        /// What the probe saw.
        reason: String,
        /// How to get it, or how to run with less.
        hint: String,
    },
    /// A toolchain is not installed.
    #[error("{tool} is not installed\nhint: {hint}")]
    MissingToolchain {
        /// The program looked for.
        tool: String,
        /// The package that brings it.
        hint: String,
    },
    /// The submission makes no sense, such as an empty test list.
    #[error("{0}")]
    BadSubmission(String),
    /// A worker died twice over the same run, or the pool is shut down.
    #[error("sandbox worker failed: {0}")]
    Worker(String),
}

/// A pool of isolated workers. Cheap to share (`&Sandbox` from many threads); dropping it kills every worker.
pub struct Sandbox {}

impl Sandbox {
    /// Probes the machine and starts the workers. Fails closed.
    pub fn start(_config: SandboxConfig) -> Result<Sandbox, SandboxError> {
        Err(SandboxError::Worker("skeleton".into()))
    }

    /// Number of workers: how many runs may be in flight at once.
    pub fn workers(&self) -> usize {
        0
    }

    /// Runs one Python program with `stdin`. Blocks until a worker is free and the program ended or was ended.
    pub fn run(&self, _source: &str, _stdin: &[u8], _limits: &Limits) -> Result<Outcome, SandboxError> {
        Err(SandboxError::Worker("skeleton".into()))
    }

    /// Judges a solution by its tests, in different processes.
    pub fn judge(&self, _submission: &Submission) -> Result<Judgement, SandboxError> {
        Err(SandboxError::Worker("skeleton".into()))
    }
}
