//! Which attempt is given: the order of submission by each chooser.

use serde::{Deserialize, Serialize};

use crate::selection::{Candidate, Selection};
use crate::{SampleEvaluation, search::Attempted};

/// What decides. Of equals, the attempt that was made first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Chooser {
    /// Nothing: the order of making (of a beam, the order of its scores).
    First,
    /// Attempts that pass the visible examples come first.
    Examples,
    /// AlphaCode's: those that pass the examples, one of each behaviour, largest groups first; then the others.
    Clusters,
    /// The behaviour that most attempts have (self-consistency, arXiv 2203.11171).
    Majority,
    /// Largest Σ ln p.
    Logprob,
    /// Largest Σ ln p / length.
    MeanLogprob,
    /// What the critic thinks most of.
    Critic,
    /// Attempts that pass the examples first; among them what the critic thinks most of.
    ExamplesThenCritic,
}

impl Chooser {
    /// All of them.
    pub const ALL: [Chooser; 8] = [
        Chooser::First,
        Chooser::Examples,
        Chooser::Clusters,
        Chooser::Majority,
        Chooser::Logprob,
        Chooser::MeanLogprob,
        Chooser::Critic,
        Chooser::ExamplesThenCritic,
    ];

    /// Its name in settings and tables.
    pub fn name(self) -> &'static str {
        match self {
            Chooser::First => "first",
            Chooser::Examples => "examples",
            Chooser::Clusters => "clusters",
            Chooser::Majority => "majority",
            Chooser::Logprob => "logprob",
            Chooser::MeanLogprob => "mean-logprob",
            Chooser::Critic => "critic",
            Chooser::ExamplesThenCritic => "examples-then-critic",
        }
    }

    /// What it needs to know of every attempt, and does not.
    pub fn lacks(self, attempts: &[(&SampleEvaluation, &Attempted)]) -> Option<&'static str> {
        let all = |is_known: &dyn Fn(&Attempted) -> bool| attempts.iter().all(|(_, it)| is_known(it));
        let has_behaviour = attempts.iter().any(|(_, it)| !it.behaviour.is_empty());
        match self {
            Chooser::Examples if !all(&|it| it.passes_examples.is_some()) => Some("visible examples"),
            Chooser::Clusters | Chooser::Majority if !has_behaviour => Some("inputs to compare programs on"),
            Chooser::Logprob | Chooser::MeanLogprob if !all(&|it| it.logprob.is_some()) => Some("log-probs"),
            Chooser::Critic | Chooser::ExamplesThenCritic if !all(&|it| it.critic.is_some()) => {
                Some("a critic")
            }
            _ => None,
        }
    }
}

/// Attempts as a choice among samples sees them.
pub(crate) fn candidates(attempts: &[(&SampleEvaluation, &Attempted)]) -> Vec<Candidate> {
    let candidate = |(sample, it): &(&SampleEvaluation, &Attempted)| Candidate {
        is_correct: sample.is_passed(),
        // A problem without examples filters nothing.
        passes_examples: it.passes_examples.unwrap_or(true),
        behaviour: it.behaviour.clone(),
        score: 0.0,
    };
    attempts.iter().map(candidate).collect()
}

/// Indices of all attempts, the one to be given first. What a chooser does not know decides nothing.
pub fn order(chooser: Chooser, attempts: &[(&SampleEvaluation, &Attempted)]) -> Vec<usize> {
    let count = attempts.len();
    let passes = |index: usize| attempts[index].1.passes_examples.unwrap_or(false);
    let by_score = |score: &dyn Fn(usize) -> f64| {
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|a, b| score(*b).total_cmp(&score(*a)));
        order
    };
    let logprob = |index: usize| attempts[index].1.logprob.unwrap_or(f64::NEG_INFINITY);
    let critic = |index: usize| attempts[index].1.critic.unwrap_or(f64::NEG_INFINITY);
    match chooser {
        Chooser::First => (0..count).collect(),
        Chooser::Examples => by_score(&|index| f64::from(u8::from(passes(index)))),
        Chooser::Logprob => by_score(&logprob),
        Chooser::MeanLogprob => by_score(&|index| logprob(index) / attempts[index].0.tokens.max(1) as f64),
        Chooser::Critic => by_score(&critic),
        Chooser::ExamplesThenCritic => {
            let mut order = by_score(&critic);
            order.sort_by_key(|index| !passes(*index));
            order
        }
        Chooser::Majority | Chooser::Clusters => {
            let selection =
                Selection { has_example_filter: chooser == Chooser::Clusters, has_clusters: true };
            let mut order = selection.chosen(&candidates(attempts), count, count);
            let rest: Vec<usize> = (0..count).filter(|index| !order.contains(index)).collect();
            order.extend(rest);
            order
        }
    }
}
