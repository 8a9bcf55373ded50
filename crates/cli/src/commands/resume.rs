//! `hone resume`: a run goes on exactly where it ended, and ends with the numbers of a run that was never interrupted.

use std::path::PathBuf;

use anyhow::Result;
use hone_runlog::{RunDir, RunState};

use crate::recipe::Recipe;
use crate::terminal::Terminal;
use crate::training::Training;

const EXAMPLES: &str = "\
Examples:
  hone resume runs/quickstart-20260131-120000
  hone resume runs/quickstart-20260131-120000 --set trainer.time_limit_minutes=60

Only settings that change no number may be changed: trainer.time_limit_minutes, trainer.token_limit, trainer.kl_limit,
trainer.execution_threads, trainer.checkpoint_every, trainer.keep_checkpoints. An evaluation that is missing, before or after, is made.";

/// Which run.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// A run directory.
    run: PathBuf,
    /// Change a value of the recipe that changes no number; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// Continues.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<()> {
    let run = RunDir::open(&arguments.run)?;
    let recipe = Recipe::load(&run.recipe_path(), &arguments.set)?;
    if let RunState::Finished(finish) = run.state() {
        terminal.note(&format!("the run had ended ({}, {} steps)", finish.reason, finish.steps));
    }
    let training = Training::open(&recipe, terminal)?;
    let run = RunDir::resume(&arguments.run)?;
    let result = training.finish(&run)?;
    result.print(&recipe, terminal)
}
