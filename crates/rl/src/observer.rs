//! Who watches a run: progress for a terminal, numbers and trajectories for a run directory. Nothing an observer does
//! can change a number; it can only end the run.

use std::borrow::Cow;

use crate::trajectory::Group;

/// What an observer may fail with.
pub type ObserverError = Box<dyn std::error::Error + Send + Sync>;

/// What the loop is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Sampling; executions run beside it.
    Rollout,
    /// Waiting for the last executions.
    Execution,
    /// Forward and backward.
    Update,
}

/// Where the run is at this moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// The step that is being made, from 1.
    pub step: u64,
    /// Steps of the run.
    pub steps: u64,
    /// What is being done.
    pub stage: Stage,
    /// Parts of the stage that are done: completions, executions or micro-batches.
    pub done: usize,
    /// Parts of the stage in all.
    pub total: usize,
    /// Tokens sampled in this step so far.
    pub tokens: usize,
}

/// What one step did.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    /// The step, from 1: steps done.
    pub step: u64,
    /// Steps of the run.
    pub steps: u64,
    /// Numbers that depend on recipe and seed only; names as in `hone_runlog::metric`.
    pub metrics: Vec<(Cow<'static, str>, f64)>,
    /// Numbers that depend on the clock.
    pub timings: Vec<(Cow<'static, str>, f64)>,
    /// Everything that was sampled, also what was dropped, in the order it was drawn.
    pub groups: Vec<Group>,
    /// Seconds of the run so far, also those before a resume.
    pub elapsed_s: f64,
}

impl StepReport {
    /// A metric or timing by name.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.metrics.iter().chain(&self.timings).find(|(found, _)| *found == name).map(|(_, value)| *value)
    }
}

/// Callbacks of a run. `()` watches nothing.
pub trait Observer {
    /// Called often; should be quick.
    fn on_progress(&mut self, _progress: &Progress) {}

    /// Called after every step, before its checkpoint; an error ends the run.
    fn on_step(&mut self, _report: &StepReport) -> Result<(), ObserverError> {
        Ok(())
    }

    /// Asked between steps: `true` writes a checkpoint and ends the run.
    fn should_stop(&mut self) -> bool {
        false
    }
}

impl Observer for () {}
