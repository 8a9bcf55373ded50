//! Tests of the dataset crate against the sandbox and the task files.

mod audit;
mod benchmarks;
mod committed_tasks;
mod hostile;
mod validation;

use hone_sandbox::{Isolation, Limits, Sandbox, SandboxConfig};

/// A sandbox with what this machine offers: the tasks judged here are our own.
fn sandbox() -> Sandbox {
    let config = SandboxConfig { isolation: Isolation::Standard, ..SandboxConfig::default() };
    Sandbox::start(config).expect("the sandbox starts")
}

fn limits() -> Limits {
    Limits { cpu_ms: 4_000, wall_ms: 20_000, ..Limits::default() }
}
