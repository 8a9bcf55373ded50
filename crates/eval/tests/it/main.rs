//! Evaluations by a scripted network: what is counted, in which order, and how failures are told.

mod benchmarks;
mod endpoint;
mod evaluating;
mod reporting;
mod scripted;
mod search;
