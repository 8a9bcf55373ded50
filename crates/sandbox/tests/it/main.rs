//! The sandbox from outside: plain runs, judged runs, and what becomes of the machine.

mod catalogue;
mod cost;
mod crowds;
mod early;
mod forks;
mod honest;
mod hostile;
mod languages;
mod lifecycle;
mod limits;
mod loops;
mod modes;
mod references;
mod test_programs;

use hone_sandbox::{Limits, Outcome, Sandbox, SandboxConfig};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// One sandbox for all tests of this process.
fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| {
        Sandbox::start(SandboxConfig { workers: 2, ..SandboxConfig::default() })
            .expect("strict isolation works here")
    })
}

/// For tests that keep every core busy, or need one that nobody does: one of them at a time.
fn every_core() -> MutexGuard<'static, ()> {
    static EVERY_CORE: Mutex<()> = Mutex::new(());
    EVERY_CORE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(source: &str) -> Outcome {
    sandbox().run(source, b"", &Limits::default()).expect("the sandbox itself works")
}
