//! Running untrusted programs: limits, isolation, toolchains, outcome.
//!
//! Never here: tensors, rewards, tasks.

mod judge;
mod limits;
mod outcome;
mod pool;

pub use judge::{JudgeMode, Judgement, Submission, TestResult, TestSuite};
pub use limits::{Isolation, Limits};
pub use outcome::{Outcome, OutcomeClass, ProgramError};
pub use pool::{Sandbox, SandboxConfig, SandboxError};
