//! Algorithms as pure functions on numbers: no tensors, no environments, no randomness. All in f64.
//!
//! The trainer asks an algorithm three things, in this order:
//!
//! 1. [`Method::has_signal`] of each group: is there anything to learn from it? (dynamic sampling)
//! 2. [`Method::credit`] of the whole batch: the advantage of every token. It sees the batch at once, so baselines and
//!    whitening may reach over a token, a sequence, a group or the batch.
//! 3. [`Method::loss`] of each prompt's group at the current policy: the loss and its derivative with respect to every
//!    log-prob and entropy. It sees a prompt's sequences at once, so ratios of whole sequences, pairs and rankings fit;
//!    sums over more than that go through [`Totals`], so that micro-batches never change a result.
//!
//! What one algorithm needs beyond that (values of a critic, say) is a field of [`Sequence`] and of [`SequenceLoss`]; the
//! others never notice. A new algorithm is one file here and its line in the list below, which is its `mod` line too.
//! (`cargo fmt` does not look through it: `cargo fmt --all -- crates/rl/src/algorithms/*.rs` does.)

mod advantages;
mod aggregation;
mod credit;
mod imitation;
#[cfg(test)]
mod invariance;
mod kl;
mod method;
mod preference;
mod returns;
mod surrogate;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod value_loss;

use serde::{Deserialize, Serialize};

pub use advantages::{Scale, group_advantages, leave_one_out};
pub use aggregation::Aggregation;
pub use credit::{
    broadcast, require_at_least_zero, require_group_size, require_groups, rewards_differ, rewards_of,
};
pub(crate) use dapo::overlong_penalty;
pub use imitation::{imitation_loss, with_gold, without_gold};
pub use kl::{Derived, add_divergence, k3};
pub use method::{
    AlgorithmError, Credit, Curriculum, Memory, Method, OUTCOMES, Outcome, Sample, Sequence, SequenceLoss,
    Totals,
};
pub use returns::{gae, returns_to_go, whiten};
pub use surrogate::{ClipRange, Surrogate, clipped_surrogate, sequence_loss, token_loss};
pub use value_loss::clipped_value_loss;

macro_rules! algorithms {
    ($($(#[$documentation:meta])* $module:ident::$name:ident,)*) => {
        $(mod $module;)*

        $(pub use $module::$name;)*

        /// The algorithm of a recipe: `type = "grpo"` alone gives its vetted setting.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "type", rename_all = "kebab-case")]
        pub enum Algorithm {
            $($(#[$documentation])* $name($name),)*
        }

        $(impl From<$name> for Algorithm {
            fn from(method: $name) -> Algorithm {
                Algorithm::$name(method)
            }
        })*

        impl Algorithm {
            /// Every algorithm in its vetted setting, in the order of the list.
            pub fn all() -> Vec<Algorithm> {
                vec![$(Algorithm::$name($name::default()),)*]
            }

            /// The algorithm's functions.
            pub fn method(&self) -> &dyn Method {
                match self {
                    $(Algorithm::$name(method) => method,)*
                }
            }

            /// The source file, whose header explains the algorithm.
            fn source(&self) -> &'static str {
                match self {
                    $(Algorithm::$name(_) => include_str!(concat!(stringify!($module), ".rs")),)*
                }
            }
        }
    };
}

algorithms! {
    /// Group-relative policy optimisation.
    grpo::Grpo,
    /// Proximal policy optimisation with a value function.
    ppo::Ppo,
    /// GRPO without its biases by length and difficulty.
    dr_grpo::DrGrpo,
    /// Decoupled clip and dynamic sampling.
    dapo::Dapo,
    /// Ratios of whole sequences.
    gspo::Gspo,
    /// Clipped importance weights instead of clipped updates.
    cispo::Cispo,
    /// REINFORCE with a leave-one-out baseline.
    rloo::Rloo,
    /// REINFORCE with token returns whitened over the batch.
    reinforce_plus_plus::ReinforcePlusPlus,
    /// The same with the group's mean as baseline.
    reinforce_plus_plus_baseline::ReinforcePlusPlusBaseline,
    /// REINFORCE with the greedy answer as baseline.
    remax::Remax,
    /// Maximum-likelihood reinforcement learning.
    maxrl::Maxrl,
    /// A soft gate instead of a clip.
    sapo::Sapo,
    /// Geometric mean of token ratios.
    gmpo::Gmpo,
    /// Direct preference optimisation.
    dpo::Dpo,
    /// DPO with a share of wrong labels.
    cdpo::Cdpo,
    /// A margin to reach instead of a likelihood to maximise.
    ipo::Ipo,
    /// Imitation of the right answers, sampled or logged.
    rft::Rft,
    /// Ranked responses, and imitation of the best.
    rrhf::Rrhf,
    /// Ranked responses, weighted by the distance of their rewards.
    rrtf::Rrtf,
    /// A critic of outcome classes weighs the tokens.
    coderl::Coderl,
    /// Unit-test feedback on the failing line.
    rltf::Rltf,
    /// PPO with compilation, syntax and data flow in the reward.
    ppocoder::Ppocoder,
    /// A dialogue of answers and critiques; the best attempt counts.
    corgi::Corgi,
    /// Rewards a step, and a reference that follows.
    grpo_process::GrpoProcess,
    /// The logits as advantages of a dueling Q function.
    b_coder::BCoder,
    /// A reward model of preferences; it trains no policy.
    reward_model::RewardModel,
    /// PPO under a reward model, with good text mixed in.
    rlhf::Rlhf,
    /// Completions that grow longer as they succeed; the loss on executed lines.
    stepcoder::Stepcoder,
    /// REINFORCE whose wrong answers count as far as the policy still gives them.
    topr::Topr,
}

impl Default for Algorithm {
    fn default() -> Self {
        Algorithm::Grpo(Grpo::default())
    }
}

impl Algorithm {
    /// The `type` of a recipe, such as `dr-grpo`.
    pub fn name(&self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        value["type"].as_str().unwrap_or_default().to_string()
    }

    /// Paper, formula, symbols and deviations: the header of the algorithm's file.
    pub fn explanation(&self) -> String {
        let lines = self.source().lines().map_while(|line| line.strip_prefix("//!"));
        lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
    }
}
