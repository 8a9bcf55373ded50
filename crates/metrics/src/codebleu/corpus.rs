//! CodeBLEU of many segments on several threads: the same numbers in the same order as on one.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::program::Reader;
use super::{CodeBleu, Counts};

/// Segments a thread takes at once at most: enough to share references that stand together.
const MOST_BLOCK: usize = 32;
/// Blocks a thread at least, where there are as many segments: the threads end together.
const BLOCKS_A_THREAD: usize = 4;

impl CodeBleu {
    /// The counts of each segment (a candidate and its references), in order, computed by `threads` threads.
    pub fn counts(&self, segments: &[(&str, &[&str])], threads: usize) -> Vec<Counts> {
        let block_length = segments.len().div_ceil(BLOCKS_A_THREAD * threads.max(1)).clamp(1, MOST_BLOCK);
        let blocks = segments.len().div_ceil(block_length);
        let next = AtomicUsize::new(0);
        let work = || {
            let mut done: Vec<(usize, Vec<Counts>)> = Vec::new();
            let mut reader = Reader::new(*self);
            loop {
                let block = next.fetch_add(1, Ordering::Relaxed);
                let Some(chunk) = segments.chunks(block_length).nth(block) else { return done };
                let counts = chunk
                    .iter()
                    .map(|(candidate, references)| self.segment(&mut reader, candidate, references));
                done.push((block, counts.collect()));
            }
        };
        let mut done = std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads.min(blocks)).map(|_| scope.spawn(work)).collect();
            let mut done = work();
            for other in others {
                done.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            done
        });
        done.sort_unstable_by_key(|(block, _)| *block);
        done.into_iter().flat_map(|(_, counts)| counts).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::Language;
    use crate::codebleu::{CodeBleu, Counts, Mode};

    #[test]
    fn threads_and_shared_references_change_nothing() {
        let texts: Vec<String> =
            (0..100).map(|i| format!("def f(x):\n    y = x + {}  # {i}\n    return y\n", i % 7)).collect();
        let references: Vec<Vec<&str>> = (0..100)
            .map(|i| [i / 10, 99 - i].iter().take(1 + i % 2).map(|j| texts[*j].as_str()).collect())
            .collect();
        let segments: Vec<(&str, &[&str])> =
            texts.iter().map(String::as_str).zip(references.iter().map(Vec::as_slice)).collect();
        for mode in [Mode::Strict, Mode::K4black, Mode::Codexglue, Mode::Paper] {
            let codebleu = CodeBleu::new(Language::Python, mode);
            let counts = codebleu.counts(&segments, 3);
            assert_eq!(counts, codebleu.counts(&segments, 1));
            let mut sum = Counts::default();
            for (count, (candidate, references)) in counts.iter().zip(&segments) {
                assert_eq!(codebleu.score(count), codebleu.sentence(candidate, references));
                sum.add(count);
            }
            assert_eq!(counts.len(), 100);
            assert_eq!(codebleu.score(&sum), codebleu.corpus(segments.iter().copied()));
        }
        assert_eq!(CodeBleu::new(Language::Go, Mode::Strict).counts(&[], 4), []);
    }
}
