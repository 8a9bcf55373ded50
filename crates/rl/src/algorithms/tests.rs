//! What every algorithm must keep, whatever it does.

use super::*;

#[test]
fn a_type_alone_is_the_vetted_setting() {
    for algorithm in Algorithm::all() {
        let name = algorithm.name();
        let read = |rest: &str| serde_json::from_str::<Algorithm>(&format!(r#"{{"type": "{name}"{rest}}}"#));
        assert_eq!(read("").unwrap(), algorithm);
        let error = read(r#", "clipp": 0.2"#).unwrap_err().to_string();
        assert!(error.contains("unknown field `clipp`"), "{error}");
        assert!(algorithm.method().validate(8).is_ok(), "{name}");
    }
    assert!(serde_json::from_str::<Algorithm>(r#"{"type": "grpoo"}"#).is_err());
}

/// They push by what their value head says, not by the reward alone; their own files check their signs.
const BY_VALUES: [&str; 2] = ["b-coder", "reward-model"];

#[test]
fn every_file_opens_with_its_paper_and_its_formula() {
    for algorithm in Algorithm::all() {
        let (name, text) = (algorithm.name(), algorithm.explanation());
        let (title, formula) = text.split_once("```text\n").unwrap_or_else(|| panic!("{name}: no formula"));
        assert!(title.contains("arXiv") && formula.contains('='), "{name}");
        assert!(text.contains("| symbol | here |"), "{name}: no table of symbols");
    }
}

/// Equal rewards, a group of one: an error or finite numbers, whatever the formula divides by.
#[test]
fn degenerate_batches_give_errors_or_finite_numbers() {
    for algorithm in Algorithm::all() {
        for (rewards, is_single) in [(&[0.0, 0.0][..], false), (&[1.0, 1.0], false), (&[1.0], true)] {
            let group: Vec<Sample> = rewards.iter().map(|&reward| testing::sample(reward, 3)).collect();
            let result = algorithm.method().credit(&[group]);
            let name = algorithm.name();
            assert_eq!(result.is_err(), is_single && algorithm.method().validate(1).is_err(), "{name}");
            for credit in result.into_iter().flatten().flatten() {
                assert!(credit.advantages.iter().all(|advantage| advantage.is_finite()), "{name}");
            }
        }
    }
}

/// Advantages do not depend on the order of groups and samples.
#[test]
fn credit_follows_its_sample() {
    let batch = testing::batch();
    let mut reversed = batch.clone();
    reversed.reverse();
    reversed.iter_mut().for_each(|group| group.reverse());
    for algorithm in Algorithm::all() {
        let expected = algorithm.method().credit(&batch).unwrap();
        let mut found = algorithm.method().credit(&reversed).unwrap();
        found.reverse();
        found.iter_mut().for_each(|group| group.reverse());
        for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
            testing::near(&found.advantages, &expected.advantages);
        }
    }
}

/// On-policy, the best sample of a group is pushed up and the worst down, through credit and loss.
#[test]
fn every_method_pushes_the_best_up_and_the_worst_down() {
    for algorithm in Algorithm::all().into_iter().filter(|one| !BY_VALUES.contains(&one.name().as_str())) {
        let (method, batch) = (algorithm.method(), testing::batch());
        for (credits, samples) in method.credit(&batch).unwrap().iter().zip(&batch) {
            let trained = samples.iter().zip(credits).filter(|(_, credit)| credit.is_in_loss);
            let cases: Vec<testing::Case> =
                trained.map(|(sample, credit)| testing::Case::on_policy(sample, credit)).collect();
            let count = cases.len();
            let (_, parts) = testing::total_loss(method, &[cases]);
            let push = |index: usize| -parts[index].logprobs.iter().sum::<f64>();
            let name = algorithm.name();
            assert!(count == 0 || push(0) > 0.0, "{name}");
            assert!(count < samples.len() || push(count - 1) <= 0.0, "{name}");
        }
    }
}
