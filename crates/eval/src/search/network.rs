//! One of our networks as the one who writes; its value head as the critic.
//!
//! A head of four numbers a token is CodeRL's critic: logits of the classes compile error, runtime error, failed test,
//! passed. After token t, p = softmax(e_t); of a whole answer, softmax of the largest logits over time. A head of one
//! number is a value function: it stands for p(pass) as it is, unless the method that trained it says how it is read.

use std::ops::ControlFlow;

use hone_environment::Observation;
use hone_model::{Adapter, Completion, ForwardOptions, GenerateRequest, Network, PromptGroup};

use super::{Ask, CriticView, Proposal, Proposer};
use crate::{EvalError, Render};

/// Classes of a critic in their order; the last is "passed", the one before "failed test".
const CLASSES: usize = 4;

/// A network that writes, and with a value head also criticises.
pub struct NetworkProposer<'a> {
    /// The network.
    pub network: &'a mut dyn Network,
    /// From an observation to tokens.
    pub render: &'a Render<'a>,
    /// From tokens to text.
    pub decode: &'a dyn Fn(&[u32]) -> String,
    /// Sequences in flight at once.
    pub slots: usize,
    /// Numbers a token of the value head; 0 without one.
    pub critic_outputs: usize,
    /// How a head of one number is read; `None` as it is.
    pub reading: Option<Reading<'a>>,
}

/// What a whole answer is ranked by. Each slice is `[T]`: log π of its tokens, log π of the likeliest in their places, and the
/// head's numbers before them.
pub type Ranking<'a> = dyn Fn(&[f64], &[f64], &[f64]) -> f64 + 'a;

/// How the method that trained a head of one number reads it.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    /// The value of a state, by the head's number.
    pub value: &'a dyn Fn(f64) -> f64,
    /// What a whole answer is ranked by.
    pub whole: &'a Ranking<'a>,
}

impl Reading<'_> {
    /// By the numbers before every token and after the last one, and rows that may go on behind the answer.
    fn view(&self, logprobs: &[f32], likeliest: &[f32], values: &[f32]) -> CriticView {
        let tokens = values.len().saturating_sub(1);
        let wide = |row: &[f32]| row[..tokens].iter().map(|x| f64::from(*x)).collect::<Vec<f64>>();
        CriticView {
            passes: values.iter().skip(1).map(|value| (self.value)(f64::from(*value))).collect(),
            fails: Vec::new(),
            whole: (self.whole)(&wide(logprobs), &wide(likeliest), &wide(values)),
        }
    }
}

impl NetworkProposer<'_> {
    /// The tokens of an observation that leave `places` in the context: a dialogue that has outgrown it loses its beginning,
    /// as chat programs do it.
    fn prompt(&self, observation: &Observation, places: usize) -> Result<Vec<u32>, EvalError> {
        let failure = |message: String| EvalError::Config { message };
        let mut prompt = (self.render)(observation)
            .map_err(|error| failure(format!("failed to render a prompt: {error}")))?;
        let room = self.network.config().max_position_embeddings.saturating_sub(places).max(1);
        if prompt.len() > room {
            let cut = prompt.len() - room;
            tracing::debug!(cut, "a prompt is longer than the context and loses its first tokens");
            prompt.drain(..cut);
        }
        Ok(prompt)
    }

    fn request(&self, ask: &Ask) -> Result<GenerateRequest, EvalError> {
        let half = self.network.config().max_position_embeddings / 2;
        let places = ask.sampling.max_new_tokens.min(half) + ask.begun.len();
        let mut prompt = self.prompt(&ask.observation, places)?;
        prompt.extend(&ask.begun);
        Ok(GenerateRequest {
            prompt,
            samples: ask.samples,
            sampling: ask.sampling.clone(),
            stop: ask.observation.stop.clone(),
            stop_tokens: Vec::new(),
            seed: ask.seed,
        })
    }
}

impl Proposer for NetworkProposer<'_> {
    fn propose(
        &mut self,
        asks: &[Ask],
        on_written: &mut dyn FnMut(usize),
    ) -> Result<Vec<Proposal>, EvalError> {
        let requests: Vec<GenerateRequest> =
            asks.iter().map(|ask| self.request(ask)).collect::<Result<_, _>>()?;
        let mut completions: Vec<Completion> = Vec::new();
        self.network.generate(&requests, self.slots, self.decode, &mut |completion| {
            on_written(completion.tokens.len());
            completions.push(completion);
            ControlFlow::Continue(())
        })?;
        completions.sort_by_key(|one| (one.request, one.sample));
        let proposal = |one: Completion| {
            let begun = &asks[one.request].begun;
            Proposal {
                ask: one.request,
                sample: one.sample,
                text: format!("{}{}", (self.decode)(begun), one.text),
                spent: one.tokens.len(),
                logprob: Some(one.logprobs.iter().map(|logprob| f64::from(*logprob)).sum()),
                tokens: [begun.as_slice(), &one.tokens].concat(),
                finish: one.finish,
            }
        };
        Ok(completions.into_iter().map(proposal).collect())
    }

    fn criticise(
        &mut self,
        observation: &Observation,
        answers: &[&[u32]],
    ) -> Result<Vec<CriticView>, EvalError> {
        let longest = answers.iter().map(|answer| answer.len() + 1).max().unwrap_or(1);
        let prompt = self.prompt(observation, longest)?;
        // The state after the last token is the one before a token that follows it, whichever that is.
        let longer = |answer: &&[u32]| [*answer, &[0]].concat();
        let group = PromptGroup { prompt, completions: answers.iter().map(longer).collect() };
        let options = ForwardOptions { temperature: 1.0, adapter: Adapter::On, keep_activations: false };
        let said = self.network.forward(&[group], options)?;
        let Some(values) = said.values.and_then(|mut groups| groups.pop()) else {
            return Err(EvalError::Config {
                message: "expected a network with a value head, found none".into(),
            });
        };
        let Some(reading) = self.reading else {
            return Ok(values.iter().map(|values| view(values, self.critic_outputs)).collect());
        };
        let rows = said.logprobs[0].iter().zip(&said.likeliest[0]).zip(&values);
        Ok(rows.map(|((logprobs, likeliest), values)| reading.view(logprobs, likeliest, values)).collect())
    }

    fn has_critic(&self) -> bool {
        self.critic_outputs > 0
    }
}

/// What a head of `outputs` numbers says, given its numbers before every token and after the last one.
fn view(values: &[f32], outputs: usize) -> CriticView {
    let states: Vec<Vec<f64>> = values
        .chunks_exact(outputs)
        .skip(1)
        .map(|state| state.iter().map(|x| f64::from(*x)).collect())
        .collect();
    if outputs != CLASSES {
        let passes: Vec<f64> = states.iter().map(|state| state[outputs - 1]).collect();
        let whole = passes.last().copied().unwrap_or(0.0);
        return CriticView { passes, fails: Vec::new(), whole };
    }
    let largest = |class: usize| states.iter().map(|state| state[class]).fold(f64::NEG_INFINITY, f64::max);
    let pooled: Vec<f64> = (0..CLASSES).map(largest).collect();
    CriticView {
        passes: states.iter().map(|state| softmax(state)[CLASSES - 1]).collect(),
        fails: states.iter().map(|state| softmax(state)[CLASSES - 2]).collect(),
        whole: if states.is_empty() { 0.0 } else { softmax(&pooled)[CLASSES - 1] },
    }
}

fn softmax(logits: &[f64]) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let masses: Vec<f64> = logits.iter().map(|logit| (logit - largest).exp()).collect();
    let total: f64 = masses.iter().sum();
    masses.iter().map(|mass| mass / total).collect()
}

#[cfg(test)]
mod tests {
    use hone_model::engine::Decoder;
    use hone_model::{ModelConfig, SamplingParams, Trainable, ValueHead};

    use super::*;

    #[test]
    fn a_critic_of_classes_is_read_after_each_token_and_pooled_over_all() {
        // Before the first token, then after each of two: ln 3 for "passed", then ln 2 for "failed test".
        let (three, two) = (3f32.ln(), 2f32.ln());
        let values = [9.0, 9.0, 9.0, 9.0, 0.0, 0.0, 0.0, three, 0.0, 0.0, two, 0.0];
        let found = view(&values, 4);
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} {b}");
        assert_eq!(found.passes.len(), 2);
        near(found.passes[0], 3.0 / 6.0);
        near(found.passes[1], 1.0 / 5.0);
        near(found.fails[1], 2.0 / 5.0);
        // Largest logits over time: 0, 0, ln 2, ln 3.
        near(found.whole, 3.0 / 7.0);
        let value = view(&[0.5, 0.25, 0.75], 1);
        assert_eq!((value.passes, value.fails, value.whole), (vec![0.25, 0.75], vec![], 0.75));
    }

    /// A dialogue that fills the context, and the answer that was written after what was left of it, can be judged.
    #[test]
    fn a_critic_reads_what_was_written_at_the_end_of_the_context() {
        let config = ModelConfig {
            hidden_size: 16,
            intermediate_size: 16,
            num_hidden_layers: 1,
            num_attention_heads: 2,
            num_key_value_heads: 2,
            head_dim: 8,
            vocab_size: 8,
            max_position_embeddings: 24,
            rope_theta: 10_000.0,
            rms_norm_eps: 1e-5,
            tie_word_embeddings: true,
            bos_token_id: None,
            eos_token_ids: Vec::new(),
        };
        let mut network = Decoder::random(config, Trainable::Full, 1, 3).expect("a network");
        network.add_value_head(ValueHead { outputs: 4, is_detached: true }).expect("a head");
        let mut proposer = NetworkProposer {
            network: &mut network,
            render: &|_| Ok(vec![5; 40]),
            decode: &|_| String::new(),
            slots: 1,
            critic_outputs: 4,
            reading: None,
        };
        let sampling = SamplingParams { max_new_tokens: 100, ..SamplingParams::default() };
        let observation =
            Observation { messages: Vec::new(), answer_prefix: String::new(), stop: Vec::new() };
        let (begun, seed) = (vec![3; 2], [1, 2, 3]);
        let ask = Ask { observation: observation.clone(), begun, samples: 3, sampling, seed };
        let written = proposer.propose(&[ask], &mut |_| {}).expect("written");
        let longest = written.iter().map(|one| one.tokens.len()).max();
        assert_eq!(longest, Some(14), "half of the context behind a beginning of two");
        for proposal in &written {
            let views = proposer.criticise(&observation, &[&proposal.tokens]).expect("judged");
            assert_eq!(views[0].passes, vec![0.25; proposal.tokens.len()]);
        }
    }

    /// The row behind the last token belongs to none of the answer: it is the state after it.
    #[test]
    fn a_method_reads_its_own_head() {
        let whole = |logprobs: &[f64], likeliest: &[f64], values: &[f64]| {
            assert_eq!(
                (logprobs, likeliest, values),
                (&[-1.0, -2.0][..], &[-0.5, -2.0][..], &[4.0, 5.0][..])
            );
            7.0
        };
        let reading = Reading { value: &|v| 10.0 * v, whole: &whole };
        let found = reading.view(&[-1.0, -2.0, -9.0], &[-0.5, -2.0, -9.0], &[4.0, 5.0, 6.0]);
        assert_eq!(found, CriticView { passes: vec![50.0, 60.0], fails: vec![], whole: 7.0 });
    }
}
