//! Settings of the loop, whatever the algorithm.

use hone_model::SamplingParams;
use hone_train::{ConfigError, OptimizerConfig};
use serde::{Deserialize, Serialize};

/// Settings of the loop. Everything that may change a number of the run is here, in the algorithm or in the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainerConfig {
    /// Steps of the run; the schedule of the learning rate is laid over them.
    pub steps: u64,
    /// Stop before the first step that begins later than this; the steps before are the same with and without it.
    pub time_limit_minutes: Option<f64>,
    /// Stop before the first step that begins after so many completion tokens, sampled or taken from a log, also those of
    /// groups that are dropped; the steps before are the same with and without it.
    pub token_limit: Option<u64>,
    /// Tasks whose groups make up one step's batch.
    pub prompts_per_step: usize,
    /// G, samples a task.
    pub group_size: usize,
    /// Passes over a batch. 1 keeps the first update on-policy.
    pub epochs_per_batch: usize,
    /// Updates a pass: the batch is cut into this many parts.
    pub mini_batches: usize,
    /// Tokens of one forward and backward, prompts included; bounds the memory and changes no speed. A larger group goes
    /// alone.
    pub micro_batch_tokens: usize,
    /// Sequences in flight while sampling.
    pub generation_slots: usize,
    /// Threads that wait for executions while sampling goes on.
    pub execution_threads: usize,
    /// γ a turn: what the reward of the next turn counts for this one, where episodes have several (Kevin-32B, arXiv
    /// 2507.11948: 0.4).
    pub turn_gamma: f64,
    /// Steps at the beginning that learn from the log alone, where there is one.
    pub offline_steps: u64,
    /// Share of the tasks of each later step that is taken from the log, where there is one; the rest is sampled. 1 never
    /// samples.
    pub replay_fraction: f64,
    /// How completions are drawn.
    pub sampling: SamplingParams,
    /// Optimizer and learning rate.
    pub optimizer: OptimizerConfig,
    /// Measure the KL to the base model every so many steps, on the step's trained tokens (LoRA only); 0 never does.
    /// It costs a forward pass and changes no number.
    pub reference_kl_every: u64,
    /// Nats a token that one step's updates may move the policy from the one that sampled; a step that goes further ends the
    /// run. 0 sets no limit. Not for logged trajectories, which another policy may have sampled.
    pub kl_limit: f64,
    /// Write a checkpoint every so many steps; 0 writes only the last one.
    pub checkpoint_every: u64,
    /// Checkpoints that are kept.
    pub keep_checkpoints: usize,
    /// Seed of the run: order of tasks and sampling.
    pub seed: u64,
}

impl Default for TrainerConfig {
    fn default() -> Self {
        TrainerConfig {
            steps: 100,
            time_limit_minutes: None,
            token_limit: None,
            prompts_per_step: 8,
            group_size: 8,
            epochs_per_batch: 1,
            mini_batches: 1,
            micro_batch_tokens: 1024,
            generation_slots: 32,
            execution_threads: 2,
            turn_gamma: 0.4,
            offline_steps: 0,
            replay_fraction: 1.0,
            sampling: SamplingParams::default(),
            optimizer: OptimizerConfig::default(),
            reference_kl_every: 0,
            kl_limit: 10.0,
            checkpoint_every: 10,
            keep_checkpoints: 2,
            seed: 0,
        }
    }
}

impl TrainerConfig {
    /// Refuses impossible values, naming the key.
    pub fn validate(&self) -> Result<(), ConfigError> {
        for (key, value) in [
            ("steps", self.steps as usize),
            ("prompts_per_step", self.prompts_per_step),
            ("group_size", self.group_size),
            ("epochs_per_batch", self.epochs_per_batch),
            ("mini_batches", self.mini_batches),
            ("micro_batch_tokens", self.micro_batch_tokens),
            ("generation_slots", self.generation_slots),
            ("execution_threads", self.execution_threads),
            ("keep_checkpoints", self.keep_checkpoints),
            ("sampling.max_new_tokens", self.sampling.max_new_tokens),
        ] {
            ConfigError::require(value >= 1, key, "at least 1", value)?;
        }
        if let Some(tokens) = self.token_limit {
            ConfigError::require(tokens > 0, "token_limit", "at least 1", tokens)?;
        }
        if let Some(minutes) = self.time_limit_minutes {
            let is_valid = minutes.is_finite() && minutes > 0.0;
            ConfigError::require(is_valid, "time_limit_minutes", "positive", minutes)?;
        }
        let is_limit = self.kl_limit.is_finite() && self.kl_limit >= 0.0;
        ConfigError::require(is_limit, "kl_limit", "at least 0", self.kl_limit)?;
        let is_discount = (0.0..=1.0).contains(&self.turn_gamma);
        ConfigError::require(is_discount, "turn_gamma", "from 0 to 1", self.turn_gamma)?;
        let is_share = (0.0..=1.0).contains(&self.replay_fraction);
        ConfigError::require(is_share, "replay_fraction", "from 0 to 1", self.replay_fraction)?;
        if self.mini_batches > self.prompts_per_step {
            let expected = format!("at most prompts_per_step, {}", self.prompts_per_step);
            return Err(ConfigError::new("mini_batches", expected, self.mini_batches));
        }
        let SamplingParams { temperature, top_p, min_p, beams, .. } = self.sampling;
        if !(temperature.is_finite() && temperature > 0.0) {
            let error = ConfigError::new("sampling.temperature", "positive", temperature);
            let why = "greedy samples of a task are all the same, so there is nothing to compare";
            return Err(if temperature == 0.0 { error.with_hint(why) } else { error });
        }
        ConfigError::require(top_p > 0.0 && top_p <= 1.0, "sampling.top_p", "above 0 and at most 1", top_p)?;
        ConfigError::require((0.0..=1.0).contains(&min_p), "sampling.min_p", "from 0 to 1", min_p)?;
        if beams > 0 {
            return Err(ConfigError::new("sampling.beams", "0 in training", beams)
                .with_hint("a beam search draws nothing; it is for `hone eval` and `[eval.sampling]`"));
        }
        self.optimizer.validate().map_err(|error| error.within("optimizer"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_values_name_the_key() {
        let valid = TrainerConfig::default;
        let sampling = |temperature| SamplingParams { temperature, ..SamplingParams::default() };
        let optimizer = OptimizerConfig { learning_rate: 0.0, ..OptimizerConfig::default() };
        for (config, message) in [
            (TrainerConfig { steps: 0, ..valid() }, "`steps` must be at least 1, got 0"),
            (
                TrainerConfig { mini_batches: 9, ..valid() },
                "`mini_batches` must be at most prompts_per_step, 8, got 9",
            ),
            (
                TrainerConfig { sampling: sampling(0.0), ..valid() },
                "`sampling.temperature` must be positive, got 0",
            ),
            (TrainerConfig { optimizer, ..valid() }, "`optimizer.learning_rate` must be positive, got 0"),
            (
                TrainerConfig { time_limit_minutes: Some(f64::NAN), ..valid() },
                "`time_limit_minutes` must be positive, got NaN",
            ),
        ] {
            let error = config.validate().unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
        assert_eq!(valid().validate(), Ok(()));
    }
}
