//! AdamW (arXiv 1711.05101) with clipping by global norm. One thread, element by element, so that equal inputs give
//! equal bits.
//!
//! ```text
//! m ← β₁ m + (1 − β₁) g          v ← β₂ v + (1 − β₂) g²
//! θ ← θ − η λ θ                  (decayed parameters)
//! θ ← θ − η · (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)
//! ```
//!
//! | symbol | here |
//! |---|---|
//! | θ, g | `Parameter::values`, `Parameter::gradients` (times the clipping factor) |
//! | m, v | `Moments` |
//! | t | `AdamW::updates`, counted from 1 |
//! | η, λ, β₁, β₂, ε | `OptimizerConfig` and the schedule |

use hone_model::Parameter;
use serde::{Deserialize, Serialize};

use crate::gradients::check_weights;
use crate::tensors::NamedTensor;
use crate::{ConfigError, Schedule, TrainError, check_finite, global_norm};

/// Settings of AdamW. Defaults are those of DAPO (arXiv 2503.14476), for all weights of a large model: rate 1e-6,
/// decay 0.1, clipping at 1. LoRA wants a rate 10 to 100 times higher.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerConfig {
    /// Peak learning rate η.
    pub learning_rate: f64,
    /// β₁, decay of the first moment.
    pub beta1: f64,
    /// β₂, decay of the second moment.
    pub beta2: f64,
    /// ε.
    pub epsilon: f64,
    /// λ, on matrices only.
    pub weight_decay: f64,
    /// Gradients are scaled down to this global norm; 0 turns clipping off.
    pub max_gradient_norm: f64,
    /// How the rate moves.
    pub schedule: Schedule,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        OptimizerConfig {
            learning_rate: 1e-6,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.1,
            max_gradient_norm: 1.0,
            schedule: Schedule::default(),
        }
    }
}

impl OptimizerConfig {
    /// Refuses impossible values, naming the key.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let unit = |value: f64| (0.0..1.0).contains(&value);
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let not_negative = |value: f64| value.is_finite() && value >= 0.0;
        ConfigError::require(positive(self.learning_rate), "learning_rate", "positive", self.learning_rate)?;
        ConfigError::require(unit(self.beta1), "beta1", "in [0, 1)", self.beta1)?;
        ConfigError::require(unit(self.beta2), "beta2", "in [0, 1)", self.beta2)?;
        ConfigError::require(positive(self.epsilon), "epsilon", "positive", self.epsilon)?;
        ConfigError::require(
            not_negative(self.weight_decay),
            "weight_decay",
            "at least 0",
            self.weight_decay,
        )?;
        ConfigError::require(
            not_negative(self.max_gradient_norm),
            "max_gradient_norm",
            "at least 0",
            self.max_gradient_norm,
        )?;
        self.schedule.validate()
    }
}

/// What one update did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UpdateReport {
    /// Global norm before clipping.
    pub gradient_norm: f64,
    /// Learning rate that was used.
    pub learning_rate: f64,
}

/// The optimizer: moments of every parameter, in the parameters' order.
#[derive(Debug, Clone)]
pub struct AdamW {
    config: OptimizerConfig,
    updates: u64,
    moments: Vec<Moments>,
}

#[derive(Debug, Clone)]
struct Moments {
    name: String,
    shape: [usize; 2],
    first: Vec<f32>,
    second: Vec<f32>,
}

impl AdamW {
    /// An optimizer with empty state for these parameters.
    pub fn new(config: OptimizerConfig, parameters: &[Parameter<'_>]) -> Result<AdamW, ConfigError> {
        config.validate()?;
        let moments = parameters
            .iter()
            .map(|parameter| Moments {
                name: parameter.name.to_string(),
                shape: parameter.shape,
                first: vec![0.0; parameter.values.len()],
                second: vec![0.0; parameter.values.len()],
            })
            .collect();
        Ok(AdamW { config, updates: 0, moments })
    }

    /// Updates done so far.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// One update from the accumulated gradients, at 0-based `step` of `total_steps`. Fails, changing nothing, if a
    /// gradient is not finite, and fails if the update makes a weight that is not. The caller then calls `Network::parameters_changed`.
    pub fn update(
        &mut self,
        parameters: &mut [Parameter<'_>],
        step: u64,
        total_steps: u64,
    ) -> Result<UpdateReport, TrainError> {
        self.check_fit(parameters)?;
        check_finite(parameters, step)?;
        let gradient_norm = global_norm(parameters);
        let limit = self.config.max_gradient_norm;
        let scale = if limit > 0.0 && gradient_norm > limit { (limit / gradient_norm) as f32 } else { 1.0 };
        let learning_rate = self.config.learning_rate * self.config.schedule.factor(step, total_steps);
        self.updates += 1;
        for (parameter, moments) in parameters.iter_mut().zip(&mut self.moments) {
            update_one(&self.config, self.updates, learning_rate, scale, parameter, moments);
        }
        check_weights(parameters, step)?;
        Ok(UpdateReport { gradient_norm, learning_rate })
    }

    /// The state as tensors (`adam.m.NAME`, `adam.v.NAME`), to be saved with `updates()`.
    pub fn state(&self) -> Vec<NamedTensor<'_>> {
        let tensor = |prefix: &str, moments: &'_ Moments, values| NamedTensor {
            name: format!("{prefix}{}", moments.name),
            shape: moments.shape.to_vec(),
            values,
        };
        self.moments
            .iter()
            .flat_map(|moments| {
                [
                    tensor("adam.m.", moments, &moments.first[..]),
                    tensor("adam.v.", moments, &moments.second[..]),
                ]
            })
            .collect()
    }

    /// Takes the state back, bit for bit. `find` looks a tensor up by name.
    pub fn restore<'a>(
        &mut self,
        updates: u64,
        find: impl Fn(&str) -> Option<&'a [f32]>,
    ) -> Result<(), TrainError> {
        let fetch = |name: String, length: usize| {
            let values =
                find(&name).ok_or_else(|| TrainError::StateMismatch(format!("{name} is missing")))?;
            if values.len() != length {
                let message = format!("{name} has {} values, expected {length}", values.len());
                return Err(TrainError::StateMismatch(message));
            }
            Ok(values)
        };
        for moments in &mut self.moments {
            let length = moments.first.len();
            moments.first.copy_from_slice(fetch(format!("adam.m.{}", moments.name), length)?);
            moments.second.copy_from_slice(fetch(format!("adam.v.{}", moments.name), length)?);
        }
        self.updates = updates;
        Ok(())
    }

    fn check_fit(&self, parameters: &[Parameter<'_>]) -> Result<(), TrainError> {
        if parameters.len() != self.moments.len() {
            let message = format!("{} parameters, expected {}", parameters.len(), self.moments.len());
            return Err(TrainError::StateMismatch(message));
        }
        for (parameter, moments) in parameters.iter().zip(&self.moments) {
            if parameter.name != moments.name || parameter.values.len() != moments.first.len() {
                let message = format!("found {}, expected {}", parameter.name, moments.name);
                return Err(TrainError::StateMismatch(message));
            }
        }
        Ok(())
    }
}

fn update_one(
    config: &OptimizerConfig,
    updates: u64,
    learning_rate: f64,
    scale: f32,
    parameter: &mut Parameter<'_>,
    moments: &mut Moments,
) {
    let count = updates as f64;
    let (beta1, beta2) = (config.beta1 as f32, config.beta2 as f32);
    let (complement1, complement2) = ((1.0 - config.beta1) as f32, (1.0 - config.beta2) as f32);
    let step_size = (learning_rate / (1.0 - config.beta1.powf(count))) as f32;
    let second_scale = (1.0 / (1.0 - config.beta2.powf(count)).sqrt()) as f32;
    let epsilon = config.epsilon as f32;
    let decay = if parameter.is_decayed { (learning_rate * config.weight_decay) as f32 } else { 0.0 };
    let moments = moments.first.iter_mut().zip(moments.second.iter_mut());
    let elements = parameter.values.iter_mut().zip(parameter.gradients.iter()).zip(moments);
    for ((value, gradient), (first, second)) in elements {
        let gradient = gradient * scale;
        *first = beta1 * *first + complement1 * gradient;
        *second = beta2 * *second + complement2 * gradient * gradient;
        *value -= decay * *value;
        *value -= step_size * *first / (second.sqrt() * second_scale + epsilon);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    struct Owned {
        values: Vec<f32>,
        gradients: Vec<f32>,
        is_decayed: bool,
    }

    impl Owned {
        fn borrow(&mut self) -> Vec<Parameter<'_>> {
            let shape = [1, self.values.len()];
            vec![Parameter {
                name: "w",
                shape,
                values: &mut self.values,
                gradients: &mut self.gradients,
                is_decayed: self.is_decayed,
            }]
        }
    }

    fn config() -> OptimizerConfig {
        OptimizerConfig {
            learning_rate: 0.1,
            weight_decay: 0.0,
            max_gradient_norm: 0.0,
            ..Default::default()
        }
    }

    #[test]
    fn the_first_update_is_the_rate_times_the_sign() {
        let mut owned = Owned { values: vec![1.0, 1.0], gradients: vec![0.5, -20.0], is_decayed: true };
        let mut optimizer = AdamW::new(config(), &owned.borrow()).unwrap();
        let report = optimizer.update(&mut owned.borrow(), 0, 10).unwrap();
        assert!(
            (owned.values[0] - 0.9).abs() < 1e-6 && (owned.values[1] - 1.1).abs() < 1e-6,
            "{:?}",
            owned.values
        );
        assert!((report.gradient_norm - 400.25f64.sqrt()).abs() < 1e-9);
    }

    /// Three updates written out in f64 from the formulas in the header (θ₀ = 0.5; g = 0.3, −0.1, 0.2; η = 0.1, λ = 0.5).
    #[test]
    fn three_updates_by_the_formula() {
        let mut owned = Owned { values: vec![0.5], gradients: vec![0.0], is_decayed: true };
        let config = OptimizerConfig { weight_decay: 0.5, ..config() };
        let mut optimizer = AdamW::new(config, &owned.borrow()).unwrap();
        let (mut theta, mut m, mut v) = (0.5f64, 0.0f64, 0.0f64);
        for (t, gradient) in [(1, 0.3f64), (2, -0.1), (3, 0.2)] {
            owned.gradients[0] = gradient as f32;
            optimizer.update(&mut owned.borrow(), t - 1, 10).unwrap();
            m = 0.9 * m + 0.1 * gradient;
            v = 0.999 * v + 0.001 * gradient * gradient;
            theta -= 0.1 * 0.5 * theta;
            let (t, m_hat) = (t as i32, m / (1.0 - 0.9f64.powi(t as i32)));
            theta -= 0.1 * m_hat / ((v / (1.0 - 0.999f64.powi(t))).sqrt() + 1e-8);
            assert!(
                (f64::from(owned.values[0]) - theta).abs() < 1e-6,
                "update {t}: {} {theta}",
                owned.values[0]
            );
        }
    }

    #[test]
    fn norms_are_not_decayed() {
        let mut owned = Owned { values: vec![1.0], gradients: vec![0.0], is_decayed: false };
        let mut optimizer =
            AdamW::new(OptimizerConfig { weight_decay: 0.5, ..config() }, &owned.borrow()).unwrap();
        optimizer.update(&mut owned.borrow(), 0, 1).unwrap();
        assert_eq!(owned.values, [1.0]);
    }

    #[test]
    fn clipping_scales_to_the_limit() {
        // ε as large as the gradients makes the update depend on their scale, which Adam otherwise hides.
        let config = OptimizerConfig { epsilon: 1.0, ..config() };
        let run = |gradient: f32, max_gradient_norm: f64| {
            let mut owned = Owned { values: vec![0.0], gradients: vec![gradient], is_decayed: true };
            let mut optimizer =
                AdamW::new(OptimizerConfig { max_gradient_norm, ..config.clone() }, &owned.borrow()).unwrap();
            optimizer.update(&mut owned.borrow(), 0, 1).unwrap();
            owned.values[0]
        };
        assert_eq!(run(8.0, 2.0), run(2.0, 0.0));
        assert_eq!(run(1.5, 2.0), run(1.5, 0.0));
        assert_ne!(run(8.0, 0.0), run(8.0, 2.0));
    }

    #[test]
    fn a_non_finite_gradient_changes_nothing() {
        let mut owned = Owned { values: vec![1.0, 2.0], gradients: vec![1.0, f32::NAN], is_decayed: true };
        let mut optimizer = AdamW::new(config(), &owned.borrow()).unwrap();
        assert!(optimizer.update(&mut owned.borrow(), 3, 10).is_err());
        assert_eq!((owned.values, optimizer.updates()), (vec![1.0, 2.0], 0));
    }

    #[test]
    fn an_update_that_breaks_a_weight_is_an_error() {
        let mut owned = Owned { values: vec![1.0, 2.0], gradients: vec![1.0, 1.0], is_decayed: true };
        let config = OptimizerConfig { learning_rate: 1e38, weight_decay: 1e3, ..config() };
        let mut optimizer = AdamW::new(config, &owned.borrow()).unwrap();
        let error = optimizer.update(&mut owned.borrow(), 3, 10).unwrap_err().to_string();
        assert!(
            error.starts_with("value of w[0] is -inf at step 3\nhint: lower the learning rate"),
            "{error}"
        );
    }

    #[test]
    fn restored_state_continues_bit_for_bit() {
        let gradient = |step: u64, i: usize| ((step * 7 + i as u64 * 13) % 11) as f32 / 11.0 - 0.4;
        let run = |owned: &mut Owned, optimizer: &mut AdamW, steps: std::ops::Range<u64>| {
            for step in steps {
                owned.gradients.iter_mut().enumerate().for_each(|(i, g)| *g = gradient(step, i));
                optimizer.update(&mut owned.borrow(), step, 10).unwrap();
            }
        };
        let mut whole = Owned { values: vec![0.3; 5], gradients: vec![0.0; 5], is_decayed: true };
        let mut optimizer = AdamW::new(config(), &whole.borrow()).unwrap();
        run(&mut whole, &mut optimizer, 0..4);
        let mut resumed = Owned { values: whole.values.clone(), gradients: vec![0.0; 5], is_decayed: true };
        let saved: BTreeMap<String, Vec<f32>> =
            optimizer.state().into_iter().map(|tensor| (tensor.name, tensor.values.to_vec())).collect();
        let mut second = AdamW::new(config(), &resumed.borrow()).unwrap();
        second.restore(optimizer.updates(), |name| saved.get(name).map(Vec::as_slice)).unwrap();
        run(&mut whole, &mut optimizer, 4..10);
        run(&mut resumed, &mut second, 4..10);
        assert_eq!(whole.values, resumed.values);
        assert!(second.restore(1, |_| None).unwrap_err().to_string().contains("adam.m.w is missing"));
    }

    #[test]
    fn impossible_settings_name_the_key() {
        for (config, key) in [
            (OptimizerConfig { learning_rate: -1.0, ..config() }, "learning_rate"),
            (OptimizerConfig { learning_rate: f64::NAN, ..config() }, "learning_rate"),
            (OptimizerConfig { beta2: 1.0, ..config() }, "beta2"),
            (OptimizerConfig { max_gradient_norm: -1.0, ..config() }, "max_gradient_norm"),
        ] {
            assert_eq!(config.validate().unwrap_err().key, key);
        }
    }
}
