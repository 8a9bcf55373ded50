//! Whether "95%" is true: benchmarks are simulated from a population whose pass@k is known, and it is counted how often the
//! intervals hold that number. One seed, so the counts never change.

use hone_eval::{Evaluation, Interval, paired_difference};

use crate::reporting::evaluation;

const BENCHMARKS: usize = 300;
const PROBLEMS: usize = 40;
const SAMPLES: usize = 4;
/// Problems as benchmarks have them: many (nearly) hopeless, some in between, some easy. Share of the problems in percent,
/// and the chance of a sample to pass before and after a training.
const POPULATION: [(u32, f64, f64); 3] = [(40, 0.02, 0.10), (35, 0.30, 0.45), (25, 0.90, 0.88)];

/// SplitMix64 (Steele, Lea and Flood, 2014), as a number in 0..1.
fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// One benchmark drawn from the population, sampled before and after.
fn benchmark(state: &mut u64) -> [Evaluation; 2] {
    let ids: Vec<String> = (0..PROBLEMS).map(|i| format!("problem {i}")).collect();
    let mut passed: [Vec<(&str, usize)>; 2] = [Vec::new(), Vec::new()];
    for id in &ids {
        let mut rest = uniform(state) * 100.0;
        let kind = POPULATION.iter().find(|(share, ..)| {
            rest -= f64::from(*share);
            rest < 0.0
        });
        let (_, before, after) = kind.expect("shares add up to 100");
        for (rows, chance) in passed.iter_mut().zip([before, after]) {
            rows.push((id, (0..SAMPLES).filter(|_| uniform(state) < *chance).count()));
        }
    }
    passed.map(|rows| evaluation(&rows))
}

/// The population's mean of `value` over (chance before, chance after).
fn truth(value: impl Fn(f64, f64) -> f64) -> f64 {
    POPULATION.iter().map(|(share, before, after)| f64::from(*share) / 100.0 * value(*before, *after)).sum()
}

#[test]
fn intervals_hold_the_truth_95_times_in_100() {
    let pass_at_4 = |chance: f64| 1.0 - (1.0 - chance).powi(4);
    let truths = [
        ("pass@1", truth(|before, _| before)),
        ("pass@4", truth(|before, _| pass_at_4(before))),
        ("difference of pass@1", truth(|before, after| after - before)),
    ];
    let mut covered = [0; 3];
    let mut excluded = [0; 3];
    let mut state = 2026;
    for _ in 0..BENCHMARKS {
        let [before, after] = benchmark(&mut state);
        let intervals = [
            before.pass_at(1).expect("samples"),
            before.pass_at(4).expect("samples"),
            paired_difference(&before, &after, 1).expect("the same tasks"),
        ];
        for (index, (Interval { low, high, .. }, (_, truth))) in intervals.iter().zip(truths).enumerate() {
            covered[index] += usize::from(*low <= truth && truth <= *high);
            // A number two standard errors away must often be outside: an interval that holds everything says nothing.
            excluded[index] += usize::from(truth + 0.15 < *low || truth + 0.15 > *high);
        }
    }
    for (index, (name, _)) in truths.iter().enumerate() {
        let share = covered[index] as f64 / BENCHMARKS as f64;
        assert!(
            (0.90..=0.98).contains(&share),
            "{name}: {} of {BENCHMARKS} intervals hold it",
            covered[index]
        );
        assert!(excluded[index] > BENCHMARKS / 3, "{name}: {} exclude another number", excluded[index]);
    }
}
