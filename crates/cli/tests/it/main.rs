//! The binary as a user sees it: what it prints, where, and its exit code.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

mod commands;
mod comparing;
mod evaluation;
mod help;
mod measuring;
mod metrics;
mod ranking;
mod rating;
mod recipes;
mod stopping;
mod survival;
mod tiny_model;
mod whole_run;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What a call of the binary did.
struct Call {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Call {
    /// Asserts the exit code, showing what was printed.
    #[track_caller]
    fn code(self, expected: i32) -> Call {
        let Call { code, stdout, stderr } = &self;
        assert_eq!(*code, Some(expected), "stdout:\n{stdout}\nstderr:\n{stderr}");
        self
    }

    /// Asserts that stderr contains every part.
    #[track_caller]
    fn says(self, parts: &[&str]) -> Call {
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} not on stderr:\n{}", self.stderr);
        }
        self
    }

    /// stdout as JSON.
    #[track_caller]
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}:\n{}\n{}", self.stdout, self.stderr))
    }
}

/// Calls the binary in the repository's root with an empty cache, so that no test sees the user's models.
fn hone(arguments: &[&str]) -> Call {
    hone_with(arguments, "", &[])
}

fn hone_with(arguments: &[&str], stdin: &str, variables: &[(&str, &str)]) -> Call {
    let cache = tempfile::tempdir().unwrap();
    let mut child = start(arguments, cache.path(), variables).spawn().unwrap();
    // A program that refuses its arguments may be gone before it reads anything.
    let written = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    assert!(written.is_ok() || written.is_err_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe));
    output(child)
}

fn start(arguments: &[&str], cache: &Path, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hone"));
    command
        .args(arguments)
        .current_dir(root())
        .env("XDG_CACHE_HOME", cache)
        .env_remove("HONE_LOG")
        .env_remove("RUST_BACKTRACE")
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Waits for the end.
fn output(child: Child) -> Call {
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Call { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}
