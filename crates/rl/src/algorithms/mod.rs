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
//! What one algorithm needs beyond that (values of a critic, say) becomes a field of [`Sequence`] and of
//! [`SequenceLoss`]; the others never notice. A new algorithm is one file here and one line in the list below.

mod advantages;
mod aggregation;
mod grpo;
mod kl;
mod surrogate;

use hone_train::ConfigError;
use serde::{Deserialize, Serialize};

pub use advantages::{Scale, group_advantages};
pub use aggregation::Aggregation;
pub use grpo::Grpo;
pub use kl::{Derived, k3};
pub use surrogate::{ClipRange, Surrogate, clipped_surrogate};

/// A sampled sequence as credit assignment sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Its reward.
    pub reward: f64,
    /// T, its length.
    pub tokens: usize,
    /// Whether the length limit ended it.
    pub is_truncated: bool,
}

/// What credit assignment says of a sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct Credit {
    /// Advantage of each token, `[T]`.
    pub advantages: Vec<f64>,
    /// Whether the sequence enters the loss, numerator and denominator.
    pub is_in_loss: bool,
}

/// A sequence as the loss sees it. All slices are `[T]`; entry `t` is about token `t`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sequence<'a> {
    /// log π, the current policy: the only variable besides `entropies`.
    pub logprobs: &'a [f64],
    /// Entropy of the current policy.
    pub entropies: &'a [f64],
    /// log π_old, the behaviour policy.
    pub behaviour: &'a [f64],
    /// log π_ref; there if [`Method::needs_reference`].
    pub reference: Option<&'a [f64]>,
    /// A, from [`Method::credit`].
    pub advantages: &'a [f64],
}

/// A sequence's part of the loss, and its derivatives.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SequenceLoss {
    /// The part; the loss of an update is the sum over all its sequences.
    pub value: f64,
    /// ∂loss/∂logprobs, `[T]`.
    pub logprobs: Vec<f64>,
    /// ∂loss/∂entropies, `[T]`; `None` if the loss does not use them.
    pub entropies: Option<Vec<f64>>,
    /// Tokens whose gradient the clip removed.
    pub clipped_tokens: usize,
}

/// Sums over everything in the loss of one optimizer update, however it is split into micro-batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Tokens.
    pub tokens: usize,
    /// Sequences.
    pub sequences: usize,
    /// Longest completion that sampling allows, L_max.
    pub max_tokens: usize,
}

/// Why an algorithm cannot work with what it was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{algorithm}: {message}")]
pub struct AlgorithmError {
    /// Which.
    pub algorithm: &'static str,
    /// What was expected and found.
    pub message: String,
}

/// What the trainer asks of an algorithm.
pub trait Method {
    /// Refuses impossible settings, also in view of the group size.
    fn validate(&self, group_size: usize) -> Result<(), ConfigError>;

    /// Whether the loss needs the reference model's log-probs.
    fn needs_reference(&self) -> bool {
        false
    }

    /// How often at most further tasks are sampled to replace groups without signal; 1 samples once.
    fn sampling_rounds(&self) -> usize {
        1
    }

    /// Whether a group is worth an update.
    fn has_signal(&self, _group: &[Sample]) -> bool {
        true
    }

    /// The advantage of every token of the batch, `[group][sample]`.
    fn credit(&self, batch: &[Vec<Sample>]) -> Result<Vec<Vec<Credit>>, AlgorithmError>;

    /// The loss of one prompt's sequences (those that are in the loss), one entry a sequence.
    fn loss(&self, group: &[Sequence<'_>], totals: &Totals) -> Vec<SequenceLoss>;
}

macro_rules! algorithms {
    ($($(#[$documentation:meta])* $name:ident,)*) => {
        /// The algorithm of a recipe: `type = "grpo"` alone gives its vetted setting.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "type", rename_all = "kebab-case")]
        pub enum Algorithm {
            $($(#[$documentation])* $name($name),)*
        }

        impl Algorithm {
            /// The algorithm's functions.
            pub fn method(&self) -> &dyn Method {
                match self {
                    $(Algorithm::$name(method) => method,)*
                }
            }
        }
    };
}

algorithms! {
    /// Group-relative policy optimisation.
    Grpo,
}

impl Default for Algorithm {
    fn default() -> Self {
        Algorithm::Grpo(Grpo::default())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An owned [`Sequence`] for tests.
    #[derive(Debug, Clone)]
    pub(crate) struct Case {
        pub(crate) logprobs: Vec<f64>,
        pub(crate) entropies: Vec<f64>,
        pub(crate) behaviour: Vec<f64>,
        pub(crate) reference: Vec<f64>,
        pub(crate) advantages: Vec<f64>,
    }

    impl Case {
        pub(crate) fn borrow(&self) -> Sequence<'_> {
            Sequence {
                logprobs: &self.logprobs,
                entropies: &self.entropies,
                behaviour: &self.behaviour,
                reference: Some(&self.reference),
                advantages: &self.advantages,
            }
        }
    }

    /// The loss of an update whose prompt groups are `groups`, and its parts in order.
    pub(crate) fn total_loss(method: &dyn Method, groups: &[Vec<Case>]) -> (f64, Vec<SequenceLoss>) {
        let cases = || groups.iter().flatten();
        let totals = Totals {
            tokens: cases().map(|case| case.logprobs.len()).sum(),
            sequences: cases().count(),
            max_tokens: 8,
        };
        let parts: Vec<SequenceLoss> = groups
            .iter()
            .flat_map(|group| method.loss(&group.iter().map(Case::borrow).collect::<Vec<_>>(), &totals))
            .collect();
        (parts.iter().map(|part| part.value).sum(), parts)
    }

    /// Central differences in f64 against the derivatives the method returns, for every log-prob and entropy.
    pub(crate) fn check_finite_differences(method: &dyn Method, groups: &[Vec<Case>]) {
        let step = 1e-6;
        let (_, parts) = total_loss(method, groups);
        let mut flat = 0;
        for (g, group) in groups.iter().enumerate() {
            for (s, case) in group.iter().enumerate() {
                for t in 0..case.logprobs.len() {
                    let difference = |change: &dyn Fn(&mut Case, f64)| {
                        let at = |offset: f64| {
                            let mut moved = groups.to_vec();
                            change(&mut moved[g][s], offset);
                            total_loss(method, &moved).0
                        };
                        (at(step) - at(-step)) / (2.0 * step)
                    };
                    let by_logprob = difference(&|case, offset| case.logprobs[t] += offset);
                    let by_entropy = difference(&|case, offset| case.entropies[t] += offset);
                    let found = parts[flat].logprobs[t];
                    assert!(
                        (found - by_logprob).abs() < 1e-7,
                        "logprob {g}/{s}/{t}: {found}, expected {by_logprob}"
                    );
                    let found = parts[flat].entropies.as_ref().map_or(0.0, |entropies| entropies[t]);
                    assert!(
                        (found - by_entropy).abs() < 1e-7,
                        "entropy {g}/{s}/{t}: {found}, expected {by_entropy}"
                    );
                }
                flat += 1;
            }
        }
    }

    #[test]
    fn a_type_alone_is_the_vetted_setting() {
        let algorithm: Algorithm = serde_json::from_str(r#"{"type": "grpo"}"#).unwrap();
        assert_eq!(algorithm, Algorithm::default());
        let error = serde_json::from_str::<Algorithm>(r#"{"type": "grpo", "clip": 0.2}"#).unwrap_err();
        assert!(error.to_string().contains("unknown field `clip`"), "{error}");
        assert!(serde_json::from_str::<Algorithm>(r#"{"type": "grpoo"}"#).is_err());
    }
}
