//! What must not change a loss, for every method of the list at once: the order of rows, the split into micro-batches, and
//! how a derivative is looked at. Cases come from each method's own credit, off-policy on both sides of every clip.
//!
//! Padding cannot change anything: there is none. A batch is packed, a sequence that is not in the loss is in no sum
//! (below), and that the log-probs of a packed sequence are those it has alone is a test of `crates/model`.

use super::testing::{self, Case, check_finite_differences, near, sample, total_loss, totals};
use super::{Algorithm, Credit, Method, Sample, Sequence, SequenceLoss, Totals};

/// Log-ratios that lie inside and outside of every clip, on both sides.
const LOG_RATIOS: [f64; 7] = [0.0513, -0.3071, 0.4327, -0.0619, 0.9043, -1.1037, 0.1531];

/// Groups of different sizes and lengths, each with its reference solution where the method asks for one.
fn batch(method: &dyn Method) -> Vec<Vec<Sample>> {
    let mut groups = testing::batch();
    if method.needs_gold() {
        for (index, group) in groups.iter_mut().enumerate() {
            group.push(Sample { is_gold: true, behaviour: Vec::new(), ..sample(1.0, 2 + index) });
        }
    }
    groups
}

/// The sequences of a batch that are in the loss, a little away from the policy that sampled them.
fn cases(method: &dyn Method, batch: &[Vec<Sample>]) -> Vec<Vec<Case>> {
    let credits = method.credit(batch).unwrap();
    let mut step = 0;
    let mut off_policy = |sample: &Sample, credit: &Credit| {
        let mut case = Case::on_policy(sample, credit);
        for logprob in &mut case.logprobs {
            *logprob += LOG_RATIOS[step % LOG_RATIOS.len()];
            step += 1;
        }
        for (index, value) in case.values.iter_mut().enumerate() {
            // On both sides of a clip at 0.2 around the old values, and no two alike, since some methods take a maximum.
            *value = 0.3437 - 0.0713 * (index % 5) as f64 + 0.0011 * index as f64;
        }
        if case.is_gold {
            case.behaviour.clear();
        }
        case.old_values = vec![0.1; case.values.len()];
        case
    };
    let mut groups = Vec::new();
    for (samples, credits) in batch.iter().zip(&credits) {
        let kept = samples.iter().zip(credits).filter(|(_, credit)| credit.is_in_loss);
        groups.push(kept.map(|(sample, credit)| off_policy(sample, credit)).collect::<Vec<Case>>());
    }
    groups.retain(|group| !group.is_empty());
    groups
}

/// Sum over what the method trains: log-probs of a policy, or values where it trains none.
fn gradient(method: &dyn Method, parts: &[SequenceLoss]) -> f64 {
    let row = |part: &SequenceLoss| match !method.needs_log() {
        true => part.logprobs.clone(),
        false => part.values.clone().unwrap_or_default(),
    };
    parts.iter().flat_map(row).map(|one| one.abs()).sum()
}

fn check(name: &str, found: &[SequenceLoss], expected: &[SequenceLoss]) {
    assert_eq!(found.len(), expected.len(), "{name}");
    for (found, expected) in found.iter().zip(expected) {
        near(&found.logprobs, &expected.logprobs);
        near(
            found.entropies.as_deref().unwrap_or_default(),
            expected.entropies.as_deref().unwrap_or_default(),
        );
        near(found.values.as_deref().unwrap_or_default(), expected.values.as_deref().unwrap_or_default());
        near(
            found.likeliest.as_deref().unwrap_or_default(),
            expected.likeliest.as_deref().unwrap_or_default(),
        );
        assert_eq!(found.clipped_tokens, expected.clipped_tokens, "{name}");
    }
}

#[test]
fn the_order_of_rows_changes_no_loss_and_no_derivative() {
    for algorithm in Algorithm::all() {
        let (name, method) = (algorithm.name(), algorithm.method());
        let groups = cases(method, &batch(method));
        let (value, parts) = total_loss(method, &groups);
        let mut reversed = groups.clone();
        reversed.reverse();
        reversed.iter_mut().for_each(|group| group.reverse());
        let (other, mut others) = total_loss(method, &reversed);
        others.reverse();
        assert!((value - other).abs() < 1e-12 * (1.0 + value.abs()), "{name}: {value} {other}");
        check(&name, &others, &parts);
        assert!(gradient(method, &parts) > 0.0, "{name}: no gradient");
    }
}

/// A step over two prompts is the sum of two micro-batches of one; with denominators of each micro-batch it would not be.
#[test]
fn a_micro_batch_counts_with_the_denominators_of_the_whole_update() {
    for algorithm in Algorithm::all() {
        let (name, method) = (algorithm.name(), algorithm.method());
        let groups = cases(method, &batch(method));
        let whole = totals(&groups);
        let loss = |group: &Vec<Case>, totals: &Totals| {
            method.loss(&group.iter().map(Case::borrow).collect::<Vec<Sequence<'_>>>(), totals)
        };
        let apart: Vec<SequenceLoss> = groups.iter().flat_map(|group| loss(group, &whole)).collect();
        check(&name, &apart, &total_loss(method, &groups).1);
        let alone: Vec<SequenceLoss> =
            groups.iter().flat_map(|group| loss(group, &totals(std::slice::from_ref(group)))).collect();
        assert!(
            gradient(method, &alone) > 1.05 * gradient(method, &apart),
            "{name}: the denominators say nothing"
        );
    }
}

/// But where a header stops a gradient, `sg[…]`: there the derivative is not the value's, and the method's own tests check it.
#[test]
fn derivatives_are_those_of_the_loss() {
    for algorithm in Algorithm::all().iter().filter(|one| !one.explanation().contains("sg[")) {
        let method = algorithm.method();
        check_finite_differences(method, &cases(method, &batch(method)));
    }
}

/// Each header says what a group of one is, and settings and credit do as it says.
#[test]
fn a_group_of_one_is_an_error_where_the_header_says_so() {
    let alone = vec![vec![super::testing::sample(1.0, 3)]];
    let mut refusing = 0;
    for algorithm in Algorithm::all() {
        let name = algorithm.name();
        let words: Vec<String> = algorithm.explanation().split_whitespace().map(String::from).collect();
        let text = words.join(" ");
        let is_error = text.contains("group of one is an error");
        assert!(is_error || text.contains("group of one is fine"), "{name}: its header does not say");
        assert_eq!(algorithm.method().validate(1).is_err(), is_error, "{name}");
        let credit = algorithm.method().credit(&alone);
        assert_eq!(credit.is_err(), is_error, "{name}");
        if let Err(error) = credit {
            let message = error.to_string();
            assert!(message.starts_with(&name) && message.contains('2'), "{name}: {message}");
            refusing += 1;
        }
    }
    assert!(refusing >= 15, "{refusing}");
}
