//! Near-duplicate tasks: Jaccard similarity of token 5-gram shingles over instruction and normalised reference.
//!
//! Exact, by an inverted index; not for millions of documents (MinHash is for those).
//!
//! Shingle sets as in Broder, "On the resemblance and containment of documents" (1997). Comments are dropped and names
//! a program chose itself are numbered in order of appearance, so renaming does not hide a copy. Shingles of the
//! instruction and of the reference form one set.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::Task;
use crate::python::{TokenKind, function_head, tokens};

/// From this similarity on two tasks count as near-duplicates.
///
/// Lower than the 0.7 with which bigcode deduplicates whole files (The Stack, arXiv 2211.15533): in texts this short
/// one changed word breaks five shingles, and "sum of the even numbers" and "of the odd numbers" meet at 0.55.
pub const NEAR_DUPLICATE_JACCARD: f64 = 0.5;

/// Tokens in a shingle.
const SHINGLE_TOKENS: usize = 5;

/// Pairs of a task of `a` and a task of `b` whose similarity is at least `threshold` (above 0): ids and similarity,
/// in order.
pub fn near_duplicates(a: &[Task], b: &[Task], threshold: f64) -> Vec<(String, String, f64)> {
    let (a_sets, b_sets) = (shingle_sets(a), shingle_sets(b));
    let pairs = similar_pairs(&a_sets, &b_sets, threshold);
    pairs.into_iter().map(|(i, j, jaccard)| (a[i].id.clone(), b[j].id.clone(), jaccard)).collect()
}

/// The same within one list, each pair once.
pub fn near_duplicates_within(tasks: &[Task], threshold: f64) -> Vec<(String, String, f64)> {
    let sets = shingle_sets(tasks);
    let pairs = similar_pairs(&sets, &sets, threshold).into_iter().filter(|(i, j, _)| i < j);
    pairs.map(|(i, j, jaccard)| (tasks[i].id.clone(), tasks[j].id.clone(), jaccard)).collect()
}

/// Similarity of two tasks, 0 to 1.
pub fn task_similarity(a: &Task, b: &Task) -> f64 {
    let (a, b) = (shingles(a), shingles(b));
    let shared = a.intersection(&b).count();
    jaccard(shared, a.len(), b.len())
}

fn shingle_sets(tasks: &[Task]) -> Vec<HashSet<Shingle>> {
    tasks.iter().map(shingles).collect()
}

fn similar_pairs(a: &[HashSet<Shingle>], b: &[HashSet<Shingle>], threshold: f64) -> Vec<(usize, usize, f64)> {
    let mut holders: HashMap<&Shingle, Vec<usize>> = HashMap::new();
    for (j, set) in b.iter().enumerate() {
        for shingle in set {
            holders.entry(shingle).or_default().push(j);
        }
    }
    let mut pairs = Vec::new();
    for (i, set) in a.iter().enumerate() {
        let mut shared: BTreeMap<usize, usize> = BTreeMap::new();
        for j in set.iter().filter_map(|shingle| holders.get(shingle)).flatten() {
            *shared.entry(*j).or_default() += 1;
        }
        let similar = shared.into_iter().map(|(j, count)| (i, j, jaccard(count, set.len(), b[j].len())));
        pairs.extend(similar.filter(|(.., jaccard)| *jaccard >= threshold));
    }
    pairs
}

fn jaccard(shared: usize, a: usize, b: usize) -> f64 {
    let union = a + b - shared;
    if union == 0 { 0.0 } else { shared as f64 / union as f64 }
}

/// Words of an instruction or tokens of a program.
type Shingle = (Source, Vec<String>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    Instruction,
    Reference,
}

fn shingles(task: &Task) -> HashSet<Shingle> {
    let words = task.instruction.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let words: Vec<String> = words.map(str::to_lowercase).collect();
    let program = normalised_tokens(&task.reference, &task.entry_point);
    let cut = |source, parts: &[String]| -> Vec<Shingle> {
        if parts.is_empty() {
            return Vec::new();
        }
        let length = SHINGLE_TOKENS.min(parts.len());
        parts.windows(length).map(|window| (source, window.to_vec())).collect()
    };
    let mut set: HashSet<Shingle> = cut(Source::Instruction, &words).into_iter().collect();
    set.extend(cut(Source::Reference, &program));
    set
}

/// The program's tokens, its own names numbered, without comments and without the head of its main function: short
/// functions would be alike for having one.
fn normalised_tokens(program: &str, entry_point: &str) -> Vec<String> {
    let head = function_head(program, entry_point).map_or(0..0, |(start, head)| start..start + head.len());
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    let mut normalised = Vec::new();
    let mut is_attribute = false;
    for token in tokens(program) {
        if token.kind == TokenKind::Comment {
            continue;
        }
        let is_own_name = token.kind == TokenKind::Word && !is_attribute && !is_python_word(token.text);
        is_attribute = token.text == ".";
        let next = numbers.len();
        let normal = if is_own_name {
            format!("v{}", numbers.entry(token.text).or_insert(next))
        } else {
            token.text.to_owned()
        };
        if !head.contains(&token.start) {
            normalised.push(normal);
        }
    }
    normalised
}

/// Keywords and the built-in names that say what a program does.
fn is_python_word(word: &str) -> bool {
    const WORDS: &[&str] = &[
        "False",
        "None",
        "True",
        "abs",
        "all",
        "and",
        "any",
        "as",
        "assert",
        "async",
        "await",
        "bin",
        "bool",
        "break",
        "chr",
        "class",
        "continue",
        "def",
        "del",
        "dict",
        "divmod",
        "elif",
        "else",
        "enumerate",
        "except",
        "filter",
        "finally",
        "float",
        "for",
        "format",
        "from",
        "frozenset",
        "global",
        "hex",
        "if",
        "import",
        "in",
        "int",
        "is",
        "isinstance",
        "iter",
        "lambda",
        "len",
        "list",
        "map",
        "max",
        "min",
        "next",
        "nonlocal",
        "not",
        "oct",
        "or",
        "ord",
        "pass",
        "pow",
        "print",
        "raise",
        "range",
        "repr",
        "return",
        "reversed",
        "round",
        "set",
        "sorted",
        "str",
        "sum",
        "super",
        "try",
        "tuple",
        "type",
        "while",
        "with",
        "yield",
        "zip",
    ];
    WORDS.binary_search(&word).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hone_sandbox::TestSuite;

    fn task(id: &str, instruction: &str, reference: &str) -> Task {
        Task {
            id: id.into(),
            instruction: instruction.into(),
            signature: String::new(),
            entry_point: "f".into(),
            example: String::new(),
            tests: TestSuite::Asserts { setup: String::new(), asserts: vec![] },
            reference: reference.into(),
            level: 0,
            topic: String::new(),
        }
    }

    fn samples() -> Vec<Task> {
        vec![
            task(
                "sum-even",
                "Return the sum of all even numbers in the list.",
                "def f(numbers):\n    total = 0\n    for n in numbers:\n        if n % 2 == 0:\n            total += n\n    return total\n",
            ),
            task(
                "sum-even-renamed",
                "Return the sum of all even numbers in the list!",
                "def f(values):\n    result = 0  # so far\n    for value in values:\n        if value % 2 == 0:\n            result += value\n    return result\n",
            ),
            task(
                "count-vowels",
                "Count the vowels of a text.",
                "def f(text):\n    return sum(c in 'aeiou' for c in text.lower())\n",
            ),
        ]
    }

    #[test]
    fn the_words_are_sorted_for_the_search() {
        for word in ["False", "zip", "return", "len"] {
            assert!(is_python_word(word), "{word}");
        }
        assert!(!is_python_word("total"));
    }

    #[test]
    fn renaming_and_comments_do_not_hide_a_copy() {
        let tasks = samples();
        let pairs = near_duplicates(&tasks[..1], &tasks[1..], NEAR_DUPLICATE_JACCARD);
        assert_eq!(pairs, [("sum-even".to_owned(), "sum-even-renamed".to_owned(), 1.0)]);
        assert_eq!(near_duplicates_within(&tasks, NEAR_DUPLICATE_JACCARD).len(), 1);
    }

    #[test]
    fn the_index_agrees_with_comparing_every_pair() {
        let mut tasks = samples();
        let reference = tasks[0].reference.clone();
        tasks.push(task("same-code", "Add up what can be halved.", &reference));
        tasks.push(task("empty", "", ""));
        let all = near_duplicates(&tasks, &tasks, 0.05);
        for a in &tasks {
            for b in &tasks {
                let expected = task_similarity(a, b);
                let found =
                    all.iter().find(|(x, y, _)| *x == a.id && *y == b.id).map(|(.., jaccard)| *jaccard);
                assert_eq!(found, (expected >= 0.05).then_some(expected), "{} {}", a.id, b.id);
            }
        }
    }

    #[test]
    fn similarity_is_the_share_of_common_shingles() {
        // Words a..f and a..e,g: shingles abcde bcdef | abcde bcdeg, so 1 of 3 is shared.
        let (a, b) = (task("a", "a b c d e f", ""), task("b", "a b c d e g", ""));
        assert!((task_similarity(&a, &b) - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(
            task_similarity(&a, &task("c", "", "a b c d e f")),
            0.0,
            "instruction and program stay apart"
        );
    }
}
