//! 95% intervals of a mean over problems, by resampling problems (Efron, 1979; percentile method).
//!
//! Problems, not samples, are resampled: samples of one problem are not independent of each other. What is estimated
//! is the mean over problems like these, which is what "the model got better" is about.

use serde::{Deserialize, Serialize};

/// Resamples of one interval.
pub(crate) const RESAMPLES: usize = 10_000;
/// Seed of the resampling: the same data always gives the same interval.
pub(crate) const SEED: u64 = 0x5eed_0001;

/// An estimate with its 95% interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The estimate.
    pub value: f64,
    /// Its 2.5th percentile.
    pub low: f64,
    /// Its 97.5th percentile.
    pub high: f64,
}

impl Interval {
    /// Whether the interval lies on one side of 0.
    pub fn excludes_zero(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// Mean of `values` (one a problem) with its 95% interval; `None` without values.
pub fn bootstrap_mean(values: &[f64]) -> Option<Interval> {
    bootstrap_mean_with(values, RESAMPLES, SEED)
}

/// The same with the number of resamples and the seed given.
pub fn bootstrap_mean_with(values: &[f64], resamples: usize, seed: u64) -> Option<Interval> {
    let count = values.len();
    if count == 0 || resamples == 0 {
        return None;
    }
    let mean = |sum: f64| sum / count as f64;
    let value = mean(values.iter().sum());
    let mut state = seed;
    let mut means: Vec<f64> = (0..resamples)
        .map(|_| mean((0..count).map(|_| values[random_below(&mut state, count)]).sum()))
        .collect();
    means.sort_by(f64::total_cmp);
    Some(Interval { value, low: percentile(&means, 0.025), high: percentile(&means, 0.975) })
}

/// The 95% interval of a mean of values in 0..=1. Where all problems agree on 0 or on 1 the bootstrap sees no
/// spread, so the open side is the exact bound of n equal outcomes: 1 − 0.025^(1/n) (Clopper and Pearson, 1934).
pub fn bootstrap_share(values: &[f64]) -> Option<Interval> {
    let mut interval = bootstrap_mean(values)?;
    let bound = 0.025_f64.powf(1.0 / values.len() as f64);
    if values.iter().all(|value| *value == 0.0) {
        interval.high = 1.0 - bound;
    } else if values.iter().all(|value| *value == 1.0) {
        interval.low = bound;
    }
    Some(interval)
}

/// Σ numerators / Σ denominators over problems, which are resampled with both; `None` where there is nothing to divide by.
pub(crate) fn bootstrap_ratio(problems: &[(f64, f64)]) -> Option<Interval> {
    let ratio = |drawn: &mut dyn Iterator<Item = (f64, f64)>| {
        let (above, below) = drawn.fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        (below > 0.0).then_some(above / below)
    };
    let value = ratio(&mut problems.iter().copied())?;
    let mut state = SEED;
    let mut draw = || problems[random_below(&mut state, problems.len())];
    let mut ratios: Vec<f64> =
        (0..RESAMPLES).filter_map(|_| ratio(&mut (0..problems.len()).map(|_| draw()))).collect();
    ratios.sort_by(f64::total_cmp);
    Some(Interval { value, low: percentile(&ratios, 0.025), high: percentile(&ratios, 0.975) })
}

/// Linear interpolation between the closest ranks of sorted values.
pub(crate) fn percentile(sorted: &[f64], share: f64) -> f64 {
    let rank = share * (sorted.len() - 1) as f64;
    let (below, weight) = (rank.floor() as usize, rank.fract());
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] * (1.0 - weight) + sorted[above] * weight
}

/// The next number of SplitMix64 (Steele, Lea and Flood, 2014), mapped to 0..`count` by multiplication.
pub(crate) fn random_below(state: &mut u64, count: usize) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    ((u128::from(mixed) * count as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_a_normal_mean() {
        // 400 problems, half of them 0 and half 1: standard error 0.5 / 20, so ±1.96 · 0.025 = ±0.049.
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 2)).collect();
        let interval = bootstrap_mean(&values).expect("values");
        assert_eq!(interval.value, 0.5);
        assert!((interval.low - 0.451).abs() < 0.004, "{interval:?}");
        assert!((interval.high - 0.549).abs() < 0.004, "{interval:?}");
        assert!(interval.excludes_zero());
    }

    #[test]
    fn it_covers_the_truth_as_often_as_it_says() {
        // 200 experiments of 60 problems whose success probability is 0.3.
        let mut state = 11;
        let mut covered = 0;
        for _ in 0..200 {
            let values: Vec<f64> =
                (0..60).map(|_| f64::from(u8::from(random_below(&mut state, 10) < 3))).collect();
            let interval = bootstrap_mean_with(&values, 1_000, 5).expect("values");
            covered += u32::from(interval.low <= 0.3 && 0.3 <= interval.high);
        }
        assert!((180..=199).contains(&covered), "expected about 190 of 200, found {covered}");
    }

    #[test]
    fn the_same_data_gives_the_same_interval() {
        let values = [0.0, 0.25, 1.0, 0.5, 0.125];
        assert_eq!(bootstrap_mean(&values), bootstrap_mean(&values));
        assert_ne!(bootstrap_mean_with(&values, 50, 1), bootstrap_mean_with(&values, 50, 2));
        assert_eq!(bootstrap_mean(&[]), None);
    }

    #[test]
    fn unanimous_problems_still_have_an_interval() {
        let none = bootstrap_share(&[0.0; 100]).expect("values");
        assert_eq!((none.value, none.low), (0.0, 0.0));
        assert!((none.high - 0.0362).abs() < 1e-4, "{none:?}");
        let all = bootstrap_share(&[1.0; 100]).expect("values");
        assert_eq!((all.value, all.high), (1.0, 1.0));
        assert!((all.low - 0.9638).abs() < 1e-4, "{all:?}");
    }
}
