//! The seam between networks and everything that trains or samples them.
//!
//! A network maps tokens to per-token quantities and takes back their gradients; an algorithm is pure functions on
//! those numbers and never sees a tensor. Other architectures and a GPU backend stand behind the same trait.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use crate::{ModelConfig, ModelError};

/// One prompt and G continuations of it, packed without padding; the prompt is computed once for all of them.
///
/// A plain sequence is a prompt of its first token and one completion with the rest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PromptGroup {
    /// Prompt tokens, at least one.
    pub prompt: Vec<u32>,
    /// The continuations, `[G][T_g]`; none of them empty.
    pub completions: Vec<Vec<u32>>,
}

/// What a forward pass says of every completion token; index `[group][completion][t]`.
///
/// Entry `t` *is* about completion token `t` (predicted from everything before it).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TokenValues {
    /// Natural log of the probability of the token.
    pub logprobs: Vec<Vec<Vec<f32>>>,
    /// Entropy in nats of the distribution the token was drawn from.
    pub entropies: Vec<Vec<Vec<f32>>>,
    /// Natural log of the probability of the likeliest token in its place; `logprobs − likeliest` is how far the token's
    /// logit is below the largest one.
    pub likeliest: Vec<Vec<Vec<f32>>>,
    /// What the value head says before the token, K numbers a token: `[group][completion][t · K + k]`; `None` without a
    /// head.
    pub values: Option<Vec<Vec<Vec<f32>>>>,
}

/// Derivatives of a loss with respect to `TokenValues`, same shapes. A token that does not count has 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TokenGradients {
    /// ∂loss/∂logprob.
    pub logprobs: Vec<Vec<Vec<f32>>>,
    /// ∂loss/∂entropy; `None` if the loss does not use entropies.
    pub entropies: Option<Vec<Vec<Vec<f32>>>>,
    /// ∂loss/∂likeliest; `None` if the loss does not use them.
    pub likeliest: Option<Vec<Vec<Vec<f32>>>>,
    /// ∂loss/∂value; `None` if the loss does not use values.
    pub values: Option<Vec<Vec<Vec<f32>>>>,
}

/// A linear head on the last hidden state, beside the one that predicts tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueHead {
    /// K, numbers a token.
    pub outputs: usize,
    /// Whether its gradient ends at the hidden state instead of training the network below it too.
    pub is_detached: bool,
}

impl ValueHead {
    /// What the names of its parameters begin with.
    pub const PREFIX: &str = "value_head.";
}

/// Which weights a forward pass uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Adapter {
    /// The policy: base weights and, where there is one, the adapter.
    #[default]
    On,
    /// The base weights alone: the reference model of a LoRA run.
    Off,
}

/// How a forward pass is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ForwardOptions {
    /// Logits are divided by this before the softmax; the sampling temperature, 1 for plain log-probs.
    pub temperature: f32,
    /// Policy or reference.
    pub adapter: Adapter,
    /// Keep activations for `backward`.
    pub keep_activations: bool,
}

/// Where LoRA is applied (arXiv 2106.09685).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoraConfig {
    /// Rank r.
    pub rank: usize,
    /// α; the update is scaled by α / r.
    pub alpha: f32,
    /// Projections, of `q_proj k_proj v_proj o_proj gate_proj up_proj down_proj`.
    pub targets: Vec<String>,
}

impl Default for LoraConfig {
    fn default() -> Self {
        let all = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
        LoraConfig { rank: 16, alpha: 32.0, targets: all.map(String::from).to_vec() }
    }
}

/// What training changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Trainable {
    /// Nothing: the network only samples and scores.
    Frozen,
    /// Low-rank adapters over frozen weights.
    Lora(LoraConfig),
    /// All weights.
    Full,
}

/// A trainable tensor and its accumulated gradient, both flat and of equal length.
#[derive(Debug)]
pub struct Parameter<'a> {
    /// Hugging Face / PEFT name.
    pub name: &'a str,
    /// Shape, row-major.
    pub shape: [usize; 2],
    /// Current values.
    pub values: &'a mut [f32],
    /// Gradient accumulated since `zero_gradients`.
    pub gradients: &'a mut [f32],
    /// Whether weight decay applies (matrices yes, norms no).
    pub is_decayed: bool,
}

/// How tokens are drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SamplingParams {
    /// 0 is greedy.
    pub temperature: f32,
    /// Keep the k likeliest tokens; 0 keeps all.
    pub top_k: usize,
    /// Keep the smallest set of likeliest tokens whose probability reaches this; 1 keeps all.
    pub top_p: f32,
    /// Keep tokens at least this likely relative to the likeliest (arXiv 2407.01082); 0 keeps all.
    pub min_p: f32,
    /// Longest completion, in tokens.
    pub max_new_tokens: usize,
    /// Width of a beam search, which takes the place of drawing; 0 draws.
    pub beams: usize,
    /// α of a beam's score Σ ln p / length^α; 0 compares sums, 1 means.
    pub length_penalty: f32,
}

impl Default for SamplingParams {
    fn default() -> Self {
        SamplingParams {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            max_new_tokens: 128,
            beams: 0,
            length_penalty: 1.0,
        }
    }
}

/// One prompt to be completed `samples` times.
#[derive(Debug, Clone)]
pub struct GenerateRequest {
    /// Prompt tokens, at least one.
    pub prompt: Vec<u32>,
    /// G, completions wanted.
    pub samples: usize,
    /// How tokens are drawn.
    pub sampling: SamplingParams,
    /// Texts that end a completion; matched on the decoded text.
    pub stop: Vec<String>,
    /// Tokens that end a completion, beside the model's own.
    pub stop_tokens: Vec<u32>,
    /// Key of the random stream: (run, step, task); the sample index is added.
    pub seed: [u64; 3],
}

/// Why a completion ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FinishReason {
    /// A stop token, which is the completion's last token.
    StopToken,
    /// A stop text appeared; the tokens that hold it are kept.
    StopText,
    /// `max_new_tokens` or the model's context ran out.
    Length,
}

/// One finished completion.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// Index of its request.
    pub request: usize,
    /// Index within the request, 0..G; of a beam search its place, best first.
    pub sample: usize,
    /// Sampled tokens, with the stop token if one was sampled.
    pub tokens: Vec<u32>,
    /// Log-prob of each token at `temperature` (at 1 if greedy or of a beam), before any cut; bit-equal to `forward`'s.
    pub logprobs: Vec<f32>,
    /// Decoded text, without the stop token and cut before the stop text.
    pub text: String,
    /// Why it ended.
    pub finish: FinishReason,
}

/// A network that can be sampled and trained.
pub trait Network: Send {
    /// Hyper-parameters.
    fn config(&self) -> &ModelConfig;

    /// Log-prob and entropy of every completion token.
    fn forward(&mut self, batch: &[PromptGroup], options: ForwardOptions) -> Result<TokenValues, ModelError>;

    /// The same about other tokens in the completions' places: entry `t` is about `tokens[group][completion][t]` after the
    /// completion's own tokens before `t`. Keeps no activations.
    fn forward_about(
        &mut self,
        _batch: &[PromptGroup],
        _tokens: &[Vec<Vec<u32>>],
        _options: ForwardOptions,
    ) -> Result<TokenValues, ModelError> {
        Err(ModelError::Unsupported("this network speaks of the completions' own tokens only".into()))
    }

    /// The likeliest token in the place of every completion token, `[group][completion][t]`; of equal ones the first.
    fn likeliest_tokens(
        &mut self,
        _batch: &[PromptGroup],
        _options: ForwardOptions,
    ) -> Result<Vec<Vec<Vec<u32>>>, ModelError> {
        Err(ModelError::Unsupported("this network does not name its likeliest tokens".into()))
    }

    /// Adds the parameter gradients of a loss with these derivatives, for the last `forward` that kept its activations.
    fn backward(&mut self, gradients: &TokenGradients) -> Result<(), ModelError>;

    /// Gives the network a value head, which begins by saying 0. From then on `forward` fills `values`, the head's
    /// parameters are the last of `parameters`, and nothing else changes.
    fn add_value_head(&mut self, _head: ValueHead) -> Result<(), ModelError> {
        Err(ModelError::Unsupported("this network takes no value head".into()))
    }

    /// Completes the requests by continuous batching, with `slots` sequences in flight. Each finished completion
    /// is handed over at once; `Break` ends the generation. `decode` turns tokens into text (for stop texts).
    fn generate(
        &mut self,
        requests: &[GenerateRequest],
        slots: usize,
        decode: &dyn Fn(&[u32]) -> String,
        on_completion: &mut dyn FnMut(Completion) -> ControlFlow<()>,
    ) -> Result<(), ModelError>;

    /// The trainable parameters in a fixed order.
    fn parameters(&mut self) -> Vec<Parameter<'_>>;

    /// Must be called after parameters were changed: prepares the kernels' copies.
    fn parameters_changed(&mut self);

    /// Sets all gradients to zero.
    fn zero_gradients(&mut self);

    /// Estimated bytes of activations one token needs in `forward` with `keep_activations`.
    fn activation_bytes_per_token(&self) -> usize;
}
