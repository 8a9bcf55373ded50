//! One decoder layer of the Llama family, forward and backward.
//!
//! x → norm → qkv → rotary → attention → o → + → norm → gate·up → SwiGLU → down → +

use super::attention::{self, Heads};
use super::attention_backward::{self, BackwardBuffers};
use super::buffer::Buffer;
use super::compute::Compute;
use super::elementwise::{self, Rotary};
use super::layout::Layout;
use super::projection::{AdapterScratch, Projection};
use crate::Parameter;

/// A norm's weight, and its gradient where it is trained.
pub(crate) struct Norm {
    /// Parameter name.
    pub(crate) name: String,
    /// `[D]`.
    pub(crate) weight: Vec<f32>,
    /// `[D]`, or empty if frozen.
    pub(crate) gradients: Vec<f32>,
}

impl Norm {
    /// Adds the weight's gradient, if it is trained.
    pub(crate) fn add_gradient(&mut self, x: &[f32], rstd: &[f32], dy: &[f32]) {
        if !self.gradients.is_empty() {
            elementwise::norm_weight_backward(x, rstd, dy, &mut self.gradients);
        }
    }

    /// Appends the parameter, if it is trained.
    pub(crate) fn push_parameter<'a>(&'a mut self, out: &mut Vec<Parameter<'a>>) {
        if !self.gradients.is_empty() {
            let shape = [1, self.weight.len()];
            let (values, gradients) = (&mut self.weight[..], &mut self.gradients[..]);
            out.push(Parameter { name: &self.name, shape, values, gradients, is_decayed: false });
        }
    }
}

/// Weights of a layer.
pub(crate) struct Layer {
    pub(super) input_norm: Norm,
    pub(super) qkv: Projection,
    pub(super) o: Projection,
    pub(super) post_norm: Norm,
    pub(super) gate_up: Projection,
    pub(super) down: Projection,
}

/// What a layer's backward pass needs of its forward pass, T rows each.
#[derive(Default)]
pub(crate) struct Activations {
    pub(super) x: Buffer,
    rstd: Buffer,
    qkv: Buffer,
    attended: Buffer,
    middle: Buffer,
    middle_rstd: Buffer,
    gate_up: Buffer,
    low: [Buffer; 4],
}

/// Buffers shared by all layers.
#[derive(Default)]
pub(crate) struct Workspace {
    normed: Buffer,
    gated: Buffer,
    y: Buffer,
    dwide: Buffer,
    dnormed: Buffer,
    rstd: Buffer,
    attention: BackwardBuffers,
    adapter: AdapterScratch,
}

/// What every layer is computed with.
pub(crate) struct Context<'a> {
    pub(super) compute: &'a Compute,
    pub(super) heads: Heads,
    pub(super) rotary: &'a Rotary,
    pub(super) epsilon: f32,
    pub(super) with_adapter: bool,
}

impl Activations {
    /// Makes room for `rows` rows.
    pub(crate) fn grow(&mut self, rows: usize, layer: &Layer, heads: Heads) {
        let width = layer.qkv.inner();
        self.x.grow(rows * width);
        self.rstd.grow(rows);
        self.qkv.grow(rows * heads.qkv_width());
        self.attended.grow(rows * heads.out_width());
        self.middle.grow(rows * width);
        self.middle_rstd.grow(rows);
        self.gate_up.grow(rows * layer.gate_up.columns());
        for (low, projection) in self.low.iter_mut().zip(layer.projections()) {
            low.grow(rows * projection.adapter_width());
        }
    }

    /// The rotated queries and keys, and the values, `[T, qkv]`.
    pub(crate) fn qkv(&self) -> &[f32] {
        &self.qkv
    }

    /// `qkv` and the attention's output.
    pub(crate) fn attention_buffers(&mut self) -> (&[f32], &mut [f32]) {
        (&self.qkv, &mut self.attended)
    }

    /// Floats a row takes.
    pub(crate) fn floats_per_row(layer: &Layer, heads: Heads) -> usize {
        let low: usize = layer.projections().iter().map(|p| p.adapter_width()).sum();
        2 * layer.qkv.inner() + 2 + heads.qkv_width() + heads.out_width() + layer.gate_up.columns() + low
    }
}

impl Workspace {
    /// Makes room for `rows` rows.
    pub(crate) fn grow(&mut self, rows: usize, layer: &Layer, heads: Heads, is_backward: bool) {
        let (width, inner) = (layer.qkv.inner(), layer.down.inner());
        self.normed.grow(rows * width);
        self.gated.grow(rows * inner);
        self.y.grow(rows * width);
        self.rstd.grow(rows);
        if is_backward {
            self.dwide.grow(rows * inner.max(heads.qkv_width()).max(heads.out_width()));
            self.dnormed.grow(rows * width.max(heads.out_width()));
        }
    }
}

impl Layer {
    fn projections(&self) -> [&Projection; 4] {
        [&self.qkv, &self.o, &self.gate_up, &self.down]
    }

    /// All projections, in order.
    pub(crate) fn projections_mut(&mut self) -> [&mut Projection; 4] {
        [&mut self.qkv, &mut self.o, &mut self.gate_up, &mut self.down]
    }

    /// The residual stream after this layer, `[T, D]`, from `activations.x`.
    pub(crate) fn forward(
        &self,
        cx: &Context<'_>,
        layout: &Layout,
        acts: &mut Activations,
        ws: &mut Workspace,
        out: &mut [f32],
    ) {
        let rows = layout.rows();
        self.attend_input(cx, &layout.positions, acts, ws);
        let (qkv, attended) = (cx.heads.qkv_width(), cx.heads.out_width());
        let target = &mut acts.attended[..rows * attended];
        attention::forward(cx.compute, cx.heads, &layout.segments, &acts.qkv[..rows * qkv], target);
        self.after_attention(cx, rows, acts, ws, out);
    }

    /// Norm, qkv and rotary embedding of `positions.len()` rows of `acts.x`.
    pub(crate) fn attend_input(
        &self,
        cx: &Context<'_>,
        positions: &[u32],
        acts: &mut Activations,
        ws: &mut Workspace,
    ) {
        let rows = positions.len();
        let d = self.qkv.inner();
        let normed = &mut ws.normed[..rows * d];
        let rstd = &mut acts.rstd[..rows];
        elementwise::norm(cx.compute, &acts.x[..rows * d], &self.input_norm.weight, cx.epsilon, normed, rstd);
        let width = cx.heads.qkv_width();
        let qkv = &mut acts.qkv[..rows * width];
        self.qkv.apply(cx.compute, rows, normed, qkv, &mut acts.low[0], cx.with_adapter);
        cx.rotary.apply(cx.compute, qkv, width, cx.heads.queries + cx.heads.keys, positions, false);
    }

    /// Everything after the attention: `acts.attended` and `acts.x` to the layer's output.
    pub(crate) fn after_attention(
        &self,
        cx: &Context<'_>,
        rows: usize,
        acts: &mut Activations,
        ws: &mut Workspace,
        out: &mut [f32],
    ) {
        let (d, f) = (self.qkv.inner(), self.down.inner());
        let compute = cx.compute;
        let y = &mut ws.y[..rows * d];
        self.o.apply(compute, rows, &acts.attended, y, &mut acts.low[1], cx.with_adapter);
        elementwise::add(compute, &acts.x[..rows * d], y, &mut acts.middle[..rows * d]);
        let (middle, normed) = (&acts.middle[..rows * d], &mut ws.normed[..rows * d]);
        let rstd = &mut acts.middle_rstd[..rows];
        elementwise::norm(compute, middle, &self.post_norm.weight, cx.epsilon, normed, rstd);
        self.gate_up.apply(compute, rows, normed, &mut acts.gate_up, &mut acts.low[2], cx.with_adapter);
        let gated = &mut ws.gated[..rows * f];
        elementwise::gate(compute, &acts.gate_up[..rows * 2 * f], f, gated);
        self.down.apply(compute, rows, gated, y, &mut acts.low[3], cx.with_adapter);
        elementwise::add(compute, middle, y, &mut out[..rows * d]);
    }

    /// Turns the gradient of the output, `dx` `[T, D]`, into that of the input; consumes the activations.
    pub(crate) fn backward(
        &mut self,
        cx: &Context<'_>,
        layout: &Layout,
        acts: &mut Activations,
        ws: &mut Workspace,
        dx: &mut [f32],
    ) {
        let rows = layout.rows();
        let (d, f) = (self.qkv.inner(), self.down.inner());
        let compute = cx.compute;
        let gate_up = &mut acts.gate_up[..rows * 2 * f];
        let gated = &mut ws.gated[..rows * f];
        elementwise::gate(compute, gate_up, f, gated);
        let dgated = &mut ws.dwide[..rows * f];
        self.down.backward(compute, rows, gated, &acts.low[3], dx, dgated, &mut ws.adapter);
        elementwise::gate_backward(compute, gate_up, f, dgated);

        let (middle, normed) = (&acts.middle[..rows * d], &mut ws.normed[..rows * d]);
        elementwise::norm(compute, middle, &self.post_norm.weight, cx.epsilon, normed, &mut ws.rstd[..rows]);
        let dnormed = &mut ws.dnormed[..rows * d];
        self.gate_up.backward(compute, rows, normed, &acts.low[2], gate_up, dnormed, &mut ws.adapter);
        let rstd = &acts.middle_rstd[..rows];
        elementwise::norm_backward(compute, middle, &self.post_norm.weight, rstd, dnormed, dx);
        self.post_norm.add_gradient(middle, rstd, dnormed);
        self.backward_attention(cx, layout, acts, ws, dx);
    }

    fn backward_attention(
        &mut self,
        cx: &Context<'_>,
        layout: &Layout,
        acts: &mut Activations,
        ws: &mut Workspace,
        dx: &mut [f32],
    ) {
        let rows = layout.rows();
        let (d, heads, compute) = (self.qkv.inner(), cx.heads, cx.compute);
        let (wide, narrow) = (heads.qkv_width(), heads.out_width());
        let dattended = &mut ws.dnormed[..rows * narrow];
        self.o.backward(compute, rows, &acts.attended, &acts.low[1], dx, dattended, &mut ws.adapter);
        let dqkv = &mut ws.dwide[..rows * wide];
        attention_backward::backward(
            compute,
            heads,
            &layout.segments,
            &acts.qkv[..rows * wide],
            &acts.attended[..rows * narrow],
            dattended,
            dqkv,
            &mut ws.attention,
        );
        cx.rotary.apply(compute, dqkv, wide, heads.queries + heads.keys, &layout.positions, true);

        let (x, normed) = (&acts.x[..rows * d], &mut ws.normed[..rows * d]);
        elementwise::norm(compute, x, &self.input_norm.weight, cx.epsilon, normed, &mut ws.rstd[..rows]);
        let dnormed = &mut ws.dnormed[..rows * d];
        self.qkv.backward(compute, rows, normed, &acts.low[0], dqkv, dnormed, &mut ws.adapter);
        let rstd = &acts.rstd[..rows];
        elementwise::norm_backward(compute, x, &self.input_norm.weight, rstd, dnormed, dx);
        self.input_norm.add_gradient(x, rstd, dnormed);
    }
}
