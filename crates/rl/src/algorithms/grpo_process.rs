//! GRPO with process supervision (DeepSeekMath, arXiv 2402.03300, section 4.1.3), iterative if the reference is moved
//! (section 4.1.4): every step of an answer has a reward, and a token is worth what the steps from its own on earned.
//!
//! ```text
//! r̃_ij = (r_ij − mean(r)) / std(r)           over all steps j of all answers i to a prompt
//! A_it = Σ_{steps j that end at or after t} r̃_ij
//! L    = 1/N · Σ_i 1/|o_i| · Σ_t [ max(−A r, −A clip(r, 1−ε, 1+ε)) + β k3(π, π_ref) ]
//! π_ref ← π every `reference_every` steps    (iterative GRPO; 0 keeps the base)
//! ```
//!
//! | symbol | here |
//! |---|---|
//! | r_ij | the environment's reward of a turn: `Sample::turn_rewards` of the episode, one a step |
//! | A_it | `Credit::advantages` of the turn's sequence |
//! | r, ε, β | π / π_old of a token, `clip`, `kl_coefficient` |
//! | std | with N − 1, and 1e-4 added |
//!
//! The paper's steps are lines judged by a process reward model. Here a step is a turn, judged by execution: in a repair
//! episode (`environment.turns` above 1) the first program has a reward of its own, and so has each correction. With one
//! turn it is the paper's outcome supervision. The paper trains its reward model anew in each iteration; executions need
//! no training. Defaults: β 0.04 as printed, ε 0.2 by convention (not printed). A group of one is an error.

use std::collections::BTreeMap;

use hone_train::ConfigError;
use serde::{Deserialize, Serialize};

use super::{
    Aggregation, AlgorithmError, ClipRange, Credit, Method, Sample, Sequence, SequenceLoss, Totals,
    add_divergence, clipped_surrogate, require_at_least_zero, require_group_size, token_loss,
};

const EPSILON: f64 = 1e-4;

/// Settings of GRPO with process supervision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GrpoProcess {
    /// ε, below and above.
    pub clip: f64,
    /// β, weight of the KL to the reference in the loss.
    pub kl_coefficient: f64,
    /// Steps after which the reference becomes the policy as it is then; 0 keeps the base model.
    pub reference_every: u64,
}

impl Default for GrpoProcess {
    fn default() -> Self {
        GrpoProcess { clip: 0.2, kl_coefficient: 0.04, reference_every: 0 }
    }
}

impl Method for GrpoProcess {
    fn validate(&self, group_size: usize) -> Result<(), ConfigError> {
        require_group_size(group_size, "grpo-process")?;
        ConfigError::require((0.0..1.0).contains(&self.clip), "clip", "in [0, 1)", self.clip)?;
        require_at_least_zero(&[("kl_coefficient", self.kl_coefficient)])
    }

    fn needs_reference(&self) -> bool {
        self.kl_coefficient > 0.0
    }

    fn reference_every(&self) -> u64 {
        self.reference_every
    }

    /// Later turns are compared with all turns of their task.
    fn can_learn_alone(&self) -> bool {
        true
    }

    fn credit(&self, batch: &[Vec<Sample>]) -> Result<Vec<Vec<Credit>>, AlgorithmError> {
        let scales = scales(batch)?;
        let credit = |sample: &Sample| {
            let (mean, deviation) = scales[&sample.draw];
            let advantage = sample.turn_rewards.iter().map(|reward| (reward - mean) / deviation).sum();
            let (advantages, is_in_loss) = (vec![advantage; sample.tokens], sample.tokens > 0);
            Credit { advantages, is_in_loss, ..Credit::default() }
        };
        Ok(batch.iter().map(|group| group.iter().map(credit).collect()).collect())
    }

    fn loss(&self, group: &[Sequence<'_>], totals: &Totals) -> Vec<SequenceLoss> {
        let clip = ClipRange { low: self.clip, high: self.clip, dual: None };
        let loss = |sequence: &Sequence<'_>| {
            let weight = Aggregation::SequenceMeanTokenMean.token_weight(sequence.len(), totals);
            let mut loss = token_loss(sequence, weight, |log_ratio, advantage| {
                clipped_surrogate(log_ratio, advantage, clip)
            });
            add_divergence(&mut loss, sequence, weight, self.kl_coefficient);
            loss
        };
        group.iter().map(loss).collect()
    }
}

/// Mean and deviation of all step rewards of each drawing of a task. An episode's first turn has them all.
fn scales(batch: &[Vec<Sample>]) -> Result<BTreeMap<u64, (f64, f64)>, AlgorithmError> {
    let mut episodes: BTreeMap<u64, Vec<&Sample>> = BTreeMap::new();
    for sample in batch.iter().flatten() {
        episodes.entry(sample.draw).or_default().push(sample);
    }
    let scale = |(draw, samples): (u64, Vec<&Sample>)| {
        let first = samples.iter().map(|sample| sample.turn).min().unwrap_or(0);
        let firsts: Vec<&&Sample> = samples.iter().filter(|sample| sample.turn == first).collect();
        if firsts.len() < 2 {
            let message = format!("a group has at least 2 samples, found {}", firsts.len());
            return Err(AlgorithmError { algorithm: "grpo-process", message });
        }
        let rewards: Vec<f64> = firsts.iter().flat_map(|sample| &sample.turn_rewards).copied().collect();
        let mean = rewards.iter().sum::<f64>() / rewards.len() as f64;
        let squares: f64 = rewards.iter().map(|reward| (reward - mean).powi(2)).sum();
        Ok((draw, (mean, (squares / (rewards.len() - 1).max(1) as f64).sqrt() + EPSILON)))
    };
    episodes.into_iter().map(scale).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Case, check_finite_differences, check_on_policy, check_order, near, sample};
    use super::*;

    fn episode(rewards: &[f64], turn: usize) -> Sample {
        Sample { turn_rewards: rewards[turn..].to_vec(), turn, ..sample(rewards[turn], 2) }
    }

    fn first(credits: &[Credit]) -> Vec<f64> {
        credits.iter().map(|credit| credit.advantages[0]).collect()
    }

    /// By hand. Two episodes of a task with step rewards [0, 1] and [1]: mean 2/3, deviation √(1/3). The first answer of
    /// the first episode is worth both of its steps, its correction the second alone.
    #[test]
    fn golden() {
        let batch = [vec![episode(&[0.0, 1.0], 0), episode(&[1.0], 0)], vec![episode(&[0.0, 1.0], 1)]];
        let credits = GrpoProcess::default().credit(&batch).unwrap();
        let deviation = (1.0f64 / 3.0).sqrt() + EPSILON;
        let (bad, good) = (-2.0 / 3.0 / deviation, 1.0 / 3.0 / deviation);
        near(&first(&credits[0]), &[bad + good, good]);
        near(&first(&credits[1]), &[good]);
        // One turn each: outcome supervision, by an independent script.
        let group: Vec<Sample> = [1.0, 0.0, 0.0, 1.0, 0.0].map(|reward| episode(&[reward], 0)).to_vec();
        let (up, down) = (1.095_245_151_5, -0.730_163_434_3);
        let found = first(&GrpoProcess::default().credit(&[group]).unwrap()[0]);
        assert!(found.iter().zip([up, down, down, up, down]).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?}");
    }

    #[test]
    fn losses() {
        let plain = GrpoProcess { kl_coefficient: 0.0, ..GrpoProcess::default() };
        check_on_policy(&plain, Aggregation::SequenceMeanTokenMean);
        let groups = [
            vec![Case::new(&[0.0, 0.1, 0.3], 0.6), Case::new(&[-0.3, 0.1], -0.4)],
            vec![Case::new(&[0.0, 0.2], 1.0)],
        ];
        check_finite_differences(&GrpoProcess::default(), &groups);
        check_order(&GrpoProcess::default(), &groups);
    }
}
