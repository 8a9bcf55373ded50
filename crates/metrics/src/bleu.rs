//! BLEU (Papineni et al., ACL 2002) as sacrebleu computes it (Post, WMT 2018).
//!
//! p_n = matches_n / total_n over n-grams, a match used as often as the reference that has it most; brevity penalty
//! BP = 1 if c ≥ r else exp(1 − r/c), c the hypotheses' length, r the closest references'; BLEU = 100 · BP ·
//! exp(mean ln p_n), n = 1 to 4. Over a corpus, counts are summed before dividing.
//!
//! Smoothing (Chen and Cherry, WMT 2014) decides what a p_n of 0 becomes. For one sentence the *effective order*
//! stops at the longest n-gram the hypothesis has.

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::ngrams::{Vocabulary, counts, total};
use crate::text;
use crate::tokenize::Tokenizer;

/// Longest n-grams.
pub const MAX_ORDER: usize = 4;

/// What becomes of a precision of 0.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Smoothing {
    /// The k-th zero becomes 1 / (2^k · total), as mteval-v13a does it.
    #[default]
    Exp,
    /// Zero matches become `value` (0.1 in the paper).
    Floor {
        /// Matches in place of 0.
        value: f64,
    },
    /// `value` more matches and n-grams for n > 1 (Lin and Och, 2004; 1 in the paper).
    AddK {
        /// What is added to both.
        value: f64,
    },
    /// It stays 0, and BLEU with it.
    None,
}

/// How BLEU is computed.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bleu {
    /// How text is cut.
    pub tokenizer: Tokenizer,
    /// What becomes of a precision of 0.
    pub smoothing: Smoothing,
    /// Whether orders longer than the hypothesis are left out; for single sentences.
    pub is_effective_order: bool,
    /// Whether case is ignored.
    pub is_lowercase: bool,
}

/// Counts of one or more segments; they add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Tokens of the hypotheses.
    pub hypothesis_length: u64,
    /// Tokens of the closest references.
    pub reference_length: u64,
    /// Matched n-grams, by order.
    pub matches: [u64; MAX_ORDER],
    /// N-grams of the hypotheses, by order.
    pub totals: [u64; MAX_ORDER],
}

/// BLEU and what it is made of.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BleuScore {
    /// BLEU, 0 to 100.
    pub score: f64,
    /// Smoothed precisions by order, 0 to 100.
    pub precisions: [f64; MAX_ORDER],
    /// BP.
    pub brevity_penalty: f64,
    /// c.
    pub hypothesis_length: u64,
    /// r.
    pub reference_length: u64,
}

impl Bleu {
    /// Settings for one sentence at a time: effective order.
    pub fn sentence_level() -> Bleu {
        Bleu { is_effective_order: true, ..Bleu::default() }
    }

    /// All settings in sacrebleu's notation.
    pub fn signature(&self, references: usize) -> String {
        let smoothing = match self.smoothing {
            Smoothing::Exp => "exp".to_owned(),
            Smoothing::Floor { value } => format!("floor[{value:.2}]"),
            Smoothing::AddK { value } => format!("add-k[{value:.2}]"),
            Smoothing::None => "none".to_owned(),
        };
        format!(
            "nrefs:{references}|case:{}|eff:{}|tok:{}|smooth:{smoothing}|version:hone-{}",
            if self.is_lowercase { "lc" } else { "mixed" },
            if self.is_effective_order { "yes" } else { "no" },
            self.tokenizer.name(),
            env!("CARGO_PKG_VERSION"),
        )
    }

    /// Counts of one segment against its references.
    pub fn statistics(&self, hypothesis: &str, references: &[&str]) -> Statistics {
        let prepared: Vec<String> =
            std::iter::once(&hypothesis).chain(references).map(|t| self.prepare(t)).collect();
        let mut vocabulary = Vocabulary::new();
        let ids: Vec<Vec<u32>> = prepared.iter().map(|text| vocabulary.ids(text::split(text))).collect();
        statistics(&ids[0], &ids[1..])
    }

    /// BLEU of one segment.
    pub fn sentence(&self, hypothesis: &str, references: &[&str]) -> BleuScore {
        self.score(&self.statistics(hypothesis, references))
    }

    /// BLEU of a corpus: one list of references a hypothesis.
    pub fn corpus<'a>(&self, segments: impl IntoIterator<Item = (&'a str, &'a [&'a str])>) -> BleuScore {
        let mut sum = Statistics::default();
        segments
            .into_iter()
            .for_each(|(hypothesis, references)| sum.add(&self.statistics(hypothesis, references)));
        self.score(&sum)
    }

    /// BLEU from counts.
    pub fn score(&self, statistics: &Statistics) -> BleuScore {
        let Statistics { hypothesis_length, reference_length, matches, totals } = *statistics;
        let brevity_penalty = match (hypothesis_length, reference_length) {
            (c, r) if c >= r => 1.0,
            (0, _) => 0.0,
            (c, r) => (1.0 - r as f64 / c as f64).exp(),
        };
        let mut precisions = [0.0; MAX_ORDER];
        let no_score =
            BleuScore { score: 0.0, precisions, brevity_penalty, hypothesis_length, reference_length };
        if matches.iter().all(|count| *count == 0) {
            return no_score;
        }
        let mut effective_order = MAX_ORDER;
        let mut zeros = 1.0;
        for n in 0..MAX_ORDER {
            let added = match self.smoothing {
                Smoothing::AddK { value } if n > 0 => value,
                _ => 0.0,
            };
            let (correct, all) = (matches[n] as f64 + added, totals[n] as f64 + added);
            if all == 0.0 {
                break;
            }
            if self.is_effective_order {
                effective_order = n + 1;
            }
            precisions[n] = match self.smoothing {
                _ if correct > 0.0 => 100.0 * correct / all,
                Smoothing::Exp => {
                    zeros *= 2.0;
                    100.0 / (zeros * all)
                }
                Smoothing::Floor { value } => 100.0 * value / all,
                Smoothing::AddK { .. } | Smoothing::None => 0.0,
            };
        }
        // sacrebleu's stand-in for ln 0.
        let ln = |p: f64| if p == 0.0 { -9_999_999_999.0 } else { p.ln() };
        let mean = precisions[..effective_order].iter().map(|p| ln(*p)).sum::<f64>() / effective_order as f64;
        BleuScore { score: brevity_penalty * mean.exp(), precisions, ..no_score }
    }

    fn prepare(&self, text: &str) -> String {
        let text = text::strip_end(text);
        if self.is_lowercase {
            return self.tokenizer.apply(&text.to_lowercase()).into_owned();
        }
        self.tokenizer.apply(text).into_owned()
    }
}

impl Statistics {
    /// Adds the counts of another segment.
    pub fn add(&mut self, other: &Statistics) {
        self.hypothesis_length += other.hypothesis_length;
        self.reference_length += other.reference_length;
        for n in 0..MAX_ORDER {
            self.matches[n] += other.matches[n];
            self.totals[n] += other.totals[n];
        }
    }
}

/// Counts of a hypothesis against its references, all as numbers of one vocabulary.
pub(crate) fn statistics(hypothesis: &[u32], references: &[Vec<u32>]) -> Statistics {
    let mut statistics = Statistics {
        hypothesis_length: hypothesis.len() as u64,
        reference_length: closest_length(hypothesis.len(), references) as u64,
        ..Statistics::default()
    };
    for n in 1..=MAX_ORDER {
        let mut most: FxHashMap<&[u32], u32> = FxHashMap::default();
        for reference in references {
            for (ngram, count) in counts(reference, n) {
                let most = most.entry(ngram).or_default();
                *most = count.max(*most);
            }
        }
        statistics.matches[n - 1] = crate::ngrams::matches(&counts(hypothesis, n), &most);
        statistics.totals[n - 1] = total(hypothesis.len(), n) as u64;
    }
    statistics
}

/// The length closest to `length`, the shorter of two that are equally close; 0 without references.
pub(crate) fn closest_length<T: AsRef<[u32]>>(length: usize, references: &[T]) -> usize {
    let lengths = references.iter().map(|reference| reference.as_ref().len());
    lengths.min_by_key(|reference| (reference.abs_diff(length), *reference)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(bleu: Bleu, hypothesis: &str, references: &[&str]) -> f64 {
        bleu.sentence(hypothesis, references).score
    }

    #[test]
    fn golden_values() {
        // sacrebleu 2.6.0: BLEU(effective_order=True, tokenize='none', smooth_method=…).sentence_score(…).
        let none = Bleu { tokenizer: Tokenizer::None, ..Bleu::sentence_level() };
        let (hypothesis, reference) = ("the cat is on a mat", ["the cat sat on the mat", "a cat on a mat"]);
        for (smoothing, expected) in [
            (Smoothing::Exp, 37.99178428257963),
            (Smoothing::Floor { value: 0.1 }, 25.40663740773073),
            (Smoothing::AddK { value: 1.0 }, 48.54917717073236),
            (Smoothing::None, 0.0),
        ] {
            let found = score(Bleu { smoothing, ..none }, hypothesis, &reference);
            assert!((found - expected).abs() < 1e-9, "{smoothing:?}: {found} {expected}");
        }
    }

    #[test]
    fn what_is_empty_or_short_has_a_score() {
        let bleu = Bleu::sentence_level();
        assert_eq!(score(bleu, "", &["a"]), 0.0);
        assert_eq!(score(bleu, "a", &[""]), 0.0);
        assert_eq!(score(bleu, "a", &[]), 0.0);
        assert!((score(bleu, "a b", &["a b"]) - 100.0).abs() < 1e-9);
        assert!(
            score(Bleu::default(), "a b", &["a b"]) == 0.0,
            "without effective order there are no 3-grams"
        );
    }

    #[test]
    fn the_signature_is_sacrebleus() {
        let signature = Bleu::default().signature(1);
        assert!(
            signature.starts_with("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:"),
            "{signature}"
        );
        let floor = Bleu { smoothing: Smoothing::Floor { value: 0.1 }, ..Bleu::sentence_level() };
        assert!(floor.signature(2).starts_with("nrefs:2|case:mixed|eff:yes|tok:13a|smooth:floor[0.10]|"));
    }
}
