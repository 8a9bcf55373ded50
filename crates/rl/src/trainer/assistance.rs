//! What some methods ask of the loop beyond samples and credit: reference solutions, beginnings of them, groups of earlier
//! steps, a look at pairs kept aside. The others never notice.

use hone_train::ConfigError;

use super::Trainer;
use crate::error::RlError;
use crate::gold::GoldContext;
use crate::order::mix;
use crate::score::score;
use crate::trajectory::Group;
use crate::update::{TrainGroup, UpdateSums};

/// Steps between two looks at what is kept aside.
const RANKING_EVERY: u64 = 5;

impl Trainer<'_> {
    /// Refuses a step of a method that learns from a log where there is none, or where others would be sampled beside it.
    pub(super) fn require_log(&self) -> Result<(), ConfigError> {
        if !self.algorithm.method().needs_log() {
            return Ok(());
        }
        let share = self.config.replay_fraction;
        ConfigError::require(share == 1.0, "replay_fraction", "1 for what learns from a log only", share)?;
        if self.log.is_empty() {
            return Err(ConfigError::new("trajectories", "a log to learn from", "none")
                .with_hint("tasks.trajectories = \"RUN\" names a run whose samples are kept"));
        }
        Ok(())
    }

    /// Gives groups the reference solutions of their tasks, where the method asks for them.
    pub(super) fn give_gold(&mut self, groups: &mut [Group]) -> Result<(), RlError> {
        if !self.algorithm.method().needs_gold() {
            return Ok(());
        }
        let context = GoldContext {
            environments: self.environments,
            codec: self.codec,
            end_token: self.network.config().eos_token_ids.first().copied(),
            step: self.place.step,
        };
        self.gold.give(groups, &context)
    }

    /// Share of the solutions that this step's answers begin with.
    pub(super) fn given(&self) -> f64 {
        match self.algorithm.method().curriculum() {
            Some(_) => self.place.memory.given.unwrap_or(1.0),
            None => 0.0,
        }
    }

    /// Moves the curriculum by the pass rate of what was sampled.
    pub(super) fn advance_curriculum(&mut self, groups: &[Group]) {
        let Some(curriculum) = self.algorithm.method().curriculum() else { return };
        let is_first = |group: &&Group| group.turn == 0 && !group.is_logged;
        let first = || groups.iter().filter(is_first).flat_map(|group| &group.trajectories);
        if first().next().is_none() {
            return;
        }
        let passed = first().filter(|one| one.is_passed()).count() as f64 / first().count() as f64;
        self.place.memory.given = Some(curriculum.next(self.given(), passed));
    }

    /// What the step learns from: its own groups, or as many drawn from the buffer that they enter.
    pub(super) fn through_buffer(&mut self, fresh: Vec<TrainGroup>) -> Vec<TrainGroup> {
        let length = self.algorithm.method().buffer_groups();
        if length == 0 {
            return fresh;
        }
        // What lies there was sampled by earlier policies; what enters is the policy's own and must agree with it.
        self.buffer.iter_mut().for_each(|group| group.is_logged = true);
        self.buffer.extend(fresh);
        self.buffer.drain(..self.buffer.len().saturating_sub(length));
        if self.buffer.is_empty() {
            tracing::warn!(
                "step {}: the buffer is empty, for no group so far had anything to learn from\n\
                 hint: try easier tasks, or a larger group_size",
                self.place.step + 1
            );
            return Vec::new();
        }
        let key = mix(self.config.seed ^ mix(self.place.step));
        let place = |index: usize| mix(key ^ index as u64) as usize % self.buffer.len();
        (0..self.config.prompts_per_step).map(|index| self.buffer[place(index)].clone()).collect()
    }

    /// Of the pairs kept aside, how many the value head puts in order, now and then and after the last step.
    pub(super) fn rank_held_out(&mut self) -> Result<Option<(usize, usize)>, RlError> {
        let is_due = self.place.step.is_multiple_of(RANKING_EVERY) || self.place.step == self.config.steps;
        if self.held_out.is_empty() || !is_due {
            return Ok(None);
        }
        let (method, decode) = (self.algorithm.method(), self.codec.decode);
        let groups: Vec<&Group> = self.held_out.iter().collect();
        let step = self.place.step;
        let batch = score(self.network, &self.reference, &self.config, method, decode, &groups, step)?;
        let add = |sum: (usize, usize), group| {
            let (right, pairs) = method.ranking(group);
            (sum.0 + right, sum.1 + pairs)
        };
        Ok(Some(batch.iter().map(Vec::as_slice).fold((0, 0), add)).filter(|(_, pairs)| *pairs > 0))
    }

    /// Refuses to go on with a policy that one step moved out of sight of the one that sampled.
    pub(super) fn check_divergence(&self, sums: &UpdateSums, batch: &[TrainGroup]) -> Result<(), RlError> {
        let limit = self.config.kl_limit;
        let divergence = sums.divergence / sums.tokens.max(1) as f64;
        if limit == 0.0 || divergence <= limit || batch.iter().any(|group| group.is_logged) {
            return Ok(());
        }
        Err(RlError::Diverged { step: self.place.step + 1, divergence, limit })
    }
}
