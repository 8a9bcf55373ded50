//! Which lines of a program its tests executed (StepCoder, arXiv 2402.01391), by running both once more in the sandbox.
//!
//! Not a judge: the program runs in the tracer's process and could lie to it. What comes out may leave tokens out of a loss;
//! the verdict is made before, without it.

use hone_sandbox::{Limits, Sandbox, SandboxError, TestSuite};
use serde_json::json;

const TRACER: &str = include_str!("coverage.py");

/// Lines of a Python program, from 1, that could have been executed and were not. Empty where all were, and where it cannot
/// be measured: a program that does not compile, runs out of time under the tracer or hides from it, and tests of other
/// languages or kinds (unittest suites).
pub(crate) fn missed_lines(
    sandbox: &Sandbox,
    program: &str,
    tests: &TestSuite,
    limits: &Limits,
) -> Result<Vec<u32>, SandboxError> {
    let tests = match tests {
        TestSuite::Joint { tests } => tests.as_ref(),
        other => other,
    };
    if matches!(tests, TestSuite::Program { .. } | TestSuite::Unittest { .. }) {
        return Ok(Vec::new());
    }
    let job = json!({"program": program, "tests": tests}).to_string() + "\n";
    let outcome = sandbox.run(TRACER, job.as_bytes(), limits)?;
    let said = outcome.stdout.trim_end().rsplit('\n').next().unwrap_or_default();
    let lines: Vec<u32> = serde_json::from_str(said).unwrap_or_default();
    let last = u32::try_from(program.lines().count()).unwrap_or(u32::MAX);
    Ok(lines.into_iter().filter(|line| (1..=last).contains(line)).collect())
}
