//! Evaluations by a scripted network: what is counted, in which order, and how failures are told.

mod benchmarks;
mod coverage;
mod efficiency;
mod endpoint;
mod evaluating;
mod mutation;
mod reporting;
mod scripted;
mod search;
mod sql;
mod translated;
mod twins;
mod vectors;
