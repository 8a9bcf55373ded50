//! A network that answers at random from a few words, and environments with defects.

use std::ops::ControlFlow;

use hone_environment::{
    Environment, EnvironmentError, EnvironmentSet, Message, Observation, Role, Step, Verdict,
};
use hone_model::{
    Completion, FinishReason, ForwardOptions, GenerateRequest, ModelConfig, ModelError, Network, Parameter,
    PromptGroup, TokenGradients, TokenValues,
};
use hone_sandbox::{JudgeMode, OutcomeClass};

/// What the network can say; token `i` is word `i`.
pub(crate) const WORDS: [&str; 4] = ["tree", "sky", "bee", "cat"];

pub(crate) fn decode(tokens: &[u32]) -> String {
    tokens.iter().map(|token| WORDS[*token as usize]).collect()
}

pub(crate) fn render(
    observation: &Observation,
) -> Result<Vec<u32>, Box<dyn std::error::Error + Send + Sync>> {
    let content = &observation.messages[0].content;
    if content.contains("unrenderable") {
        Err("no template for that".into())
    } else {
        Ok(vec![0; content.len()])
    }
}

/// Says one word a completion, drawn from the request's seed and the sample's index alone.
pub(crate) struct Scripted {
    pub(crate) config: ModelConfig,
    /// Hands completions over from the last to the first.
    pub(crate) is_reversed: bool,
    /// Fails after so many completions.
    pub(crate) fails_after: usize,
    /// Completions handed over.
    pub(crate) handed_over: usize,
}

impl Scripted {
    pub(crate) fn new() -> Scripted {
        let config = ModelConfig {
            hidden_size: 1,
            intermediate_size: 1,
            num_hidden_layers: 1,
            num_attention_heads: 1,
            num_key_value_heads: 1,
            head_dim: 1,
            vocab_size: WORDS.len(),
            max_position_embeddings: 64,
            rope_theta: 1.0,
            rms_norm_eps: 1.0,
            tie_word_embeddings: true,
            bos_token_id: None,
            eos_token_ids: vec![],
        };
        Scripted { config, is_reversed: false, fails_after: usize::MAX, handed_over: 0 }
    }
}

impl Network for Scripted {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn generate(
        &mut self,
        requests: &[GenerateRequest],
        _slots: usize,
        decode: &dyn Fn(&[u32]) -> String,
        on_completion: &mut dyn FnMut(Completion) -> ControlFlow<()>,
    ) -> Result<(), ModelError> {
        let mut completions = Vec::new();
        for (index, request) in requests.iter().enumerate() {
            for sample in 0..request.samples {
                let key = request.seed.iter().fold(sample as u64, |key, part| key.wrapping_mul(31) ^ part);
                let word = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 62) as u32;
                let (tokens, finish) = (vec![word], FinishReason::StopText);
                let text = decode(&tokens);
                completions.push(Completion {
                    request: index,
                    sample,
                    logprobs: vec![-1.0],
                    tokens,
                    text,
                    finish,
                });
            }
        }
        if self.is_reversed {
            completions.reverse();
        }
        for completion in completions {
            if self.handed_over == self.fails_after {
                return Err(ModelError::Invalid("scripted failure".into()));
            }
            self.handed_over += 1;
            if on_completion(completion).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn forward(&mut self, _: &[PromptGroup], _: ForwardOptions) -> Result<TokenValues, ModelError> {
        Err(ModelError::Invalid("a scripted network only generates".into()))
    }

    fn backward(&mut self, _: &TokenGradients) -> Result<(), ModelError> {
        Err(ModelError::Invalid("a scripted network only generates".into()))
    }

    fn parameters(&mut self) -> Vec<Parameter<'_>> {
        Vec::new()
    }

    fn parameters_changed(&mut self) {}

    fn zero_gradients(&mut self) {}

    fn activation_bytes_per_token(&self) -> usize {
        0
    }
}

/// Ids say how an episode behaves: `goes-on`, `breaks`, `unrenderable`, else a word in the id is a right answer and
/// everything else a wrong or broken program.
pub(crate) struct Words(pub(crate) Vec<&'static str>);

impl EnvironmentSet for Words {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn id(&self, index: usize) -> &str {
        self.0[index]
    }

    fn level(&self, index: usize) -> u8 {
        1 + (index % 2) as u8
    }

    fn topic(&self, index: usize) -> &str {
        if index < 2 { "first" } else { "later" }
    }

    fn open(&self, index: usize) -> Box<dyn Environment + '_> {
        Box::new(Word(self.0[index]))
    }
}

struct Word(&'static str);

impl Environment for Word {
    fn observe(&self) -> Observation {
        let messages = vec![Message { role: Role::User, content: self.0.into() }];
        Observation { messages, answer_prefix: String::new(), stop: vec![] }
    }

    fn step(&mut self, action: &str) -> Result<Step, EnvironmentError> {
        let is_right = self.0.contains(action);
        let class = match (is_right, action) {
            (true, _) => OutcomeClass::Passed,
            (false, "cat") => OutcomeClass::CompileError,
            (false, _) => OutcomeClass::WrongAnswer,
        };
        let verdict = Verdict {
            class,
            tests_passed: u32::from(is_right),
            tests_total: 1,
            error: None,
            program: action.into(),
            mode: JudgeMode::Split,
            missed_lines: Vec::new(),
        };
        match self.0 {
            "breaks" => Err(EnvironmentError { id: self.0.into(), message: "the verifier is away".into() }),
            "goes-on" => {
                Ok(Step { reward: 0.0, parts: Vec::new(), verdict: None, next: Some(self.observe()) })
            }
            _ => Ok(Step {
                reward: f64::from(u8::from(is_right)),
                parts: Vec::new(),
                verdict: Some(verdict),
                next: None,
            }),
        }
    }
}
