//! The loop on a network small enough to check by hand, and on the real engine.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as the tests themselves do")]

mod engine;
mod loop_checks;
mod resume;
mod tabular;
