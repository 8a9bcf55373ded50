//! What the parts of CodeBLEU ask of a node's kind, answered once for each grammar instead of once for each node.

use std::sync::LazyLock;

use super::flat_tree::FlatTree;
use crate::Language;

/// Kind of nodes that no rule of the grammar explains.
pub(super) const ERROR: u16 = u16::MAX;

/// A kind of node.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) is_named: bool,
    /// Whether it is called a comment of some sort.
    is_comment: bool,
    is_string: bool,
    is_expression_statement: bool,
    /// Whether it is a literal that is one token though it may have children.
    pub(super) is_literal: bool,
}

/// The kinds of a language's grammar.
#[derive(Debug)]
pub(super) struct Kinds {
    kinds: Vec<Kind>,
    error: Kind,
    language: Language,
}

impl Kinds {
    pub(super) fn of(language: Language) -> &'static Kinds {
        static KINDS: LazyLock<Vec<Kinds>> =
            LazyLock::new(|| Language::ALL.into_iter().map(Kinds::new).collect());
        &KINDS[language as usize]
    }

    fn new(language: Language) -> Kinds {
        let grammar = language.tree_sitter();
        let count = u16::try_from(grammar.node_kind_count()).unwrap_or(u16::MAX);
        let kind = |id: u16| {
            Kind::called(grammar.node_kind_for_id(id).unwrap_or_default(), grammar.node_kind_is_named(id))
        };
        Kinds { kinds: (0..count).map(kind).collect(), error: Kind::called("ERROR", true), language }
    }

    pub(super) fn kind(&self, id: u16) -> &Kind {
        self.kinds.get(usize::from(id)).unwrap_or(&self.error)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Kind> {
        self.kinds.iter()
    }

    /// Whether a node is a comment, or (Python) a statement that is nothing but a string.
    pub(super) fn is_comment(&self, tree: &FlatTree<'_>, index: u32) -> bool {
        let node = &tree.nodes[index as usize];
        let kind = self.kind(node.kind);
        let is_docstring = || {
            self.language == Language::Python
                && kind.is_expression_statement
                && node.child_count == 1
                && tree.nodes.get(index as usize + 1).is_some_and(|child| self.kind(child.kind).is_string)
        };
        (kind.is_comment && node.node.is_extra()) || is_docstring()
    }
}

impl Kind {
    fn called(name: &'static str, is_named: bool) -> Kind {
        Kind {
            name,
            is_named,
            is_comment: name.contains("comment"),
            is_string: name == "string",
            is_expression_statement: name == "expression_statement",
            is_literal: matches!(name, "string" | "string_literal" | "character_literal"),
        }
    }
}
