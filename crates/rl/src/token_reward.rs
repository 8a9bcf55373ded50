//! Parts of the reward that depend on tokens and log-probs, beside those an environment gives: added to a sequence's reward
//! when it was sampled, before groups are chosen and credit is given.
//!
//! ```text
//! length    v = −T / L_max
//! overlong  v = −clip((T − (L_max − b L_max)) / (b L_max), 0, 1)     (DAPO, arXiv 2503.14476)
//! kl        v = −Σ_t (log π_old(o_t) − log π_ref(o_t))
//! reward-model  v = what a trained value head says after the last token
//! R ← R + Σ_k w_k v_k
//! ```
//!
//! Logged trajectories keep the rewards of their log.

use std::path::PathBuf;

use hone_environment::RewardValue;
use hone_model::{Adapter, Network};
use hone_train::ConfigError;
use serde::{Deserialize, Serialize};

use crate::algorithms::overlong_penalty;
use crate::config::TrainerConfig;
use crate::error::RlError;
use crate::judge::judge;
use crate::score::forward;
use crate::trajectory::{Group, Trajectory};

/// One part, by its type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum TokenReward {
    /// Every token costs the same.
    Length(Length),
    /// An answer near the length limit is punished, softly.
    Overlong(Overlong),
    /// Distance from the reference model, which is the base under an adapter.
    Kl(Kl),
    /// What a reward model says.
    RewardModel(RewardModelPart),
}

/// `type = "reward-model"`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RewardModelPart {
    /// The run that trained it (`[algorithm] type = "reward-model"`), or one of its checkpoints; relative to the recipe.
    pub path: PathBuf,
    /// w.
    #[serde(default = "one")]
    pub weight: f64,
}

fn one() -> f64 {
    1.0
}

/// `type = "length"`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Length {
    /// w.
    pub weight: f64,
}

impl Default for Length {
    fn default() -> Self {
        Length { weight: 0.1 }
    }
}

/// `type = "overlong"`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Overlong {
    /// w.
    pub weight: f64,
    /// b, part of the limit in which the punishment grows from 0 to 1 (DAPO: 4,096 of 20,480).
    pub buffer: f64,
}

impl Default for Overlong {
    fn default() -> Self {
        Overlong { weight: 1.0, buffer: 0.2 }
    }
}

/// `type = "kl"`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Kl {
    /// w, often called β.
    pub weight: f64,
}

impl Default for Kl {
    fn default() -> Self {
        Kl { weight: 0.001 }
    }
}

impl TokenReward {
    /// Every type's name, in the order of the list.
    pub const TYPES: [&'static str; 4] = ["length", "overlong", "kl", "reward-model"];

    /// What its values are logged under: its type.
    pub fn name(&self) -> &'static str {
        match self {
            TokenReward::Length(_) => "length",
            TokenReward::Overlong(_) => "overlong",
            TokenReward::Kl(_) => "kl",
            TokenReward::RewardModel(_) => "reward-model",
        }
    }

    /// w.
    pub fn weight(&self) -> f64 {
        match self {
            TokenReward::Length(length) => length.weight,
            TokenReward::Overlong(overlong) => overlong.weight,
            TokenReward::Kl(kl) => kl.weight,
            TokenReward::RewardModel(model) => model.weight,
        }
    }

    /// Whether it needs the reference model.
    pub fn needs_reference(&self) -> bool {
        matches!(self, TokenReward::Kl(_))
    }

    /// Whether it needs a network of its own.
    pub fn is_model(&self) -> bool {
        matches!(self, TokenReward::RewardModel(_))
    }

    /// Refuses impossible settings.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let weight = self.weight();
        ConfigError::require(weight.is_finite() && weight != 0.0, "weight", "a number other than 0", weight)?;
        match self {
            TokenReward::Overlong(Overlong { buffer, .. }) => {
                let is_part = *buffer > 0.0 && *buffer <= 1.0;
                ConfigError::require(is_part, "buffer", "above 0 and at most 1", buffer)
            }
            _ => Ok(()),
        }
    }

    /// v of an answer of `tokens` tokens; `said` is the sum of its log-ratios to the reference, or what a model says.
    fn value(&self, tokens: usize, max_tokens: usize, said: f64) -> f64 {
        match self {
            TokenReward::Length(_) => -(tokens as f64) / max_tokens as f64,
            TokenReward::Overlong(Overlong { buffer, .. }) => overlong_penalty(tokens, max_tokens, *buffer),
            TokenReward::Kl(_) => -said,
            TokenReward::RewardModel(_) => said,
        }
    }
}

/// Adds the parts to the rewards of everything that was sampled, greedy answers included.
pub(crate) fn shape(
    network: &mut dyn Network,
    judges: &mut [Box<dyn Network>],
    config: &TrainerConfig,
    parts: &[TokenReward],
    groups: &mut [Group],
    step: u64,
) -> Result<(), RlError> {
    if parts.is_empty() {
        return Ok(());
    }
    let mut greedy: Vec<Group> = groups.iter().filter_map(greedy_alone).collect();
    for groups in [&mut *groups, &mut greedy[..]] {
        let mut judges = judges.iter_mut();
        for part in parts {
            let said = match part {
                TokenReward::Kl(_) => log_ratios(network, config, groups, step)?,
                TokenReward::RewardModel(_) => match judges.next() {
                    Some(model) => judge(model.as_mut(), config, groups, step)?,
                    None => unreachable!("there are as many networks as reward models"),
                },
                _ => groups.iter().map(|group| vec![0.0; group.trajectories.len()]).collect(),
            };
            for (group, said) in groups.iter_mut().zip(said) {
                for (trajectory, said) in group.trajectories.iter_mut().zip(said) {
                    add(part, trajectory, config.sampling.max_new_tokens, said);
                }
            }
        }
    }
    for (group, shaped) in groups.iter_mut().filter(|group| group.greedy.is_some()).zip(greedy) {
        group.greedy = shaped.trajectories.into_iter().next();
    }
    Ok(())
}

/// A group of the greedy answer.
fn greedy_alone(group: &Group) -> Option<Group> {
    let greedy = group.greedy.clone()?;
    Some(Group { trajectories: vec![greedy], greedy: None, ..group.clone() })
}

fn add(part: &TokenReward, trajectory: &mut Trajectory, max_tokens: usize, said: f64) {
    let value = part.value(trajectory.tokens.len(), max_tokens, said);
    trajectory.reward += part.weight() * value;
    trajectory.parts.push(RewardValue { name: part.name().to_string(), value });
}

/// Σ_t log π_old − log π_ref, `[group][sample]`; 0 for an answer without tokens.
fn log_ratios(
    network: &mut dyn Network,
    config: &TrainerConfig,
    groups: &[Group],
    step: u64,
) -> Result<Vec<Vec<f64>>, RlError> {
    let borrowed: Vec<&Group> = groups.iter().collect();
    let reference = forward(network, config, &borrowed, Adapter::Off, step)?.logprobs;
    let sum = |row: &[f32]| row.iter().map(|logprob| f64::from(*logprob)).sum::<f64>();
    let ratios = |(group, rows): (&Group, Vec<Vec<f32>>)| {
        let mut rows = rows.into_iter();
        let ratio = |trajectory: &Trajectory| match trajectory.tokens.is_empty() {
            true => 0.0,
            false => sum(&trajectory.logprobs) - rows.next().map_or(0.0, |row| sum(&row)),
        };
        group.trajectories.iter().map(ratio).collect()
    };
    Ok(groups.iter().zip(reference).map(ratios).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// L_max 20, buffer 4: 16 tokens cost nothing, 18 half, 20 all (DAPO's numbers in thousands); KL is minus the sum.
    #[test]
    fn golden() {
        let overlong = TokenReward::Overlong(Overlong::default());
        assert_eq!([16, 18, 20].map(|tokens| overlong.value(tokens, 20, 0.0)), [-0.0, -0.5, -1.0]);
        assert_eq!(TokenReward::Length(Length::default()).value(5, 20, 0.0), -0.25);
        assert_eq!(TokenReward::Kl(Kl::default()).value(5, 20, 1.5), -1.5);
    }

    #[test]
    fn settings_are_strict() {
        let read = |text: &str| serde_json::from_str::<TokenReward>(text);
        assert_eq!(read(r#"{"type": "kl", "weight": 0.1}"#).unwrap().weight(), 0.1);
        assert!(read(r#"{"type": "kl", "beta": 0.1}"#).unwrap_err().to_string().contains("`weight`"));
        let message = |part: TokenReward| part.validate().unwrap_err().to_string();
        let buffer = Overlong { buffer: 1.5, ..Overlong::default() };
        assert_eq!(message(TokenReward::Overlong(buffer)), "`buffer` must be above 0 and at most 1, got 1.5");
        let free = TokenReward::Length(Length { weight: 0.0 });
        assert_eq!(message(free), "`weight` must be a number other than 0, got 0");
    }
}
