//! TER, translation edit rate (Snover et al., AMTA 2006), as sacrebleu computes it after Tercom.
//!
//! ```text
//! TER = 100 · edits / mean length of the references, in words        lower is better, 0 is identical, above 100 is possible
//! edits = insertions + deletions + replacements + shifts of a run of words, each 1; of several references the least
//! ```
//!
//! The least number of edits with shifts cannot be had in reasonable time, so shifts are taken greedily, the one that saves
//! most first, by Tercom's rules for which are tried. Over a corpus, edits and lengths are summed first. How text is cut:
//! `tercom.rs`.

use serde::{Deserialize, Serialize};

use crate::ngrams::Vocabulary;
use crate::{tercom, text};

/// Longest run of words that is shifted.
const MAX_SHIFT_WORDS: usize = 10;
/// Farthest that a run is shifted, in words.
const MAX_SHIFT_DISTANCE: usize = 50;
/// Cells of the table of distances that are computed on each side of its diagonal.
const BEAM: usize = 25;
/// Shifts that are tried for one pair of texts.
const MAX_CANDIDATES: usize = 1_000;

/// How TER is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ter {
    /// Whether case counts; sacrebleu's default is that it does not.
    pub is_case_sensitive: bool,
    /// Whether the marks `.,?:;!"()` are removed first.
    pub is_without_marks: bool,
    /// Whether lines are joined, XML's entities read and marks put apart first.
    pub is_normalised: bool,
    /// Whether that splits Chinese and Japanese characters, too, and removes their marks.
    pub has_asian_support: bool,
}

/// What TER is computed from; of a corpus, the sum.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Edits {
    /// Least edits to a reference.
    pub edits: u64,
    /// Mean length of the references, in words.
    pub reference_words: f64,
}

impl Ter {
    /// All settings in sacrebleu's notation.
    pub fn signature(&self, references: usize) -> String {
        let yes_no = |is_so: bool| if is_so { "yes" } else { "no" };
        format!(
            "nrefs:{references}|case:{}|tok:tercom|norm:{}|punct:{}|asian:{}|version:hone-{}",
            if self.is_case_sensitive { "mixed" } else { "lc" },
            yes_no(self.is_normalised),
            yes_no(!self.is_without_marks),
            yes_no(self.has_asian_support),
            env!("CARGO_PKG_VERSION"),
        )
    }

    /// TER of one segment, in percent.
    pub fn sentence(&self, hypothesis: &str, references: &[&str]) -> f64 {
        self.edits(hypothesis, references).rate()
    }

    /// TER of a corpus, in percent: one list of references a hypothesis.
    pub fn corpus<'a>(&self, segments: impl IntoIterator<Item = (&'a str, &'a [&'a str])>) -> f64 {
        let mut sum = Edits::default();
        for (hypothesis, references) in segments {
            let Edits { edits, reference_words } = self.edits(hypothesis, references);
            sum.edits += edits;
            sum.reference_words += reference_words;
        }
        sum.rate()
    }

    fn edits(&self, hypothesis: &str, references: &[&str]) -> Edits {
        let mut vocabulary = Vocabulary::new();
        let hypothesis = self.words(&mut vocabulary, hypothesis);
        let (mut least, mut words) = (None, 0);
        for reference in references {
            let reference = self.words(&mut vocabulary, reference);
            words += reference.len();
            let edits = edits_between(&hypothesis, &reference);
            least = Some(least.map_or(edits, |least: u64| least.min(edits)));
        }
        Edits { edits: least.unwrap_or(0), reference_words: words as f64 / references.len().max(1) as f64 }
    }

    fn words(&self, vocabulary: &mut Vocabulary<String>, text: &str) -> Vec<u32> {
        // Of a segment, white space at its end is no part.
        let text = text::strip_end(text);
        let mut text = if self.is_case_sensitive { text.to_owned() } else { text.to_lowercase() };
        if self.is_normalised {
            text = tercom::normalised(text, self.has_asian_support);
        }
        if self.is_without_marks {
            text.retain(|c| !tercom::is_mark(c, self.has_asian_support));
        }
        vocabulary.ids(text::split(&text).map(str::to_owned))
    }
}

impl Edits {
    /// In percent; without reference words, 100 if anything was written.
    pub fn rate(&self) -> f64 {
        if self.reference_words > 0.0 {
            return 100.0 * (self.edits as f64 / self.reference_words);
        }
        if self.edits > 0 { 100.0 } else { 0.0 }
    }
}

/// Shifts, while they save anything, and what is left to insert, delete and replace.
fn edits_between(hypothesis: &[u32], reference: &[u32]) -> u64 {
    if reference.is_empty() {
        return hypothesis.len() as u64;
    }
    let (mut words, mut shifts, mut tried) = (hypothesis.to_vec(), 0, 0);
    loop {
        let best = best_shift(&words, reference, &mut tried);
        if tried >= MAX_CANDIDATES {
            break;
        }
        match best {
            Some((saved, shifted)) if saved > 0 => (words, shifts) = (shifted, shifts + 1),
            _ => break,
        }
    }
    shifts + aligned(&words, reference).0
}

/// A place of both texts, as one is turned into the other.
#[derive(Clone, Copy, PartialEq)]
enum Pairing {
    Same,
    Replaced,
    /// A word of the reference that the hypothesis lacks.
    Missing,
    /// A word that the reference does not have.
    Added,
}

/// Distance without shifts, and how words are paired. Only cells near the (slanted) diagonal are looked at.
fn aligned(hypothesis: &[u32], reference: &[u32]) -> (u64, Vec<Pairing>) {
    const FAR: u64 = u64::MAX / 2;
    let (rows, columns) = (hypothesis.len(), reference.len());
    let slope = if rows == 0 { 1.0 } else { columns as f64 / rows as f64 };
    let beam = if (BEAM as f64) < slope / 2.0 { (slope / 2.0 + BEAM as f64).ceil() as usize } else { BEAM };
    let width = columns + 1;
    let mut cells = vec![(FAR, Pairing::Missing); (rows + 1) * width];
    (0..width).for_each(|j| cells[j] = (j as u64, Pairing::Missing));
    for i in 1..=rows {
        let diagonal = (i as f64 * slope).floor() as usize;
        let first = diagonal.saturating_sub(beam);
        let end = if i == rows { width } else { width.min(diagonal + beam) };
        for j in first..end {
            let at = i * width + j;
            let added = (cells[at - width].0 + 1, Pairing::Added);
            if j == 0 {
                cells[at] = added;
                continue;
            }
            let is_same = hypothesis[i - 1] == reference[j - 1];
            let pairing = if is_same { Pairing::Same } else { Pairing::Replaced };
            let paired = (cells[at - width - 1].0 + u64::from(!is_same), pairing);
            let missing = (cells[at - 1].0 + 1, Pairing::Missing);
            // Of equals the first: a pair, then an added word, then a missing one.
            let mut best = (FAR, Pairing::Missing);
            for cell in [paired, added, missing] {
                if cell.0 < best.0 {
                    best = cell;
                }
            }
            cells[at] = best;
        }
    }
    let (mut i, mut j) = (rows, columns);
    let mut pairings = Vec::with_capacity(rows + columns);
    while i > 0 || j > 0 {
        let pairing = if i == 0 {
            Pairing::Missing
        } else if j == 0 {
            Pairing::Added
        } else {
            cells[i * width + j].1
        };
        i -= usize::from(pairing != Pairing::Missing);
        j -= usize::from(pairing != Pairing::Added);
        pairings.push(pairing);
    }
    pairings.reverse();
    (cells[rows * width + columns].0, pairings)
}

/// Which words are in error, and where the reference's words are in the hypothesis.
struct Alignment {
    is_wrong: Vec<bool>,
    is_missed: Vec<bool>,
    /// Of each word of the reference: index after its pair, or after the last word before its place.
    after: Vec<usize>,
}

impl Alignment {
    fn of(pairings: &[Pairing]) -> Alignment {
        let mut it = Alignment { is_wrong: Vec::new(), is_missed: Vec::new(), after: Vec::new() };
        for pairing in pairings {
            if *pairing != Pairing::Missing {
                it.is_wrong.push(*pairing != Pairing::Same);
            }
            if *pairing != Pairing::Added {
                it.is_missed.push(*pairing != Pairing::Same);
                it.after.push(it.is_wrong.len());
            }
        }
        it
    }
}

/// What a shift saves, its length, and how early it starts and ends; the greatest is taken.
type Rank = (i64, usize, i64, i64);

/// The shift that saves most, with what it saves; of equals the longest, the earliest, the one to the earliest place.
fn best_shift(words: &[u32], reference: &[u32], tried: &mut usize) -> Option<(i64, Vec<u32>)> {
    let (distance, pairings) = aligned(words, reference);
    let alignment = Alignment::of(&pairings);
    let mut best: Option<(Rank, Vec<u32>)> = None;
    for (start, place, length) in equal_runs(words, reference) {
        let is_right_already = !alignment.is_wrong[start..start + length].contains(&true);
        let is_matched_already = !alignment.is_missed[place..place + length].contains(&true);
        // The place is one before `after`; a run is not shifted into itself.
        let is_inside = (start + 1..=start + length).contains(&alignment.after[place]);
        if is_right_already || is_matched_already || is_inside {
            continue;
        }
        let before = if place == 0 { Some(0) } else { alignment.after.get(place - 1).copied() };
        let places = alignment.after[place..reference.len().min(place + length)].iter().copied();
        let mut previous = None;
        for target in before.into_iter().chain(places) {
            if previous.replace(target) == Some(target) {
                continue;
            }
            let shifted = shifted(words, start, length, target);
            let saved = distance as i64 - aligned(&shifted, reference).0 as i64;
            let rank = (saved, length, -(start as i64), -(target as i64));
            *tried += 1;
            if best.as_ref().is_none_or(|(highest, _)| rank > *highest) {
                best = Some((rank, shifted));
            }
        }
        if *tried >= MAX_CANDIDATES {
            break;
        }
    }
    best.map(|((saved, ..), shifted)| (saved, shifted))
}

/// Runs of words that both texts have: start in the first, start in the second, length; every length from 1.
fn equal_runs<'a>(
    words: &'a [u32],
    reference: &'a [u32],
) -> impl Iterator<Item = (usize, usize, usize)> + 'a {
    let starts =
        (0..words.len()).flat_map(move |start| (0..reference.len()).map(move |place| (start, place)));
    starts.filter(|(start, place)| start.abs_diff(*place) <= MAX_SHIFT_DISTANCE).flat_map(
        move |(start, place)| {
            let equal = words[start..].iter().zip(&reference[place..]).take_while(|(a, b)| a == b).count();
            (1..=equal.min(MAX_SHIFT_WORDS)).map(move |length| (start, place, length))
        },
    )
}

/// The words with a run taken out and put in before what was at `target`; a target within the run counts from its start.
fn shifted(words: &[u32], start: usize, length: usize, target: usize) -> Vec<u32> {
    let run = &words[start..start + length];
    let rest = [&words[..start], &words[start + length..]].concat();
    let at = if target > start + length { target - length } else { target };
    let at = at.min(rest.len());
    [&rest[..at], run, &rest[at..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_is_one_edit() {
        let ter = Ter::default();
        // Without shifts this would be four edits of six words.
        assert!((ter.sentence("c d a b e f", &["a b c d e f"]) - 100.0 / 6.0).abs() < 1e-9);
        assert_eq!(ter.sentence("a b", &["A  b"]), 0.0);
        assert_eq!(Ter { is_case_sensitive: true, ..ter }.sentence("a b", &["A b"]), 50.0);
        assert_eq!(Ter { is_without_marks: true, ..ter }.sentence("a, (b)", &["a b."]), 0.0);
        assert_eq!(
            (ter.sentence("", &[""]), ter.sentence("x", &[""]), ter.sentence("", &["x y"])),
            (0.0, 100.0, 100.0)
        );
        assert_eq!(ter.sentence("x y", &["x", "x y z w"]), 100.0 / 2.5, "the least edits, the mean length");
    }

    #[test]
    fn runs_move_as_whole() {
        let check = |start, length, target, expected: &[u32]| {
            assert_eq!(
                shifted(&[0, 1, 2, 3, 4, 5], start, length, target),
                expected,
                "{start} {length} {target}"
            );
        };
        check(2, 2, 0, &[2, 3, 0, 1, 4, 5]);
        check(0, 2, 4, &[2, 3, 0, 1, 4, 5]);
        check(1, 2, 6, &[0, 3, 4, 5, 1, 2]);
        check(1, 2, 2, &[0, 3, 1, 2, 4, 5]);
    }
}
