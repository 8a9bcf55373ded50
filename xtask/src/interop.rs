//! `cargo xtask interop`: exports loaded and compared by transformers, peft and llama.cpp, in a venv of their own.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::{shell, venv};

/// What is compared.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A run to export, or a model; a run also checks the adapter.
    #[arg(default_value = "smollm2-135m-instruct")]
    model: String,
    /// Tokens of each completion.
    #[arg(long, default_value_t = 32)]
    tokens: usize,
}

/// xllamacpp is llama.cpp as a wheel, so that nothing has to be compiled.
const PACKAGES: &[&str] =
    &["torch==2.15.0", "transformers==5.23.0", "peft==0.21.2", "xllamacpp==2026.10.11549"];
const SCRIPT: &str = include_str!("interop.py");
const PROMPTS: &[&str] =
    &["def add(a, b):", "The capital of France is", "import math\n\ndef area(radius):", "Once upon a time"];

/// Exports in every format and compares greedy outputs.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let python = venv::python("peers-venv", PACKAGES)?;
    let hone = shell::hone()?;
    let folder = shell::target().join("interop");
    fs::create_dir_all(&folder)?;
    let export = |model: &str, format: &str, more: &[&str], out: &str| -> Result<String> {
        let out = folder.join(out).display().to_string();
        let line = [&["model", "export", model, "--format", format, "--out", &out][..], more].concat();
        Ok(shell::output(&hone, &line)?.trim().to_string())
    };
    let hf = export(&arguments.model, "hf", &["--type", "f32"], "hf")?;
    let gguf = export(&arguments.model, "gguf", &["--type", "f32"], "gguf")?;
    let shown: Value =
        serde_json::from_str(&shell::output(&hone, &["model", "show", &arguments.model, "--json"])?)?;
    let is_lora = shown["trained"]["trainable"]["type"] == "lora";
    let (peft, base) = match is_lora {
        true => {
            let peft = export(&arguments.model, "peft", &[], "peft")?;
            let config = fs::read_to_string(Path::new(&peft).join("adapter_config.json"))?;
            let config: Value = serde_json::from_str(&config)?;
            let name =
                config["base_model_name_or_path"].as_str().context("the adapter names no base model")?;
            (Some(peft), Some(export(name, "hf", &["--type", "f32"], "base")?))
        }
        false => (None, None),
    };
    let expected =
        PROMPTS.iter().map(|prompt| completion(&hone, arguments, prompt)).collect::<Result<Vec<_>>>()?;
    let job = json!({ "hf": hf, "gguf": gguf, "peft": peft, "base": base, "prompts": PROMPTS, "expected": expected,
        "tokens": arguments.tokens });
    let (script, file) = (folder.join("interop.py"), folder.join("job.json"));
    fs::write(&script, SCRIPT)?;
    fs::write(&file, job.to_string())?;
    shell::run(&python, &[&script.display().to_string(), &file.display().to_string()])
}

/// What Hone makes of a prompt, greedily.
fn completion(hone: &str, arguments: &Arguments, prompt: &str) -> Result<String> {
    let tokens = arguments.tokens.to_string();
    let line = [
        "generate",
        &arguments.model,
        prompt,
        "--raw",
        "--temperature",
        "0",
        "--max-new-tokens",
        &tokens,
        "--json",
    ];
    let samples: Value = serde_json::from_str(&shell::output(hone, &line)?)?;
    Ok(samples[0]["text"].as_str().context("no completion")?.to_string())
}
