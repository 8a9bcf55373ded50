//! Where a step's groups come from: sampled from the policy as it is, taken from a log, or some of each.
//!
//! Offline, every group is of the log. From offline to online (RLPD, arXiv 2302.02948, replays half), the first
//! `offline_steps` are of the log alone; then a share of `replay_fraction` of each step's tasks is, and the rest is sampled.
//! A replayed group keeps the log-probs it was logged with, so its ratios are those to the policy that sampled it.

use hone_model::Network;

use super::Trainer;
use crate::error::RlError;
use crate::observer::{Observer, Progress};
use crate::rollout::{RolloutContext, RolloutCost, give_returns, rollout};
use crate::score::samples;
use crate::token_reward::shape;
use crate::trajectory::Group;

/// Draws of the log are told from draws of tasks by this bit: episodes of both may be in one batch.
const LOGGED_DRAW: u64 = 1 << 63;

/// What a step learns from.
#[derive(Default)]
pub(super) struct Drawn {
    /// Everything that was sampled or taken from the log.
    pub(super) groups: Vec<Group>,
    /// Those with signal.
    pub(super) kept: Vec<usize>,
    /// Samplings made to fill the batch.
    pub(super) rounds: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Log,
    Policy,
}

impl Trainer<'_> {
    /// Draws until the batch is full of groups with signal, or the rounds are used up.
    pub(super) fn draw(
        &mut self,
        cost: &mut RolloutCost,
        observer: &mut dyn Observer,
    ) -> Result<Drawn, RlError> {
        let mut drawn = Drawn::default();
        let logged = self.logged_tasks();
        self.fill(Source::Log, logged, &mut drawn, cost, observer)?;
        let of_the_log = drawn.kept.len();
        self.fill(Source::Policy, self.config.prompts_per_step - logged, &mut drawn, cost, observer)?;
        drawn.kept = interleaved(&drawn.kept[..of_the_log], &drawn.kept[of_the_log..]);
        Ok(drawn)
    }

    /// How many of this step's tasks are taken from the log.
    fn logged_tasks(&self) -> usize {
        let all = self.config.prompts_per_step;
        match self.config.replay_fraction {
            _ if self.log.is_empty() => 0,
            _ if self.place.step < self.config.offline_steps => all,
            fraction => ((fraction * all as f64).ceil() as usize).min(all),
        }
    }

    fn fill(
        &mut self,
        source: Source,
        tasks: usize,
        drawn: &mut Drawn,
        cost: &mut RolloutCost,
        observer: &mut dyn Observer,
    ) -> Result<(), RlError> {
        let (mut kept_tasks, mut rounds) = (0, 0);
        while kept_tasks < tasks && rounds < self.algorithm.method().sampling_rounds() {
            let missing = tasks - kept_tasks;
            let mut groups = match source {
                Source::Log => self.replay(missing),
                Source::Policy => self.sample(missing, cost, observer)?,
            };
            self.give_gold(&mut groups)?;
            for group in groups {
                let method = self.algorithm.method();
                // Of a later turn there may be one answer only, which some methods cannot compare with anything.
                let can_compare = group.turn == 0 || group.trajectories.len() > 1 || method.can_learn_alone();
                let max_tokens = self.config.sampling.max_new_tokens;
                if can_compare && method.has_signal(&samples(&group, max_tokens)) {
                    kept_tasks += usize::from(group.turn == 0);
                    drawn.kept.push(drawn.groups.len());
                }
                drawn.groups.push(group);
            }
            rounds += 1;
        }
        drawn.rounds = drawn.rounds.max(rounds);
        Ok(())
    }

    /// The next groups of the log, in an order of the seed.
    fn replay(&mut self, count: usize) -> Vec<Group> {
        let Some(order) = &mut self.log_order else { return Vec::new() };
        let positions = self.place.log_position..self.place.log_position + count as u64;
        self.place.log_position = positions.end;
        let mut replayed = |position: u64| {
            let group = self.log[order.draw(position).task].clone();
            Group { draw: group.draw | LOGGED_DRAW, ..group }
        };
        positions.map(&mut replayed).collect()
    }

    /// Groups of the next tasks, sampled from the policy and judged.
    fn sample(
        &mut self,
        count: usize,
        cost: &mut RolloutCost,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Group>, RlError> {
        let positions = self.place.position..self.place.position + count as u64;
        self.place.position = positions.end;
        let draws: Vec<_> = positions.map(|position| self.order.draw(position)).collect();
        let context = RolloutContext {
            config: &self.config,
            environments: self.environments,
            codec: self.codec,
            step: self.place.step,
            policy_version: self.place.updates,
            has_greedy: self.algorithm.method().needs_greedy(),
            given: self.given(),
        };
        let on_progress = &mut |progress: &Progress| observer.on_progress(progress);
        let network: &mut dyn Network = self.network;
        let mut sampled = rollout(network, &context, &draws, cost, on_progress)?;
        sampled.iter().try_for_each(|group| require_finite(group, self.place.step + 1))?;
        let (parts, judges) = (&self.token_rewards, &mut self.judges);
        shape(network, judges, &self.config, parts, &mut sampled, self.place.step)?;
        let (method, gamma) = (self.algorithm.method(), self.config.turn_gamma);
        give_returns(&mut sampled, &|rewards| method.turn_return(rewards, gamma));
        Ok(sampled)
    }
}

/// Refuses what a network sampled whose numbers are none; rewards of it would all be alike, and nothing else would tell.
fn require_finite(group: &Group, step: u64) -> Result<(), RlError> {
    let logprobs = group.trajectories.iter().flat_map(|one| &one.logprobs);
    match logprobs.copied().find(|logprob| !logprob.is_finite()) {
        None => Ok(()),
        Some(value) => Err(RlError::NonFinite {
            quantity: "log-prob of a sampled token",
            value: f64::from(value),
            step,
            update: 0,
            task: group.task.clone(),
        }),
    }
}

/// Both in order and spread evenly among each other, so that every mini-batch has its share of each.
fn interleaved(first: &[usize], second: &[usize]) -> Vec<usize> {
    let spread = |part: &[usize]| -> Vec<(f64, usize)> {
        let place = |index: usize| (index as f64 + 0.5) / part.len() as f64;
        part.iter().enumerate().map(|(index, &group)| (place(index), group)).collect()
    };
    let mut all = [spread(first), spread(second)].concat();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    all.into_iter().map(|(_, group)| group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stretch_of_a_mixed_batch_has_its_share() {
        assert_eq!(interleaved(&[0, 1], &[2, 3, 4, 5]), [2, 0, 3, 4, 1, 5]);
        assert_eq!(interleaved(&[], &[0, 2, 5]), [0, 2, 5]);
        assert_eq!(interleaved(&[0, 1, 2], &[]), [0, 1, 2]);
    }
}
