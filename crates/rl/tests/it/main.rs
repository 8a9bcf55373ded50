//! The loop on a network small enough to check by hand, and on the real engine.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as the tests themselves do")]

mod alphabet;
mod b_coder;
mod documentation;
mod engine;
mod heard;
mod invariance;
mod learning;
mod loop_checks;
mod offline;
mod resume;
mod rewards;
mod tabular;
mod turns;
