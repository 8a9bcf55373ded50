//! The names of the numbers a run writes, each documented once. Stage first, unit last.
//!
//! A table, not a gate: a writer may log other names too, and the report shows them under "other".

/// A number with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// `stage/quantity_unit`.
    pub name: &'static str,
    /// What a person calls it.
    pub title: &'static str,
    /// What it is, with its formula.
    pub meaning: &'static str,
}

/// Finds a documented metric.
pub fn find(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

/// Fraction of a step's completions with each outcome: `outcome/passed`, `outcome/wrong-answer`, …
pub const OUTCOME_PREFIX: &str = "outcome/";

/// Mean value of each part of the reward, before its weight: `reward/part/all-pass`, `reward/part/kl`, …
pub const REWARD_PART_PREFIX: &str = "reward/part/";

const fn metric(name: &'static str, title: &'static str, meaning: &'static str) -> Metric {
    Metric { name, title, meaning }
}

/// Mean reward.
pub const REWARD_MEAN: &str = "reward/mean";
/// Pass rate.
pub const PASS_RATE: &str = "reward/pass_rate";
/// Length of completions.
pub const LENGTH_TOKENS: &str = "rollout/length_tokens";
/// KL divergence.
pub const KL: &str = "update/kl";
/// Entropy.
pub const ENTROPY: &str = "update/entropy";
/// Clip fraction.
pub const CLIP_FRACTION: &str = "update/clip_fraction";
/// Gradient norm.
pub const GRADIENT_NORM: &str = "update/gradient_norm";
/// Fraction of groups that can teach.
pub const GROUPS_WITH_SIGNAL: &str = "reward/groups_with_signal";
/// Fraction of completions cut off.
pub const TRUNCATED_FRACTION: &str = "rollout/truncated_fraction";
/// Seconds of sampling.
pub const ROLLOUT_S: &str = "time/rollout_s";
/// Seconds of executing programs.
pub const EXECUTION_S: &str = "time/execution_s";
/// Seconds of the update.
pub const UPDATE_S: &str = "time/update_s";
/// Seconds of the whole step.
pub const STEP_S: &str = "time/step_s";
/// Sampled tokens a second.
pub const TOKENS_PER_S: &str = "rollout/tokens_per_s";
/// Share of tried programs that passed and differ from the reference elsewhere.
pub const TRIED_WRONG: &str = "monitor/tried_wrong";
/// Peak memory.
pub const PEAK_MEMORY_BYTES: &str = "memory/peak_bytes";

/// Every documented metric; the first ones are the report's curves, in its order.
pub const METRICS: &[Metric] = &[
    metric(
        REWARD_MEAN,
        "Reward",
        "mean reward of the step's completions, before dynamic sampling drops groups",
    ),
    metric(PASS_RATE, "Pass rate", "fraction of completions that passed all hidden tests"),
    metric(
        KL,
        "KL",
        "mean over trained tokens of r − 1 − ln r, r = π(token) / π_behaviour(token) (k3 estimator)",
    ),
    metric(ENTROPY, "Entropy", "mean over trained tokens of −Σ π ln π, in nats"),
    metric(LENGTH_TOKENS, "Completion length", "mean number of tokens of a completion"),
    metric(
        CLIP_FRACTION,
        "Clip fraction",
        "fraction of trained tokens where the clipped side of the objective is active",
    ),
    metric(
        GRADIENT_NORM,
        "Gradient norm",
        "2-norm of the gradient over all trained parameters, before clipping",
    ),
    metric(GROUPS_WITH_SIGNAL, "Groups with signal", "fraction of groups whose rewards are not all equal"),
    metric(TRUNCATED_FRACTION, "Cut off", "fraction of completions that the length limit ended"),
    metric("update/loss", "Loss", "the algorithm's loss; its value says little, its gradient is what trains"),
    metric("update/learning_rate", "Learning rate", "learning rate of the update"),
    metric(
        "update/ratio_max",
        "Largest ratio",
        "largest π / π_behaviour over trained tokens; 1 when on-policy and exact",
    ),
    metric(
        "update/reference_kl",
        "KL to the base model",
        "mean over trained tokens of the k3 estimator against the reference model",
    ),
    metric(
        "update/kl_coefficient",
        "KL coefficient",
        "weight of the KL in the reward where the algorithm steers it, after the step",
    ),
    metric("update/tokens", "Trained tokens", "completion tokens that entered the loss"),
    metric("reward/std", "Reward deviation", "standard deviation of the step's rewards"),
    metric("rollout/tokens", "Sampled tokens", "completion tokens sampled in the step"),
    metric("rollout/groups", "Groups", "groups sampled in the step"),
    metric("rollout/groups_dropped", "Groups dropped", "groups left out because all their rewards are equal"),
    metric("rollout/rounds", "Sampling rounds", "samplings made to fill the batch"),
    metric(
        "curriculum/given",
        "Given",
        "share of the reference solution that answers begin with, after the step",
    ),
    metric(
        "pairs/heldout_accuracy",
        "Pairs in order",
        "fraction of held-out pairs whose better answer has the higher value",
    ),
    metric("turn/mean", "Turns", "mean number of turns of an episode"),
    metric(
        "turn/pass_rate_first",
        "Pass rate of first turns",
        "fraction of episodes whose first answer passed all hidden tests",
    ),
    metric(
        "turn/pass_rate_any",
        "Pass rate over turns",
        "fraction of episodes one of whose answers passed all hidden tests",
    ),
    metric("replay/fraction", "Replayed", "share of the step's groups that were taken from a log"),
    metric("replay/reward_mean", "Reward of the replayed", "mean reward of the step's logged completions"),
    metric(
        "replay/kl",
        "KL to the logging policy",
        "mean over replayed tokens of r − 1 − ln r, r = π(token) / π_logged(token)",
    ),
    metric(
        "replay/effective_share",
        "Effective share of the replayed",
        "(Σ r)² / (n Σ r²) over replayed tokens: 1 where the policy is the logging one, near 0 where few tokens weigh all",
    ),
    metric(ROLLOUT_S, "Rollout", "wall seconds of sampling"),
    metric(EXECUTION_S, "Execution", "wall seconds of executing programs that nothing else overlapped"),
    metric(UPDATE_S, "Update", "wall seconds of forward, backward and optimizer"),
    metric(STEP_S, "Step", "wall seconds of the whole step"),
    metric(TOKENS_PER_S, "Sampling speed", "sampled tokens per second of rollout"),
    metric(
        TRIED_WRONG,
        "Wrong elsewhere",
        "share of the programs that passed and were tried that differ from the reference on inputs the tests do not have",
    ),
    metric(PEAK_MEMORY_BYTES, "Peak memory", "peak resident memory of the process"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_staged() {
        for (index, metric) in METRICS.iter().enumerate() {
            assert!(metric.name.contains('/') && !metric.meaning.is_empty(), "{}", metric.name);
            assert!(METRICS[..index].iter().all(|other| other.name != metric.name), "{}", metric.name);
        }
    }
}
