//! `hone eval off-policy`: what another policy would have earned on a run's trajectories, without sampling it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use hone_eval::{Interval, Logged, OffPolicyEstimate, off_policy};
use hone_model::{Adapter, ForwardOptions, Network, PromptGroup};
use hone_runlog::{RunDir, TrajectoryRecord, read_trajectories, trajectory_files};

use crate::exit::{Interrupted, Usage};
use crate::interrupt::Interrupt;
use crate::opened_model::OpenedModel;
use crate::progress::{Lines, Progress};
use crate::recipe::Recipe;
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  hone eval off-policy runs/quickstart-20260131-120000 --policy runs/quickstart-20260131-120000
  hone eval off-policy runs/a --policy runs/b/checkpoints/step-000010 --last 5 --json

Every trajectory of RUN was sampled by a policy whose log-probs are recorded; the log-probs of --policy are computed on the
same tokens at the run's temperature. Below an effective sample size of 10 no figure is given. The prediction in the doubly
robust estimate is the mean reward of the task's other trajectories.";

/// Which trajectories, and which policy.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The run that sampled.
    run: PathBuf,
    /// The policy to be evaluated: a model, a run, or a checkpoint of a run.
    #[arg(long, value_name = "MODEL")]
    policy: String,
    /// Largest weight of the clipped estimate.
    #[arg(long, default_value_t = 10.0)]
    clip: f64,
    /// Trajectories of the last N steps only.
    #[arg(long, value_name = "N")]
    last: Option<usize>,
}

/// Estimates and prints.
pub(super) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<()> {
    let interrupt = Interrupt::listen("ending the evaluation")?;
    let run = RunDir::open(&arguments.run)?;
    let sampling = Recipe::load(&run.recipe_path(), &[])?.trainer.sampling;
    if sampling.top_p < 1.0 || sampling.top_k > 0 || sampling.min_p > 0.0 {
        let message = "the run cut its distributions (top_p, top_k or min_p), so the recorded log-probs are not those it \
                       sampled with\nhint: log trajectories with top_p = 1, top_k = 0 and min_p = 0";
        return Err(Usage(message.into()).into());
    }
    let records = trajectories(&run, arguments)?;
    let mut model = OpenedModel::open(&arguments.policy, terminal)?;
    let mut network = model.policy(terminal.threads.unwrap_or(0))?;
    let options =
        ForwardOptions { temperature: sampling.temperature, adapter: Adapter::On, keep_activations: false };
    let targets = target_logprobs(&mut network, &records, options, &interrupt, terminal)?;
    let estimate =
        off_policy(&logged(&records, &targets), arguments.clip).map_err(|error| Usage(error.to_string()))?;
    if terminal.is_json {
        return terminal.json(&estimate);
    }
    terminal.result(&table(&estimate, &records));
    terminal.note(&format!(
        "off-policy|policy:{}|run:{}|temperature:{}|clip:{}|prediction:mean-of-the-task's-others|interval:bootstrap-over-trajectories-95%",
        arguments.policy,
        arguments.run.display(),
        sampling.temperature,
        arguments.clip
    ));
    Ok(())
}

/// Log-probability of each trajectory's completion under `network`, in nats.
fn target_logprobs(
    network: &mut dyn Network,
    records: &[TrajectoryRecord],
    options: ForwardOptions,
    interrupt: &Interrupt,
    terminal: &Terminal,
) -> Result<Vec<f64>> {
    let batches = batches(records);
    let total: usize = batches.iter().map(Batch::tokens).sum();
    terminal.note(&format!(
        "scoring {} trajectories: {total} tokens in {} forward passes",
        records.len(),
        batches.len()
    ));
    let mut progress = Progress::start(terminal, "scoring tokens", 0, total as u64, Lines::Sparse);
    let (mut targets, mut scored, mut done) = (vec![0.0; records.len()], 0, 0);
    for batch in batches {
        if interrupt.is_set() {
            return Err(Interrupted("the evaluation was ended by Ctrl-C".into()).into());
        }
        let logprobs = network.forward(&batch.groups, options)?.logprobs;
        for (index, logprobs) in batch.members.iter().zip(logprobs.iter().flatten()) {
            targets[*index] = sum(logprobs);
        }
        scored += batch.members.len();
        done += batch.tokens();
        progress.update(done as u64, &format!("{scored} of {} trajectories", records.len()));
    }
    progress.finish(&format!("{scored} trajectories"));
    Ok(targets)
}

/// Tokens of one forward pass, about: enough rows for the matrix products to run at their full speed, few enough that
/// progress is seen and memory stays bounded.
const BATCH_TOKENS: usize = 2048;

/// What one forward pass scores: groups of completions of one prompt each, packed.
#[derive(Debug, Default, PartialEq)]
struct Batch {
    groups: Vec<PromptGroup>,
    /// Indices of the trajectories, in the order of the groups' completions.
    members: Vec<usize>,
}

impl Batch {
    fn tokens(&self) -> usize {
        let of_group =
            |group: &PromptGroup| group.prompt.len() + group.completions.iter().map(Vec::len).sum::<usize>();
        self.groups.iter().map(of_group).sum()
    }
}

/// All trajectories in batches; a prompt's are together, so that it is computed once, or once for each batch they fill.
fn batches(records: &[TrajectoryRecord]) -> Vec<Batch> {
    let mut by_prompt: BTreeMap<&[u32], Vec<usize>> = BTreeMap::new();
    for (index, record) in records.iter().enumerate() {
        by_prompt.entry(&record.prompt_tokens).or_default().push(index);
    }
    let mut batches: Vec<Batch> = Vec::new();
    let (mut batch, mut tokens) = (Batch::default(), 0);
    for (prompt, members) in by_prompt {
        let mut is_open = false;
        for index in members {
            let completion = &records[index].completion_tokens;
            let more = completion.len() + if is_open { 0 } else { prompt.len() };
            if tokens > 0 && tokens + more > BATCH_TOKENS {
                batches.push(std::mem::take(&mut batch));
                (tokens, is_open) = (0, false);
            }
            if !is_open {
                batch.groups.push(PromptGroup { prompt: prompt.to_vec(), completions: Vec::new() });
                tokens += prompt.len();
                is_open = true;
            }
            if let Some(group) = batch.groups.last_mut() {
                group.completions.push(completion.clone());
            }
            batch.members.push(index);
            tokens += completion.len();
        }
    }
    batches.extend(Some(batch).filter(|batch| !batch.members.is_empty()));
    batches
}

fn trajectories(run: &RunDir, arguments: &Arguments) -> Result<Vec<TrajectoryRecord>> {
    let mut files = trajectory_files(run)?;
    if let Some(last) = arguments.last {
        files.drain(..files.len().saturating_sub(last));
    }
    let mut records = Vec::new();
    for (_, path) in files {
        records.extend(read_trajectories(&path)?);
    }
    if records.is_empty() {
        let message = format!("{}: expected trajectories, found none", arguments.run.display());
        return Err(Usage(message).into());
    }
    if records.iter().any(|record| record.turn > 0) {
        let message = "the run's episodes have several turns, which its records do not tie together\nhint: \
                       estimates are for runs with environment.turns = 1";
        return Err(Usage(message.into()).into());
    }
    records.retain(|record| !record.completion_tokens.is_empty());
    Ok(records)
}

fn sum(logprobs: &[f32]) -> f64 {
    logprobs.iter().map(|logprob| f64::from(*logprob)).sum()
}

/// Trajectories with both policies' log-probs, and the prediction of the reward by the task's other ones.
fn logged(records: &[TrajectoryRecord], targets: &[f64]) -> Vec<Logged> {
    let mut by_task: BTreeMap<&str, (f64, usize)> = BTreeMap::new();
    for record in records {
        let (sum, count) = by_task.entry(&record.task).or_default();
        *sum += record.reward;
        *count += 1;
    }
    let all: f64 = records.iter().map(|record| record.reward).sum();
    let one = |(record, target): (&TrajectoryRecord, &f64)| {
        let (sum, count) = by_task[record.task.as_str()];
        // Without itself: else it would predict itself, and the estimate would be biased.
        let prediction = match count {
            1 => (all - record.reward) / (records.len() - 1).max(1) as f64,
            _ => (sum - record.reward) / (count - 1) as f64,
        };
        Logged {
            behaviour_logprob: self::sum(&record.logprobs),
            target_logprob: *target,
            reward: record.reward,
            predicted_reward: Some(prediction),
            predicted_value: Some(prediction),
        }
    };
    records.iter().zip(targets).map(one).collect()
}

fn table(estimate: &OffPolicyEstimate, records: &[TrajectoryRecord]) -> String {
    let row =
        |name: &str, it: &Interval| format!("{name:<22}{:7.4} [{:.4}, {:.4}]\n", it.value, it.low, it.high);
    let logged = records.iter().map(|record| record.reward).sum::<f64>() / records.len() as f64;
    let mut text = format!("{:<22}{logged:7.4}\n", "logged mean reward");
    text.push_str(&row("IPS", &estimate.ips));
    text.push_str(&row(&format!("clipped at {}", estimate.clip), &estimate.clipped));
    text.push_str(&row("self-normalised", &estimate.self_normalised));
    if let Some(doubly_robust) = &estimate.doubly_robust {
        text.push_str(&row("doubly robust", doubly_robust));
    }
    text.push_str(&format!(
        "\neffective sample size {:.1} of {} trajectories, largest weight {:.2}",
        estimate.effective_samples, estimate.trajectories, estimate.largest_weight
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trajectory_is_in_one_batch_with_its_prompt() {
        let record = |prompt: u32, length: usize| TrajectoryRecord {
            prompt_tokens: vec![prompt; 100],
            completion_tokens: vec![7; length],
            ..TrajectoryRecord::default()
        };
        let mut records: Vec<TrajectoryRecord> = (0..40).map(|i| record(i % 5, 1 + 7 * i as usize)).collect();
        records.push(record(9, 5_000));
        let batches = batches(&records);
        let mut seen: Vec<usize> = Vec::new();
        for batch in &batches {
            let scored: Vec<(&[u32], &[u32])> = batch
                .groups
                .iter()
                .flat_map(|group| {
                    group.completions.iter().map(|one| (group.prompt.as_slice(), one.as_slice()))
                })
                .collect();
            let expected: Vec<(&[u32], &[u32])> = batch
                .members
                .iter()
                .map(|i| (records[*i].prompt_tokens.as_slice(), records[*i].completion_tokens.as_slice()))
                .collect();
            assert_eq!(scored, expected);
            assert!(batch.tokens() <= BATCH_TOKENS || batch.members == [40], "{}", batch.tokens());
            seen.extend(&batch.members);
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..41).collect::<Vec<usize>>());
        // 40 · (1 + 7 · 19.5) tokens and a few prompts: no batch is left half empty.
        assert!(batches.len() <= 6, "{}", batches.len());
        assert!(super::batches(&[]).is_empty());
    }

    #[test]
    fn a_trajectory_is_predicted_by_the_others_of_its_task() {
        let record = |task: &str, reward: f64| TrajectoryRecord {
            task: task.into(),
            reward,
            logprobs: vec![-0.5, -0.25],
            ..TrajectoryRecord::default()
        };
        let records = [record("a", 1.0), record("a", 0.0), record("a", 0.5), record("b", 1.0)];
        let rows = logged(&records, &[-1.0; 4]);
        let predictions: Vec<Option<f64>> = rows.iter().map(|row| row.predicted_reward).collect();
        assert_eq!(predictions, [Some(0.25), Some(0.75), Some(0.5), Some(0.5)]);
        assert_eq!((rows[0].behaviour_logprob, rows[0].target_logprob), (-0.75, -1.0));
    }
}
