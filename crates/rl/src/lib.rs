//! The loop: rollout → execute → reward → advantage → update; one file per algorithm.
//!
//! Never here: the name of any environment, tokenizers, tensors. In reading order: [`Trajectory`] (the record of a
//! rollout), [`algorithms`] (pure functions on numbers), [`Trainer`] (the loop), [`Observer`] (who watches it).
//! `examples/rl_loop.rs` is the same idea in one short file.

mod trajectory;

pub mod algorithms;

mod config;
mod error;
mod feedback;
mod gold;
mod judge;
mod log;
mod metrics;
mod observer;
mod order;
mod reference;
mod rollout;
mod round;
mod score;
mod token_reward;
mod trainer;
mod update;

pub use algorithms::Algorithm;
pub use config::TrainerConfig;
pub use error::RlError;
pub use observer::{Observer, ObserverError, Progress, Stage, StepReport};
pub use rollout::{Encode, Render, TextCodec};
pub use token_reward::{Kl, Length, Overlong, RewardModelPart, TokenReward};
pub use trainer::{RunSummary, StopCause, Trainer};
pub use trajectory::{Group, Trajectory};
