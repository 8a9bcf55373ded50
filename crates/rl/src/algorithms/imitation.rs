//! Imitation of reference solutions beside a loss of what was sampled.
//!
//! ```text
//! L_ce = −c/N_gold · Σ_gold 1/|o| · Σ_t log π(o_t)
//! ```

use super::{Credit, Sample, Sequence, SequenceLoss, Totals};

/// The batch without its reference solutions, which are the last of their groups.
pub fn without_gold(batch: &[Vec<Sample>]) -> Vec<Vec<Sample>> {
    let sampled = |group: &Vec<Sample>| group.iter().filter(|sample| !sample.is_gold).cloned().collect();
    batch.iter().map(sampled).collect()
}

/// The credit of what was sampled, with that of the reference solutions put behind it: in the loss, without advantage.
pub fn with_gold(batch: &[Vec<Sample>], mut credits: Vec<Vec<Credit>>) -> Vec<Vec<Credit>> {
    for (group, credits) in batch.iter().zip(&mut credits) {
        let gold = group.iter().filter(|sample| sample.is_gold).map(|sample| Credit {
            advantages: vec![0.0; sample.tokens],
            is_in_loss: sample.tokens > 0,
            returns: Some(vec![0.0; sample.tokens]),
        });
        credits.extend(gold);
    }
    credits
}

/// The loss of a reference solution that is imitated with this coefficient.
pub fn imitation_loss(sequence: &Sequence<'_>, totals: &Totals, coefficient: f64) -> SequenceLoss {
    let weight = coefficient / (totals.gold_sequences.max(1) * sequence.len()) as f64;
    SequenceLoss {
        value: -weight * sequence.logprobs.iter().sum::<f64>(),
        logprobs: vec![-weight; sequence.len()],
        ..SequenceLoss::default()
    }
}
