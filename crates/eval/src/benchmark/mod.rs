//! Public benchmarks in their original files: each one's own prompt, stops, extraction and comparison.
//!
//! A benchmark's file is read into `Problem`s; a problem says how it is asked, how an answer becomes a program, and
//! which tests judge that. What a published harness does by `exec` in its own process, the sandbox does apart; where
//! that changes a rule, the reader's file says so. Not here: sampling (`evaluate.rs`), files of samples (`samples.rs`).

mod catalogue;
mod check;
mod contest;
mod cruxeval;
mod evalplus;
mod function;
mod infilling;
mod library;
mod measurable;
mod problem;
mod program;
mod published;
mod rows;
mod set;
mod shots;
mod translated;
mod translated_answer;

pub use catalogue::{Benchmark, Pace, Rules, Source, TASK_RULES, benchmarks, find_benchmark};
pub use check::{ReferenceCheck, ReferenceFailure, check_references};
pub(crate) use measurable::Measurable;
pub use problem::{Assembly, FunctionEnd, Problem};
pub(crate) use rows::read_text;
pub use rows::{BenchmarkError, sha256};
pub use set::{BenchmarkSet, PromptStyle};
pub(crate) use set::{judge_timed, limits as limits_of};
pub use shots::{Shot, read_shots, shots_sha256};
