//! A reward model of preferences (Bradley and Terry, as in InstructGPT, arXiv 2203.02155): a number for an answer, by which
//! the better of two is the higher. It trains no policy; `[[reward]] type = "reward-model"` rewards one with it.
//!
//! ```text
//! r_i = v after the answer's last token
//! L   = 1/groups · Σ_groups 1/pairs · Σ_{R_w > R_l} [ −log σ(r_w − r_l) + c (r_w + r_l)² ]
//! ```
//!
//! | symbol | here |
//! |---|---|
//! | r_i | the last of `Sequence::values` |
//! | R_i | `Credit::advantages`: `Sample::reward`, of which only the order counts |
//! | c | `centring_coefficient` (arXiv 2312.09244) |
//!
//! All pairs of a prompt are one element divided by their number, as the paper has it (equation 1), so that no answer is overfitted.
//! The paper shifts the model so that its mean over demonstrations is 0; here the loss draws the sums of pairs to 0, which is
//! the same without a second pass. v is read after the last token, so that an answer that the length limit ended is judged with
//! all that it says. The network under the head is trained too (the adapter, or all weights). Answers come from a log
//! (`tasks.trajectories`); of its groups, `held_out` are kept aside, and `pairs/heldout_accuracy` is the share of their
//! pairs in order. That one tells little of what a policy will make of it: on the toy a model that had learned from answers of chance
//! put 0.92 in order without a look at the prompt, and a policy taught by it learned as much. So the log should hold answers such as
//! the policy will give: those of a run, or of several models. A group of one is an error: it has no pairs.

use hone_model::ValueHead;
use hone_train::ConfigError;
use serde::{Deserialize, Serialize};

use super::preference::{logistic_loss, no_loss, pairs, ranked};
use super::{
    AlgorithmError, Credit, Derived, Method, Sample, Sequence, SequenceLoss, Totals, require_at_least_zero,
    require_group_size, require_groups, rewards_differ,
};

/// Settings of the reward model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RewardModel {
    /// c, how strongly rewards are drawn to a mean of 0.
    pub centring_coefficient: f64,
    /// Share of the log's groups that are only measured.
    pub held_out: f64,
}

impl Default for RewardModel {
    fn default() -> Self {
        RewardModel { centring_coefficient: 0.01, held_out: 0.1 }
    }
}

impl Method for RewardModel {
    fn validate(&self, group_size: usize) -> Result<(), ConfigError> {
        require_at_least_zero(&[("centring_coefficient", self.centring_coefficient)])?;
        let is_share = (0.0..=0.5).contains(&self.held_out);
        ConfigError::require(is_share, "held_out", "from 0 to 0.5", self.held_out)?;
        require_group_size(group_size, "reward-model")
    }

    fn needs_log(&self) -> bool {
        true
    }

    fn value_head(&self) -> Option<ValueHead> {
        Some(ValueHead { outputs: 1, is_detached: false })
    }

    fn needs_value_behind(&self) -> bool {
        true
    }

    fn held_out(&self) -> f64 {
        self.held_out
    }

    fn has_signal(&self, group: &[Sample]) -> bool {
        rewards_differ(group)
    }

    fn credit(&self, batch: &[Vec<Sample>]) -> Result<Vec<Vec<Credit>>, AlgorithmError> {
        require_groups(batch, "reward-model")?;
        ranked(batch)
    }

    fn loss(&self, group: &[Sequence<'_>], totals: &Totals) -> Vec<SequenceLoss> {
        let said: Vec<f64> = group.iter().map(|sequence| last(sequence.values)).collect();
        let (mut losses, pairs) = (no_loss(group), pairs(group));
        let weight = 1.0 / (totals.groups * pairs.len()).max(1) as f64;
        let mut slopes = vec![0.0; group.len()];
        for (better, worse) in pairs {
            let Derived { value, derivative } = logistic_loss(said[better] - said[worse]);
            let sum = said[better] + said[worse];
            losses[better].value += weight * (value + self.centring_coefficient * sum * sum);
            let by_sum = 2.0 * self.centring_coefficient * sum;
            slopes[better] += weight * (derivative + by_sum);
            slopes[worse] += weight * (by_sum - derivative);
        }
        for ((loss, sequence), slope) in losses.iter_mut().zip(group).zip(slopes) {
            let mut row = vec![0.0; sequence.values.map_or(sequence.len(), <[f64]>::len)];
            if let Some(last) = row.last_mut() {
                *last = slope;
            }
            loss.values = Some(row);
        }
        losses
    }

    fn ranking(&self, group: &[Sample]) -> (usize, usize) {
        let judged: Vec<(f64, f64)> = group
            .iter()
            .filter(|sample| sample.tokens > 0)
            .map(|sample| (sample.reward, last(sample.values.as_deref())))
            .collect();
        let all = judged.iter().flat_map(|better| judged.iter().map(move |worse| (better, worse)));
        let ordered: Vec<bool> = all
            .filter(|(better, worse)| better.0 > worse.0)
            .map(|(better, worse)| better.1 > worse.1)
            .collect();
        (ordered.iter().filter(|is_right| **is_right).count(), ordered.len())
    }
}

/// What the head says of the whole answer.
fn last(values: Option<&[f64]>) -> f64 {
    values.and_then(|row| row.last().copied()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Case, check_finite_differences, check_order, near, sample, total_loss};
    use super::*;

    fn case(values: &[f64], score: f64) -> Case {
        Case { values: values.to_vec(), ..Case::new(&vec![0.0; values.len()], score) }
    }

    /// By hand: −ln σ(1) = ln(1 + 1/e) = 0.3132616875, and the sum of 2.5 + 1.5 centred by c = 0.1 adds 1.6.
    #[test]
    fn golden() {
        let method = RewardModel { centring_coefficient: 0.1, ..RewardModel::default() };
        let (value, parts) = total_loss(&method, &[vec![case(&[9.0, 2.5], 1.0), case(&[1.5], 0.0)]]);
        near(&[value], &[0.313_261_687_5 + 1.6]);
        let sigma = 1.0 / (1.0 + 1f64.exp());
        near(parts[0].values.as_ref().unwrap(), &[0.0, -sigma + 0.8]);
        near(parts[1].values.as_ref().unwrap(), &[sigma + 0.8]);
    }

    /// The better is pushed up and the worse down, whatever they are worth now; equal ones are no pair.
    #[test]
    fn losses() {
        let groups = [
            vec![case(&[0.3, -0.4, 0.2], 1.0), case(&[0.5], 0.2), case(&[0.1, 0.6], 0.2)],
            vec![case(&[0.7], 0.0), case(&[-0.1, 0.2], 1.0)],
            vec![case(&[0.1], 0.5), case(&[0.4], 0.5)],
        ];
        let method = RewardModel::default();
        check_finite_differences(&method, &groups);
        check_order(&method, &groups[..2]);
        let (_, parts) = total_loss(&RewardModel { centring_coefficient: 0.0, ..method }, &groups);
        let slope = |index: usize| *parts[index].values.as_ref().unwrap().last().unwrap();
        assert!(slope(0) < 0.0 && slope(1) > 0.0 && slope(3) > 0.0 && slope(4) < 0.0);
        assert_eq!((slope(5), slope(6)), (0.0, 0.0));
        assert!(parts.iter().flat_map(|part| &part.logprobs).all(|slope| *slope == 0.0));
    }

    #[test]
    fn ranking_counts_pairs_in_order() {
        let judged = |reward: f64, value: f64| Sample { values: Some(vec![9.0, value]), ..sample(reward, 2) };
        let group = [judged(1.0, 0.5), judged(0.0, 0.7), judged(0.0, 0.1), judged(0.5, 0.2)];
        assert_eq!(RewardModel::default().ranking(&group), (3, 5));
        let error = RewardModel::default().validate(1).unwrap_err().to_string();
        assert!(error.contains("group_size"), "{error}");
    }
}
