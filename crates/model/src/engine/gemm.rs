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
use std::ops::Range;

use super::buffer::Buffer;
use super::compute::Compute;
use super::microkernel::{MAX_ROWS, PANEL, Terms, Tile, micro};
use super::operands::{Left, Out, Right, Tail};
use super::simd::Isa;

/// Rows packed together for one pass over the panels.
const BLOCK_ROWS: usize = 240;
/// Inner-dimension block: packed rows and the panels in use stay in the second-level cache, which keeps up with the
/// kernel. Shorter blocks would fit the first level, but load and store every sum more often, which costs more.
const BLOCK_INNER: usize = 1_024;

/// One of the products that share a left operand.
#[derive(Clone, Copy)]
pub(crate) struct Product<'a> {
    /// What the left operand is multiplied with.
    pub(crate) right: Right<'a>,
    /// Where the product goes.
    pub(crate) out: Out<'a>,
    /// Terms that come after all others.
    pub(crate) tail: Option<Tail<'a>>,
}

impl<'a> Product<'a> {
    /// A product without a tail.
    #[must_use]
    pub(crate) fn new(right: Right<'a>, out: Out<'a>) -> Product<'a> {
        Product { right, out, tail: None }
    }

    /// The same, its chains continued by `tail`.
    #[must_use]
    pub(crate) fn followed_by(self, tail: Tail<'a>) -> Product<'a> {
        Product { tail: Some(tail), ..self }
    }
}

/// `out = left · right` (or `out += …`) for `rows` rows, shared among the pool's threads.
pub(crate) fn gemm(compute: &Compute, rows: usize, left: Left<'_>, right: Right<'_>, out: Out<'_>) {
    gemm_all(compute, rows, left, &[Product::new(right, out)]);
}

/// Several products of one left operand, which is packed once where tasks share out rows. Products without a tail come
/// first: they may write the rows that a tail reads.
pub(crate) fn gemm_all(compute: &Compute, rows: usize, left: Left<'_>, products: &[Product<'_>]) {
    products.iter().for_each(|product| check(rows, &left, product));
    let threads = compute.pool.threads();
    if rows >= threads * 4 * MAX_ROWS {
        let blocks = rows.div_ceil(BLOCK_ROWS).next_multiple_of(threads);
        let block = rows.div_ceil(blocks).next_multiple_of(MAX_ROWS);
        compute.pool.run(rows.div_ceil(block), &|i| {
            let first = i * block;
            tiles(compute.isa, first..rows.min(first + block), 0..usize::MAX, &left, products);
        });
    } else {
        let heads = products.iter().take_while(|product| product.tail.is_none()).count();
        for products in [&products[..heads], &products[heads..]] {
            let panels: usize = products.iter().map(|p| p.right.panel_count()).sum();
            let chunk = panels.div_ceil(threads).max(1);
            compute.pool.run(panels.div_ceil(chunk), &|i| {
                tiles(compute.isa, 0..rows, i * chunk..(i + 1) * chunk, &left, products);
            });
        }
    }
}

/// The same on the calling thread alone, for products inside a parallel task.
pub(crate) fn gemm_serial(isa: Isa, rows: usize, left: Left<'_>, right: Right<'_>, out: Out<'_>) {
    let product = Product::new(right, out);
    check(rows, &left, &product);
    tiles(isa, 0..rows, 0..usize::MAX, &left, &[product]);
}

/// Broken shapes are our own faults, and tiles are written through pointers: check once a product.
fn check(rows: usize, left: &Left<'_>, Product { right, out, tail }: &Product<'_>) {
    if rows == 0 || right.columns == 0 || right.inner == 0 {
        return;
    }
    let last_left = (rows - 1) * left.row_step + (right.inner - 1) * left.inner_step;
    assert!(last_left < left.data.len(), "left operand: {last_left} of {}", left.data.len());
    let last_panel = right.panel_count() - 1;
    let width = if right.is_packed() { PANEL } else { right.columns - last_panel * PANEL };
    let last_right = last_panel * right.panel_step + (right.inner - 1) * right.row_step + width - 1;
    assert!(last_right < right.data.len(), "right operand: {last_right} of {}", right.data.len());
    assert!(out.stride >= right.columns || rows == 1, "output stride {} < {}", out.stride, right.columns);
    // Also asserts that the last element is in bounds.
    let _ = out.data.pointer(out.first + (rows - 1) * out.stride + right.columns);
    if let Some(tail) = tail {
        let _ = tail.left.pointer(rows * tail.right.inner());
    }
}

struct Scratch {
    left: Buffer,
    tail: Buffer,
    right: Buffer,
    tile: Buffer,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        left: Buffer::default(),
        tail: Buffer::default(),
        right: Buffer::default(),
        tile: Buffer::zeros(MAX_ROWS * PANEL),
    });
}

/// The tiles of some rows and some panels, which are counted through all products.
fn tiles(isa: Isa, rows: Range<usize>, panels: Range<usize>, left: &Left<'_>, products: &[Product<'_>]) {
    let Some(inner) = products.first().map(|p| p.right.inner) else { return };
    assert!(
        products.iter().all(|p| p.right.inner == inner),
        "products of one left operand have its inner dimension"
    );
    SCRATCH.with_borrow_mut(|scratch| {
        for first in rows.clone().step_by(BLOCK_ROWS) {
            let count = (rows.end - first).min(BLOCK_ROWS);
            let groups = count.div_ceil(MAX_ROWS);
            let limit = if groups == 1 { BLOCK_INNER * BLOCK_ROWS / MAX_ROWS } else { BLOCK_INNER };
            let step = inner.div_ceil(inner.div_ceil(limit).max(1)).next_multiple_of(8).max(8);
            for start in (0..inner).step_by(step) {
                let block = Block {
                    first_row: first,
                    rows: count,
                    groups,
                    height: count.div_ceil(groups),
                    start,
                    inner: step.min(inner - start),
                    is_last: start + step >= inner,
                };
                pack_left(left, &block, &mut scratch.left);
                let mut before = 0;
                for product in products {
                    let own = panels.start.max(before) - before
                        ..panels.end.min(before + product.right.panel_count()).max(before) - before;
                    block.multiply(isa, own, product, scratch);
                    before += product.right.panel_count();
                }
            }
        }
    });
}

/// Packed rows of a left operand, some terms of the inner dimension.
struct Block {
    first_row: usize,
    rows: usize,
    /// Groups of rows, each as high as a tile.
    groups: usize,
    height: usize,
    /// First term.
    start: usize,
    /// Terms.
    inner: usize,
    /// Whether these are the last terms, but for those of tails.
    is_last: bool,
}

impl Block {
    fn multiply(&self, isa: Isa, panels: Range<usize>, product: &Product<'_>, scratch: &mut Scratch) {
        let Product { right, out, tail } = product;
        let tail = tail.as_ref().filter(|_| self.is_last && !panels.is_empty());
        if let Some(tail) = tail {
            self.pack_tail(tail, &mut scratch.tail);
        }
        let is_added = out.is_added || self.start > 0;
        for panel in panels {
            let width = PANEL.min(right.columns - panel * PANEL);
            let is_partial = width < PANEL;
            let mut source = right.data[panel * right.panel_step + self.start * right.row_step..].as_ptr();
            let mut right_step = right.row_step;
            if is_partial && !right.is_packed() {
                copy_panel(right, panel, self.start, self.inner, width, &mut scratch.right);
                (source, right_step) = (scratch.right.as_ptr(), PANEL);
            }
            for group in 0..self.groups {
                let row = group * self.height;
                let target =
                    out.data.pointer(out.first + (self.first_row + row) * out.stride + panel * PANEL);
                let (ahead, ahead_step) = right.ahead(source, self.inner, group, self.groups);
                let rows = self.height.min(self.rows - row);
                let left = scratch.left[row * self.inner..].as_ptr();
                let own = Terms { inner: self.inner, left, right: source, right_step };
                let low = tail.map_or(Terms::NONE, |tail| {
                    let (terms, right) = tail.right.panel(panel);
                    let left = scratch.tail[row * tail.right.inner() + terms.start * rows..].as_ptr();
                    Terms { inner: terms.len(), left, right: right.as_ptr(), right_step: PANEL }
                });
                let mut tile = Tile {
                    rows,
                    terms: [own, low],
                    out: target,
                    out_step: out.stride,
                    is_added,
                    ahead,
                    ahead_step,
                };
                // SAFETY: `check` bounded all three operands; tasks write disjoint tiles; the scratch tile holds
                // MAX_ROWS × PANEL floats.
                unsafe {
                    if is_partial {
                        (tile.out, tile.out_step) = (scratch.tile.as_mut_ptr(), PANEL);
                        copy_tile(target, out.stride, tile.out, PANEL, tile.rows, width);
                        micro(isa, &tile);
                        copy_tile(tile.out, PANEL, target, out.stride, tile.rows, width);
                    } else {
                        micro(isa, &tile);
                    }
                }
            }
        }
    }

    /// Packs the tail's rows of this block, as those of the left operand.
    fn pack_tail(&self, tail: &Tail<'_>, out: &mut Buffer) {
        let inner = tail.right.inner();
        // SAFETY: whoever wrote these rows is done: this task itself, or an earlier parallel section.
        let rows = unsafe { tail.left.part(self.first_row * inner, self.rows * inner) };
        let block = Block { first_row: 0, start: 0, inner, ..*self };
        pack_left(&Left::rows(rows, inner), &block, out);
    }
}

/// Packs a block's rows in groups of its height, each `[inner][rows of the group]`.
fn pack_left(left: &Left<'_>, block: &Block, out: &mut Buffer) {
    let &Block { first_row, rows, height, start, inner, .. } = block;
    out.grow(rows * inner);
    for row in (0..rows).step_by(height) {
        let count = height.min(rows - row);
        let group = &mut out[row * inner..(row + count) * inner];
        let source = &left.data[(first_row + row) * left.row_step + start * left.inner_step..];
        if left.inner_step == 1 {
            pack_rows(source, left.row_step, count, group);
        } else {
            for (line, terms) in group.chunks_exact_mut(count).zip(source.chunks(left.inner_step)) {
                line.copy_from_slice(&terms[..count]);
            }
        }
    }
}

/// Packs `count` rows, `step` floats apart, into `out` `[inner][count]`.
fn pack_rows(source: &[f32], step: usize, count: usize, out: &mut [f32]) {
    macro_rules! by_count {
        ($($n:literal)*) => {
            match count {
                $($n => transpose::<$n>(source, step, out),)*
                _ => unreachable!("a group has 1 to {MAX_ROWS} rows, not {count}"),
            }
        };
    }
    by_count!(1 2 3 4 5 6 7 8 9 10 11 12);
}

fn transpose<const ROWS: usize>(source: &[f32], step: usize, out: &mut [f32]) {
    const TERMS: usize = 8;
    let inner = out.len() / ROWS;
    let rows: [&[f32]; ROWS] = std::array::from_fn(|i| &source[i * step..i * step + inner]);
    let (whole, rest) = out.split_at_mut(inner / TERMS * TERMS * ROWS);
    for (c, lines) in whole.chunks_exact_mut(TERMS * ROWS).enumerate() {
        let block: [&[f32; TERMS]; ROWS] =
            std::array::from_fn(|i| rows[i][c * TERMS..].first_chunk().expect("rows are `inner` long"));
        for (p, line) in lines.as_chunks_mut::<ROWS>().0.iter_mut().enumerate() {
            for (x, row) in line.iter_mut().zip(block) {
                *x = row[p % TERMS];
            }
        }
    }
    for (p, line) in (inner / TERMS * TERMS..).zip(rest.as_chunks_mut::<ROWS>().0) {
        for (x, row) in line.iter_mut().zip(rows) {
            *x = row[p];
        }
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
    use super::super::buffer::Shared;
    use super::super::operands::{Narrow, NarrowBlock, Packed};
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
    fn products_that_share_their_left_operand_are_those_alone() {
        let (inner, widths) = (600, [70, 16, 32]);
        for rows in [3, 130] {
            let a = values(rows * inner, 5);
            for compute in computes() {
                let bs: Vec<Vec<f32>> = widths.iter().map(|&w| values(inner * w, w as u32)).collect();
                let pack = |(b, &w): (&Vec<f32>, &usize)| Packed::from_rows(&compute, b, inner, w);
                let packed: Vec<Packed> = bs.iter().zip(&widths).map(pack).collect();
                let mut outs: Vec<Vec<f32>> = widths.iter().map(|&w| vec![f32::NAN; rows * w]).collect();
                let products: Vec<Product<'_>> = packed
                    .iter()
                    .zip(&mut outs)
                    .map(|(b, out)| Product::new(b.right(), Out::set(out, b.columns)))
                    .collect();
                gemm_all(&compute, rows, Left::rows(&a, inner), &products);
                for ((out, b), width) in outs.iter().zip(&bs).zip(widths) {
                    assert_eq!(
                        *out,
                        naive(rows, inner, width, &a, b),
                        "{rows}×{width} on {}",
                        compute.isa.name()
                    );
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
    fn a_tail_continues_the_chains_of_its_product() {
        // Blocks that share a panel, that end within one, and columns that none reaches.
        let (inner, columns, low) = (70, 150, 7);
        let blocks = [(0, 40, 0, 3), (40, 33, 3, 2), (100, 20, 5, 2)];
        for rows in [3, 130] {
            let (a, b) = (values(rows * inner, 6), values(inner * columns, 7));
            let (to_low, mut dense) = (values(inner * low, 8), vec![0.0; low * columns]);
            let parts: Vec<Vec<f32>> = blocks.iter().map(|&(_, w, _, r)| values(w * r, w as u32)).collect();
            for (&(first, width, term, _), part) in blocks.iter().zip(&parts) {
                for (i, row) in part.chunks_exact(width).enumerate() {
                    dense[(term + i) * columns + first..][..width].copy_from_slice(row);
                }
            }
            let narrowed = naive(rows, inner, low, &a, &to_low);
            let mut expected = naive(rows, inner, columns, &a, &b);
            for (i, row) in expected.chunks_exact_mut(columns).enumerate() {
                for (j, sum) in row.iter_mut().enumerate() {
                    let term = |p: usize| (narrowed[i * low + p], dense[p * columns + j]);
                    *sum = (0..low).map(term).fold(*sum, |sum, (x, y)| x.mul_add(y, sum));
                }
            }
            let block = |(&(first_column, columns, first_term, _), values)| NarrowBlock {
                first_column,
                columns,
                first_term,
                values,
            };
            let blocks: Vec<_> = blocks.iter().zip(parts.iter().map(Vec::as_slice)).map(block).collect();
            let narrow = Narrow::from_blocks(low, columns, &blocks);
            for compute in computes() {
                let (first, second) = (
                    Packed::from_rows(&compute, &to_low, inner, low),
                    Packed::from_rows(&compute, &b, inner, columns),
                );
                let (mut lows, mut out) = (vec![f32::NAN; rows * low], vec![f32::NAN; rows * columns]);
                let shared = Shared::new(&mut lows);
                let tail = Tail { left: shared, right: &narrow };
                let products = [
                    Product::new(first.right(), Out::shared(shared, 0, low)),
                    Product::new(second.right(), Out::set(&mut out, columns)).followed_by(tail),
                ];
                gemm_all(&compute, rows, Left::rows(&a, inner), &products);
                assert_eq!(lows, narrowed, "{rows} rows on {}", compute.isa.name());
                assert_eq!(out, expected, "{rows} rows on {}", compute.isa.name());
            }
        }
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
