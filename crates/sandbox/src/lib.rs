//! Running untrusted programs: limits, isolation, toolchains, outcome.
//!
//! Never here: tensors, rewards, tasks.

mod sandbox;

mod cost;
mod judge;
mod language;
mod limits;
mod outcome;
mod pool;
mod program;
mod queue;

#[doc(hidden)]
pub mod hostile;

mod cgroup;
mod company;
mod compile_cache;
mod crush;
mod layers;
mod limit_hit;
mod meter;
mod perf;
mod root;
mod run;
mod seccomp;
mod spawn;
mod stdio;
mod supervise;
mod toolchain;
mod verdict;
mod zygote;

pub use layers::{LayerReport, probe};
pub use stdio::{Compare, StdioCase};
pub use toolchain::{Toolchain, toolchains};

pub use cost::{
    Comparison, Cost, CostMethod, CostMethodReport, CostProgram, CostUnit, Measured, cost_methods,
};
pub use judge::{CallCase, CallRule, JudgeMode, Judgement, Submission, TestResult, TestSuite};
pub use language::Language;
pub use limits::{Isolation, Limits};
pub use outcome::{LimitHit, LimitName, Outcome, OutcomeClass, ProgramError};
pub use pool::{SandboxConfig, SandboxError};
pub use queue::{Queue, Ticket};
pub use sandbox::{Compiled, Done, Program, Remote, Run, Sandbox, Work};
