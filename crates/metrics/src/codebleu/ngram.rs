//! The two n-gram parts of CodeBLEU (arXiv 2009.10297, §3.1): BLEU, and BLEU whose single tokens have weights.
//!
//! A keyword of the language weighs 1, any other token 0.2. A precision without matches becomes 0.1 / total
//! (Chen and Cherry's method 1). The published packages weigh *recall* (the reference's n-grams found in the
//! candidate); the paper's formula, and so the strict mode, weighs precision.

use rustc_hash::FxHashMap;

use crate::bleu::{MAX_ORDER, closest_length};

/// Weight of a token that is no keyword.
const OTHER_WEIGHT: f64 = 0.2;
/// Stands for no match at all.
const EPSILON: f64 = 0.1;

/// Sums over segments, of which a score is made.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Sums {
    numerators: [f64; MAX_ORDER],
    denominators: [f64; MAX_ORDER],
    candidate_length: f64,
    reference_length: f64,
}

/// A segment's tokens as numbers.
pub(super) struct Tokens<'a> {
    pub(super) candidate: &'a [u32],
    pub(super) references: &'a [&'a [u32]],
    /// Whether the token of a number is a keyword.
    pub(super) is_keyword: &'a [bool],
}

/// How the weighted part counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weighted {
    /// The paper's: over the candidate's n-grams.
    Precision,
    /// The published packages': over the references' n-grams, all references added up.
    ///
    /// They take the length of a pair (tokens, weights) for the reference's: 2, whatever the reference.
    Recall,
}

impl Tokens<'_> {
    /// Sums of BLEU and of its weighted kin. `least` is what an order without n-grams counts as in BLEU.
    pub(super) fn sums(&self, least: f64, weighted: Weighted) -> [Sums; 2] {
        let candidate_length = self.candidate.len() as f64;
        let reference_length = closest_length(self.candidate.len(), self.references) as f64;
        let mut plain = Sums { candidate_length, reference_length, ..Sums::default() };
        let mut other = plain;
        if weighted == Weighted::Recall {
            other.reference_length = 2.0;
        }
        let mut orders = Orders::new(self);
        for n in 0..MAX_ORDER {
            let counts = orders.next(self);
            let weigh = |number: usize| match n > 0 || self.is_keyword[counts.first_token[number] as usize] {
                true => 0,
                false => 1,
            };
            // N-grams that weigh 1 and those that weigh less.
            let (mut matched, mut all) = ([0_u64; 2], [0_u64; 2]);
            for (number, count) in counts.candidate.iter().enumerate() {
                let most = counts.references.iter().map(|reference| reference[number]).max().unwrap_or(0);
                matched[weigh(number)] += u64::from(*count.min(&most));
                all[weigh(number)] += u64::from(*count);
            }
            plain.numerators[n] = (matched[0] + matched[1]) as f64;
            plain.denominators[n] = ((all[0] + all[1]) as f64).max(least);
            match weighted {
                Weighted::Precision => {
                    other.numerators[n] = sum(matched);
                    other.denominators[n] = sum(all);
                }
                Weighted::Recall => {
                    for reference in &counts.references {
                        let (mut matched, mut all) = ([0_u64; 2], [0_u64; 2]);
                        for (number, count) in reference.iter().enumerate() {
                            matched[weigh(number)] += u64::from(*count.min(&counts.candidate[number]));
                            all[weigh(number)] += u64::from(*count);
                        }
                        other.numerators[n] += sum(matched);
                        other.denominators[n] += sum(all).max(1.0);
                    }
                }
            }
        }
        [plain, other]
    }
}

/// Of n-grams that weigh 1 and others.
fn sum([whole, other]: [u64; 2]) -> f64 {
    whole as f64 + OTHER_WEIGHT * other as f64
}

/// The n-grams of all texts of a segment under common numbers, order after order.
///
/// An n-gram is the number of its first n−1 tokens followed by a token, so each costs one look-up of two numbers.
struct Orders {
    /// By the number of the first tokens and the token after them, in one word: half the work of hashing two.
    numbers: FxHashMap<u64, u32>,
    /// Of the candidate and then each reference: the number of the n-gram that begins at each token.
    texts: Vec<Vec<u32>>,
    n: usize,
}

/// How often each n-gram of one order occurs, by its number.
struct Counts {
    candidate: Vec<u32>,
    references: Vec<Vec<u32>>,
    /// The token each n-gram begins with, of the first order only.
    first_token: Vec<u32>,
}

impl Orders {
    fn new(tokens: &Tokens<'_>) -> Orders {
        let length = tokens.candidate.len() + tokens.references.iter().map(|one| one.len()).sum::<usize>();
        let mut numbers = FxHashMap::default();
        numbers.reserve(length);
        let lengths = std::iter::once(tokens.candidate).chain(tokens.references.iter().copied());
        Orders { numbers, texts: lengths.map(|text| vec![0; text.len()]).collect(), n: 0 }
    }

    fn next(&mut self, tokens: &Tokens<'_>) -> Counts {
        self.numbers.clear();
        self.n += 1;
        let mut first_token = Vec::new();
        let sources = std::iter::once(tokens.candidate).chain(tokens.references.iter().copied());
        for (numbers, text) in self.texts.iter_mut().zip(sources) {
            numbers.truncate((text.len() + 1).saturating_sub(self.n));
            for (number, token) in numbers.iter_mut().zip(text.iter().skip(self.n - 1)) {
                let next = self.numbers.len() as u32;
                *number = *self.numbers.entry((u64::from(*number) << 32) | u64::from(*token)).or_insert_with(
                    || {
                        if self.n == 1 {
                            first_token.push(*token);
                        }
                        next
                    },
                );
            }
        }
        let all = self.numbers.len();
        let mut counts = self.texts.iter().map(|numbers| {
            let mut counts = vec![0; all];
            numbers.iter().for_each(|number| counts[*number as usize] += 1);
            counts
        });
        let candidate = counts.next().unwrap_or_default();
        let references = counts.collect();
        Counts { candidate, references, first_token }
    }
}

impl Sums {
    pub(super) fn add(&mut self, other: &Sums) {
        for n in 0..MAX_ORDER {
            self.numerators[n] += other.numerators[n];
            self.denominators[n] += other.denominators[n];
        }
        self.candidate_length += other.candidate_length;
        self.reference_length += other.reference_length;
    }

    /// Brevity penalty × geometric mean over the orders that have n-grams; 0 if not a single token matches.
    pub(super) fn score(&self) -> f64 {
        if self.numerators[0] == 0.0 || self.candidate_length == 0.0 {
            return 0.0;
        }
        let penalty = if self.candidate_length > self.reference_length {
            1.0
        } else {
            (1.0 - self.reference_length / self.candidate_length).exp()
        };
        let orders = self.numerators.iter().zip(&self.denominators).filter(|(_, all)| **all > 0.0);
        let logs = orders.map(|(hits, all)| (if *hits == 0.0 { EPSILON } else { *hits } / all).ln());
        let (sum, count) = logs.fold((0.0, 0_u32), |(sum, count), log| (sum + log, count + 1));
        penalty * (sum / f64::from(count)).exp()
    }
}
