//! `cargo xtask quickstart`: from a fresh machine with Rust to a trained model and its report.

use anyhow::Result;

use crate::{install, shell};

/// What is passed on.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Arguments {
    /// Passed to `hone train recipes/quickstart.toml`, such as `--set trainer.steps=5`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

/// Installs, builds, trains.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    install::python()?;
    eprintln!("building hone (a few minutes the first time) …");
    let mut line = vec!["run", "--release", "--package", "hone-cli", "--bin", "hone", "--"];
    line.extend(["train", "recipes/quickstart.toml"]);
    line.extend(arguments.rest.iter().map(String::as_str));
    shell::run(&shell::cargo(), &line)
}
