//! Values that have the right type and yet cannot be meant. The rooms check their own; here is what spans them.

use hone_train::ConfigError;

use super::{Recipe, RecipeError, Source};

/// Finds the first thing that is wrong.
pub(super) fn check(recipe: &Recipe, source: &Source) -> Result<(), RecipeError> {
    let room = |table: &str, result: Result<(), ConfigError>| {
        result.map_err(|error| {
            let key = format!("{table}.{}", error.key);
            let place = source.place(&key);
            RecipeError {
                key,
                expected: error.expected,
                found: error.found,
                place,
                hint: error.hint.unwrap_or_default(),
            }
        })
    };
    room("trainer", recipe.trainer.validate())?;
    room("trainer", replay(recipe))?;
    algorithm(recipe, source)?;
    said(source, "environment", recipe.environment.check())?;
    said(source, "reward", super::reward::check(&recipe.reward))?;
    said(source, "eval", recipe.eval.check())?;
    said(source, "monitor", recipe.monitor.check())?;
    room("model", check_model(recipe))?;
    file(source, "tasks.train", &recipe.tasks.train)?;
    recipe.tasks.heldout.iter().try_for_each(|path| file(source, "tasks.heldout", path))?;
    recipe.tasks.preferences.iter().try_for_each(|path| file(source, "tasks.preferences", path))?;
    room("tasks", one_log(recipe))?;
    recipe.tasks.trajectories.iter().try_for_each(|path| log(source, path))
}

/// There is one thing to learn from beside sampling.
fn one_log(recipe: &Recipe) -> Result<(), ConfigError> {
    let tasks = &recipe.tasks;
    let is_one = tasks.preferences.is_none() || tasks.trajectories.is_none();
    ConfigError::require(is_one, "preferences", "unset beside tasks.trajectories", "both")
}

/// Replaying needs a log, and going online after it needs steps.
fn replay(recipe: &Recipe) -> Result<(), ConfigError> {
    let trainer = &recipe.trainer;
    let hint = "tasks.trajectories = \"RUN\" names the log; without it every step is sampled";
    let keys = [
        ("offline_steps", trainer.offline_steps > 0, trainer.offline_steps as f64),
        ("replay_fraction", trainer.replay_fraction < 1.0, trainer.replay_fraction),
    ];
    for (key, is_said, value) in keys {
        if is_said && recipe.tasks.trajectories.is_none() {
            return Err(ConfigError::new(key, "unset where there is no log", value).with_hint(hint));
        }
    }
    let is_online = trainer.replay_fraction < 1.0;
    let has_steps = !is_online || trainer.offline_steps < trainer.steps;
    ConfigError::require(has_steps, "offline_steps", "below trainer.steps", trainer.offline_steps)
}

/// Logged trajectories: a run directory or one of its files.
fn log(source: &Source, path: &std::path::Path) -> Result<(), RecipeError> {
    if path.exists() {
        return Ok(());
    }
    Err(RecipeError {
        key: "tasks.trajectories".to_string(),
        expected: "a run directory, or a file of trajectories in one".into(),
        found: format!("{}, which does not exist", path.display()),
        place: source.place("tasks.trajectories"),
        hint: "every run keeps its own: hone train a recipe without this key first".into(),
    })
}

/// What the algorithm says of its own settings and of the group size.
fn algorithm(recipe: &Recipe, source: &Source) -> Result<(), RecipeError> {
    recipe.algorithm.method().validate(recipe.trainer.group_size).map_err(|error| {
        let table = if error.key == "group_size" { "trainer" } else { "algorithm" };
        let key = format!("{table}.{}", error.key);
        let place = source.place(&key);
        RecipeError {
            key,
            expected: error.expected,
            found: error.found,
            place,
            hint: error.hint.unwrap_or_default(),
        }
    })
}

/// A room's complaint in words: `key: expected …, found …`.
fn said(source: &Source, table: &str, result: Result<(), String>) -> Result<(), RecipeError> {
    result.map_err(|message| {
        let (key, rest) = message.split_once(": ").unwrap_or(("", &message));
        let (expected, found) = rest.split_once(", found ").unwrap_or((rest, "something else"));
        let dot = if key.is_empty() || key.starts_with('[') { "" } else { "." };
        let key = format!("{table}{dot}{}", key.replace(": ", "."));
        let place = source.place(&key);
        let expected = expected.trim_start_matches("expected ").to_string();
        RecipeError { key, expected, found: found.to_string(), place, hint: String::new() }
    })
}

fn check_model(recipe: &Recipe) -> Result<(), ConfigError> {
    const TARGETS: &[&str] = &["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
    let lora = &recipe.model.lora;
    ConfigError::require(lora.rank >= 1, "lora.rank", "at least 1", lora.rank)?;
    ConfigError::require(lora.alpha > 0.0 && lora.alpha.is_finite(), "lora.alpha", "above 0", lora.alpha)?;
    let unknown = lora.targets.iter().find(|target| !TARGETS.contains(&target.as_str()));
    let found = unknown.map_or("none".to_string(), |target| format!("{target:?}"));
    let is_known = unknown.is_none() && !lora.targets.is_empty();
    ConfigError::require(
        is_known,
        "lora.targets",
        &format!("projections among {}", TARGETS.join(", ")),
        found,
    )
}

fn file(source: &Source, key: &str, path: &std::path::Path) -> Result<(), RecipeError> {
    if path.is_file() {
        return Ok(());
    }
    Err(RecipeError {
        key: key.to_string(),
        expected: "a tasks file (JSONL)".into(),
        found: format!(
            "{}, which {}",
            path.display(),
            if path.exists() { "is no file" } else { "does not exist" }
        ),
        place: source.place(key),
        hint: "paths in a recipe are relative to the recipe, paths of --set to the current directory".into(),
    })
}
