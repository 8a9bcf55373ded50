//! Who writes: a network, or an endpoint.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use hone_environment::Observation;
use hone_model::{FinishReason, SamplingParams};

use crate::EvalError;
use crate::endpoint::Endpoint;

/// Something to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// What is shown.
    pub observation: Observation,
    /// Tokens the answer already begins with.
    pub begun: Vec<u32>,
    /// How often it is written.
    pub samples: usize,
    /// How tokens are drawn.
    pub sampling: SamplingParams,
    /// Key of the random streams.
    pub seed: [u64; 3],
}

/// Something written.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// Index of its ask.
    pub ask: usize,
    /// Index among the ask's samples.
    pub sample: usize,
    /// The answer, with what it began with.
    pub text: String,
    /// Its tokens, with those it began with; empty if unknown.
    pub tokens: Vec<u32>,
    /// Tokens that were sampled for it.
    pub spent: usize,
    /// Σ ln p of the sampled tokens, if known.
    pub logprob: Option<f64>,
    /// Why it ended.
    pub finish: FinishReason,
}

/// What a critic thinks of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct CriticView {
    /// p(pass | beginning) after each token.
    pub passes: Vec<f64>,
    /// p(failed test | beginning) after each token; empty if the critic has no classes.
    pub fails: Vec<f64>,
    /// Of the whole answer.
    pub whole: f64,
}

/// Who writes.
pub trait Proposer {
    /// Writes everything that is asked; the order of what comes back is that of the asks and samples.
    fn propose(
        &mut self,
        asks: &[Ask],
        on_written: &mut dyn FnMut(usize),
    ) -> Result<Vec<Proposal>, EvalError>;

    /// What the critic thinks of answers to an observation.
    fn criticise(
        &mut self,
        observation: &Observation,
        answers: &[&[u32]],
    ) -> Result<Vec<CriticView>, EvalError>;

    /// Whether there is a critic.
    fn has_critic(&self) -> bool;
}

/// An OpenAI-compatible endpoint.
pub struct EndpointProposer<'a> {
    /// Where.
    pub endpoint: &'a Endpoint,
    /// Requests at one time.
    pub concurrency: usize,
    /// Ends the work early.
    pub is_stopped: &'a (dyn Fn() -> bool + Sync),
}

impl Proposer for EndpointProposer<'_> {
    fn propose(
        &mut self,
        asks: &[Ask],
        on_written: &mut dyn FnMut(usize),
    ) -> Result<Vec<Proposal>, EvalError> {
        let jobs: Vec<(usize, usize)> = asks
            .iter()
            .enumerate()
            .flat_map(|(index, ask)| (0..ask.samples).map(move |sample| (index, sample)))
            .collect();
        let next = AtomicUsize::new(0);
        let failure: Mutex<Option<EvalError>> = Mutex::new(None);
        let (sender, results) = crossbeam_channel::unbounded();
        let mut written = Vec::with_capacity(jobs.len());
        std::thread::scope(|scope| {
            for _ in 0..self.concurrency.clamp(1, jobs.len().max(1)) {
                let (sender, jobs, next, failure) = (sender.clone(), &jobs, &next, &failure);
                let (endpoint, is_stopped) = (self.endpoint, self.is_stopped);
                scope.spawn(move || {
                    while let Some((ask, sample)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)).copied() {
                        let is_over = || failure.lock().map_or(true, |failure| failure.is_some());
                        if is_stopped() || is_over() {
                            break;
                        }
                        let Ask { observation, sampling, seed, .. } = &asks[ask];
                        // Within what servers take, another for every sample.
                        let seed = seed.iter().fold(sample as u64, |all, part| {
                            (all ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
                        }) >> 33;
                        match endpoint.complete(observation, sampling, seed) {
                            Ok(answer) => drop(sender.send(Proposal {
                                ask,
                                sample,
                                text: answer.text,
                                tokens: Vec::new(),
                                spent: answer.tokens,
                                logprob: None,
                                finish: answer.finish,
                            })),
                            Err(error) => {
                                if let Ok(mut failure) = failure.lock() {
                                    failure.get_or_insert(error);
                                }
                            }
                        }
                    }
                });
            }
            drop(sender);
            for proposal in &results {
                on_written(proposal.spent);
                written.push(proposal);
            }
        });
        if let Ok(Some(failure)) = failure.into_inner() {
            return Err(failure);
        }
        written.sort_by_key(|one| (one.ask, one.sample));
        Ok(written)
    }

    fn criticise(&mut self, _: &Observation, _: &[&[u32]]) -> Result<Vec<CriticView>, EvalError> {
        Err(EvalError::Config { message: "an endpoint has no critic".into() })
    }

    fn has_critic(&self) -> bool {
        false
    }
}
