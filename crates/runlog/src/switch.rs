//! From offline to online: the score at the switch, the dip after it, and the score in the end (the protocol of D5RL,
//! RLC 2024, on training rewards).
//!
//! ```text
//! level(t) = mean of `score` over the online steps t … t + width − 1
//! at switch = level(0),  dip = min_t level(t) − level(0),  end = level(last),  recovered = first t after the dip with level(t) ≥ level(0)
//! ```

use serde::{Deserialize, Serialize};

use crate::MetricRow;

/// Online steps of one level at most.
const WIDTH: usize = 5;

/// How a run went on after the switch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Switch {
    /// Steps that learned from the log alone.
    pub offline_steps: u64,
    /// Steps after them.
    pub online_steps: u64,
    /// Steps that one level is a mean of.
    pub width: u64,
    /// Level of the first online steps.
    pub at_switch: f64,
    /// How far it fell below, at most; 0 if it never did.
    pub dip: f64,
    /// Online steps after which it was lowest.
    pub dip_after: u64,
    /// Online steps after which it was back; `None` if it never was.
    pub recovered_after: Option<u64>,
    /// Level of the last steps.
    pub end: f64,
}

impl Switch {
    /// From the metrics of a run whose first `offline_steps` were offline; `None` without an online step.
    pub fn of(metrics: &[MetricRow], offline_steps: u64, score: &str) -> Option<Switch> {
        let of_row =
            |row: &MetricRow| row.values.iter().find(|(name, _)| name == score).map(|(_, value)| *value);
        let scores: Vec<f64> =
            metrics.iter().filter(|row| row.step > offline_steps).filter_map(of_row).collect();
        let width = WIDTH.min(scores.len().div_ceil(4)).max(1);
        let levels: Vec<f64> =
            scores.windows(width).map(|part| part.iter().sum::<f64>() / width as f64).collect();
        let (&at_switch, &end) = (levels.first()?, levels.last()?);
        let lowest = (0..levels.len()).min_by(|&a, &b| levels[a].total_cmp(&levels[b])).unwrap_or(0);
        let recovered = (lowest..levels.len()).find(|&at| levels[at] >= at_switch);
        Some(Switch {
            offline_steps,
            online_steps: scores.len() as u64,
            width: width as u64,
            at_switch,
            dip: levels[lowest] - at_switch,
            dip_after: lowest as u64,
            recovered_after: recovered.map(|at| at as u64),
            end,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(scores: &[f64]) -> Vec<MetricRow> {
        let row = |(index, score): (usize, &f64)| MetricRow {
            step: index as u64 + 1,
            values: vec![("reward/mean".into(), *score)],
        };
        scores.iter().enumerate().map(row).collect()
    }

    #[test]
    fn switch_dip_recovery_and_end() {
        // Two offline steps, then levels of two steps: 0.5, 0.35, 0.25, 0.4, 0.55, 0.65, 0.75.
        let scores = [0.9, 0.9, 0.5, 0.5, 0.2, 0.3, 0.5, 0.6, 0.7, 0.8];
        let found = Switch::of(&rows(&scores), 2, "reward/mean").unwrap();
        assert_eq!((found.online_steps, found.width, found.dip_after), (8, 2, 2));
        for (value, expected) in [(found.at_switch, 0.5), (found.dip, -0.25), (found.end, 0.75)] {
            assert!((value - expected).abs() < 1e-12, "{found:?}");
        }
        assert_eq!(found.recovered_after, Some(4));
    }

    #[test]
    fn a_run_that_never_falls_has_no_dip_and_one_that_never_went_online_no_switch() {
        let found = Switch::of(&rows(&[0.1, 0.2, 0.3]), 0, "reward/mean").unwrap();
        assert_eq!((found.dip, found.dip_after, found.recovered_after), (0.0, 0, Some(0)));
        let fallen = Switch::of(&rows(&[0.5, 0.1]), 0, "reward/mean").unwrap();
        assert_eq!((fallen.recovered_after, fallen.end), (None, 0.1));
        assert_eq!(Switch::of(&rows(&[0.1, 0.2]), 2, "reward/mean"), None);
    }
}
