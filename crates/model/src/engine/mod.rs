//! The fused CPU engine: forward, explicit backward, decode, all on kernels whose sums run in one fixed order.
//!
//! Read in this order: `gemm` (why sampler and trainer agree bit for bit), `layout` (how prompt groups are packed),
//! `layer`, `attention`, `head`, `decoder`, `decode`, `generate`. There is no graph and no general autograd: each operation has
//! its backward pass beside it, and buffers are kept from call to call.

mod attention;
mod attention_backward;
mod beam;
mod buffer;
mod cache;
mod compute;
mod construct;
mod decode;
mod decoder;
mod elementwise;
mod gemm;
mod generate;
mod head;
mod layer;
mod layout;
mod microkernel;
mod operands;
mod projection;
mod random;
mod sampling;
mod simd;
mod threads;
mod value_head;

pub use construct::random_weights;
pub use decoder::Decoder;
pub use random::Stream;
pub use simd::Isa;

use std::ops::ControlFlow;

use crate::{
    Completion, ForwardOptions, GenerateRequest, ModelConfig, ModelError, Network, Parameter, PromptGroup,
    TokenGradients, TokenValues, ValueHead,
};

impl Decoder {
    /// One completion of a prompt, shown as it grows: `on_growth` sees all its tokens after each one that does not
    /// end it. What is drawn is what `generate` draws for sample 0 of the request.
    ///
    /// # Errors
    /// As `generate`.
    pub fn generate_streaming(
        &mut self,
        request: &GenerateRequest,
        decode: &dyn Fn(&[u32]) -> String,
        on_growth: &mut dyn FnMut(&[u32]),
    ) -> Result<Completion, ModelError> {
        let requests = [GenerateRequest { samples: 1, ..request.clone() }];
        let mut made = None;
        let generation = generate::Generation::new(self, &requests, decode)?.watched(on_growth);
        generation.run(self, 1, &mut |completion| {
            made = Some(completion);
            ControlFlow::Break(())
        })?;
        made.ok_or_else(|| ModelError::Invalid("generation ended without a completion".into()))
    }
}

impl Network for Decoder {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn forward(&mut self, batch: &[PromptGroup], options: ForwardOptions) -> Result<TokenValues, ModelError> {
        self.forward_pass(batch, options)
    }

    fn forward_about(
        &mut self,
        batch: &[PromptGroup],
        tokens: &[Vec<Vec<u32>>],
        options: ForwardOptions,
    ) -> Result<TokenValues, ModelError> {
        self.forward_pass_about(batch, tokens, options)
    }

    fn likeliest_tokens(
        &mut self,
        batch: &[PromptGroup],
        options: ForwardOptions,
    ) -> Result<Vec<Vec<Vec<u32>>>, ModelError> {
        self.likeliest(batch, options)
    }

    fn backward(&mut self, gradients: &TokenGradients) -> Result<(), ModelError> {
        self.backward_pass(gradients)
    }

    fn add_value_head(&mut self, head: ValueHead) -> Result<(), ModelError> {
        if head.outputs == 0 || !self.is_trainable {
            let message = "a value head needs at least one output and a network that is trained";
            return Err(ModelError::Invalid(message.into()));
        }
        self.value_head = Some(value_head::ValueProjection::new(head, self.config.hidden_size));
        Ok(())
    }

    fn generate(
        &mut self,
        requests: &[GenerateRequest],
        slots: usize,
        decode: &dyn Fn(&[u32]) -> String,
        on_completion: &mut dyn FnMut(Completion) -> ControlFlow<()>,
    ) -> Result<(), ModelError> {
        let (beams, drawn): (Vec<usize>, Vec<usize>) =
            (0..requests.len()).partition(|&index| requests[index].sampling.beams > 0);
        if beams.is_empty() {
            return generate::Generation::new(self, requests, decode)?.run(self, slots, on_completion);
        }
        if !drawn.is_empty() {
            let message = "a generation is of beam searches or of samples, not of both";
            return Err(ModelError::Invalid(message.into()));
        }
        beam::search(self, requests, decode, on_completion)
    }

    fn parameters(&mut self) -> Vec<Parameter<'_>> {
        self.collect_parameters()
    }

    fn parameters_changed(&mut self) {
        for vocabulary in [Some(&mut self.embedding), self.head.as_mut()].into_iter().flatten() {
            vocabulary.parameters_changed(&self.compute);
        }
        for layer in &mut self.layers {
            for projection in layer.projections_mut() {
                projection.parameters_changed(&self.compute);
            }
        }
    }

    fn zero_gradients(&mut self) {
        for parameter in self.collect_parameters() {
            parameter.gradients.fill(0.0);
        }
    }

    fn activation_bytes_per_token(&self) -> usize {
        let floats = layer::Activations::floats_per_row(&self.layers[0], self.heads());
        let per_layer = if self.is_checkpointing { self.config.hidden_size } else { floats };
        4 * (self.layers.len() * per_layer + floats)
    }
}

#[cfg(test)]
mod tests;
