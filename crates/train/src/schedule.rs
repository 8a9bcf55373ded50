//! The learning rate as a function of the step: a factor in [0, 1] on the peak rate. No state.

use serde::{Deserialize, Serialize};

use crate::ConfigError;

/// How the learning rate moves over a run. All begin with a linear warm-up of `warmup_steps` (0 for none), in which
/// step `s` (0-based) has the factor `(s + 1) / (warmup_steps + 1)`, so that no step is wasted on a rate of 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// The peak rate to the end.
    Constant {
        /// Steps of warm-up.
        #[serde(default)]
        warmup_steps: u64,
    },
    /// A straight line down to `final_fraction` of the peak.
    Linear {
        /// Steps of warm-up.
        #[serde(default)]
        warmup_steps: u64,
        /// Factor at the end.
        #[serde(default)]
        final_fraction: f64,
    },
    /// Half a cosine down to `final_fraction` (arXiv 1608.03983).
    Cosine {
        /// Steps of warm-up.
        #[serde(default)]
        warmup_steps: u64,
        /// Factor at the end.
        #[serde(default)]
        final_fraction: f64,
    },
    /// Warm-up, stable, decay: the peak rate, then a straight line down over the last `decay_steps` (arXiv 2404.06395).
    Wsd {
        /// Steps of warm-up.
        #[serde(default)]
        warmup_steps: u64,
        /// Steps of the final decay.
        decay_steps: u64,
        /// Factor at the end.
        #[serde(default)]
        final_fraction: f64,
    },
}

impl Default for Schedule {
    fn default() -> Self {
        Schedule::Constant { warmup_steps: 0 }
    }
}

impl Schedule {
    /// Factor on the peak rate at 0-based `step` of `total_steps`; `final_fraction` is reached at the last step.
    pub fn factor(&self, step: u64, total_steps: u64) -> f64 {
        let warmup = self.warmup_steps();
        if step < warmup {
            return (step + 1) as f64 / (warmup + 1) as f64;
        }
        let last = total_steps.saturating_sub(1);
        // 0 at the end of the warm-up, 1 at the last step.
        let progress =
            if last > warmup { ((step - warmup) as f64 / (last - warmup) as f64).min(1.0) } else { 0.0 };
        match *self {
            Schedule::Constant { .. } => 1.0,
            Schedule::Linear { final_fraction, .. } => 1.0 - (1.0 - final_fraction) * progress,
            Schedule::Cosine { final_fraction, .. } => {
                final_fraction
                    + (1.0 - final_fraction) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
            }
            Schedule::Wsd { decay_steps, final_fraction, .. } => {
                let decay_begin = last.saturating_sub(decay_steps).max(warmup);
                if step <= decay_begin || decay_steps == 0 {
                    return 1.0;
                }
                let decayed = ((step - decay_begin) as f64 / (last - decay_begin).max(1) as f64).min(1.0);
                1.0 - (1.0 - final_fraction) * decayed
            }
        }
    }

    /// Refuses impossible values.
    pub fn validate(&self) -> Result<(), ConfigError> {
        match *self {
            Schedule::Constant { .. } => Ok(()),
            Schedule::Linear { final_fraction, .. }
            | Schedule::Cosine { final_fraction, .. }
            | Schedule::Wsd { final_fraction, .. } => ConfigError::require(
                (0.0..=1.0).contains(&final_fraction),
                "schedule.final_fraction",
                "between 0 and 1",
                final_fraction,
            ),
        }
    }

    fn warmup_steps(&self) -> u64 {
        match *self {
            Schedule::Constant { warmup_steps }
            | Schedule::Linear { warmup_steps, .. }
            | Schedule::Cosine { warmup_steps, .. }
            | Schedule::Wsd { warmup_steps, .. } => warmup_steps,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schedule: Schedule, total: u64, expected: &[(u64, f64)]) {
        for &(step, factor) in expected {
            let found = schedule.factor(step, total);
            assert!((found - factor).abs() < 1e-12, "{schedule:?} step {step}: {found}, expected {factor}");
        }
    }

    #[test]
    fn factors_by_hand() {
        check(Schedule::Constant { warmup_steps: 0 }, 10, &[(0, 1.0), (9, 1.0), (100, 1.0)]);
        check(Schedule::Constant { warmup_steps: 3 }, 10, &[(0, 0.25), (1, 0.5), (2, 0.75), (3, 1.0)]);
        let linear = Schedule::Linear { warmup_steps: 0, final_fraction: 0.0 };
        check(linear, 11, &[(0, 1.0), (5, 0.5), (10, 0.0), (50, 0.0)]);
        let cosine = Schedule::Cosine { warmup_steps: 1, final_fraction: 0.1 };
        check(cosine, 12, &[(0, 0.5), (1, 1.0), (6, 0.55), (11, 0.1), (12, 0.1)]);
        let wsd = Schedule::Wsd { warmup_steps: 2, decay_steps: 4, final_fraction: 0.2 };
        check(wsd, 11, &[(0, 1.0 / 3.0), (2, 1.0), (6, 1.0), (8, 0.6), (10, 0.2)]);
    }

    #[test]
    fn a_run_of_one_step_has_a_rate() {
        let cosine = Schedule::Cosine { warmup_steps: 0, final_fraction: 0.0 };
        assert_eq!(cosine.factor(0, 1), 1.0);
    }

    #[test]
    fn impossible_values_are_named() {
        let error = Schedule::Linear { warmup_steps: 0, final_fraction: 2.0 }.validate().unwrap_err();
        assert_eq!(error.to_string(), "`schedule.final_fraction` must be between 0 and 1, got 2");
    }
}
