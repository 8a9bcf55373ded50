//! StepCoder (arXiv 2402.01391): PPO on completions of a reference solution that grow longer as they succeed (CCCS), with the
//! loss on the lines that the tests executed (FGO).
//!
//! ```text
//! CCCS: the answer begins with the reference up to its k-th conditional or loop, k = round(g n) of n; g from 1 to 0:
//!       g ← g − 1/stages after a step whose pass rate reaches the threshold
//! FGO:  M_t = 0 for tokens of lines that could have been executed and were not, else 1
//! L     = 1/Σ_i|o_i| · Σ_i Σ_t [ M_t L_policy + c_v L_value ]            as PPO, β in the reward
//! ```
//!
//! | symbol | here |
//! |---|---|
//! | g | `curriculum/given` among the metrics; `stages` and `pass_threshold` move it |
//! | M_t | `Sample::missed`, in `Credit::advantages` as 0 |
//! | everything else | as in `ppo`, advantages whitened before they are masked |
//!
//! β 0.02, λ 0.95, γ 1, ε 0.2, ε_v 0.8 could not be confirmed in the paper's text; nor are there figures for the threshold or
//! the stages. The paper moves every problem by itself; here one g moves all, so that tasks that are drawn rarely get to
//! their beginnings too. Only the first answers of episodes begin part way. Lines are those that Python's tracer did not
//! see while the tests ran once more in the solution's process; a program can fool it, which costs its own loss mask and
//! never the verdict. A program that did not compile keeps all its tokens, as do fences, prose and `else:` lines. A group
//! of one is fine.

use hone_model::ValueHead;
use hone_train::ConfigError;
use serde::{Deserialize, Serialize};

use super::{
    AlgorithmError, Credit, Curriculum, Memory, Method, Ppo, Sample, Sequence, SequenceLoss, Totals,
};

/// Settings of StepCoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stepcoder {
    /// Stages of the curriculum; 0 gives nothing.
    pub stages: usize,
    /// The pass rate of a step that ends a stage.
    pub pass_threshold: f64,
    /// Whether unexecuted lines stay out of the loss.
    pub mask_unexecuted: bool,
    /// ε, below and above.
    pub clip: f64,
    /// ε_v, how far a value may move in the updates of one batch.
    pub value_clip: f64,
    /// λ of the advantage estimator.
    pub lambda: f64,
    /// β; 0 leaves the reference model out.
    pub kl_coefficient: f64,
}

impl Default for Stepcoder {
    fn default() -> Self {
        Stepcoder {
            stages: 4,
            pass_threshold: 0.5,
            mask_unexecuted: true,
            clip: 0.2,
            value_clip: 0.8,
            lambda: 0.95,
            kl_coefficient: 0.02,
        }
    }
}

impl Stepcoder {
    fn ppo(&self) -> Ppo {
        Ppo {
            clip_low: self.clip,
            clip_high: self.clip,
            dual_clip: None,
            lambda: self.lambda,
            value_clip: self.value_clip,
            kl_coefficient: self.kl_coefficient,
            ..Ppo::default()
        }
    }
}

impl Method for Stepcoder {
    fn validate(&self, group_size: usize) -> Result<(), ConfigError> {
        ConfigError::require((0.0..1.0).contains(&self.clip), "clip", "in [0, 1)", self.clip)?;
        let is_rate = self.pass_threshold > 0.0 && self.pass_threshold <= 1.0;
        ConfigError::require(is_rate, "pass_threshold", "above 0 and at most 1", self.pass_threshold)?;
        self.ppo().validate(group_size)
    }

    fn needs_reference(&self) -> bool {
        self.ppo().needs_reference()
    }

    fn needs_coverage(&self) -> bool {
        self.mask_unexecuted
    }

    fn value_head(&self) -> Option<ValueHead> {
        self.ppo().value_head()
    }

    fn curriculum(&self) -> Option<Curriculum> {
        (self.stages > 0).then_some(Curriculum { stages: self.stages, threshold: self.pass_threshold })
    }

    fn credit(&self, batch: &[Vec<Sample>]) -> Result<Vec<Vec<Credit>>, AlgorithmError> {
        let named = |error| AlgorithmError { algorithm: "stepcoder", ..error };
        let mut credits = self.ppo().credit_remembering(batch, &mut Memory::default()).map_err(named)?;
        for (sample, credit) in batch.iter().flatten().zip(credits.iter_mut().flatten()) {
            for (advantage, is_missed) in credit.advantages.iter_mut().zip(&sample.missed) {
                if *is_missed {
                    *advantage = 0.0;
                }
            }
        }
        Ok(credits)
    }

    fn loss(&self, group: &[Sequence<'_>], totals: &Totals) -> Vec<SequenceLoss> {
        self.ppo().loss(group, totals)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Aggregation;
    use super::super::testing::{Case, batch, check_loss, near, sample, total_loss};
    use super::*;

    /// By hand: what PPO says, but 0 for the tokens of a line that did not run, whose log-probs are left alone then.
    #[test]
    fn golden() {
        let method = Stepcoder::default();
        let mut all = batch();
        let ppo = method.ppo().credit(&all).unwrap();
        all[0][0].missed = vec![false, true, true];
        let credits = method.credit(&all).unwrap();
        near(&credits[0][0].advantages, &[ppo[0][0].advantages[0], 0.0, 0.0]);
        assert_eq!((&credits[0][0].returns, &credits[0][1]), (&ppo[0][0].returns, &ppo[0][1]));
        let case = Case::on_policy(&all[0][0], &credits[0][0]);
        let slopes = total_loss(&method, &[vec![case]]).1.remove(0).logprobs;
        assert!(slopes[0] != 0.0 && slopes[1..] == [0.0, 0.0]);
    }

    /// Four stages: a step above the threshold ends one, a step below it none; at the end nothing is given.
    #[test]
    fn the_curriculum_moves_towards_the_beginning() {
        let curriculum = Stepcoder::default().curriculum().unwrap();
        let mut given = 1.0;
        let mut seen = Vec::new();
        for pass_rate in [0.4, 0.5, 0.9, 0.1, 1.0, 0.6, 0.7] {
            given = curriculum.next(given, pass_rate);
            seen.push(given);
        }
        near(&seen, &[1.0, 0.75, 0.5, 0.5, 0.25, 0.0, 0.0]);
        assert_eq!(Stepcoder { stages: 0, ..Stepcoder::default() }.curriculum(), None);
    }

    #[test]
    fn losses() {
        let far = 5f64.ln();
        check_loss(&Stepcoder::default(), &[&[0.0, 0.1, 0.3, -0.3, far]], Aggregation::TokenMean);
        let error = Stepcoder::default().credit(&[vec![Sample { values: None, ..sample(1.0, 1) }]]);
        assert!(error.unwrap_err().to_string().starts_with("stepcoder: "));
    }
}
