//! pass@k of one problem, unbiased (Chen et al., arXiv 2107.03374, §2.1).
//!
//! Of n samples c are correct; pass@k = 1 − C(n−c, k) / C(n, k) is the chance that k of them, drawn without
//! replacement, hold a correct one. Computed as 1 − Π_{i=n−c+1}^{n} (1 − k/i), which does not overflow.
//! The naive 1 − (1 − c/n)^k is biased low.

/// pass@k of a problem with `n` samples of which `c` are correct; `None` where it is undefined (k of 0 or above n).
pub fn pass_at_k(n: usize, c: usize, k: usize) -> Option<f64> {
    if k == 0 || k > n || c > n {
        return None;
    }
    if n - c < k {
        return Some(1.0);
    }
    let all_wrong: f64 = (n - c + 1..=n).map(|i| 1.0 - k as f64 / i as f64).product();
    Some(1.0 - all_wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_values() {
        // From openai/human-eval's estimator, `estimate_pass_at_k`, in numpy.
        for (n, c, k, expected) in [
            (10, 3, 1, 0.3),
            (10, 3, 2, 0.533_333_333_3),
            (10, 3, 5, 0.916_666_666_7),
            (10, 3, 8, 1.0),
            (200, 1, 100, 0.5),
            (10, 0, 5, 0.0),
            (1, 1, 1, 1.0),
        ] {
            let found = pass_at_k(n, c, k).expect("defined");
            assert!((found - expected).abs() < 1e-10, "n={n} c={c} k={k}: {found}");
        }
    }

    #[test]
    fn undefined_where_there_are_fewer_samples_than_k() {
        assert_eq!(pass_at_k(4, 1, 5), None);
        assert_eq!(pass_at_k(4, 1, 0), None);
        assert_eq!(pass_at_k(4, 5, 1), None);
        assert_eq!(pass_at_k(0, 0, 1), None);
    }

    #[test]
    fn equals_enumeration_of_all_subsets() {
        for n in 1..=9_usize {
            for c in 0..=n {
                for k in 1..=n {
                    // Samples 0..c are the correct ones; a subset is a bit mask.
                    let subsets = (0_u32..1 << n).filter(|subset| subset.count_ones() as usize == k);
                    let (mut all, mut with_correct) = (0_u32, 0_u32);
                    for subset in subsets {
                        all += 1;
                        with_correct += u32::from(subset & ((1 << c) - 1) != 0);
                    }
                    let expected = f64::from(with_correct) / f64::from(all);
                    let found = pass_at_k(n, c, k).expect("defined");
                    assert!((found - expected).abs() < 1e-12, "n={n} c={c} k={k}: {found} {expected}");
                }
            }
        }
    }
}
