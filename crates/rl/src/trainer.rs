//! The loop: rollout → execute → reward → advantage → update. It knows no algorithm and no environment.
//!
//! A run's state is small: the step, the place in the order of tasks, the parameters and the optimizer's moments.
//! Sampling is keyed by (seed, step, task, sample) and has no state. So a run that is killed and resumed from its last
//! checkpoint makes the same numbers as one that never was.

mod assistance;
mod draw;

use std::collections::VecDeque;
use std::path::Path;
use std::time::Instant;

use hone_environment::EnvironmentSet;
use hone_model::{Adapter, Network, ValueHead};
use hone_train::{AdamW, Checkpoint, CheckpointStore, ConfigError, NamedTensor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use draw::Drawn;

use crate::algorithms::{Algorithm, Credit, Memory, Method};
use crate::config::TrainerConfig;
use crate::error::RlError;
use crate::gold::{self, Gold};
use crate::log;
use crate::metrics::{StepFacts, metrics, timings};
use crate::observer::{Observer, Progress, Stage, StepReport};
use crate::order::TaskOrder;
use crate::reference::Reference;
use crate::rollout::{RolloutCost, TextCodec};
use crate::score::{forward, score};
use crate::token_reward::TokenReward;
use crate::trajectory::Group;
use crate::update::{TrainGroup, UpdateSums, Updater};

/// Settings that a resumed run may change, since they change no number.
const FREE_SETTINGS: [&str; 6] = [
    "time_limit_minutes",
    "token_limit",
    "execution_threads",
    "checkpoint_every",
    "keep_checkpoints",
    "kl_limit",
];

/// Everything a run needs, and where it stands.
pub struct Trainer<'a> {
    config: TrainerConfig,
    algorithm: Algorithm,
    network: &'a mut dyn Network,
    environments: &'a dyn EnvironmentSet,
    codec: TextCodec<'a>,
    optimizer: AdamW,
    order: TaskOrder,
    has_adapter: bool,
    /// Groups to learn from instead of sampling, or beside it; empty samples.
    log: Vec<Group>,
    log_order: Option<TaskOrder>,
    token_rewards: Vec<TokenReward>,
    /// The networks of those that are reward models, in their order.
    judges: Vec<Box<dyn Network>>,
    gold: Gold,
    /// Credited groups that may be learned from again.
    buffer: VecDeque<TrainGroup>,
    /// Logged groups that are kept aside.
    held_out: Vec<Group>,
    reference: Reference,
    place: Place,
}

/// Where a run stands: what a checkpoint holds besides tensors.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Place {
    /// Steps done.
    step: u64,
    /// Tasks drawn.
    position: u64,
    /// Groups taken from the log.
    #[serde(default)]
    log_position: u64,
    /// Optimizer updates done: the policy's version.
    updates: u64,
    /// Completion tokens of all steps.
    #[serde(default)]
    tokens: u64,
    /// Seconds of the run.
    elapsed_s: f64,
    /// What the algorithm carries from step to step.
    #[serde(default)]
    memory: Memory,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopCause {
    /// All steps are done.
    Finished,
    /// The time limit.
    TimeLimit,
    /// The limit of tokens.
    TokenLimit,
    /// The observer asked for it.
    Stopped,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RunSummary {
    /// Steps done, also those before a resume.
    pub steps: u64,
    /// Why it ended.
    pub cause: StopCause,
    /// Seconds of the run, also those before a resume.
    pub elapsed_s: f64,
}

impl<'a> Trainer<'a> {
    /// A run at its beginning. Everything that can be refused is refused here.
    pub fn new(
        config: TrainerConfig,
        algorithm: Algorithm,
        network: &'a mut dyn Network,
        environments: &'a dyn EnvironmentSet,
        codec: TextCodec<'a>,
    ) -> Result<Trainer<'a>, RlError> {
        config.validate()?;
        algorithm.method().validate(config.group_size)?;
        if environments.is_empty() {
            return Err(ConfigError::new("tasks", "at least one task", 0).into());
        }
        if let Some(head) = algorithm.method().value_head() {
            network.add_value_head(head).map_err(|source| RlError::Network {
                step: 0,
                stage: "getting a value head",
                source,
            })?;
        }
        if algorithm.method().needs_gold() {
            gold::require(environments)?;
        }
        let parameters = network.parameters();
        if parameters.is_empty() {
            return Err(
                ConfigError::new("trainable", "`lora` or `full`", "a network without parameters").into()
            );
        }
        let mut of_the_model =
            parameters.iter().filter(|parameter| !parameter.name.starts_with(ValueHead::PREFIX));
        let has_adapter = of_the_model.all(|parameter| parameter.name.contains("lora_"));
        let has_reference = algorithm.method().needs_reference() || algorithm.method().needs_lookahead();
        require_adapter(has_reference, has_adapter)?;
        let optimizer = AdamW::new(config.optimizer.clone(), &parameters)?;
        let order = TaskOrder::new(config.seed, environments.len());
        let place = Place::default();
        let (log, token_rewards) = (Vec::new(), Vec::new());
        Ok(Trainer {
            config,
            algorithm,
            network,
            environments,
            codec,
            optimizer,
            order,
            has_adapter,
            log,
            log_order: None,
            token_rewards,
            judges: Vec::new(),
            gold: Gold::default(),
            buffer: VecDeque::new(),
            held_out: Vec::new(),
            reference: Reference::default(),
            place,
        })
    }

    /// Learns from these groups, in an order of the seed: all steps, or as many steps and as large a share as
    /// `offline_steps` and `replay_fraction` say. What they were sampled by is in their log-probs.
    pub fn learn_from(&mut self, log: Vec<Group>) -> Result<(), RlError> {
        log::check(&log, self.algorithm.method())?;
        let (log, held_out) = log::set_aside(log, self.algorithm.method().held_out());
        self.held_out = held_out;
        self.log_order = Some(TaskOrder::new(self.config.seed, log.len()));
        self.log = log;
        Ok(())
    }

    /// Learns from answers without log-probs, offline: they get those of the untrained policy, so it has to be called before
    /// anything was trained or resumed. Under an adapter that is the base.
    pub fn learn_from_answers(&mut self, mut answers: Vec<Group>) -> Result<(), RlError> {
        for group in &mut answers {
            let adapter = if self.has_adapter { Adapter::Off } else { Adapter::On };
            let mut rows = forward(self.network, &self.config, &[group], adapter, self.place.step)?.logprobs;
            let rows = rows.pop().unwrap_or_default();
            let with_tokens = group.trajectories.iter_mut().filter(|one| !one.tokens.is_empty());
            for (trajectory, row) in with_tokens.zip(rows) {
                trajectory.logprobs = row;
            }
        }
        self.learn_from(answers)
    }

    /// Adds parts that depend on tokens and log-probs to every sampled reward. `judges` are the networks of those that
    /// are reward models, in their order, each with a value head of one output.
    pub fn reward_tokens(
        &mut self,
        parts: Vec<TokenReward>,
        judges: Vec<Box<dyn Network>>,
    ) -> Result<(), RlError> {
        parts.iter().try_for_each(TokenReward::validate)?;
        let models = parts.iter().filter(|part| part.is_model()).count();
        ConfigError::require(models == judges.len(), "reward", "a network a reward model", judges.len())?;
        self.judges = judges;
        require_adapter(parts.iter().any(TokenReward::needs_reference), self.has_adapter)?;
        self.token_rewards = parts;
        Ok(())
    }

    /// What the orders of drawing are over: tasks and logged groups.
    fn tasks(&self) -> usize {
        self.environments.len() + self.log.len()
    }

    /// Steps done.
    pub fn steps_done(&self) -> u64 {
        self.place.step
    }

    /// Makes all remaining steps, up to a limit, with checkpoints where a store is given.
    pub fn run(
        &mut self,
        checkpoints: Option<&CheckpointStore>,
        observer: &mut dyn Observer,
    ) -> Result<RunSummary, RlError> {
        let started = Instant::now();
        let elapsed_before = self.place.elapsed_s;
        let mut saved = self.place.step;
        let cause = loop {
            if self.place.step >= self.config.steps {
                break StopCause::Finished;
            }
            if self.config.time_limit_minutes.is_some_and(|minutes| self.place.elapsed_s >= 60.0 * minutes) {
                break StopCause::TimeLimit;
            }
            if self.config.token_limit.is_some_and(|tokens| self.place.tokens >= tokens) {
                break StopCause::TokenLimit;
            }
            if observer.should_stop() {
                break StopCause::Stopped;
            }
            let mut report = self.step(observer)?;
            self.place.elapsed_s = elapsed_before + started.elapsed().as_secs_f64();
            report.elapsed_s = self.place.elapsed_s;
            let step = report.step;
            observer.on_step(&report).map_err(|source| RlError::Observer { step, source })?;
            let every = self.config.checkpoint_every;
            if let Some(store) = checkpoints
                && every > 0
                && step.is_multiple_of(every)
            {
                self.save(store)?;
                saved = step;
            }
        };
        if let Some(store) = checkpoints
            && saved != self.place.step
        {
            self.save(store)?;
        }
        Ok(RunSummary { steps: self.place.step, cause, elapsed_s: self.place.elapsed_s })
    }

    /// One step. An error leaves the run unusable: resume from the last checkpoint.
    pub fn step(&mut self, observer: &mut dyn Observer) -> Result<StepReport, RlError> {
        let started = Instant::now();
        let mut cost = RolloutCost::default();
        self.require_log()?;
        let Drawn { mut groups, kept, rounds: sampling_rounds } = self.draw(&mut cost, observer)?;
        let update_started = Instant::now();
        let batch = self.credit(&mut groups, &kept)?;
        let (update, reference_divergence) = if batch.is_empty() {
            tracing::warn!(
                "step {}: no group has anything to learn from, so there is no update\n\
                 hint: tasks that are solved sometimes teach most; try easier ones, or a larger group_size",
                self.place.step + 1
            );
            (None, None)
        } else {
            let (sums, divergence) = self.update(&batch, cost.tokens, observer)?;
            (Some(sums), divergence)
        };
        let update_s = update_started.elapsed().as_secs_f64();
        self.place.updates = self.optimizer.updates();
        self.place.tokens += groups.iter().map(|group| group.tokens() as u64).sum::<u64>();
        self.place.step += 1;
        let every = self.algorithm.method().reference_every();
        if every > 0 && self.place.step.is_multiple_of(every) {
            self.reference = Reference::of(self.network);
        }
        self.advance_curriculum(&groups);
        let ranking = self.rank_held_out()?;
        let groups_dropped = groups.len() - kept.len();
        let facts = StepFacts {
            groups: &groups,
            groups_dropped,
            sampling_rounds,
            update,
            reference_divergence,
            kl_coefficient: self.place.memory.kl_coefficient,
            given: self.place.memory.given,
            ranking,
        };
        Ok(StepReport {
            step: self.place.step,
            steps: self.config.steps,
            metrics: metrics(&facts),
            timings: timings(&cost, update_s, started.elapsed().as_secs_f64()),
            groups,
            elapsed_s: self.place.elapsed_s + started.elapsed().as_secs_f64(),
        })
    }

    /// Advantages for the kept groups, also noted in their trajectories.
    fn credit(&mut self, groups: &mut [Group], kept: &[usize]) -> Result<Vec<TrainGroup>, RlError> {
        if kept.is_empty() {
            return Ok(self.through_buffer(Vec::new()));
        }
        let method = self.algorithm.method();
        let kept_groups: Vec<&Group> = kept.iter().map(|&index| &groups[index]).collect();
        let batch = score(
            self.network,
            &self.reference,
            &self.config,
            method,
            self.codec.decode,
            &kept_groups,
            self.place.step,
        )?;
        let credits = method.credit_remembering(&batch, &mut self.place.memory)?;
        for note in std::mem::take(&mut self.place.memory.notes) {
            tracing::warn!("step {}: {note}", self.place.step + 1);
        }
        let has_advantage =
            |credit: &Credit| credit.is_in_loss && credit.advantages.iter().any(|one| *one != 0.0);
        if !credits.iter().flatten().any(has_advantage) {
            tracing::warn!(
                "step {}: every advantage of the batch is 0, so the policy is not pushed anywhere\n\
                 hint: tasks that are solved sometimes teach most; try easier ones, or a larger group_size",
                self.place.step + 1
            );
        }
        let context = method.needs_value_behind().then(|| self.network.config().max_position_embeddings);
        let mut train_groups = Vec::with_capacity(kept.len());
        for ((&index, samples), credits) in kept.iter().zip(batch).zip(credits) {
            for (trajectory, Credit { advantages, is_in_loss, .. }) in
                groups[index].trajectories.iter_mut().zip(&credits)
            {
                trajectory.is_trained = *is_in_loss;
                if *is_in_loss {
                    trajectory.advantage = advantages.iter().sum::<f64>() / advantages.len().max(1) as f64;
                }
            }
            train_groups.extend(TrainGroup::new(&groups[index], samples, credits, context));
        }
        Ok(self.through_buffer(train_groups))
    }

    fn update(
        &mut self,
        batch: &[TrainGroup],
        tokens: usize,
        observer: &mut dyn Observer,
    ) -> Result<(UpdateSums, Option<f64>), RlError> {
        let (step, steps) = (self.place.step + 1, self.config.steps);
        let every = self.config.reference_kl_every;
        let is_measured = self.has_adapter && every > 0 && step.is_multiple_of(every);
        let method: &dyn Method = self.algorithm.method();
        let mut updater = Updater {
            network: self.network,
            optimizer: &mut self.optimizer,
            method,
            config: &self.config,
            step: self.place.step,
        };
        let divergence = if is_measured { Some(updater.reference_divergence(batch)?) } else { None };
        let sums = updater.run(batch, &mut |done, total| {
            observer.on_progress(&Progress { step, steps, stage: Stage::Update, done, total, tokens });
        })?;
        self.check_divergence(&sums, batch)?;
        Ok((sums, divergence))
    }

    /// Writes a checkpoint of this moment.
    pub fn save(&mut self, store: &CheckpointStore) -> Result<(), RlError> {
        let state = SavedState {
            place: self.place.clone(),
            tasks: self.tasks(),
            trainer: to_value(&self.config),
            algorithm: to_value(&self.algorithm),
            buffer: self.buffer.iter().cloned().collect(),
        };
        let parameters = self.network.parameters();
        let names: Vec<(String, Vec<usize>)> = parameters
            .iter()
            .map(|parameter| (parameter.name.to_string(), parameter.shape.to_vec()))
            .collect();
        let mut tensors: Vec<NamedTensor<'_>> = parameters
            .iter()
            .map(|parameter| NamedTensor {
                name: format!("parameter.{}", parameter.name),
                shape: parameter.shape.to_vec(),
                values: parameter.values,
            })
            .collect();
        let moved = self.reference.values().iter().zip(&names).map(|(values, (name, shape))| NamedTensor {
            name: format!("reference.{name}"),
            shape: shape.clone(),
            values,
        });
        tensors.extend(moved);
        tensors.extend(self.optimizer.state());
        store.save(self.place.step, &to_value(&state), &tensors)?;
        Ok(())
    }

    /// Takes the state of a checkpoint of the same run.
    pub fn resume_from(&mut self, checkpoint: &Checkpoint) -> Result<(), RlError> {
        let refuse =
            |message: String| RlError::Resume { path: checkpoint.path.display().to_string(), message };
        let saved: SavedState = serde_json::from_value(checkpoint.state.clone())
            .map_err(|error| refuse(format!("its state cannot be read: {error}")))?;
        if saved.tasks != self.tasks() {
            let found = self.tasks();
            return Err(refuse(format!(
                "it was made with {} tasks and logged groups, found {found}",
                saved.tasks
            )));
        }
        for (name, before, now) in [
            ("trainer", &saved.trainer, to_value(&self.config)),
            ("algorithm", &saved.algorithm, to_value(&self.algorithm)),
        ] {
            if let Some(difference) = difference(name, before, &now) {
                return Err(refuse(difference));
            }
        }
        let find = |name: &str| checkpoint.tensors.get(name).map(|tensor| &tensor.values[..]);
        for parameter in self.network.parameters() {
            let values = find(&format!("parameter.{}", parameter.name))
                .ok_or_else(|| refuse(format!("parameter {} is missing", parameter.name)))?;
            if values.len() != parameter.values.len() {
                let (name, found, expected) = (parameter.name, values.len(), parameter.values.len());
                return Err(refuse(format!("parameter {name} has {found} values, expected {expected}")));
            }
            parameter.values.copy_from_slice(values);
        }
        self.network.parameters_changed();
        let reference = |parameter: hone_model::Parameter<'_>| {
            let values = find(&format!("reference.{}", parameter.name))?;
            (values.len() == parameter.values.len()).then(|| values.to_vec())
        };
        self.reference =
            Reference::from_values(self.network.parameters().into_iter().map(reference).collect());
        self.optimizer.restore(saved.place.updates, find)?;
        self.place = saved.place;
        self.buffer = saved.buffer.into();
        Ok(())
    }

    /// Reads a checkpoint and takes its state.
    pub fn resume_from_path(&mut self, path: &Path) -> Result<(), RlError> {
        self.resume_from(&CheckpointStore::load(path)?)
    }
}

/// A reference model is there only under an adapter.
fn require_adapter(needs_reference: bool, has_adapter: bool) -> Result<(), ConfigError> {
    if !needs_reference || has_adapter {
        return Ok(());
    }
    let expected = "`lora` for an algorithm or a reward that compares with a reference model";
    Err(ConfigError::new("trainable", expected, "all weights").with_hint(
        "the reference model is the base under an adapter; train with LoRA, or set kl_coefficient = 0",
    ))
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedState {
    place: Place,
    tasks: usize,
    trainer: Value,
    algorithm: Value,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    buffer: Vec<TrainGroup>,
}

/// The first setting that differs, in words; free settings may.
fn difference(path: &str, before: &Value, now: &Value) -> Option<String> {
    match (before, now) {
        (Value::Object(before), Value::Object(now)) => before
            .keys()
            .chain(now.keys())
            .filter(|key| !(path == "trainer" && FREE_SETTINGS.contains(&key.as_str())))
            .find_map(|key| {
                let missing = Value::Null;
                let (before, now) = (before.get(key).unwrap_or(&missing), now.get(key).unwrap_or(&missing));
                difference(&format!("{path}.{key}"), before, now)
            }),
        _ if before == now => None,
        _ => Some(format!("`{path}` was {before}, is now {now}")),
    }
}

fn to_value(value: &impl Serialize) -> Value {
    // Plain structs of numbers, strings and tagged enums always serialise.
    serde_json::to_value(value).unwrap_or_default()
}
