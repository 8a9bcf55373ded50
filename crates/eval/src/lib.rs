//! Metrics and benchmarks: pass@k with intervals, and the evaluation that produces the counts.
//!
//! Never here: training, or the loop that learns (`hone-rl`); an evaluation needs neither.

mod pass_at_k;

mod bootstrap;

mod evaluate;
mod evaluation;
mod summary;
mod table;

pub use bootstrap::{Interval, bootstrap_mean, bootstrap_mean_with};
pub use evaluate::{EvalConfig, EvalError, Progress, Render, evaluate};
pub use evaluation::{Evaluation, SampleEvaluation, TaskEvaluation, Timing, paired_difference};
pub use pass_at_k::pass_at_k;
pub use summary::{GroupSummary, OutcomeCounts, Summary};
pub use table::{comparison_table, summary_table};
