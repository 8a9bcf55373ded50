//! Raw code → documents → tasks. In this first form: tasks, their files, their validation and
//! audit, their likeness.
//!
//! Never here: tensors.

mod task;
mod task_file;

pub mod audit;
mod benchmark;
mod fields;
mod near_duplicates;
mod preferences;
pub mod python;
mod validation;

pub use near_duplicates::{NEAR_DUPLICATE_JACCARD, near_duplicates, near_duplicates_within, task_similarity};
pub use preferences::{Preferences, PreferencesError, ScoredAnswer};
pub use task::{Task, TaskError};
pub use validation::{Validation, validate, validate_all};
