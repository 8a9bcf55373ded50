//! Continuous batching: many sequences in flight, a finished one's place is refilled, a prompt is computed once for all
//! its completions.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

use super::attention;
use super::cache::Cache;
use super::decoder::Decoder;
use super::elementwise;
use super::head::{BlockStats, RowStats};
use super::layer::{Activations, Context};
use super::layout::{Layout, check_tokens};
use super::random::Stream;
use super::sampling::{Row, draw};
use crate::{Completion, FinishReason, GenerateRequest, ModelError, PromptGroup};

/// Prompt tokens computed in one pass.
const PREFILL_TOKENS: usize = 1_024;

/// A prompt whose keys, values and next-token logits are known.
struct Prefilled {
    request: usize,
    next_sample: usize,
    cache: Cache,
    logits: Vec<f32>,
    blocks: Vec<BlockStats>,
    stats: RowStats,
}

/// One sequence in flight.
struct Slot {
    request: usize,
    sample: usize,
    stream: Stream,
    tokens: Vec<u32>,
    logprobs: Vec<f32>,
    cache: Cache,
}

/// How one generation runs.
pub(super) struct Generation<'a> {
    requests: &'a [GenerateRequest],
    decode: &'a dyn Fn(&[u32]) -> String,
    waiting: VecDeque<usize>,
    prefilled: VecDeque<Prefilled>,
    slots: Vec<Slot>,
    capacity: usize,
}

impl<'a> Generation<'a> {
    pub(super) fn new(
        decoder: &Decoder,
        requests: &'a [GenerateRequest],
        decode: &'a dyn Fn(&[u32]) -> String,
    ) -> Result<Generation<'a>, ModelError> {
        let context = decoder.config.max_position_embeddings;
        let mut capacity = 0;
        for (index, request) in requests.iter().enumerate() {
            check_request(decoder, index, request)?;
            capacity = capacity.max(context.min(request.prompt.len() + request.sampling.max_new_tokens));
        }
        let waiting = (0..requests.len()).filter(|&i| requests[i].samples > 0).collect();
        Ok(Generation { requests, decode, waiting, prefilled: VecDeque::new(), slots: Vec::new(), capacity })
    }

    pub(super) fn run(
        mut self,
        decoder: &mut Decoder,
        slots: usize,
        on_completion: &mut dyn FnMut(Completion) -> ControlFlow<()>,
    ) -> Result<(), ModelError> {
        loop {
            if self.refill(decoder, slots.max(1), on_completion)?.is_break() {
                return Ok(());
            }
            if self.slots.is_empty() {
                return Ok(());
            }
            let tokens = self.step(decoder);
            for (index, (token, logprob)) in tokens.into_iter().enumerate().rev() {
                if self.push(decoder, index, token, logprob, on_completion)?.is_break() {
                    return Ok(());
                }
            }
        }
    }

    /// Starts sequences until all places are taken.
    fn refill(
        &mut self,
        decoder: &mut Decoder,
        places: usize,
        on_completion: &mut dyn FnMut(Completion) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, ModelError> {
        while self.slots.len() < places {
            if self.prefilled.is_empty() && !self.prefill(decoder, places - self.slots.len())? {
                break;
            }
            let Some(prompt) = self.prefilled.front_mut() else { break };
            let request = &self.requests[prompt.request];
            let sample = prompt.next_sample;
            prompt.next_sample += 1;
            let [run, step, task] = request.seed;
            let stream = Stream::new(&[run, step, task, sample as u64]);
            let layers = decoder.layers.len();
            let mut cache = decoder.new_cache(self.capacity);
            cache.copy_from(&prompt.cache, layers, request.prompt.len());
            let row = Row { logits: &prompt.logits, blocks: &prompt.blocks, stats: prompt.stats };
            let token = draw(&row, &request.sampling, stream, 0);
            let logprob = prompt.stats.logprob(prompt.logits[token as usize]);
            let slot = Slot {
                request: prompt.request,
                sample,
                stream,
                tokens: Vec::new(),
                logprobs: Vec::new(),
                cache,
            };
            if prompt.next_sample == request.samples {
                decoder.pass.spare_caches.extend(self.prefilled.pop_front().map(|prompt| prompt.cache));
            }
            self.slots.push(slot);
            let index = self.slots.len() - 1;
            if self.push(decoder, index, token, logprob, on_completion)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Computes the next prompts, enough for `places` sequences; false if none is waiting.
    fn prefill(&mut self, decoder: &mut Decoder, places: usize) -> Result<bool, ModelError> {
        let mut batch = Vec::new();
        let (mut tokens, mut samples) = (0, 0);
        while let Some(&request) = self.waiting.front() {
            let prompt = &self.requests[request].prompt;
            if !batch.is_empty() && (samples >= places || tokens + prompt.len() > PREFILL_TOKENS) {
                break;
            }
            tokens += prompt.len();
            samples += self.requests[request].samples;
            batch.push(request);
            self.waiting.pop_front();
        }
        if batch.is_empty() {
            return Ok(false);
        }
        let groups: Vec<PromptGroup> = batch
            .iter()
            .map(|&i| PromptGroup { prompt: self.requests[i].prompt.clone(), completions: Vec::new() })
            .collect();
        let layout = Layout::new(&decoder.config, &groups)?;
        let caches = decoder.fill_caches(&layout, self.capacity);
        let last_rows: Vec<usize> = layout.segments.iter().map(|s| s.first_row + s.rows - 1).collect();
        let inverse: Vec<f32> = batch.iter().map(|&i| inverse_temperature(&self.requests[i])).collect();
        let stats = decoder.head_of_rows(&last_rows, &inverse);
        let (v, head) = (decoder.config.vocab_size, &decoder.pass.head);
        let per_row = head.blocks.len() / stats.len();
        for (i, ((request, cache), stats)) in batch.into_iter().zip(caches).zip(stats).enumerate() {
            self.prefilled.push_back(Prefilled {
                request,
                next_sample: 0,
                cache,
                logits: head.logits[i * v..(i + 1) * v].to_vec(),
                blocks: head.blocks[i * per_row..(i + 1) * per_row].to_vec(),
                stats,
            });
        }
        Ok(true)
    }

    /// One token for every sequence in flight.
    fn step(&mut self, decoder: &mut Decoder) -> Vec<(u32, f32)> {
        let requests = self.requests;
        let tokens: Vec<u32> = self.slots.iter().filter_map(|s| s.tokens.last().copied()).collect();
        let positions: Vec<u32> = self
            .slots
            .iter()
            .map(|s| (requests[s.request].prompt.len() + s.tokens.len() - 1) as u32)
            .collect();
        // Each lock is taken by one task, that of its row.
        let caches: Vec<Mutex<&mut Cache>> =
            self.slots.iter_mut().map(|s| Mutex::new(&mut s.cache)).collect();
        decoder.decode_layers(&tokens, &positions, &caches);
        drop(caches);
        let rows: Vec<usize> = (0..tokens.len()).collect();
        let inverse: Vec<f32> =
            self.slots.iter().map(|s| inverse_temperature(&requests[s.request])).collect();
        let stats = decoder.head_of_rows(&rows, &inverse);
        let (v, head) = (decoder.config.vocab_size, &decoder.pass.head);
        let per_row = head.blocks.len() / stats.len();
        let slots = &self.slots;
        let drawn: Vec<Mutex<(u32, f32)>> = stats.iter().map(|_| Mutex::new((0, 0.0))).collect();
        decoder.compute.pool.run(stats.len(), &|i| {
            let row = Row {
                logits: &head.logits[i * v..(i + 1) * v],
                blocks: &head.blocks[i * per_row..(i + 1) * per_row],
                stats: stats[i],
            };
            let slot = &slots[i];
            let token = draw(&row, &requests[slot.request].sampling, slot.stream, slot.tokens.len() as u64);
            let logprob = stats[i].logprob(row.logits[token as usize]);
            *drawn[i].lock().unwrap_or_else(PoisonError::into_inner) = (token, logprob);
        });
        drawn.into_iter().map(|m| m.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
    }

    /// Appends a token to a sequence and hands the sequence over if that ends it.
    fn push(
        &mut self,
        decoder: &mut Decoder,
        index: usize,
        token: u32,
        logprob: f32,
        on_completion: &mut dyn FnMut(Completion) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, ModelError> {
        if !logprob.is_finite() {
            return Err(ModelError::Invalid(format!(
                "sampling met a log-prob of {logprob}: the weights hold non-finite or far too large values"
            )));
        }
        let slot = &mut self.slots[index];
        slot.tokens.push(token);
        slot.logprobs.push(logprob);
        let request = &self.requests[slot.request];
        let Some(finish) = finish_reason(decoder, request, &slot.tokens, self.decode) else {
            return Ok(ControlFlow::Continue(()));
        };
        let slot = self.slots.swap_remove(index);
        decoder.pass.spare_caches.push(slot.cache);
        let shown = if finish == FinishReason::StopToken { slot.tokens.len() - 1 } else { slot.tokens.len() };
        let text = cut_at_stop((self.decode)(&slot.tokens[..shown]), &request.stop);
        Ok(on_completion(Completion {
            request: slot.request,
            sample: slot.sample,
            tokens: slot.tokens,
            logprobs: slot.logprobs,
            text,
            finish,
        }))
    }
}

fn check_request(decoder: &Decoder, index: usize, request: &GenerateRequest) -> Result<(), ModelError> {
    let config = &decoder.config;
    let invalid = |message: String| Err(ModelError::Invalid(format!("request {index}: {message}")));
    let sampling = &request.sampling;
    if request.prompt.is_empty() {
        return invalid("expected a prompt of at least one token, got none".into());
    }
    if request.prompt.len() >= config.max_position_embeddings {
        let (found, limit) = (request.prompt.len(), config.max_position_embeddings);
        return invalid(format!(
            "a prompt of {found} tokens leaves no room in the model's context of {limit}"
        ));
    }
    if !(sampling.temperature >= 0.0 && sampling.temperature.is_finite()) {
        return invalid(format!("temperature must be 0 (greedy) or more, got {}", sampling.temperature));
    }
    if !(sampling.top_p > 0.0 && sampling.top_p <= 1.0) {
        return invalid(format!("top_p must be above 0 and at most 1, got {}", sampling.top_p));
    }
    if sampling.max_new_tokens == 0 {
        return invalid("max_new_tokens must be at least 1, got 0".into());
    }
    check_tokens(config, &request.prompt)
}

fn inverse_temperature(request: &GenerateRequest) -> f32 {
    if request.sampling.temperature == 0.0 { 1.0 } else { 1.0 / request.sampling.temperature }
}

fn finish_reason(
    decoder: &Decoder,
    request: &GenerateRequest,
    tokens: &[u32],
    decode: &dyn Fn(&[u32]) -> String,
) -> Option<FinishReason> {
    let last = tokens.last()?;
    if decoder.config.eos_token_ids.contains(last) || request.stop_tokens.contains(last) {
        return Some(FinishReason::StopToken);
    }
    if let Some(longest) = request.stop.iter().map(String::len).max() {
        // A token is at least one byte, so a stop text that ends in the last token lies within this many.
        let tail = decode(&tokens[tokens.len().saturating_sub(longest)..]);
        if request.stop.iter().any(|s| !s.is_empty() && tail.contains(s.as_str())) {
            return Some(FinishReason::StopText);
        }
    }
    let limit = decoder.config.max_position_embeddings;
    let is_full =
        tokens.len() >= request.sampling.max_new_tokens || request.prompt.len() + tokens.len() >= limit;
    is_full.then_some(FinishReason::Length)
}

fn cut_at_stop(mut text: String, stop: &[String]) -> String {
    let first = stop.iter().filter(|s| !s.is_empty()).filter_map(|s| text.find(s.as_str())).min();
    if let Some(at) = first {
        text.truncate(at);
    }
    text
}

impl Decoder {
    /// A cache for `capacity` positions, one that was used before if it fits: they are large, and fresh memory is slow.
    fn new_cache(&mut self, capacity: usize) -> Cache {
        let spare = &mut self.pass.spare_caches;
        let fitting = spare.iter().position(|c| (capacity..=2 * capacity + 64).contains(&c.capacity()));
        match fitting {
            Some(index) => spare.swap_remove(index),
            None => {
                spare.clear();
                Cache::new(self.heads(), self.layers.len(), capacity)
            }
        }
    }

    /// Runs the layers over prompts; returns each one's cache and leaves the residual stream in the pass.
    fn fill_caches(&mut self, layout: &Layout, capacity: usize) -> Vec<Cache> {
        let width = self.heads().qkv_width();
        let caches: Vec<Mutex<Cache>> =
            layout.segments.iter().map(|_| Mutex::new(self.new_cache(capacity))).collect();
        self.run_layers_with(layout, &mut |compute, layer, acts| {
            compute.pool.run(caches.len(), &|i| {
                let mut cache = caches[i].lock().unwrap_or_else(PoisonError::into_inner);
                let segment = layout.segments[i];
                let rows = acts.qkv()[segment.first_row * width..].chunks_exact(width);
                rows.take(segment.rows).enumerate().for_each(|(i, row)| cache.store(layer, i, row));
            });
        });
        caches.into_iter().map(|cache| cache.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
    }

    /// One row for each cache through all layers, leaving the residual stream in the pass.
    fn decode_layers(&mut self, tokens: &[u32], positions: &[u32], caches: &[Mutex<&mut Cache>]) {
        let (rows, d, heads) = (tokens.len(), self.config.hidden_size, self.heads());
        let (wide, narrow) = (heads.qkv_width(), heads.out_width());
        let pass = &mut self.pass;
        if pass.layers.is_empty() {
            pass.layers.push(Activations::default());
        }
        let acts = &mut pass.layers[0];
        pass.workspace.grow(rows, &self.layers[0], heads, false);
        pass.stream.grow(rows * d);
        self.embedding.look_up(tokens, &mut pass.stream[..rows * d]);
        let cx = Context {
            compute: &self.compute,
            heads,
            rotary: &self.rotary,
            epsilon: self.config.rms_norm_eps as f32,
            with_adapter: true,
        };
        for (index, layer) in self.layers.iter().enumerate() {
            acts.grow(rows, layer, heads);
            acts.x[..rows * d].copy_from_slice(&pass.stream[..rows * d]);
            layer.attend_input(&cx, positions, acts, &mut pass.workspace);
            let (qkv, attended) = acts.attention_buffers();
            attention::for_each_row(
                &self.compute,
                narrow,
                rows,
                &mut attended[..rows * narrow],
                &|row, out| {
                    let position = positions[row] as usize;
                    let query = &qkv[row * wide..(row + 1) * wide];
                    let mut cache = caches[row].lock().unwrap_or_else(PoisonError::into_inner);
                    cache.store(index, position, query);
                    let cache = &**cache;
                    attention::decode(
                        self.compute.isa,
                        heads,
                        query,
                        &|head| cache.get(index, head),
                        position + 1,
                        out,
                    );
                },
            );
            layer.after_attention(&cx, rows, acts, &mut pass.workspace, &mut pass.stream);
        }
    }

    /// Final norm and head of some rows of the residual stream; logits stay in the pass.
    fn head_of_rows(&mut self, rows: &[usize], inverse_temperatures: &[f32]) -> Vec<RowStats> {
        let d = self.config.hidden_size;
        let pass = &mut self.pass;
        pass.hidden.grow(rows.len() * d);
        pass.dhidden.grow(rows.len() * d);
        pass.rstd.grow(rows.len());
        let gathered = &mut pass.dhidden[..rows.len() * d];
        for (&row, out) in rows.iter().zip(gathered.chunks_exact_mut(d)) {
            out.copy_from_slice(&pass.stream[row * d..(row + 1) * d]);
        }
        let hidden = &mut pass.hidden[..rows.len() * d];
        let epsilon = self.config.rms_norm_eps as f32;
        let rstd = &mut pass.rstd[..rows.len()];
        elementwise::norm(&self.compute, gathered, &self.final_norm.weight, epsilon, hidden, rstd);
        let vocabulary = self.head.as_ref().unwrap_or(&self.embedding);
        vocabulary.logits(&self.compute, hidden, inverse_temperatures, &mut pass.head)
    }
}
