//! A network that is a table: the logits of a token depend on the token before it alone. Not a language model; it lets
//! the loop be tested without the engine, and can be made to misbehave.

use std::ops::ControlFlow;

use hone_environment::{Environment, EnvironmentError, EnvironmentSet, Message, Observation, Role, Step};
use hone_model::{
    Adapter, Completion, FinishReason, ForwardOptions, GenerateRequest, ModelConfig, ModelError, Network,
    Parameter, PromptGroup, TokenGradients, TokenValues, ValueHead,
};

/// Letters `a`, `b`, …; token 0 ends a completion.
pub(crate) struct TabularNetwork {
    config: ModelConfig,
    vocabulary: usize,
    pub(crate) logits: Vec<f32>,
    gradients: Vec<f32>,
    /// Value of a state, which is the token before, and its gradient; empty without a value head.
    pub(crate) values: Vec<f32>,
    value_gradients: Vec<f32>,
    outputs: usize,
    kept: Option<(Vec<PromptGroup>, f32)>,
    /// Added to what `forward` says of a token: a defect.
    pub(crate) forward_error: f32,
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
            logits: vec![0.0; vocabulary * vocabulary],
            gradients: vec![0.0; vocabulary * vocabulary],
            values: Vec::new(),
            value_gradients: Vec::new(),
            outputs: 0,
            kept: None,
            forward_error: 0.0,
            name: "table",
        }
    }

    /// The same, counted as an adapter over a uniform base.
    pub(crate) fn adapter(vocabulary: usize) -> TabularNetwork {
        TabularNetwork { name: "lora_table", ..TabularNetwork::new(vocabulary) }
    }

    /// Log-probs of every token after `previous`.
    fn distribution(&self, previous: u32, temperature: f32, adapter: Adapter) -> Vec<f32> {
        let begin = previous as usize * self.vocabulary;
        let row = &self.logits[begin..begin + self.vocabulary];
        let scale = if adapter == Adapter::On { 1.0 / temperature } else { 0.0 };
        let total: f32 = row.iter().map(|logit| (logit * scale).exp()).sum();
        row.iter().map(|logit| logit * scale - total.ln()).collect()
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
                let mut previous = *group.prompt.last().unwrap();
                let (mut row, mut entropy_row, mut value_row) = (Vec::new(), Vec::new(), Vec::new());
                let mut likeliest_row = Vec::new();
                for &token in completion {
                    let distribution = self.distribution(previous, options.temperature, options.adapter);
                    row.push(distribution[token as usize] + self.forward_error);
                    entropy_row.push(entropy(&distribution));
                    likeliest_row.push(distribution[largest(&distribution)]);
                    let state = previous as usize * self.outputs..(previous as usize + 1) * self.outputs;
                    value_row.extend_from_slice(&self.values[state]);
                    previous = token;
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
                let mut previous = *group.prompt.last().unwrap();
                for (t, &token) in completion.iter().enumerate() {
                    let distribution = self.distribution(previous, options.temperature, options.adapter);
                    values.logprobs[g][c][t] = distribution[tokens[g][c][t] as usize];
                    previous = token;
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
        let after = |previous: &u32| {
            largest(&self.distribution(*previous, options.temperature, options.adapter)) as u32
        };
        let row = |group: &PromptGroup, completion: &Vec<u32>| {
            let states = group.prompt.last().into_iter().chain(completion);
            states.take(completion.len()).map(after).collect()
        };
        Ok(batch.iter().map(|group| group.completions.iter().map(|one| row(group, one)).collect()).collect())
    }

    fn backward(&mut self, gradients: &TokenGradients) -> Result<(), ModelError> {
        let (batch, temperature) = self.kept.take().expect("forward kept its activations");
        for (g, group) in batch.iter().enumerate() {
            for (c, completion) in group.completions.iter().enumerate() {
                let mut previous = *group.prompt.last().unwrap();
                for (t, &token) in completion.iter().enumerate() {
                    let distribution = self.distribution(previous, temperature, Adapter::On);
                    let by_logprob = gradients.logprobs[g][c][t];
                    let by_entropy = gradients.entropies.as_ref().map_or(0.0, |rows| rows[g][c][t]);
                    for k in 0..self.outputs {
                        let by_value =
                            gradients.values.as_ref().map_or(0.0, |rows| rows[g][c][t * self.outputs + k]);
                        self.value_gradients[previous as usize * self.outputs + k] += by_value;
                    }
                    let entropy = entropy(&distribution);
                    let by_likeliest = gradients.likeliest.as_ref().map_or(0.0, |rows| rows[g][c][t]);
                    let best = largest(&distribution);
                    for (other, logprob) in distribution.iter().enumerate() {
                        let is_token = f32::from(u8::from(other == token as usize));
                        let p = logprob.exp();
                        self.gradients[previous as usize * self.vocabulary + other] +=
                            (by_logprob * (is_token - p) - by_entropy * p * (logprob + entropy)
                                + by_likeliest * (f32::from(u8::from(other == best)) - p))
                                / temperature;
                    }
                    previous = token;
                }
            }
        }
        Ok(())
    }

    fn add_value_head(&mut self, head: ValueHead) -> Result<(), ModelError> {
        self.outputs = head.outputs;
        self.values = vec![0.0; self.vocabulary * head.outputs];
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
            let mut previous = *request.prompt.last().unwrap();
            while completion.tokens.len() < request.sampling.max_new_tokens {
                state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
                let mut rest = (state >> 40) as f32 / (1u64 << 24) as f32;
                let temperature = request.sampling.temperature;
                let is_greedy = temperature == 0.0;
                let temperature = if is_greedy { 1.0 } else { temperature };
                let distribution = self.distribution(previous, temperature, Adapter::On);
                let best = distribution.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let chosen = distribution.iter().position(|&logprob| {
                    rest -= logprob.exp();
                    if is_greedy { logprob == best } else { rest < 0.0 }
                });
                let token = chosen.unwrap_or(self.vocabulary - 1);
                completion.tokens.push(token as u32);
                completion.logprobs.push(distribution[token]);
                previous = token as u32;
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
        let mut all = vec![Parameter {
            name: self.name,
            shape: [self.vocabulary, self.vocabulary],
            values: &mut self.logits,
            gradients: &mut self.gradients,
            is_decayed: false,
        }];
        if self.outputs > 0 {
            all.push(Parameter {
                name: "value_head.weight",
                shape: [self.vocabulary, self.outputs],
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

/// Task `i`: after the prompt letter `i`, say the letter that follows it in the alphabet. The reward is the fraction
/// of right letters, in words as long as they may be.
pub(crate) struct NextLetter {
    pub(crate) letters: usize,
    pub(crate) length: usize,
    /// This task's environment fails.
    pub(crate) broken: Option<usize>,
    ids: Vec<String>,
}

impl NextLetter {
    pub(crate) fn new(letters: usize, length: usize) -> NextLetter {
        let ids = (0..letters).map(|letter| format!("next/{letter}")).collect();
        NextLetter { letters, length, broken: None, ids }
    }
}

impl EnvironmentSet for NextLetter {
    fn len(&self) -> usize {
        self.letters
    }

    fn id(&self, index: usize) -> &str {
        &self.ids[index]
    }

    fn open(&self, index: usize) -> Box<dyn Environment + '_> {
        Box::new(Episode { set: self, index })
    }
}

struct Episode<'a> {
    set: &'a NextLetter,
    index: usize,
}

impl Environment for Episode<'_> {
    fn observe(&self) -> Observation {
        let content = letter(self.index as u32 + 1).to_string();
        Observation {
            messages: vec![Message { role: Role::User, content }],
            answer_prefix: String::new(),
            stop: Vec::new(),
        }
    }

    fn step(&mut self, action: &str) -> Result<Step, EnvironmentError> {
        if self.set.broken == Some(self.index) {
            return Err(EnvironmentError {
                id: self.set.id(self.index).into(),
                message: "no sandbox".into(),
            });
        }
        let mut expected = self.index;
        let right = action.chars().take(self.set.length).filter(|&said| {
            expected = (expected + 1) % self.set.letters;
            said == letter(expected as u32 + 1)
        });
        Ok(Step {
            reward: right.count() as f64 / self.set.length as f64,
            parts: Vec::new(),
            verdict: None,
            next: None,
        })
    }
}

/// Task `i`: after the prompt letter `i`, say the rest of the alphabet and stop. The reward is the fraction of right letters
/// before the first wrong one, of the letters due or said, whichever are more. A policy that only knows the last token
/// can solve it, and has to learn to stop.
pub(crate) struct RestOfAlphabet {
    letters: usize,
    ids: Vec<String>,
}

impl RestOfAlphabet {
    pub(crate) fn new(letters: usize) -> RestOfAlphabet {
        RestOfAlphabet { letters, ids: (0..letters).map(|letter| format!("rest/{letter}")).collect() }
    }
}

impl EnvironmentSet for RestOfAlphabet {
    fn len(&self) -> usize {
        self.letters
    }

    fn id(&self, index: usize) -> &str {
        &self.ids[index]
    }

    fn solution(&self, index: usize) -> Option<String> {
        Some((index + 1..self.letters).map(|next| letter(next as u32 + 1)).collect())
    }

    fn open(&self, index: usize) -> Box<dyn Environment + '_> {
        Box::new(RestEpisode { letters: self.letters, index })
    }

    fn open_part_way(&self, index: usize, given: f64) -> Box<dyn Environment + '_> {
        let due = (self.letters - 1 - index) as f64;
        Box::new(RestEpisode { letters: self.letters, index: index + (given * due).round() as usize })
    }
}

struct RestEpisode {
    letters: usize,
    index: usize,
}

impl Environment for RestEpisode {
    fn observe(&self) -> Observation {
        Observation {
            messages: vec![Message { role: Role::User, content: letter(self.index as u32 + 1).to_string() }],
            answer_prefix: String::new(),
            stop: Vec::new(),
        }
    }

    fn step(&mut self, action: &str) -> Result<Step, EnvironmentError> {
        let due: Vec<char> = (self.index + 1..self.letters).map(|next| letter(next as u32 + 1)).collect();
        let right = action.chars().zip(&due).take_while(|(said, due)| said == *due).count();
        let most = due.len().max(action.chars().count());
        let reward = if most == 0 { 1.0 } else { right as f64 / most as f64 };
        Ok(Step { reward, parts: Vec::new(), verdict: None, next: None })
    }
}

fn letter(token: u32) -> char {
    char::from_u32('a' as u32 + token - 1).unwrap()
}

/// Text of tokens, without the end token.
pub(crate) fn decode(tokens: &[u32]) -> String {
    tokens.iter().filter(|&&token| token > 0).map(|&token| letter(token)).collect()
}

/// Tokens of a text of letters.
pub(crate) fn encode(text: &str) -> Result<Vec<u32>, Box<dyn std::error::Error + Send + Sync>> {
    Ok(text.chars().map(|said| said as u32 - 'a' as u32 + 1).collect())
}

/// Tokens of an observation.
pub(crate) fn render(
    observation: &Observation,
) -> Result<Vec<u32>, Box<dyn std::error::Error + Send + Sync>> {
    encode(&observation.messages[0].content)
}
