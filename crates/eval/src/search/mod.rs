//! Test-time search: tokens spent on an answer before one is given.
//!
//! - *best-of-n*: n samples, one is chosen; *rerank* is the same with the choice by log-prob.
//! - *beam*: the likeliest completions, the best one is given.
//! - *critic*: CodeRL's critic sampling (arXiv 2207.01780, §3.4): a program that passes the visible examples is cut where
//!   the critic is surest that it will pass, and resumed; if none passes, the failing one it thinks most of is repaired.
//! - *repair*: self-repair trees (arXiv 2306.09896): a program that failed is shown with its error and written again.
//!
//! A search sees the visible examples only. The hidden tests judge every attempt, but what they say decides nothing:
//! it is what the choice is measured by. One exception is a setting (`feedback = "tests"`), as in the paper on self-repair.
//!
//! Read in this order: `settings`, `problems` (what a search sees), `proposer` (who writes), `run`, `critic`, `choice`,
//! `result`.

mod choice;
mod critic;
mod network;
mod problems;
mod proposer;
mod result;
mod run;
mod settings;
mod visible;

pub use choice::{Chooser, order};
pub use network::{NetworkProposer, Ranking, Reading};
pub use problems::{SearchProblem, SearchSet};
pub use proposer::{Ask, CriticView, EndpointProposer, Proposal, Proposer};
pub use result::{PassAtTPoint, SearchSummary};
pub use run::{search, search_given};
pub use settings::{Beam, BestOfN, Candidates, CriticSampling, Cut, FeedbackSource, Repair, SearchSettings};
pub use visible::{examples_of_problem, examples_of_task};

use serde::{Deserialize, Serialize};

/// What a search knows of an attempt, beside what an evaluation knows of any sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempted {
    /// Place in the order of submission; 0 is the answer that is given.
    pub rank: usize,
    /// How it came about.
    pub stage: Stage,
    /// The attempt it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<usize>,
    /// Round of the dialogue it was written in, from 1.
    pub turn: usize,
    /// Whether it passes the visible examples; absent where a problem shows none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passes_examples: Option<bool>,
    /// Digest of what it answers to generated inputs; empty if unknown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub behaviour: String,
    /// Σ ln p of its tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprob: Option<f64>,
    /// What the critic thinks of the whole program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub critic: Option<f64>,
    /// Attempts of its problem in all: fewer rows mean that the search was interrupted.
    pub attempts: usize,
}

/// How an attempt came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Sampled from the problem alone.
    Sampled,
    /// Resumed from the beginning of another.
    Refined,
    /// Written after another had failed.
    Repaired,
}
