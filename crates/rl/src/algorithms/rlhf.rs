//! RLHF with pre-training mixed in (InstructGPT, arXiv 2203.02155, "PPO-ptx"): PPO against a KL to the model it began as, and
//! imitation of good text beside it.
//!
//! ```text
//! ρ_it = −β log(π_old(o_it) / π_ref(o_it)),  ρ_iT += R_i
//! L    = L_PPO(ρ) − γ_ptx · mean_gold 1/|g| Σ_t log π(g_t)
//! β   ← β (1 + clip(KL/target − 1, −0.2, 0.2) · n/horizon)          where a target is set
//! ```
//!
//! | symbol | here |
//! |---|---|
//! | R_i | `Sample::reward`: `[[reward]] type = "reward-model"` in the paper, any part here |
//! | g | the tasks' reference solutions, after their prompts |
//! | γ_ptx | `ptx_coefficient` |
//! | β, target, horizon | `kl_coefficient`, `kl_target`, `kl_horizon` |
//! | everything else | as in `ppo` |
//!
//! β 0.02, ε 0.2 and γ 1 are the paper's (appendix C.4); λ is not printed there, 0.95 is what most use. The text that is mixed
//! in is the references', not a corpus. The value function is a head on the policy, not a copy of the reward model. The target
//! is Ziegler's 6 nats a sequence (arXiv 1909.08593), off by default. A group of one is fine.
//!
//! γ_ptx is 27.8 in the paper and 0.05 here (OpenRLHF's `ptx_coef`), because it weighs something else. Whether the paper's
//! log π(x) is a sum or a mean over tokens is not printed; what follows holds for both.
//! - Its x are texts of the corpus that the policy was pre-trained on, eight an episode. It begins near the least loss on
//!   them, where E ∇log π(x) is about 0 and the term is about −γ/2 (θ − θ_0)ᵀ F (θ − θ_0), F the Fisher matrix of that text: a spring,
//!   which pulls back what PPO moves and moves little itself, however large γ is. 20 and more undid its regressions (E.6).
//! - The references are no such text: E ∇log π(g) is not 0 from the first step on, so the term is a force. Both losses here are
//!   means over tokens, PPO's of A ∇log π with A whitened to deviation 1. At its largest, all tokens agreeing, that is one
//!   ∇log π of a token, as the references' is; so γ_ptx is the least ratio of imitation to PPO, and more where advantages
//!   cancel. 27.8 would be supervised fine-tuning.

use hone_model::ValueHead;
use hone_train::ConfigError;
use serde::{Deserialize, Serialize};

use super::{
    AlgorithmError, Credit, Memory, Method, Ppo, Sample, Sequence, SequenceLoss, Totals, imitation_loss,
    require_at_least_zero, with_gold, without_gold,
};

/// Settings of RLHF.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rlhf {
    /// ε, below and above.
    pub clip: f64,
    /// λ of the advantage estimator.
    pub lambda: f64,
    /// c_v, weight of the value loss.
    pub value_coefficient: f64,
    /// β at first.
    pub kl_coefficient: f64,
    /// The KL a sequence that β is steered towards; `None` keeps β.
    pub kl_target: Option<f64>,
    /// Sequences over which β is steered.
    pub kl_horizon: f64,
    /// γ_ptx; 0 mixes nothing in.
    pub ptx_coefficient: f64,
}

impl Default for Rlhf {
    fn default() -> Self {
        Rlhf {
            clip: 0.2,
            lambda: 0.95,
            value_coefficient: 0.1,
            kl_coefficient: 0.02,
            kl_target: None,
            kl_horizon: 10_000.0,
            ptx_coefficient: 0.05,
        }
    }
}

impl Rlhf {
    fn ppo(&self) -> Ppo {
        Ppo {
            clip_low: self.clip,
            clip_high: self.clip,
            dual_clip: None,
            lambda: self.lambda,
            value_coefficient: self.value_coefficient,
            kl_coefficient: self.kl_coefficient,
            kl_target: self.kl_target,
            kl_horizon: self.kl_horizon,
            ..Ppo::default()
        }
    }
}

impl Method for Rlhf {
    fn validate(&self, group_size: usize) -> Result<(), ConfigError> {
        ConfigError::require((0.0..1.0).contains(&self.clip), "clip", "in [0, 1)", self.clip)?;
        require_at_least_zero(&[("ptx_coefficient", self.ptx_coefficient)])?;
        self.ppo().validate(group_size)
    }

    fn needs_reference(&self) -> bool {
        self.ppo().needs_reference()
    }

    fn needs_gold(&self) -> bool {
        self.ptx_coefficient > 0.0
    }

    fn value_head(&self) -> Option<ValueHead> {
        self.ppo().value_head()
    }

    fn credit(&self, batch: &[Vec<Sample>]) -> Result<Vec<Vec<Credit>>, AlgorithmError> {
        self.credit_remembering(batch, &mut Memory::default())
    }

    fn credit_remembering(
        &self,
        batch: &[Vec<Sample>],
        memory: &mut Memory,
    ) -> Result<Vec<Vec<Credit>>, AlgorithmError> {
        let named = |error| AlgorithmError { algorithm: "rlhf", ..error };
        let credits = self.ppo().credit_remembering(&without_gold(batch), memory).map_err(named)?;
        Ok(with_gold(batch, credits))
    }

    fn loss(&self, group: &[Sequence<'_>], totals: &Totals) -> Vec<SequenceLoss> {
        let (ppo, sampled) = (self.ppo(), totals.sampled());
        let loss = |sequence: &Sequence<'_>| match sequence.is_gold {
            true => vec![imitation_loss(sequence, totals, self.ptx_coefficient)],
            false => ppo.loss(std::slice::from_ref(sequence), &sampled),
        };
        group.iter().flat_map(loss).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Aggregation;
    use super::super::testing::{
        Case, check_finite_differences, check_loss, check_order, near, sample, total_loss,
    };
    use super::*;

    fn gold(tokens: usize) -> Sample {
        Sample { is_gold: true, behaviour: Vec::new(), reference: None, ..sample(1.0, tokens) }
    }

    /// By hand: a reference beside a sample changes nothing of the sample's credit and has none itself.
    #[test]
    fn references_have_no_advantage() {
        let method = Rlhf { kl_target: Some(6.0), ..Rlhf::default() };
        let drawn = Sample { reference: Some(vec![-1.5; 3]), values: Some(vec![0.2; 3]), ..sample(1.0, 3) };
        let (mut memory, mut alone) = (Memory::default(), Memory::default());
        let credits = method.credit_remembering(&[vec![drawn.clone(), gold(2)]], &mut memory).unwrap();
        let expected = method.credit_remembering(&[vec![drawn]], &mut alone).unwrap();
        assert_eq!((&credits[0][0], memory.kl_coefficient), (&expected[0][0], alone.kl_coefficient));
        assert_eq!((&credits[0][1].advantages, credits[0][1].is_in_loss), (&vec![0.0; 2], true));
    }

    /// By hand: γ_ptx 0.5 over one reference of two tokens at −0.5 and −0.8 is 0.5 · 0.65; the samples' loss is PPO's.
    #[test]
    fn golden() {
        let method = Rlhf { ptx_coefficient: 0.5, ..Rlhf::default() };
        let reference = Case { is_gold: true, behaviour: Vec::new(), ..Case::new(&[0.0, 0.0], 0.0) };
        let sampled = [Case::new(&[0.3, -0.3], 0.7), Case::new(&[0.1], -0.2)];
        let (alone, _) = total_loss(&method.ppo(), &[sampled.to_vec()]);
        let (value, parts) = total_loss(&method, &[[&sampled[..], &[reference]].concat()]);
        near(&[value - alone], &[0.5 * 0.65]);
        near(&parts[2].logprobs, &[-0.25, -0.25]);
    }

    /// By hand: where all tokens agree on an advantage of 1, the gradients of sample and reference are as 1 to γ_ptx, whatever
    /// their lengths.
    #[test]
    fn the_coefficient_is_the_ratio_to_one_that_all_tokens_agree_on() {
        let method = Rlhf { ptx_coefficient: 0.5, ..Rlhf::default() };
        let reference = Case { is_gold: true, behaviour: Vec::new(), ..Case::new(&[0.0; 5], 0.0) };
        let (_, parts) = total_loss(&method, &[vec![Case::new(&[0.0; 3], 1.0), reference]]);
        let pull = |index: usize| parts[index].logprobs.iter().sum::<f64>();
        near(&[pull(0), pull(1)], &[-1.0, -0.5]);
    }

    #[test]
    fn losses() {
        let far = 5f64.ln();
        check_loss(&Rlhf::default(), &[&[0.0, 0.1, 0.3, -0.3, far]], Aggregation::TokenMean);
        let reference = Case { is_gold: true, behaviour: Vec::new(), ..Case::new(&[0.0, 0.4], 0.0) };
        let groups = [vec![Case::new(&[0.1, 0.3], 0.7), reference.clone()], vec![Case::new(&[0.1], -0.2)]];
        check_finite_differences(&Rlhf::default(), &groups);
        check_order(&Rlhf::default(), &groups);
    }
}
