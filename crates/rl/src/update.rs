//! From credited groups to optimizer updates: micro-batches, log-prob check, loss, backward, AdamW.
//!
//! A micro-batch is a run of whole prompt groups below a token budget; gradients accumulate in the order of the batch,
//! and every denominator is that of the whole update, so the split is a matter of memory only.

use std::ops::Range;

use hone_model::{Adapter, ForwardOptions, Network, PromptGroup, TokenGradients, TokenValues, ValueHead};
use hone_train::AdamW;
use serde::{Deserialize, Serialize};

use crate::algorithms::{Credit, Method, Sample, Sequence, SequenceLoss, Totals, k3};
use crate::config::TrainerConfig;
use crate::error::RlError;
use crate::trajectory::{Group, with_place_behind};

/// A group as training sees it: its sequences that are in the loss.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TrainGroup {
    task: String,
    /// Whether another version of the policy sampled it.
    pub(crate) is_logged: bool,
    /// One prompt for all sequences, or one for each.
    tokens: Vec<PromptGroup>,
    /// Index of each sequence in its group.
    samples: Vec<usize>,
    /// What the sampler said, `[sequence][t]`.
    sampled: Vec<Vec<f32>>,
    /// The same in f64.
    behaviour: Vec<Vec<f64>>,
    reference: Option<Vec<Vec<f64>>>,
    advantages: Vec<Vec<f64>>,
    old_values: Option<Vec<Vec<f64>>>,
    returns: Option<Vec<Vec<f64>>>,
    /// Whether a sequence is a reference solution; its rows of log-probs are empty.
    is_gold: Vec<bool>,
}

impl TrainGroup {
    /// The part of a group that is in the loss; `None` if nothing is. With the model's `context`, every sequence has one more
    /// place ([`Method::needs_value_behind`]); one that fills the context has none, and stays out of the loss.
    pub(crate) fn new(
        group: &Group,
        samples: Vec<Sample>,
        credits: Vec<Credit>,
        context: Option<usize>,
    ) -> Option<TrainGroup> {
        let mut train = TrainGroup {
            task: group.task.clone(),
            is_logged: group.is_logged,
            tokens: Vec::new(),
            samples: Vec::new(),
            sampled: Vec::new(),
            behaviour: Vec::new(),
            reference: samples.iter().all(|sample| sample.reference.is_some()).then(Vec::new),
            advantages: Vec::new(),
            old_values: samples.iter().all(|sample| sample.values.is_some()).then(Vec::new),
            returns: credits.iter().all(|credit| credit.returns.is_some()).then(Vec::new),
            is_gold: Vec::new(),
        };
        let mut kept = Vec::new();
        for ((trajectory, sample), credit) in group.answers().zip(samples).zip(credits) {
            let length = group.prompt_of(trajectory).len() + trajectory.tokens.len();
            let has_room = context.is_none_or(|context| length < context);
            if !credit.is_in_loss || trajectory.tokens.is_empty() || !has_room {
                continue;
            }
            kept.push(trajectory);
            train.samples.push(trajectory.sample);
            train.sampled.push(trajectory.logprobs.clone());
            train.behaviour.push(sample.behaviour);
            train.is_gold.push(sample.is_gold);
            for (rows, row) in [
                (&mut train.reference, sample.reference),
                (&mut train.old_values, sample.values),
                (&mut train.returns, credit.returns),
            ] {
                if let (Some(rows), Some(row)) = (rows, row) {
                    rows.push(row);
                }
            }
            train.advantages.push(credit.advantages);
        }
        let prompts = group.prompt_groups(&kept);
        train.tokens = match context {
            Some(context) => with_place_behind(prompts, context),
            None => prompts,
        };
        (!train.samples.is_empty()).then_some(train)
    }

    /// Lengths of the reference solutions.
    fn gold_tokens(&self) -> Vec<usize> {
        let lengths = self.advantages.iter().map(Vec::len).zip(&self.is_gold);
        lengths.filter(|(_, is_gold)| **is_gold).map(|(length, _)| length).collect()
    }

    fn loss_tokens(&self) -> usize {
        self.advantages.iter().map(Vec::len).sum()
    }
}

/// Sums over all updates of a step.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct UpdateSums {
    pub(crate) updates: usize,
    pub(crate) loss: f64,
    pub(crate) gradient_norm: f64,
    pub(crate) learning_rate: f64,
    pub(crate) tokens: usize,
    pub(crate) clipped_tokens: usize,
    pub(crate) entropy: f64,
    /// k3 of KL(π_old ‖ π).
    pub(crate) divergence: f64,
    pub(crate) ratio_max: f64,
    /// Of the tokens that come from a log.
    pub(crate) replay: ReplaySums,
}

/// Sums over the tokens of a step that another policy sampled; r = π / π_logged.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct ReplaySums {
    pub(crate) tokens: usize,
    /// k3 of KL(π_logged ‖ π).
    pub(crate) divergence: f64,
    pub(crate) ratio: f64,
    pub(crate) ratio_squared: f64,
}

/// One step's updates.
pub(crate) struct Updater<'a> {
    pub(crate) network: &'a mut dyn Network,
    pub(crate) optimizer: &'a mut AdamW,
    pub(crate) method: &'a dyn Method,
    pub(crate) config: &'a TrainerConfig,
    /// 0-based step.
    pub(crate) step: u64,
}

impl Updater<'_> {
    /// All updates of a step's batch. `on_progress` is told the micro-batches done and in all.
    pub(crate) fn run(
        &mut self,
        batch: &[TrainGroup],
        on_progress: &mut dyn FnMut(usize, usize),
    ) -> Result<UpdateSums, RlError> {
        let parts = self.config.mini_batches.min(batch.len());
        let bounds = |part: usize| part * batch.len() / parts..(part + 1) * batch.len() / parts;
        let total: usize =
            (0..parts).map(|part| self.micro_batches(&batch[bounds(part)]).len()).sum::<usize>()
                * self.config.epochs_per_batch;
        let mut sums = UpdateSums::default();
        let mut done = 0;
        for _ in 0..self.config.epochs_per_batch {
            for part in 0..parts {
                let mini_batch = &batch[bounds(part)];
                let totals = self.totals(mini_batch);
                self.network.zero_gradients();
                for micro_batch in self.micro_batches(mini_batch) {
                    self.accumulate(micro_batch, &totals, &mut sums)?;
                    done += 1;
                    on_progress(done, total);
                }
                self.apply(&mut sums)?;
            }
        }
        Ok(sums)
    }

    /// Mean over the batch's tokens of k3 of KL(π ‖ base model); changes nothing. Tokens of a log count only where there are
    /// no others: they are not the policy's.
    pub(crate) fn reference_divergence(&mut self, batch: &[TrainGroup]) -> Result<f64, RlError> {
        let (mut sum, mut tokens) = (0.0, 0);
        let has_sampled = batch.iter().any(|group| !group.is_logged);
        for micro_batch in self.micro_batches(batch) {
            let values = self.forward(micro_batch, Adapter::Off)?;
            for (group, rows) in micro_batch.iter().zip(&values.logprobs) {
                if group.is_logged && has_sampled {
                    continue;
                }
                for (behaviour, reference) in group.behaviour.iter().zip(rows) {
                    let pairs = behaviour.iter().zip(reference);
                    sum += pairs.map(|(logprob, other)| k3(*logprob, f64::from(*other)).value).sum::<f64>();
                    tokens += behaviour.len();
                }
            }
        }
        Ok(sum / tokens.max(1) as f64)
    }

    /// Forward, loss and backward of one micro-batch.
    fn accumulate(
        &mut self,
        micro_batch: &[TrainGroup],
        totals: &Totals,
        sums: &mut UpdateSums,
    ) -> Result<(), RlError> {
        let values = self.forward(micro_batch, Adapter::On)?;
        let mut parts = Vec::with_capacity(micro_batch.len());
        for (g, group) in micro_batch.iter().enumerate() {
            if sums.updates == 0 && !group.is_logged {
                self.check_logprobs(group, &values.logprobs[g])?;
            }
            parts.push(self.group_loss(group, &values, g, totals, sums)?);
        }
        let prompts: Vec<usize> = micro_batch
            .iter()
            .flat_map(|group| &group.tokens)
            .map(|prompt| prompt.completions.len())
            .collect();
        let outputs = self.method.value_head().map_or(0, |head| head.outputs);
        let behind = usize::from(self.method.needs_value_behind());
        let rows = |pick: Pick, width| {
            gradient_rows(&parts, pick, width, behind).map(|rows| scatter(rows, &prompts))
        };
        let gradients = TokenGradients {
            logprobs: rows(|part| Some(&part.logprobs), 1).unwrap_or_default(),
            entropies: rows(|part| part.entropies.as_ref(), 1),
            values: rows(|part| part.values.as_ref(), outputs),
            likeliest: rows(|part| part.likeliest.as_ref(), 1),
        };
        self.network.backward(&gradients).map_err(|source| self.network_error("in the backward pass", source))
    }

    fn group_loss(
        &self,
        group: &TrainGroup,
        values: &TokenValues,
        index: usize,
        totals: &Totals,
        sums: &mut UpdateSums,
    ) -> Result<Vec<SequenceLoss>, RlError> {
        // Behind the last token there are values only.
        let tokens = |sequence: usize| group.advantages[sequence].len();
        let widened = |rows: &Vec<Vec<f32>>| -> Vec<Vec<f64>> {
            rows.iter().enumerate().map(|(sequence, row)| widen(&row[..tokens(sequence)])).collect()
        };
        let (logprobs, entropies) = (widened(&values.logprobs[index]), widened(&values.entropies[index]));
        let likeliest = widened(&values.likeliest[index]);
        let all = |rows: &Vec<Vec<f32>>| rows.iter().map(|row| widen(row)).collect::<Vec<Vec<f64>>>();
        let values = values.values.as_ref().map(|values| all(&values[index]));
        let sequences: Vec<Sequence<'_>> = (0..group.samples.len())
            .map(|index| Sequence {
                logprobs: &logprobs[index],
                entropies: &entropies[index],
                behaviour: &group.behaviour[index],
                reference: row(&group.reference, index),
                advantages: &group.advantages[index],
                values: row(&values, index),
                old_values: row(&group.old_values, index),
                returns: row(&group.returns, index),
                likeliest: &likeliest[index],
                is_gold: group.is_gold[index],
            })
            .collect();
        let parts = self.method.loss(&sequences, totals);
        for (part, sequence) in parts.iter().zip(&sequences) {
            let derivatives = part.logprobs.iter().chain(part.values.iter().flatten());
            let gradient_sum: f64 = derivatives.chain(part.likeliest.iter().flatten()).sum();
            for (quantity, value) in [("loss", part.value), ("gradient of the loss", gradient_sum)] {
                if !value.is_finite() {
                    let (step, update, task) = (self.step + 1, sums.updates + 1, group.task.clone());
                    return Err(RlError::NonFinite { quantity, value, step, update, task });
                }
            }
            sums.loss += part.value;
            if sequence.is_gold {
                continue;
            }
            sums.clipped_tokens += part.clipped_tokens;
            sums.tokens += sequence.logprobs.len();
            sums.entropy += sequence.entropies.iter().sum::<f64>();
            for (logprob, behaviour) in sequence.logprobs.iter().zip(sequence.behaviour) {
                let (divergence, ratio) = (k3(*behaviour, *logprob).value, (logprob - behaviour).exp());
                sums.divergence += divergence;
                sums.ratio_max = sums.ratio_max.max(ratio);
                if group.is_logged {
                    sums.replay.tokens += 1;
                    sums.replay.divergence += divergence;
                    sums.replay.ratio += ratio;
                    sums.replay.ratio_squared += ratio * ratio;
                }
            }
        }
        Ok(parts)
    }

    /// One optimizer update from the accumulated gradients.
    fn apply(&mut self, sums: &mut UpdateSums) -> Result<(), RlError> {
        let is_value_warmup = self.is_value_warmup();
        let mut parameters = self.network.parameters();
        if is_value_warmup {
            // Without gradient, moments and decay the optimizer leaves a parameter bit for bit as it is.
            let of_the_policy = parameters.iter_mut().filter(|one| !one.name.starts_with(ValueHead::PREFIX));
            of_the_policy.for_each(|parameter| {
                parameter.gradients.fill(0.0);
                parameter.is_decayed = false;
            });
        }
        let report = self.optimizer.update(&mut parameters, self.step, self.config.steps)?;
        drop(parameters);
        self.network.parameters_changed();
        sums.updates += 1;
        sums.gradient_norm += report.gradient_norm;
        sums.learning_rate = report.learning_rate;
        Ok(())
    }

    /// Whether this step trains the value head alone.
    fn is_value_warmup(&self) -> bool {
        (self.step as f64) < self.method.value_warmup() * self.config.steps as f64
    }

    /// Before the first update the policy is the one that sampled: every bit must agree.
    fn check_logprobs(&self, group: &TrainGroup, logprobs: &[Vec<f32>]) -> Result<(), RlError> {
        for (index, (sampled, trained)) in group.sampled.iter().zip(logprobs).enumerate() {
            let differing = sampled.iter().zip(trained).position(|(a, b)| a.to_bits() != b.to_bits());
            if let Some(token) = differing {
                return Err(RlError::LogprobMismatch {
                    step: self.step + 1,
                    task: group.task.clone(),
                    sample: group.samples[index],
                    token,
                    sampler: sampled[token],
                    trainer: trained[token],
                });
            }
        }
        Ok(())
    }

    fn forward(&mut self, micro_batch: &[TrainGroup], adapter: Adapter) -> Result<TokenValues, RlError> {
        let groups: Vec<PromptGroup> = micro_batch.iter().flat_map(|group| group.tokens.clone()).collect();
        let counts: Vec<usize> = micro_batch.iter().map(|group| group.tokens.len()).collect();
        let options = ForwardOptions {
            temperature: self.config.sampling.temperature,
            adapter,
            keep_activations: adapter == Adapter::On,
        };
        let values = self.network.forward(&groups, options).map_err(|source| RlError::Network {
            step: self.step + 1,
            stage: "in the forward pass",
            source,
        })?;
        Ok(TokenValues {
            logprobs: gather(values.logprobs, &counts),
            entropies: gather(values.entropies, &counts),
            likeliest: gather(values.likeliest, &counts),
            values: values.values.map(|rows| gather(rows, &counts)),
        })
    }

    fn micro_batches<'b>(&self, batch: &'b [TrainGroup]) -> Vec<&'b [TrainGroup]> {
        let counts = batch.iter().map(|group| group.tokens.iter().map(tokens_of).sum());
        let ranges = micro_batches(counts, self.config.micro_batch_tokens);
        ranges.into_iter().map(|range| &batch[range]).collect()
    }

    fn totals(&self, mini_batch: &[TrainGroup]) -> Totals {
        let gold = || mini_batch.iter().map(TrainGroup::gold_tokens);
        Totals {
            tokens: mini_batch.iter().map(TrainGroup::loss_tokens).sum(),
            sequences: mini_batch.iter().map(|group| group.samples.len()).sum(),
            gold_sequences: gold().map(|lengths| lengths.len()).sum(),
            gold_tokens: gold().flatten().sum(),
            groups: mini_batch.len(),
            max_tokens: self.config.sampling.max_new_tokens,
        }
    }

    fn network_error(&self, stage: &'static str, source: hone_model::ModelError) -> RlError {
        RlError::Network { step: self.step + 1, stage, source }
    }
}

/// Tokens of a prompt and its completions.
pub(crate) fn tokens_of(group: &PromptGroup) -> usize {
    group.prompt.len() + group.completions.iter().map(Vec::len).sum::<usize>()
}

/// Puts the sequences of `counts[i]` prompts at a time together: `[prompt][completion]` → `[group][sequence]`.
pub(crate) fn gather<T>(rows: Vec<Vec<T>>, counts: &[usize]) -> Vec<Vec<T>> {
    let mut rows = rows.into_iter();
    counts.iter().map(|&count| rows.by_ref().take(count).flatten().collect()).collect()
}

/// The reverse, for prompts of `counts[i]` completions: `[group][sequence]` → `[prompt][completion]`.
fn scatter<T>(rows: Vec<Vec<T>>, counts: &[usize]) -> Vec<Vec<T>> {
    let mut sequences = rows.into_iter().flatten();
    counts.iter().map(|&count| sequences.by_ref().take(count).collect()).collect()
}

/// Cuts groups of so many tokens into runs of at most `limit`; a larger group goes alone.
pub(crate) fn micro_batches(groups: impl IntoIterator<Item = usize>, limit: usize) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let (mut begin, mut end, mut tokens) = (0, 0, 0);
    for added in groups {
        if end > begin && tokens + added > limit {
            parts.push(begin..end);
            (begin, tokens) = (end, 0);
        }
        tokens += added;
        end += 1;
    }
    if begin < end {
        parts.push(begin..end);
    }
    parts
}

/// A kind of derivative of a sequence's loss.
type Pick = fn(&SequenceLoss) -> Option<&Vec<f64>>;

/// One kind of derivatives, `[group][sequence][t · width]`, with zeros where a sequence has none, as in the places `behind` its
/// last token; `None` where no one has.
fn gradient_rows(
    parts: &[Vec<SequenceLoss>],
    pick: Pick,
    width: usize,
    behind: usize,
) -> Option<Vec<Vec<Vec<f32>>>> {
    parts.iter().flatten().find_map(pick)?;
    let narrow = |part: &SequenceLoss| {
        let mut row: Vec<f32> = pick(part).into_iter().flatten().map(|value| *value as f32).collect();
        row.resize((part.logprobs.len() + behind) * width, 0.0);
        row
    };
    Some(parts.iter().map(|group| group.iter().map(narrow).collect()).collect())
}

/// The numbers of one sequence, where there are any.
fn row(rows: &Option<Vec<Vec<f64>>>, index: usize) -> Option<&[f64]> {
    rows.as_ref().map(|rows| &rows[index][..])
}

pub(crate) fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}
