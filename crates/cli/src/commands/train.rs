//! `hone train`: a recipe from beginning to end.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hone_runlog::RunDir;

use crate::plan;
use crate::recipe::Recipe;
use crate::terminal::Terminal;
use crate::training::Training;

const EXAMPLES: &str = "\
Examples:
  hone train recipes/quickstart.toml
  hone train recipes/quickstart.toml --dry-run
  hone train recipes/quickstart.toml --set trainer.steps=10 --set trainer.optimizer.learning_rate=5e-5
  hone train recipes/quickstart.toml --set model.name=my-model/ --no-eval --run-dir runs/mine

A value of --set is TOML; a bare word is text. Paths in a recipe are relative to the recipe, paths of --set to the
current directory. The first Ctrl-C ends after the current step with a checkpoint; `hone resume RUN` continues.";

/// Which recipe, and what is changed.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// A recipe, such as recipes/quickstart.toml.
    recipe: PathBuf,
    /// Change a value of the recipe; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Where the run goes; by default runs/RECIPE-DATE-TIME.
    #[arg(long, value_name = "DIR")]
    run_dir: Option<PathBuf>,
    /// Do not evaluate before and after.
    #[arg(long)]
    no_eval: bool,
    /// An evaluation of the same untrained model on the same tasks (`eval/before.json` of another run), to take instead of
    /// making it again; `hone compare` does.
    #[arg(long, value_name = "FILE", hide = true)]
    before: Option<PathBuf>,
    /// Print the resolved recipe and what it will cost, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Trains.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<()> {
    let mut recipe = Recipe::load(&arguments.recipe, &arguments.set)?;
    if arguments.no_eval {
        recipe.tasks.heldout = None;
    }
    if arguments.dry_run {
        return plan::print(&recipe, terminal);
    }
    let name = arguments.recipe.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let path = arguments.run_dir.clone().unwrap_or_else(|| default_run_dir(&name));
    // Said before the model is fetched, not after.
    RunDir::refuse_unusable(&path)?;
    let mut training = Training::open(&recipe, terminal)?;
    let (original, resolved) = (original(arguments)?, recipe.to_toml()?);
    let run = RunDir::create_with_recipe(&path, &training.manifest(&name), &original, &resolved)?;
    terminal.note(&format!("run {}", path.display()));
    if let Some(before) = &arguments.before {
        training.take_before(&run, before)?;
    }
    let result = training.finish(&run)?;
    result.print(&recipe, terminal)
}

/// `runs/quickstart-20260131-120000`, in UTC.
fn default_run_dir(name: &str) -> PathBuf {
    let now: String = hone_runlog::utc_now().chars().filter(char::is_ascii_digit).take(14).collect();
    let (date, time) = now.split_at(now.len().min(8));
    Path::new("runs").join(format!("{name}-{date}-{time}"))
}

/// The recipe as it was given, and what `--set` changed.
fn original(arguments: &Arguments) -> Result<String> {
    let text = std::fs::read_to_string(&arguments.recipe)
        .with_context(|| format!("failed to read {}", arguments.recipe.display()))?;
    let settings: String = arguments.set.iter().map(|setting| format!("# --set {setting}\n")).collect();
    Ok(settings + &text)
}
