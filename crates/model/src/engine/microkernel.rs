//! The innermost loops of `gemm`: a tile of up to 12 × 32 sums kept in registers.
#![expect(unsafe_code, reason = "SIMD intrinsics")]

use super::simd::Isa;

/// Columns of a panel.
pub(crate) const PANEL: usize = 32;
/// Most rows of a tile.
pub(crate) const MAX_ROWS: usize = 12;

/// Successive terms of a tile's sums.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    /// How many.
    pub(crate) inner: usize,
    /// `[inner][rows]`, packed.
    pub(crate) left: *const f32,
    /// `inner` rows of 32 floats, `right_step` apart.
    pub(crate) right: *const f32,
    /// Floats between rows of `right`.
    pub(crate) right_step: usize,
}

impl Terms {
    /// No terms at all.
    pub(crate) const NONE: Terms =
        Terms { inner: 0, left: std::ptr::null(), right: std::ptr::null(), right_step: 0 };
}

/// tile[i][j] (+)= Σ_p left[p][i] · right[p][j] over two runs of terms, for `rows` rows and 32 columns.
#[derive(Clone, Copy)]
pub(crate) struct Tile {
    /// Rows, 1 to `MAX_ROWS`.
    pub(crate) rows: usize,
    /// The terms, those of a low-rank addition last.
    pub(crate) terms: [Terms; 2],
    /// `rows` rows of 32 floats, `out_step` apart.
    pub(crate) out: *mut f32,
    /// Floats between rows of `out`.
    pub(crate) out_step: usize,
    /// Whether the sums continue what `out` holds.
    pub(crate) is_added: bool,
    /// What to fetch into the cache meanwhile: two lines at `ahead`, moved on by `ahead_step` floats each term.
    pub(crate) ahead: *const f32,
    /// Floats that `ahead` moves on.
    pub(crate) ahead_step: usize,
}

/// Computes a tile.
///
/// # Safety
/// The tile's pointers are valid as its fields say (`ahead` may point anywhere), nothing else touches `out`, and the CPU
/// has what `isa` says.
#[inline]
pub(crate) unsafe fn micro(isa: Isa, tile: &Tile) {
    macro_rules! by_rows {
        ($kernel:ident: $($n:literal)*) => {
            match tile.rows {
                // SAFETY: the caller's promise.
                $($n => unsafe { $kernel::<$n>(tile) },)*
                rows => unreachable!("a tile has 1 to {MAX_ROWS} rows, not {rows}"),
            }
        };
    }
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => by_rows!(avx512: 1 2 3 4 5 6 7 8 9 10 11 12),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => by_rows!(avx2: 1 2 3 4 5 6 7 8 9 10 11 12),
        _ => by_rows!(portable: 1 2 3 4 5 6 7 8 9 10 11 12),
    }
}

/// # Safety
/// As `micro`; the CPU has AVX-512 F.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512<const ROWS: usize>(tile: &Tile) {
    use std::arch::x86_64::{
        _MM_HINT_T1, _mm_prefetch, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps,
        _mm512_storeu_ps,
    };
    // SAFETY: every pointer stays within the operands that the caller described; prefetches may go anywhere.
    unsafe {
        let &Tile { out, out_step, ahead_step, .. } = tile;
        let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
        if tile.is_added {
            for (i, sum) in sums.iter_mut().enumerate() {
                sum[0] = _mm512_loadu_ps(out.add(i * out_step));
                sum[1] = _mm512_loadu_ps(out.add(i * out_step + 16));
            }
        }
        let mut ahead = tile.ahead;
        for &Terms { inner, mut left, mut right, right_step } in &tile.terms {
            for _ in 0..inner {
                _mm_prefetch::<_MM_HINT_T1>(ahead.cast());
                _mm_prefetch::<_MM_HINT_T1>(ahead.wrapping_add(16).cast());
                ahead = ahead.wrapping_add(ahead_step);
                let (r0, r1) = (_mm512_loadu_ps(right), _mm512_loadu_ps(right.add(16)));
                for (i, sum) in sums.iter_mut().enumerate() {
                    let l = _mm512_set1_ps(*left.add(i));
                    sum[0] = _mm512_fmadd_ps(l, r0, sum[0]);
                    sum[1] = _mm512_fmadd_ps(l, r1, sum[1]);
                }
                left = left.add(ROWS);
                right = right.wrapping_add(right_step);
            }
        }
        for (i, sum) in sums.iter().enumerate() {
            _mm512_storeu_ps(out.add(i * out_step), sum[0]);
            _mm512_storeu_ps(out.add(i * out_step + 16), sum[1]);
        }
    }
}

/// Three rows × 32 columns fill the 16 registers, so taller tiles make several passes over the panel.
///
/// # Safety
/// As `micro`; the CPU has AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<const ROWS: usize>(tile: &Tile) {
    let mut first = 0;
    while first < ROWS {
        // SAFETY: rows first.. of the same tile.
        unsafe {
            let terms = tile.terms.map(|terms| Terms { left: terms.left.wrapping_add(first), ..terms });
            let pass = Tile { terms, out: tile.out.add(first * tile.out_step), ..*tile };
            match ROWS - first {
                1 => avx2_pass::<1>(&pass),
                2 => avx2_pass::<2>(&pass),
                _ => avx2_pass::<3>(&pass),
            }
        }
        first += 3;
    }
}

/// # Safety
/// As `micro`, for the first `ROWS` rows of the tile only.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2_pass<const ROWS: usize>(tile: &Tile) {
    use std::arch::x86_64::{
        _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_setzero_ps, _mm256_storeu_ps,
    };
    // SAFETY: every pointer stays within the operands that the caller described.
    unsafe {
        let &Tile { out, out_step, .. } = tile;
        let mut sums = [[_mm256_setzero_ps(); 4]; ROWS];
        if tile.is_added {
            for (i, sum) in sums.iter_mut().enumerate() {
                for (v, x) in sum.iter_mut().enumerate() {
                    *x = _mm256_loadu_ps(out.add(i * out_step + 8 * v));
                }
            }
        }
        for &Terms { inner, left, right, right_step } in &tile.terms {
            for p in 0..inner {
                let row = right.add(p * right_step);
                let r = [
                    _mm256_loadu_ps(row),
                    _mm256_loadu_ps(row.add(8)),
                    _mm256_loadu_ps(row.add(16)),
                    _mm256_loadu_ps(row.add(24)),
                ];
                for (i, sum) in sums.iter_mut().enumerate() {
                    let l = _mm256_set1_ps(*left.add(p * tile.rows + i));
                    for (v, x) in sum.iter_mut().enumerate() {
                        *x = _mm256_fmadd_ps(l, r[v], *x);
                    }
                }
            }
        }
        for (i, sum) in sums.iter().enumerate() {
            for (v, x) in sum.iter().enumerate() {
                _mm256_storeu_ps(out.add(i * out_step + 8 * v), *x);
            }
        }
    }
}

/// # Safety
/// As `micro`.
unsafe fn portable<const ROWS: usize>(tile: &Tile) {
    let &Tile { out, out_step, .. } = tile;
    for i in 0..ROWS {
        let mut sums = [0.0f32; PANEL];
        // SAFETY: every pointer stays within the operands that the caller described.
        unsafe {
            if tile.is_added {
                std::ptr::copy_nonoverlapping(out.add(i * out_step), sums.as_mut_ptr(), PANEL);
            }
            for &Terms { inner, left, right, right_step } in &tile.terms {
                for p in 0..inner {
                    let l = *left.add(p * ROWS + i);
                    for (j, sum) in sums.iter_mut().enumerate() {
                        *sum = l.mul_add(*right.add(p * right_step + j), *sum);
                    }
                }
            }
            std::ptr::copy_nonoverlapping(sums.as_ptr(), out.add(i * out_step), PANEL);
        }
    }
}
