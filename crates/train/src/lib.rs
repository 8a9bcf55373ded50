//! Gradients without rollouts: schedule, gradient clipping, optimizer, checkpoints.
//!
//! Never here: environments, sampling.

mod checkpoint;
mod error;
mod gradients;
mod optimizer;
mod schedule;
mod tensors;

pub use checkpoint::{Checkpoint, CheckpointError, CheckpointStore, FORMAT_VERSION};
pub use error::{ConfigError, TrainError};
pub use gradients::{check_finite, global_norm};
pub use optimizer::{AdamW, OptimizerConfig, UpdateReport};
pub use schedule::Schedule;
pub use tensors::NamedTensor;
