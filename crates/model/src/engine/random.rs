//! Random numbers by counter: a number depends on its key and its place, never on what was drawn before.
//!
//! SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) as a keyed mixing function: every sampled token of every run can be
//! drawn again on its own, so resuming, batching and threads cannot shift a stream.

/// A stream of numbers named by a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    key: u64,
}

impl Stream {
    /// The stream of a key; the order of the parts counts.
    #[must_use]
    pub fn new(parts: &[u64]) -> Stream {
        Stream { key: parts.iter().fold(0x9E37_79B9_7F4A_7C15, |key, &part| mix(key ^ mix(part))) }
    }

    /// Number `index` of the stream.
    #[must_use]
    pub fn bits(self, index: u64) -> u64 {
        mix(self.key.wrapping_add(index.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
    }

    /// Number `index`, uniform in [0, 1) with 53 bits.
    #[must_use]
    pub fn uniform(self, index: u64) -> f64 {
        (self.bits(index) >> 11) as f64 / (1u64 << 53) as f64
    }
}

fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixes_as_published() {
        // First output of SplitMix64 with seed 0, as its authors' reference code prints it.
        assert_eq!(mix(0), 0xE220_A839_7B1D_CDAF);
    }

    #[test]
    fn numbers_are_uniform_and_keys_differ() {
        let stream = Stream::new(&[1, 2, 3]);
        let mean = (0..10_000).map(|i| stream.uniform(i)).sum::<f64>() / 1e4;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
        assert_ne!(Stream::new(&[1, 2]), Stream::new(&[2, 1]));
        assert_ne!(stream.bits(0), stream.bits(1));
    }
}
