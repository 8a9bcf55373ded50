//! The passes between matrix products, forward and backward: norm, rotary embedding, gate, sums.
//!
//! Each works on rows, a row's sums run in sixteen fixed lanes, and rows are shared out to threads.
#![expect(unsafe_code, reason = "kernels compiled per instruction set; rows written by parallel tasks")]

use super::buffer::Shared;
use super::compute::Compute;
use super::simd::{LANES, Lanes, kernel};

/// Rows a task takes at once.
const TASK_ROWS: usize = 16;

impl Compute {
    /// Calls `task(first_row, rows)` for blocks of rows, in parallel where there are several.
    pub(crate) fn for_rows(&self, rows: usize, task: &(dyn Fn(usize, usize) + Sync)) {
        self.pool.run(rows.div_ceil(TASK_ROWS), &|i| {
            let first = i * TASK_ROWS;
            task(first, TASK_ROWS.min(rows - first));
        });
    }
}

kernel! {
    /// out = x · rstd · weight with rstd = 1 / sqrt(mean(x²) + ε) (arXiv 1910.07467), one row; returns rstd.
    fn norm_row(x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) -> f32 {
        let mut squares = Lanes::splat(0.0);
        for part in x.chunks(LANES) {
            let v = Lanes::load_or(part, 0.0);
            squares = v.fma(v, squares);
        }
        let rstd = 1.0 / (squares.sum() / x.len() as f32 + epsilon).sqrt();
        let scale = Lanes::splat(rstd);
        for ((o, part), w) in out.chunks_mut(LANES).zip(x.chunks(LANES)).zip(weight.chunks(LANES)) {
            Lanes::load_or(part, 0.0).mul(scale).mul(Lanes::load_or(w, 0.0)).store(o);
        }
        rstd
    }
}

kernel! {
    /// dx += rstd · (w∘dy) − x · rstd³ / D · Σ(w∘dy∘x), one row.
    fn norm_row_backward(x: &[f32], weight: &[f32], rstd: f32, dy: &[f32], dx: &mut [f32]) {
        let mut dot = Lanes::splat(0.0);
        for ((a, w), d) in x.chunks(LANES).zip(weight.chunks(LANES)).zip(dy.chunks(LANES)) {
            let wd = Lanes::load_or(w, 0.0).mul(Lanes::load_or(d, 0.0));
            dot = Lanes::load_or(a, 0.0).fma(wd, dot);
        }
        let along = Lanes::splat(-dot.sum() * rstd * rstd * rstd / x.len() as f32);
        let scale = Lanes::splat(rstd);
        let parts = x.chunks(LANES).zip(weight.chunks(LANES)).zip(dy.chunks(LANES));
        for (((a, w), d), o) in parts.zip(dx.chunks_mut(LANES)) {
            let wd = Lanes::load_or(w, 0.0).mul(Lanes::load_or(d, 0.0));
            let sum = wd.fma(scale, Lanes::load_or(o, 0.0));
            Lanes::load_or(a, 0.0).fma(along, sum).store(o);
        }
    }
}

/// RMS norm of `rows` rows; `rstd` gets one value a row.
pub(crate) fn norm(
    compute: &Compute,
    x: &[f32],
    weight: &[f32],
    epsilon: f32,
    out: &mut [f32],
    rstd: &mut [f32],
) {
    let width = weight.len();
    let (out, rstd) = (Shared::new(out), Shared::new(rstd));
    compute.for_rows(x.len() / width, &|first, rows| {
        for row in first..first + rows {
            // SAFETY: one task a row.
            let (o, r) = unsafe { (out.part(row * width, width), rstd.part(row, 1)) };
            r[0] = norm_row(compute.isa, &x[row * width..][..width], weight, epsilon, o);
        }
    });
}

/// Adds the norm's input gradient to `dx`.
pub(crate) fn norm_backward(
    compute: &Compute,
    x: &[f32],
    weight: &[f32],
    rstd: &[f32],
    dy: &[f32],
    dx: &mut [f32],
) {
    let width = weight.len();
    let dx = Shared::new(dx);
    compute.for_rows(x.len() / width, &|first, rows| {
        for (row, &rstd) in (first..).zip(&rstd[first..first + rows]) {
            // SAFETY: one task a row.
            let o = unsafe { dx.part(row * width, width) };
            let range = row * width..(row + 1) * width;
            norm_row_backward(compute.isa, &x[range.clone()], weight, rstd, &dy[range], o);
        }
    });
}

/// Adds Σ_rows dy∘x·rstd to the gradient of the norm's weight, rows in order.
pub(crate) fn norm_weight_backward(x: &[f32], rstd: &[f32], dy: &[f32], dweight: &mut [f32]) {
    let width = dweight.len();
    for (row, &r) in rstd.iter().enumerate() {
        let range = row * width..(row + 1) * width;
        for ((g, &a), &d) in dweight.iter_mut().zip(&x[range.clone()]).zip(&dy[range]) {
            *g = (a * r).mul_add(d, *g);
        }
    }
}

kernel! {
    fn add_row(a: &[f32], b: &[f32], out: &mut [f32]) {
        for ((o, x), y) in out.chunks_mut(LANES).zip(a.chunks(LANES)).zip(b.chunks(LANES)) {
            Lanes::load_or(x, 0.0).add(Lanes::load_or(y, 0.0)).store(o);
        }
    }
}

/// out = a + b, element by element.
pub(crate) fn add(compute: &Compute, a: &[f32], b: &[f32], out: &mut [f32]) {
    const BLOCK: usize = 16_384;
    let total = out.len();
    let out = Shared::new(out);
    compute.pool.run(total.div_ceil(BLOCK), &|i| {
        let (first, len) = (i * BLOCK, BLOCK.min(total - i * BLOCK));
        // SAFETY: one task a block.
        let o = unsafe { out.part(first, len) };
        add_row(compute.isa, &a[first..first + len], &b[first..first + len], o);
    });
}

kernel! {
    /// out = gate · σ(gate) · up (arXiv 2002.05202), one row of `[gate | up]`.
    fn gate_row(gate_up: &[f32], out: &mut [f32]) {
        let (gate, up) = gate_up.split_at(out.len());
        for ((o, g), u) in out.chunks_mut(LANES).zip(gate.chunks(LANES)).zip(up.chunks(LANES)) {
            let g = Lanes::load_or(g, 0.0);
            g.mul(g.sigmoid()).mul(Lanes::load_or(u, 0.0)).store(o);
        }
    }
}

kernel! {
    /// Overwrites `[gate | up]` with its gradient, one row.
    fn gate_row_backward(gate_up: &mut [f32], dout: &[f32]) {
        let one = Lanes::splat(1.0);
        let (gate, up) = gate_up.split_at_mut(dout.len());
        for ((g, u), d) in gate.chunks_mut(LANES).zip(up.chunks_mut(LANES)).zip(dout.chunks(LANES)) {
            let (gv, uv, dv) = (Lanes::load_or(g, 0.0), Lanes::load_or(u, 0.0), Lanes::load_or(d, 0.0));
            let s = gv.sigmoid();
            let silu = gv.mul(s);
            // σ·(1 + g·(1 − σ)) = silu' written with one fma: σ + silu·(1 − σ)
            let slope = silu.fma(one.sub(s), s);
            dv.mul(uv).mul(slope).store(g);
            dv.mul(silu).store(u);
        }
    }
}

/// SwiGLU of rows of `[gate | up]`, each `2 · width`, to rows of `width`.
pub(crate) fn gate(compute: &Compute, gate_up: &[f32], width: usize, out: &mut [f32]) {
    let rows = out.len() / width;
    let out = Shared::new(out);
    compute.for_rows(rows, &|first, count| {
        for row in first..first + count {
            // SAFETY: one task a row.
            let o = unsafe { out.part(row * width, width) };
            gate_row(compute.isa, &gate_up[row * 2 * width..][..2 * width], o);
        }
    });
}

/// Overwrites rows of `[gate | up]` with their gradients.
pub(crate) fn gate_backward(compute: &Compute, gate_up: &mut [f32], width: usize, dout: &[f32]) {
    let rows = dout.len() / width;
    let gate_up = Shared::new(gate_up);
    compute.for_rows(rows, &|first, count| {
        for row in first..first + count {
            // SAFETY: one task a row.
            let g = unsafe { gate_up.part(row * 2 * width, 2 * width) };
            gate_row_backward(compute.isa, g, &dout[row * width..][..width]);
        }
    });
}

/// Rotary embedding tables (arXiv 2104.09864), `[position][head_dim / 2]` of cosines and sines.
pub(crate) struct Rotary {
    half: usize,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Rotary {
    /// Tables for positions `0..positions`, computed in f64.
    #[must_use]
    pub(crate) fn new(head_dim: usize, positions: usize, theta: f64) -> Rotary {
        let half = head_dim / 2;
        let angle = |i: usize| (i / half) as f64 * theta.powf(-((i % half) as f64) / half as f64);
        let n = positions * half;
        Rotary {
            half,
            cos: (0..n).map(|i| angle(i).cos() as f32).collect(),
            sin: (0..n).map(|i| angle(i).sin() as f32).collect(),
        }
    }

    /// Rotates `heads` heads that begin each row of `x` (row stride `stride`), forward or (for gradients) back.
    pub(crate) fn apply(
        &self,
        compute: &Compute,
        x: &mut [f32],
        stride: usize,
        heads: usize,
        positions: &[u32],
        is_back: bool,
    ) {
        let width = heads * 2 * self.half;
        let x = Shared::new(x);
        compute.for_rows(positions.len(), &|first, rows| {
            for (row, &position) in (first..).zip(&positions[first..first + rows]) {
                // SAFETY: one task a row.
                let values = unsafe { x.part(row * stride, width) };
                let at = position as usize * self.half;
                let (cos, sin) = (&self.cos[at..at + self.half], &self.sin[at..at + self.half]);
                for head in values.chunks_exact_mut(2 * self.half) {
                    rotate_head(compute.isa, head, cos, sin, if is_back { -1.0 } else { 1.0 });
                }
            }
        });
    }
}

kernel! {
    fn rotate_head(head: &mut [f32], cos: &[f32], sin: &[f32], direction: f32) {
        let (low, high) = head.split_at_mut(cos.len());
        let direction = Lanes::splat(direction);
        let zero = Lanes::splat(0.0);
        let parts = low.chunks_mut(LANES).zip(high.chunks_mut(LANES));
        for ((l, h), (c, s)) in parts.zip(cos.chunks(LANES).zip(sin.chunks(LANES))) {
            let (a, b) = (Lanes::load_or(l, 0.0), Lanes::load_or(h, 0.0));
            let (c, s) = (Lanes::load_or(c, 0.0), Lanes::load_or(s, 0.0).mul(direction));
            a.fma(c, zero.sub(b.mul(s))).store(l);
            b.fma(c, a.mul(s)).store(h);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(n: usize, phase: f32) -> Vec<f32> {
        (0..n).map(|i| ((i as f32).mul_add(0.7, phase)).sin()).collect()
    }

    /// Compares an analytic gradient with central differences of Σ weights∘f(x).
    fn check_gradient(x: &[f32], analytic: &[f32], f: impl Fn(&[f32]) -> Vec<f32>, weights: &[f32]) {
        let loss =
            |x: &[f32]| -> f64 { f(x).iter().zip(weights).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum() };
        for i in 0..x.len() {
            let mut moved = x.to_vec();
            moved[i] = x[i] + 1e-2;
            let up = loss(&moved);
            moved[i] = x[i] - 1e-2;
            let numeric = (up - loss(&moved)) / 2e-2;
            assert!(
                (numeric - f64::from(analytic[i])).abs() < 2e-3,
                "element {i}: {numeric} vs {}",
                analytic[i]
            );
        }
    }

    #[test]
    fn norm_gradient_matches_finite_differences() {
        let compute = Compute::new(2);
        let (x, w, dy) = (wave(2 * 20, 0.1), wave(20, 1.3), wave(2 * 20, 2.0));
        let forward = |x: &[f32]| {
            let (mut out, mut rstd) = (vec![0.0; x.len()], vec![0.0; 2]);
            norm(&compute, x, &w, 1e-5, &mut out, &mut rstd);
            out
        };
        let mut rstd = vec![0.0; 2];
        norm(&compute, &x, &w, 1e-5, &mut [0.0; 40], &mut rstd);
        let mut dx = vec![0.0; 40];
        norm_backward(&compute, &x, &w, &rstd, &dy, &mut dx);
        check_gradient(&x, &dx, forward, &dy);
        let mut dw = vec![0.0; 20];
        norm_weight_backward(&x, &rstd, &dy, &mut dw);
        let by_weight = |w: &[f32]| {
            let mut out = vec![0.0; x.len()];
            norm(&compute, &x, w, 1e-5, &mut out, &mut [0.0; 2]);
            out
        };
        check_gradient(&w, &dw, by_weight, &dy);
    }

    #[test]
    fn gate_gradient_matches_finite_differences() {
        let compute = Compute::new(1);
        let (x, dy) = (wave(2 * 2 * 9, 0.4), wave(2 * 9, 1.0));
        let forward = |x: &[f32]| {
            let mut out = vec![0.0; 18];
            gate(&compute, x, 9, &mut out);
            out
        };
        let mut dx = x.clone();
        gate_backward(&compute, &mut dx, 9, &dy);
        check_gradient(&x, &dx, forward, &dy);
    }

    #[test]
    fn rotation_keeps_lengths_and_turns_back() {
        let compute = Compute::new(1);
        let rotary = Rotary::new(8, 50, 10_000.0);
        let x = wave(3 * 20, 0.2);
        let mut turned = x.clone();
        rotary.apply(&compute, &mut turned, 20, 2, &[0, 7, 49], false);
        assert_eq!(turned[..20], x[..20], "position 0 does not turn, and what is past the heads stays");
        let length = |v: &[f32]| v.iter().map(|a| a * a).sum::<f32>();
        assert!((length(&turned[20..36]) - length(&x[20..36])).abs() < 1e-5);
        assert!((turned[20] - x[20]).abs() > 1e-3);
        rotary.apply(&compute, &mut turned, 20, 2, &[0, 7, 49], true);
        assert!(turned.iter().zip(&x).all(|(a, b)| (a - b).abs() < 1e-6));
    }
}
