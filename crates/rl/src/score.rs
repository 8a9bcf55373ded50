//! What credit assignment needs of a batch beyond its rewards: forward passes over what was sampled, before any of it is
//! trained on.

use hone_model::{Adapter, ForwardOptions, Network, PromptGroup, TokenValues};

use crate::algorithms::{Method, Outcome, Sample};
use crate::config::TrainerConfig;
use crate::error::RlError;
use crate::feedback::{error_tokens, missed_tokens};
use crate::reference::Reference;
use crate::trajectory::{Group, Trajectory, with_place_behind};
use crate::update::{gather, micro_batches, tokens_of, widen};

/// The groups as credit assignment sees them, `[group][sample]`, with what the method asks for.
pub(crate) fn score(
    network: &mut dyn Network,
    reference: &Reference,
    config: &TrainerConfig,
    method: &dyn Method,
    decode: &dyn Fn(&[u32]) -> String,
    groups: &[&Group],
    step: u64,
) -> Result<Vec<Vec<Sample>>, RlError> {
    let mut batch: Vec<Vec<Sample>> =
        groups.iter().map(|group| samples(group, config.sampling.max_new_tokens)).collect();
    for (samples, group) in batch.iter_mut().zip(groups) {
        for (sample, trajectory) in samples.iter_mut().zip(&group.trajectories) {
            if method.needs_error_tokens() {
                sample.error_tokens = error_tokens(trajectory, decode);
            }
            if method.needs_coverage() {
                sample.missed = missed_tokens(trajectory, decode);
            }
        }
    }
    if method.needs_reference() {
        let pass = |network: &mut dyn Network, adapter| forward(network, config, groups, adapter, step);
        let logprobs = reference.run(network, pass)?.logprobs;
        spread(&mut batch, &logprobs, |sample, row| sample.reference = Some(row));
    }
    if method.value_head().is_some() {
        let values = match method.needs_value_behind() {
            true => values_behind(network, config, groups, step)?,
            false => forward(network, config, groups, Adapter::On, step)?.values.unwrap_or_default(),
        };
        spread(&mut batch, &values, |sample, row| sample.values = Some(row));
    }
    if method.needs_lookahead() {
        let rows = lookahead(network, reference, config, groups, step)?;
        spread(&mut batch, &rows, |sample, row| sample.lookahead = Some(row));
    }
    Ok(batch)
}

/// Gives every sample that holds a token its row, and the others an empty one.
fn spread(batch: &mut [Vec<Sample>], rows: &[Vec<Vec<f32>>], set: impl Fn(&mut Sample, Vec<f64>)) {
    for (samples, rows) in batch.iter_mut().zip(rows) {
        let mut rows = rows.iter().map(|row| widen(row));
        for sample in samples {
            let row = if sample.tokens > 0 { rows.next() } else { None };
            set(sample, row.unwrap_or_default());
        }
    }
}

/// A group without forward passes.
pub(crate) fn samples(group: &Group, max_tokens: usize) -> Vec<Sample> {
    let greedy_reward = group.greedy.as_ref().map(|greedy| greedy.reward);
    let sample = |trajectory: &Trajectory, is_gold: bool| Sample {
        reward: trajectory.turn_return,
        turn: group.turn,
        draw: group.draw,
        turn_rewards: trajectory.turn_rewards.clone(),
        tokens: trajectory.tokens.len(),
        max_tokens,
        is_truncated: trajectory.is_truncated(),
        behaviour: widen(&trajectory.logprobs),
        outcome: outcome(trajectory),
        tests_passed: trajectory.verdict.as_ref().map_or(0, |verdict| verdict.tests_passed),
        tests_total: trajectory.verdict.as_ref().map_or(0, |verdict| verdict.tests_total),
        greedy_reward,
        is_gold,
        ..Sample::default()
    };
    let sampled = group.trajectories.iter().map(|one| sample(one, false));
    sampled.chain(group.gold.iter().map(|one| sample(one, true))).collect()
}

/// The class of what execution did; where nothing was executed, a reward of 1 counts as passed.
fn outcome(trajectory: &Trajectory) -> Outcome {
    match trajectory.outcome().as_str() {
        "compile-error" => Outcome::CompileError,
        "" | "wrong-answer" | "passed" if trajectory.is_passed() => Outcome::Passed,
        "" | "wrong-answer" | "passed" => Outcome::FailedTest,
        _ => Outcome::RuntimeError,
    }
}

/// How far the logit of the reference's likeliest token is below the policy's largest, `[group][sequence][t]`.
fn lookahead(
    network: &mut dyn Network,
    reference: &Reference,
    config: &TrainerConfig,
    groups: &[&Group],
    step: u64,
) -> Result<Vec<Vec<Vec<f32>>>, RlError> {
    let (prompts, counts) = prompts_of(groups);
    let failed = |source| RlError::Network { step: step + 1, stage: "looking ahead", source };
    let mut all = Vec::new();
    for range in micro_batches(prompts.iter().map(tokens_of), config.micro_batch_tokens) {
        let part = &prompts[range];
        let guide =
            |network: &mut dyn Network, adapter| network.likeliest_tokens(part, options(config, adapter));
        let tokens = reference.run(network, guide).map_err(failed)?;
        let values = network.forward_about(part, &tokens, options(config, Adapter::On)).map_err(failed)?;
        for (logprobs, likeliest) in values.logprobs.into_iter().zip(values.likeliest) {
            let gaps = |(own, best): (Vec<f32>, Vec<f32>)| own.iter().zip(best).map(|(a, b)| a - b).collect();
            all.push(logprobs.into_iter().zip(likeliest).map(gaps).collect());
        }
    }
    Ok(gather(all, &counts))
}

fn options(config: &TrainerConfig, adapter: Adapter) -> ForwardOptions {
    ForwardOptions { temperature: config.sampling.temperature, adapter, keep_activations: false }
}

/// All completions that hold a token, as a network takes them, and how many prompts each group has.
fn prompts_of(groups: &[&Group]) -> (Vec<PromptGroup>, Vec<usize>) {
    let with_tokens = |group: &&Group| -> Vec<PromptGroup> {
        let kept: Vec<&Trajectory> = group.answers().filter(|one| !one.tokens.is_empty()).collect();
        group.prompt_groups(&kept)
    };
    let nested: Vec<Vec<PromptGroup>> = groups.iter().map(with_tokens).collect();
    let counts = nested.iter().map(Vec::len).collect();
    (nested.concat(), counts)
}

/// One pass over all completions that hold a token, in micro-batches.
pub(crate) fn forward(
    network: &mut dyn Network,
    config: &TrainerConfig,
    groups: &[&Group],
    adapter: Adapter,
    step: u64,
) -> Result<TokenValues, RlError> {
    let (prompts, counts) = prompts_of(groups);
    in_micro_batches(network, config, &prompts, &counts, adapter, step)
}

/// What the value head says before each token and after the last one, `[group][sequence][(T + 1) · K]`.
pub(crate) fn values_behind(
    network: &mut dyn Network,
    config: &TrainerConfig,
    groups: &[&Group],
    step: u64,
) -> Result<Vec<Vec<Vec<f32>>>, RlError> {
    let (prompts, counts) = prompts_of(groups);
    let prompts = with_place_behind(prompts, network.config().max_position_embeddings);
    let said = in_micro_batches(network, config, &prompts, &counts, Adapter::On, step)?;
    Ok(said.values.unwrap_or_default())
}

fn in_micro_batches(
    network: &mut dyn Network,
    config: &TrainerConfig,
    prompts: &[PromptGroup],
    counts: &[usize],
    adapter: Adapter,
    step: u64,
) -> Result<TokenValues, RlError> {
    let options = options(config, adapter);
    let mut all = TokenValues::default();
    for range in micro_batches(prompts.iter().map(tokens_of), config.micro_batch_tokens) {
        let values = network.forward(&prompts[range], options).map_err(|source| RlError::Network {
            step: step + 1,
            stage: "in the forward pass",
            source,
        })?;
        all.logprobs.extend(values.logprobs);
        all.values.get_or_insert_default().extend(values.values.unwrap_or_default());
    }
    let values = all.values.map(|rows| gather(rows, counts));
    Ok(TokenValues { logprobs: gather(all.logprobs, counts), values, ..TokenValues::default() })
}
