//! A network that is a table: the logits of a token depend on the token before it alone or, where it remembers, on everything
//! before it. Not a language model; it lets the loop be tested without the engine, and can be made to misbehave.

use std::ops::ControlFlow;

use hone_model::{
    Adapter, Completion, FinishReason, ForwardOptions, GenerateRequest, ModelConfig, ModelError, Network,
    Parameter, PromptGroup, TokenGradients, TokenValues, ValueHead,
};

/// Rows of a network that remembers; contexts are told apart by a hash.
const CONTEXTS: usize = 1 << 14;

/// Letters `a`, `b`, …; token 0 ends a completion. S rows, one a state: the token before, or a context.
pub(crate) struct TabularNetwork {
    config: ModelConfig,
    vocabulary: usize,
    /// Whether a state is everything before a token.
    remembers: bool,
    /// What the adapter is added to, `[S, V]`.
    pub(crate) base: Vec<f32>,
    /// `[S, V]`
    pub(crate) logits: Vec<f32>,
    gradients: Vec<f32>,
    /// Value of a state, and its gradient; empty without a value head.
    pub(crate) values: Vec<f32>,
    value_gradients: Vec<f32>,
    outputs: usize,
    kept: Option<(Vec<PromptGroup>, f32)>,
    /// Added to what `forward` says of a token: a defect.
    pub(crate) forward_error: f32,
    /// Whether every answer is empty.
    pub(crate) is_mute: bool,
    name: &'static str,
}

impl TabularNetwork {
    pub(crate) fn new(vocabulary: usize) -> TabularNetwork {
        let config = ModelConfig {
            hidden_size: 1,
            intermediate_size: 1,
            num_hidden_layers: 1,
            num_attention_heads: 1,
            num_key_value_heads: 1,
            head_dim: 1,
            vocab_size: vocabulary,
            max_position_embeddings: 1024,
            rope_theta: 1e4,
            rms_norm_eps: 1e-5,
            tie_word_embeddings: true,
            bos_token_id: None,
            eos_token_ids: vec![0],
        };
        TabularNetwork {
            config,
            vocabulary,
            remembers: false,
            base: vec![0.0; vocabulary * vocabulary],
            logits: vec![0.0; vocabulary * vocabulary],
            gradients: vec![0.0; vocabulary * vocabulary],
            values: Vec::new(),
            value_gradients: Vec::new(),
            outputs: 0,
            kept: None,
            forward_error: 0.0,
            is_mute: false,
            name: "table",
        }
    }

    /// The same, counted as an adapter over a uniform base.
    pub(crate) fn adapter(vocabulary: usize) -> TabularNetwork {
        TabularNetwork { name: "lora_table", ..TabularNetwork::new(vocabulary) }
    }

    /// An adapter over a uniform base whose states are everything before a token: what a language model can tell apart.
    pub(crate) fn remembering(vocabulary: usize) -> TabularNetwork {
        let table = vec![0.0; CONTEXTS * vocabulary];
        TabularNetwork {
            remembers: true,
            base: table.clone(),
            logits: table.clone(),
            gradients: table,
            ..TabularNetwork::adapter(vocabulary)
        }
    }

    /// A new adapter over what this network has learned.
    pub(crate) fn into_base(self) -> TabularNetwork {
        let base = self.base.iter().zip(&self.logits).map(|(base, logit)| base + logit).collect();
        let new = match self.remembers {
            true => TabularNetwork::remembering(self.vocabulary),
            false => TabularNetwork::adapter(self.vocabulary),
        };
        TabularNetwork { base, ..new }
    }

    fn states(&self) -> usize {
        self.logits.len() / self.vocabulary
    }

    /// The state after a context: its last token, or a hash of it all (FNV-1a).
    fn state(&self, context: &[u32]) -> usize {
        match self.remembers {
            false => *context.last().unwrap() as usize,
            true => {
                let mix = |hash: u64, token: &u32| (hash ^ u64::from(*token)).wrapping_mul(0x100_0000_01b3);
                let hash = context.iter().fold(0xcbf2_9ce4_8422_2325, mix);
                (hash ^ (hash >> 32)) as usize % CONTEXTS
            }
        }
    }

    /// The state before each token of a completion, `[T]`.
    fn states_before(&self, prompt: &[u32], completion: &[u32]) -> Vec<usize> {
        let context = [prompt, completion].concat();
        (0..completion.len()).map(|t| self.state(&context[..prompt.len() + t])).collect()
    }

    /// Log-probs of every token in a state.
    fn distribution(&self, state: usize, temperature: f32, adapter: Adapter) -> Vec<f32> {
        let row = state * self.vocabulary..(state + 1) * self.vocabulary;
        let own = if adapter == Adapter::On { 1.0 } else { 0.0 };
        let pairs = self.base[row.clone()].iter().zip(&self.logits[row]);
        let row: Vec<f32> = pairs.map(|(base, logit)| (base + own * logit) / temperature).collect();
        let total: f32 = row.iter().map(|logit| logit.exp()).sum();
        row.iter().map(|logit| logit - total.ln()).collect()
    }
}

/// The first of the largest.
fn largest(distribution: &[f32]) -> usize {
    let all = 0..distribution.len();
    all.fold(0, |best, index| if distribution[index] > distribution[best] { index } else { best })
}

fn entropy(distribution: &[f32]) -> f32 {
    -distribution.iter().map(|logprob| logprob.exp() * logprob).sum::<f32>()
}

impl Network for TabularNetwork {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn forward(&mut self, batch: &[PromptGroup], options: ForwardOptions) -> Result<TokenValues, ModelError> {
        let mut values = TokenValues::default();
        for group in batch {
            let (mut logprobs, mut entropies, mut states) = (Vec::new(), Vec::new(), Vec::new());
            let mut likeliest = Vec::new();
            for completion in &group.completions {
                let (mut row, mut entropy_row, mut value_row) = (Vec::new(), Vec::new(), Vec::new());
                let mut likeliest_row = Vec::new();
                let states_before = self.states_before(&group.prompt, completion);
                for (&token, state) in completion.iter().zip(states_before) {
                    let distribution = self.distribution(state, options.temperature, options.adapter);
                    row.push(distribution[token as usize] + self.forward_error);
                    entropy_row.push(entropy(&distribution));
                    likeliest_row.push(distribution[largest(&distribution)]);
                    value_row
                        .extend_from_slice(&self.values[state * self.outputs..(state + 1) * self.outputs]);
                }
                logprobs.push(row);
                entropies.push(entropy_row);
                likeliest.push(likeliest_row);
                states.push(value_row);
            }
            if self.outputs > 0 {
                values.values.get_or_insert_default().push(states);
            }
            values.logprobs.push(logprobs);
            values.entropies.push(entropies);
            values.likeliest.push(likeliest);
        }
        self.kept = options.keep_activations.then(|| (batch.to_vec(), options.temperature));
        Ok(values)
    }

    fn forward_about(
        &mut self,
        batch: &[PromptGroup],
        tokens: &[Vec<Vec<u32>>],
        options: ForwardOptions,
    ) -> Result<TokenValues, ModelError> {
        let mut values = self.forward(batch, ForwardOptions { keep_activations: false, ..options })?;
        for (g, group) in batch.iter().enumerate() {
            for (c, completion) in group.completions.iter().enumerate() {
                for (t, state) in self.states_before(&group.prompt, completion).into_iter().enumerate() {
                    let distribution = self.distribution(state, options.temperature, options.adapter);
                    values.logprobs[g][c][t] = distribution[tokens[g][c][t] as usize];
                }
            }
        }
        Ok(values)
    }

    fn likeliest_tokens(
        &mut self,
        batch: &[PromptGroup],
        options: ForwardOptions,
    ) -> Result<Vec<Vec<Vec<u32>>>, ModelError> {
        let likeliest =
            |state: usize| largest(&self.distribution(state, options.temperature, options.adapter)) as u32;
        let row = |group: &PromptGroup, completion: &Vec<u32>| {
            self.states_before(&group.prompt, completion).into_iter().map(likeliest).collect()
        };
        Ok(batch.iter().map(|group| group.completions.iter().map(|one| row(group, one)).collect()).collect())
    }

    fn backward(&mut self, gradients: &TokenGradients) -> Result<(), ModelError> {
        let (batch, temperature) = self.kept.take().expect("forward kept its activations");
        for (g, group) in batch.iter().enumerate() {
            for (c, completion) in group.completions.iter().enumerate() {
                let states_before = self.states_before(&group.prompt, completion);
                for (t, (&token, state)) in completion.iter().zip(states_before).enumerate() {
                    let distribution = self.distribution(state, temperature, Adapter::On);
                    let by_logprob = gradients.logprobs[g][c][t];
                    let by_entropy = gradients.entropies.as_ref().map_or(0.0, |rows| rows[g][c][t]);
                    for k in 0..self.outputs {
                        let by_value =
                            gradients.values.as_ref().map_or(0.0, |rows| rows[g][c][t * self.outputs + k]);
                        self.value_gradients[state * self.outputs + k] += by_value;
                    }
                    let entropy = entropy(&distribution);
                    let by_likeliest = gradients.likeliest.as_ref().map_or(0.0, |rows| rows[g][c][t]);
                    let best = largest(&distribution);
                    for (other, logprob) in distribution.iter().enumerate() {
                        let is_token = f32::from(u8::from(other == token as usize));
                        let p = logprob.exp();
                        self.gradients[state * self.vocabulary + other] += (by_logprob * (is_token - p)
                            - by_entropy * p * (logprob + entropy)
                            + by_likeliest * (f32::from(u8::from(other == best)) - p))
                            / temperature;
                    }
                }
            }
        }
        Ok(())
    }

    fn add_value_head(&mut self, head: ValueHead) -> Result<(), ModelError> {
        self.outputs = head.outputs;
        self.values = vec![0.0; self.states() * head.outputs];
        self.value_gradients = self.values.clone();
        Ok(())
    }

    fn generate(
        &mut self,
        requests: &[GenerateRequest],
        slots: usize,
        decode: &dyn Fn(&[u32]) -> String,
        on_completion: &mut dyn FnMut(Completion) -> ControlFlow<()>,
    ) -> Result<(), ModelError> {
        // Last to first where there are many slots: the order of finishing must not matter to the loop.
        let mut jobs: Vec<(usize, usize)> = (0..requests.len())
            .flat_map(|request| (0..requests[request].samples).map(move |sample| (request, sample)))
            .collect();
        if slots > 1 {
            jobs.reverse();
        }
        for (index, sample) in jobs {
            let request = &requests[index];
            let mut state = request.seed.iter().chain([&(sample as u64)]).fold(17u64, |state, part| {
                (state ^ part).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29)
            });
            let mut completion = Completion {
                request: index,
                sample,
                tokens: Vec::new(),
                logprobs: Vec::new(),
                text: String::new(),
                finish: FinishReason::Length,
            };
            let mut context = request.prompt.clone();
            while !self.is_mute && completion.tokens.len() < request.sampling.max_new_tokens {
                state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
                let mut rest = (state >> 40) as f32 / (1u64 << 24) as f32;
                let temperature = request.sampling.temperature;
                let is_greedy = temperature == 0.0;
                let temperature = if is_greedy { 1.0 } else { temperature };
                let distribution = self.distribution(self.state(&context), temperature, Adapter::On);
                let best = distribution.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let chosen = distribution.iter().position(|&logprob| {
                    rest -= logprob.exp();
                    if is_greedy { logprob == best } else { rest < 0.0 }
                });
                let token = chosen.unwrap_or(self.vocabulary - 1);
                completion.tokens.push(token as u32);
                completion.logprobs.push(distribution[token]);
                context.push(token as u32);
                if token == 0 {
                    completion.finish = FinishReason::StopToken;
                    break;
                }
            }
            completion.text = decode(&completion.tokens);
            if on_completion(completion).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn parameters(&mut self) -> Vec<Parameter<'_>> {
        let states = self.states();
        let mut all = vec![Parameter {
            name: self.name,
            shape: [states, self.vocabulary],
            values: &mut self.logits,
            gradients: &mut self.gradients,
            is_decayed: false,
        }];
        if self.outputs > 0 {
            all.push(Parameter {
                name: "value_head.weight",
                shape: [states, self.outputs],
                values: &mut self.values,
                gradients: &mut self.value_gradients,
                is_decayed: false,
            });
        }
        all
    }

    fn parameters_changed(&mut self) {}

    fn zero_gradients(&mut self) {
        self.gradients.fill(0.0);
        self.value_gradients.fill(0.0);
    }

    fn activation_bytes_per_token(&self) -> usize {
        4 * self.vocabulary
    }
}
