//! The evaluation itself.

use hone_environment::EnvironmentSet;
use hone_environment::toy::ToyEnvironmentSet;
use hone_eval::{EvalConfig, EvalError, Evaluation, Progress, evaluate};
use hone_model::SamplingParams;

use crate::scripted::{Scripted, WORDS, Words, decode, render};

fn config() -> EvalConfig {
    EvalConfig { samples: 16, seed: 3, ..EvalConfig::default() }
}

fn run(
    network: &mut Scripted,
    tasks: &dyn EnvironmentSet,
    config: &EvalConfig,
) -> Result<Evaluation, EvalError> {
    evaluate(network, &render, &decode, tasks, config, &mut |_| {})
}

#[test]
fn every_sample_is_judged_and_progress_ends_complete() {
    let tasks = ToyEnvironmentSet::new("ey");
    let mut reports: Vec<Progress> = Vec::new();
    let evaluation =
        evaluate(&mut Scripted::new(), &render, &decode, &tasks, &config(), &mut |p| reports.push(*p))
            .expect("evaluated");
    assert_eq!(evaluation.tasks.len(), 2);
    for (task, letter) in evaluation.tasks.iter().zip(["e", "y"]) {
        assert_eq!(task.id, format!("toy/contains-{letter}"));
        let indices: Vec<usize> = task.samples.iter().map(|sample| sample.sample).collect();
        assert_eq!(indices, (0..16).collect::<Vec<_>>());
        for sample in &task.samples {
            assert!(WORDS.contains(&sample.text.as_str()));
            assert_eq!((sample.is_passed(), sample.tokens), (sample.text.contains(letter), 1));
        }
    }
    let passed: usize = evaluation.tasks.iter().map(|task| task.passed()).sum();
    assert!((1..32).contains(&passed), "a random policy is sometimes right: {passed} of 32");
    let last = reports.last().expect("reports");
    assert_eq!((last.generated, last.judged, last.total, last.passed, last.tokens), (32, 32, 32, passed, 32));
    assert!(reports.windows(2).all(|pair| pair[0].judged <= pair[1].judged));
    let expected = evaluation.tasks.iter().map(|task| task.passed() as f64 / 16.0).sum::<f64>() / 2.0;
    assert!((evaluation.pass_at(1).expect("pass@1").value - expected).abs() < 1e-12);
    assert_eq!(evaluation.pass_at(17), None);
}

#[test]
fn the_result_depends_on_the_seed_and_nothing_else() {
    let tasks = Words(vec!["tree", "sky", "bee cat"]);
    let first = run(&mut Scripted::new(), &tasks, &config()).expect("evaluated");
    let mut reversed = Scripted { is_reversed: true, ..Scripted::new() };
    let other = EvalConfig { workers: 5, slots: 1, ..config() };
    let second = run(&mut reversed, &tasks, &other).expect("evaluated");
    assert_eq!(first.tasks, second.tasks, "order of completion and number of threads do not matter");
    let seeded = run(&mut Scripted::new(), &tasks, &EvalConfig { seed: 4, ..config() }).expect("evaluated");
    assert_ne!(first.tasks, seeded.tasks);
    let alone = run(&mut Scripted::new(), &Words(vec!["bee cat"]), &config()).expect("evaluated");
    assert_eq!(alone.tasks[0].samples, first.tasks[2].samples, "other tasks do not matter");
}

#[test]
fn failures_name_the_task() {
    let check = |tasks: Vec<&'static str>, expected: &str| {
        let error = run(&mut Scripted::new(), &Words(tasks), &config()).expect_err("must fail").to_string();
        assert!(error.contains(expected), "{error:?} lacks {expected:?}");
    };
    check(
        vec!["tree", "unrenderable"],
        "task unrenderable: failed to render the prompt: no template for that",
    );
    check(vec!["tree", "breaks"], "task breaks: environment breaks failed: the verifier is away");
    check(vec!["goes-on"], "task goes-on: expected an episode of one step");
    check(
        vec!["a prompt that is longer than the sixty-four tokens of the scripted context"],
        "expected a prompt of 1 to 63",
    );
    check(vec!["", "tree"], "task : expected a prompt of 1 to 63 tokens, found 0");
}

#[test]
fn a_failing_network_ends_the_evaluation() {
    let mut network = Scripted { fails_after: 5, ..Scripted::new() };
    let error = run(&mut network, &Words(vec!["tree", "sky"]), &config()).expect_err("must fail");
    assert!(matches!(&error, EvalError::Model(_)), "{error}");
    assert_eq!(network.handed_over, 5);
}

#[test]
fn senseless_settings_are_refused() {
    let check = |config: EvalConfig, expected: &str| {
        let error =
            run(&mut Scripted::new(), &Words(vec!["tree"]), &config).expect_err("must fail").to_string();
        assert!(error.contains(expected), "{error:?} lacks {expected:?}");
    };
    let sampling = |temperature, top_p| SamplingParams { temperature, top_p, ..SamplingParams::default() };
    check(EvalConfig { samples: 0, ..config() }, "samples: expected at least 1");
    check(EvalConfig { workers: 0, ..config() }, "workers: expected at least 1");
    check(EvalConfig { sampling: sampling(f32::NAN, 1.0), ..config() }, "sampling.temperature");
    check(EvalConfig { sampling: sampling(1.0, 0.0), ..config() }, "sampling.top_p");
    check(EvalConfig { sampling: sampling(0.0, 1.0), ..config() }, "samples: expected 1 with temperature 0");
    let greedy = EvalConfig { samples: 1, sampling: sampling(0.0, 1.0), ..config() };
    assert!(run(&mut Scripted::new(), &Words(vec!["tree"]), &greedy).is_ok());
    let read = |text: &str| serde_json::from_str::<EvalConfig>(text);
    assert!(read(r#"{"sample": 4}"#).is_err(), "unknown keys are errors");
    assert!(read(r#"{"sampling": {"temp": 1}}"#).is_err(), "unknown keys are errors");
    let partly = read(r#"{"sampling": {"max_new_tokens": 7}}"#).expect("valid");
    let expected = SamplingParams { max_new_tokens: 7, ..EvalConfig::default().sampling };
    assert_eq!(partly.sampling, expected, "the rest is an evaluation's default");
}
