//! The repository's own commands: `cargo xtask quickstart`, `cargo xtask test`, and what they are made of.
//!
//! Not here: anything a user of the `hone` binary needs. Dependencies stay few, because everything waits for this build.

mod bench;
mod fuzz;
mod install;
mod interop;
mod quickstart;
mod shell;
mod test;
mod tidy;
mod venv;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Hone's repository commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  cargo xtask quickstart                               install what is missing, then the main job, end to end
  cargo xtask quickstart --set trainer.steps=5         the same with fewer steps; everything after goes to `hone train`
  cargo xtask test                                     install what is missing, then every check and every test
  cargo xtask test --fast                              without clippy
  cargo xtask bench grpo                               one GRPO step beside TRL
  cargo xtask interop runs/quickstart-20260131-120000  exports of a run, loaded by transformers, peft and llama.cpp
  cargo xtask fuzz verdict --seconds 300               one fuzz target, coverage-guided
  cargo xtask bench generate --batch 1,8,32            tokens/s beside transformers";

#[derive(Subcommand)]
enum Command {
    /// Install what is missing, build, and run the main job: recipes/quickstart.toml.
    Quickstart(quickstart::Arguments),
    /// Install what is missing, then fmt, clippy, tidy and all tests.
    Test(test::Arguments),
    /// fmt, clippy and tidy, without the tests.
    Check,
    /// The rules a compiler does not check: arrows between crates, file length, headers, recipes, the code map.
    Tidy,
    /// Measure speed and memory, beside others where that is asked for.
    Bench(bench::Arguments),
    /// Run the fuzz targets of the parsers that read hostile bytes.
    Fuzz(fuzz::Arguments),
    /// Load what `hone model export` writes in transformers, peft and llama.cpp, and compare.
    Interop(interop::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Quickstart(arguments) => quickstart::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Check => test::check(),
        Command::Tidy => test::tidy(),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Fuzz(arguments) => fuzz::run(&arguments),
        Command::Interop(arguments) => interop::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
