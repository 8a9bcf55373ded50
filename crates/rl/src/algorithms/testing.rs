//! What every method's tests share: sequences at chosen log-ratios, finite differences, order and sign. A method's own
//! file only names its vectors.
//!
//! There is no padding to be invariant under: a batch is packed, and a sequence that is not in the loss is in no sum.

use super::{Aggregation, Credit, Method, Sample, Sequence, SequenceLoss, Totals};

/// An owned [`Sequence`].
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) logprobs: Vec<f64>,
    pub(crate) entropies: Vec<f64>,
    pub(crate) behaviour: Vec<f64>,
    pub(crate) reference: Vec<f64>,
    pub(crate) advantages: Vec<f64>,
    pub(crate) values: Vec<f64>,
    pub(crate) old_values: Vec<f64>,
    pub(crate) returns: Vec<f64>,
    pub(crate) likeliest: Vec<f64>,
    pub(crate) is_gold: bool,
}

impl Case {
    /// A sequence with these log-ratios and one advantage.
    pub(crate) fn new(log_ratios: &[f64], advantage: f64) -> Case {
        let index = |t: usize| t as f64;
        let behaviour: Vec<f64> = (0..log_ratios.len()).map(|t| -0.5 - 0.3 * index(t)).collect();
        Case {
            logprobs: behaviour.iter().zip(log_ratios).map(|(old, change)| old + change).collect(),
            entropies: (0..log_ratios.len()).map(|t| 0.7 + 0.1 * index(t)).collect(),
            reference: behaviour.iter().map(|old| old - 0.2).collect(),
            likeliest: behaviour.iter().map(|old| 0.3 * old).collect(),
            is_gold: false,
            behaviour,
            advantages: vec![advantage; log_ratios.len()],
            // On both sides of a clip at 0.2 around the old values, and of the returns.
            values: (0..log_ratios.len()).map(|t| 0.35 - 0.13 * index(t)).collect(),
            old_values: vec![0.1; log_ratios.len()],
            returns: (0..log_ratios.len()).map(|t| 0.4 - 0.3 * index(t % 2)).collect(),
        }
    }

    /// A sample at the policy that drew it.
    pub(crate) fn on_policy(sample: &Sample, credit: &Credit) -> Case {
        Case {
            advantages: credit.advantages.clone(),
            values: vec![0.0; 4 * (sample.tokens + 1)],
            returns: credit.returns.clone().unwrap_or_default(),
            is_gold: sample.is_gold,
            ..Case::new(&vec![0.0; sample.tokens], 0.0)
        }
    }

    pub(crate) fn borrow(&self) -> Sequence<'_> {
        Sequence {
            logprobs: &self.logprobs,
            entropies: &self.entropies,
            behaviour: &self.behaviour,
            reference: Some(&self.reference),
            advantages: &self.advantages,
            values: Some(&self.values),
            old_values: Some(&self.old_values),
            returns: Some(&self.returns),
            likeliest: &self.likeliest,
            is_gold: self.is_gold,
        }
    }
}

/// A sample of `tokens` tokens, with four values of 0 before each and after the last.
pub(crate) fn sample(reward: f64, tokens: usize) -> Sample {
    Sample {
        reward,
        tokens,
        max_tokens: 8,
        behaviour: vec![-1.0; tokens],
        reference: Some(vec![-1.0; tokens]),
        values: Some(vec![0.0; 4 * (tokens + 1)]),
        greedy_reward: Some(0.5),
        lookahead: Some(vec![0.0; tokens]),
        turn_rewards: vec![reward],
        ..Sample::default()
    }
}

/// Groups of different sizes and lengths; the first sample of each is its best, the last its worst.
pub(crate) fn batch() -> Vec<Vec<Sample>> {
    vec![
        vec![sample(1.0, 3), sample(0.0, 2), sample(0.6, 5), sample(0.0, 4)],
        vec![sample(0.9, 1), sample(0.2, 4)],
        vec![sample(1.0, 2), sample(0.8, 6), sample(0.1, 2)],
    ]
}

/// What a method's credit says of one group with these rewards: the advantage of each sample's first token.
pub(crate) fn advantages(method: &dyn Method, rewards: &[f64]) -> Vec<f64> {
    let group = rewards.iter().map(|&reward| sample(reward, 2)).collect();
    method.credit(&[group]).unwrap()[0].iter().map(|credit| credit.advantages[0]).collect()
}

pub(crate) fn near(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{found:?}, expected {expected:?}");
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() < 1e-9 * (1.0 + b.abs()), "{found:?}, expected {expected:?}");
    }
}

/// The loss of an update whose prompt groups are `groups`, and its parts in order.
pub(crate) fn total_loss(method: &dyn Method, groups: &[Vec<Case>]) -> (f64, Vec<SequenceLoss>) {
    let totals = totals(groups);
    let parts: Vec<SequenceLoss> = groups
        .iter()
        .flat_map(|group| method.loss(&group.iter().map(Case::borrow).collect::<Vec<_>>(), &totals))
        .collect();
    (parts.iter().map(|part| part.value).sum(), parts)
}

/// The sums over these prompt groups.
pub(crate) fn totals(groups: &[Vec<Case>]) -> Totals {
    let cases = || groups.iter().flatten();
    Totals {
        tokens: cases().map(|case| case.logprobs.len()).sum(),
        sequences: cases().count(),
        gold_sequences: cases().filter(|case| case.is_gold).count(),
        gold_tokens: cases().filter(|case| case.is_gold).map(|case| case.logprobs.len()).sum(),
        groups: groups.len(),
        max_tokens: 8,
    }
}

/// Every row of log-ratios with a positive and a negative advantage, and a second group beside them.
fn groups(log_ratios: &[&[f64]]) -> Vec<Vec<Case>> {
    let cases = log_ratios.iter().flat_map(|row| [Case::new(row, 0.6), Case::new(row, -0.4)]);
    vec![cases.collect(), vec![Case::new(&[0.0; 3], 1.0), Case::new(&[0.0, 0.0], -0.5)]]
}

/// All checks of a loss at these log-ratios, which should lie on both sides of everything that is not smooth.
/// `on_policy` is the aggregation by which its gradient at r = 1 is −A.
pub(crate) fn check_loss(method: &dyn Method, log_ratios: &[&[f64]], on_policy: Aggregation) {
    let groups = groups(log_ratios);
    check_finite_differences(method, &groups);
    check_order(method, &groups);
    check_on_policy(method, on_policy);
}

/// At π = π_old the value says nothing; the gradient is −A · weight, so that a positive advantage raises a log-prob.
pub(crate) fn check_on_policy(method: &dyn Method, aggregation: Aggregation) {
    let groups =
        vec![vec![Case::new(&[0.0; 4], 1.5), Case::new(&[0.0; 2], -0.5)], vec![Case::new(&[0.0], 0.0)]];
    let totals = totals(&groups);
    for (part, case) in total_loss(method, &groups).1.iter().zip(groups.iter().flatten()) {
        let expected = -case.advantages[0] * aggregation.token_weight(case.logprobs.len(), &totals);
        near(&part.logprobs, &vec![expected; case.logprobs.len()]);
    }
}

/// The loss and every derivative stay when sequences and groups change places, or each group is a micro-batch.
pub(crate) fn check_order(method: &dyn Method, groups: &[Vec<Case>]) {
    let (value, parts) = total_loss(method, groups);
    let mut reversed = groups.to_vec();
    reversed.reverse();
    reversed.iter_mut().for_each(|group| group.reverse());
    let (other, mut others) = total_loss(method, &reversed);
    others.reverse();
    assert!((value - other).abs() < 1e-12, "{value} {other}");
    for (part, other) in parts.iter().zip(&others) {
        near(&part.logprobs, &other.logprobs);
    }
}

/// Central differences in f64 against the derivatives the method returns, for every log-prob, entropy and value.
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
                let part = &parts[flat];
                let check = |quantity: &str, found: f64, expected: f64| {
                    let is_near = (found - expected).abs() < 1e-7 * (1.0 + expected.abs());
                    assert!(is_near, "{quantity} {g}/{s}/{t}: {found}, expected {expected}");
                };
                let by_logprob = difference(&|case, offset| case.logprobs[t] += offset);
                check("logprob", part.logprobs[t], by_logprob);
                let by_entropy = difference(&|case, offset| case.entropies[t] += offset);
                check("entropy", part.entropies.as_ref().map_or(0.0, |row| row[t]), by_entropy);
                let by_value = difference(&|case, offset| case.values[t] += offset);
                check("value", part.values.as_ref().map_or(0.0, |row| row[t]), by_value);
                let by_likeliest = difference(&|case, offset| case.likeliest[t] += offset);
                check("likeliest", part.likeliest.as_ref().map_or(0.0, |row| row[t]), by_likeliest);
            }
            flat += 1;
        }
    }
}

/// The loss of a pair of one-token answers with these (log π, log π_ref), the first the better.
pub(crate) fn pair_value(method: &dyn Method, better: (f64, f64), worse: (f64, f64)) -> f64 {
    let case = |(logprob, reference): (f64, f64), score: f64| Case {
        reference: vec![reference],
        ..likely(logprob, score)
    };
    total_loss(method, &[vec![case(better, 1.0), case(worse, 0.0)]]).0
}

/// A one-token answer with this log-prob and score.
pub(crate) fn likely(logprob: f64, score: f64) -> Case {
    Case { logprobs: vec![logprob], ..Case::new(&[0.0], score) }
}

/// Groups of answers with scores, some equal, and likelihoods in and out of their order.
fn scored() -> Vec<Vec<Case>> {
    vec![
        vec![
            Case::new(&[0.3, -0.2, 0.1], 1.0),
            Case::new(&[0.4], 0.2),
            Case::new(&[-2.0, 0.5], 0.2),
            Case::new(&[0.9, 0.9, 0.9], -0.6),
        ],
        vec![Case::new(&[0.0, 0.1], 0.0), Case::new(&[-0.7], 1.0)],
        vec![Case::new(&[0.1], 0.5), Case::new(&[0.2], 0.5)],
    ]
}

/// Checks of a loss over pairs: derivatives, order, and that the better is pushed up and the worse down.
pub(crate) fn check_pairs(method: &dyn Method) {
    let groups = scored();
    check_finite_differences(method, &groups);
    check_order(method, &groups);
    let (_, parts) = total_loss(method, &groups);
    assert!(parts[0].logprobs[0] < 0.0 && parts[3].logprobs[0] > 0.0);
    assert!(parts[6].logprobs.iter().chain(&parts[7].logprobs).all(|derivative| *derivative == 0.0));
}

/// Checks of a loss over ranks: derivatives, order, and that the best is pushed up.
pub(crate) fn check_ranks(method: &dyn Method) {
    let groups = scored();
    check_finite_differences(method, &groups);
    let (_, parts) = total_loss(method, &groups);
    assert!(parts[0].logprobs[0] < 0.0 && parts[3].logprobs[0] > 0.0);
    check_order(method, &groups[..2]);
}
