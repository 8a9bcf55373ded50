//! B-Coder on the toy, from a log and the references: what it needs, and what its ranking is worth.
//!
//! As in the paper it begins with a fine-tuned model: here one that imitated a few passes of the log. Its network remembers
//! what was said, as a language model does: values of one token for the next are of no use where they are blind to errors.

use std::ops::ControlFlow;

use hone_environment::EnvironmentSet;
use hone_model::{Adapter, ForwardOptions, GenerateRequest, Network, PromptGroup};
use hone_rl::algorithms::{BCoder, Rft};
use hone_rl::{Algorithm, Group, Trainer, TrainerConfig};

use crate::alphabet::{RestOfAlphabet, decode};
use crate::loop_checks::{CODEC, LETTERS};
use crate::offline::{config, log, score};
use crate::tabular::TabularNetwork;

/// Candidates that are ranked.
const CANDIDATES: usize = 8;

fn learn(
    algorithm: impl Into<Algorithm>,
    config: TrainerConfig,
    network: &mut TabularNetwork,
    log: &[Group],
) {
    let environments = RestOfAlphabet::new(LETTERS);
    let mut trainer = Trainer::new(config, algorithm.into(), network, &environments, CODEC).unwrap();
    trainer.learn_from(log.to_vec()).unwrap();
    trainer.run(None, &mut ()).unwrap();
}

/// A base that imitated what passed in the log for a few steps.
fn fine_tuned(mut network: TabularNetwork, log: &[Group]) -> TabularNetwork {
    learn(Rft::default(), TrainerConfig { steps: 16, ..config() }, &mut network, log);
    network.into_base()
}

/// B-Coder without imitation: what is learned is learned from rewards, by the Bellman operator.
fn bare() -> BCoder {
    BCoder { alpha: 0.1, advantage_coefficient: 0.0, imitation_coefficient: 0.0, ..BCoder::default() }
}

fn bare_config() -> TrainerConfig {
    TrainerConfig { steps: 300, ..config() }
}

/// Mean reward of the best of some samples at temperature 1, by what B-Coder ranks with.
fn ranked_score(method: &BCoder, network: &mut TabularNetwork) -> f64 {
    let environments = RestOfAlphabet::new(LETTERS);
    let sampling = config().sampling;
    let mut rewards = Vec::new();
    for (task, repeat) in (0..LETTERS).flat_map(|task| (0..20).map(move |repeat| (task, repeat))) {
        let prompt = vec![task as u32 + 1];
        let request = GenerateRequest {
            prompt: prompt.clone(),
            samples: CANDIDATES,
            sampling: sampling.clone(),
            stop: Vec::new(),
            stop_tokens: Vec::new(),
            seed: [7, task as u64, repeat],
        };
        let mut completions = Vec::new();
        let keep = &mut |completion: hone_model::Completion| {
            completions.push(completion.tokens);
            ControlFlow::Continue(())
        };
        network.generate(&[request], 1, &decode, keep).unwrap();
        let options = ForwardOptions { temperature: 1.0, adapter: Adapter::On, keep_activations: false };
        let group = PromptGroup { prompt, completions: completions.clone() };
        let said = network.forward(&[group], options).unwrap();
        let values = said.values.unwrap();
        let wide = |row: &[f32]| row.iter().map(|value| f64::from(*value)).collect::<Vec<f64>>();
        let worth = |index: usize| {
            let (logprobs, likeliest) = (&said.logprobs[0][index], &said.likeliest[0][index]);
            method.implied_reward(&wide(logprobs), &wide(likeliest), &wide(&values[0][index]))
        };
        let best = (0..CANDIDATES).max_by(|a, b| worth(*a).total_cmp(&worth(*b))).unwrap();
        let step = environments.open(task).step(&decode(&completions[best])).unwrap();
        rewards.push(step.reward);
    }
    rewards.iter().sum::<f64>() / rewards.len() as f64
}

/// In its vetted setting, from chance by way of the fine-tuned base to nine tenths of the optimum, sampled at 0.2 as the
/// other offline methods are. At temperature 1 it stays soft: with α = 1 two tokens of the log are about a nat apart at most,
/// as rewards are at most 1 apart. There the ranking that the paper answers with makes up for it.
#[test]
fn it_learns_from_a_log() {
    let log = log();
    let chance = score(&mut TabularNetwork::remembering(LETTERS + 1), 0.2);
    let mut network = fine_tuned(TabularNetwork::remembering(LETTERS + 1), &log);
    let base = (score(&mut network, 0.2), score(&mut network, 1.0));
    learn(BCoder::default(), config(), &mut network, &log);
    let after = (score(&mut network, 0.2), score(&mut network, 1.0));
    let ranked = ranked_score(&BCoder::default(), &mut network);
    eprintln!(
        "at 0.2: {chance:.2}, {:.2} → {:.2}; at 1: {:.2} → {:.2}, ranked {ranked:.2}",
        base.0, after.0, base.1, after.1
    );
    assert!(chance < 0.2 && after.0 >= 0.9 && after.0 >= base.0, "{chance} {base:?} {after:?}");
    assert!(after.1 < 0.9 && ranked > after.1 + 0.2, "{base:?} {after:?} {ranked}");
}

/// With a scale that fits rewards from 0 to 1 (α 0.1: two tokens up to ten nats apart), all its parts in their vetted weights, and
/// sampled at temperature 1.
#[test]
fn it_learns_a_distribution_too() {
    let log = log();
    let chance = score(&mut TabularNetwork::remembering(LETTERS + 1), 1.0);
    let mut network = fine_tuned(TabularNetwork::remembering(LETTERS + 1), &log);
    let base = score(&mut network, 1.0);
    learn(BCoder { alpha: 0.1, ..BCoder::default() }, bare_config(), &mut network, &log);
    let after = score(&mut network, 1.0);
    eprintln!("at 1: {chance:.2}, {base:.2} → {after:.2}");
    assert!(chance < 0.2 && base < 0.6 && after >= 0.9, "{chance} {base} {after}");
}

/// From rewards alone, without imitation: it lifts the base to nine tenths, at temperature 1 too. Blind to what came
/// before the last token, or with α = 1, it does not: what the file's header says it needs, it needs.
#[test]
fn it_learns_without_imitation_what_it_can_tell_apart() {
    let log = log();
    let learned = |network: TabularNetwork, method: BCoder| {
        let mut network = fine_tuned(network, &log);
        let before = score(&mut network, 1.0);
        learn(method, bare_config(), &mut network, &log);
        (before, score(&mut network, 1.0), score(&mut network, 0.2))
    };
    let remembering = || TabularNetwork::remembering(LETTERS + 1);
    let (before, after, cool) = learned(remembering(), bare());
    let blind = learned(TabularNetwork::adapter(LETTERS + 1), bare());
    let soft = learned(remembering(), BCoder { alpha: 1.0, ..bare() });
    eprintln!("{before:.2} → {after:.2}, at 0.2 {cool:.2}; blind {blind:.2?}, with α 1 {soft:.2?}");
    assert!(before < 0.5 && after >= 0.9 && cool >= 0.9, "{before} {after} {cool}");
    assert!(blind.1 < before && soft.1 < before, "{blind:?} {soft:?}");
}
