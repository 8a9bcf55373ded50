//! Evaluations by a scripted network: what is counted, in which order, and how failures are told.

mod evaluating;
mod reporting;
mod scripted;
