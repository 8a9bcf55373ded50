//! Reward models at work: what the value head of a trained network says after an answer.

use hone_model::Network;

use crate::config::TrainerConfig;
use crate::error::RlError;
use crate::score::values_behind;
use crate::trajectory::{Group, Trajectory};

/// What a reward model says of every answer, `[group][sample]`; 0 for an answer without tokens.
pub(crate) fn judge(
    network: &mut dyn Network,
    config: &TrainerConfig,
    groups: &[Group],
    step: u64,
) -> Result<Vec<Vec<f64>>, RlError> {
    let borrowed: Vec<&Group> = groups.iter().collect();
    let values = values_behind(network, config, &borrowed, step)?;
    let said = |(group, rows): (&Group, Vec<Vec<f32>>)| {
        let mut rows = rows.into_iter();
        let last = |trajectory: &Trajectory| match trajectory.tokens.is_empty() {
            true => 0.0,
            false => rows.next().and_then(|row| row.last().copied()).map_or(0.0, f64::from),
        };
        group.trajectories.iter().map(last).collect()
    };
    Ok(groups.iter().zip(values).map(said).collect())
}
