//! Continuous batching: many sequences in flight, a finished one's place is refilled, a prompt is computed once for all
//! its completions.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use super::cache::Cache;
use super::decode::Sequence;
use super::decoder::Decoder;
use super::elementwise;
use super::head::{BlockStats, RowStats};
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
    /// Read by all its completions.
    cache: Arc<Cache>,
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
    prompt: Arc<Cache>,
    own: Cache,
}

impl Slot {
    fn sequence(&mut self, requests: &[GenerateRequest]) -> Sequence<'_> {
        let own_len = self.tokens.len() - 1;
        Sequence {
            token: self.tokens[own_len],
            prompt: &self.prompt,
            prompt_len: requests[self.request].prompt.len(),
            own: self.own.shared(),
            own_len,
        }
    }
}

/// How one generation runs.
pub(super) struct Generation<'a> {
    requests: &'a [GenerateRequest],
    decode: &'a dyn Fn(&[u32]) -> String,
    waiting: VecDeque<usize>,
    prefilled: VecDeque<Prefilled>,
    slots: Vec<Slot>,
    /// Positions of the longest sequence that there can be.
    longest: usize,
    on_growth: Option<OnGrowth<'a>>,
}

/// Sees the tokens of a sequence after each one that does not end it.
pub(super) type OnGrowth<'a> = &'a mut dyn FnMut(&[u32]);

impl<'a> Generation<'a> {
    pub(super) fn new(
        decoder: &Decoder,
        requests: &'a [GenerateRequest],
        decode: &'a dyn Fn(&[u32]) -> String,
    ) -> Result<Generation<'a>, ModelError> {
        let context = decoder.config.max_position_embeddings;
        let mut longest = 0;
        for (index, request) in requests.iter().enumerate() {
            check_request(decoder, index, request)?;
            longest = longest.max(context.min(request.prompt.len() + request.sampling.max_new_tokens));
        }
        let waiting = (0..requests.len()).filter(|&i| requests[i].samples > 0).collect();
        let (prefilled, slots) = (VecDeque::new(), Vec::new());
        Ok(Generation { requests, decode, waiting, prefilled, slots, longest, on_growth: None })
    }

    /// Lets `on_growth` see every sequence grow.
    pub(super) fn watched(self, on_growth: OnGrowth<'a>) -> Generation<'a> {
        Generation { on_growth: Some(on_growth), ..self }
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
            let own = decoder.new_cache(request.sampling.max_new_tokens.min(self.longest));
            let row = Row { logits: &prompt.logits, blocks: &prompt.blocks, stats: prompt.stats };
            let token = draw(&row, &request.sampling, stream, 0);
            let logprob = prompt.stats.logprob(prompt.logits[token as usize]);
            let slot = Slot {
                request: prompt.request,
                sample,
                stream,
                tokens: Vec::new(),
                logprobs: Vec::new(),
                prompt: Arc::clone(&prompt.cache),
                own,
            };
            if prompt.next_sample == request.samples {
                self.prefilled.pop_front();
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
        let caches = decoder.fill_caches(&layout);
        let last_rows: Vec<usize> = layout.segments.iter().map(|s| s.first_row + s.rows - 1).collect();
        let inverse: Vec<f32> = batch.iter().map(|&i| inverse_temperature(&self.requests[i])).collect();
        let stats = decoder.head_of_rows(&last_rows, &inverse);
        let (v, head) = (decoder.config.vocab_size, &decoder.pass.head);
        let per_row = head.blocks.len() / stats.len();
        for (i, ((request, cache), stats)) in batch.into_iter().zip(caches).zip(stats).enumerate() {
            self.prefilled.push_back(Prefilled {
                request,
                next_sample: 0,
                cache: Arc::new(cache),
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
        let sequences: Vec<Sequence<'_>> =
            self.slots.iter_mut().map(|slot| slot.sequence(requests)).collect();
        decoder.decode_layers(&sequences);
        drop(sequences);
        let rows: Vec<usize> = (0..self.slots.len()).collect();
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
            if let Some(on_growth) = &mut self.on_growth {
                on_growth(&slot.tokens);
            }
            return Ok(ControlFlow::Continue(()));
        };
        let slot = self.slots.swap_remove(index);
        decoder.pass.spare_caches.extend(Arc::into_inner(slot.prompt));
        decoder.pass.spare_caches.push(slot.own);
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

pub(super) fn check_request(
    decoder: &Decoder,
    index: usize,
    request: &GenerateRequest,
) -> Result<(), ModelError> {
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
    if !(0.0..=1.0).contains(&sampling.min_p) {
        return invalid(format!("min_p must be 0 to 1, got {}", sampling.min_p));
    }
    if !sampling.length_penalty.is_finite() || (sampling.beams > 0 && request.samples > sampling.beams) {
        return invalid(format!(
            "a beam search needs a finite length_penalty and at most `beams` samples, got {}, {} of {}",
            sampling.length_penalty, request.samples, sampling.beams
        ));
    }
    if sampling.max_new_tokens == 0 {
        return invalid("max_new_tokens must be at least 1, got 0".into());
    }
    check_tokens(config, &request.prompt)
}

fn inverse_temperature(request: &GenerateRequest) -> f32 {
    if request.sampling.temperature == 0.0 { 1.0 } else { 1.0 / request.sampling.temperature }
}

pub(super) fn finish_reason(
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

pub(super) fn cut_at_stop(mut text: String, stop: &[String]) -> String {
    let first = stop.iter().filter(|s| !s.is_empty()).filter_map(|s| text.find(s.as_str())).min();
    if let Some(at) = first {
        text.truncate(at);
    }
    text
}

impl Decoder {
    /// A cache for `capacity` positions, one that was used before if it fits: they are large, and fresh memory is slow.
    pub(super) fn new_cache(&mut self, capacity: usize) -> Cache {
        let spare = &mut self.pass.spare_caches;
        let fits = |c: &Cache| (capacity..=2 * capacity + 64).contains(&c.capacity());
        if let Some(index) = spare.iter().position(fits) {
            return spare.swap_remove(index);
        }
        // One goes for one that comes, so that spare caches never outgrow the most that were in use.
        spare.pop();
        Cache::new(self.heads(), self.layers.len(), capacity)
    }

    /// Runs the layers over prompts; returns each one's cache and leaves the residual stream in the pass.
    pub(super) fn fill_caches(&mut self, layout: &Layout) -> Vec<Cache> {
        let width = self.heads().qkv_width();
        let caches: Vec<Mutex<Cache>> =
            layout.segments.iter().map(|segment| Mutex::new(self.new_cache(segment.rows))).collect();
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

    /// Final norm and head of some rows of the residual stream; logits stay in the pass.
    pub(super) fn head_of_rows(&mut self, rows: &[usize], inverse_temperatures: &[f32]) -> Vec<RowStats> {
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
