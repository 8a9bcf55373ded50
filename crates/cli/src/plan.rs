//! What a recipe will do and need, before it is done: `hone train --dry-run`.

use anyhow::Result;
use hone_dataset::Task;
use hone_model::Network;
use serde::Serialize;

use crate::opened_model::{OpenedModel, is_at_hand};
use crate::progress::bytes;
use crate::recipe::Recipe;
use crate::terminal::Terminal;

/// The plan in numbers.
#[derive(Debug, Serialize)]
struct Plan {
    steps: u64,
    time_limit_minutes: Option<f64>,
    train_tasks: usize,
    heldout_tasks: usize,
    /// Completions of a step whose groups all have signal.
    completions_per_step: usize,
    /// Sampled tokens of such a step, at most.
    tokens_per_step: usize,
    updates_per_step: usize,
    /// Completions of both evaluations.
    eval_completions: usize,
    /// `None` where the model is not here yet.
    memory: Option<Memory>,
}

/// Estimated bytes.
#[derive(Debug, Serialize)]
struct Memory {
    weights: u64,
    /// Trained values, their gradients and both moments.
    training: u64,
    /// Activations of one micro-batch.
    activations: u64,
    /// Keys and values of the sequences in flight.
    cache: u64,
    /// All of it.
    peak: u64,
}

/// Prints the resolved recipe and the plan.
pub(crate) fn print(recipe: &Recipe, terminal: &Terminal) -> Result<()> {
    let plan = plan(recipe, terminal)?;
    if terminal.is_json {
        return terminal.json(&serde_json::json!({ "recipe": recipe, "plan": plan }));
    }
    terminal.result(&recipe.to_toml()?);
    terminal.result(&text(recipe, &plan));
    Ok(())
}

fn plan(recipe: &Recipe, terminal: &Terminal) -> Result<Plan> {
    let trainer = &recipe.trainer;
    let heldout_tasks =
        recipe.tasks.heldout.as_deref().map(Task::load).transpose()?.map_or(0, |tasks| tasks.len());
    let completions_per_step = trainer.prompts_per_step * trainer.group_size;
    Ok(Plan {
        steps: trainer.steps,
        time_limit_minutes: trainer.time_limit_minutes,
        train_tasks: Task::load(&recipe.tasks.train)?.len(),
        heldout_tasks,
        completions_per_step,
        tokens_per_step: completions_per_step * trainer.sampling.max_new_tokens,
        updates_per_step: trainer.epochs_per_batch * trainer.mini_batches,
        eval_completions: 2 * heldout_tasks * recipe.eval.samples,
        memory: memory(recipe, terminal)?,
    })
}

fn memory(recipe: &Recipe, terminal: &Terminal) -> Result<Option<Memory>> {
    if !is_at_hand(&recipe.model.name) {
        return Ok(None);
    }
    let mut model = OpenedModel::open(&recipe.model.name, terminal)?;
    let mut network =
        model.network(recipe.model.trainable(), terminal.threads.unwrap_or(0), recipe.trainer.seed)?;
    network.set_checkpointing(recipe.model.activation_checkpointing);
    let trained: usize = network.parameters().iter().map(|parameter| parameter.values.len()).sum();
    let config = &model.config;
    let keys_and_values = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim;
    let context = (256 + recipe.trainer.sampling.max_new_tokens).min(config.max_position_embeddings);
    let float = size_of::<f32>() as u64;
    let weights = model.parameters * float;
    let training = 4 * trained as u64 * float;
    let activations = (recipe.trainer.micro_batch_tokens * network.activation_bytes_per_token()) as u64;
    let cache = (recipe.trainer.generation_slots * context * keys_and_values) as u64 * float;
    Ok(Some(Memory {
        weights,
        training,
        activations,
        cache,
        peak: weights + training + activations.max(cache),
    }))
}

fn text(recipe: &Recipe, plan: &Plan) -> String {
    let limit =
        plan.time_limit_minutes.map(|minutes| format!(", at most {minutes} minutes")).unwrap_or_default();
    let mut lines = vec![
        format!("# plan: {} steps{limit}, {} training tasks", plan.steps, plan.train_tasks),
        format!(
            "# a step: {} completions, at most {} sampled tokens, {} update{}",
            plan.completions_per_step,
            plan.tokens_per_step,
            plan.updates_per_step,
            if plan.updates_per_step == 1 { "" } else { "s" }
        ),
        match plan.heldout_tasks {
            0 => "# no evaluation".to_string(),
            tasks => format!(
                "# evaluation: {tasks} held-out tasks before and after, {} completions",
                plan.eval_completions
            ),
        },
    ];
    lines.push(match &plan.memory {
        Some(memory) => format!(
            "# memory, estimated: {} (weights {}, training {}, activations {}, cache {})",
            bytes(memory.peak),
            bytes(memory.weights),
            bytes(memory.training),
            bytes(memory.activations),
            bytes(memory.cache)
        ),
        None => format!("# memory: unknown until the model is here (hone model fetch {})", recipe.model.name),
    });
    lines.join("\n")
}
