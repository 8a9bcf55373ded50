//! For every method: how a batch is sampled, executed, packed and split is a matter of memory and speed. The parameters in the
//! end are the same to the bit.

use hone_model::SamplingParams;
use hone_rl::{Algorithm, Trainer, TrainerConfig};
use hone_train::OptimizerConfig;

use crate::alphabet::RestOfAlphabet;
use crate::loop_checks::{CODEC, LETTERS, Recorder};
use crate::offline::log;
use crate::tabular::TabularNetwork;

fn config() -> TrainerConfig {
    TrainerConfig {
        steps: 6,
        prompts_per_step: 8,
        group_size: 8,
        mini_batches: 2,
        epochs_per_batch: 2,
        sampling: SamplingParams { max_new_tokens: 2 * LETTERS, ..SamplingParams::default() },
        optimizer: OptimizerConfig { learning_rate: 0.1, weight_decay: 0.0, ..OptimizerConfig::default() },
        seed: 11,
        ..TrainerConfig::default()
    }
}

/// Bits of the policy, of its value head, and of every number that was logged.
fn run(algorithm: Algorithm, config: TrainerConfig) -> (Vec<u32>, Vec<u32>, usize) {
    let mut network = TabularNetwork::adapter(LETTERS + 1);
    let environments = RestOfAlphabet::new(LETTERS);
    let mut recorder = Recorder::default();
    let needs_log = algorithm.method().needs_log();
    let mut trainer = Trainer::new(config, algorithm, &mut network, &environments, CODEC).unwrap();
    if needs_log {
        trainer.learn_from(log()).unwrap();
    }
    trainer.run(None, &mut recorder).unwrap();
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<u32>>();
    let updates = recorder.reports.iter().filter(|report| report.value("update/loss").is_some()).count();
    (bits(&network.logits), bits(&network.values), updates)
}

#[test]
fn micro_batches_slots_and_threads_change_no_bit_of_any_method() {
    for algorithm in Algorithm::all() {
        let name = algorithm.name();
        let whole = run(algorithm.clone(), TrainerConfig { micro_batch_tokens: 100_000, ..config() });
        // A reward model trains no policy: what it learns is in its value head.
        let learned = if algorithm.method().needs_log() { &whole.1 } else { &whole.0 };
        assert!(whole.2 > 0 && learned.iter().any(|bits| *bits != 0), "{name} did not learn");
        let split =
            TrainerConfig { micro_batch_tokens: 1, generation_slots: 3, execution_threads: 3, ..config() };
        assert_eq!(run(algorithm.clone(), split), whole, "{name}: one group a micro-batch");
        let some =
            TrainerConfig { micro_batch_tokens: 60, generation_slots: 1, execution_threads: 1, ..config() };
        assert_eq!(run(algorithm, some), whole, "{name}: some groups a micro-batch");
    }
}
