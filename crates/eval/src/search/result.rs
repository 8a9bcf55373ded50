//! What a search was worth: its choice beside chance and oracle, every other chooser on the same attempts, tokens spent.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::choice::candidates;
use super::{Attempted, Chooser, SearchSettings, Stage, order};
use crate::bootstrap::{bootstrap_mean, bootstrap_share};
use crate::pass_at_t::{Attempt, Branch, Strategy, pass_at_turns};
use crate::selection::{Selection, maj_at_k};
use crate::{Interval, SampleEvaluation, TaskEvaluation};

/// Trees drawn for one point of pass@t.
const DRAWS: usize = 1_000;
const SEED: u64 = 0x5eed_0002;
/// Submissions of n@k that are shown.
const SUBMISSIONS: [usize; 3] = [1, 2, 5];

/// A search in few numbers. Shares are means over problems, intervals 95% by bootstrap over problems.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SearchSummary {
    /// The settings in one line.
    pub signature: String,
    /// Problems.
    pub tasks: usize,
    /// Problems that show no examples: nothing is filtered there.
    pub without_examples: usize,
    /// Share of problems whose answer, the choice, is right.
    pub chosen: Interval,
    /// The same of an attempt of the first stage drawn by lot: pass@1 without search.
    pub random: Interval,
    /// Share of problems with any right attempt: what a perfect choice would reach.
    pub oracle: Interval,
    /// Oracle minus choice.
    pub oracle_gap: Interval,
    /// Attempts a problem.
    pub attempts: f64,
    /// Tokens sampled a problem; 0 where they are not known.
    pub tokens: f64,
    /// What each other chooser would have given, on the same attempts.
    pub choosers: BTreeMap<&'static str, Interval>,
    /// `1@8`: of 8 samples one is submitted, after the filter by examples and one of each behaviour.
    pub n_at_k: BTreeMap<String, Interval>,
    /// The behaviour most samples have.
    pub maj_at_k: Option<(usize, Interval)>,
    /// Share of problems solved within so many rounds; absent where there is one round only.
    pub pass_at_turns: BTreeMap<usize, Interval>,
    /// Success against tokens spent, by tree drawn from the attempts.
    pub pass_at_t: Vec<PassAtTPoint>,
}

/// One point of pass@t.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PassAtTPoint {
    /// n_p, initial programs.
    pub initial: usize,
    /// n_fr, repairs of each that failed; 0 is sampling without repair.
    pub repairs: usize,
    /// Chance that a program passes.
    pub pass: Interval,
    /// Mean tokens spent on a problem.
    pub tokens: f64,
}

type Known<'a> = Vec<(&'a SampleEvaluation, &'a Attempted)>;

fn known(task: &TaskEvaluation) -> Known<'_> {
    task.samples.iter().filter_map(|sample| Some((sample, sample.search.as_ref()?))).collect()
}

impl TaskEvaluation {
    /// Whether the answer a search gives is right; false if there was no search.
    pub fn is_choice_right(&self) -> bool {
        self.choice().is_some_and(SampleEvaluation::is_passed)
    }

    /// The answer a search gives.
    pub fn choice(&self) -> Option<&SampleEvaluation> {
        self.samples.iter().find(|sample| sample.search.as_ref().is_some_and(|it| it.rank == 0))
    }
}

impl SearchSummary {
    /// Of the tasks of a search; `None` without any.
    pub fn of(tasks: &[TaskEvaluation], settings: &SearchSettings) -> Option<SearchSummary> {
        let all: Vec<Known<'_>> = tasks.iter().map(known).filter(|attempts| !attempts.is_empty()).collect();
        let share =
            |value: &dyn Fn(&Known<'_>) -> f64| bootstrap_share(&all.iter().map(value).collect::<Vec<_>>());
        let one = |is_so: bool| f64::from(u8::from(is_so));
        let chosen = |attempts: &Known<'_>| {
            one(attempts.iter().any(|(sample, it)| it.rank == 0 && sample.is_passed()))
        };
        let oracle = |attempts: &Known<'_>| one(attempts.iter().any(|(sample, _)| sample.is_passed()));
        let gaps: Vec<f64> = all.iter().map(|attempts| oracle(attempts) - chosen(attempts)).collect();
        let mean =
            |value: &dyn Fn(&Known<'_>) -> f64| all.iter().map(value).sum::<f64>() / all.len().max(1) as f64;
        let lacks_examples =
            |attempts: &&Known<'_>| attempts.iter().all(|(_, it)| it.passes_examples.is_none());
        let counts = || all.iter().map(Vec::len);
        let signature = settings.signature_among(counts().min().unwrap_or(0), counts().max().unwrap_or(0));
        let is_repair = all.iter().flatten().any(|(_, it)| it.turn > 1);
        Some(SearchSummary {
            signature: format!("{signature}|ties:first-made"),
            tasks: all.len(),
            without_examples: all.iter().filter(lacks_examples).count(),
            chosen: share(&chosen)?,
            random: share(&random)?,
            oracle: share(&oracle)?,
            oracle_gap: bootstrap_mean(&gaps)?,
            attempts: mean(&|attempts| attempts.len() as f64),
            tokens: mean(&|attempts| attempts.iter().map(|(sample, _)| sample.tokens as f64).sum()),
            choosers: choosers(&all),
            n_at_k: if is_repair { BTreeMap::new() } else { n_at_k(&all) },
            maj_at_k: if is_repair { None } else { majority(&all) },
            pass_at_turns: if is_repair { turns(&all) } else { BTreeMap::new() },
            pass_at_t: pass_at_t(&all),
        })
    }

    /// As text for a terminal.
    pub fn table(&self) -> String {
        let percent = |it: &Interval| {
            format!("{:5.1}% [{:.1}, {:.1}]", it.value * 100.0, it.low * 100.0, it.high * 100.0)
        };
        let mut text = String::new();
        let mut row = |name: &str, value: String| {
            let _ = writeln!(text, "{name:<28}{value}");
        };
        row("answer given", percent(&self.chosen));
        row("one attempt, by lot", percent(&self.random));
        row("oracle", percent(&self.oracle));
        row("oracle gap", percent(&self.oracle_gap));
        for (name, value) in &self.choosers {
            row(&format!("chosen by {name}"), percent(value));
        }
        for (name, value) in &self.n_at_k {
            row(name, percent(value));
        }
        if let Some((k, value)) = &self.maj_at_k {
            row(&format!("maj@{k}"), percent(value));
        }
        for (turn, value) in &self.pass_at_turns {
            row(&format!("pass@{turn} turns"), percent(value));
        }
        for point in &self.pass_at_t {
            let PassAtTPoint { initial, repairs, pass, tokens } = point;
            row(
                &format!("pass@t, {initial} + {repairs} repairs"),
                format!("{} at {tokens:.0} tokens", percent(pass)),
            );
        }
        let _ = writeln!(
            text,
            "\n{} problems, {:.1} attempts and {:.0} tokens a problem; {} show no examples",
            self.tasks, self.attempts, self.tokens, self.without_examples
        );
        text
    }
}

/// Chance that an attempt of the first stage is right.
fn random(attempts: &Known<'_>) -> f64 {
    let first: Vec<bool> = attempts
        .iter()
        .filter(|(_, it)| it.stage == Stage::Sampled)
        .map(|(sample, _)| sample.is_passed())
        .collect();
    first.iter().filter(|is_passed| **is_passed).count() as f64 / first.len().max(1) as f64
}

/// Choosers that know what they need on some problem; on the others they take the first.
fn choosers(all: &[Known<'_>]) -> BTreeMap<&'static str, Interval> {
    let value = |chooser: Chooser| {
        if all.iter().all(|attempts| chooser.lacks(attempts).is_some()) {
            return None;
        }
        let is_right = |attempts: &Known<'_>| {
            let first = order(chooser, attempts).first().copied();
            f64::from(u8::from(first.is_some_and(|index| attempts[index].0.is_passed())))
        };
        Some((chooser.name(), bootstrap_share(&all.iter().map(is_right).collect::<Vec<_>>())?))
    };
    Chooser::ALL.into_iter().filter_map(value).collect()
}

fn fewest(all: &[Known<'_>]) -> usize {
    all.iter().map(Vec::len).min().unwrap_or(0)
}

fn n_at_k(all: &[Known<'_>]) -> BTreeMap<String, Interval> {
    let k = fewest(all);
    let selection = Selection { has_example_filter: true, has_clusters: true };
    let value = |n: usize| {
        let values: Option<Vec<f64>> =
            all.iter().map(|attempts| selection.n_at_k(&candidates(attempts), n, k)).collect();
        Some((format!("{n}@{k}"), bootstrap_share(&values?)?))
    };
    SUBMISSIONS.into_iter().filter(|n| *n < k).filter_map(value).collect()
}

fn majority(all: &[Known<'_>]) -> Option<(usize, Interval)> {
    let k = fewest(all);
    if all.iter().all(|attempts| Chooser::Majority.lacks(attempts).is_some()) {
        return None;
    }
    let values: Option<Vec<f64>> = all.iter().map(|attempts| maj_at_k(&candidates(attempts), k)).collect();
    Some((k, bootstrap_share(&values?)?))
}

fn turns(all: &[Known<'_>]) -> BTreeMap<usize, Interval> {
    let most = all.iter().flatten().map(|(_, it)| it.turn).max().unwrap_or(1);
    let solved_at = |attempts: &Known<'_>| {
        attempts.iter().filter(|(sample, _)| sample.is_passed()).map(|(_, it)| it.turn).min()
    };
    let solved: Vec<Option<usize>> = all.iter().map(solved_at).collect();
    (1..=most).filter_map(|turn| Some((turn, pass_at_turns(&solved, turn)?))).collect()
}

/// The attempts of a problem as a tree for pass@t.
fn tree(attempts: &Known<'_>) -> Vec<Branch> {
    fn branch(attempts: &Known<'_>, index: usize) -> Branch {
        let (sample, _) = attempts[index];
        let is_child = |(_, it): &&(&SampleEvaluation, &Attempted)| it.parent == Some(sample.sample);
        let children = attempts
            .iter()
            .filter(is_child)
            .filter_map(|(child, _)| attempts.iter().position(|(other, _)| other.sample == child.sample));
        Branch {
            program: Attempt { is_correct: sample.is_passed(), tokens: sample.tokens as u64 },
            repairs: children.map(|child| branch(attempts, child)).collect(),
        }
    }
    let roots = (0..attempts.len()).filter(|index| attempts[*index].1.parent.is_none());
    roots.map(|root| branch(attempts, root)).collect()
}

/// Sampling alone, and with repairs, for ever more initial programs.
fn pass_at_t(all: &[Known<'_>]) -> Vec<PassAtTPoint> {
    if all.iter().flatten().all(|(sample, _)| sample.tokens == 0) {
        return Vec::new();
    }
    let trees: Vec<Vec<Branch>> = all.iter().map(tree).collect();
    let initial = trees.iter().map(Vec::len).min().unwrap_or(0);
    let repairs = trees.iter().flatten().map(|branch| branch.repairs.len()).max().unwrap_or(0);
    let counts = std::iter::successors(Some(1_usize), |n| Some(n * 2)).take_while(|n| *n <= initial);
    let mut points = Vec::new();
    for initial in counts {
        for repairs in if repairs > 0 { vec![0, repairs] } else { vec![0] } {
            let strategy = Strategy { initial, repairs, stops_at_success: false };
            points.extend(strategy.measure(&trees, DRAWS, SEED).map(|point| PassAtTPoint {
                initial,
                repairs,
                pass: point.pass,
                tokens: point.tokens,
            }));
        }
    }
    points
}
