//! The loop's own promises, on the table network.

use hone_model::SamplingParams;
use hone_rl::algorithms::{Coderl, Grpo, Scale};
use hone_rl::{
    Algorithm, Observer, Progress, RlError, StepReport, StopCause, TextCodec, Trainer, TrainerConfig,
};
use hone_train::OptimizerConfig;

use crate::alphabet::{NextLetter, decode, encode, render};
use crate::tabular::TabularNetwork;

pub(crate) const LETTERS: usize = 5;
pub(crate) const LENGTH: usize = 3;

pub(crate) fn config() -> TrainerConfig {
    TrainerConfig {
        steps: 12,
        prompts_per_step: 4,
        group_size: 6,
        micro_batch_tokens: 40,
        sampling: SamplingParams { max_new_tokens: LENGTH, ..SamplingParams::default() },
        optimizer: OptimizerConfig { learning_rate: 0.3, weight_decay: 0.0, ..OptimizerConfig::default() },
        ..TrainerConfig::default()
    }
}

/// All sequences are as long as they may be here, so truncation must not mask them.
pub(crate) fn grpo() -> Grpo {
    Grpo { mask_truncated: false, ..Grpo::default() }
}

pub(crate) const CODEC: TextCodec<'_> =
    TextCodec { render: &render, decode: &decode, encode: &encode, stop_tokens: &[] };

/// Keeps every report.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) reports: Vec<StepReport>,
    pub(crate) progress: Vec<Progress>,
    pub(crate) stop_after: Option<u64>,
}

impl Recorder {
    /// What a metrics file would hold.
    pub(crate) fn metrics(&self) -> Vec<(u64, Vec<(String, u64)>)> {
        let bits = |report: &StepReport| {
            report.metrics.iter().map(|(name, value)| (name.to_string(), value.to_bits())).collect()
        };
        self.reports.iter().map(|report| (report.step, bits(report))).collect()
    }
}

impl Observer for Recorder {
    fn on_progress(&mut self, progress: &Progress) {
        self.progress.push(*progress);
    }

    fn on_step(&mut self, report: &StepReport) -> Result<(), hone_rl::ObserverError> {
        self.reports.push(report.clone());
        Ok(())
    }

    fn should_stop(&mut self) -> bool {
        self.stop_after.is_some_and(|step| self.reports.last().is_some_and(|report| report.step >= step))
    }
}

fn run(config: TrainerConfig, algorithm: Grpo) -> (TabularNetwork, Recorder, Result<StopCause, RlError>) {
    let mut network = TabularNetwork::new(LETTERS + 1);
    let environments = NextLetter::new(LETTERS, LENGTH);
    let mut recorder = Recorder::default();
    let result = Trainer::new(config, Algorithm::Grpo(algorithm), &mut network, &environments, CODEC)
        .and_then(|mut trainer| trainer.run(None, &mut recorder))
        .map(|summary| summary.cause);
    (network, recorder, result)
}

fn rewards(recorder: &Recorder) -> Vec<f64> {
    recorder.reports.iter().map(|report| report.value("reward/mean").unwrap()).collect()
}

#[test]
fn it_learns() {
    let (_, recorder, result) = run(TrainerConfig { steps: 60, ..config() }, grpo());
    assert_eq!(result.unwrap(), StopCause::Finished);
    let rewards = rewards(&recorder);
    assert!(rewards[0] < 0.4, "chance: {}", rewards[0]);
    assert!(rewards[50..].iter().all(|reward| *reward > 0.9), "{rewards:?}");
}

#[test]
fn equal_seeds_give_equal_numbers_whatever_threads_and_slots() {
    let (network, recorder, _) = run(config(), grpo());
    for (execution_threads, generation_slots) in [(1, 1), (7, 32)] {
        let (other, other_recorder, _) =
            run(TrainerConfig { execution_threads, generation_slots, ..config() }, grpo());
        assert_eq!(network.logits, other.logits);
        assert_eq!(recorder.metrics(), other_recorder.metrics());
    }
    let (other, _, _) = run(TrainerConfig { seed: 1, ..config() }, grpo());
    assert_ne!(network.logits, other.logits);
}

#[test]
fn the_split_into_micro_batches_changes_rounding_at_most() {
    let (network, ..) = run(config(), grpo());
    for micro_batch_tokens in [1, 100_000] {
        let (other, ..) = run(TrainerConfig { micro_batch_tokens, ..config() }, grpo());
        for (a, b) in network.logits.iter().zip(&other.logits) {
            assert!((a - b).abs() < 1e-3, "{a} {b}");
        }
    }
}

#[test]
fn the_first_update_is_on_policy_and_later_ones_are_not() {
    let (_, recorder, _) = run(config(), grpo());
    for report in &recorder.reports {
        assert_eq!(report.value("update/ratio_max"), Some(1.0));
        assert_eq!((report.value("update/kl"), report.value("update/clip_fraction")), (Some(0.0), Some(0.0)));
    }
    let (_, recorder, _) = run(TrainerConfig { mini_batches: 2, epochs_per_batch: 2, ..config() }, grpo());
    assert!(recorder.reports[0].value("update/ratio_max").unwrap() > 1.0);
    assert!(recorder.reports[0].value("update/kl").unwrap() > 0.0);
    assert_eq!(recorder.reports[2].groups[0].policy_version, 8);
}

#[test]
fn dynamic_sampling_fills_the_batch_with_groups_that_differ() {
    let (_, recorder, _) = run(TrainerConfig { group_size: 2, ..config() }, grpo());
    let mut dropped = 0.0;
    for report in &recorder.reports {
        dropped += report.value("rollout/groups_dropped").unwrap();
        for group in &report.groups {
            let is_kept = group.trajectories[0].reward != group.trajectories[1].reward;
            assert!(group.trajectories.iter().all(|one| one.is_trained == is_kept));
            assert!(group.trajectories.iter().map(|one| one.advantage).sum::<f64>().abs() < 1e-12);
        }
        let kept = report.groups.iter().filter(|group| group.trajectories[0].is_trained).count();
        assert!(kept == 4 || report.value("rollout/rounds") == Some(4.0), "{kept}");
    }
    assert!(dropped > 0.0, "two samples must sometimes agree");
    let (_, recorder, _) =
        run(TrainerConfig { group_size: 2, ..config() }, Grpo { dynamic_sampling: false, ..grpo() });
    assert!(recorder.reports.iter().all(|report| report.groups.len() == 4));
}

#[test]
fn a_step_without_signal_makes_no_update_and_goes_on() {
    // One letter: every answer that does not end early is right, and none may end: all rewards are equal.
    let mut network = TabularNetwork::new(2);
    network.logits = vec![-40.0, 40.0, -40.0, 40.0];
    let before = network.logits.clone();
    let environments = NextLetter::new(1, LENGTH);
    let mut recorder = Recorder::default();
    let mut trainer =
        Trainer::new(config(), Algorithm::Grpo(grpo()), &mut network, &environments, CODEC).unwrap();
    assert_eq!(trainer.run(None, &mut recorder).unwrap().steps, 12);
    assert_eq!(recorder.reports[0].value("update/loss"), None);
    assert_eq!(recorder.reports[0].value("reward/groups_with_signal"), Some(0.0));
    assert_eq!(network.logits, before);
}

#[test]
fn truncated_sequences_are_masked() {
    let (_, recorder, _) = run(config(), Grpo::default());
    let all = recorder.reports.iter().flat_map(|report| &report.groups).flat_map(|group| &group.trajectories);
    assert!(all.clone().any(|one| one.is_truncated()) && all.clone().any(|one| one.is_trained));
    assert!(all.clone().all(|one| !(one.is_truncated() && one.is_trained)));
}

#[test]
fn a_sampler_that_disagrees_with_training_is_found() {
    let mut network = TabularNetwork::new(LETTERS + 1);
    network.forward_error = 1e-6;
    let environments = NextLetter::new(LETTERS, LENGTH);
    let mut trainer =
        Trainer::new(config(), Algorithm::Grpo(grpo()), &mut network, &environments, CODEC).unwrap();
    let error = trainer.run(None, &mut ()).unwrap_err();
    assert!(matches!(error, RlError::LogprobMismatch { step: 1, token: 0, .. }), "{error}");
    assert!(error.to_string().contains("task next/"), "{error}");
}

#[test]
fn numbers_that_are_not_finite_stop_the_run() {
    let mut network = TabularNetwork::new(LETTERS + 1);
    network.forward_error = f32::NAN;
    let environments = NextLetter::new(LETTERS, LENGTH);
    let mut trainer =
        Trainer::new(config(), Algorithm::Grpo(grpo()), &mut network, &environments, CODEC).unwrap();
    assert!(trainer.run(None, &mut ()).is_err());

    let mut network = TabularNetwork::new(LETTERS + 1);
    network.logits[7] = f32::NAN;
    let mut trainer =
        Trainer::new(config(), Algorithm::Grpo(grpo()), &mut network, &environments, CODEC).unwrap();
    let message = trainer.run(None, &mut ()).unwrap_err().to_string();
    assert!(message.contains("NaN at step 1") && message.contains("hint:"), "{message}");
}

#[test]
fn a_broken_environment_stops_the_run_with_its_place() {
    let mut network = TabularNetwork::new(LETTERS + 1);
    let mut environments = NextLetter::new(LETTERS, LENGTH);
    environments.broken = Some(2);
    let config = TrainerConfig { prompts_per_step: LETTERS, ..config() };
    let mut trainer =
        Trainer::new(config, Algorithm::Grpo(grpo()), &mut network, &environments, CODEC).unwrap();
    let message = trainer.run(None, &mut ()).unwrap_err().to_string();
    assert!(message.starts_with("step 1, task next/2, sample "), "{message}");
    assert!(message.ends_with("environment next/2 failed: no sandbox"), "{message}");
}

#[test]
fn impossible_runs_are_refused_before_they_begin() {
    let environments = NextLetter::new(LETTERS, LENGTH);
    let refuse = |config: TrainerConfig, algorithm: Grpo| {
        let mut network = TabularNetwork::new(LETTERS + 1);
        let result = Trainer::new(config, Algorithm::Grpo(algorithm), &mut network, &environments, CODEC);
        result.err().expect("refused").to_string()
    };
    let message = refuse(TrainerConfig { group_size: 1, ..config() }, grpo());
    assert_eq!(message, "`group_size` must be at least 2 for grpo, got 1");
    let message = refuse(config(), Grpo { kl_coefficient: 0.1, ..grpo() });
    assert!(message.contains("kl_coefficient") && message.contains("LoRA"), "{message}");
}

#[test]
fn a_time_limit_ends_the_run_between_steps() {
    let (whole, all, _) = run(config(), grpo());
    let (_, recorder, result) = run(TrainerConfig { time_limit_minutes: Some(1e-9), ..config() }, grpo());
    assert_eq!(result.unwrap(), StopCause::TimeLimit);
    assert_eq!(recorder.metrics()[..], all.metrics()[..recorder.reports.len()]);
    let (unlimited, ..) = run(TrainerConfig { time_limit_minutes: Some(60.0), ..config() }, grpo());
    assert_eq!(whole.logits, unlimited.logits);
}

#[test]
fn a_token_limit_ends_the_run_at_the_same_place_every_time() {
    let (_, all, _) = run(config(), grpo());
    let tokens = |recorder: &Recorder| -> f64 {
        recorder.reports.iter().filter_map(|report| report.value("rollout/tokens")).sum()
    };
    let limit = (tokens(&all) / 2.0) as u64;
    let (_, recorder, result) = run(TrainerConfig { token_limit: Some(limit), ..config() }, grpo());
    assert_eq!(result.unwrap(), StopCause::TokenLimit);
    assert_eq!(recorder.metrics()[..], all.metrics()[..recorder.reports.len()]);
    let last = recorder.reports.last().unwrap().value("rollout/tokens").unwrap();
    assert!(tokens(&recorder) >= limit as f64 && tokens(&recorder) - last < limit as f64);
}

#[test]
fn an_adapter_has_a_reference_for_kl() {
    let train = |kl_coefficient: f64| {
        let mut network = TabularNetwork::adapter(LETTERS + 1);
        let environments = NextLetter::new(LETTERS, LENGTH);
        let mut recorder = Recorder::default();
        let config = TrainerConfig { reference_kl_every: 4, steps: 40, ..config() };
        let algorithm = Grpo { kl_coefficient, scale: Scale::Group, ..grpo() };
        let mut trainer =
            Trainer::new(config, Algorithm::Grpo(algorithm), &mut network, &environments, CODEC).unwrap();
        trainer.run(None, &mut recorder).unwrap();
        recorder
    };
    let (free, held) = (train(0.0), train(2.0));
    let measured: Vec<u64> = free
        .reports
        .iter()
        .filter(|report| report.value("update/reference_kl").is_some())
        .map(|report| report.step)
        .collect();
    assert_eq!(measured[..3], [4, 8, 12]);
    let last = |recorder: &Recorder| {
        recorder.reports.iter().rev().find_map(|report| report.value("update/reference_kl")).unwrap()
    };
    assert!(last(&held) < 0.5 * last(&free), "{} {}", last(&held), last(&free));
}

#[test]
fn progress_counts_up_to_its_total() {
    let (_, recorder, _) = run(TrainerConfig { steps: 1, ..config() }, grpo());
    let first = recorder.progress.first().unwrap();
    assert_eq!((first.step, first.done, first.total), (1, 1, 24));
    let last = recorder.progress.last().unwrap();
    assert_eq!((last.done, last.tokens > 0), (last.total, true));
}

#[test]
fn a_policy_that_leaves_its_sampler_stops_the_run() {
    let wild = TrainerConfig {
        epochs_per_batch: 8,
        kl_limit: 0.05,
        optimizer: OptimizerConfig { learning_rate: 5.0, max_gradient_norm: 0.0, ..config().optimizer },
        ..config()
    };
    let free = Grpo { clip_low: 0.99, clip_high: 1e6, ..grpo() };
    let message = run(wild.clone(), free.clone()).2.unwrap_err().to_string();
    assert!(message.starts_with("the policy left the one that sampled at step 1: their KL is "), "{message}");
    assert!(message.contains("at most 0.05 is allowed\nhint: lower the learning rate"), "{message}");
    assert_eq!(run(TrainerConfig { kl_limit: 0.0, ..wild }, free).2.unwrap(), StopCause::Finished);
}

#[test]
fn tasks_without_references_are_refused_where_they_are_needed() {
    let mut network = TabularNetwork::adapter(LETTERS + 1);
    let environments = NextLetter::new(LETTERS, LENGTH);
    let coderl = Algorithm::Coderl(Coderl::default());
    let error = Trainer::new(config(), coderl, &mut network, &environments, CODEC).err().unwrap().to_string();
    assert!(error.starts_with("`tasks` must be a task whose reference solution"), "{error}");
    assert!(error.contains("imitation_coefficient = 0"), "{error}");
}
