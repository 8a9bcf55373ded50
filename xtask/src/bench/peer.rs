//! What every comparison needs: a venv with pinned packages, the model as a folder others read, processes that answer in JSON.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{shell, venv};

/// The versions that are measured; a newer one is a new benchmark.
const PACKAGES: &[&str] = &[
    "torch==2.15.0",
    "transformers==5.23.0",
    "trl==1.16.0",
    "peft==0.21.2",
    "accelerate==1.15.0",
    "datasets==5.2.0",
    "jinja2==3.1.6",
];

/// Programs and model of a benchmark, ready to run.
pub(super) struct Peers {
    /// Python of the venv.
    pub(super) python: String,
    /// `hone`, built for release.
    pub(super) hone: String,
    /// The model as a Hugging Face folder of f32 weights.
    pub(super) folder: PathBuf,
}

impl Peers {
    /// Installs, builds and exports what is missing.
    pub(super) fn prepare(model: &str) -> Result<Peers> {
        let python = venv::python("peers-venv", PACKAGES)?;
        let hone = shell::hone()?;
        let folder = shell::target().join("bench-model");
        let out = folder.display().to_string();
        shell::run(&hone, &["model", "export", model, "--format", "hf", "--type", "f32", "--out", &out])?;
        Ok(Peers { python, hone, folder })
    }

    /// Runs a script of `xtask/peers` and reads what it prints.
    pub(super) fn peer(&self, script: &str, arguments: &[&str]) -> Result<Value> {
        let script = shell::root().join("xtask/peers").join(script).display().to_string();
        answer(&self.python, &[&[script.as_str()][..], arguments].concat())
    }

    /// Runs `hone bench …` and reads what it prints.
    pub(super) fn hone(&self, arguments: &[&str]) -> Result<Value> {
        answer(&self.hone, &[&["bench"][..], arguments].concat())
    }

    /// Rate of a large f32 matrix product in PyTorch, in GFLOP/s.
    pub(super) fn gemm_gflops(&self, threads: usize) -> Result<f64> {
        let threads = threads.to_string();
        let found = self.peer("transformers_generate.py", &["--gemm", "--threads", &threads])?;
        number(&found, "gemm_gflops")
    }
}

/// A number of an answer.
pub(super) fn number(answer: &Value, key: &str) -> Result<f64> {
    answer[key].as_f64().with_context(|| format!("expected a number {key}, found {answer}"))
}

/// The last line of what a program prints, as JSON.
fn answer(program: &str, arguments: &[&str]) -> Result<Value> {
    eprintln!("$ {program} {}", arguments.join(" "));
    let text = shell::output(program, arguments)?;
    let line = text.trim().lines().last().unwrap_or_default();
    serde_json::from_str(line)
        .or_else(|_| serde_json::from_str(&text))
        .with_context(|| format!("expected JSON from {program}, found {text:?}"))
}
