//! AST match, the third part of CodeBLEU (arXiv 2009.10297, §3.2): which share of the reference's sub-trees is in the
//! candidate.
//!
//! A sub-tree is a node with children and everything below it, as its s-expression shows it: kinds and fields of named
//! nodes, without the text of leaves. Sub-trees are given numbers by their shape, so each is looked at once.

use rustc_hash::{FxHashMap, FxHashSet};

use super::Match;
use super::flat_tree::{FlatNode, FlatTree};
use super::kinds::{ERROR, Kinds};
use crate::Language;
use crate::ngrams::Vocabulary;

/// How many of the reference's sub-trees the candidate has, each used once; comments are left out.
pub fn syntax_match(language: Language, candidate: &str, reference: &str) -> Match {
    let (Some(candidate), Some(reference)) = (language.parse(candidate), language.parse(reference)) else {
        return Match::default();
    };
    let mut shapes = Shapes::without_comments(language);
    clipped(&shapes.of(&FlatTree::of(&candidate, language)), &shapes.of(&FlatTree::of(&reference, language)))
}

/// The paper's count: a candidate's sub-tree matches as often as the reference has it.
pub(super) fn clipped(candidate: &[u32], reference: &[u32]) -> Match {
    let mut left: FxHashMap<u32, u64> = FxHashMap::default();
    left.reserve(candidate.len());
    candidate.iter().for_each(|shape| *left.entry(*shape).or_default() += 1);
    let mut matched = 0;
    for shape in reference {
        if let Some(count) = left.get_mut(shape).filter(|count| **count > 0) {
            *count -= 1;
            matched += 1;
        }
    }
    Match { matched, total: reference.len() as u64 }
}

/// The published packages' count: every sub-tree of the reference that the candidate has at all.
pub(super) fn published(candidate: &[u32], reference: &[u32]) -> Match {
    let candidate: FxHashSet<u32> = candidate.iter().copied().collect();
    let matched = reference.iter().filter(|shape| candidate.contains(shape)).count();
    Match { matched: matched as u64, total: reference.len() as u64 }
}

/// Numbers of the shapes of sub-trees, the same for all trees of a language that are asked of one `Shapes`.
///
/// A shape is a node's kind followed by field and shape of each named child; each of these steps is one look-up.
#[derive(Debug)]
pub(super) struct Shapes {
    /// (field and shape so far in one word, child's shape) → shape.
    steps: FxHashMap<(u64, u32), u32>,
    /// Leaves whose s-expression says more than their kind: `(MISSING …)`, `(UNEXPECTED …)`.
    broken: Vocabulary<String>,
    kinds: &'static Kinds,
    leaves_comments_out: bool,
    /// Draw the heads of loops as the grammar did that codebleu was published with.
    for_heads: Option<ForHeads>,
    /// Field and shape of the children of open nodes, and these nodes with the place where theirs begin: kept for
    /// their memory alone.
    children: Vec<(u32, u32)>,
    open: Vec<(u32, usize)>,
}

/// JavaScript's `for (initializer; condition; …)`: up to version 0.21 of its grammar an expression there was an
/// `expression_statement`, now it stands by itself.
#[derive(Debug)]
struct ForHeads {
    statement: u32,
    expression_statement: u32,
    fields: [u32; 2],
    /// Kinds that never were wrapped.
    bare: [u32; 3],
}

impl ForHeads {
    fn of(language: Language) -> Option<ForHeads> {
        let grammar = (language == Language::JavaScript).then(|| language.tree_sitter())?;
        let kind = |name: &str| u32::from(grammar.id_for_node_kind(name, true));
        let field = |name: &str| grammar.field_id_for_name(name).map_or(0, |id| u32::from(id.get()));
        Some(ForHeads {
            statement: kind("for_statement"),
            expression_statement: kind("expression_statement"),
            fields: [field("initializer"), field("condition")],
            bare: [kind("lexical_declaration"), kind("variable_declaration"), kind("empty_statement")],
        })
    }

    /// Whether `node` is an expression in the head of the loop `parent`.
    fn has(&self, parent: &FlatNode<'_>, node: &FlatNode<'_>, is_broken: bool) -> bool {
        parent.is_named
            && u32::from(parent.kind) == self.statement
            && self.fields.contains(&u32::from(node.field))
            && (is_broken || !node.is_named || !self.bare.contains(&u32::from(node.kind)))
    }
}

/// Where the numbers of each sort of shape begin: a named node without children is its kind.
const ANONYMOUS: u32 = 1 << 16;
const STEPS: u32 = 1 << 17;
const BROKEN: u32 = 1 << 31;

impl Shapes {
    /// Shapes as the published packages draw them.
    pub(super) fn published(language: Language) -> Shapes {
        Shapes {
            steps: FxHashMap::default(),
            broken: Vocabulary::new(),
            kinds: Kinds::of(language),
            leaves_comments_out: false,
            for_heads: ForHeads::of(language),
            children: Vec::new(),
            open: Vec::new(),
        }
    }

    /// Shapes of what is not a comment.
    pub(super) fn without_comments(language: Language) -> Shapes {
        Shapes { leaves_comments_out: true, for_heads: None, ..Shapes::published(language) }
    }

    /// The shapes of all sub-trees of a tree, the root among them even if it has no children; it is the last.
    pub(super) fn of(&mut self, tree: &FlatTree<'_>) -> Vec<u32> {
        let mut found = Vec::with_capacity(tree.nodes.len() / 2 + 1);
        let (mut children, mut open) = (std::mem::take(&mut self.children), std::mem::take(&mut self.open));
        let mut index = 0;
        loop {
            while let Some((last, start)) = open.pop_if(|(last, _)| tree.nodes[*last as usize].next <= index)
            {
                let parent = open.last().map(|(parent, _)| &tree.nodes[*parent as usize]);
                self.close(&tree.nodes[last as usize], parent, start, &mut children, &mut found);
            }
            let Some(node) = tree.nodes.get(index as usize) else { break };
            if self.leaves_comments_out && self.kinds.is_comment(tree, index) {
                index = node.next;
                continue;
            }
            if node.child_count == 0 {
                let parent = open.last().map(|(parent, _)| &tree.nodes[*parent as usize]);
                self.close(node, parent, children.len(), &mut children, &mut found);
            } else {
                open.push((index, children.len()));
            }
            index += 1;
        }
        children.clear();
        (self.children, self.open) = (children, open);
        found
    }

    /// Numbers a node whose children are `children` from `start` on, and puts it (or, if it is anonymous, leaves
    /// its children) in their place.
    fn close(
        &mut self,
        node: &FlatNode<'_>,
        parent: Option<&FlatNode<'_>>,
        start: usize,
        children: &mut Vec<(u32, u32)>,
        found: &mut Vec<u32>,
    ) {
        let is_leaf = node.child_count == 0;
        let is_broken = is_leaf
            && match node.end == node.start {
                true => node.node.is_missing(),
                false => node.kind == ERROR,
            };
        let field = u32::from(node.field);
        if !is_broken && !node.is_named && parent.is_some() {
            if !is_leaf {
                found.push(self.number(ANONYMOUS + u32::from(node.kind), &children[start..]));
                for (inner, _) in &mut children[start..] {
                    *inner = if *inner == 0 { field } else { *inner };
                }
            }
            return;
        }
        let first = match (is_broken, node.is_named) {
            (true, _) => BROKEN + self.broken.id(node.node.to_sexp()),
            (false, true) => u32::from(node.kind),
            (false, false) => ANONYMOUS + u32::from(node.kind),
        };
        let mut number = self.number(first, &children[start..]);
        if !is_leaf || parent.is_none() {
            found.push(number);
        }
        let heads = self.for_heads.as_ref().zip(parent);
        if let Some((heads, _)) = heads.filter(|(heads, parent)| heads.has(parent, node, is_broken)) {
            number = self.number(heads.expression_statement, &[(0, number)]);
            found.push(number);
        }
        children.truncate(start);
        children.push((field, number));
    }

    fn number(&mut self, first: u32, children: &[(u32, u32)]) -> u32 {
        children.iter().fold(first, |shape, (field, child)| {
            let next = STEPS + self.steps.len() as u32;
            *self.steps.entry(((u64::from(*field) << 32) | u64::from(shape), *child)).or_insert(next)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_matter_and_structure_does() {
        let check = |candidate: &str, reference: &str, matched: u64, total: u64| {
            let found = syntax_match(Language::Python, candidate, reference);
            assert_eq!(found, Match { matched, total }, "{candidate:?} {reference:?}");
        };
        check("x = f(1)\n", "y = g(2)\n", 5, 5);
        // The reference's module, statement, assignment, call and arguments; the candidate has the last two.
        check("f(1)\n", "y = g(2)\n", 2, 5);
        check("# why\nx = f(1)  # so\n", "\"\"\"Doc.\"\"\"\nx = f(1)\n", 5, 5);
        // One call cannot match two.
        check("f(1)\n", "f(1)\ng(2)\n", 3, 7);
        check("", "", 1, 1);
    }

    #[test]
    fn shapes_are_equal_exactly_where_s_expressions_are() {
        let sources = [
            "x = 1",
            "x = y",
            "x += 1",
            "def f(a, b=1): return a",
            "class A: pass",
            "f(a)(b)",
            "a.b.c",
            "x = (",
            "\u{0}$",
            "if a:\n  b\nelse:\n  c",
            "for x in y: z",
            "@d\ndef f(): pass",
            "[x for x in y if z]",
            "f(*a, **k)",
            "x: int = 1",
            "try:\n a\nexcept E as e:\n b",
            "lambda: 0",
            "print(a if b else c)",
            "a[1:2]",
            "x = {1: 2",
            "def f(:",
            "'a' 'b'",
        ];
        for language in Language::ALL {
            let mut shapes = Shapes { for_heads: None, ..Shapes::published(language) };
            let mut spelt: Vec<(u32, String)> = Vec::new();
            for tree in sources.iter().filter_map(|source| language.parse(source)) {
                let mut expected: Vec<String> = Vec::new();
                let mut stack = vec![tree.root_node()];
                while let Some(node) = stack.pop() {
                    expected.push(node.to_sexp());
                    stack.extend(node.children(&mut node.walk()).filter(|child| child.child_count() > 0));
                }
                let mut found = shapes.of(&FlatTree::of(&tree, language));
                assert_eq!(found.len(), expected.len(), "{language:?}");
                expected.sort();
                found.sort_unstable();
                found.dedup();
                let distinct: FxHashSet<&String> = expected.iter().collect();
                assert_eq!(found.len(), distinct.len(), "{language:?}: {expected:?}");
                let root = shapes.of(&FlatTree::of(&tree, language));
                spelt.push((*root.last().expect("a root"), tree.root_node().to_sexp()));
            }
            for (shape, text) in &spelt {
                for (other, other_text) in &spelt {
                    assert_eq!(shape == other, text == other_text, "{language:?}: {text} {other_text}");
                }
            }
        }
    }
}
