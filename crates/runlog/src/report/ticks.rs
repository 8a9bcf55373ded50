//! Round numbers for the axes of a chart.

use crate::summary::short;

/// The next of 1, 2, 5 · 10ⁿ.
pub(super) fn nice_tick(rough: f64) -> f64 {
    if !rough.is_finite() || rough <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= rough * 0.999);
    factor.unwrap_or(10.0) * power
}

/// A value on an axis, with as many digits as its ticks need.
pub(super) fn tick_label(value: f64, tick: f64) -> String {
    let value = if value.abs() < tick * 1e-6 { 0.0 } else { value };
    let decimals = (-tick.log10().floor()).clamp(0.0, 12.0) as usize;
    if decimals > 4 || value.abs() >= 1e5 {
        return if value == 0.0 { "0".into() } else { short(value) };
    }
    format!("{value:.decimals$}").replace('-', "−")
}

/// Round steps, and the first one if there is room for it.
pub(super) fn step_ticks(first: u64, last: u64) -> Vec<u64> {
    let tick = nice_tick(last.saturating_sub(first) as f64 / 5.0).max(1.0) as u64;
    let mut steps: Vec<u64> =
        (first.div_ceil(tick)..=last / tick).map(|index| index * tick).take(12).collect();
    if steps.first().is_none_or(|step| step - first > tick / 2) {
        steps.insert(0, first);
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers() {
        for (rough, tick) in [(0.23, 0.5), (0.2, 0.2), (7.0, 10.0), (1.0, 1.0), (0.0, 1.0), (f64::NAN, 1.0)] {
            assert!((nice_tick(rough) - tick).abs() < 1e-12, "{rough}");
        }
        assert_eq!(step_ticks(1, 60), [1, 20, 40, 60]);
        assert_eq!(step_ticks(5, 5), [5]);
        assert_eq!(tick_label(-0.05, 0.05), "−0.05");
    }
}
