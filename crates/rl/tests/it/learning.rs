//! Every algorithm in its vetted setting lifts the reward of the toy from chance to nine tenths of the optimum.

use hone_model::SamplingParams;
use hone_rl::algorithms::{BCoder, Coderl, GrpoProcess, Ipo, Ppocoder, Rltf, Rrhf};
use hone_rl::{Algorithm, Trainer, TrainerConfig};
use hone_train::OptimizerConfig;

use crate::alphabet::RestOfAlphabet;
use crate::loop_checks::{CODEC, LETTERS, Recorder};
use crate::tabular::TabularNetwork;

/// Two mini-batches, so that ratios and clips matter; answers may be longer than any task asks for.
fn config() -> TrainerConfig {
    TrainerConfig {
        steps: 60,
        prompts_per_step: 8,
        group_size: 8,
        mini_batches: 2,
        sampling: SamplingParams { max_new_tokens: 2 * LETTERS, ..SamplingParams::default() },
        optimizer: OptimizerConfig { learning_rate: 0.2, weight_decay: 0.0, ..OptimizerConfig::default() },
        seed: 3,
        ..TrainerConfig::default()
    }
}

/// The vetted setting, but where the toy needs another: IPO stops at a margin of 1/(2β), and the toy has more answers
/// than e to the default's; β of PPOCoder and GRPO is against a base that speaks, which the toy's, all chance, does not;
/// RRHF sums over pairs, of which the paper has a dozen a prompt and the toy twenty-eight; α of B-Coder bounds how
/// sharp a policy of rewards from 0 to 1 can be, and here it is sampled at temperature 1. B-Coder owes most of what it learns here to
/// the references; what it owes to rewards is in b_coder.rs.
fn fitted(algorithm: Algorithm) -> Algorithm {
    match algorithm {
        Algorithm::Ipo(_) => Algorithm::Ipo(Ipo { beta: 0.02 }),
        Algorithm::Ppocoder(_) => {
            Algorithm::Ppocoder(Ppocoder { kl_coefficient: 0.001, ..Ppocoder::default() })
        }
        Algorithm::GrpoProcess(_) => {
            Algorithm::GrpoProcess(GrpoProcess { kl_coefficient: 0.001, ..GrpoProcess::default() })
        }
        Algorithm::BCoder(_) => Algorithm::BCoder(BCoder { alpha: 0.1, ..BCoder::default() }),
        Algorithm::Rrhf(_) => Algorithm::Rrhf(Rrhf { rank_weight: 0.1, ..Rrhf::default() }),
        other => other,
    }
}

fn rewards(algorithm: Algorithm, steps: u64) -> Vec<f64> {
    let config = || TrainerConfig { steps, ..config() };
    let mut network = TabularNetwork::adapter(LETTERS + 1);
    let environments = RestOfAlphabet::new(LETTERS);
    let mut recorder = Recorder::default();
    let mut trainer = Trainer::new(config(), algorithm, &mut network, &environments, CODEC).unwrap();
    trainer.run(None, &mut recorder).unwrap();
    // Where answers were given their beginnings, whole tasks are solved in the end.
    let given = recorder.reports.last().and_then(|report| report.value("curriculum/given"));
    assert!(given.is_none_or(|given| given == 0.0), "{given:?}");
    recorder.reports.iter().map(|report| report.value("reward/mean").unwrap()).collect()
}

fn check(algorithms: Vec<(Algorithm, u64)>) {
    let mut failures = Vec::new();
    for (algorithm, steps) in algorithms {
        let name = algorithm.name();
        let rewards = rewards(fitted(algorithm), steps);
        let (first, last) = (rewards[0], rewards[rewards.len() - 10..].iter().sum::<f64>() / 10.0);
        eprintln!("{name}: {first:.2} → {last:.2}");
        if !(first < 0.4 && last >= 0.9) {
            failures.push(format!("{name}: {rewards:.2?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_algorithm_learns() {
    let of_policies = Algorithm::all().into_iter().filter(|one| !one.method().needs_log());
    check(of_policies.map(|algorithm| (algorithm, 60)).collect());
}

/// What a method learns by imitation says nothing of the rest of its loss. RLTF learns from a buffer with the credit its groups had
/// then: one of two steps here. With the vetted 64 groups, eight steps, it is at 0.80 after 60 steps (0.83 with 32, 0.99 with 16 and
/// without a buffer) and gets there later: what it learns from is older.
#[test]
fn those_that_imitate_references_learn_without_them_too() {
    let rltf = || Rltf { imitation_coefficient: 0.0, ..Rltf::default() };
    check(vec![
        (Coderl { imitation_coefficient: 0.0, ..Coderl::default() }.into(), 60),
        (Rltf { buffer_groups: 16, ..rltf() }.into(), 60),
        (rltf().into(), 200),
    ]);
}

/// Iterative GRPO: with the vetted β, which is against a base that speaks, a reference that stays at chance holds the policy back, and
/// one that follows every fifth step does not.
#[test]
fn a_reference_that_follows_lets_go_of_a_base_that_knows_nothing() {
    let learned = |reference_every: u64| {
        let method = GrpoProcess { reference_every, ..GrpoProcess::default() };
        let rewards = rewards(method.into(), 60);
        rewards[50..].iter().sum::<f64>() / 10.0
    };
    let (still, following) = (learned(0), learned(5));
    eprintln!("reference still {still:.2}, following {following:.2}");
    assert!(following >= 0.9 && still < following, "{still} {following}");
}
