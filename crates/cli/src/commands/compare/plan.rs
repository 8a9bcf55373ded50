//! Which runs a comparison is made of, what they must have in common, and which of them are there already.

use std::path::{Path, PathBuf};

use anyhow::Result;
use hone_runlog::{RunDir, RunState};
use serde_json::Value;

use super::Arguments;
use crate::exit::Usage;
use crate::recipe::Recipe;
use crate::terminal::Terminal;

/// What has to be the same in all recipes: model, tasks, measurement, budget, and how programs are run.
pub(super) const SAME: [&str; 14] = [
    "/model",
    "/tasks/train",
    "/tasks/heldout",
    "/eval",
    "/trainer/steps",
    "/trainer/time_limit_minutes",
    "/trainer/token_limit",
    "/trainer/prompts_per_step",
    "/trainer/group_size",
    "/trainer/sampling",
    "/environment/cpu_ms",
    "/environment/wall_ms",
    "/environment/memory_bytes",
    "/sandbox/isolation",
];

/// Steps between two measurements of the KL to the base model where a recipe asks for none. It costs a forward pass and
/// changes no number of the run.
const REFERENCE_KL_EVERY: u64 = 5;

/// One run of the plan.
pub(super) struct Planned {
    pub(super) recipe: PathBuf,
    pub(super) name: String,
    pub(super) seed: u64,
    pub(super) run: PathBuf,
    /// What is laid over the recipe.
    pub(super) settings: Vec<String>,
}

/// All recipes are accepted and agree on what makes them comparable. Then all runs: every recipe with the first seed, then
/// every recipe with the second, so that a comparison that is cut short still compares.
pub(super) fn plan(arguments: &Arguments, terminal: &Terminal) -> Result<Vec<Planned>> {
    let recipes = check_recipes(arguments, terminal)?;
    let mut plan: Vec<Planned> = Vec::new();
    for seed in 0..arguments.seeds {
        for (path, recipe) in &recipes {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let run = arguments.out.join(format!("{name}-seed{seed}"));
            if plan.iter().any(|other| other.run == run) {
                return Err(Usage(format!("two recipes are called {name}\nhint: rename one")).into());
            }
            let mut settings = arguments.set.clone();
            settings.push(format!("trainer.seed={seed}"));
            let is_said = arguments.set.iter().any(|one| one.starts_with("trainer.reference_kl_every"));
            if recipe.trainer.reference_kl_every == 0 && !is_said {
                settings.push(format!("trainer.reference_kl_every={REFERENCE_KL_EVERY}"));
            }
            plan.push(Planned { recipe: path.to_path_buf(), name, seed, run, settings });
        }
    }
    Ok(plan)
}

/// What can be compared, with its path. A recipe that trains no policy, such as a reward model's, is left out and named.
fn check_recipes<'a>(arguments: &'a Arguments, terminal: &Terminal) -> Result<Vec<(&'a Path, Recipe)>> {
    let mut first: Option<(&Path, Value)> = None;
    let mut recipes: Vec<(&Path, Recipe)> = Vec::new();
    for path in &arguments.recipes {
        let recipe = Recipe::load(path, &arguments.set)?;
        if recipe.algorithm.method().needs_log() && arguments.recipes.len() > 1 {
            terminal.note(&format!("{} trains no policy and is left out", path.display()));
            continue;
        }
        if recipe.tasks.heldout.is_none() {
            let message = format!(
                "{}: expected tasks.heldout, found none\nhint: a comparison needs it",
                path.display()
            );
            return Err(Usage(message).into());
        }
        let value = serde_json::to_value(&recipe)?;
        recipes.push((path, recipe));
        let Some((other, expected)) = &first else {
            first = Some((path, value));
            continue;
        };
        if let Some(key) = SAME.iter().find(|key| value.pointer(key) != expected.pointer(key)) {
            let show = |value: &Value| value.pointer(key).unwrap_or(&Value::Null).to_string();
            let name = key.trim_start_matches('/').replace('/', ".");
            let message = format!(
                "{name} is {} in {} and {} in {}\nhint: a comparison needs the same; --set {name}=… sets it in all",
                show(expected),
                other.display(),
                show(&value),
                path.display()
            );
            return Err(Usage(message).into());
        }
    }
    Ok(recipes)
}

impl Planned {
    /// The run, if it is there and at its end; a run of another recipe in its place is an error.
    pub(super) fn finished(&self) -> Result<Option<RunDir>> {
        let Ok(run) = RunDir::open(&self.run) else { return Ok(None) };
        let expected = serde_json::to_value(Recipe::load(&self.recipe, &self.settings)?)?;
        if serde_json::to_value(Recipe::load(&run.recipe_path(), &[])?)? != expected {
            let message = format!(
                "{} holds a run of another recipe\nhint: give --out another folder",
                self.run.display()
            );
            return Err(Usage(message).into());
        }
        Ok(matches!(run.state(), RunState::Finished(_)).then_some(run))
    }
}
