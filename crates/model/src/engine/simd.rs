//! Sixteen-lane arithmetic whose result is the same bits on every instruction set.
//!
//! Everything is written once, as loops over arrays of 16 with explicit fused multiply-adds, and compiled three times
//! (AVX-512, AVX2 + FMA, portable) by the `kernel!` macro. No operation is reassociated and none is approximate beyond
//! what is written here, so the three agree bit for bit; the portable one is slow where the CPU has no FMA.

/// The instruction set that kernels run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isa {
    /// AVX-512 F, VL, DQ, BW.
    Avx512,
    /// AVX2 and FMA.
    Avx2,
    /// Whatever the compiler's baseline is.
    Portable,
}

impl Isa {
    /// The best one this CPU offers.
    #[must_use]
    pub fn detect() -> Isa {
        #[cfg(target_arch = "x86_64")]
        {
            let has_avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512bw");
            if has_avx512 {
                return Isa::Avx512;
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Isa::Avx2;
            }
        }
        Isa::Portable
    }

    /// Name for reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Isa::Avx512 => "avx512",
            Isa::Avx2 => "avx2",
            Isa::Portable => "portable",
        }
    }
}

/// Compiles one body for every instruction set; the first argument picks.
macro_rules! kernel {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name(isa: $crate::engine::simd::Isa, $($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            fn body($($arg: $ty),*) $(-> $ret)? $body
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
            fn avx512($($arg: $ty),*) $(-> $ret)? { body($($arg),*) }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($arg: $ty),*) $(-> $ret)? { body($($arg),*) }
            match isa {
                // SAFETY: `Isa::detect` saw these features, and tests ask for a set only if the CPU has it.
                #[cfg(target_arch = "x86_64")]
                $crate::engine::simd::Isa::Avx512 => unsafe { avx512($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::engine::simd::Isa::Avx2 => unsafe { avx2($($arg),*) },
                _ => body($($arg),*),
            }
        }
    };
}
pub(crate) use kernel;

/// Number of lanes.
pub(crate) const LANES: usize = 16;

/// Sixteen floats.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lanes(pub [f32; LANES]);

#[inline(always)]
fn map(f: impl Fn(usize) -> f32) -> Lanes {
    let mut out = [0.0; LANES];
    let mut i = 0;
    while i < LANES {
        out[i] = f(i);
        i += 1;
    }
    Lanes(out)
}

impl Lanes {
    /// All lanes the same.
    #[inline(always)]
    pub(crate) fn splat(x: f32) -> Lanes {
        Lanes([x; LANES])
    }

    /// The first sixteen of a slice; missing ones are `fill`.
    #[inline(always)]
    pub(crate) fn load_or(x: &[f32], fill: f32) -> Lanes {
        if x.len() >= LANES {
            return Lanes::load(x);
        }
        map(|i| if i < x.len() { x[i] } else { fill })
    }

    /// The first sixteen of a slice.
    #[inline(always)]
    pub(crate) fn load(x: &[f32]) -> Lanes {
        let mut out = [0.0; LANES];
        out.copy_from_slice(&x[..LANES]);
        Lanes(out)
    }

    /// Stores as many lanes as the slice holds, at most sixteen.
    #[inline(always)]
    pub(crate) fn store(self, out: &mut [f32]) {
        if out.len() >= LANES {
            out[..LANES].copy_from_slice(&self.0);
        } else {
            let len = out.len();
            out.copy_from_slice(&self.0[..len]);
        }
    }

    /// self · b + c, rounded once.
    #[inline(always)]
    pub(crate) fn fma(self, b: Lanes, c: Lanes) -> Lanes {
        map(|i| self.0[i].mul_add(b.0[i], c.0[i]))
    }

    /// Lane by lane.
    #[inline(always)]
    pub(crate) fn add(self, b: Lanes) -> Lanes {
        map(|i| self.0[i] + b.0[i])
    }

    /// Lane by lane.
    #[inline(always)]
    pub(crate) fn sub(self, b: Lanes) -> Lanes {
        map(|i| self.0[i] - b.0[i])
    }

    /// Lane by lane.
    #[inline(always)]
    pub(crate) fn mul(self, b: Lanes) -> Lanes {
        map(|i| self.0[i] * b.0[i])
    }

    /// Lane by lane.
    #[inline(always)]
    pub(crate) fn div(self, b: Lanes) -> Lanes {
        map(|i| self.0[i] / b.0[i])
    }

    /// Lane by lane; a NaN in `self` gives the other.
    #[inline(always)]
    pub(crate) fn max(self, b: Lanes) -> Lanes {
        map(|i| if self.0[i] > b.0[i] { self.0[i] } else { b.0[i] })
    }

    /// Sum of the lanes as a fixed tree: halves are added to halves.
    #[inline(always)]
    pub(crate) fn sum(self) -> f32 {
        let x = self.0;
        let mut eight = [0.0f32; 8];
        for i in 0..8 {
            eight[i] = x[i] + x[i + 8];
        }
        let four = [eight[0] + eight[4], eight[1] + eight[5], eight[2] + eight[6], eight[3] + eight[7]];
        (four[0] + four[2]) + (four[1] + four[3])
    }

    /// Largest lane.
    #[inline(always)]
    pub(crate) fn max_lane(self) -> f32 {
        self.0.iter().fold(f32::NEG_INFINITY, |m, &x| if x > m { x } else { m })
    }

    /// e^x to about 1 ulp on [-87, 88]; 0 below, where f32 would be subnormal; infinity is never returned.
    ///
    /// Range reduction by ln 2 in two parts, then a degree-6 minimax polynomial (coefficients of Cephes' `expf`).
    #[inline(always)]
    pub(crate) fn exp(self) -> Lanes {
        map(|i| exp_one(self.0[i]))
    }

    /// 1 / (1 + e^-x).
    #[inline(always)]
    pub(crate) fn sigmoid(self) -> Lanes {
        let one = Lanes::splat(1.0);
        one.div(one.add(Lanes::splat(0.0).sub(self).exp()))
    }
}

#[inline(always)]
fn exp_one(x: f32) -> f32 {
    const LOWEST: f32 = -87.0;
    const HIGHEST: f32 = 88.0;
    const ROUND: f32 = 12_582_912.0; // 1.5 · 2^23: adding it rounds to the nearest integer
    let clamped = if x > HIGHEST { HIGHEST } else { x };
    let clamped = if clamped < LOWEST { LOWEST } else { clamped };
    let shifted = clamped.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-0.693_359_4, clamped);
    let r = n.mul_add(2.121_944_4e-4, r);
    let mut p = 1.987_569_1e-4f32;
    p = p.mul_add(r, 1.398_199_9e-3);
    p = p.mul_add(r, 8.333_452e-3);
    p = p.mul_add(r, 4.166_579_6e-2);
    p = p.mul_add(r, 1.666_666_6e-1);
    p = p.mul_add(r, 5e-1);
    let y = p.mul_add(r * r, r) + 1.0;
    // The low mantissa bits of `shifted` hold n; moved to the exponent field they add n to y's exponent.
    let bits = y.to_bits().wrapping_add(shifted.to_bits() << 23);
    if x < LOWEST { 0.0 } else { f32::from_bits(bits) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_accurate_and_saturates() {
        let mut x = -86.9f32;
        while x < 87.9 {
            let relative = (f64::from(exp_one(x)) / f64::from(x).exp() - 1.0).abs();
            assert!(relative < 2e-7, "exp({x}) is off by {relative:e}");
            x += 0.037;
        }
        assert_eq!(exp_one(-200.0), 0.0);
        assert_eq!(exp_one(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp_one(0.0), 1.0);
        assert!(exp_one(1000.0).is_finite());
    }

    #[test]
    fn sum_and_max_see_every_lane() {
        let lanes = map(|i| (1 << i) as f32);
        assert_eq!(lanes.sum(), 65_535.0);
        assert_eq!(lanes.max_lane(), 32_768.0);
    }
}
