//! `cargo xtask quickstart`: from a fresh machine with Rust to a trained model and its report.

use std::time::Instant;

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

/// Minutes that installing, building and training may take together; evaluations need up to three of the twenty.
const BUDGET_MINUTES: f64 = 16.5;
/// Minutes of training that the recipe itself allows.
const MOST_MINUTES: f64 = 14.0;
/// What the recipe calls them.
const LIMIT_KEY: &str = "trainer.time_limit_minutes";

/// Installs, builds, trains; a first build takes minutes, and training has what is left of twenty.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let started = Instant::now();
    install::python()?;
    eprintln!("building hone (a few minutes the first time) …");
    let hone = shell::hone()?;
    let left = training_minutes(started.elapsed().as_secs_f64() / 60.0);
    let limit = format!("{LIMIT_KEY}={left:.1}");
    let mut line = vec!["train", "recipes/quickstart.toml"];
    if !arguments.rest.iter().any(|argument| argument.contains(LIMIT_KEY)) {
        line.extend(["--set", &limit]);
    }
    line.extend(arguments.rest.iter().map(String::as_str));
    shell::run(&hone, &line)
}

/// Minutes of training after so many of set-up.
fn training_minutes(set_up: f64) -> f64 {
    (BUDGET_MINUTES - set_up).clamp(MOST_MINUTES / 2.0, MOST_MINUTES)
}

#[cfg(test)]
mod tests {
    use super::training_minutes;

    #[test]
    fn a_build_takes_from_the_training() {
        assert_eq!([0.1, 5.5, 60.0].map(training_minutes), [14.0, 11.0, 7.0]);
    }
}
