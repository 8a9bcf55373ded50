//! One run directory: resolved config, seed, commit, hardware, metrics, trajectories, report.
//!
//! Never here: influence on a run.
