//! Verdict → scalar, for programs judged by tests.
//!
//! Not here: length penalties, KL terms or anything else that is not about the program.

use hone_sandbox::OutcomeClass;
use serde::{Deserialize, Serialize};

/// How a judged program is rewarded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum RewardConfig {
    /// 1 if every hidden test passes, else 0.
    ///
    /// The vetted choice (DeepCoder, Agentica 2025): partial credit can be earned by special cases.
    // Braces, since serde would let a unit variant swallow unknown keys.
    AllPass {},
    /// The share of hidden tests that pass.
    Fraction {},
    /// One value for each of the four classes of CodeRL (arXiv 2207.01780, eq. 3), its values by default.
    OutcomeClasses {
        /// It cannot be parsed or built.
        #[serde(default = "compile_error")]
        compile_error: f64,
        /// It raised, crashed, or went past a limit.
        #[serde(default = "runtime_error")]
        runtime_error: f64,
        /// It ran, and a test failed.
        #[serde(default = "failed_test")]
        failed_test: f64,
        /// Every test passed.
        #[serde(default = "passed")]
        passed: f64,
    },
}

fn compile_error() -> f64 {
    -1.0
}

fn runtime_error() -> f64 {
    -0.6
}

fn failed_test() -> f64 {
    -0.3
}

fn passed() -> f64 {
    1.0
}

impl Default for RewardConfig {
    fn default() -> Self {
        RewardConfig::AllPass {}
    }
}

impl RewardConfig {
    /// CodeRL's four values: −1, −0.6, −0.3, +1.
    pub fn outcome_classes() -> RewardConfig {
        RewardConfig::OutcomeClasses {
            compile_error: compile_error(),
            runtime_error: runtime_error(),
            failed_test: failed_test(),
            passed: passed(),
        }
    }

    /// Reward of a program of this class that passed so many of its tests.
    pub fn reward(&self, class: OutcomeClass, tests_passed: u32, tests_total: u32) -> f64 {
        match *self {
            RewardConfig::AllPass {} => f64::from(u8::from(class == OutcomeClass::Passed)),
            RewardConfig::Fraction {} if class == OutcomeClass::Passed => 1.0,
            // Whatever was counted, a program that did not pass is below 1.
            RewardConfig::Fraction {} => match tests_total {
                0 => 0.0,
                total => f64::from(tests_passed.min(total - 1)) / f64::from(total),
            },
            RewardConfig::OutcomeClasses { compile_error, runtime_error, failed_test, passed } => match class
            {
                OutcomeClass::CompileError => compile_error,
                OutcomeClass::Timeout
                | OutcomeClass::MemoryLimit
                | OutcomeClass::OutputLimit
                | OutcomeClass::RuntimeError => runtime_error,
                OutcomeClass::WrongAnswer => failed_test,
                OutcomeClass::Passed => passed,
            },
        }
    }

    /// What makes no sense in these values, if anything does.
    pub fn check(&self) -> Result<(), String> {
        let RewardConfig::OutcomeClasses { compile_error, runtime_error, failed_test, passed } = *self else {
            return Ok(());
        };
        let values = [compile_error, runtime_error, failed_test, passed];
        if values.iter().any(|value| !value.is_finite()) {
            return Err(format!("expected finite rewards, found {values:?}"));
        }
        if values[..3].iter().any(|failure| *failure >= passed) {
            return Err(format!("expected `passed` to be the highest reward, found {values:?}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use OutcomeClass::*;

    const CLASSES: [OutcomeClass; 7] =
        [CompileError, Timeout, MemoryLimit, OutputLimit, RuntimeError, WrongAnswer, Passed];

    #[test]
    fn each_kind_rewards_each_class() {
        let check = |config: RewardConfig, passed: u32, expected: [f64; 7]| {
            let found =
                CLASSES.map(|class| config.reward(class, if class == Passed { 4 } else { passed }, 4));
            assert_eq!(found, expected, "{config:?}");
        };
        check(RewardConfig::default(), 3, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
        check(RewardConfig::Fraction {}, 3, [0.75, 0.75, 0.75, 0.75, 0.75, 0.75, 1.0]);
        check(RewardConfig::Fraction {}, 4, [0.75, 0.75, 0.75, 0.75, 0.75, 0.75, 1.0]);
        check(RewardConfig::outcome_classes(), 3, [-1.0, -0.6, -0.6, -0.6, -0.6, -0.3, 1.0]);
        assert_eq!(RewardConfig::Fraction {}.reward(CompileError, 0, 0), 0.0);
    }

    #[test]
    fn configurations_are_read_strictly() {
        let read = |text: &str| serde_json::from_str::<RewardConfig>(text);
        assert_eq!(read(r#"{"type": "all-pass"}"#).ok(), Some(RewardConfig::AllPass {}));
        assert_eq!(read(r#"{"type": "outcome-classes"}"#).ok(), Some(RewardConfig::outcome_classes()));
        for wrong in [
            r#"{"type": "all-pass", "passed": 1}"#,
            r#"{"type": "fraction", "extra": 1}"#,
            r#"{"type": "outcome-classes", "pased": 1}"#,
            r#"{"type": "some-pass"}"#,
            "{}",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn senseless_values_are_refused() {
        let with_passed = |passed| RewardConfig::OutcomeClasses {
            compile_error: -1.0,
            runtime_error: -0.6,
            failed_test: -0.3,
            passed,
        };
        assert_eq!(with_passed(1.0).check(), Ok(()));
        assert!(with_passed(f64::NAN).check().is_err());
        assert!(with_passed(-0.3).check().is_err());
    }
}
