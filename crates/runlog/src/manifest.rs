//! What makes a run repeatable, written before its first step.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::machine::first_line;
use crate::{Machine, detect_toolchains, utc_now};

/// The content of `manifest.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Manifest {
    /// Name of the run in the report; usually the recipe's.
    pub title: String,
    /// Version of Hone.
    pub hone_version: String,
    /// Commit Hone was built from, where known.
    pub commit: Option<String>,
    /// Whether the source had changes beyond that commit.
    pub is_dirty: Option<bool>,
    /// Seed of everything random.
    pub seed: u64,
    /// Steps the recipe asks for, where known.
    pub planned_steps: Option<u64>,
    /// The command line.
    pub command: Vec<String>,
    /// Start, RFC 3339, UTC.
    pub started_at: String,
    /// Processor, memory, system.
    pub machine: Machine,
    /// Versions of the programs used, by name.
    pub toolchains: BTreeMap<String, String>,
    /// Isolation of the programs that the policy writes.
    pub isolation: IsolationRecord,
    /// Where the policy came from.
    pub model: ModelSource,
}

/// How the policy's programs were kept apart from the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IsolationRecord {
    /// What was asked for: `strict`, `standard` or `none`.
    pub level: String,
    /// Layers in force.
    pub layers: Vec<String>,
    /// Layers that were missing; must be empty under `strict`.
    pub missing: Vec<String>,
}

/// Where the policy came from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelSource {
    /// What the recipe names: a hub id, a package or a path.
    pub source: String,
    /// SHA-256 of the weights, by file name.
    pub sha256: BTreeMap<String, String>,
    /// Architecture, such as `llama`.
    pub architecture: String,
    /// Number of parameters.
    pub parameters: u64,
    /// Number of trained parameters.
    pub trained_parameters: u64,
}

impl Manifest {
    /// Fills in all that can be found out by itself; the caller adds model, isolation and title.
    pub fn detect(seed: u64, command: Vec<String>) -> Manifest {
        let (commit, is_dirty) = source_commit();
        Manifest {
            hone_version: env!("CARGO_PKG_VERSION").to_owned(),
            commit,
            is_dirty,
            seed,
            command,
            started_at: utc_now(),
            machine: Machine::detect(),
            toolchains: detect_toolchains(),
            ..Manifest::default()
        }
    }
}

/// The commit: `HONE_COMMIT` at build time if a packager set it, else what git says of the source tree this
/// binary was built in, if it is still there. (Asked at run time, so that a commit does not rebuild the crate.)
fn source_commit() -> (Option<String>, Option<bool>) {
    if let Some(commit) = option_env!("HONE_COMMIT") {
        return (Some(commit.to_owned()), None);
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.arg("-C").arg(source).args(arguments).env("GIT_OPTIONAL_LOCKS", "0");
        first_line(&mut command)
    };
    let commit = git(&["rev-parse", "HEAD"]).filter(|commit| !commit.is_empty());
    let is_dirty = commit.as_ref().and_then(|_| git(&["status", "--porcelain", "--untracked-files=no"]));
    (commit, is_dirty.map(|change| !change.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_survives_the_way_through_json() {
        let manifest = Manifest::detect(7, vec!["hone".into(), "train".into()]);
        let text = serde_json::to_string(&manifest).unwrap();
        assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), manifest);
        assert_eq!(manifest.seed, 7);
        assert!(manifest.started_at.ends_with('Z'));
    }

    #[test]
    fn an_older_manifest_still_opens() {
        let manifest: Manifest = serde_json::from_str(r#"{"seed": 3, "from_the_future": true}"#).unwrap();
        assert_eq!(manifest.seed, 3);
    }
}
