//! Fused linear projections (several of a layer's matrices that share their input) with low-rank adapters.
//!
//! LoRA, arXiv 2106.09685: y = W·x + (α/r)·B·A·x, W frozen. A starts uniform within ±1/√K and B at zero, as PEFT does.
//! Adapters of parts that share their input are computed together: their A matrices lie one below the other.

use super::buffer::Shared;
use super::compute::Compute;
use super::gemm::{Product, gemm, gemm_all};
use super::operands::{Left, Narrow, NarrowBlock, Out, Packed, Right, Tail};
use crate::{LoraConfig, Parameter};

/// One matrix of a fused projection: its columns in the output.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// Hugging Face module name, such as `model.layers.0.self_attn.q_proj`.
    pub(crate) module: String,
    /// First output column.
    pub(crate) first: usize,
    /// Output columns.
    pub(crate) width: usize,
}

/// All weights of the projection and their gradient, when everything is trained.
struct Dense {
    values: Vec<f32>,
    gradients: Vec<f32>,
    /// Parameter names, one a part.
    names: Vec<String>,
}

/// The adapted parts.
struct Adapter {
    rank: usize,
    scale: f32,
    /// Indices into `parts`.
    adapted: Vec<usize>,
    /// `[adapted · r, K]`.
    a: Vec<f32>,
    a_gradients: Vec<f32>,
    /// For each adapted part Bᵀ `[r, width]`.
    b: Vec<Vec<f32>>,
    b_gradients: Vec<Vec<f32>>,
    /// Aᵀ times the scale, `[K, adapted · r]`.
    a_packed: Packed,
    /// A, `[adapted · r, K]`.
    a_rows: Narrow,
    /// B of each adapted part, `[width, r]`.
    b_packed: Vec<Packed>,
    /// Bᵀ of all parts, `[adapted · r, N]`.
    b_rows: Narrow,
    names: Vec<[String; 2]>,
}

/// y `[T, N]` = x `[T, K]` · Wᵀ, W `[N, K]`.
pub(crate) struct Projection {
    inner: usize,
    columns: usize,
    parts: Vec<Part>,
    forward: Packed,
    /// Absent in a network that is only sampled.
    backward: Option<Packed>,
    dense: Option<Dense>,
    adapter: Option<Adapter>,
}

/// Intermediate buffers of adapters: `[T, adapted · r]` each.
#[derive(Default)]
pub(crate) struct AdapterScratch {
    pub(super) gradients: super::buffer::Buffer,
}

impl Projection {
    /// A projection of `inner` inputs from matrices `[width, inner]` one below the other.
    pub(crate) fn new(
        compute: &Compute,
        inner: usize,
        matrices: Vec<(String, Vec<f32>)>,
        is_trainable: bool,
        is_dense: bool,
    ) -> Projection {
        let mut parts = Vec::new();
        let mut values = Vec::new();
        for (module, matrix) in matrices {
            parts.push(Part { module, first: values.len() / inner, width: matrix.len() / inner });
            values.extend_from_slice(&matrix);
        }
        let columns = values.len() / inner;
        let forward = Packed::from_transposed(compute, &values, inner, columns);
        let backward = is_trainable.then(|| Packed::from_rows(compute, &values, columns, inner));
        let names = parts.iter().map(|p| format!("{}.weight", p.module)).collect();
        let dense = is_dense.then(|| Dense { gradients: vec![0.0; values.len()], values, names });
        Projection { inner, columns, parts, forward, backward, dense, adapter: None }
    }

    /// Adds adapters to the parts that `lora` targets; `uniform` draws from [-1, 1).
    pub(crate) fn add_adapter(
        &mut self,
        compute: &Compute,
        lora: &LoraConfig,
        uniform: &mut dyn FnMut() -> f32,
    ) {
        let is_target =
            |p: &Part| lora.targets.iter().any(|t| p.module.rsplit('.').next() == Some(t.as_str()));
        let adapted: Vec<usize> = (0..self.parts.len()).filter(|&i| is_target(&self.parts[i])).collect();
        if adapted.is_empty() {
            return;
        }
        let bound = 1.0 / (self.inner as f32).sqrt();
        let a: Vec<f32> = (0..adapted.len() * lora.rank * self.inner).map(|_| uniform() * bound).collect();
        let b: Vec<Vec<f32>> = adapted.iter().map(|&i| vec![0.0; lora.rank * self.parts[i].width]).collect();
        let name = |&i: &usize| ["lora_A", "lora_B"].map(|m| format!("{}.{m}.weight", self.parts[i].module));
        self.adapter = Some(Adapter {
            rank: lora.rank,
            scale: lora.alpha / lora.rank as f32,
            names: adapted.iter().map(name).collect(),
            a_gradients: vec![0.0; a.len()],
            b_gradients: b.clone(),
            a,
            b,
            a_packed: Packed::default(),
            a_rows: Narrow::default(),
            b_packed: Vec::new(),
            b_rows: Narrow::default(),
            adapted,
        });
        self.parameters_changed(compute);
    }

    /// Input width, K.
    pub(crate) fn inner(&self) -> usize {
        self.inner
    }

    /// Output width, N.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// Width of the adapter's intermediate row; 0 without one.
    pub(crate) fn adapter_width(&self) -> usize {
        self.adapter.as_ref().map_or(0, |a| a.adapted.len() * a.rank)
    }

    /// Packs changed parameters again.
    pub(crate) fn parameters_changed(&mut self, compute: &Compute) {
        if let Some(dense) = &self.dense {
            self.forward = Packed::from_transposed(compute, &dense.values, self.inner, self.columns);
            self.backward = Some(Packed::from_rows(compute, &dense.values, self.columns, self.inner));
        }
        if let Some(adapter) = &mut self.adapter {
            let width = adapter.adapted.len() * adapter.rank;
            adapter.a_packed = Packed::from_transposed(compute, &adapter.a, self.inner, width);
            adapter.a_packed.scale(adapter.scale);
            let all = NarrowBlock { first_column: 0, columns: self.inner, first_term: 0, values: &adapter.a };
            adapter.a_rows = Narrow::from_blocks(width, self.inner, &[all]);
            let pack = |(b, &part): (&Vec<f32>, &usize)| {
                Packed::from_transposed(compute, b, self.parts[part].width, adapter.rank)
            };
            adapter.b_packed = adapter.b.iter().zip(&adapter.adapted).map(pack).collect();
            let block = |(i, &part): (usize, &usize)| {
                let Part { first: first_column, width: columns, .. } = self.parts[part];
                NarrowBlock { first_column, columns, first_term: i * adapter.rank, values: &adapter.b[i] }
            };
            let blocks: Vec<_> = adapter.adapted.iter().enumerate().map(block).collect();
            adapter.b_rows = Narrow::from_blocks(width, self.columns, &blocks);
        }
    }

    /// out `[rows, N]`; `low` `[rows, adapted · r]` keeps the adapters' intermediate, scale included, for the backward pass.
    pub(crate) fn apply(
        &self,
        compute: &Compute,
        rows: usize,
        x: &[f32],
        out: &mut [f32],
        low: &mut [f32],
        with_adapter: bool,
    ) {
        let left = Left::rows(x, self.inner);
        let full = Product::new(self.forward.right(), Out::set(out, self.columns));
        let Some(adapter) = self.adapter.as_ref().filter(|_| with_adapter) else {
            return gemm_all(compute, rows, left, &[full]);
        };
        let low = Shared::new(low);
        let reduced =
            Product::new(adapter.a_packed.right(), Out::shared(low, 0, adapter.adapted.len() * adapter.rank));
        let added = Tail { left: low, right: &adapter.b_rows };
        gemm_all(compute, rows, left, &[reduced, full.followed_by(added)]);
    }

    /// dx (overwritten) from dout; adds the gradients of the trainable parameters.
    #[expect(clippy::too_many_arguments, reason = "one fused operation")]
    pub(crate) fn backward(
        &mut self,
        compute: &Compute,
        rows: usize,
        x: &[f32],
        low: &[f32],
        dout: &[f32],
        dx: &mut [f32],
        scratch: &mut AdapterScratch,
    ) {
        let backward = self.backward.as_ref().expect("a network that is only sampled has no backward pass");
        let (left, full) =
            (Left::rows(dout, self.columns), Product::new(backward.right(), Out::set(dx, self.inner)));
        if let Some(dense) = &mut self.dense {
            let right = Right::rows(x, rows, self.inner, self.inner);
            let left = Left::transposed(dout, self.columns);
            gemm(compute, self.columns, left, right, Out::add(&mut dense.gradients, self.inner));
        }
        let Some(adapter) = &mut self.adapter else { return gemm_all(compute, rows, left, &[full]) };
        let (rank, width) = (adapter.rank, adapter.adapted.len() * adapter.rank);
        scratch.gradients.grow(rows * width);
        let dlow = &mut scratch.gradients[..rows * width];
        for (i, &part) in adapter.adapted.iter().enumerate() {
            let part = &self.parts[part];
            let dpart = &dout[part.first..];
            let right = Right::rows(dpart, rows, part.width, self.columns);
            let by_term = Left::transposed(&low[i * rank..], width);
            gemm(compute, rank, by_term, right, Out::add(&mut adapter.b_gradients[i], part.width));
            let target = Out::set(dlow, width).from(i * rank);
            gemm(compute, rows, Left::rows(dpart, self.columns), adapter.b_packed[i].right(), target);
        }
        for u in dlow.iter_mut() {
            *u *= adapter.scale;
        }
        let right = Right::rows(x, rows, self.inner, self.inner);
        gemm(
            compute,
            width,
            Left::transposed(dlow, width),
            right,
            Out::add(&mut adapter.a_gradients, self.inner),
        );
        let added = Tail { left: Shared::new(dlow), right: &adapter.a_rows };
        gemm_all(compute, rows, left, &[full.followed_by(added)]);
    }

    /// Appends the trainable parameters.
    pub(crate) fn push_parameters<'a>(&'a mut self, out: &mut Vec<Parameter<'a>>) {
        let (inner, parts) = (self.inner, &self.parts);
        if let Some(dense) = &mut self.dense {
            let (mut values, mut gradients) = (&mut dense.values[..], &mut dense.gradients[..]);
            for (part, name) in parts.iter().zip(&dense.names) {
                let (v, v_rest) = values.split_at_mut(part.width * inner);
                let (g, g_rest) = gradients.split_at_mut(part.width * inner);
                (values, gradients) = (v_rest, g_rest);
                out.push(Parameter {
                    name,
                    shape: [part.width, inner],
                    values: v,
                    gradients: g,
                    is_decayed: true,
                });
            }
        }
        let Some(adapter) = &mut self.adapter else { return };
        let block = adapter.rank * inner;
        let a = adapter.a.chunks_mut(block).zip(adapter.a_gradients.chunks_mut(block));
        let b = adapter.b.iter_mut().zip(&mut adapter.b_gradients);
        for (((a, da), (b, db)), (names, &part)) in a.zip(b).zip(adapter.names.iter().zip(&adapter.adapted)) {
            let width = parts[part].width;
            out.push(Parameter {
                name: &names[0],
                shape: [adapter.rank, inner],
                values: a,
                gradients: da,
                is_decayed: true,
            });
            // Stored transposed, `[r, N]`: rows of B are added where they lie.
            out.push(Parameter {
                name: &names[1],
                shape: [adapter.rank, width],
                values: b,
                gradients: db,
                is_decayed: true,
            });
        }
    }
}
