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
pub use feedback::{Feedback, describe_failure};
pub use program::{extract_program, program_of_code};
pub use reward::{
    Assessors, Efficiencies, Efficiency, EfficiencyError, Findings, Grader, GraderError, Graders, Judged,
    NoScanner, OutcomeClasses, Plain, RewardPart, RewardValue, Scanner, Security, SecurityFinding, Severity,
    check_rewards,
};
