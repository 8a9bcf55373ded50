//! Gradients of attention over packed segments. Weights are computed again from queries and keys, not kept.
#![expect(unsafe_code, reason = "kernels compiled per instruction set; heads written by parallel tasks")]

use super::attention::{Heads, Queries, SCRATCH, Scratch, key_panels_len, scale_row, store_key, weigh};
use super::buffer::{Buffer, Shared};
use super::compute::Compute;
use super::gemm::gemm_serial;
use super::layout::Segment;
use super::microkernel::MAX_ROWS;
use super::operands::{Left, Out, Right};
use super::simd::{Isa, LANES, Lanes, kernel};

/// Queries whose gradients for keys and values are summed in one product: several tiles, so that sums are loaded and
/// stored less often; not all of a segment, because early queries do not see late keys.
const GROUP_ROWS: usize = 4 * MAX_ROWS;

kernel! {
    fn dot(a: &[f32], b: &[f32]) -> f32 {
        let mut sum = Lanes::splat(0.0);
        for (x, y) in a.chunks(LANES).zip(b.chunks(LANES)) {
            sum = Lanes::load_or(x, 0.0).fma(Lanes::load_or(y, 0.0), sum);
        }
        sum.sum()
    }
}

kernel! {
    /// ds = p · (dp − delta) · scale, in place of dp.
    fn softmax_backward_row(p: &[f32], dp: &mut [f32], delta: f32, scale: f32) {
        let (delta, scale) = (Lanes::splat(delta), Lanes::splat(scale));
        for (w, d) in p.chunks(LANES).zip(dp.chunks_mut(LANES)) {
            let v = Lanes::load_or(d, 0.0).sub(delta).mul(scale);
            Lanes::load_or(w, 0.0).mul(v).store(d);
        }
    }
}

impl Scratch {
    /// What only the backward pass needs: keys as rows and values as panels; gradients set to zero.
    fn gather_backward(&mut self, heads: Heads, qkv: &[f32], segment: Segment, head: usize) {
        let (dim, width) = (heads.dim, heads.qkv_width());
        let total = segment.prefix_rows + segment.rows;
        self.value_panels.grow(key_panels_len(total, dim));
        self.keys.grow(total * dim);
        self.dkeys.grow(total * dim);
        self.dvalues.grow(total * dim);
        self.dkeys[..total * dim].fill(0.0);
        self.dvalues[..total * dim].fill(0.0);
        for position in 0..total {
            let row = &qkv[segment.row_of(position) * width..][..width];
            store_key(&mut self.value_panels, position, &row[heads.value_at(head)..][..dim]);
            self.keys[position * dim..][..dim].copy_from_slice(&row[heads.key_at(head)..][..dim]);
        }
    }
}

/// Buffers of the backward pass that outlive a task.
#[derive(Default)]
pub(crate) struct BackwardBuffers {
    /// Gradients that completions have for their prompt's keys and values, a block each task.
    prefix: Buffer,
}

/// Gradient of `qkv` (overwritten into `dqkv`) from that of the output.
#[expect(clippy::too_many_arguments, reason = "one fused operation")]
pub(crate) fn backward(
    compute: &Compute,
    heads: Heads,
    segments: &[Segment],
    qkv: &[f32],
    out: &[f32],
    dout: &[f32],
    dqkv: &mut [f32],
    buffers: &mut BackwardBuffers,
) {
    let dim = heads.dim;
    let mut starts = Vec::with_capacity(segments.len());
    let mut total = 0;
    for segment in segments {
        starts.push(total);
        total += segment.prefix_rows * 2 * dim * heads.keys;
    }
    buffers.prefix.grow(total);
    let (prefix, shared) = (Shared::new(&mut buffers.prefix), Shared::new(dqkv));
    compute.pool.run(segments.len() * heads.keys, &|task| {
        let (index, head) = (task / heads.keys, task % heads.keys);
        let segment = segments[index];
        let block = segment.prefix_rows * 2 * dim;
        // SAFETY: one block a task.
        let stash = unsafe { prefix.part(starts[index] + head * block, block) };
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.gather(heads, qkv, segment, head);
            scratch.gather_backward(heads, qkv, segment, head);
            backward_task(compute.isa, heads, segment, head, qkv, out, dout, shared, scratch);
            scatter(heads, segment, head, scratch, shared, stash);
        });
    });
    add_prefixes(heads, segments, &starts, &buffers.prefix, dqkv);
}

#[expect(clippy::too_many_arguments, reason = "one fused operation")]
fn backward_task(
    isa: Isa,
    heads: Heads,
    segment: Segment,
    head: usize,
    qkv: &[f32],
    out: &[f32],
    dout: &[f32],
    dqkv: Shared<'_>,
    scratch: &mut Scratch,
) {
    let (dim, width, out_width) = (heads.dim, heads.qkv_width(), heads.out_width());
    let share = heads.queries / heads.keys;
    for query_head in head * share..(head + 1) * share {
        for first in (0..segment.rows).step_by(GROUP_ROWS) {
            let row = segment.first_row + first;
            let group = Queries::of_segment(heads, segment, query_head, first, GROUP_ROWS, qkv);
            let (keys, stride) = (group.keys(), group.padded_keys());
            scratch.weights.grow(GROUP_ROWS * stride);
            scratch.dweights.grow(GROUP_ROWS * stride);
            let out_at = row * out_width + query_head * dim;
            for (tile, queries) in group.tiles().enumerate() {
                let first = tile * MAX_ROWS;
                let rows = out_at + first * out_width..;
                let results = [&out[rows.clone()], &dout[rows]];
                backward_scores(isa, heads, &queries, results, scratch, first * stride, stride);
                let target = Out::shared(dqkv, (row + first) * width + query_head * dim, width);
                let left = Left::rows(&scratch.dweights[first * stride..], stride);
                let right = Right::rows(&scratch.keys, queries.keys(), dim, dim);
                gemm_serial(isa, queries.count, left, right, target);
            }
            let by_key = Left::transposed(&scratch.dweights, stride);
            let right = Right::rows(group.data, group.count, dim, width);
            gemm_serial(isa, keys, by_key, right, Out::add(&mut scratch.dkeys, dim));
            let by_key = Left::transposed(&scratch.weights, stride);
            let right = Right::rows(&dout[out_at..], group.count, dim, out_width);
            gemm_serial(isa, keys, by_key, right, Out::add(&mut scratch.dvalues, dim));
        }
    }
}

/// Weights of a tile of queries and the gradients of their scores, into rows of the scratch that begin at `first`; 0 for what
/// they do not see. `results` are the tile's rows of the output and of its gradient.
fn backward_scores(
    isa: Isa,
    heads: Heads,
    queries: &Queries<'_>,
    results: [&[f32]; 2],
    scratch: &mut Scratch,
    first: usize,
    stride: usize,
) {
    let (dim, width, padded) = (heads.dim, heads.out_width(), queries.padded_keys());
    let weights = &mut scratch.weights[first..];
    let factors = weigh(isa, queries, dim, &scratch.key_panels, heads.scale(), weights, stride);
    let dweights = &mut scratch.dweights[first..];
    let right = Right::panels(&scratch.value_panels, dim, padded);
    gemm_serial(isa, queries.count, Left::rows(results[1], width), right, Out::set(dweights, stride));
    let rows = weights.chunks_exact_mut(stride).zip(dweights.chunks_exact_mut(stride));
    for (i, (p, dp)) in rows.take(queries.count).enumerate() {
        scale_row(isa, &mut p[..padded], factors[i]);
        let [out, dout] = results.map(|rows| &rows[i * width..][..dim]);
        let (seen, unseen) = dp.split_at_mut(padded);
        softmax_backward_row(isa, &p[..padded], seen, dot(isa, out, dout), heads.scale());
        unseen.fill(0.0);
    }
}

/// Writes the gradients of a segment's own keys and values; those of its prompt go to the stash.
fn scatter(
    heads: Heads,
    segment: Segment,
    head: usize,
    scratch: &Scratch,
    dqkv: Shared<'_>,
    stash: &mut [f32],
) {
    let (dim, width) = (heads.dim, heads.qkv_width());
    let prefix = segment.prefix_rows * dim;
    stash[..prefix].copy_from_slice(&scratch.dkeys[..prefix]);
    stash[prefix..].copy_from_slice(&scratch.dvalues[..prefix]);
    for i in 0..segment.rows {
        let row = (segment.first_row + i) * width;
        let at = (segment.prefix_rows + i) * dim;
        // SAFETY: a task owns its key head's columns of its segment's rows.
        let (dk, dv) =
            unsafe { (dqkv.part(row + heads.key_at(head), dim), dqkv.part(row + heads.value_at(head), dim)) };
        dk.copy_from_slice(&scratch.dkeys[at..at + dim]);
        dv.copy_from_slice(&scratch.dvalues[at..at + dim]);
    }
}

/// Adds what completions say of their prompt's keys and values, completions in order.
fn add_prefixes(heads: Heads, segments: &[Segment], starts: &[usize], prefix: &[f32], dqkv: &mut [f32]) {
    let (dim, width) = (heads.dim, heads.qkv_width());
    for (segment, &start) in segments.iter().zip(starts) {
        let block = segment.prefix_rows * 2 * dim;
        for head in 0..heads.keys {
            let stash = &prefix[start + head * block..][..block];
            let (dkeys, dvalues) = stash.split_at(block / 2);
            for i in 0..segment.prefix_rows {
                let row = &mut dqkv[(segment.prefix_row + i) * width..][..width];
                for (at, part) in [(heads.key_at(head), dkeys), (heads.value_at(head), dvalues)] {
                    for (x, g) in row[at..at + dim].iter_mut().zip(&part[i * dim..]) {
                        *x += g;
                    }
                }
            }
        }
    }
}
