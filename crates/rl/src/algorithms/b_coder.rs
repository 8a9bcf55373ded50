//! B-Coder (arXiv 2310.03173): the language model's logits as the advantages of a dueling Q function, learned from logged
//! programs and reference solutions by a Bellman operator that trusts the original model's next token.
//!
//! ```text
//! A(s,a)  = α (ℓ(s,a) − max_b ℓ(s,b)) ≤ 0             ℓ the policy's logits
//! V(s)    = 1 − softabs(1 + v(s)) ≤ R_max = 1         softabs(x) = softplus(x) + softplus(−x) − 2 ln 2
//! Q(s,a)  = A(s,a) + V(s)                             softmax(Q/α) = softmax(ℓ): the policy is the language model
//! y_t     = r_t + γ (A(s_t+1, b) + V(s_t+1)),  b = argmax_a π_ref(a|s_t+1);  y_T = R
//! L_Q     = ρ mean_gold + (1−ρ) mean_sampled of 1/|o| Σ_t (Q(s_t,a_t) − y_t)²
//! L_adv   = mean_gold 1/|o| Σ_t |A(s_t,a_t)|,  L_ce = −mean_gold 1/|o| Σ_t log π(a_t|s_t)
//! stage φ: L_Q, by the value head alone;  stage θ: L_Q + β_adv L_adv + β_ce L_ce
//! rank by: Σ_t [ Q(s_t,a_t) − γ V(s_t+1) ]            V after the last token = 0
//! ```
//!
//! | symbol | here |
//! |---|---|
//! | ℓ(s,a) − max ℓ | `Sequence::logprobs` − `Sequence::likeliest`; for b in `Sample::lookahead` |
//! | v, R | `Sequence::values` (`Sample::values` in y), `Sample::reward` |
//! | y | `Credit::returns`; `Credit::advantages` hold y − V, which nothing but the log reads |
//! | α, γ, ρ | `alpha`, `gamma`, `gold_share` |
//! | β_adv, β_ce | `advantage_coefficient`, `imitation_coefficient` |
//! | φ, θ | the first `value_warmup` of the run's steps, the rest |
//!
//! Defaults are the paper's: α 1, ρ 0.5, β_adv 0.1, β_ce 0.5, 18,000 of 28,000 steps in stage φ. γ is not printed there; 1 here.
//! Sums over tokens are means here, so that a long reference weighs no more than a short one. The softabs as it is printed
//! ((softplus(x) + softplus(−x))/2 + ln 2) is not 0 at 0 and holds V below −0.38: `printed_cap` has it. v begins at 0, where
//! softabs is flat, hence 1 + v. The residual head of stage θ is the head of stage φ, trained on. y is computed once a
//! step. Logits are divided by the sampling temperature. π_ref is the base under the adapter. A group of one is fine.
//!
//! What it needs, and why (`tests/it/b_coder.rs`: from a log, 0.08 by chance, 0.84 by the fine-tuned base, 1.00 after it):
//! - A fine-tuned base. y trusts π_ref's likeliest token, and keeps its errors (a base at 0.74 ended at 0.81).
//! - States that tell right from wrong beginnings. y takes the value of what comes next for that of the token.
//! - A scale. L_Q holds two tokens of the log at most (R_max − R_min)/α apart in logits: with α 1 and rewards from 0 to 1,
//!   e to 1 in probability. So the policy is soft, to be sampled from at a low temperature and ranked, as the paper does it
//!   (0.6 and 256 candidates); a lower α makes it sharp.

use hone_model::ValueHead;
use hone_train::ConfigError;
use serde::{Deserialize, Serialize};

use super::{
    AlgorithmError, Credit, Method, Sample, Sequence, SequenceLoss, Totals, imitation_loss,
    require_at_least_zero,
};

/// Settings of B-Coder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BCoder {
    /// α, what a nat between two logits is worth in reward.
    pub alpha: f64,
    /// γ, discount a token.
    pub gamma: f64,
    /// ρ, weight of reference solutions in L_Q.
    pub gold_share: f64,
    /// β_adv.
    pub advantage_coefficient: f64,
    /// β_ce.
    pub imitation_coefficient: f64,
    /// Share of the run's steps in stage φ.
    pub value_warmup: f64,
    /// Cap values by the formula as it is printed.
    pub printed_cap: bool,
}

impl Default for BCoder {
    fn default() -> Self {
        BCoder {
            alpha: 1.0,
            gamma: 1.0,
            gold_share: 0.5,
            advantage_coefficient: 0.1,
            imitation_coefficient: 0.5,
            value_warmup: 18.0 / 28.0,
            printed_cap: false,
        }
    }
}

impl Method for BCoder {
    fn validate(&self, _group_size: usize) -> Result<(), ConfigError> {
        for (key, value) in
            [("gamma", self.gamma), ("gold_share", self.gold_share), ("value_warmup", self.value_warmup)]
        {
            ConfigError::require((0.0..=1.0).contains(&value), key, "from 0 to 1", value)?;
        }
        let is_scale = self.alpha.is_finite() && self.alpha > 0.0;
        ConfigError::require(is_scale, "alpha", "positive", self.alpha)?;
        require_at_least_zero(&[
            ("advantage_coefficient", self.advantage_coefficient),
            ("imitation_coefficient", self.imitation_coefficient),
        ])
    }

    fn needs_gold(&self) -> bool {
        true
    }

    fn needs_lookahead(&self) -> bool {
        true
    }

    fn value_head(&self) -> Option<ValueHead> {
        Some(ValueHead { outputs: 1, is_detached: false })
    }

    fn value_warmup(&self) -> f64 {
        self.value_warmup
    }

    fn credit(&self, batch: &[Vec<Sample>]) -> Result<Vec<Vec<Credit>>, AlgorithmError> {
        batch.iter().map(|group| group.iter().map(|sample| self.sample_credit(sample)).collect()).collect()
    }

    fn loss(&self, group: &[Sequence<'_>], totals: &Totals) -> Vec<SequenceLoss> {
        group.iter().map(|sequence| self.sequence_loss(sequence, totals)).collect()
    }
}

impl BCoder {
    /// V and its derivative by the head's number v.
    pub fn capped(&self, v: f64) -> (f64, f64) {
        let x = 1.0 + v;
        // softplus(x) + softplus(−x) = |x| + 2 ln(1 + e^−|x|), whose derivative is tanh(x/2).
        let sum = x.abs() + 2.0 * (-x.abs()).exp().ln_1p();
        let (value, slope) = match self.printed_cap {
            true => (sum / 2.0 + 2f64.ln(), (x / 2.0).tanh() / 2.0),
            false => (sum - 2.0 * 2f64.ln(), (x / 2.0).tanh()),
        };
        (1.0 - value, -slope)
    }

    /// What a program is ranked by among others of its prompt: its implied reward, summed over its tokens. Each slice is
    /// `[T]`: log π of the tokens, log π of the likeliest in their places, and the value head's numbers before them.
    pub fn implied_reward(&self, logprobs: &[f64], likeliest: &[f64], values: &[f64]) -> f64 {
        let value = |t: usize| values.get(t).map_or(0.0, |v| self.capped(*v).0);
        let q = |t: usize| self.advantage(logprobs[t], likeliest[t]) + value(t);
        (0..logprobs.len()).map(|t| q(t) - self.gamma * value(t + 1)).sum()
    }

    /// A of a token, by its log π and that of the likeliest in its place.
    fn advantage(&self, logprob: f64, likeliest: f64) -> f64 {
        self.alpha * (logprob - likeliest)
    }

    fn sample_credit(&self, sample: &Sample) -> Result<Credit, AlgorithmError> {
        let refuse = |what: &str| {
            let message = format!("a sample comes with {what}, found none");
            Err(AlgorithmError { algorithm: "b-coder", message })
        };
        let Some(values) = &sample.values else { return refuse("the values of its tokens") };
        let Some(lookahead) = &sample.lookahead else { return refuse("the reference's likeliest tokens") };
        let value = |t: usize| self.capped(values[t]).0;
        let target = |t: usize| match t + 1 == sample.tokens {
            true => sample.reward,
            false => self.gamma * (self.alpha * lookahead[t + 1] + value(t + 1)),
        };
        let targets: Vec<f64> = (0..sample.tokens).map(target).collect();
        Ok(Credit {
            advantages: targets.iter().enumerate().map(|(t, target)| target - value(t)).collect(),
            is_in_loss: sample.tokens > 0,
            returns: Some(targets),
        })
    }

    fn sequence_loss(&self, sequence: &Sequence<'_>, totals: &Totals) -> SequenceLoss {
        let (length, sampled) = (sequence.len(), totals.sequences - totals.gold_sequences);
        let (count, share) = match sequence.is_gold {
            true => (totals.gold_sequences, if sampled == 0 { 1.0 } else { self.gold_share }),
            false => (sampled, if totals.gold_sequences == 0 { 1.0 } else { 1.0 - self.gold_share }),
        };
        let each = 1.0 / (count * length) as f64;
        let mut loss = match sequence.is_gold {
            true => imitation_loss(sequence, totals, self.imitation_coefficient),
            false => SequenceLoss { logprobs: vec![0.0; length], ..SequenceLoss::default() },
        };
        let (mut by_likeliest, mut by_value) = (vec![0.0; length], vec![0.0; length]);
        let (values, targets) = (sequence.values.unwrap_or_default(), sequence.returns.unwrap_or_default());
        for t in 0..length {
            let (value, slope) = self.capped(values[t]);
            let advantage = self.advantage(sequence.logprobs[t], sequence.likeliest[t]);
            let error = advantage + value - targets[t];
            loss.value += share * each * error * error;
            let by_q = share * each * 2.0 * error;
            by_value[t] = by_q * slope;
            let mut by_advantage = by_q;
            if sequence.is_gold {
                loss.value += self.advantage_coefficient * each * advantage.abs();
                by_advantage += self.advantage_coefficient * each * if advantage > 0.0 { 1.0 } else { -1.0 };
            }
            loss.logprobs[t] += self.alpha * by_advantage;
            by_likeliest[t] = -self.alpha * by_advantage;
        }
        loss.likeliest = Some(by_likeliest);
        loss.values = Some(by_value);
        loss
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Case, check_finite_differences, check_order, near, sample, total_loss};
    use super::*;

    /// Values by an independent script: logits [2, 1, 0], token 1, V = 0.4; softabs as printed at 0 and 1.
    #[test]
    fn golden() {
        let log_sum = (2f64.exp() + 1f64.exp() + 1.0).ln();
        near(&[BCoder::default().advantage(1.0 - log_sum, 2.0 - log_sum) + 0.4], &[-0.6]);
        let printed = BCoder { printed_cap: true, ..BCoder::default() };
        near(
            &[1.0 - printed.capped(-1.0).0, 1.0 - printed.capped(0.0).0],
            &[1.386_294_361_1, 1.506_408_868_1],
        );
        near(&[BCoder::default().capped(-1.0).0], &[1.0]);
        for v in [-40.0, -3.0, -1.0, 0.0, 2.0, 800.0] {
            assert!(BCoder::default().capped(v).0 <= 1.0 && printed.capped(v).0 < -0.38);
        }
    }

    /// By hand, with v = −1 where V = 1 and v = −1 ± x where it is less: the targets look ahead, the last is the reward.
    #[test]
    fn targets_trust_the_reference() {
        let method = BCoder { gamma: 0.5, alpha: 2.0, ..BCoder::default() };
        let low = method.capped(-3.0).0;
        let drawn = Sample {
            values: Some(vec![-1.0, -3.0, -1.0]),
            lookahead: Some(vec![-9.0, -0.2, -0.1]),
            ..sample(-0.3, 3)
        };
        let credit = &method.credit(&[vec![drawn.clone()]]).unwrap()[0][0];
        near(credit.returns.as_ref().unwrap(), &[0.5 * (-0.4 + low), 0.5 * (-0.2 + 1.0), -0.3]);
        near(&credit.advantages, &[0.5 * (-0.4 + low) - 1.0, 0.4 - low, -1.3]);
        let error = method.credit(&[vec![Sample { lookahead: None, ..drawn }]]).unwrap_err().to_string();
        assert_eq!(error, "b-coder: a sample comes with the reference's likeliest tokens, found none");
    }

    /// By hand, γ = 1: the values cancel but for the first, and what is left is how far each token was from the likeliest.
    #[test]
    fn programs_are_ranked_by_their_implied_reward() {
        let method = BCoder::default();
        let first = method.capped(0.3).0;
        near(&[method.implied_reward(&[-1.0, -0.2], &[-0.5, -0.2], &[0.3, 0.9])], &[first - 0.5]);
        let greedy = method.implied_reward(&[-0.5, -0.2], &[-0.5, -0.2], &[0.3, 0.9]);
        near(&[greedy], &[first]);
        let steep = BCoder { alpha: 3.0, ..method };
        near(&[steep.implied_reward(&[-1.0, -0.2], &[-0.5, -0.2], &[0.3, 0.9])], &[first - 1.5]);
    }

    fn groups() -> Vec<Vec<Case>> {
        let gold = |row: &[f64]| Case { is_gold: true, behaviour: Vec::new(), ..Case::new(row, 0.0) };
        vec![
            vec![Case::new(&[0.3, -0.2, 0.1], 0.5), Case::new(&[0.2], -0.5), gold(&[0.4, -0.1])],
            vec![Case::new(&[0.0, 0.1], 0.0), gold(&[0.0; 4])],
        ]
    }

    #[test]
    fn losses() {
        for method in [
            BCoder::default(),
            BCoder { printed_cap: true, gold_share: 0.2, alpha: 0.3, ..BCoder::default() },
            BCoder { advantage_coefficient: 3.0, imitation_coefficient: 0.0, ..BCoder::default() },
        ] {
            check_finite_differences(&method, &groups());
            check_order(&method, &groups());
            check_finite_differences(&method, &[groups()[0][..2].to_vec()]);
        }
    }

    /// Without the other parts: a token worth more than its Q is pushed up, one worth less is pushed down; gold is pushed
    /// up and what is likelier than it down.
    #[test]
    fn signs() {
        let case = |target: f64| Case { returns: vec![target], values: vec![-1.0], ..Case::new(&[0.0], 0.0) };
        let bare = BCoder { advantage_coefficient: 0.0, imitation_coefficient: 0.0, ..BCoder::default() };
        let (_, parts) = total_loss(&bare, &[vec![case(2.0), case(-2.0)]]);
        assert!(parts[0].logprobs[0] < 0.0 && parts[1].logprobs[0] > 0.0);
        let gold = Case { is_gold: true, behaviour: Vec::new(), ..case(0.65) };
        let (_, parts) = total_loss(&BCoder::default(), &[vec![gold]]);
        assert!(parts[0].logprobs[0] < 0.0 && parts[0].likeliest.as_ref().unwrap()[0] > 0.0);
    }
}
