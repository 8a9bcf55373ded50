//! Recipes: what `hone train` does, as TOML. As written (`source`) → typed sections → checked.
//!
//! The sections are the rooms' own configuration types, each beside the code it configures; here they are only
//! gathered, and their complaints given a place.

mod check;
mod error;
mod reward;
mod source;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hone_environment::{CodeEnvironmentConfig, RewardPart};
use hone_eval::EvalConfig;
use hone_model::{LoraConfig, Trainable};
use hone_rl::{Algorithm, TokenReward, TrainerConfig};
use hone_runlog::MonitorConfig;
use hone_sandbox::Isolation;
use serde::{Deserialize, Serialize};

pub(crate) use error::{RecipeError, closest};
pub(crate) use reward::RewardTable;
pub(crate) use source::Source;

/// A checked recipe: every key has its value and every path is absolute.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Recipe {
    /// The policy.
    pub(crate) model: ModelSection,
    /// What it learns on and is measured by.
    pub(crate) tasks: TasksSection,
    /// What an answer is worth: the parts of the reward.
    pub(crate) reward: Vec<RewardTable>,
    /// How programs are run.
    pub(crate) environment: CodeEnvironmentConfig,
    /// How the programs are isolated.
    pub(crate) sandbox: SandboxSection,
    /// How it learns.
    pub(crate) algorithm: Algorithm,
    /// The loop: steps, batch, sampling, optimizer.
    pub(crate) trainer: TrainerConfig,
    /// How it is measured before and after.
    pub(crate) eval: EvalConfig,
    /// When the run is said to be suspicious.
    pub(crate) monitor: MonitorConfig,
}

/// The tables of a recipe, in the order they are printed.
const TABLES: &[&str] =
    &["model", "tasks", "reward", "environment", "sandbox", "algorithm", "trainer", "eval", "monitor"];

/// `[model]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ModelSection {
    /// Name of a known model, a Hugging Face folder, or a GGUF file.
    pub(crate) name: String,
    /// What training changes.
    pub(crate) trainable: TrainableKind,
    /// Threads; 0 means one a core. `--threads` overrides it; the numbers do not depend on it.
    pub(crate) threads: usize,
    /// Compute activations again in the backward pass instead of keeping them: slower, a fraction of the memory.
    pub(crate) activation_checkpointing: bool,
    /// Where LoRA is applied, if it is.
    pub(crate) lora: LoraConfig,
}

/// What training changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TrainableKind {
    /// Low-rank adapters.
    Lora,
    /// All weights.
    Full,
}

impl Default for ModelSection {
    fn default() -> Self {
        let name = hone_model::weights::DEFAULT_MODEL.to_string();
        ModelSection {
            name,
            trainable: TrainableKind::Lora,
            threads: 0,
            activation_checkpointing: false,
            lora: LoraConfig::default(),
        }
    }
}

impl ModelSection {
    /// In the words of the model room.
    pub(crate) fn trainable(&self) -> Trainable {
        match self.trainable {
            TrainableKind::Lora => Trainable::Lora(self.lora.clone()),
            TrainableKind::Full => Trainable::Full,
        }
    }
}

/// `[tasks]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TasksSection {
    /// A tasks file to learn on; relative to the recipe.
    pub(crate) train: PathBuf,
    /// A tasks file that is only measured, before and after; relative to the recipe. Without it nothing is measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) heldout: Option<PathBuf>,
    /// A run, or a file of trajectories, to learn from instead of sampling: offline. Relative to the recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trajectories: Option<PathBuf>,
    /// A file of answers with scores (`hone data rate`), or of pairs, to learn from instead of sampling: offline. Relative to
    /// the recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) preferences: Option<PathBuf>,
}

/// `[sandbox]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SandboxSection {
    /// Isolation demanded.
    pub(crate) isolation: Isolation,
    /// Programs in flight at once; 0 means one a core. Not used with `endpoints`.
    pub(crate) workers: usize,
    /// Sandbox services (`hone sandbox serve`) that run programs instead of this machine; their token is read from
    /// HONE_SANDBOX_TOKEN.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) endpoints: Vec<String>,
}

impl Recipe {
    /// Reads and checks a recipe with `--set` laid over it.
    pub(crate) fn load(path: &Path, settings: &[String]) -> Result<Recipe> {
        let source = Source::read(path, settings).context("failed to read the recipe")?;
        Recipe::resolve(source).context("failed to accept the recipe")
    }

    fn resolve(mut source: Source) -> Result<Recipe, RecipeError> {
        let mut recipe = Recipe {
            model: source.take("model")?,
            tasks: source.take("tasks")?,
            reward: reward::take(&mut source)?,
            environment: source.take("environment")?,
            sandbox: source.take("sandbox")?,
            algorithm: source.take_tagged("algorithm")?,
            trainer: source.take("trainer")?,
            eval: source.take("eval")?,
            monitor: source.take("monitor")?,
        };
        source.finish(TABLES)?;
        recipe.tasks.train = absolute(&source, "tasks.train", &recipe.tasks.train);
        recipe.tasks.heldout = recipe.tasks.heldout.map(|path| absolute(&source, "tasks.heldout", &path));
        recipe.tasks.trajectories =
            recipe.tasks.trajectories.map(|path| absolute(&source, "tasks.trajectories", &path));
        recipe.tasks.preferences =
            recipe.tasks.preferences.map(|path| absolute(&source, "tasks.preferences", &path));
        recipe.model.name = model_name(&source, &recipe.model.name);
        check::check(&recipe, &source)?;
        Ok(recipe)
    }

    /// The parts of the reward that look at programs.
    pub(crate) fn program_rewards(&self) -> Vec<RewardPart> {
        reward::of_programs(&self.reward)
    }

    /// The parts of the reward that look at tokens.
    pub(crate) fn token_rewards(&self) -> Vec<TokenReward> {
        reward::of_tokens(&self.reward)
    }

    /// The resolved recipe as TOML: every key with its value.
    pub(crate) fn to_toml(&self) -> Result<String> {
        toml::to_string(self).context("failed to print the recipe")
    }
}

fn absolute(source: &Source, key: &str, path: &Path) -> PathBuf {
    let joined = source.folder(key).join(path);
    std::path::absolute(&joined).unwrap_or(joined)
}

/// A model's name stays; what looks like a path, or is one beside the recipe, becomes absolute.
fn model_name(source: &Source, name: &str) -> String {
    let path = source.folder("model.name").join(name);
    let is_path = name.starts_with('.') || name.starts_with('/') || name.ends_with(".gguf") || path.exists();
    if is_path {
        absolute(source, "model.name", Path::new(name)).display().to_string()
    } else {
        name.to_string()
    }
}
