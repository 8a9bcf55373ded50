//! One run directory: resolved recipe, seed, commit, machine, metrics, trajectories, report.
//!
//! Never here: influence on a run. What is written is read again by the report and by `hone resume`'s
//! truncation, never by the training itself.
//!
//! In reading order: [`RunDir`] (what lies where, who may write), [`Manifest`] (what makes a run repeatable),
//! [`MetricsWriter`] (numbers a step, as JSONL and TensorBoard events), [`TrajectoryRecord`] (what was sampled
//! and what became of it), [`monitor`] (what of it is suspicious), [`report`] (all of it on one page), [`summary`] (the shortest form, for a terminal).

mod alert;
mod atomic;
mod error;
mod jsonl;
mod machine;
mod manifest;
pub mod metric;
mod metrics;
pub mod monitor;
pub mod report;
mod run_dir;
pub mod summary;
mod switch;
pub mod tensorboard;
mod trajectory;
mod tried;

pub use alert::{Alert, AlertKind, SuspectProgram};
pub use atomic::{AtomicFile, atomic_write};
pub use error::RunlogError;
pub use machine::{Machine, detect_toolchains, utc_now};
pub use manifest::{IsolationRecord, Manifest, ModelSource};
pub use metrics::{MetricRow, MetricsWriter, read_metrics, read_timings};
pub use monitor::{Monitor, MonitorConfig};
pub use run_dir::{Finish, RunDir, RunState};
pub use switch::Switch;
pub use trajectory::{
    ErrorRecord, TrajectoryRecord, read_trajectories, trajectory_files, truncate_trajectories_after,
    write_trajectories,
};
pub use tried::Tried;
