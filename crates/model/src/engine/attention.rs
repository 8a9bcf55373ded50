//! Causal grouped-query attention (arXiv 2305.13245) over packed segments, forward; `attention_backward` has the
//! gradients, `decode` the cached form.
//!
//! Scores, weights and sums run in the same order with and without a cache: a score is one chain over the head's
//! dimensions, the softmax sums in sixteen lanes by key position, and the output is one chain over the keys from 0 on.
//! Keys that a query must not see get weight 0, which changes no bit of a sum.
#![expect(unsafe_code, reason = "kernels compiled per instruction set; heads written by parallel tasks")]

use std::cell::RefCell;

use super::buffer::{Buffer, Shared};
use super::compute::Compute;
use super::gemm::gemm_serial;
use super::layout::Segment;
use super::microkernel::{MAX_ROWS, PANEL};
use super::operands::{Left, Out, Right};
use super::simd::{Isa, LANES, Lanes, kernel};

/// Heads and widths of one attention layer; a row of `qkv` is `[queries | keys | values]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heads {
    /// Query heads, H.
    pub(crate) queries: usize,
    /// Key/value heads; divides H.
    pub(crate) keys: usize,
    /// Width of a head.
    pub(crate) dim: usize,
}

impl Heads {
    /// Floats in a row of `qkv`.
    #[must_use]
    pub(crate) fn qkv_width(self) -> usize {
        (self.queries + 2 * self.keys) * self.dim
    }

    /// Floats in a row of the output.
    #[must_use]
    pub(crate) fn out_width(self) -> usize {
        self.queries * self.dim
    }

    /// First float of key head `head` in a row of `qkv`.
    #[must_use]
    pub(crate) fn key_at(self, head: usize) -> usize {
        (self.queries + head) * self.dim
    }

    /// First float of value head `head` in a row of `qkv`.
    #[must_use]
    pub(crate) fn value_at(self, head: usize) -> usize {
        (self.queries + self.keys + head) * self.dim
    }

    /// What a score is multiplied with.
    pub(super) fn scale(self) -> f32 {
        1.0 / (self.dim as f32).sqrt()
    }
}

/// Writes one key into panels `[key / 32][dim][32]`.
pub(crate) fn store_key(panels: &mut [f32], position: usize, key: &[f32]) {
    let base = position / PANEL * PANEL * key.len() + position % PANEL;
    for (d, &x) in key.iter().enumerate() {
        panels[base + d * PANEL] = x;
    }
}

/// Floats that panels of `keys` keys take.
#[must_use]
pub(crate) fn key_panels_len(keys: usize, dim: usize) -> usize {
    keys.next_multiple_of(PANEL) * dim
}

kernel! {
    /// Softmax of `scores[..len]` (times scale) without its division, in place; the rest becomes 0. Returns 1 / sum.
    pub(super) fn softmax_row(scores: &mut [f32], len: usize, scale: f32) -> f32 {
        let (seen, unseen) = scores.split_at_mut(len);
        unseen.fill(0.0);
        let factor = Lanes::splat(scale);
        let mut max = Lanes::splat(f32::NEG_INFINITY);
        for part in seen.chunks_mut(LANES) {
            let x = Lanes::load_or(part, f32::NEG_INFINITY).mul(factor);
            max = x.max(max);
            x.store(part);
        }
        let top = Lanes::splat(max.max_lane());
        let mut sum = Lanes::splat(0.0);
        for part in seen.chunks_mut(LANES) {
            let e = Lanes::load_or(part, f32::NEG_INFINITY).sub(top).exp();
            sum = sum.add(e);
            e.store(part);
        }
        1.0 / sum.sum()
    }
}

kernel! {
    pub(super) fn scale_row(x: &mut [f32], factor: f32) {
        let factor = Lanes::splat(factor);
        for part in x.chunks_mut(LANES) {
            Lanes::load_or(part, 0.0).mul(factor).store(part);
        }
    }
}

/// Successive queries of one head.
#[derive(Clone, Copy)]
pub(super) struct Queries<'a> {
    /// First query; queries are `stride` floats apart.
    pub(super) data: &'a [f32],
    pub(super) stride: usize,
    pub(super) count: usize,
    /// Keys that the first query sees; each next one sees one more.
    seen: usize,
}

impl<'a> Queries<'a> {
    /// Rows `first..` of a segment, at most `limit`: each sees its prompt, and its segment up to itself.
    pub(super) fn of_segment(
        heads: Heads,
        segment: Segment,
        query_head: usize,
        first: usize,
        limit: usize,
        qkv: &'a [f32],
    ) -> Queries<'a> {
        let stride = heads.qkv_width();
        Queries {
            data: &qkv[(segment.first_row + first) * stride + query_head * heads.dim..],
            stride,
            count: limit.min(segment.rows - first),
            seen: segment.prefix_rows + first + 1,
        }
    }

    pub(super) fn keys(&self) -> usize {
        self.seen + self.count - 1
    }

    /// Keys rounded up to a panel.
    pub(super) fn padded_keys(&self) -> usize {
        self.keys().next_multiple_of(PANEL)
    }

    /// The same queries, a tile at a time.
    pub(super) fn tiles(self) -> impl Iterator<Item = Queries<'a>> {
        (0..self.count).step_by(MAX_ROWS).map(move |first| Queries {
            data: &self.data[first * self.stride..],
            count: MAX_ROWS.min(self.count - first),
            seen: self.seen + first,
            ..self
        })
    }
}

/// Unnormalised weights of a tile of queries into rows of `weights`, 0 for what they do not see; a factor 1 / sum each.
pub(super) fn weigh(
    isa: Isa,
    queries: &Queries<'_>,
    dim: usize,
    panels: &[f32],
    scale: f32,
    weights: &mut [f32],
    stride: usize,
) -> [f32; MAX_ROWS] {
    let right = Right::panels(panels, dim, queries.padded_keys());
    let left = Left::rows(queries.data, queries.stride);
    gemm_serial(isa, queries.count, left, right, Out::set(weights, stride));
    let mut factors = [0.0; MAX_ROWS];
    for (i, row) in weights.chunks_exact_mut(stride).take(queries.count).enumerate() {
        factors[i] = softmax_row(isa, row, queries.seen + i, scale);
    }
    factors
}

/// What a task gathers and computes, kept by its thread.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) key_panels: Buffer,
    pub(super) value_panels: Buffer,
    pub(super) keys: Buffer,
    pub(super) values: Buffer,
    pub(super) weights: Buffer,
    pub(super) dweights: Buffer,
    pub(super) dkeys: Buffer,
    pub(super) dvalues: Buffer,
}

thread_local! {
    pub(super) static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

impl Scratch {
    /// Gathers keys (as panels) and values of a segment and its prompt for one key head.
    pub(super) fn gather(&mut self, heads: Heads, qkv: &[f32], segment: Segment, head: usize) {
        let (dim, width) = (heads.dim, heads.qkv_width());
        let total = segment.prefix_rows + segment.rows;
        self.key_panels.grow(key_panels_len(total, dim));
        self.values.grow(total * dim);
        for position in 0..total {
            let row = &qkv[segment.row_of(position) * width..][..width];
            store_key(&mut self.key_panels, position, &row[heads.key_at(head)..][..dim]);
            self.values[position * dim..][..dim].copy_from_slice(&row[heads.value_at(head)..][..dim]);
        }
    }
}

impl Segment {
    pub(super) fn row_of(&self, position: usize) -> usize {
        if position < self.prefix_rows {
            self.prefix_row + position
        } else {
            self.first_row + position - self.prefix_rows
        }
    }
}

/// Attention of all segments: `qkv` `[T, (H + 2·KV)·dim]` (rotated) to `out` `[T, H·dim]`.
pub(crate) fn forward(compute: &Compute, heads: Heads, segments: &[Segment], qkv: &[f32], out: &mut [f32]) {
    let out = Shared::new(out);
    compute.pool.run(segments.len() * heads.keys, &|task| {
        let (segment, head) = (segments[task / heads.keys], task % heads.keys);
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.gather(heads, qkv, segment, head);
            forward_task(compute.isa, heads, segment, head, qkv, out, scratch);
        });
    });
}

fn forward_task(
    isa: Isa,
    heads: Heads,
    segment: Segment,
    head: usize,
    qkv: &[f32],
    out: Shared<'_>,
    scratch: &mut Scratch,
) {
    let dim = heads.dim;
    let share = heads.queries / heads.keys;
    for query_head in head * share..(head + 1) * share {
        for first in (0..segment.rows).step_by(MAX_ROWS) {
            let row = segment.first_row + first;
            let queries = Queries::of_segment(heads, segment, query_head, first, MAX_ROWS, qkv);
            let (keys, stride) = (queries.keys(), queries.padded_keys());
            let Scratch { key_panels, weights, .. } = &mut *scratch;
            weights.grow(MAX_ROWS * stride);
            let factors = weigh(isa, &queries, dim, key_panels, heads.scale(), weights, stride);
            let target = Out::shared(out, row * heads.out_width() + query_head * dim, heads.out_width());
            let left = Left::rows(&scratch.weights, stride);
            gemm_serial(isa, queries.count, left, Right::rows(&scratch.values, keys, dim, dim), target);
            for (i, &factor) in factors.iter().take(queries.count).enumerate() {
                // SAFETY: a task owns its query heads' columns of its segment's rows.
                let o = unsafe { out.part((row + i) * heads.out_width() + query_head * dim, dim) };
                scale_row(isa, o, factor);
            }
        }
    }
}
