//! A syntax tree as one list of nodes in reading order: read once with one cursor, then walked without the parser.
//!
//! Asking tree-sitter for a node's children makes a cursor each time, so a metric that walks the tree several times would
//! spend more on asking than on counting. Not here: what the nodes mean.

use tree_sitter::{Node, Tree};

use super::kinds::Kinds;
use crate::Language;

/// A node, its parts that all metrics ask for, and where its sub-tree ends in the list.
#[derive(Debug, Clone, Copy)]
pub(super) struct FlatNode<'t> {
    /// For questions that are seldom asked.
    pub(super) node: Node<'t>,
    /// Number of its kind in the grammar.
    pub(super) kind: u16,
    /// Number of the field it is in its parent; 0 is none.
    pub(super) field: u16,
    pub(super) is_named: bool,
    /// Bytes of the source.
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) child_count: u32,
    /// How many nodes are above it.
    pub(super) depth: u32,
    /// Index of the first node after its sub-tree.
    pub(super) next: u32,
}

/// All nodes of a tree, each before its children; the root is the first.
#[derive(Debug)]
pub(super) struct FlatTree<'t> {
    pub(super) nodes: Vec<FlatNode<'t>>,
}

impl<'t> FlatTree<'t> {
    pub(super) fn of(tree: &'t Tree, language: Language) -> FlatTree<'t> {
        let kinds = Kinds::of(language);
        let root = tree.root_node();
        let mut nodes: Vec<FlatNode<'t>> = Vec::with_capacity(root.descendant_count());
        let mut cursor = root.walk();
        // Index of each open node and how many of its children are still to come.
        let mut open: Vec<(usize, u32)> = Vec::with_capacity(64);
        loop {
            let (node, depth) = (cursor.node(), open.len() as u32);
            let field = cursor.field_id().map_or(0, |field| field.get());
            let child_count = node.child_count() as u32;
            let (index, kind) = (nodes.len(), node.kind_id());
            nodes.push(FlatNode {
                node,
                kind,
                field,
                is_named: kinds.kind(kind).is_named,
                start: node.start_byte() as u32,
                end: node.end_byte() as u32,
                child_count,
                depth,
                next: index as u32 + 1,
            });
            if child_count > 0 && cursor.goto_first_child() {
                open.push((index, child_count - 1));
                continue;
            }
            loop {
                let end = nodes.len() as u32;
                let Some((parent, left)) = open.last_mut() else { return FlatTree { nodes } };
                if *left > 0 && cursor.goto_next_sibling() {
                    *left -= 1;
                    break;
                }
                nodes[*parent].next = end;
                open.pop();
                cursor.goto_parent();
            }
        }
    }

    /// Indices of a node's children.
    pub(super) fn children(&self, parent: u32) -> impl Iterator<Item = u32> + use<'_, 't> {
        let end = self.nodes[parent as usize].next;
        let first = Some(parent + 1).filter(|first| *first < end);
        std::iter::successors(first, move |child| {
            Some(self.nodes[*child as usize].next).filter(|next| *next < end)
        })
    }

    /// The child that a field of a node names; field 0 is none.
    pub(super) fn child_by_field(&self, parent: u32, field: u16) -> Option<u32> {
        let found = self.nodes[parent as usize].node.child_by_field_id(field)?;
        self.children(parent).find(|child| self.nodes[*child as usize].node == found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_the_tree() {
        let sources = [
            "",
            "x = f(1)\nif x:\n    y\n",
            "for (int i = 0; i < 3; i++) { g(i); }",
            "x = (",
            "\u{0}$ é",
            "/* a",
        ];
        for language in Language::ALL {
            for source in sources {
                let tree = language.parse(source).expect("a tree");
                let flat = FlatTree::of(&tree, language);
                assert_eq!(flat.nodes.len(), tree.root_node().descendant_count(), "{language:?} {source:?}");
                for (index, one) in flat.nodes.iter().enumerate() {
                    let expected: Vec<Node<'_>> = one.node.children(&mut one.node.walk()).collect();
                    let found: Vec<Node<'_>> =
                        flat.children(index as u32).map(|child| flat.nodes[child as usize].node).collect();
                    assert_eq!(found, expected, "{language:?} {source:?}");
                    let mut above = one.node;
                    for _ in 0..one.depth {
                        above = above.parent().expect("a parent");
                    }
                    assert_eq!(above, tree.root_node());
                    assert_eq!(one.is_named, one.node.is_named(), "{language:?} {source:?}");
                    for field in 1..=language.tree_sitter().field_count() as u16 {
                        let child = flat.child_by_field(index as u32, field);
                        let child = child.map(|child| flat.nodes[child as usize].node);
                        assert_eq!(child, one.node.child_by_field_id(field), "{language:?} {source:?}");
                    }
                }
            }
        }
    }
}
