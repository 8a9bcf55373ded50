//! Metrics of execution and benchmarks: pass@k and its kin with intervals, and the evaluations that produce the counts.
//!
//! Never here: training, or the loop that learns (`hone-rl`); an evaluation needs neither. Metrics of text and code
//! against references are `hone-metrics`.

mod pass_at_k;

mod off_policy;
mod pass_at_t;
mod security;
mod selection;

mod base_tests;
mod bootstrap;
mod parallel;

mod efficiency;
mod eval_config;
mod evaluate;
mod evaluation;
mod levels;
mod summary;
mod table;
mod twins;

pub mod benchmark;
pub mod collect;
pub mod endpoint;
pub mod extraction;
pub mod rating;
pub mod report;
pub mod samples;
pub mod search;
pub mod sql;

pub use base_tests::{base_pass_at, judge_base_tests};
pub use bootstrap::{Interval, bootstrap_mean, bootstrap_mean_with, bootstrap_share};
pub use efficiency::{Efficiency, EfficiencySummary, FastP, LeftOut, measure_efficiency};
pub use eval_config::EvalConfig;
pub use evaluate::{EvalError, Progress, Render, evaluate, evaluate_rest, id_hash};
pub use evaluation::{
    Evaluation, Measurements, Provenance, SampleEvaluation, TaskEvaluation, Timing, paired_difference,
};
pub use levels::{Ladders, LevelScore, LevelSummary, Levels};
pub use off_policy::{LEAST_EFFECTIVE_SAMPLES, Logged, OffPolicyEstimate, off_policy};
pub use pass_at_k::{pass_at_k, pass_at_ks};
pub use pass_at_t::{Attempt, Branch, PassAtT, Strategy, pass_at_turns};
pub use security::{Scanned, SecuritySummary, scan_samples};
pub use selection::{BestOfN, Candidate, Selection, best_of_n, maj_at_k};
pub use summary::{GroupSummary, OutcomeCounts, Summary};
pub use table::{comparison_table, summary_table};
