//! Evaluations as the commands make them: with progress, and ended by Ctrl-C.

use std::ops::ControlFlow;

use anyhow::{Context, Result};
use hone_environment::{EnvironmentSet, Observation};
use hone_eval::{
    EvalConfig, Evaluation, Progress as EvalProgress, SampleEvaluation, TaskEvaluation, evaluate_rest,
};
use hone_model::{
    Completion, ForwardOptions, GenerateRequest, ModelConfig, ModelError, Network, Parameter, PromptGroup,
    TokenGradients, TokenValues,
};

use crate::exit::Interrupted;
use crate::interrupt::Interrupt;
use crate::opened_model::Text;
use crate::progress::{Lines, Progress};
use crate::terminal::Terminal;

/// The k of pass@k that are shown.
pub(crate) const KS: &[usize] = &[1, 8];

/// Evaluates a network on tasks; Ctrl-C ends it with `Interrupted`.
pub(crate) fn measure(
    network: &mut dyn Network,
    text: &Text,
    tasks: &dyn EnvironmentSet,
    config: &EvalConfig,
    stage: &str,
    interrupt: &Interrupt,
    terminal: &Terminal,
) -> Result<Evaluation> {
    measure_rest(network, text, tasks, config, stage, Vec::new(), &mut |_, _| {}, interrupt, terminal)
}

/// The same where some tasks are already done; `on_sample` is told of every new sample.
#[expect(clippy::too_many_arguments, reason = "what is evaluated, how, and who is told")]
pub(crate) fn measure_rest(
    network: &mut dyn Network,
    text: &Text,
    tasks: &dyn EnvironmentSet,
    config: &EvalConfig,
    stage: &str,
    done: Vec<TaskEvaluation>,
    on_sample: &mut dyn FnMut(&str, &SampleEvaluation),
    interrupt: &Interrupt,
    terminal: &Terminal,
) -> Result<Evaluation> {
    let total = (tasks.len() * config.samples) as u64;
    let mut progress = Progress::start(terminal, stage, 0, total, Lines::Sparse);
    let mut facts = String::new();
    let mut on_progress = |now: &EvalProgress| {
        let rate = now.passed as f64 / now.judged.max(1) as f64;
        facts = format!("pass rate {rate:.3}, {:.0} tokens/s", now.tokens_per_second());
        progress.update(now.judged as u64, &facts);
    };
    let mut network = Interruptible { network, interrupt };
    let decode = |tokens: &[u32]| text.decode(tokens);
    let render = |seen: &Observation| text.render(seen);
    let result =
        evaluate_rest(&mut network, &render, &decode, tasks, config, done, on_sample, &mut on_progress);
    if result.is_err() && interrupt.is_set() {
        return Err(Interrupted("the evaluation was ended by Ctrl-C".into()).into());
    }
    let evaluation = result.context("failed to evaluate")?;
    progress.finish(&facts);
    Ok(evaluation)
}

/// A network whose generation ends when the user wants an end.
pub(crate) struct Interruptible<'a> {
    pub(crate) network: &'a mut dyn Network,
    pub(crate) interrupt: &'a Interrupt,
}

impl Network for Interruptible<'_> {
    fn config(&self) -> &ModelConfig {
        self.network.config()
    }

    fn forward(&mut self, batch: &[PromptGroup], options: ForwardOptions) -> Result<TokenValues, ModelError> {
        self.network.forward(batch, options)
    }

    fn backward(&mut self, gradients: &TokenGradients) -> Result<(), ModelError> {
        self.network.backward(gradients)
    }

    fn generate(
        &mut self,
        requests: &[GenerateRequest],
        slots: usize,
        decode: &dyn Fn(&[u32]) -> String,
        on_completion: &mut dyn FnMut(Completion) -> ControlFlow<()>,
    ) -> Result<(), ModelError> {
        let interrupt = self.interrupt;
        self.network.generate(requests, slots, decode, &mut |completion| {
            let wish = on_completion(completion);
            if interrupt.is_set() { ControlFlow::Break(()) } else { wish }
        })
    }

    fn parameters(&mut self) -> Vec<Parameter<'_>> {
        self.network.parameters()
    }

    fn parameters_changed(&mut self) {
        self.network.parameters_changed();
    }

    fn zero_gradients(&mut self) {
        self.network.zero_gradients();
    }

    fn activation_bytes_per_token(&self) -> usize {
        self.network.activation_bytes_per_token()
    }
}
