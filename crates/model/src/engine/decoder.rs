//! The decoder as a whole: weights, buffers, forward and backward over packed prompt groups.

use super::attention::Heads;
use super::buffer::Buffer;
use super::cache::Cache;
use super::compute::Compute;
use super::elementwise::{self, Rotary};
use super::head::{HeadBuffers, RowGradient, RowStats, Vocabulary, first_largest};
use super::layer::{Activations, Context, Layer, Norm, Workspace};
use super::layout::{HeadRow, Layout};
use super::value_head::ValueProjection;
use crate::{
    Adapter, ForwardOptions, ModelConfig, ModelError, Parameter, PromptGroup, TokenGradients, TokenValues,
};

/// A Llama-family decoder on the CPU.
pub struct Decoder {
    pub(super) config: ModelConfig,
    pub(super) compute: Compute,
    pub(super) embedding: Vocabulary,
    pub(super) layers: Vec<Layer>,
    pub(super) final_norm: Norm,
    /// `None` if the embedding is the head.
    pub(super) head: Option<Vocabulary>,
    pub(super) value_head: Option<ValueProjection>,
    pub(super) rotary: Rotary,
    pub(super) is_trainable: bool,
    pub(super) is_checkpointing: bool,
    pub(super) pass: Pass,
}

/// Buffers of forward and backward passes, and what the last forward pass left for the backward one.
#[derive(Default)]
pub(super) struct Pass {
    pub(super) layers: Vec<Activations>,
    /// Inputs of the layers, when activations are computed again.
    inputs: Vec<Buffer>,
    pub(super) workspace: Workspace,
    pub(super) head: HeadBuffers,
    /// Caches of sequences that ended.
    pub(super) spare_caches: Vec<Cache>,
    pub(super) stream: Buffer,
    pub(super) hidden: Buffer,
    pub(super) rstd: Buffer,
    pub(super) dhidden: Buffer,
    dstream: Buffer,
    saved: Option<Saved>,
}

struct Saved {
    layout: Layout,
    stats: Vec<RowStats>,
    options: ForwardOptions,
}

impl Decoder {
    /// Compute activations again in the backward pass instead of keeping them: a quarter more time, a fraction of the memory.
    pub fn set_checkpointing(&mut self, is_on: bool) {
        self.is_checkpointing = is_on;
        self.pass = Pass::default();
    }

    pub(super) fn heads(&self) -> Heads {
        Heads {
            queries: self.config.num_attention_heads,
            keys: self.config.num_key_value_heads,
            dim: self.config.head_dim,
        }
    }

    pub(super) fn forward_pass(
        &mut self,
        batch: &[PromptGroup],
        options: ForwardOptions,
    ) -> Result<TokenValues, ModelError> {
        if !(options.temperature > 0.0 && options.temperature.is_finite()) {
            let found = options.temperature;
            return Err(ModelError::Invalid(format!(
                "temperature must be above 0 to score tokens, got {found}"
            )));
        }
        if options.keep_activations && !self.is_trainable {
            return Err(ModelError::Invalid(
                "this network is frozen: it keeps no activations to train with".into(),
            ));
        }
        let layout = Layout::new(&self.config, batch)?;
        Ok(self.forward_layout(layout, options))
    }

    pub(super) fn forward_pass_about(
        &mut self,
        batch: &[PromptGroup],
        tokens: &[Vec<Vec<u32>>],
        options: ForwardOptions,
    ) -> Result<TokenValues, ModelError> {
        let layout = Layout::new(&self.config, batch)?.about(&self.config, tokens)?;
        Ok(self.forward_layout(layout, ForwardOptions { keep_activations: false, ..options }))
    }

    fn forward_layout(&mut self, layout: Layout, options: ForwardOptions) -> TokenValues {
        self.pass.saved = None;
        let mut values = layout.empty_values();
        if layout.head_rows.is_empty() {
            return values;
        }
        self.run_layers(&layout, options);
        let stats = self.run_head(&layout, options, &mut values);
        if options.keep_activations {
            self.pass.saved = Some(Saved { layout, stats, options });
        }
        values
    }

    /// The likeliest token in the place of every completion token.
    pub(super) fn likeliest(
        &mut self,
        batch: &[PromptGroup],
        options: ForwardOptions,
    ) -> Result<Vec<Vec<Vec<u32>>>, ModelError> {
        let layout = Layout::new(&self.config, batch)?;
        let lengths = |group: &PromptGroup| group.completions.iter().map(|own| vec![0; own.len()]).collect();
        let mut tokens: Vec<Vec<Vec<u32>>> = batch.iter().map(lengths).collect();
        self.pass.saved = None;
        if layout.head_rows.is_empty() {
            return Ok(tokens);
        }
        self.run_layers(&layout, ForwardOptions { keep_activations: false, ..options });
        self.gather_hidden(&layout);
        let pass = &mut self.pass;
        let hidden = &pass.hidden[..layout.head_rows.len() * self.config.hidden_size];
        let vocabulary = self.head.as_ref().unwrap_or(&self.embedding);
        let mut visit = |index: usize, _: RowStats, logits: &[f32]| {
            let best = first_largest(logits) as u32;
            for target in &layout.targets[layout.head_rows[index].targets.clone()] {
                tokens[target.group][target.completion][target.position] = best;
            }
        };
        vocabulary.for_each_row(&self.compute, hidden, 1.0, &mut pass.head, &mut visit);
        Ok(tokens)
    }

    /// Fills `pass.stream` with the residual stream after the last layer.
    fn run_layers(&mut self, layout: &Layout, options: ForwardOptions) {
        self.run_layers_visiting(layout, options, &mut |_, _, _| ());
    }

    fn run_layers_visiting(
        &mut self,
        layout: &Layout,
        options: ForwardOptions,
        visit: &mut dyn FnMut(&Compute, usize, &Activations),
    ) {
        let (rows, d, heads) = (layout.rows(), self.config.hidden_size, self.heads());
        let keeps_all = options.keep_activations && !self.is_checkpointing;
        let pass = &mut self.pass;
        let kept = if keeps_all { self.layers.len() } else { 1 };
        pass.layers.resize_with(kept.max(pass.layers.len()), Activations::default);
        pass.workspace.grow(rows, &self.layers[0], heads, options.keep_activations);
        pass.stream.grow(rows * d);
        let cx = Context {
            compute: &self.compute,
            heads,
            rotary: &self.rotary,
            epsilon: self.config.rms_norm_eps as f32,
            with_adapter: options.adapter == Adapter::On,
        };
        self.embedding.look_up(&layout.tokens, &mut pass.stream[..rows * d]);
        if options.keep_activations && self.is_checkpointing {
            pass.inputs.resize_with(self.layers.len(), Buffer::default);
        }
        for (index, layer) in self.layers.iter().enumerate() {
            let acts = &mut pass.layers[if keeps_all { index } else { 0 }];
            acts.grow(rows, layer, heads);
            acts.x[..rows * d].copy_from_slice(&pass.stream[..rows * d]);
            if options.keep_activations && self.is_checkpointing {
                pass.inputs[index].grow(rows * d);
                pass.inputs[index][..rows * d].copy_from_slice(&pass.stream[..rows * d]);
            }
            layer.forward(&cx, layout, acts, &mut pass.workspace, &mut pass.stream);
            visit(&self.compute, index, acts);
        }
    }

    /// Runs the layers without keeping anything; `visit` sees each layer's activations right after it.
    pub(super) fn run_layers_with(
        &mut self,
        layout: &Layout,
        visit: &mut dyn FnMut(&Compute, usize, &Activations),
    ) {
        let options = ForwardOptions { temperature: 1.0, adapter: Adapter::On, keep_activations: false };
        self.run_layers_visiting(layout, options, visit);
    }

    fn run_head(
        &mut self,
        layout: &Layout,
        options: ForwardOptions,
        values: &mut TokenValues,
    ) -> Vec<RowStats> {
        self.gather_hidden(layout);
        let (rows, d) = (layout.head_rows.len(), self.config.hidden_size);
        let pass = &mut self.pass;
        let hidden = &pass.hidden[..rows * d];
        let mut all = vec![RowStats::default(); rows];
        let vocabulary = self.head.as_ref().unwrap_or(&self.embedding);
        let mut visit = |index: usize, stats: RowStats, logits: &[f32]| {
            all[index] = stats;
            for target in &layout.targets[layout.head_rows[index].targets.clone()] {
                let (g, c, t) = (target.group, target.completion, target.position);
                values.logprobs[g][c][t] = stats.logprob(logits[target.token as usize]);
                values.entropies[g][c][t] = stats.entropy as f32;
                values.likeliest[g][c][t] = -stats.log_sum as f32;
            }
        };
        vocabulary.for_each_row(&self.compute, hidden, options.temperature, &mut pass.head, &mut visit);
        if let Some(head) = &self.value_head {
            values.values = Some(head_values(head, layout, &pass.hidden[..rows * d]));
        }
        all
    }

    /// Fills `pass.hidden` with the rows that have a head, after the final norm.
    fn gather_hidden(&mut self, layout: &Layout) {
        let (rows, d) = (layout.head_rows.len(), self.config.hidden_size);
        let pass = &mut self.pass;
        pass.hidden.grow(rows * d);
        pass.dhidden.grow(rows * d);
        pass.rstd.grow(rows);
        let gathered = &mut pass.dhidden[..rows * d];
        for (head, row) in layout.head_rows.iter().zip(gathered.chunks_exact_mut(d)) {
            row.copy_from_slice(&pass.stream[head.row * d..(head.row + 1) * d]);
        }
        let hidden = &mut pass.hidden[..rows * d];
        let epsilon = self.config.rms_norm_eps as f32;
        elementwise::norm(
            &self.compute,
            gathered,
            &self.final_norm.weight,
            epsilon,
            hidden,
            &mut pass.rstd[..rows],
        );
    }

    pub(super) fn backward_pass(&mut self, gradients: &TokenGradients) -> Result<(), ModelError> {
        let Some(saved) = self.pass.saved.take() else {
            return Err(ModelError::Invalid(
                "backward needs a forward pass that kept its activations".into(),
            ));
        };
        let (layout, entropies) = (&saved.layout, gradients.entropies.as_ref());
        let outputs = self.value_head.as_ref().map_or(0, ValueProjection::outputs);
        if !layout.fits(&gradients.logprobs, 1)
            || entropies.is_some_and(|e| !layout.fits(e, 1))
            || gradients.likeliest.as_ref().is_some_and(|l| !layout.fits(l, 1))
            || gradients.values.as_ref().is_some_and(|v| outputs == 0 || !layout.fits(v, outputs))
        {
            return Err(ModelError::Invalid("gradients do not have the shape of the forward pass".into()));
        }
        let rows = row_gradients(layout, gradients);
        if rows.is_empty() && gradients.values.is_none() {
            return Ok(());
        }
        self.backward_head(&saved, &rows, gradients);
        self.backward_layers(&saved);
        self.backward_embedding(&saved.layout);
        Ok(())
    }

    /// Fills `pass.dstream` with the gradient of the residual stream after the last layer.
    fn backward_head(&mut self, saved: &Saved, rows: &[RowGradient], gradients: &TokenGradients) {
        let (total, heads, d) = (saved.layout.rows(), saved.layout.head_rows.len(), self.config.hidden_size);
        let pass = &mut self.pass;
        let dhidden = &mut pass.dhidden[..heads * d];
        dhidden.fill(0.0);
        let hidden = &pass.hidden[..heads * d];
        let vocabulary = self.head.as_mut().unwrap_or(&mut self.embedding);
        let temperature = saved.options.temperature;
        vocabulary.backward(&self.compute, hidden, &saved.stats, temperature, rows, dhidden, &mut pass.head);
        if let (Some(head), Some(values)) = (&mut self.value_head, &gradients.values) {
            for (row, summed) in value_gradients(&saved.layout, values, head.outputs()).iter().enumerate() {
                let range = row * d..(row + 1) * d;
                head.backward(&pass.hidden[range.clone()], summed, &mut pass.dhidden[range]);
            }
        }
        let dhidden = &pass.dhidden[..heads * d];
        // Gather the stream rows again, take the norm's gradient there, and scatter it.
        let mut gathered = vec![0.0; heads * d];
        for (head, row) in saved.layout.head_rows.iter().zip(gathered.chunks_exact_mut(d)) {
            row.copy_from_slice(&pass.stream[head.row * d..(head.row + 1) * d]);
        }
        let rstd = &pass.rstd[..heads];
        let mut dgathered = vec![0.0; heads * d];
        elementwise::norm_backward(
            &self.compute,
            &gathered,
            &self.final_norm.weight,
            rstd,
            dhidden,
            &mut dgathered,
        );
        self.final_norm.add_gradient(&gathered, rstd, dhidden);
        pass.dstream.grow(total * d);
        pass.dstream[..total * d].fill(0.0);
        for (head, row) in saved.layout.head_rows.iter().zip(dgathered.chunks_exact(d)) {
            pass.dstream[head.row * d..(head.row + 1) * d].copy_from_slice(row);
        }
    }

    fn backward_layers(&mut self, saved: &Saved) {
        let (rows, d, heads) = (saved.layout.rows(), self.config.hidden_size, self.heads());
        let pass = &mut self.pass;
        let cx = Context {
            compute: &self.compute,
            heads,
            rotary: &self.rotary,
            epsilon: self.config.rms_norm_eps as f32,
            with_adapter: saved.options.adapter == Adapter::On,
        };
        for (index, layer) in self.layers.iter_mut().enumerate().rev() {
            let acts = if self.is_checkpointing {
                let acts = &mut pass.layers[0];
                acts.x[..rows * d].copy_from_slice(&pass.inputs[index][..rows * d]);
                layer.forward(&cx, &saved.layout, acts, &mut pass.workspace, &mut pass.stream);
                acts
            } else {
                &mut pass.layers[index]
            };
            layer.backward(&cx, &saved.layout, acts, &mut pass.workspace, &mut pass.dstream[..rows * d]);
        }
    }

    fn backward_embedding(&mut self, layout: &Layout) {
        let d = self.config.hidden_size;
        let Some((_, gradients)) = &mut self.embedding.dense else { return };
        for (&token, row) in layout.tokens.iter().zip(self.pass.dstream.chunks_exact(d)) {
            let total = &mut gradients[token as usize * d..][..d];
            for (g, x) in total.iter_mut().zip(row) {
                *g += x;
            }
        }
    }

    pub(super) fn collect_parameters(&mut self) -> Vec<Parameter<'_>> {
        let width = self.config.hidden_size;
        let mut all = Vec::new();
        for vocabulary in [Some(&mut self.embedding), self.head.as_mut()].into_iter().flatten() {
            if let Some((values, gradients)) = &mut vocabulary.dense {
                let shape = [values.len() / width, width];
                all.push(Parameter { name: &vocabulary.name, shape, values, gradients, is_decayed: true });
            }
        }
        for layer in &mut self.layers {
            layer.input_norm.push_parameter(&mut all);
            layer.qkv.push_parameters(&mut all);
            layer.o.push_parameters(&mut all);
            layer.post_norm.push_parameter(&mut all);
            layer.gate_up.push_parameters(&mut all);
            layer.down.push_parameters(&mut all);
        }
        self.final_norm.push_parameter(&mut all);
        if let Some(head) = &mut self.value_head {
            head.push_parameters(&mut all);
        }
        all
    }
}

/// What a value head says of every token. Tokens that one row predicts share its numbers.
fn head_values(head: &ValueProjection, layout: &Layout, hidden: &[f32]) -> Vec<Vec<Vec<f32>>> {
    let (outputs, d) = (head.outputs(), hidden.len() / layout.head_rows.len());
    let mut values = layout.zeros(outputs);
    let mut own = vec![0.0; outputs];
    for (row, hidden) in layout.head_rows.iter().zip(hidden.chunks_exact(d)) {
        head.forward(hidden, &mut own);
        for target in &layout.targets[row.targets.clone()] {
            let first = target.position * outputs;
            values[target.group][target.completion][first..first + outputs].copy_from_slice(&own);
        }
    }
    values
}

/// Gradients of the value head's numbers by head row, summed over the tokens that a row predicts.
fn value_gradients(layout: &Layout, gradients: &[Vec<Vec<f32>>], outputs: usize) -> Vec<Vec<f32>> {
    let sum = |row: &HeadRow| {
        let mut summed = vec![0.0; outputs];
        for target in &layout.targets[row.targets.clone()] {
            let own = &gradients[target.group][target.completion][target.position * outputs..][..outputs];
            summed.iter_mut().zip(own).for_each(|(sum, gradient)| *sum += gradient);
        }
        summed
    };
    layout.head_rows.iter().map(sum).collect()
}

/// Gradients by head row; rows that no gradient reaches are left out.
fn row_gradients(layout: &Layout, gradients: &TokenGradients) -> Vec<RowGradient> {
    let mut all = Vec::new();
    for (row, head) in layout.head_rows.iter().enumerate() {
        let mut gradient = RowGradient { row, ..RowGradient::default() };
        for target in &layout.targets[head.targets.clone()] {
            let at = |values: &[Vec<Vec<f32>>]| values[target.group][target.completion][target.position];
            let logprob = at(&gradients.logprobs);
            if logprob != 0.0 {
                gradient.targets.push((target.token, logprob));
            }
            gradient.entropy += gradients.entropies.as_ref().map_or(0.0, |e| at(e));
            gradient.likeliest += gradients.likeliest.as_ref().map_or(0.0, |l| at(l));
        }
        if !gradient.targets.is_empty() || gradient.entropy != 0.0 || gradient.likeliest != 0.0 {
            all.push(gradient);
        }
    }
    all
}
