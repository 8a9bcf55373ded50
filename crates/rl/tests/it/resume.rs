//! A run that was killed anywhere and resumed ends with the numbers of one that never was.

use hone_rl::algorithms::{Grpo, Ppo, Rltf};
use hone_rl::{Algorithm, RlError, StopCause, Trainer, TrainerConfig};
use hone_train::{CheckpointStore, NamedTensor};

use crate::alphabet::NextLetter;
use crate::loop_checks::{CODEC, LENGTH, LETTERS, Recorder, config, grpo};
use crate::tabular::TabularNetwork;

/// Runs until done or until the recorder stops it. `is_killed`: then nothing is saved but the regular checkpoints.
fn run(
    store: Option<&CheckpointStore>,
    config: TrainerConfig,
    algorithm: impl Into<Algorithm>,
    recorder: &mut Recorder,
    kill_after: Option<usize>,
) -> Result<Vec<f32>, RlError> {
    let mut network = TabularNetwork::adapter(LETTERS + 1);
    let environments = NextLetter::new(LETTERS, LENGTH);
    let mut trainer = Trainer::new(config, algorithm.into(), &mut network, &environments, CODEC)?;
    let checkpoint = store.map(CheckpointStore::latest_valid).transpose()?.flatten();
    let saved_step = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.step);
    recorder.reports.retain(|report| report.step <= saved_step);
    if let Some(checkpoint) = &checkpoint {
        trainer.resume_from(checkpoint)?;
    }
    match kill_after {
        Some(step) => {
            // What a kill leaves: steps after the last checkpoint are lost with the process.
            struct Killed<'a>(&'a mut Recorder, usize);
            impl hone_rl::Observer for Killed<'_> {
                fn on_step(&mut self, report: &hone_rl::StepReport) -> Result<(), hone_rl::ObserverError> {
                    self.0.on_step(report)?;
                    if report.step >= self.1 as u64 { Err("killed".into()) } else { Ok(()) }
                }
            }
            let error = trainer.run(store, &mut Killed(recorder, step)).unwrap_err();
            assert!(matches!(error, RlError::Observer { .. }), "{error}");
        }
        None => drop(trainer.run(store, recorder)?),
    }
    Ok(network.logits)
}

#[test]
fn killed_after_every_step_and_resumed() {
    let algorithm = Grpo { kl_coefficient: 0.01, entropy_coefficient: 0.01, ..grpo() };
    let config = TrainerConfig { checkpoint_every: 5, mini_batches: 2, reference_kl_every: 3, ..config() };
    let mut whole = Recorder::default();
    let expected = run(None, config.clone(), algorithm.clone(), &mut whole, None).unwrap();
    for kill_after in 1..=12 {
        let directory = tempfile::tempdir().unwrap();
        let store = CheckpointStore::new(directory.path(), 2);
        let mut recorder = Recorder::default();
        run(Some(&store), config.clone(), algorithm.clone(), &mut recorder, Some(kill_after)).unwrap();
        let resumed = run(Some(&store), config.clone(), algorithm.clone(), &mut recorder, None).unwrap();
        assert!(recorder.metrics() == whole.metrics(), "killed after step {kill_after}");
        assert_eq!(resumed, expected, "killed after step {kill_after}");
    }
}

/// The value head, its optimizer state and the steered coefficient are part of a checkpoint.
#[test]
fn what_an_algorithm_carries_survives_a_kill() {
    let ppo = Ppo { kl_coefficient: 0.1, kl_target: Some(0.5), kl_horizon: 50.0, ..Ppo::default() };
    let config = TrainerConfig { checkpoint_every: 4, epochs_per_batch: 2, ..config() };
    let mut whole = Recorder::default();
    let expected = run(None, config.clone(), ppo.clone(), &mut whole, None).unwrap();
    let coefficient = |step: usize| whole.reports[step].value("update/kl_coefficient").unwrap();
    assert!(coefficient(0) != coefficient(11), "it is steered");
    let directory = tempfile::tempdir().unwrap();
    let store = CheckpointStore::new(directory.path(), 2);
    let mut recorder = Recorder::default();
    run(Some(&store), config.clone(), ppo.clone(), &mut recorder, Some(6)).unwrap();
    assert_eq!(run(Some(&store), config, ppo, &mut recorder, None).unwrap(), expected);
    assert!(recorder.metrics() == whole.metrics());
}

/// The groups of a buffer are part of a checkpoint too, bit for bit.
#[test]
fn a_buffer_survives_a_kill() {
    let rltf = Rltf { imitation_coefficient: 0.0, buffer_groups: 10, ..Rltf::default() };
    let config = TrainerConfig { checkpoint_every: 4, ..config() };
    let mut whole = Recorder::default();
    let expected = run(None, config.clone(), rltf.clone(), &mut whole, None).unwrap();
    let ratio = |step: usize| whole.reports[step].value("update/ratio_max").unwrap();
    assert!(ratio(0) == 1.0 && ratio(11) > 1.0, "it learns from earlier policies' samples");
    for kill_after in [1, 6, 11] {
        let directory = tempfile::tempdir().unwrap();
        let store = CheckpointStore::new(directory.path(), 2);
        let mut recorder = Recorder::default();
        run(Some(&store), config.clone(), rltf.clone(), &mut recorder, Some(kill_after)).unwrap();
        assert_eq!(run(Some(&store), config.clone(), rltf.clone(), &mut recorder, None).unwrap(), expected);
        assert!(recorder.metrics() == whole.metrics());
    }
    let without = Rltf { buffer_groups: 0, ..rltf };
    let mut fresh = Recorder::default();
    run(None, config, without, &mut fresh, None).unwrap();
    assert!(fresh.reports.iter().all(|report| report.value("update/ratio_max") == Some(1.0)));
}

#[test]
fn a_stop_saves_and_resumes_where_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let store = CheckpointStore::new(directory.path(), 2);
    let mut whole = Recorder::default();
    run(None, config(), grpo(), &mut whole, None).unwrap();
    let mut recorder = Recorder { stop_after: Some(7), ..Recorder::default() };
    run(Some(&store), config(), grpo(), &mut recorder, None).unwrap();
    assert_eq!(store.latest_valid().unwrap().unwrap().step, 7);
    recorder.stop_after = None;
    run(Some(&store), config(), grpo(), &mut recorder, None).unwrap();
    assert_eq!(recorder.metrics(), whole.metrics());
    // A finished run has nothing left to do.
    let mut network = TabularNetwork::adapter(LETTERS + 1);
    let environments = NextLetter::new(LETTERS, LENGTH);
    let mut trainer =
        Trainer::new(config(), Algorithm::Grpo(grpo()), &mut network, &environments, CODEC).unwrap();
    trainer.resume_from(&store.latest_valid().unwrap().unwrap()).unwrap();
    assert_eq!(trainer.run(Some(&store), &mut ()).unwrap().cause, StopCause::Finished);
}

/// Whatever stops a run, numbers that are none, a policy that runs away or an environment that fails: the checkpoint before it
/// goes on to the end of a run that was never stopped.
#[test]
fn a_run_that_an_error_stopped_goes_on_from_its_last_checkpoint() {
    // All tasks in every step, so that a broken one is met at once.
    let config =
        TrainerConfig { checkpoint_every: 5, epochs_per_batch: 2, prompts_per_step: LETTERS, ..config() };
    let mut whole = Recorder::default();
    let expected = run(None, config.clone(), grpo(), &mut whole, None).unwrap();
    let stops = |kl_limit: f64, base: f32, broken: Option<usize>, part: &str| {
        let directory = tempfile::tempdir().unwrap();
        let store = CheckpointStore::new(directory.path(), 2);
        let mut recorder = Recorder::default();
        run(Some(&store), config.clone(), grpo(), &mut recorder, Some(7)).unwrap();
        let mut network = TabularNetwork::adapter(LETTERS + 1);
        network.base.fill(base);
        let mut environments = NextLetter::new(LETTERS, LENGTH);
        environments.broken = broken;
        let config_now = TrainerConfig { kl_limit, ..config.clone() };
        let algorithm = Algorithm::Grpo(grpo());
        let mut trainer = Trainer::new(config_now, algorithm, &mut network, &environments, CODEC).unwrap();
        trainer.resume_from(&store.latest_valid().unwrap().unwrap()).unwrap();
        let message = trainer.run(Some(&store), &mut ()).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
        let resumed = run(Some(&store), config.clone(), grpo(), &mut recorder, None).unwrap();
        assert!(recorder.metrics() == whole.metrics() && resumed == expected, "{part}");
    };
    stops(10.0, f32::NAN, None, "is NaN at step 6");
    stops(1e-30, 0.0, None, "the policy left the one that sampled at step 6");
    stops(10.0, 0.0, Some(2), "no sandbox");
}

#[test]
fn another_run_s_checkpoint_is_refused_with_the_setting_that_differs() {
    let directory = tempfile::tempdir().unwrap();
    let store = CheckpointStore::new(directory.path(), 2);
    run(Some(&store), config(), grpo(), &mut Recorder::default(), None).unwrap();
    let refused = |config: TrainerConfig, algorithm: Grpo| {
        run(Some(&store), config, algorithm, &mut Recorder::default(), None).unwrap_err().to_string()
    };
    let message = refused(TrainerConfig { seed: 3, ..config() }, grpo());
    assert!(message.ends_with("`trainer.seed` was 0, is now 3"), "{message}");
    let message = refused(config(), Grpo { clip_high: 0.2, ..grpo() });
    assert!(message.ends_with("`algorithm.clip_high` was 0.28, is now 0.2"), "{message}");
    // A setting that changes no number may change.
    let free = TrainerConfig { execution_threads: 1, time_limit_minutes: Some(5.0), ..config() };
    run(Some(&store), free, grpo(), &mut Recorder::default(), None).unwrap();
}

#[test]
fn a_checkpoint_of_other_parameters_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = CheckpointStore::new(directory.path(), 2);
    run(Some(&store), config(), grpo(), &mut Recorder::default(), None).unwrap();
    let saved = store.latest_valid().unwrap().unwrap();
    let tensors: Vec<NamedTensor<'_>> = saved
        .tensors
        .iter()
        .map(|(name, tensor)| NamedTensor { name: name.clone(), shape: vec![2], values: &tensor.values[..2] })
        .collect();
    let other = CheckpointStore::new(directory.path().join("other"), 1);
    other.save(saved.step, &saved.state, &tensors).unwrap();
    let error = run(Some(&other), config(), grpo(), &mut Recorder::default(), None).unwrap_err().to_string();
    assert!(error.contains("parameter lora_table has 2 values, expected 36"), "{error}");
}
