//! PPOCoder (arXiv 2301.13816): PPO whose reward says how much a program compiles, and how much of the reference's syntax and
//! data flow it has, with a KL to the model it began as.
//!
//! ```text
//! R_i  = R_cs + R_ast + R_dfg
//! R_cs = 1 all tests pass, −0.3 a test fails, −0.6 it raises, −1 it does not compile
//! ρ_it = −β log(π_old(o_it) / π_ref(o_it)),  ρ_iT += R_i
//! L    = as PPO with ρ
//! β   ← β (1 + clip(KL/target − 1, −0.2, 0.2) · n/horizon)
//! ```
//!
//! | symbol | here |
//! |---|---|
//! | R_i | `Sample::reward`: `[[reward]]` tables `outcome-classes`, `ast-match` and `data-flow-match` |
//! | β, target, horizon | `kl_coefficient`, `kl_target`, `kl_horizon` |
//! | everything else | as in `ppo` |
//!
//! Defaults are those of the authors' run script: β 0.1, target 1, horizon 10,000, ε 0.2, λ 0.95, γ 1, c_v 0.001, one epoch
//! a batch. They sample among the 5 likeliest tokens (`trainer.sampling.top_k = 5`) and score values with dropout, which
//! is left out here. Their code knows only the compile reward of ±1; the classes are the paper's. Programs that do not
//! compile have sub-trees too, as in CodeBLEU. A group of one is fine.

use hone_model::ValueHead;
use hone_train::ConfigError;
use serde::{Deserialize, Serialize};

use super::{AlgorithmError, Credit, Memory, Method, Ppo, Sample, Sequence, SequenceLoss, Totals};

/// Settings of PPOCoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ppocoder {
    /// ε, below and above.
    pub clip: f64,
    /// γ, discount a token.
    pub gamma: f64,
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
}

impl Default for Ppocoder {
    fn default() -> Self {
        Ppocoder {
            clip: 0.2,
            gamma: 1.0,
            lambda: 0.95,
            value_coefficient: 1e-3,
            kl_coefficient: 0.1,
            kl_target: Some(1.0),
            kl_horizon: 10_000.0,
        }
    }
}

impl Ppocoder {
    fn ppo(&self) -> Ppo {
        Ppo {
            clip_low: self.clip,
            clip_high: self.clip,
            dual_clip: None,
            gamma: self.gamma,
            lambda: self.lambda,
            value_coefficient: self.value_coefficient,
            kl_coefficient: self.kl_coefficient,
            kl_target: self.kl_target,
            kl_horizon: self.kl_horizon,
            ..Ppo::default()
        }
    }
}

impl Method for Ppocoder {
    fn validate(&self, group_size: usize) -> Result<(), ConfigError> {
        ConfigError::require((0.0..1.0).contains(&self.clip), "clip", "in [0, 1)", self.clip)?;
        self.ppo().validate(group_size)
    }

    fn needs_reference(&self) -> bool {
        self.ppo().needs_reference()
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
        let named = |error| AlgorithmError { algorithm: "ppocoder", ..error };
        self.ppo().credit_remembering(batch, memory).map_err(named)
    }

    fn loss(&self, group: &[Sequence<'_>], totals: &Totals) -> Vec<SequenceLoss> {
        self.ppo().loss(group, totals)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Aggregation;
    use super::super::testing::{check_loss, near, sample};
    use super::*;

    /// By hand: three tokens, log-ratios 0.5 to the reference, β 0.1: ρ = [−0.05, −0.05, 1.75 − 0.05]; without values and
    /// with λ = 1 the returns are the sums from each token on. KL 1.5 over the target 1 is held at +0.2.
    #[test]
    fn golden() {
        let method = Ppocoder { lambda: 1.0, kl_horizon: 10.0, ..Ppocoder::default() };
        let drawn = Sample { reference: Some(vec![-1.5; 3]), values: Some(vec![0.0; 3]), ..sample(1.75, 3) };
        let mut memory = Memory::default();
        let credit = method.credit_remembering(&[vec![drawn]], &mut memory).unwrap();
        near(credit[0][0].returns.as_ref().unwrap(), &[1.6, 1.65, 1.7]);
        near(&[memory.kl_coefficient.unwrap()], &[0.1 * (1.0 + 0.2 / 10.0)]);
        let bare = Sample { values: None, ..sample(1.0, 1) };
        let error = Ppocoder::default().credit(&[vec![bare]]).unwrap_err().to_string();
        assert!(error.starts_with("ppocoder: "), "{error}");
    }

    /// Unlike PPO's here there is no dual clip: a ratio of 5 against a negative advantage is not held.
    #[test]
    fn losses() {
        let far = 5f64.ln();
        check_loss(&Ppocoder::default(), &[&[0.0, 0.1, 0.3, -0.3, far]], Aggregation::TokenMean);
    }
}
