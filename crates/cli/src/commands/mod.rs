//! One file per command: arguments with examples, and the wiring of that command.

pub(crate) mod audit;
pub(crate) mod bench;
pub(crate) mod benchmark;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod data;
pub(crate) mod doctor;
pub(crate) mod eval;
pub(crate) mod explain;
pub(crate) mod generate;
pub(crate) mod metrics;
pub(crate) mod model;
pub(crate) mod report;
pub(crate) mod resume;
pub(crate) mod run;
pub(crate) mod sandbox;
pub(crate) mod train;

use anyhow::Result;

use crate::arguments::Command;
use crate::terminal::Terminal;

/// Runs a command; the number is the exit code.
pub(crate) fn run(command: Command, terminal: &Terminal) -> Result<u8> {
    match command {
        Command::Train(arguments) => train::run(&arguments, terminal)?,
        Command::Resume(arguments) => resume::run(&arguments, terminal)?,
        Command::Eval(arguments) => return eval::run(&arguments, terminal),
        Command::Benchmark(command) => benchmark::run(&command, terminal)?,
        Command::Metrics(arguments) => metrics::run(&arguments, terminal)?,
        Command::Compare(arguments) => compare::run(&arguments, terminal)?,
        Command::Explain(arguments) => explain::run(&arguments, terminal)?,
        Command::Generate(arguments) => generate::run(&arguments, terminal)?,
        Command::Run(arguments) => return run::run(&arguments, terminal),
        Command::Sandbox(command) => return sandbox::run(&command, terminal),
        Command::Report(arguments) => report::run(&arguments, terminal)?,
        Command::Model(command) => model::run(&command, terminal)?,
        Command::Data(command) => return data::run(&command, terminal),
        Command::Audit(arguments) => return audit::run(&arguments, terminal),
        Command::Doctor(arguments) => return doctor::run(&arguments, terminal),
        Command::Bench(command) => bench::run(&command, terminal)?,
        Command::Completions(arguments) => completions::run(&arguments, terminal)?,
    }
    Ok(0)
}
