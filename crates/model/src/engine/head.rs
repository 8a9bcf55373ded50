//! The output head: hidden rows to log-probs, entropies and samples, and the gradient back, in chunks of rows.
//!
//! The `[T, V]` matrix of logits never exists: a chunk of rows is computed in blocks of the vocabulary, each block is
//! reduced where it was written, and the backward pass computes the logits again. Blocks are combined in order, so a
//! row's numbers do not depend on the other rows.
#![expect(unsafe_code, reason = "kernels compiled per instruction set; blocks written by parallel tasks")]

use super::buffer::{Buffer, Shared};
use super::compute::Compute;
use super::gemm::{gemm, gemm_serial};
use super::operands::{Left, Out, Packed, Right};
use super::simd::{LANES, Lanes, kernel};

/// Columns of the vocabulary that one task computes; a row's sums are cut here, always.
pub(crate) const BLOCK: usize = 2_048;
/// Rows of logits that exist at a time in training.
const CHUNK: usize = 192;

/// One vocabulary matrix `[V, D]`: embedding, output head, or both.
pub(crate) struct Vocabulary {
    /// Parameter name.
    pub(crate) name: String,
    /// `[D]` → `[V]`, for logits; absent where it is only looked up.
    to_logits: Option<Packed>,
    /// `[V]` → `[D]`, for gradients and look-ups; absent where it is only sampled.
    to_hidden: Option<Packed>,
    /// Values and gradient `[V, D]`, where it is trained.
    pub(super) dense: Option<(Vec<f32>, Vec<f32>)>,
    rows: usize,
    width: usize,
}

/// A row's softmax over one block of the vocabulary.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct BlockStats {
    max: f32,
    /// Σ exp(z − max)
    sum: f32,
    /// Σ exp(z − max) · (z − max)
    weighted: f32,
}

impl BlockStats {
    /// Σ exp(z − max) with the row's maximum.
    pub(crate) fn mass(&self, max: f64) -> f64 {
        f64::from(self.sum) * (f64::from(self.max) - max).exp()
    }
}

/// A row's softmax.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct RowStats {
    /// Largest logit.
    pub(crate) max: f64,
    /// ln Σ exp(z − max).
    pub(crate) log_sum: f64,
    /// Entropy in nats.
    pub(crate) entropy: f64,
}

impl RowStats {
    /// Combines blocks in order.
    pub(crate) fn combine(blocks: &[BlockStats]) -> RowStats {
        let max = blocks.iter().fold(f64::NEG_INFINITY, |m, b| m.max(f64::from(b.max)));
        let (mut sum, mut weighted) = (0.0, 0.0);
        for block in blocks {
            let shift = f64::from(block.max) - max;
            let factor = shift.exp();
            sum += f64::from(block.sum) * factor;
            weighted += (f64::from(block.weighted) + f64::from(block.sum) * shift) * factor;
        }
        RowStats { max, log_sum: sum.ln(), entropy: sum.ln() - weighted / sum }
    }

    /// Log-prob of a token from its logit.
    pub(crate) fn logprob(&self, logit: f32) -> f32 {
        ((f64::from(logit) - self.max) - self.log_sum) as f32
    }
}

kernel! {
    /// Divides a block of logits by the temperature and reduces it.
    pub(crate) fn reduce_block(logits: &mut [f32], inverse_temperature: f32) -> BlockStats {
        let factor = Lanes::splat(inverse_temperature);
        let mut max = Lanes::splat(f32::NEG_INFINITY);
        for part in logits.chunks_mut(LANES) {
            let z = Lanes::load_or(part, f32::NEG_INFINITY).mul(factor);
            max = z.max(max);
            z.store(part);
        }
        let max = max.max_lane();
        let top = Lanes::splat(max);
        let (mut sum, mut weighted) = (Lanes::splat(0.0), Lanes::splat(0.0));
        for part in logits.chunks(LANES) {
            // A missing lane is far below the rest but finite, so that 0 · (z − max) is 0.
            let shifted = Lanes::load_or(part, -1e30).sub(top);
            let e = shifted.exp();
            sum = sum.add(e);
            weighted = e.fma(shifted, weighted);
        }
        BlockStats { max, sum: sum.sum(), weighted: weighted.sum() }
    }
}

kernel! {
    /// Turns logits into −p · (total + entropy_gradient · (ln p + H)) · 1/temperature, in place.
    fn gradient_block(logits: &mut [f32], log_z: f32, total: f32, entropy_gradient: f32, entropy: f32, inverse_temperature: f32) {
        let log_z = Lanes::splat(log_z);
        let slope = Lanes::splat(-entropy_gradient * inverse_temperature);
        let level = Lanes::splat(-(entropy_gradient.mul_add(entropy, total)) * inverse_temperature);
        for part in logits.chunks_mut(LANES) {
            let log_p = Lanes::load_or(part, -1e30).sub(log_z);
            log_p.exp().mul(log_p.fma(slope, level)).store(part);
        }
    }
}

/// What a loss says of one head row.
#[derive(Debug, Clone, Default)]
pub(crate) struct RowGradient {
    /// Index into the rows given to `Vocabulary::backward`.
    pub(crate) row: usize,
    /// (token, ∂loss/∂logprob) of every token it predicts.
    pub(crate) targets: Vec<(u32, f32)>,
    /// ∂loss/∂entropy, summed over the tokens.
    pub(crate) entropy: f32,
    /// ∂loss/∂(log-prob of the likeliest token), summed over the tokens.
    pub(crate) likeliest: f32,
}

/// The first of the largest logits.
pub(crate) fn first_largest(logits: &[f32]) -> usize {
    (0..logits.len()).fold(0, |best, index| if logits[index] > logits[best] { index } else { best })
}

/// Buffers of the head.
#[derive(Default)]
pub(crate) struct HeadBuffers {
    /// `[rows, V]`.
    pub(crate) logits: Buffer,
    /// `[rows, blocks]`.
    pub(crate) blocks: Vec<BlockStats>,
    hidden: Buffer,
    dhidden: Buffer,
}

impl Vocabulary {
    /// From a matrix `[rows, width]`.
    pub(crate) fn new(
        compute: &Compute,
        name: String,
        matrix: Vec<f32>,
        rows: usize,
        use_: Use,
        is_dense: bool,
    ) -> Vocabulary {
        let width = matrix.len() / rows;
        let mut vocabulary = Vocabulary { name, to_logits: None, to_hidden: None, dense: None, rows, width };
        vocabulary.pack(compute, &matrix, use_);
        if is_dense {
            vocabulary.dense = Some((matrix.clone(), vec![0.0; matrix.len()]));
        }
        vocabulary
    }

    fn pack(&mut self, compute: &Compute, matrix: &[f32], use_: Use) {
        if use_.has_logits {
            self.to_logits = Some(Packed::from_transposed(compute, matrix, self.width, self.rows));
        }
        if use_.has_rows {
            self.to_hidden = Some(Packed::from_rows(compute, matrix, self.rows, self.width));
        }
    }

    /// Packs changed parameters again.
    pub(crate) fn parameters_changed(&mut self, compute: &Compute) {
        if let Some((values, gradients)) = self.dense.take() {
            let use_ = Use { has_logits: self.to_logits.is_some(), has_rows: self.to_hidden.is_some() };
            self.pack(compute, &values, use_);
            self.dense = Some((values, gradients));
        }
    }

    /// Copies the vectors of `tokens` to rows of `out`.
    pub(crate) fn look_up(&self, tokens: &[u32], out: &mut [f32]) {
        for (&token, row) in tokens.iter().zip(out.chunks_exact_mut(self.width)) {
            match (&self.to_hidden, &self.to_logits) {
                (Some(table), _) => table.copy_row(token as usize, row),
                (None, Some(table)) => table.copy_column(token as usize, row),
                (None, None) => unreachable!("a vocabulary matrix is packed at least one way"),
            }
        }
    }

    fn blocks(&self) -> usize {
        self.rows.div_ceil(BLOCK)
    }

    fn logits_operand(&self) -> Right<'_> {
        self.to_logits.as_ref().expect("an output head has its matrix packed for logits").right()
    }

    /// Logits `[rows, V]` divided by each row's temperature, and each row's softmax.
    pub(crate) fn logits(
        &self,
        compute: &Compute,
        hidden: &[f32],
        inverse_temperatures: &[f32],
        buffers: &mut HeadBuffers,
    ) -> Vec<RowStats> {
        let (rows, blocks, v) = (inverse_temperatures.len(), self.blocks(), self.rows);
        buffers.logits.grow(rows * v);
        buffers.blocks.resize(rows * blocks, BlockStats::default());
        let logits = Shared::new(&mut buffers.logits);
        let stats = std::sync::Mutex::new(&mut buffers.blocks);
        compute.pool.run(blocks, &|block| {
            let (first, width) = self.compute_block(compute, hidden, rows, block, logits);
            let mut own = [BlockStats::default(); 64];
            for base in (0..rows).step_by(own.len()) {
                let count = own.len().min(rows - base);
                for (i, stats) in own[..count].iter_mut().enumerate() {
                    // SAFETY: one task a block of columns.
                    let part = unsafe { logits.part((base + i) * v + first, width) };
                    *stats = reduce_block(compute.isa, part, inverse_temperatures[base + i]);
                }
                let mut all = stats.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                for (i, &stats) in own[..count].iter().enumerate() {
                    all[(base + i) * blocks + block] = stats;
                }
            }
        });
        buffers.blocks.chunks_exact(blocks).map(RowStats::combine).collect()
    }

    fn compute_block(
        &self,
        compute: &Compute,
        hidden: &[f32],
        rows: usize,
        block: usize,
        logits: Shared<'_>,
    ) -> (usize, usize) {
        let first = block * BLOCK;
        let width = BLOCK.min(self.rows - first);
        let right = self.logits_operand().columns(first, width);
        gemm_serial(
            compute.isa,
            rows,
            Left::rows(hidden, self.width),
            right,
            Out::shared(logits, first, self.rows),
        );
        (first, width)
    }

    /// Calls `visit(row, stats, logits)` for every hidden row, chunk by chunk.
    pub(crate) fn for_each_row(
        &self,
        compute: &Compute,
        hidden: &[f32],
        temperature: f32,
        buffers: &mut HeadBuffers,
        visit: &mut dyn FnMut(usize, RowStats, &[f32]),
    ) {
        let rows = hidden.len() / self.width;
        for first in (0..rows).step_by(CHUNK) {
            let count = CHUNK.min(rows - first);
            let part = &hidden[first * self.width..(first + count) * self.width];
            let stats = self.logits(compute, part, &vec![1.0 / temperature; count], buffers);
            for (i, stats) in stats.into_iter().enumerate() {
                visit(first + i, stats, &buffers.logits[i * self.rows..(i + 1) * self.rows]);
            }
        }
    }

    /// Gradient of the hidden rows named by `gradients` into the same rows of `dhidden`; adds that of the matrix.
    #[expect(clippy::too_many_arguments, reason = "one fused operation")]
    pub(crate) fn backward(
        &mut self,
        compute: &Compute,
        hidden: &[f32],
        stats: &[RowStats],
        temperature: f32,
        gradients: &[RowGradient],
        dhidden: &mut [f32],
        buffers: &mut HeadBuffers,
    ) {
        for chunk in gradients.chunks(CHUNK) {
            self.backward_chunk(compute, hidden, stats, temperature, chunk, dhidden, buffers);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one fused operation")]
    fn backward_chunk(
        &mut self,
        compute: &Compute,
        hidden: &[f32],
        stats: &[RowStats],
        temperature: f32,
        gradients: &[RowGradient],
        dhidden: &mut [f32],
        buffers: &mut HeadBuffers,
    ) {
        let (rows, d, v) = (gradients.len(), self.width, self.rows);
        let HeadBuffers { logits, hidden: packed, dhidden: dpacked, .. } = buffers;
        logits.grow(rows * v);
        packed.grow(rows * d);
        dpacked.grow(rows * d);
        for (gradient, row) in gradients.iter().zip(packed.chunks_exact_mut(d)) {
            row.copy_from_slice(&hidden[gradient.row * d..(gradient.row + 1) * d]);
        }
        let with_likeliest = self.name_likeliest(compute, packed, gradients, logits);
        let gradients = with_likeliest.as_deref().unwrap_or(gradients);
        let shared = Shared::new(logits);
        compute.pool.run(self.blocks(), &|block| {
            let (first, width) = self.compute_block(compute, packed, rows, block, shared);
            for (i, gradient) in gradients.iter().enumerate() {
                // SAFETY: one task a block of columns.
                let part = unsafe { shared.part(i * v + first, width) };
                logit_gradient(compute, part, first, gradient, stats[gradient.row], 1.0 / temperature);
            }
        });
        let right = self.to_hidden.as_ref().expect("a trained network has its head packed both ways").right();
        gemm(compute, rows, Left::rows(logits, v), right, Out::set(dpacked, d));
        for (gradient, row) in gradients.iter().zip(dpacked.chunks_exact(d)) {
            dhidden[gradient.row * d..(gradient.row + 1) * d].copy_from_slice(row);
        }
        if let Some((_, total)) = &mut self.dense {
            gemm(
                compute,
                v,
                Left::transposed(logits, v),
                Right::rows(packed, rows, d, d),
                Out::add(total, d),
            );
        }
    }
}

impl Vocabulary {
    /// The same gradients with the likeliest token of every row among its targets; `None` if no row asks for it. It
    /// costs the rows' logits once more.
    fn name_likeliest(
        &self,
        compute: &Compute,
        hidden: &[f32],
        gradients: &[RowGradient],
        logits: &mut Buffer,
    ) -> Option<Vec<RowGradient>> {
        gradients.iter().find(|gradient| gradient.likeliest != 0.0)?;
        let shared = Shared::new(logits);
        compute.pool.run(self.blocks(), &|block| {
            self.compute_block(compute, hidden, gradients.len(), block, shared);
        });
        let named = |(gradient, logits): (&RowGradient, &[f32])| {
            let mut named = gradient.clone();
            named.targets.push((first_largest(logits) as u32, gradient.likeliest));
            named
        };
        Some(gradients.iter().zip(logits.chunks_exact(self.rows)).map(named).collect())
    }
}

fn logit_gradient(
    compute: &Compute,
    logits: &mut [f32],
    first: usize,
    gradient: &RowGradient,
    stats: RowStats,
    inverse: f32,
) {
    let len = logits.len();
    let log_z = (stats.max + stats.log_sum) as f32;
    let total: f32 = gradient.targets.iter().map(|t| t.1).sum();
    // The logits of this pass are not yet divided by the temperature.
    for z in logits.iter_mut() {
        *z *= inverse;
    }
    gradient_block(compute.isa, logits, log_z, total, gradient.entropy, stats.entropy as f32, inverse);
    for &(token, g) in &gradient.targets {
        let token = token as usize;
        if (first..first + len).contains(&token) {
            logits[token - first] += g * inverse;
        }
    }
}

/// How a vocabulary matrix is used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Use {
    /// Logits are computed with it.
    pub(crate) has_logits: bool,
    /// Rows are looked up, or gradients flow through it.
    pub(crate) has_rows: bool,
}
