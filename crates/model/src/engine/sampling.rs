//! Drawing a token from a row of logits.

use super::head::{BLOCK, BlockStats, RowStats};
use super::random::Stream;
use crate::SamplingParams;

/// One row of logits and its softmax.
pub(crate) struct Row<'a> {
    /// `[V]`, already divided by the temperature.
    pub(crate) logits: &'a [f32],
    /// The blocks of the softmax.
    pub(crate) blocks: &'a [BlockStats],
    /// The whole softmax.
    pub(crate) stats: RowStats,
}

/// Draws a token; `logits` are already divided by the temperature (by 1 if greedy).
///
/// Greedy takes the first of the largest. Otherwise the inverse of the cumulative distribution over the vocabulary in
/// order, or over the tokens that top-k, top-p and min-p keep, likeliest first.
pub(crate) fn draw(row: &Row<'_>, params: &SamplingParams, stream: Stream, position: u64) -> u32 {
    if params.temperature == 0.0 {
        return greedy(row.logits);
    }
    let uniform = stream.uniform(position);
    let is_cut =
        (params.top_k > 0 && params.top_k < row.logits.len()) || params.top_p < 1.0 || params.min_p > 0.0;
    if is_cut { draw_cut(row.logits, row.stats, params, uniform) } else { draw_all(row, uniform) }
}

fn greedy(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (i, &z) in logits.iter().enumerate() {
        if z > logits[best] {
            best = i;
        }
    }
    best as u32
}

/// The block by the blocks' sums, then the token within it.
fn draw_all(row: &Row<'_>, uniform: f64) -> u32 {
    let mut left = uniform * row.stats.log_sum.exp();
    let mut chosen = 0;
    for (index, block) in row.blocks.iter().enumerate() {
        let mass = block.mass(row.stats.max);
        chosen = index;
        if left < mass {
            break;
        }
        left -= mass;
    }
    let first = chosen * BLOCK;
    let logits = &row.logits[first..row.logits.len().min(first + BLOCK)];
    let mut last = greedy(logits) as usize;
    for (i, &z) in logits.iter().enumerate() {
        let weight = (f64::from(z) - row.stats.max).exp();
        if left < weight {
            return (first + i) as u32;
        }
        left -= weight;
        if weight > 0.0 {
            last = i;
        }
    }
    (first + last) as u32
}

fn draw_cut(logits: &[f32], stats: RowStats, params: &SamplingParams, uniform: f64) -> u32 {
    let by_likelihood =
        |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then_with(|| a.cmp(b));
    let log_z = stats.max + stats.log_sum;
    let probability = |token: u32| (f64::from(logits[token as usize]) - log_z).exp();
    let mut order: Vec<u32>;
    let mut kept_mass = 1.0;
    if params.top_k > 0 && params.top_k < logits.len() {
        order = (0..logits.len() as u32).collect();
        order.select_nth_unstable_by(params.top_k - 1, by_likelihood);
        order.truncate(params.top_k);
        kept_mass = order.iter().map(|&t| probability(t)).sum();
    } else if params.min_p > 0.0 {
        // A rounding below the bar, so that no token that counts is lost; the exact rule follows.
        let bar = (stats.max + f64::from(params.min_p).ln() - 1e-3) as f32;
        order = (0..logits.len() as u32).filter(|&t| logits[t as usize] >= bar).collect();
    } else {
        order = likely_tokens(logits, stats, f64::from(params.top_p), &probability);
    }
    order.sort_unstable_by(by_likelihood);
    let mut kept = 0;
    let mut mass = 0.0;
    // The likeliest token is kept by every rule.
    let least = f64::from(params.min_p) * order.first().map_or(0.0, |&token| probability(token));
    for &token in &order {
        if kept > 0 && probability(token) < least {
            break;
        }
        mass += probability(token);
        kept += 1;
        if mass >= f64::from(params.top_p) * kept_mass {
            break;
        }
    }
    order.truncate(kept);
    let mut left = uniform * mass;
    for &token in &order {
        let p = probability(token);
        if left < p {
            return token;
        }
        left -= p;
    }
    order.last().copied().unwrap_or(0)
}

/// Tokens that surely hold the nucleus of mass `top_p`: all above a bar that is lowered until they do. Sorting the
/// few of them is far cheaper than sorting the vocabulary.
fn likely_tokens(logits: &[f32], stats: RowStats, top_p: f64, probability: &dyn Fn(u32) -> f64) -> Vec<u32> {
    let mut below_top = 6.0;
    loop {
        let bar = (stats.max - below_top) as f32;
        let above = |&t: &u32| logits[t as usize] >= bar;
        let tokens: Vec<u32> = (0..logits.len() as u32).filter(above).collect();
        let mass: f64 = tokens.iter().map(|&t| probability(t)).sum();
        if mass >= top_p || tokens.len() == logits.len() {
            return tokens;
        }
        below_top *= 2.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frequencies(logits: &[f32], params: &SamplingParams) -> Vec<f64> {
        let mut logits = logits.to_vec();
        let isa = crate::engine::simd::Isa::detect();
        let blocks: Vec<BlockStats> =
            logits.chunks_mut(BLOCK).map(|part| crate::engine::head::reduce_block(isa, part, 1.0)).collect();
        let row = Row { logits: &logits, blocks: &blocks, stats: RowStats::combine(&blocks) };
        let mut counts = vec![0.0; logits.len()];
        for i in 0..20_000 {
            counts[draw(&row, params, Stream::new(&[7]), i) as usize] += 1.0 / 20_000.0;
        }
        counts
    }

    #[test]
    fn a_token_beyond_the_first_block_is_drawn() {
        let mut logits = vec![-50.0f32; 3 * BLOCK];
        logits[10] = 0.0;
        logits[2 * BLOCK + 5] = 3f32.ln();
        let counts = frequencies(&logits, &SamplingParams::default());
        assert!((counts[10] - 0.25).abs() < 0.015 && (counts[2 * BLOCK + 5] - 0.75).abs() < 0.015);
    }

    fn check(params: SamplingParams, expected: [f64; 4]) {
        // Probabilities 0.4, 0.1, 0.3, 0.2.
        let logits = [0.4f32.ln(), 0.1f32.ln(), 0.3f32.ln(), 0.2f32.ln()];
        for (got, expected) in frequencies(&logits, &params).iter().zip(expected) {
            assert!((got - expected).abs() < 0.015, "{params:?}: {got} for {expected}");
        }
    }

    #[test]
    fn draws_follow_the_distribution() {
        let all = SamplingParams::default();
        check(all.clone(), [0.4, 0.1, 0.3, 0.2]);
        check(SamplingParams { top_k: 2, ..all.clone() }, [4.0 / 7.0, 0.0, 3.0 / 7.0, 0.0]);
        check(SamplingParams { top_p: 0.65, ..all.clone() }, [4.0 / 7.0, 0.0, 3.0 / 7.0, 0.0]);
        check(SamplingParams { top_p: 0.75, ..all.clone() }, [4.0 / 9.0, 0.0, 3.0 / 9.0, 2.0 / 9.0]);
        check(SamplingParams { temperature: 0.0, ..all }, [1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn cuts_keep_what_enumeration_says_alone_and_together() {
        let p = [0.4, 0.1, 0.3, 0.2];
        for (top_k, top_p, min_p) in [
            (0, 1.0, 0.45),
            (0, 1.0, 0.7),
            (3, 1.0, 0.3),
            (0, 0.65, 0.3),
            (0, 0.95, 0.6),
            (2, 0.5, 0.1),
            (0, 1.0, 1.0),
        ] {
            // By the definitions: top-k, then the nucleus of what is left, then the bar relative to the likeliest.
            let mut order = vec![0, 2, 3, 1];
            order.truncate(if top_k == 0 { 4 } else { top_k });
            let left: f64 = order.iter().map(|&t: &usize| p[t]).sum();
            let mut mass = 0.0;
            order.retain(|&t| {
                let is_kept = mass < f64::from(top_p) * left && p[t] >= f64::from(min_p) * 0.4 - 1e-6;
                mass += p[t];
                is_kept
            });
            let kept: f64 = order.iter().map(|&t| p[t]).sum();
            let expected = std::array::from_fn(|t| if order.contains(&t) { p[t] / kept } else { 0.0 });
            check(SamplingParams { top_k, top_p, min_p, ..SamplingParams::default() }, expected);
        }
    }
}
