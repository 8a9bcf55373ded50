//! Beam search (Graves, arXiv 1211.3711; Sutskever et al., arXiv 1409.3215): the likeliest completions, not drawn ones.
//!
//! ```text
//! s(Y) = Σ_t ln p(y_t | x, y_<t) / |Y|^α          p at temperature 1, α = `length_penalty`
//! ```
//!
//! At each step every open hypothesis is extended by every token, and the best (by Σ ln p, ties by hypothesis, then token)
//! keep the free places; a hypothesis that ends keeps its place for good, so the beam narrows until none is open. A beam of
//! one is greedy decoding, and one as wide as there are completions enumerates them all. What is handed over is ordered
//! by s(Y), best first.
//!
//! The layers, caches and sums are those of sampling (`generate`), so a token's log-prob is the trainer's, bit for bit.

use std::ops::ControlFlow;

use super::cache::Cache;
use super::decode::Sequence;
use super::decoder::Decoder;
use super::generate::{check_request, cut_at_stop, finish_reason};
use super::head::RowStats;
use super::layout::Layout;
use crate::{Completion, FinishReason, GenerateRequest, ModelError, PromptGroup};

/// A hypothesis.
#[derive(Debug, Clone, Default)]
struct Hypothesis {
    tokens: Vec<u32>,
    logprobs: Vec<f32>,
    /// Σ ln p.
    sum: f64,
}

impl Hypothesis {
    fn extended(&self, token: u32, logprob: f32) -> Hypothesis {
        let mut longer = self.clone();
        longer.tokens.push(token);
        longer.logprobs.push(logprob);
        longer.sum += f64::from(logprob);
        longer
    }

    fn score(&self, length_penalty: f32) -> f64 {
        self.sum / (self.tokens.len() as f64).powf(f64::from(length_penalty))
    }
}

/// One way to go on: the hypothesis it extends, the token, its log-prob, and Σ ln p with it.
type Extension = (usize, u32, f32, f64);

/// Searches one request after another; each one's `samples` best completions are handed over.
pub(super) fn search(
    decoder: &mut Decoder,
    requests: &[GenerateRequest],
    decode: &dyn Fn(&[u32]) -> String,
    on_completion: &mut dyn FnMut(Completion) -> ControlFlow<()>,
) -> Result<(), ModelError> {
    for (index, request) in requests.iter().enumerate() {
        check_request(decoder, index, request)?;
    }
    for (index, request) in requests.iter().enumerate() {
        let mut ended = search_one(decoder, request, decode)?;
        let alpha = request.sampling.length_penalty;
        // A stable sort: of equal scores the one that ended first.
        ended.sort_by(|(a, _), (b, _)| b.score(alpha).total_cmp(&a.score(alpha)));
        for (sample, (found, finish)) in ended.into_iter().take(request.samples).enumerate() {
            let shown = found.tokens.len() - usize::from(finish == FinishReason::StopToken);
            let text = cut_at_stop(decode(&found.tokens[..shown]), &request.stop);
            let Hypothesis { tokens, logprobs, .. } = found;
            let completion = Completion { request: index, sample, tokens, logprobs, text, finish };
            if on_completion(completion).is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// All hypotheses that ended.
fn search_one(
    decoder: &mut Decoder,
    request: &GenerateRequest,
    decode: &dyn Fn(&[u32]) -> String,
) -> Result<Vec<(Hypothesis, FinishReason)>, ModelError> {
    let width = request.sampling.beams;
    let group = PromptGroup { prompt: request.prompt.clone(), completions: Vec::new() };
    let layout = Layout::new(&decoder.config, &[group])?;
    let prompt = decoder.fill_caches(&layout).swap_remove(0);
    let last = layout.segments[0].first_row + layout.segments[0].rows - 1;
    let mut open = vec![Hypothesis::default()];
    let mut caches: Vec<Cache> = Vec::new();
    let mut ended = Vec::new();
    let mut rows = vec![last];
    loop {
        let stats = decoder.head_of_rows(&rows, &vec![1.0; rows.len()]);
        let best = extensions(decoder, &open, &stats, width - ended.len())?;
        let mut next: Vec<(usize, Hypothesis)> = Vec::new();
        for (parent, token, logprob, _) in best {
            let longer = open[parent].extended(token, logprob);
            match finish_reason(decoder, request, &longer.tokens, decode) {
                Some(finish) => ended.push((longer, finish)),
                None => next.push((parent, longer)),
            }
        }
        caches = inherited(decoder, request, caches, &next);
        open = next.into_iter().map(|(_, hypothesis)| hypothesis).collect();
        if open.is_empty() {
            decoder.pass.spare_caches.push(prompt);
            return Ok(ended);
        }
        let sequences: Vec<Sequence<'_>> = open
            .iter()
            .zip(&mut caches)
            .map(|(hypothesis, own)| Sequence {
                token: hypothesis.tokens[hypothesis.tokens.len() - 1],
                prompt: &prompt,
                prompt_len: request.prompt.len(),
                own: own.shared(),
                own_len: hypothesis.tokens.len() - 1,
            })
            .collect();
        decoder.decode_layers(&sequences);
        drop(sequences);
        rows = (0..open.len()).collect();
    }
}

/// The `places` best extensions of all hypotheses, best first; the logits are those that the head has just computed.
fn extensions(
    decoder: &Decoder,
    open: &[Hypothesis],
    stats: &[RowStats],
    places: usize,
) -> Result<Vec<Extension>, ModelError> {
    let vocabulary = decoder.config.vocab_size;
    let mut all: Vec<Extension> = Vec::new();
    for (index, (hypothesis, stats)) in open.iter().zip(stats).enumerate() {
        let logits = &decoder.pass.head.logits[index * vocabulary..(index + 1) * vocabulary];
        let mut order: Vec<u32> = (0..vocabulary as u32).collect();
        let by_logit =
            |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then_with(|| a.cmp(b));
        if places < order.len() {
            order.select_nth_unstable_by(places - 1, by_logit);
            order.truncate(places);
        }
        for token in order {
            let logprob = stats.logprob(logits[token as usize]);
            if !logprob.is_finite() {
                return Err(ModelError::Invalid(format!(
                    "beam search met a log-prob of {logprob}: the weights hold non-finite or far too large values"
                )));
            }
            all.push((index, token, logprob, hypothesis.sum + f64::from(logprob)));
        }
    }
    all.sort_by(|a, b| b.3.total_cmp(&a.3).then_with(|| (a.0, a.1).cmp(&(b.0, b.1))));
    all.truncate(places);
    Ok(all)
}

/// A cache for each hypothesis, with what its parent's held; a parent's own goes to its last child without a copy.
fn inherited(
    decoder: &Decoder,
    request: &GenerateRequest,
    parents: Vec<Cache>,
    next: &[(usize, Hypothesis)],
) -> Vec<Cache> {
    let has_child = |index: usize| next.iter().any(|(parent, _)| *parent == index);
    let mut spare = Vec::new();
    let mut parents: Vec<Option<Cache>> = parents.into_iter().map(Some).collect();
    let childless = parents.iter_mut().enumerate().filter(|(index, _)| !has_child(*index));
    spare.extend(childless.filter_map(|(_, cache)| cache.take()));
    let mut caches = Vec::with_capacity(next.len());
    for (place, (parent, _)) in next.iter().enumerate() {
        let is_last = next[place + 1..].iter().all(|(other, _)| other != parent);
        let moved = parents.get_mut(*parent).filter(|_| is_last).and_then(Option::take);
        caches.push(moved.unwrap_or_else(|| {
            // All of one capacity, so that one can be copied into the other.
            let (layers, capacity) = (decoder.layers.len(), request.sampling.max_new_tokens);
            let mut cache = spare.pop().unwrap_or_else(|| Cache::new(decoder.heads(), layers, capacity));
            if let Some(Some(parent)) = parents.get(*parent) {
                cache.copy_from(parent);
            }
            cache
        }));
    }
    caches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::random_weights;
    use crate::{Adapter, ForwardOptions, ModelConfig, Network, SamplingParams, Trainable};

    const LONGEST: usize = 3;

    /// A network over five tokens, of which 0 ends.
    fn network() -> Decoder {
        let config = ModelConfig {
            hidden_size: 32,
            intermediate_size: 48,
            num_hidden_layers: 2,
            num_attention_heads: 2,
            num_key_value_heads: 1,
            head_dim: 16,
            vocab_size: 5,
            max_position_embeddings: 64,
            rope_theta: 10_000.0,
            rms_norm_eps: 1e-5,
            tie_word_embeddings: false,
            bos_token_id: None,
            eos_token_ids: vec![0],
        };
        let mut weights = random_weights(&config, 9);
        for tensor in weights.values_mut().filter(|tensor| tensor.shape.len() == 2) {
            tensor.values.iter_mut().for_each(|x| *x *= 12.0);
        }
        Decoder::new(config, weights, Trainable::Frozen, 2, 1).unwrap()
    }

    fn request(prompt: &[u32], beams: usize, samples: usize, length_penalty: f32) -> GenerateRequest {
        GenerateRequest {
            prompt: prompt.to_vec(),
            samples,
            sampling: SamplingParams {
                beams,
                length_penalty,
                max_new_tokens: LONGEST,
                temperature: 0.0,
                ..SamplingParams::default()
            },
            stop: Vec::new(),
            stop_tokens: Vec::new(),
            seed: [0; 3],
        }
    }

    fn run(decoder: &mut Decoder, request: GenerateRequest) -> Vec<Completion> {
        let mut all = Vec::new();
        let mut keep = |completion| {
            all.push(completion);
            ControlFlow::Continue(())
        };
        decoder.generate(&[request], 4, &|tokens| format!("{tokens:?}"), &mut keep).unwrap();
        all
    }

    /// Every completion there is: it ends with token 0, or is as long as it may be.
    fn every_completion() -> Vec<Vec<u32>> {
        let mut open = vec![Vec::new()];
        let mut ended = Vec::new();
        while let Some(begun) = open.pop() {
            for token in 0..5 {
                let longer: Vec<u32> = [begun.as_slice(), &[token]].concat();
                if token == 0 || longer.len() == LONGEST { &mut ended } else { &mut open }.push(longer);
            }
        }
        ended
    }

    #[test]
    fn a_beam_as_wide_as_all_completions_enumerates_them() {
        let mut decoder = network();
        for (prompt, alpha) in [(vec![1, 2, 3], 1.0_f32), (vec![4], 0.0), (vec![2, 2], 0.6)] {
            let completions = every_completion();
            let group = PromptGroup { prompt: prompt.clone(), completions: completions.clone() };
            let options = ForwardOptions { temperature: 1.0, adapter: Adapter::On, keep_activations: false };
            let logprobs = decoder.forward(&[group], options).unwrap().logprobs.swap_remove(0);
            let score = |tokens: &[f32]| {
                let sum: f64 = tokens.iter().map(|logprob| f64::from(*logprob)).sum();
                sum / (tokens.len() as f64).powf(f64::from(alpha))
            };
            let mut expected: Vec<(Vec<u32>, Vec<f32>)> = completions.into_iter().zip(logprobs).collect();
            expected.sort_by(|a, b| score(&b.1).total_cmp(&score(&a.1)));
            let found = run(&mut decoder, request(&prompt, 125, expected.len(), alpha));
            assert_eq!(found.len(), expected.len());
            for (rank, (found, (tokens, logprobs))) in found.iter().zip(&expected).enumerate() {
                assert_eq!(
                    (found.sample, &found.tokens, &found.logprobs),
                    (rank, tokens, logprobs),
                    "α {alpha}"
                );
            }
        }
    }

    #[test]
    fn a_beam_of_one_is_greedy_and_a_wider_one_is_never_less_likely_here() {
        let mut decoder = network();
        for prompt in [vec![1], vec![3, 1, 4], vec![2, 2, 2, 2]] {
            let narrow = run(&mut decoder, request(&prompt, 1, 1, 0.0));
            let greedy = run(&mut decoder, request(&prompt, 0, 1, 0.0));
            assert_eq!(narrow, greedy);
            let wide = run(&mut decoder, request(&prompt, 125, 1, 0.0));
            let sum = |all: &[Completion]| all[0].logprobs.iter().map(|one| f64::from(*one)).sum::<f64>();
            assert!(sum(&wide) >= sum(&narrow));
        }
    }

    #[test]
    fn a_narrow_beam_is_the_definition_of_it() {
        let mut decoder = network();
        let (prompt, width) = (vec![1, 4, 2], 3);
        let options = ForwardOptions { temperature: 1.0, adapter: Adapter::On, keep_activations: false };
        let (mut open, mut ended) = (vec![Vec::<u32>::new()], Vec::new());
        while !open.is_empty() {
            let longer: Vec<Vec<u32>> = open
                .iter()
                .flat_map(|begun| (0..5).map(|token| [begun.as_slice(), &[token]].concat()))
                .collect();
            let group = PromptGroup { prompt: prompt.clone(), completions: longer.clone() };
            let logprobs = decoder.forward(&[group], options).unwrap().logprobs.swap_remove(0);
            let sum = |tokens: &[f32]| tokens.iter().map(|one| f64::from(*one)).sum::<f64>();
            let mut all: Vec<(Vec<u32>, f64)> =
                longer.into_iter().zip(logprobs.iter().map(|tokens| sum(tokens))).collect();
            all.sort_by(|a, b| b.1.total_cmp(&a.1));
            all.truncate(width - ended.len());
            open.clear();
            for (tokens, sum) in all {
                let is_over = tokens.ends_with(&[0]) || tokens.len() == LONGEST;
                if is_over { ended.push((tokens, sum)) } else { open.push(tokens) }
            }
        }
        ended.sort_by(|a, b| (b.1 / b.0.len() as f64).total_cmp(&(a.1 / a.0.len() as f64)));
        let expected: Vec<Vec<u32>> = ended.into_iter().map(|(tokens, _)| tokens).collect();
        let found: Vec<Vec<u32>> = run(&mut decoder, request(&prompt, width, width, 1.0))
            .into_iter()
            .map(|one| one.tokens)
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_makes_no_beam_is_refused() {
        let mut decoder = network();
        let mut refuse = |requests: &[GenerateRequest], expected: &str| {
            let error = decoder
                .generate(requests, 1, &|_| String::new(), &mut |_| ControlFlow::Continue(()))
                .unwrap_err()
                .to_string();
            assert!(error.contains(expected), "{error}");
        };
        refuse(&[request(&[1], 2, 3, 1.0)], "at most `beams` samples");
        refuse(&[request(&[1], 2, 1, f32::NAN)], "finite length_penalty");
        refuse(&[request(&[1], 2, 1, 1.0), request(&[1], 0, 1, 1.0)], "not of both");
    }
}
