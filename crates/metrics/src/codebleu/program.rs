//! What CodeBLEU wants to know of a program, found once: its tokens, the shapes of its sub-trees, its data flow.
//!
//! A `Reader` gives the same numbers to the same tokens and shapes in all programs it reads, so that programs are
//! compared as lists of numbers; a text it has read before (a reference of several samples, a repeated sample) is not
//! read again. Not here: what is made of two programs (`mod.rs`).

use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::data_flow::{self, Flows};
use super::flat_tree::FlatTree;
use super::kinds::Kinds;
use super::syntax::Shapes;
use super::{CodeBleu, Mode, comments};
use crate::{Language, text};

/// A program as numbers.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) tokens: Vec<u32>,
    /// `None` if the text is larger than a tree can address.
    pub(super) structure: Option<Structure>,
}

/// What a program's syntax tree says.
#[derive(Debug)]
pub(super) struct Structure {
    pub(super) shapes: Vec<u32>,
    pub(super) flows: Flows,
}

/// Bytes of text after which a reader forgets what it has read.
const MOST_KNOWN_BYTES: usize = 8 << 20;

/// Reads the programs of one call.
pub(super) struct Reader<'a> {
    codebleu: CodeBleu,
    words: Words<'a>,
    shapes: Shapes,
    known: FxHashMap<&'a str, Rc<Program>>,
    known_bytes: usize,
}

/// Numbers of tokens.
struct Words<'a> {
    language: Language,
    numbers: FxHashMap<&'a str, u32>,
    is_keyword: Vec<bool>,
}

impl<'a> Words<'a> {
    fn new(language: Language) -> Words<'a> {
        let mut numbers = FxHashMap::default();
        numbers.reserve(128);
        Words { language, numbers, is_keyword: Vec::with_capacity(128) }
    }

    fn number(&mut self, word: &'a str) -> u32 {
        *self.numbers.entry(word).or_insert_with(|| {
            self.is_keyword.push(self.language.is_keyword(word));
            self.is_keyword.len() as u32 - 1
        })
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(codebleu: CodeBleu) -> Reader<'a> {
        let CodeBleu { language, mode, .. } = codebleu;
        let shapes = match mode {
            Mode::K4black | Mode::Codexglue => Shapes::published(language),
            Mode::Strict | Mode::Paper => Shapes::without_comments(language),
        };
        Reader { codebleu, words: Words::new(language), shapes, known: FxHashMap::default(), known_bytes: 0 }
    }

    /// Whether the token of each number is a keyword.
    pub(super) fn is_keyword(&self) -> &[bool] {
        &self.words.is_keyword
    }

    /// Forgets everything once it has become much; programs read before must not be compared with later ones.
    pub(super) fn begin_segment(&mut self) {
        if self.known_bytes > MOST_KNOWN_BYTES {
            *self = Reader::new(self.codebleu);
        }
    }

    /// The program that `source` is.
    pub(super) fn program(&mut self, source: &'a str) -> Rc<Program> {
        if let Some(known) = self.known.get(source) {
            return Rc::clone(known);
        }
        let program = Rc::new(match self.codebleu.mode {
            Mode::Strict => self.strict(source),
            _ => Program {
                tokens: text::split(source).map(|word| self.words.number(word)).collect(),
                structure: self.structure(&self.codebleu.without_comments(source)),
            },
        });
        self.known_bytes += source.len();
        self.known.insert(source, Rc::clone(&program));
        program
    }

    /// What the tree of a text without comments says, as the published packages see it.
    pub(super) fn structure(&mut self, source: &str) -> Option<Structure> {
        let language = self.codebleu.language;
        let tree = language.parse(source)?;
        let tree = FlatTree::of(&tree, language);
        let flows = data_flow::of_tree(language, source, &tree, false);
        Some(Structure { shapes: self.shapes.of(&tree), flows })
    }

    fn strict(&mut self, source: &'a str) -> Program {
        let language = self.codebleu.language;
        let Some(tree) = language.parse(source) else {
            return Program { tokens: Vec::new(), structure: None };
        };
        let tree = FlatTree::of(&tree, language);
        let words = leaves(language, &tree).filter_map(|range| source.get(range));
        let tokens = words.map(|word| self.words.number(word)).collect();
        let flows = data_flow::of_tree(language, source, &tree, true);
        Program { tokens, structure: Some(Structure { shapes: self.shapes.of(&tree), flows }) }
    }
}

impl CodeBleu {
    pub(super) fn without_comments(&self, source: &str) -> String {
        match self.mode {
            Mode::Codexglue => comments::without_c_comments(source),
            _ => comments::without_comments(self.language, source),
        }
    }
}

/// Byte ranges of a program's tokens without comments; a string literal is one token.
fn leaves(language: Language, tree: &FlatTree<'_>) -> impl Iterator<Item = std::ops::Range<usize>> {
    let kinds = Kinds::of(language);
    let mut index = 0;
    std::iter::from_fn(move || {
        while let Some(node) = tree.nodes.get(index as usize) {
            if kinds.is_comment(tree, index) {
                index = node.next;
            } else if node.child_count == 0 || kinds.kind(node.kind).is_literal {
                index = node.next;
                if node.end > node.start {
                    return Some(node.start as usize..node.end as usize);
                }
            } else {
                index += 1;
            }
        }
        None
    })
}
