//! Edit similarity and exact match, as code completion is scored (CodeXGLUE, arXiv 2102.04664).
//!
//! ```text
//! similarity = 1 − Levenshtein distance / length of the longer text           in characters
//! ratio      = 2 · longest common subsequence / sum of both lengths           in characters
//! ```
//!
//! CodeXGLUE and RepoBench print `fuzz.ratio`, which is `ratio` in whole percent where fuzzywuzzy has python-Levenshtein, and in
//! thefuzz and rapidfuzz. Without that package fuzzywuzzy takes difflib's greedy blocks, which may be less: not here.

/// 1 − distance / longer length, 0 to 1; two empty texts are equal.
pub fn similarity(prediction: &str, reference: &str) -> f64 {
    let (first, second): (Vec<char>, Vec<char>) = (prediction.chars().collect(), reference.chars().collect());
    let longer = first.len().max(second.len());
    if longer == 0 {
        return 1.0;
    }
    1.0 - distance(&first, &second) as f64 / longer as f64
}

/// 2 · longest common subsequence / sum of the lengths, 0 to 1 (Levenshtein's `ratio`); two empty texts are equal.
pub fn ratio(prediction: &str, reference: &str) -> f64 {
    let (first, second): (Vec<char>, Vec<char>) = (prediction.chars().collect(), reference.chars().collect());
    let lengths = first.len() + second.len();
    if lengths == 0 {
        return 1.0;
    }
    2.0 * common_length(&first, &second) as f64 / lengths as f64
}

/// Length of the longest common subsequence, one row at a time.
fn common_length<T: PartialEq>(first: &[T], second: &[T]) -> usize {
    let mut above = vec![0; second.len() + 1];
    for a in first {
        let mut diagonal = 0;
        for (j, b) in second.iter().enumerate() {
            let matched = if a == b { diagonal + 1 } else { 0 };
            diagonal = above[j + 1];
            above[j + 1] = matched.max(diagonal).max(above[j]);
        }
    }
    above[second.len()]
}

/// Insertions, deletions and replacements that lead from one to the other (Levenshtein, 1966), two rows at a time.
pub fn distance<T: PartialEq>(first: &[T], second: &[T]) -> usize {
    let mut above: Vec<usize> = (0..=second.len()).collect();
    for (i, a) in first.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut above[0], i + 1);
        for (j, b) in second.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = above[j + 1];
            above[j + 1] = replaced.min(diagonal + 1).min(above[j] + 1);
        }
    }
    above[second.len()]
}

/// Whether the texts are equal but for white space at both ends and trailing white space of lines.
pub fn is_exact_match(prediction: &str, reference: &str) -> bool {
    let lines = |text: &str| -> Vec<String> {
        crate::text::strip(text).lines().map(|line| crate::text::strip_end(line).to_owned()).collect()
    };
    lines(prediction) == lines(reference)
}

/// All settings of all three in one line.
pub fn signature() -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "unit:character|similarity:1-levenshtein/longer|ratio:2-common/sum|match:trimmed-lines|version:hone-{version}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_of_textbook_pairs() {
        let check = |a: &str, b: &str, expected: usize| {
            let (x, y): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
            assert_eq!(distance(&x, &y), expected, "{a} {b}");
            assert_eq!(distance(&y, &x), expected, "{b} {a}");
        };
        check("kitten", "sitting", 3);
        check("flaw", "lawn", 2);
        check("", "abc", 3);
        check("é", "e", 1);
        assert_eq!(similarity("kitten", "sitting"), 1.0 - 3.0 / 7.0);
        assert_eq!((similarity("", ""), similarity("a", "")), (1.0, 0.0));
    }

    #[test]
    fn ratios_are_rapidfuzzs() {
        // rapidfuzz 3.14.6: fuzz.ratio(a, b) / 100. difflib's greedy blocks give 8/15 for the last.
        for (a, b, expected) in [
            ("this is a test", "this is a test!", 28.0 / 29.0),
            ("fuzzy wuzzy was a bear", "wuzzy fuzzy was a bear", 40.0 / 44.0),
            ("kitten", "sitting", 8.0 / 13.0),
            ("", "", 1.0),
            ("", "a", 0.0),
            ("abxcd", "abcdx abcd", 10.0 / 15.0),
        ] {
            assert!((ratio(a, b) - expected).abs() < 1e-12, "{a:?} {b:?}: {}", ratio(a, b));
            assert_eq!(ratio(a, b), ratio(b, a));
        }
    }

    #[test]
    fn exact_match_forgives_white_space_at_ends_only() {
        assert!(is_exact_match("\nx = 1  \r\ny\n", "x = 1\ny"));
        assert!(!is_exact_match("x  = 1", "x = 1"));
        assert!(!is_exact_match("  x\n y", "x\ny"));
    }
}
