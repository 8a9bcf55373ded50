//! Checks and norms over all gradients, in a fixed order of summation.

use hone_model::Parameter;

use crate::TrainError;

/// √Σ g² over every parameter, summed in f64 in the parameters' order, so that it never depends on threads.
pub fn global_norm(parameters: &[Parameter<'_>]) -> f64 {
    parameters.iter().map(|parameter| sum_of_squares(parameter.gradients)).sum::<f64>().sqrt()
}

/// Fails on the first gradient that is not finite, naming it and the step.
pub fn check_finite(parameters: &[Parameter<'_>], step: u64) -> Result<(), TrainError> {
    parameters.iter().try_for_each(|one| check_numbers("gradient", one.name, one.gradients, step))
}

/// Fails on the first weight that is not finite, so that none is ever saved.
pub(crate) fn check_weights(parameters: &[Parameter<'_>], step: u64) -> Result<(), TrainError> {
    parameters.iter().try_for_each(|one| check_numbers("value", one.name, one.values, step))
}

fn check_numbers(quantity: &'static str, name: &str, numbers: &[f32], step: u64) -> Result<(), TrainError> {
    // x * 0 is 0 for every finite x and NaN otherwise: one branch-free pass where all is well.
    if numbers.iter().map(|number| number * 0.0).sum::<f32>() == 0.0 {
        return Ok(());
    }
    match numbers.iter().position(|number| !number.is_finite()) {
        Some(index) => {
            let (name, value) = (name.to_string(), numbers[index]);
            Err(TrainError::NonFinite { quantity, name, index, value, step })
        }
        None => Ok(()),
    }
}

/// Eight running sums over interleaved elements: fast, and always the same order.
fn sum_of_squares(values: &[f32]) -> f64 {
    let mut lanes = [0.0f64; 8];
    let chunks = values.chunks_exact(8);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane += f64::from(value) * f64::from(value);
        }
    }
    lanes.iter().sum::<f64>() + rest.iter().map(|&value| f64::from(value) * f64::from(value)).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn norm_and_non_finite() {
        let (mut values, mut gradients) = ([0.0; 10], [1.0; 10]);
        let (mut other_values, mut other_gradients) = ([0.0; 2], [3.0, 9.0]);
        let mut parameters = vec![
            Parameter {
                name: "a",
                shape: [2, 5],
                values: &mut values,
                gradients: &mut gradients,
                is_decayed: true,
            },
            Parameter {
                name: "b",
                shape: [1, 2],
                values: &mut other_values,
                gradients: &mut other_gradients,
                is_decayed: false,
            },
        ];
        assert_eq!(global_norm(&parameters), 10.0);
        assert!(check_finite(&parameters, 7).is_ok());
        parameters[1].gradients[1] = f32::NAN;
        let message = check_finite(&parameters, 7).unwrap_err().to_string();
        assert!(message.starts_with("gradient of b[1] is NaN at step 7"), "{message}");
        parameters[1].gradients[1] = f32::NEG_INFINITY;
        assert!(check_finite(&parameters, 7).unwrap_err().to_string().contains("-inf"));
    }
}
