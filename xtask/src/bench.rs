//! `cargo xtask bench`: numbers with their commit, machine and command. One module a benchmark.

use anyhow::{Result, bail};
use clap::Subcommand;

/// Which benchmark.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// One GRPO step: time and peak memory, beside TRL.
    Grpo,
    /// Generation: tokens/s at several batch sizes, beside transformers.
    Generate,
    /// The sandbox: runs a second, start-up, memory.
    Sandbox,
}

/// Runs one benchmark.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let name = match arguments.bench {
        Bench::Grpo => "grpo",
        Bench::Generate => "generate",
        Bench::Sandbox => "sandbox",
    };
    bail!("benchmark {name} is not written yet")
}
