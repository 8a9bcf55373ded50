//! Raw code → documents → tasks. In this first form: tasks, their files, their validation.
//!
//! Never here: tensors.

mod task;

pub use task::{Task, TaskError};
