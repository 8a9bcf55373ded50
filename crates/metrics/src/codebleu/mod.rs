//! CodeBLEU (Ren et al., arXiv 2009.10297): BLEU, weighted BLEU, AST match and data-flow match, a quarter each.
//!
//! Four modes, since the published packages differ from the paper and from each other:
//!
//! - `strict` (ours, the default): tokens are the grammar's, so layout does not matter; matches are counted once
//!   each; of several references the best counts; a part that is undefined (a reference without data flow) is left
//!   out and the other weights are scaled up, never counted as 1. Two identical programs score exactly 1.
//! - `k4black`: the package `codebleu` 0.7.0, digit for digit, its defects included: a data-flow score of 0 counts as 1
//!   in the sum; sub-trees match without being used up; several references add up; tokens are split at white space;
//!   C and C++ are read by C#'s data-flow table. Where the package leaves an order to Python's hash seed, names are
//!   in reverse alphabetical order here, which agrees with what it does under most seeds.
//! - `codexglue`: the evaluator of CodeXGLUE: as before, but comments are taken out by Java's rule in every language,
//!   and a data-flow score of 0 counts as 0. (Its grammars of 2020 are not to be had; these are codebleu's.)
//! - `paper`: the formulas as printed: weighted precision instead of recall, sub-trees used up, undefined is 0.
//!
//! Not here: executing anything. `syntax_match` and `data_flow_match` are of use by themselves, as rewards.

mod comments;
mod corpus;
mod data_flow;
mod flat_tree;
mod kinds;
mod ngram;
mod program;
mod python_comments;
mod syntax;

use std::rc::Rc;

use serde::{Deserialize, Serialize};

pub use self::data_flow::{Flow, data_flow, data_flow_match};
use self::ngram::{Sums, Tokens, Weighted};
use self::program::{Program, Reader, Structure};
pub use self::syntax::syntax_match;
use crate::{Language, text};

/// Which CodeBLEU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Ours: nothing undefined counts as 1.
    #[default]
    Strict,
    /// The package `codebleu` 0.7.0.
    K4black,
    /// CodeXGLUE's evaluator.
    Codexglue,
    /// The paper's formulas.
    Paper,
}

impl Mode {
    /// Its name in settings and signatures.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Strict => "strict",
            Mode::K4black => "k4black",
            Mode::Codexglue => "codexglue",
            Mode::Paper => "paper",
        }
    }

    /// The mode called `name`.
    pub fn named(name: &str) -> Option<Mode> {
        [Mode::Strict, Mode::K4black, Mode::Codexglue, Mode::Paper]
            .into_iter()
            .find(|mode| mode.name() == name)
    }
}

/// How many of the reference's parts were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Match {
    /// Those found.
    pub matched: u64,
    /// All of them.
    pub total: u64,
}

impl Match {
    /// matched / total; `None` if there was nothing to find.
    pub fn share(&self) -> Option<f64> {
        (self.total > 0).then(|| self.matched as f64 / self.total as f64)
    }

    fn add(&mut self, other: Match) {
        self.matched += other.matched;
        self.total += other.total;
    }
}

/// How CodeBLEU is computed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CodeBleu {
    /// The language of all texts.
    pub language: Language,
    /// Which CodeBLEU.
    pub mode: Mode,
    /// Weights of n-gram, weighted n-gram, AST and data-flow match.
    pub weights: [f64; 4],
}

/// CodeBLEU and its parts, 0 to 1; `None` is undefined (strict mode only).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CodeBleuScore {
    /// The weighted mean of the parts.
    pub codebleu: Option<f64>,
    /// BLEU.
    pub ngram: Option<f64>,
    /// BLEU with weighted tokens.
    pub weighted_ngram: Option<f64>,
    /// AST match.
    pub syntax: Option<f64>,
    /// Data-flow match.
    pub data_flow: Option<f64>,
}

/// What CodeBLEU counts in one segment (a candidate and its references), or in several together.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Counts {
    ngram: Sums,
    weighted_ngram: Sums,
    syntax: Match,
    data_flow: Match,
    has_tokens: bool,
}

impl Counts {
    /// Adds another segment's.
    pub fn add(&mut self, other: &Counts) {
        self.ngram.add(&other.ngram);
        self.weighted_ngram.add(&other.weighted_ngram);
        self.syntax.add(other.syntax);
        self.data_flow.add(other.data_flow);
        self.has_tokens |= other.has_tokens;
    }
}

impl CodeBleu {
    /// A quarter for each part.
    pub fn new(language: Language, mode: Mode) -> CodeBleu {
        CodeBleu { language, mode, weights: [0.25; 4] }
    }

    /// All settings in one line.
    pub fn signature(&self, references: usize) -> String {
        let [a, b, c, d] = self.weights;
        let tokens = if self.mode == Mode::Strict { "grammar" } else { "whitespace" };
        format!(
            "nrefs:{references}|lang:{}|mode:{}|weights:{a},{b},{c},{d}|tok:{tokens}|smooth:method1|grammar:{}|version:hone-{}",
            self.language.name(),
            self.mode.name(),
            self.language.grammar(),
            env!("CARGO_PKG_VERSION"),
        )
    }

    /// CodeBLEU of one candidate.
    pub fn sentence(&self, candidate: &str, references: &[&str]) -> CodeBleuScore {
        self.score(&self.segment(&mut Reader::new(*self), candidate, references))
    }

    /// CodeBLEU of a corpus: counts are summed over its segments.
    pub fn corpus<'a>(&self, segments: impl IntoIterator<Item = (&'a str, &'a [&'a str])>) -> CodeBleuScore {
        let mut sum = Counts::default();
        let mut reader = Reader::new(*self);
        for (candidate, references) in segments {
            sum.add(&self.segment(&mut reader, candidate, references));
        }
        self.score(&sum)
    }

    fn segment<'a>(&self, reader: &mut Reader<'a>, candidate: &'a str, references: &[&'a str]) -> Counts {
        reader.begin_segment();
        match self.mode {
            Mode::Strict => self.strict_counts(reader, candidate, references),
            Mode::K4black | Mode::Codexglue | Mode::Paper => {
                self.published_counts(reader, candidate, references)
            }
        }
    }

    /// The scores that counts amount to.
    pub fn score(&self, parts: &Counts) -> CodeBleuScore {
        let defined =
            |share: Option<f64>| if self.mode == Mode::Strict { share } else { share.or(Some(0.0)) };
        let ngram = |sums: &Sums| (parts.has_tokens || self.mode != Mode::Strict).then(|| sums.score());
        let (ngram, weighted_ngram) = (ngram(&parts.ngram), ngram(&parts.weighted_ngram));
        let (syntax, data_flow) = (defined(parts.syntax.share()), defined(parts.data_flow.share()));
        let counted_flow = match (self.mode, data_flow) {
            (Mode::K4black, Some(0.0)) => Some(1.0),
            (_, share) => share,
        };
        let counted = [ngram, weighted_ngram, syntax, counted_flow];
        let defined =
            || counted.iter().zip(&self.weights).filter_map(|(part, weight)| Some((*part.as_ref()?, weight)));
        let sum: f64 = defined().map(|(part, weight)| weight * part).sum();
        let weight: f64 = defined().map(|(_, weight)| weight).sum();
        let codebleu = match self.mode {
            Mode::Strict => (weight > 0.0).then(|| sum / weight),
            _ => Some(sum),
        };
        CodeBleuScore { codebleu, ngram, weighted_ngram, syntax, data_flow }
    }

    fn published_counts<'a>(
        &self,
        reader: &mut Reader<'a>,
        candidate: &'a str,
        references: &[&'a str],
    ) -> Counts {
        let candidate = text::strip(candidate);
        let mut program = reader.program(candidate);
        let references: Vec<Rc<Program>> =
            references.iter().map(|reference| reader.program(text::strip(reference))).collect();
        let is_paper = self.mode == Mode::Paper;
        let weighted = if is_paper { Weighted::Precision } else { Weighted::Recall };
        let [ngram, weighted_ngram] = sums(reader, &program, &references, 1.0, weighted);
        let mut counts = Counts { ngram, weighted_ngram, has_tokens: true, ..Counts::default() };
        // Comments are taken out of the candidate again for each reference, as the packages do.
        let mut shorter = (references.len() > 1).then(|| self.without_comments(candidate));
        for (index, reference) in references.iter().enumerate() {
            if let Some(text) = shorter.as_mut().filter(|_| index > 0) {
                let again = self.without_comments(text);
                if again != *text {
                    program = Rc::new(Program { tokens: Vec::new(), structure: reader.structure(&again) });
                    *text = again;
                }
            }
            let (Some(one), Some(other)) = (&program.structure, &reference.structure) else { continue };
            counts.syntax.add(match is_paper {
                true => syntax::clipped(&one.shapes, &other.shapes),
                false => syntax::published(&one.shapes, &other.shapes),
            });
            counts.data_flow.add(data_flow::matched(&one.flows, &other.flows));
        }
        counts
    }

    fn strict_counts<'a>(
        &self,
        reader: &mut Reader<'a>,
        candidate: &'a str,
        references: &[&'a str],
    ) -> Counts {
        let program = reader.program(candidate);
        let references: Vec<Rc<Program>> =
            references.iter().map(|reference| reader.program(reference)).collect();
        let Some(structure) = &program.structure else { return Counts::default() };
        let best = |count: &dyn Fn(&Structure) -> Match| {
            let share = |m: &Match| m.share().unwrap_or(0.0);
            let matches = references.iter().filter_map(|other| other.structure.as_ref()).map(count);
            matches.max_by(|a, b| share(a).total_cmp(&share(b))).unwrap_or_default()
        };
        let [ngram, weighted_ngram] = sums(reader, &program, &references, 0.0, Weighted::Precision);
        Counts {
            ngram,
            weighted_ngram,
            syntax: best(&|other| syntax::clipped(&structure.shapes, &other.shapes)),
            data_flow: best(&|other| data_flow::matched(&structure.flows, &other.flows)),
            has_tokens: references.iter().any(|reference| !reference.tokens.is_empty()),
        }
    }
}

/// Both n-gram parts of a candidate against its references.
fn sums(
    reader: &Reader<'_>,
    candidate: &Program,
    references: &[Rc<Program>],
    least: f64,
    weighted: Weighted,
) -> [Sums; 2] {
    let references: Vec<&[u32]> = references.iter().map(|reference| reference.tokens.as_slice()).collect();
    let tokens =
        Tokens { candidate: &candidate.tokens, references: &references, is_keyword: reader.is_keyword() };
    tokens.sums(least, weighted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: Option<f64>, expected: f64, what: &str) {
        assert!(found.is_some_and(|found| (found - expected).abs() < 1e-9), "{what}: {found:?} {expected}");
    }

    #[test]
    fn the_packages_own_examples() {
        // codebleu 0.7.0: calc_codebleu([reference], [candidate], "python"); its own test asserts the last 0.25.
        let k4black = CodeBleu::new(Language::Python, Mode::K4black);
        let reference = "def bar ( y , x ) :\n    return x";
        let score = k4black.sentence("def foo ( x ) :\n    return x", &[reference]);

        close(score.ngram, 0.4379518644116554, "ngram");
        close(score.weighted_ngram, 0.4463236137853328, "weighted");
        close(score.syntax, 0.4, "syntax");
        close(score.data_flow, 1.0, "data flow");
        close(score.codebleu, 0.5710688695492471, "codebleu");
        let nonsense = k4black.sentence("-1", &["def f(x):\n    x = 2 * x\n    return x"]);
        assert_eq!((nonsense.ngram, nonsense.data_flow), (Some(0.0), Some(0.0)));
        assert!(nonsense.codebleu >= Some(0.25), "the defect is reproduced: {nonsense:?}");
        let strict = CodeBleu::new(Language::Python, Mode::Strict);
        let honest = strict.sentence("-1", &["def f(x):\n    x = 2 * x\n    return x"]);
        assert!(honest.codebleu < Some(0.05), "{honest:?}");
    }

    #[test]
    fn strict_identical_is_1_and_layout_does_not_matter() {
        for language in Language::ALL {
            let source = "x = 1";
            close(
                CodeBleu::new(language, Mode::Strict).sentence(source, &[source]).codebleu,
                1.0,
                language.name(),
            );
        }
        let strict = CodeBleu::new(Language::C, Mode::Strict);
        let score =
            strict.sentence("int f(int x){return x+1;}", &["int f( int x )\n{\n  return x + 1; // so\n}"]);
        close(score.codebleu, 1.0, "layout");
    }

    #[test]
    fn an_undefined_part_is_left_out() {
        let strict = CodeBleu::new(Language::Python, Mode::Strict);
        let score = strict.sentence("pass", &["pass"]);
        assert_eq!(score.data_flow, None);
        close(score.codebleu, 1.0, "without data flow");
        assert_eq!(strict.sentence("", &[""]).ngram, None);
        assert_eq!(strict.sentence("x", &[]).codebleu, None);
        let paper = CodeBleu::new(Language::Python, Mode::Paper).sentence("pass", &["pass"]);
        assert_eq!(paper.data_flow, Some(0.0));
    }

    #[test]
    fn the_signature_names_what_decides() {
        let signature = CodeBleu::new(Language::Go, Mode::K4black).signature(1);
        assert!(signature.starts_with(
            "nrefs:1|lang:go|mode:k4black|weights:0.25,0.25,0.25,0.25|tok:whitespace|smooth:method1|grammar:tree-sitter-go-0.21.2|"
        ));
        assert_eq!(Mode::named("paper"), Some(Mode::Paper));
        assert_eq!(Mode::named("other"), None);
    }
}
