//! Matrix products whose every output element is one chain of fused multiply-adds over the inner dimension, in order.
//!
//! That order depends on nothing: not on how many rows are computed together, not on blocking (a block of the inner
//! dimension continues the chain from the stored element), not on threads (they share out tiles, never sums), not on
//! the instruction set (vectors lie along the columns). So a decode step of one row gives the bits that a training
//! step of a thousand rows gives: this is what makes the sampler's log-probs equal the trainer's.
//!
//! Micro-kernel: up to 12 rows × 32 columns in registers; the left operand is packed per block, the right one is read
//! in panels of 32 columns, which weights are packed into once.
#![expect(unsafe_code, reason = "SIMD intrinsics and tiles written through pointers by parallel tasks")]

use std::cell::RefCell;

use super::buffer::{Buffer, Shared};
use super::compute::Compute;
use super::microkernel::{MAX_ROWS, PANEL, micro};
use super::simd::Isa;

/// Rows packed together for one pass over the panels.
const BLOCK_ROWS: usize = 120;
/// Inner-dimension block, so that a panel's part stays in the first-level cache.
const BLOCK_INNER: usize = 320;

/// A right operand packed once: panels of 32 columns, each `[inner][32]`, zero-padded.
#[derive(Clone, Default)]
pub(crate) struct Packed {
    inner: usize,
    columns: usize,
    data: Buffer,
}

impl Packed {
    /// Packs `[inner, columns]` given by a function of (inner index, column), panel by panel.
    fn pack(
        compute: &Compute,
        inner: usize,
        columns: usize,
        at: &(dyn Fn(usize, usize) -> f32 + Sync),
    ) -> Packed {
        let mut packed =
            Packed { inner, columns, data: Buffer::zeros(columns.div_ceil(PANEL) * PANEL * inner) };
        packed.fill(compute, at);
        packed
    }

    fn fill(&mut self, compute: &Compute, at: &(dyn Fn(usize, usize) -> f32 + Sync)) {
        let (inner, columns) = (self.inner, self.columns);
        let shared = Shared::new(&mut self.data);
        compute.pool.run(columns.div_ceil(PANEL), &|panel| {
            // SAFETY: one task a panel.
            let out = unsafe { shared.part(panel * inner * PANEL, inner * PANEL) };
            let first = panel * PANEL;
            let width = PANEL.min(columns - first);
            for (p, row) in out.chunks_exact_mut(PANEL).enumerate() {
                for (j, x) in row[..width].iter_mut().enumerate() {
                    *x = at(p, first + j);
                }
            }
        });
    }

    /// Packs a row-major `[inner, columns]` matrix.
    #[must_use]
    pub(crate) fn from_rows(compute: &Compute, matrix: &[f32], inner: usize, columns: usize) -> Packed {
        assert_eq!(matrix.len(), inner * columns, "a [{inner}, {columns}] matrix");
        Packed::pack(compute, inner, columns, &|p, j| matrix[p * columns + j])
    }

    /// Packs the transpose of a row-major `[columns, inner]` matrix: the layout of a Hugging Face projection.
    #[must_use]
    pub(crate) fn from_transposed(compute: &Compute, matrix: &[f32], inner: usize, columns: usize) -> Packed {
        assert_eq!(matrix.len(), inner * columns, "a [{columns}, {inner}] matrix");
        Packed::pack(compute, inner, columns, &|p, j| matrix[j * inner + p])
    }

    /// The operand this matrix is in a product.
    #[must_use]
    pub(crate) fn right(&self) -> Right<'_> {
        Right {
            data: &self.data,
            columns: self.columns,
            inner: self.inner,
            panel_step: self.inner * PANEL,
            row_step: PANEL,
        }
    }

    /// Copies row `p` (all columns at inner index `p`) out: an embedding lookup.
    pub(crate) fn copy_row(&self, p: usize, out: &mut [f32]) {
        for (panel, part) in out[..self.columns].chunks_mut(PANEL).enumerate() {
            let start = (panel * self.inner + p) * PANEL;
            part.copy_from_slice(&self.data[start..start + part.len()]);
        }
    }

    /// Copies column `j` (every inner index) out.
    pub(crate) fn copy_column(&self, j: usize, out: &mut [f32]) {
        let panel = &self.data[j / PANEL * PANEL * self.inner..];
        for (p, x) in out[..self.inner].iter_mut().enumerate() {
            *x = panel[p * PANEL + j % PANEL];
        }
    }
}

/// Left operand `[rows, inner]`: element (i, p) is `data[i * row_step + p * inner_step]`.
#[derive(Clone, Copy)]
pub(crate) struct Left<'a> {
    data: &'a [f32],
    row_step: usize,
    inner_step: usize,
}

impl<'a> Left<'a> {
    /// Row-major with `stride` floats between rows.
    #[must_use]
    pub(crate) fn rows(data: &'a [f32], stride: usize) -> Left<'a> {
        Left { data, row_step: stride, inner_step: 1 }
    }

    /// The transpose of a row-major `[inner, rows]` matrix with `stride` floats between its rows.
    #[must_use]
    pub(crate) fn transposed(data: &'a [f32], stride: usize) -> Left<'a> {
        Left { data, row_step: 1, inner_step: stride }
    }
}

/// Right operand `[inner, columns]` in panels of 32 columns.
#[derive(Clone, Copy)]
pub(crate) struct Right<'a> {
    data: &'a [f32],
    columns: usize,
    inner: usize,
    panel_step: usize,
    row_step: usize,
}

impl<'a> Right<'a> {
    /// A row-major `[inner, columns]` matrix with `stride` floats between rows, used where it lies.
    #[must_use]
    pub(crate) fn rows(data: &'a [f32], inner: usize, columns: usize, stride: usize) -> Right<'a> {
        Right { data, columns, inner, panel_step: PANEL, row_step: stride }
    }

    /// Panels `[columns / 32][inner][32]` that something else laid out, `columns` a multiple of 32.
    #[must_use]
    pub(crate) fn panels(data: &'a [f32], inner: usize, columns: usize) -> Right<'a> {
        Right { data, columns, inner, panel_step: inner * PANEL, row_step: PANEL }
    }

    /// Columns `first..first + columns` only; `first` is a multiple of 32.
    #[must_use]
    pub(crate) fn columns(&self, first: usize, columns: usize) -> Right<'a> {
        assert!(first.is_multiple_of(PANEL) && first + columns <= self.columns, "columns {first}+{columns}");
        Right { data: &self.data[first / PANEL * self.panel_step..], columns, ..*self }
    }

    /// Inner rows `first..first + inner` only.
    #[cfg(test)]
    fn inner(&self, first: usize, inner: usize) -> Right<'a> {
        assert!(first + inner <= self.inner, "inner rows {first}+{inner} of {}", self.inner);
        Right { data: &self.data[first * self.row_step..], inner, ..*self }
    }

    fn is_packed(&self) -> bool {
        self.row_step == PANEL && self.panel_step != PANEL
    }
}

/// Where a product goes: `[rows, columns]`, row-major with a stride.
#[derive(Clone, Copy)]
pub(crate) struct Out<'a> {
    data: Shared<'a>,
    first: usize,
    stride: usize,
    is_added: bool,
}

impl<'a> Out<'a> {
    /// Overwrites.
    #[must_use]
    pub(crate) fn set(data: &'a mut [f32], stride: usize) -> Out<'a> {
        Out { data: Shared::new(data), first: 0, stride, is_added: false }
    }

    /// Continues the sums that are there.
    #[must_use]
    pub(crate) fn add(data: &'a mut [f32], stride: usize) -> Out<'a> {
        Out { is_added: true, ..Out::set(data, stride) }
    }

    /// Overwrites the part of a shared matrix that begins at `first`; parallel tasks must write apart.
    #[must_use]
    pub(crate) fn shared(data: Shared<'a>, first: usize, stride: usize) -> Out<'a> {
        Out { data, first, stride, is_added: false }
    }

    /// Starts `first` floats further on: a block of columns.
    #[must_use]
    pub(crate) fn from(self, first: usize) -> Out<'a> {
        Out { first: self.first + first, ..self }
    }
}

/// `out = left · right` (or `out += …`) for `rows` rows, shared among the pool's threads.
pub(crate) fn gemm(compute: &Compute, rows: usize, left: Left<'_>, right: Right<'_>, out: Out<'_>) {
    let panels = right.columns.div_ceil(PANEL);
    check(rows, &left, &right, &out);
    let threads = compute.pool.threads();
    if rows >= threads * 4 * MAX_ROWS {
        let blocks = rows.div_ceil(BLOCK_ROWS).next_multiple_of(threads);
        let block = rows.div_ceil(blocks).next_multiple_of(MAX_ROWS);
        compute.pool.run(rows.div_ceil(block), &|i| {
            let first = i * block;
            tiles(compute.isa, first..rows.min(first + block), 0..panels, &left, &right, &out);
        });
    } else {
        let chunk = panels.div_ceil(threads).max(1);
        compute.pool.run(panels.div_ceil(chunk), &|i| {
            tiles(compute.isa, 0..rows, i * chunk..panels.min((i + 1) * chunk), &left, &right, &out);
        });
    }
}

/// The same on the calling thread alone, for products inside a parallel task.
pub(crate) fn gemm_serial(isa: Isa, rows: usize, left: Left<'_>, right: Right<'_>, out: Out<'_>) {
    check(rows, &left, &right, &out);
    tiles(isa, 0..rows, 0..right.columns.div_ceil(PANEL), &left, &right, &out);
}

/// Broken shapes are our own faults, and tiles are written through pointers: check once a product.
fn check(rows: usize, left: &Left<'_>, right: &Right<'_>, out: &Out<'_>) {
    if rows == 0 || right.columns == 0 || right.inner == 0 {
        return;
    }
    let last_left = (rows - 1) * left.row_step + (right.inner - 1) * left.inner_step;
    assert!(last_left < left.data.len(), "left operand: {last_left} of {}", left.data.len());
    let last_panel = right.columns.div_ceil(PANEL) - 1;
    let width = if right.is_packed() { PANEL } else { right.columns - last_panel * PANEL };
    let last_right = last_panel * right.panel_step + (right.inner - 1) * right.row_step + width - 1;
    assert!(last_right < right.data.len(), "right operand: {last_right} of {}", right.data.len());
    assert!(out.stride >= right.columns || rows == 1, "output stride {} < {}", out.stride, right.columns);
    // Also asserts that the last element is in bounds.
    let _ = out.data.pointer(out.first + (rows - 1) * out.stride + right.columns);
}

struct Scratch {
    left: Buffer,
    right: Buffer,
    tile: Buffer,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        left: Buffer::zeros(BLOCK_ROWS * BLOCK_INNER),
        right: Buffer::default(),
        tile: Buffer::zeros(MAX_ROWS * PANEL),
    });
}

fn tiles(
    isa: Isa,
    rows: std::ops::Range<usize>,
    panels: std::ops::Range<usize>,
    left: &Left<'_>,
    right: &Right<'_>,
    out: &Out<'_>,
) {
    SCRATCH.with_borrow_mut(|scratch| {
        let mut first = rows.start;
        while first < rows.end {
            let count = (rows.end - first).min(BLOCK_ROWS);
            block(isa, first, count, panels.clone(), left, right, out, scratch);
            first += count;
        }
    });
}

#[expect(clippy::too_many_arguments, reason = "the inner loop nest of one product")]
fn block(
    isa: Isa,
    first_row: usize,
    rows: usize,
    panels: std::ops::Range<usize>,
    left: &Left<'_>,
    right: &Right<'_>,
    out: &Out<'_>,
    scratch: &mut Scratch,
) {
    let groups = rows.div_ceil(MAX_ROWS);
    let height = rows.div_ceil(groups);
    let limit = if groups == 1 { BLOCK_INNER * BLOCK_ROWS / MAX_ROWS } else { BLOCK_INNER };
    let inner_block = right.inner.div_ceil(right.inner.div_ceil(limit)).next_multiple_of(8);
    let mut start = 0;
    while start < right.inner {
        let inner = inner_block.min(right.inner - start);
        pack_left(left, first_row, rows, height, start, inner, &mut scratch.left);
        let is_added = out.is_added || start > 0;
        for panel in panels.clone() {
            let width = PANEL.min(right.columns - panel * PANEL);
            let is_partial = width < PANEL;
            let mut source = right.data[panel * right.panel_step + start * right.row_step..].as_ptr();
            let mut source_step = right.row_step;
            if is_partial && !right.is_packed() {
                copy_panel(right, panel, start, inner, width, &mut scratch.right);
                source = scratch.right.as_ptr();
                source_step = PANEL;
            }
            for group in 0..groups {
                let row = group * height;
                let count = height.min(rows - row);
                let packed = scratch.left[row * inner..].as_ptr();
                let target = out.data.pointer(out.first + (first_row + row) * out.stride + panel * PANEL);
                if is_partial {
                    let tile = scratch.tile.as_mut_ptr();
                    // SAFETY: `check` bounded the output; the tile holds MAX_ROWS × PANEL floats.
                    unsafe {
                        copy_tile(target, out.stride, tile, PANEL, count, width);
                        micro(isa, count, inner, packed, source, source_step, tile, PANEL, is_added);
                        copy_tile(tile, PANEL, target, out.stride, count, width);
                    }
                } else {
                    // SAFETY: `check` bounded all three operands; tasks write disjoint tiles.
                    unsafe {
                        micro(isa, count, inner, packed, source, source_step, target, out.stride, is_added)
                    };
                }
            }
        }
        start += inner;
    }
}

/// Packs rows in groups of `height`, each `[inner][rows of the group]`.
fn pack_left(
    left: &Left<'_>,
    first: usize,
    rows: usize,
    height: usize,
    start: usize,
    inner: usize,
    out: &mut Buffer,
) {
    out.grow(rows * inner);
    let mut row = 0;
    while row < rows {
        let count = height.min(rows - row);
        let group = &mut out[row * inner..(row + count) * inner];
        for i in 0..count {
            let source = &left.data[(first + row + i) * left.row_step + start * left.inner_step..];
            let targets = group[i..].iter_mut().step_by(count);
            if left.inner_step == 1 {
                targets.zip(&source[..inner]).for_each(|(x, &y)| *x = y);
            } else {
                targets.zip(source.iter().step_by(left.inner_step)).for_each(|(x, &y)| *x = y);
            }
        }
        row += count;
    }
}

/// Copies the last, partial panel of an unpacked right operand, so that whole vectors can be read.
fn copy_panel(right: &Right<'_>, panel: usize, start: usize, inner: usize, width: usize, out: &mut Buffer) {
    out.grow(inner * PANEL);
    for p in 0..inner {
        let source = panel * right.panel_step + (start + p) * right.row_step;
        out[p * PANEL..p * PANEL + width].copy_from_slice(&right.data[source..source + width]);
    }
}

/// # Safety
/// Both tiles must be valid for `rows` rows of `width` floats at their strides, and not overlap.
unsafe fn copy_tile(
    from: *const f32,
    from_stride: usize,
    to: *mut f32,
    to_stride: usize,
    rows: usize,
    width: usize,
) {
    for i in 0..rows {
        // SAFETY: the caller's promise.
        unsafe { std::ptr::copy_nonoverlapping(from.add(i * from_stride), to.add(i * to_stride), width) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(n: usize, seed: u32) -> Vec<f32> {
        let mut x = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
        let next = |_| {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (x >> 8) as f32 / 8_388_608.0 - 1.0
        };
        (0..n).map(next).collect()
    }

    fn naive(rows: usize, inner: usize, columns: usize, a: &[f32], b: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0f32; rows * columns];
        for i in 0..rows {
            for j in 0..columns {
                let mut sum = 0.0f32;
                for p in 0..inner {
                    sum = a[i * inner + p].mul_add(b[p * columns + j], sum);
                }
                out[i * columns + j] = sum;
            }
        }
        out
    }

    fn computes() -> Vec<Compute> {
        let mut all = vec![Compute::new(1), Compute::new(2)];
        for isa in [Isa::Avx2, Isa::Portable] {
            if Isa::detect() == Isa::Avx512 || isa == Isa::Portable {
                all.push(Compute { isa, ..Compute::new(2) });
            }
        }
        all
    }

    #[test]
    fn every_path_gives_the_bits_of_the_plain_loop() {
        for (rows, inner, columns) in
            [(1, 5, 32), (2, 64, 33), (7, 700, 64), (13, 320, 96), (31, 33, 70), (130, 41, 40), (250, 9, 128)]
        {
            let (a, b) = (values(rows * inner, 1), values(inner * columns, 2));
            let expected = naive(rows, inner, columns, &a, &b);
            for compute in computes() {
                let packed = Packed::from_rows(&compute, &b, inner, columns);
                for right in [packed.right(), Right::rows(&b, inner, columns, columns)] {
                    let mut out = vec![f32::NAN; rows * columns];
                    gemm(&compute, rows, Left::rows(&a, inner), right, Out::set(&mut out, columns));
                    assert_eq!(out, expected, "{rows}×{inner}×{columns} on {}", compute.isa.name());
                }
            }
        }
    }

    #[test]
    fn transposes_and_adding_agree() {
        let compute = Compute::new(2);
        let (rows, inner, columns) = (19, 50, 45);
        let (a, b) = (values(rows * inner, 3), values(inner * columns, 4));
        let expected = naive(rows, inner, columns, &a, &b);
        let transpose = |x: &[f32], r: usize, c: usize| -> Vec<f32> {
            (0..c).flat_map(|j| (0..r).map(move |i| (i, j))).map(|(i, j)| x[i * c + j]).collect()
        };
        let (at, bt) = (transpose(&a, rows, inner), transpose(&b, inner, columns));
        let packed = Packed::from_transposed(&compute, &bt, inner, columns);
        let mut out = vec![0.0; rows * columns];
        gemm(&compute, rows, Left::transposed(&at, rows), packed.right(), Out::set(&mut out, columns));
        assert_eq!(out, expected);
        // The chain may be cut anywhere and continued.
        let mut out = vec![0.0; rows * columns];
        for (first, count) in [(0, 17), (17, 33)] {
            let right = packed.right().inner(first, count);
            gemm(&compute, rows, Left::rows(&a[first..], inner), right, Out::add(&mut out, columns));
        }
        assert_eq!(out, expected);
    }

    #[test]
    fn rows_can_be_looked_up() {
        let compute = Compute::new(1);
        let b = values(6 * 40, 5);
        let packed = Packed::from_rows(&compute, &b, 6, 40);
        let mut row = vec![0.0; 40];
        packed.copy_row(4, &mut row);
        assert_eq!(row, b[160..200]);
    }
}
