//! Operands of matrix products: what is multiplied, how it lies in memory, and where the product goes.

#![expect(unsafe_code, reason = "panels are packed by parallel tasks")]

use std::ops::Range;

use super::buffer::{Buffer, Shared};
use super::compute::Compute;
use super::microkernel::PANEL;

/// A right operand packed once: panels of 32 columns, each `[inner][32]`, zero-padded.
#[derive(Clone, Default)]
pub(crate) struct Packed {
    pub(super) inner: usize,
    pub(super) columns: usize,
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

    /// Multiplies every element by a factor.
    pub(crate) fn scale(&mut self, factor: f32) {
        self.data.iter_mut().for_each(|x| *x *= factor);
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

/// A right operand `[inner, columns]` of few terms, most of them zero for most columns: a panel holds the terms that reach
/// any of its columns, and no others. What adapters add to a fused projection has this form.
#[derive(Clone, Default)]
pub(crate) struct Narrow {
    inner: usize,
    /// First term, terms, and where they lie in `data`, of each panel.
    panels: Vec<(Range<usize>, usize)>,
    data: Buffer,
}

/// A block of a narrow operand: everything outside of blocks is zero.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NarrowBlock<'a> {
    /// First column.
    pub(crate) first_column: usize,
    /// Columns.
    pub(crate) columns: usize,
    /// First term; blocks come in the order of their columns and of their terms.
    pub(crate) first_term: usize,
    /// `[terms, columns]`.
    pub(crate) values: &'a [f32],
}

impl NarrowBlock<'_> {
    fn terms(&self) -> Range<usize> {
        self.first_term..self.first_term + self.values.len() / self.columns
    }

    fn reaches(&self, panel: usize) -> bool {
        self.first_column < (panel + 1) * PANEL && panel * PANEL < self.first_column + self.columns
    }
}

impl Narrow {
    /// Packs blocks of an `[inner, columns]` operand.
    #[must_use]
    pub(crate) fn from_blocks(inner: usize, columns: usize, blocks: &[NarrowBlock<'_>]) -> Narrow {
        let mut narrow = Narrow { inner, ..Narrow::default() };
        for panel in 0..columns.div_ceil(PANEL) {
            let reaching: Vec<_> = blocks.iter().filter(|block| block.reaches(panel)).collect();
            let terms = match (reaching.first(), reaching.last()) {
                (Some(first), Some(last)) => first.terms().start..last.terms().end,
                _ => 0..0,
            };
            let start = narrow.panels.last().map_or(0, |(terms, at)| at + terms.len() * PANEL);
            narrow.data.grow(start + terms.len() * PANEL);
            for block in reaching {
                let columns = block.first_column.max(panel * PANEL)
                    ..(block.first_column + block.columns).min((panel + 1) * PANEL);
                for (term, row) in block.terms().zip(block.values.chunks_exact(block.columns)) {
                    let at = start + (term - terms.start) * PANEL;
                    let source = &row[columns.start - block.first_column..columns.end - block.first_column];
                    narrow.data[at..at + PANEL][columns.start - panel * PANEL..][..source.len()]
                        .copy_from_slice(source);
                }
            }
            narrow.panels.push((terms, start));
        }
        narrow
    }

    /// Terms of the whole operand.
    pub(super) fn inner(&self) -> usize {
        self.inner
    }

    /// A panel's terms and their values `[terms][32]`.
    pub(super) fn panel(&self, panel: usize) -> (Range<usize>, &[f32]) {
        let (terms, start) = &self.panels[panel];
        (terms.clone(), &self.data[*start..start + terms.len() * PANEL])
    }
}

/// Terms that continue the chains of a product: rows `[rows, inner]` times a narrow operand.
#[derive(Clone, Copy)]
pub(crate) struct Tail<'a> {
    /// The rows. A product before this one, of the same call, may still have to write them.
    pub(crate) left: Shared<'a>,
    /// What they are multiplied with.
    pub(crate) right: &'a Narrow,
}

/// Left operand `[rows, inner]`: element (i, p) is `data[i * row_step + p * inner_step]`.
#[derive(Clone, Copy)]
pub(crate) struct Left<'a> {
    pub(super) data: &'a [f32],
    pub(super) row_step: usize,
    pub(super) inner_step: usize,
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
    pub(super) data: &'a [f32],
    pub(super) columns: usize,
    pub(super) inner: usize,
    pub(super) panel_step: usize,
    pub(super) row_step: usize,
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
    pub(super) fn inner(&self, first: usize, inner: usize) -> Right<'a> {
        assert!(first + inner <= self.inner, "inner rows {first}+{inner} of {}", self.inner);
        Right { data: &self.data[first * self.row_step..], inner, ..*self }
    }

    pub(super) fn panel_count(&self) -> usize {
        self.columns.div_ceil(PANEL)
    }

    /// What a tile of row group `group` fetches while it computes, and how fast: of packed panels its share of the
    /// next panel, so that memory is read all the time and not only by a panel's first group; of others, the rows to come.
    pub(super) fn ahead(
        &self,
        source: *const f32,
        inner: usize,
        group: usize,
        groups: usize,
    ) -> (*const f32, usize) {
        if self.is_packed() {
            let next = source.wrapping_add(self.panel_step);
            (next.wrapping_add(group * inner * PANEL / groups), PANEL.div_ceil(groups))
        } else {
            (source.wrapping_add(16 * self.row_step), self.row_step)
        }
    }

    pub(super) fn is_packed(&self) -> bool {
        self.row_step == PANEL && self.panel_step != PANEL
    }
}

/// Where a product goes: `[rows, columns]`, row-major with a stride.
#[derive(Clone, Copy)]
pub(crate) struct Out<'a> {
    pub(super) data: Shared<'a>,
    pub(super) first: usize,
    pub(super) stride: usize,
    pub(super) is_added: bool,
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
