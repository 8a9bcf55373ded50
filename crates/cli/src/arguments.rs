//! The command line: what every command shares, and the list of commands.

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands;

/// Hone makes code models better by running what they write.
#[derive(Parser)]
#[command(name = "hone", bin_name = "hone", version, after_help = EXAMPLES, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  hone doctor                                    can this machine do the main job?
  hone train recipes/quickstart.toml             train, evaluate before and after, write a report
  hone eval smollm2-135m-instruct TASKS.jsonl    pass@1 and pass@8 with 95% intervals
  hone generate smollm2-135m-instruct \"Write a Python function that reverses a string.\"

Exit codes: 0 done; 1 failed; 2 command line, recipe, model or tasks are wrong; 3 the machine lacks something;
130 ended by Ctrl-C.";

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Print the result as JSON on stdout.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// No progress and no notes on stderr; errors remain.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Say more on stderr: -v what happens, -vv details.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Threads for the network; 0 or nothing means one a core.
    #[arg(long, global = true, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Colour on stderr and in tables.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
}

/// When colour is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands, in the order of a day's work.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Train by a recipe: evaluate, train, evaluate again, write a report.
    Train(commands::train::Arguments),
    /// Continue a run exactly where it ended.
    Resume(commands::resume::Arguments),
    /// Evaluate a model, an endpoint or a file of samples: pass@k with 95% intervals.
    Eval(Box<commands::eval::Arguments>),
    /// Train several recipes on the same budget and put them side by side.
    Compare(commands::compare::Arguments),
    /// Explain an algorithm: paper, formula, symbols, defaults.
    Explain(commands::explain::Arguments),
    /// The benchmarks that are known by name: list, fetch, show.
    #[command(subcommand)]
    Benchmark(commands::benchmark::Command),
    /// Text and code metrics of predictions against references.
    Metrics(commands::metrics::Arguments),
    /// Complete a prompt.
    Generate(commands::generate::Arguments),
    /// Run programs through the sandbox: one, or many with their tests.
    Run(Box<commands::run::Arguments>),
    /// Run programs for others, over HTTP.
    #[command(subcommand)]
    Sandbox(commands::sandbox::Command),
    /// Write the HTML report of a run.
    Report(commands::report::Arguments),
    /// Fetch, show and export models.
    #[command(subcommand)]
    Model(commands::model::Command),
    /// Look at task files.
    #[command(subcommand)]
    Data(commands::data::Command),
    /// Try to fool the tests of tasks: mutants, constants, known hacks, repeated runs.
    Audit(commands::audit::Arguments),
    /// Check what this machine offers and what is missing.
    Doctor(commands::doctor::Arguments),
    /// Time sampling and training on work of a fixed size.
    #[command(subcommand)]
    Bench(commands::bench::Command),
    /// Print a completion script for a shell.
    Completions(commands::completions::Arguments),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples() {
        fn check(command: &clap::Command, path: &str) {
            if command.has_subcommands() {
                command
                    .get_subcommands()
                    .for_each(|inner| check(inner, &format!("{path} {}", inner.get_name())));
            } else {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(
                    help.contains("Examples:") && help.contains(path),
                    "no examples in the help of `{path}`"
                );
            }
        }
        check(&Arguments::command(), "hone");
    }
}
