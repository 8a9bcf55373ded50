//! Rewards in parts: those of the loop are added to what the environment gives, and every part is kept and logged.

use hone_rl::algorithms::Remax;
use hone_rl::{Algorithm, Kl, Length, Overlong, StepReport, TokenReward, Trainer, TrainerConfig};

use crate::alphabet::NextLetter;
use crate::loop_checks::{CODEC, LENGTH, LETTERS, Recorder, config, grpo};
use crate::tabular::TabularNetwork;

fn run(network: &mut TabularNetwork, algorithm: Algorithm, parts: Vec<TokenReward>) -> Vec<StepReport> {
    let environments = NextLetter::new(LETTERS, LENGTH);
    let mut recorder = Recorder::default();
    let config = TrainerConfig { steps: 4, ..config() };
    let mut trainer = Trainer::new(config, algorithm, network, &environments, CODEC).unwrap();
    trainer.reward_tokens(parts, Vec::new()).unwrap();
    trainer.run(None, &mut recorder).unwrap();
    recorder.reports
}

fn all_parts() -> Vec<TokenReward> {
    vec![
        TokenReward::Length(Length { weight: 0.3 }),
        TokenReward::Overlong(Overlong { weight: 0.5, buffer: 1.0 }),
        TokenReward::Kl(Kl { weight: 0.1 }),
    ]
}

#[test]
fn parts_are_added_and_logged_each() {
    let mut network = TabularNetwork::adapter(LETTERS + 1);
    let reports = run(&mut network, Algorithm::Grpo(grpo()), all_parts());
    for report in &reports {
        for one in report.groups.iter().flat_map(|group| &group.trajectories) {
            let values: Vec<f64> = one.parts.iter().map(|part| part.value).collect();
            let share = one.tokens.len() as f64 / LENGTH as f64;
            assert_eq!(values[..2], [-share, -share]);
            let own = one.reward - (0.3 * values[0] + 0.5 * values[1] + 0.1 * values[2]);
            assert!((0.0..=1.0 + 1e-9).contains(&own), "{own}");
        }
        let logged = report.value("reward/part/length").unwrap();
        let mean = report.value("rollout/length_tokens").unwrap() / LENGTH as f64;
        assert!((logged + mean).abs() < 1e-12);
    }
    // The policy begins as the reference and leaves it.
    assert_eq!(reports[0].value("reward/part/kl"), Some(0.0));
    assert!(reports[3].value("reward/part/kl").unwrap() < 0.0);
    assert_eq!(reports[0].groups[0].records(1, 0, CODEC.decode)[0].reward_parts.len(), 3);
}

/// A baseline is on the scale of what it is compared with.
#[test]
fn a_greedy_answer_is_shaped_too() {
    let mut network = TabularNetwork::adapter(LETTERS + 1);
    let reports = run(&mut network, Algorithm::Remax(Remax::default()), all_parts());
    let mut greedy =
        reports.iter().flat_map(|report| &report.groups).map(|group| group.greedy.as_ref().unwrap());
    assert!(greedy.all(|one| one.parts.len() == 3));
}

#[test]
fn a_kl_without_a_reference_is_refused() {
    let mut network = TabularNetwork::new(LETTERS + 1);
    let environments = NextLetter::new(LETTERS, LENGTH);
    let mut trainer =
        Trainer::new(config(), Algorithm::Grpo(grpo()), &mut network, &environments, CODEC).unwrap();
    let error = trainer.reward_tokens(all_parts(), Vec::new()).unwrap_err().to_string();
    assert!(error.contains("a reward that compares with a reference model"), "{error}");
}
