//! Levels of efficiency: Differential Performance Scores (EvalPerf, arXiv 2408.06450).
//!
//! ```text
//! ladder of a task = right solutions of known cost, the reference among them, from dear to cheap, cut where the next one is
//!                    cheaper by more than a tenth (and more by what its cost is uncertain by)
//! level reached    = the cheapest whose dearest solution costs at least as much, but for what costs are uncertain by
//! DPS              = share of the ladder's solutions in that level and below it, in percent; 0 below all
//! DPS_norm         = 100 · number of the level, from 1 / number of levels
//! ```
//!
//! A mean over a task's right samples, then over tasks. The cut is that of EvalPerf's program (`adaptive_seg1d`, EvalPlus 0.3.1):
//! a relative gap above `0.1 + √(10⁴ / x)` after a solution of x instructions. CPU time, which EvalPerf does not take, is
//! uncertain by about a millisecond: `0.1 + 10⁶ / x` with x in nanoseconds. EvalPerf profiles at most 20 right samples on an input
//! made to be slow and asks for 10 of them and for 4 levels; here all count, on the task's tests, and two levels are enough.

use std::collections::BTreeMap;

use hone_sandbox::CostMethod;
use serde::{Deserialize, Serialize};

use crate::bootstrap::bootstrap_mean;
use crate::{Efficiency, Interval, TaskEvaluation};

/// Relative gap that begins a new level, where costs are exact.
const GAP: f64 = 0.1;
/// Instructions below which counts say little: `PREF_CURATE_MIN_INSTRUCTION` of EvalPlus.
const UNCERTAIN_INSTRUCTIONS: f64 = 1e4;
/// Nanoseconds by which CPU times of equal runs differ.
const UNCERTAIN_CPU_NS: f64 = 1e6;

/// Levels of many tasks, by task and by what was counted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ladders(BTreeMap<String, BTreeMap<CostMethod, Levels>>);

/// The levels of one task.
#[derive(Debug, Clone, PartialEq)]
pub struct Levels {
    /// Cost of the dearest solution of each level over the reference's, falling.
    dearest: Vec<f64>,
    /// Share of all solutions in this level or a dearer one, rising to 1.
    shares: Vec<f64>,
}

/// Scores of one solution, in percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LevelScore {
    /// Share of the ladder's solutions that are in its level or below.
    pub dps: f64,
    /// Its level over the number of levels.
    pub dps_norm: f64,
}

/// Scores over tasks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LevelSummary {
    /// Tasks with at least two levels and a right sample.
    pub tasks: usize,
    /// Mean number of levels of these.
    pub levels: f64,
    /// Differential Performance Score, in percent.
    pub dps: Interval,
    /// The same by levels, in percent.
    pub dps_norm: Interval,
}

impl Ladders {
    /// Of the right samples of `tasks` whose cost was measured.
    pub fn of(tasks: &[TaskEvaluation]) -> Ladders {
        let mut costs: BTreeMap<String, BTreeMap<CostMethod, Vec<Efficiency>>> = BTreeMap::new();
        for task in tasks {
            for sample in task.samples.iter().filter(|sample| sample.is_passed()) {
                if let Some(cost) = sample.measurements.efficiency {
                    costs.entry(task.id.clone()).or_default().entry(cost.method).or_default().push(cost);
                }
            }
        }
        let levels = |by_method: BTreeMap<CostMethod, Vec<Efficiency>>| {
            by_method.into_iter().map(|(method, costs)| (method, Levels::of(&costs))).collect()
        };
        Ladders(costs.into_iter().map(|(id, by_method)| (id, levels(by_method))).collect())
    }

    /// Whether no task has a solution of known cost.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Scores of measured tasks; `None` if no task has two levels and a right sample.
    pub fn summary(&self, tasks: &[TaskEvaluation]) -> Option<LevelSummary> {
        let scored: Vec<(usize, LevelScore)> = tasks.iter().filter_map(|task| self.task(task)).collect();
        let over = |value: fn(&LevelScore) -> f64| {
            bootstrap_mean(&scored.iter().map(|(_, score)| value(score)).collect::<Vec<_>>())
        };
        let levels = scored.iter().map(|(levels, _)| *levels as f64).sum::<f64>() / scored.len() as f64;
        let (dps, dps_norm) = (over(|score| score.dps)?, over(|score| score.dps_norm)?);
        Some(LevelSummary { tasks: scored.len(), levels, dps, dps_norm })
    }

    /// Number of levels and mean scores of a task's right samples. One whose cost means nothing reaches no level.
    fn task(&self, task: &TaskEvaluation) -> Option<(usize, LevelScore)> {
        let by_method = self.0.get(&task.id)?;
        let most = by_method.values().map(|levels| levels.dearest.len()).max().filter(|most| *most >= 2)?;
        let score = |cost: Option<Efficiency>| {
            let levels = cost.and_then(|cost| Some((by_method.get(&cost.method)?, cost)));
            levels.map_or(LevelScore { dps: 0.0, dps_norm: 0.0 }, |(levels, cost)| levels.score(&cost))
        };
        let right = task.samples.iter().filter(|sample| sample.is_passed());
        let scores: Vec<LevelScore> = right.map(|sample| score(sample.measurements.efficiency)).collect();
        let mean =
            |value: fn(&LevelScore) -> f64| scores.iter().map(value).sum::<f64>() / scores.len() as f64;
        let mean = LevelScore { dps: mean(|it| it.dps), dps_norm: mean(|it| it.dps_norm) };
        (!scores.is_empty()).then_some((most, mean))
    }
}

impl Levels {
    /// Of solutions measured by one method beside one reference, which is one of them.
    fn of(costs: &[Efficiency]) -> Levels {
        let mut all: Vec<(f64, f64)> =
            costs.iter().map(|cost| (relative(cost), uncertainty(cost.method, cost.solution))).collect();
        all.extend(costs.first().map(|cost| (1.0, uncertainty(cost.method, cost.reference))));
        all.sort_by(|one, other| other.0.total_cmp(&one.0));
        let (mut dearest, mut shares): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
        for (index, (cost, _)) in all.iter().enumerate() {
            let is_new = match index.checked_sub(1).and_then(|before| all.get(before)) {
                None => true,
                Some((before, uncertain)) => (before - cost) / before > GAP + uncertain,
            };
            if is_new {
                dearest.push(*cost);
                shares.push(0.0);
            }
            if let Some(share) = shares.last_mut() {
                *share = (index + 1) as f64 / all.len() as f64;
            }
        }
        Levels { dearest, shares }
    }

    /// Where a solution stands.
    fn score(&self, cost: &Efficiency) -> LevelScore {
        // Equal programs differ by a few instructions, and by more in time.
        let least = relative(cost) / (1.0 + uncertainty(cost.method, cost.solution));
        match self.dearest.iter().rposition(|dearest| least <= *dearest) {
            None => LevelScore { dps: 0.0, dps_norm: 0.0 },
            Some(level) => LevelScore {
                dps: 100.0 * self.shares[level],
                dps_norm: 100.0 * (level + 1) as f64 / self.dearest.len() as f64,
            },
        }
    }
}

fn relative(cost: &Efficiency) -> f64 {
    cost.solution as f64 / cost.reference.max(1) as f64
}

/// By what part a cost is uncertain, and a gap after it must be wider.
fn uncertainty(method: CostMethod, amount: u64) -> f64 {
    let amount = amount.max(1) as f64;
    match method {
        CostMethod::PerfEvent | CostMethod::Callgrind => (UNCERTAIN_INSTRUCTIONS / amount).sqrt(),
        CostMethod::CpuTime => UNCERTAIN_CPU_NS / amount,
    }
}

#[cfg(test)]
mod tests {
    use hone_model::FinishReason;

    use super::*;
    use crate::{Measurements, SampleEvaluation};

    const REFERENCE: u64 = 1_000_000_000;

    fn cost(solution: u64) -> Efficiency {
        Efficiency { method: CostMethod::Callgrind, solution, reference: REFERENCE }
    }

    fn task(id: &str, costs: &[Option<u64>]) -> TaskEvaluation {
        let sample = |(index, solution): (usize, &Option<u64>)| SampleEvaluation {
            sample: index,
            text: String::new(),
            tokens: 1,
            finish: FinishReason::StopToken,
            reward: 1.0,
            verdict: None,
            same_as: None,
            search: None,
            measurements: Measurements { efficiency: solution.map(cost), ..Measurements::default() },
        };
        let samples = costs.iter().enumerate().map(sample).collect();
        TaskEvaluation { id: id.into(), level: 0, topic: String::new(), samples }
    }

    #[test]
    fn levels_and_scores_by_hand() {
        // In thousandths of the reference: 9000, 8500 | 3000, 2800 | 1000, the reference. √(10⁴ / 10⁹) is 0.003.
        let levels = Levels::of(&[9, 3].map(|it| cost(it * REFERENCE)));
        assert_eq!((levels.dearest.as_slice(), levels.shares.len()), (&[9.0, 3.0, 1.0][..], 3));
        let costs = [9_000, 8_500, 3_000, 2_800].map(|it| cost(it * REFERENCE / 1000));
        let levels = Levels::of(&costs);
        assert_eq!(levels.dearest, [9.0, 3.0, 1.0]);
        assert_eq!(levels.shares, [0.4, 0.8, 1.0]);
        let score = |thousandths: u64| {
            let LevelScore { dps, dps_norm } = levels.score(&cost(thousandths * REFERENCE / 1000));
            (dps.round(), dps_norm.round())
        };
        // Dearer than all; the dearest, and by a hair dearer; between two levels it stands on the dearer one; cheaper than all.
        assert_eq!(
            [9_100, 9_000, 9_001, 3_100, 3_000, 1].map(score),
            [(0.0, 0.0), (40.0, 33.0), (40.0, 33.0), (40.0, 33.0), (80.0, 67.0), (100.0, 100.0)]
        );
    }

    #[test]
    fn small_costs_need_wider_gaps() {
        // 40,000 instructions: a gap has to be wider than 0.1 + 0.5.
        let small = |solution| Efficiency { method: CostMethod::Callgrind, solution, reference: 40_000 };
        assert_eq!(Levels::of(&[small(40_000), small(20_000)]).dearest, [1.0]);
        assert_eq!(Levels::of(&[small(40_000), small(10_000)]).dearest, [1.0, 0.25]);
        let timed = |solution| Efficiency { method: CostMethod::CpuTime, solution, reference: 5_000_000 };
        // 5 ms: wider than 0.3.
        assert_eq!(Levels::of(&[timed(3_600_000)]).dearest, [1.0]);
        assert_eq!(Levels::of(&[timed(3_400_000)]).dearest, [1.0, 0.68]);
    }

    #[test]
    fn tasks_without_levels_or_right_samples_do_not_count() {
        let ladders = Ladders::of(&[
            task("two", &[Some(4 * REFERENCE)]),
            task("one", &[Some(REFERENCE)]),
            task("unsolved", &[Some(4 * REFERENCE)]),
        ]);
        assert!(!ladders.is_empty() && Ladders::of(&[task("a", &[None])]).is_empty());
        // A right sample without a cost reaches no level: the mean of 100 and 0.
        let measured =
            [task("two", &[Some(REFERENCE), None]), task("one", &[Some(1)]), task("unsolved", &[])];
        let summary = ladders.summary(&measured).unwrap();
        assert_eq!((summary.tasks, summary.levels), (1, 2.0));
        assert_eq!((summary.dps.value, summary.dps_norm.value), (50.0, 50.0));
        assert_eq!(ladders.summary(&measured[1..]), None);
    }
}
