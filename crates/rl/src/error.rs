//! Why a run could not start or go on. A wrong program of the policy is never among these.

use hone_environment::EnvironmentError;
use hone_model::ModelError;
use hone_train::{CheckpointError, ConfigError, TrainError};

use crate::algorithms::AlgorithmError;
use crate::observer::ObserverError;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum RlError {
    /// A setting makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The network failed.
    #[error("network failed at step {step} while {stage}: {source}")]
    Network {
        /// The step.
        step: u64,
        /// What it was doing.
        stage: &'static str,
        /// The cause.
        source: ModelError,
    },
    /// A prompt could not be turned into tokens.
    #[error("failed to render the prompt of task {task}: {source}")]
    Render {
        /// The task.
        task: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The environment (not the policy's program) failed.
    #[error("step {step}, task {task}, sample {sample}: {source}")]
    Environment {
        /// The step.
        step: u64,
        /// The task.
        task: String,
        /// The sample.
        sample: usize,
        /// The cause.
        source: EnvironmentError,
    },
    /// Sampling and training disagree on a token's probability: the engine is broken.
    #[error(
        "log-prob of step {step}, task {task}, sample {sample}, token {token} is {trainer:?} in training but was \
         {sampler:?} in sampling, at the same weights\n\
         hint: this is a defect of the engine; please report it with the recipe and the machine"
    )]
    LogprobMismatch {
        /// The step.
        step: u64,
        /// The task.
        task: String,
        /// The sample.
        sample: usize,
        /// Index of the token in the completion.
        token: usize,
        /// What the sampler said.
        sampler: f32,
        /// What the forward pass says.
        trainer: f32,
    },
    /// A number that should be finite is not.
    #[error(
        "{quantity} is {value} at step {step}, update {update}, task {task}\n\
         hint: lower the learning rate, or clip gradients harder; the last checkpoint is intact"
    )]
    NonFinite {
        /// What.
        quantity: &'static str,
        /// What it is instead.
        value: f64,
        /// The step.
        step: u64,
        /// Which update within the step; 0 while sampling.
        update: usize,
        /// The task.
        task: String,
    },
    /// One step moved the policy too far.
    #[error(
        "the policy left the one that sampled at step {step}: their KL is {divergence:.3} nats a token, at most {limit} \
         is allowed\nhint: lower the learning rate or the number of updates a batch, or set trainer.kl_limit = 0 to go on; \
         the last checkpoint is intact"
    )]
    Diverged {
        /// The step.
        step: u64,
        /// Mean over its trained tokens of k3.
        divergence: f64,
        /// `trainer.kl_limit`.
        limit: f64,
    },
    /// The algorithm cannot work with the batch.
    #[error(transparent)]
    Algorithm(#[from] AlgorithmError),
    /// The update failed.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A checkpoint could not be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint is intact but belongs to another run.
    #[error("cannot resume from {path}: {message}")]
    Resume {
        /// The checkpoint.
        path: String,
        /// What does not fit.
        message: String,
    },
    /// Whoever watches the run failed, such as a full disk under its log.
    #[error("failed to record step {step}: {source}")]
    Observer {
        /// The step.
        step: u64,
        /// The cause.
        source: ObserverError,
    },
}
