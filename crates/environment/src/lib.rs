//! Task → episode: observation, step, verifier, reward. An environment sees text, never tensors or token ids.

mod environment;

mod code;
mod coverage;
mod feedback;
mod program;
mod reward;
pub mod toy;

pub use code::{CodeEnvironmentConfig, CodeEnvironmentSet};
pub use environment::{
    Environment, EnvironmentError, EnvironmentSet, Message, Observation, Role, Step, Verdict,
};
pub use feedback::Feedback;
pub use program::extract_program;
pub use reward::{
    Grader, GraderError, Graders, Judged, OutcomeClasses, Plain, RewardPart, RewardValue, check_rewards,
};
