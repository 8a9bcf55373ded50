//! GGML's block formats: bytes of a tensor → f32, and f32 → Q8_0 for export.
//!
//! Not here: files and names (`gguf_read`, `gguf_write`). Layouts are those of llama.cpp's `ggml-quants`; every
//! block shares one or two half-precision scales, "K" formats add 6-bit or 8-bit scales per sub-block.

use half::{bf16, f16};

/// How the values of a tensor are stored in a GGUF file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockFormat {
    F32,
    F16,
    Bf16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q4K,
    Q5K,
    Q6K,
}

/// All formats that are read, for error messages.
pub(crate) const SUPPORTED: &str = "F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K";

/// Values in a block of the formats without and with "K".
const BLOCK: usize = 32;
const SUPER_BLOCK: usize = 256;

impl BlockFormat {
    /// The format with this `ggml_type` number.
    pub(crate) fn from_ggml_type(number: u32) -> Option<BlockFormat> {
        Some(match number {
            0 => BlockFormat::F32,
            1 => BlockFormat::F16,
            2 => BlockFormat::Q4_0,
            3 => BlockFormat::Q4_1,
            6 => BlockFormat::Q5_0,
            7 => BlockFormat::Q5_1,
            8 => BlockFormat::Q8_0,
            12 => BlockFormat::Q4K,
            13 => BlockFormat::Q5K,
            14 => BlockFormat::Q6K,
            30 => BlockFormat::Bf16,
            _ => return None,
        })
    }

    /// The name GGML uses.
    pub(crate) fn name(self) -> &'static str {
        match self {
            BlockFormat::F32 => "F32",
            BlockFormat::F16 => "F16",
            BlockFormat::Bf16 => "BF16",
            BlockFormat::Q4_0 => "Q4_0",
            BlockFormat::Q4_1 => "Q4_1",
            BlockFormat::Q5_0 => "Q5_0",
            BlockFormat::Q5_1 => "Q5_1",
            BlockFormat::Q8_0 => "Q8_0",
            BlockFormat::Q4K => "Q4_K",
            BlockFormat::Q5K => "Q5_K",
            BlockFormat::Q6K => "Q6_K",
        }
    }

    /// Values in a block and bytes it takes.
    pub(crate) fn block(self) -> (usize, usize) {
        match self {
            BlockFormat::F32 => (1, 4),
            BlockFormat::F16 | BlockFormat::Bf16 => (1, 2),
            BlockFormat::Q4_0 => (BLOCK, 18),
            BlockFormat::Q4_1 => (BLOCK, 20),
            BlockFormat::Q5_0 => (BLOCK, 22),
            BlockFormat::Q5_1 => (BLOCK, 24),
            BlockFormat::Q8_0 => (BLOCK, 34),
            BlockFormat::Q4K => (SUPER_BLOCK, 144),
            BlockFormat::Q5K => (SUPER_BLOCK, 176),
            BlockFormat::Q6K => (SUPER_BLOCK, 210),
        }
    }

    /// Appends the values of `bytes`, a whole number of blocks, to `out`.
    pub(crate) fn dequantize(self, bytes: &[u8], out: &mut Vec<f32>) {
        let (_, block_bytes) = self.block();
        let blocks = bytes.chunks_exact(block_bytes);
        match self {
            BlockFormat::F32 => out.extend(blocks.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))),
            BlockFormat::F16 => out.extend(blocks.map(half_at_start)),
            BlockFormat::Bf16 => out.extend(blocks.map(|b| bf16::from_le_bytes([b[0], b[1]]).to_f32())),
            BlockFormat::Q4_0 => blocks.for_each(|b| nibbles(b, 2, None, 8, half_at_start(b), -0.0, out)),
            BlockFormat::Q4_1 => {
                blocks.for_each(|b| nibbles(b, 4, None, 0, half_at_start(b), half_at_start(&b[2..]), out));
            }
            BlockFormat::Q5_0 => blocks.for_each(|b| nibbles(b, 6, Some(2), 16, half_at_start(b), -0.0, out)),
            BlockFormat::Q5_1 => {
                blocks.for_each(|b| nibbles(b, 8, Some(4), 0, half_at_start(b), half_at_start(&b[2..]), out));
            }
            BlockFormat::Q8_0 => blocks.for_each(|b| {
                let scale = half_at_start(b);
                out.extend(b[2..].iter().map(|&q| f32::from(q.cast_signed()) * scale));
            }),
            BlockFormat::Q4K => blocks.for_each(|b| q4k_or_q5k(b, None, &b[16..144], out)),
            BlockFormat::Q5K => blocks.for_each(|b| q4k_or_q5k(b, Some(&b[16..48]), &b[48..176], out)),
            BlockFormat::Q6K => blocks.for_each(|b| q6k(b, out)),
        }
    }
}

fn half_at_start(bytes: &[u8]) -> f32 {
    f16::from_le_bytes([bytes[0], bytes[1]]).to_f32()
}

/// A block of 32: low nibbles are values 0..16, high nibbles 16..32; bit i of the word at `fifth_bits` is the fifth bit of
/// value i. value = scale · (q − offset) + minimum; a minimum of −0 changes nothing, not even the sign of a zero.
fn nibbles(
    block: &[u8],
    start: usize,
    fifth_bits: Option<usize>,
    offset: i8,
    scale: f32,
    minimum: f32,
    out: &mut Vec<f32>,
) {
    let fifth = fifth_bits
        .map_or(0, |at| u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]));
    let quants = &block[start..start + 16];
    let low = quants.iter().map(|q| q & 15);
    let high = quants.iter().map(|q| q >> 4);
    out.extend(low.chain(high).enumerate().map(|(i, q)| {
        let q = q | (((fifth >> i) & 1) as u8) << 4;
        f32::from(q.cast_signed() - offset) * scale + minimum
    }));
}

/// 256 values in 8 sub-blocks of 32 with a 6-bit scale and a 6-bit minimum each: d·s·q − d_min·m.
fn q4k_or_q5k(block: &[u8], fifth_bits: Option<&[u8]>, quants: &[u8], out: &mut Vec<f32>) {
    let d = half_at_start(block);
    let d_min = half_at_start(&block[2..]);
    let packed = &block[4..16];
    for sub in 0..8 {
        // The first four scales and minima sit in 6 bits of bytes 0..8; the others are put together from nibbles of
        // bytes 8..12 and the two high bits left over.
        let (scale, minimum) = if sub < 4 {
            (packed[sub] & 63, packed[sub + 4] & 63)
        } else {
            let nibbles = packed[sub + 4];
            (nibbles & 15 | (packed[sub - 4] >> 6) << 4, nibbles >> 4 | (packed[sub] >> 6) << 4)
        };
        let (scale, minimum) = (d * f32::from(scale), d_min * f32::from(minimum));
        let bytes = &quants[sub / 2 * 32..sub / 2 * 32 + 32];
        out.extend(bytes.iter().enumerate().map(|(i, byte)| {
            let nibble = if sub % 2 == 0 { byte & 15 } else { byte >> 4 };
            let fifth = fifth_bits.map_or(0, |bits| (bits[i] >> sub) & 1);
            scale * f32::from(nibble | fifth << 4) - minimum
        }));
    }
}

/// 256 values of 6 bits in 16 sub-blocks of 16 with an 8-bit scale each: d·s·(q − 32).
fn q6k(block: &[u8], out: &mut Vec<f32>) {
    let (low, high, scales) = (&block[..128], &block[128..192], &block[192..208]);
    let d = half_at_start(&block[208..]);
    for position in 0..SUPER_BLOCK {
        // Each half of 128 is four runs of 32: runs 0 and 1 take low nibbles, 2 and 3 high ones, and run r takes bit pair r.
        let (half, run, i) = (position / 128, position / 32 % 4, position % 32);
        let byte = low[half * 64 + run % 2 * 32 + i];
        let nibble = if run < 2 { byte & 15 } else { byte >> 4 };
        let pair = (high[half * 32 + i] >> (2 * run)) & 3;
        let quant = (nibble | pair << 4).cast_signed() - 32;
        let scale = d * f32::from(scales[position / 16].cast_signed());
        out.push(scale * f32::from(quant));
    }
}

/// Q8_0 blocks of `values`, whose number is a multiple of 32.
pub(crate) fn quantize_q8_0(values: &[f32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(values.len() / BLOCK * 34);
    for block in values.chunks_exact(BLOCK) {
        let largest = block.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        let scale = largest / 127.0;
        let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
        bytes.extend(f16::from_f32(scale).to_le_bytes());
        bytes.extend(block.iter().map(|v| ((v * inverse).round() as i8).cast_unsigned()));
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q4_0_by_hand() {
        // Scale 0.5; byte 0 holds q = 15 (value 0) and q = 0 (value 16); the others 8, which is zero.
        let mut block = f16::from_f32(0.5).to_le_bytes().to_vec();
        block.push(0x0f);
        block.extend([0x88; 15]);
        let mut values = Vec::new();
        BlockFormat::Q4_0.dequantize(&block, &mut values);
        assert_eq!(values.len(), 32);
        assert_eq!((values[0], values[16]), (3.5, -4.0));
        assert!(values.iter().enumerate().all(|(i, v)| i % 16 == 0 || *v == 0.0));
    }

    #[test]
    fn q8_0_round_trip_errs_by_at_most_half_a_step() {
        let values: Vec<f32> = (0..64).map(|i| ((i * 37 % 64) as f32 - 31.0) * 0.01).collect();
        let mut back = Vec::new();
        BlockFormat::Q8_0.dequantize(&quantize_q8_0(&values), &mut back);
        for (value, back) in values.iter().zip(&back) {
            // Half a step of 0.32/127, and the rounding of the scale to half precision.
            assert!((value - back).abs() <= 0.32 / 127.0 * 0.51 + 0.32 / 2048.0, "{value} {back}");
        }
        assert_eq!(quantize_q8_0(&[0.0; 32]), vec![0; 34]);
    }
}
