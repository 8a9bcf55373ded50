//! `cargo xtask interop`: exports loaded and compared by transformers, peft and llama.cpp, in a venv of their own.

use anyhow::{Result, bail};

use crate::install;

/// What is compared.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A model or run to export; by default the default model.
    #[arg(default_value = "smollm2-135m-instruct")]
    model: String,
}

/// Exports in every format and compares greedy outputs.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    install::venv()?;
    bail!("the interoperability check of {} is not written yet", arguments.model)
}
