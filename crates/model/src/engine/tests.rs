//! The engine as a whole: gradients against finite differences, and one set of bits whatever the batch, the packing,
//! the threads or the instruction set.

use std::ops::ControlFlow;

use super::*;
use crate::{Adapter, FinishReason, LoraConfig, SamplingParams, Trainable};

fn config(is_tied: bool) -> ModelConfig {
    ModelConfig {
        hidden_size: 48,
        intermediate_size: 80,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 12,
        vocab_size: 2_100, // more than one block of the head
        max_position_embeddings: 128,
        rope_theta: 10_000.0,
        rms_norm_eps: 1e-5,
        tie_word_embeddings: is_tied,
        bos_token_id: None,
        eos_token_ids: vec![0],
    }
}

fn lora() -> Trainable {
    Trainable::Lora(LoraConfig { rank: 4, alpha: 8.0, ..LoraConfig::default() })
}

/// A network whose weights are large enough to matter and whose adapters are not at their zero start.
fn network(is_tied: bool, trainable: Trainable, threads: usize) -> Decoder {
    let config = config(is_tied);
    let mut weights = random_weights(&config, 3);
    for tensor in weights.values_mut().filter(|t| t.shape.len() == 2) {
        tensor.values.iter_mut().for_each(|x| *x *= 8.0);
    }
    let mut decoder = Decoder::new(config, weights, trainable, threads, 5).unwrap();
    let stream = Stream::new(&[11]);
    for parameter in decoder.parameters() {
        if parameter.name.ends_with("lora_B.weight") {
            for (i, x) in parameter.values.iter_mut().enumerate() {
                *x = (stream.uniform(i as u64) - 0.5) as f32 * 0.2;
            }
        }
    }
    decoder.parameters_changed();
    decoder
}

fn tokens(seed: u64, len: usize) -> Vec<u32> {
    (0..len as u64).map(|i| (Stream::new(&[seed]).bits(i) % 2_099 + 1) as u32).collect()
}

fn batch() -> Vec<PromptGroup> {
    vec![
        PromptGroup { prompt: tokens(1, 37), completions: vec![tokens(2, 9), tokens(3, 1), tokens(4, 40)] },
        PromptGroup { prompt: tokens(5, 1), completions: vec![tokens(6, 14)] },
    ]
}

fn options(keep_activations: bool) -> ForwardOptions {
    ForwardOptions { temperature: 0.9, adapter: Adapter::On, keep_activations }
}

/// Σ wl·logprob + we·entropy with fixed pseudo-random weights, and its derivatives.
fn loss(values: &TokenValues) -> (f64, TokenGradients) {
    let stream = Stream::new(&[21]);
    let mut index = 0;
    let mut total = 0.0;
    let mut gradients = TokenGradients {
        logprobs: values.logprobs.clone(),
        entropies: Some(values.entropies.clone()),
        likeliest: None,
        values: values.values.clone(),
    };
    for (i, value) in gradients.values.iter_mut().flatten().flatten().flatten().enumerate() {
        let weight = (Stream::new(&[22]).uniform(i as u64) - 0.5) as f32;
        total += f64::from(weight) * f64::from(*value);
        *value = weight;
    }
    let entropies = gradients.entropies.as_mut().unwrap();
    for (g, group) in values.logprobs.iter().enumerate() {
        for (c, completion) in group.iter().enumerate() {
            for (t, &logprob) in completion.iter().enumerate() {
                let (wl, we) = (stream.uniform(index) - 0.5, stream.uniform(index + 1) - 0.5);
                index += 2;
                total += wl * f64::from(logprob) + we * f64::from(values.entropies[g][c][t]);
                gradients.logprobs[g][c][t] = wl as f32;
                entropies[g][c][t] = we as f32;
            }
        }
    }
    (total, gradients)
}

/// Along random directions and for single elements of every parameter, the derivative is the difference quotient.
fn check_gradients(is_tied: bool, trainable: Trainable, is_checkpointing: bool) {
    let mut decoder = network(is_tied, trainable, 2);
    decoder.set_checkpointing(is_checkpointing);
    check_gradients_of(decoder);
}

fn check_gradients_of(decoder: Decoder) {
    check_gradients_by(decoder, loss);
}

fn check_gradients_by(mut decoder: Decoder, loss: fn(&TokenValues) -> (f64, TokenGradients)) {
    let batch = batch();
    decoder.zero_gradients();
    let values = decoder.forward(&batch, options(true)).unwrap();
    decoder.backward(&loss(&values).1).unwrap();
    let analytic: Vec<(String, Vec<f32>, Vec<f32>)> = decoder
        .parameters()
        .into_iter()
        .map(|p| (p.name.to_string(), p.values.to_vec(), p.gradients.to_vec()))
        .collect();
    assert!(!analytic.is_empty());
    for (index, (name, start, gradient)) in analytic.iter().enumerate() {
        let norm = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        assert!(norm > 0.0, "{name} has no gradient");
        // Along the gradient itself the derivative is its norm; the step keeps the change in the linear range.
        let step = 2e-3 / norm.max(1.0);
        let mut at = |sign: f64| {
            let mut parameters = decoder.parameters();
            for ((x, &x0), &g) in parameters[index].values.iter_mut().zip(start).zip(gradient) {
                *x = (f64::from(x0) + sign * step * f64::from(g) / norm) as f32;
            }
            drop(parameters);
            decoder.parameters_changed();
            loss(&decoder.forward(&batch, options(false)).unwrap()).0
        };
        let numeric = (at(1.0) - at(-1.0)) / (2.0 * step);
        at(0.0);
        assert!((numeric / norm - 1.0).abs() < 0.03, "{name}: {numeric} by differences, {norm} by backward");
    }
}

/// The same with the likeliest tokens' log-probs in the loss.
fn loss_with_likeliest(values: &TokenValues) -> (f64, TokenGradients) {
    let (mut total, mut gradients) = loss(values);
    let mut likeliest = values.likeliest.clone();
    for (i, value) in likeliest.iter_mut().flatten().flatten().enumerate() {
        let weight = (Stream::new(&[23]).uniform(i as u64) - 0.5) as f32;
        total += f64::from(weight) * f64::from(*value);
        *value = weight;
    }
    gradients.likeliest = Some(likeliest);
    (total, gradients)
}

#[test]
fn likeliest_gradients_match_finite_differences() {
    for trainable in [lora(), Trainable::Full] {
        check_gradients_by(network(true, trainable, 2), loss_with_likeliest);
    }
}

/// Asked about the tokens it calls likeliest, it says what it says of the likeliest; asked about the completions' own, what it
/// says of them; and nothing is likelier.
#[test]
fn other_tokens_can_be_asked_about() {
    let (mut decoder, batch) = (network(true, lora(), 2), batch());
    let own = decoder.forward(&batch, options(false)).unwrap();
    let best = decoder.likeliest_tokens(&batch, options(false)).unwrap();
    let said = decoder.forward_about(&batch, &best, options(false)).unwrap();
    assert_eq!(said.logprobs, own.likeliest);
    assert_eq!((&said.entropies, &said.likeliest), (&own.entropies, &own.likeliest));
    let tokens: Vec<_> = batch.iter().map(|group| group.completions.clone()).collect();
    assert_eq!(decoder.forward_about(&batch, &tokens, options(false)).unwrap(), own);
    let pairs = own.logprobs.iter().flatten().flatten().zip(own.likeliest.iter().flatten().flatten());
    assert!(pairs.clone().all(|(logprob, best)| logprob <= best) && pairs.clone().any(|(a, b)| a < b));
    let short = decoder.forward_about(&batch, &tokens[..1], options(false)).unwrap_err().to_string();
    assert!(short.contains("shape of the completions"), "{short}");
}

/// A network with a value head that is not at its zero start.
fn network_with_values(trainable: Trainable, threads: usize, head: ValueHead) -> Decoder {
    let mut decoder = network(true, trainable, threads);
    decoder.add_value_head(head).unwrap();
    let stream = Stream::new(&[12]);
    for parameter in decoder.parameters() {
        if parameter.name.starts_with(ValueHead::PREFIX) {
            for (i, x) in parameter.values.iter_mut().enumerate() {
                *x = (stream.uniform(i as u64) - 0.5) as f32;
            }
        }
    }
    decoder
}

const TWO_VALUES: ValueHead = ValueHead { outputs: 2, is_detached: false };

#[test]
fn a_value_head_trains_the_network_below_it() {
    for trainable in [lora(), Trainable::Full] {
        check_gradients_of(network_with_values(trainable, 2, TWO_VALUES));
    }
}

#[test]
fn a_value_head_changes_no_logprob_and_values_depend_on_nothing_else() {
    let mut decoder = network_with_values(lora(), 2, TWO_VALUES);
    let batch = batch();
    let together = decoder.forward(&batch, options(false)).unwrap();
    let plain = network(true, lora(), 2).forward(&batch, options(false)).unwrap();
    assert_eq!((&together.logprobs, &together.entropies), (&plain.logprobs, &plain.entropies));
    assert_eq!(plain.values, None);
    let expected = together.values.unwrap();
    // All completions of a group begin at the same state.
    assert_eq!(expected[0][0][..2], expected[0][1][..2]);
    assert_eq!(expected[0][2].len(), 2 * batch[0].completions[2].len());
    for (threads, isa) in [(1, Isa::detect()), (2, Isa::Portable)] {
        let mut other = network_with_values(lora(), threads, TWO_VALUES);
        other.compute.isa = isa;
        for (g, group) in batch.iter().enumerate() {
            let values = other.forward(std::slice::from_ref(group), options(false)).unwrap().values.unwrap();
            assert_eq!(values[0], expected[g]);
        }
    }
    let fresh = |decoder: &mut Decoder| decoder.forward(&batch, options(false)).unwrap().values.unwrap();
    decoder.add_value_head(TWO_VALUES).unwrap();
    assert!(fresh(&mut decoder).concat().concat().iter().all(|value| *value == 0.0));
    assert!(decoder.trained_tensors().keys().all(|name| !name.starts_with(ValueHead::PREFIX)));
}

/// Detached, the values' gradients reach the head alone; a loss without other parts leaves the rest at zero.
#[test]
fn a_detached_value_head_leaves_the_network_alone() {
    for is_detached in [true, false] {
        let mut decoder = network_with_values(lora(), 2, ValueHead { outputs: 1, is_detached });
        let values = decoder.forward(&batch(), options(true)).unwrap();
        let mut gradients = loss(&values).1;
        gradients.logprobs.iter_mut().flatten().flatten().for_each(|gradient| *gradient = 0.0);
        gradients.entropies = None;
        decoder.backward(&gradients).unwrap();
        for parameter in decoder.parameters() {
            let is_touched = parameter.gradients.iter().any(|gradient| *gradient != 0.0);
            let is_head = parameter.name.starts_with(ValueHead::PREFIX);
            assert_eq!(is_touched, is_head || !is_detached, "{}", parameter.name);
        }
    }
    let mut frozen = network(true, Trainable::Frozen, 1);
    assert!(frozen.add_value_head(TWO_VALUES).is_err());
}

#[test]
fn lora_gradients_match_finite_differences() {
    check_gradients(true, lora(), false);
}

#[test]
fn full_gradients_match_finite_differences() {
    check_gradients(true, Trainable::Full, false);
    check_gradients(false, Trainable::Full, false);
}

#[test]
fn checkpointing_gives_the_same_gradients_bit_for_bit() {
    check_gradients(false, lora(), true);
    let run = |is_checkpointing| {
        let mut decoder = network(true, lora(), 2);
        decoder.set_checkpointing(is_checkpointing);
        let values = decoder.forward(&batch(), options(true)).unwrap();
        decoder.backward(&loss(&values).1).unwrap();
        decoder.parameters().into_iter().map(|p| p.gradients.to_vec()).collect::<Vec<_>>()
    };
    assert_eq!(run(false), run(true));
}

#[test]
fn one_set_of_bits_on_every_machine_and_thread_count() {
    let run = |threads, isa| {
        let mut decoder = network(true, lora(), threads);
        decoder.compute.isa = isa;
        let values = decoder.forward(&batch(), options(true)).unwrap();
        decoder.backward(&loss(&values).1).unwrap();
        let gradients: Vec<_> = decoder.parameters().into_iter().map(|p| p.gradients.to_vec()).collect();
        (values, gradients)
    };
    let expected = run(1, Isa::detect());
    assert_eq!(run(2, Isa::detect()), expected);
    assert_eq!(run(3, Isa::detect()), expected);
    assert_eq!(run(2, Isa::Portable), expected);
    if Isa::detect() == Isa::Avx512 {
        assert_eq!(run(2, Isa::Avx2), expected);
    }
}

#[test]
fn packing_and_shared_prompts_change_no_bit() {
    let mut decoder = network(true, lora(), 2);
    let batch = batch();
    let together = decoder.forward(&batch, options(false)).unwrap();
    for (g, group) in batch.iter().enumerate() {
        for (c, completion) in group.completions.iter().enumerate() {
            let alone = PromptGroup { prompt: group.prompt.clone(), completions: vec![completion.clone()] };
            let values = decoder.forward(&[alone], options(false)).unwrap();
            assert_eq!(values.logprobs[0][0], together.logprobs[g][c]);
            assert_eq!(values.entropies[0][0], together.entropies[g][c]);
            // Where the prompt ends is only a matter of which tokens are scored.
            let mut all = group.prompt.clone();
            all.extend(completion);
            let plain = PromptGroup { prompt: vec![all[0]], completions: vec![all[1..].to_vec()] };
            let values = decoder.forward(&[plain], options(false)).unwrap();
            assert_eq!(values.logprobs[0][0][group.prompt.len() - 1..], together.logprobs[g][c]);
        }
    }
}

fn requests() -> Vec<GenerateRequest> {
    let request = |seed: u64, len, samples, sampling| GenerateRequest {
        prompt: tokens(seed, len),
        samples,
        sampling,
        stop: Vec::new(),
        stop_tokens: Vec::new(),
        seed: [1, 2, seed],
    };
    let plain = SamplingParams { max_new_tokens: 45, temperature: 0.9, ..SamplingParams::default() };
    vec![
        request(31, 33, 5, plain.clone()),
        request(32, 4, 3, SamplingParams { top_k: 50, top_p: 0.9, ..plain.clone() }),
        request(33, 90, 2, SamplingParams { temperature: 0.9, max_new_tokens: 100, ..plain }),
    ]
}

fn generate(decoder: &mut Decoder, slots: usize) -> Vec<Completion> {
    let mut all = Vec::new();
    let mut keep = |completion| {
        all.push(completion);
        ControlFlow::Continue(())
    };
    decoder.generate(&requests(), slots, &|tokens| format!("{tokens:?}"), &mut keep).unwrap();
    all.sort_by_key(|c| (c.request, c.sample));
    all
}

#[test]
fn sampled_logprobs_are_the_trainers_bit_for_bit() {
    let mut decoder = network(true, lora(), 2);
    let all = generate(&mut decoder, 4);
    assert_eq!(all.len(), 10);
    for (index, request) in requests().into_iter().enumerate() {
        let own: Vec<_> = all.iter().filter(|c| c.request == index).collect();
        let completions = own.iter().map(|c| c.tokens.clone()).collect();
        let group = PromptGroup { prompt: request.prompt, completions };
        let values = decoder.forward(&[group], options(false)).unwrap();
        for (completion, logprobs) in own.iter().zip(&values.logprobs[0]) {
            assert_eq!(completion.logprobs, *logprobs);
        }
    }
    assert!(all.iter().all(|c| c.finish == FinishReason::Length || c.tokens.last() == Some(&0)));
    assert_eq!(all[9].tokens.len(), 38, "the context of 128 ends the last request");
}

#[test]
fn samples_do_not_depend_on_slots_or_threads() {
    let expected = generate(&mut network(true, lora(), 1), 1);
    for (threads, slots) in [(1, 3), (2, 4), (2, 32)] {
        assert_eq!(generate(&mut network(true, lora(), threads), slots), expected);
    }
    let frozen = generate(&mut network(false, Trainable::Frozen, 2), 7);
    assert_eq!(frozen, generate(&mut network(false, Trainable::Frozen, 1), 2));
}

#[test]
fn a_streamed_completion_is_the_batched_one_token_after_token() {
    let mut decoder = network(true, lora(), 2);
    let expected = generate(&mut decoder, 4);
    for (index, request) in requests().iter().enumerate() {
        let first = expected.iter().find(|c| c.request == index && c.sample == 0).unwrap();
        let mut seen: Vec<Vec<u32>> = Vec::new();
        let decode = |tokens: &[u32]| format!("{tokens:?}");
        let made = decoder.generate_streaming(request, &decode, &mut |t| seen.push(t.to_vec())).unwrap();
        assert_eq!((&made.tokens, &made.logprobs), (&first.tokens, &first.logprobs));
        let prefixes: Vec<Vec<u32>> = (1..made.tokens.len()).map(|n| made.tokens[..n].to_vec()).collect();
        assert_eq!(seen, prefixes);
    }
}

#[test]
fn stop_texts_and_tokens_end_a_completion() {
    let mut decoder = network(true, Trainable::Frozen, 2);
    let mut request = requests().remove(0);
    request.samples = 1;
    let run = |decoder: &mut Decoder, request: &GenerateRequest| {
        let mut got = None;
        let decode = |tokens: &[u32]| tokens.iter().map(|t| format!("<{t}>")).collect::<String>();
        let mut keep = |completion| {
            got = Some(completion);
            ControlFlow::Continue(())
        };
        decoder.generate(std::slice::from_ref(request), 1, &decode, &mut keep).unwrap();
        got.unwrap()
    };
    let free = run(&mut decoder, &request);
    request.stop = vec![format!("<{}>", free.tokens[6])];
    let cut = run(&mut decoder, &request);
    assert_eq!((cut.finish, cut.tokens.len()), (FinishReason::StopText, 7));
    assert!(!cut.text.contains(&request.stop[0]) && cut.text.contains(&format!("<{}>", free.tokens[5])));
    request.stop.clear();
    request.stop_tokens = vec![free.tokens[3]];
    let cut = run(&mut decoder, &request);
    assert_eq!((cut.finish, cut.tokens.len()), (FinishReason::StopToken, 4));
    assert!(!cut.text.contains(&format!("<{}>", free.tokens[3])));
}

#[test]
fn bad_input_is_refused_with_words() {
    let mut decoder = network(true, lora(), 1);
    let mut refuse = |group: PromptGroup, part: &str| {
        let error = decoder.forward(&[group], options(true)).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    refuse(PromptGroup { prompt: vec![], completions: vec![vec![1]] }, "at least one token");
    refuse(PromptGroup { prompt: vec![1], completions: vec![vec![]] }, "completion 0 has no tokens");
    refuse(PromptGroup { prompt: vec![2_100], completions: vec![vec![1]] }, "outside the vocabulary of 2100");
    refuse(PromptGroup { prompt: tokens(1, 100), completions: vec![tokens(2, 29)] }, "context of 128");
    assert!(decoder.backward(&TokenGradients::default()).is_err());
    let mut weights = random_weights(&config(true), 1);
    weights.get_mut("model.norm.weight").unwrap().values[3] = f32::NAN;
    let error = Decoder::new(config(true), weights, Trainable::Frozen, 1, 0).err().unwrap().to_string();
    assert!(error.contains("model.norm.weight holds NaN at element 3"), "{error}");
}
