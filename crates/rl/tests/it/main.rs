//! The loop on a network small enough to check by hand, and on the real engine.

mod engine;
mod loop_checks;
mod resume;
mod tabular;
