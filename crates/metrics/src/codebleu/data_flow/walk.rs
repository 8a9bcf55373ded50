//! From a syntax tree to the edges of its data flow (GraphCodeBERT, arXiv 2009.08366, §3), by the tables of `rules.rs`.
//!
//! Loops are walked twice, so that what a round binds reaches the next; ways of a branch are walked apart and merged.
//! Where the published code would raise (a node lacks the field its table names, recursion too deep), there is no
//! data flow at all: `Broken`.

use std::borrow::Cow;

use super::bindings::{Bindings, merged};
use super::lists::{List, Lists};
use super::rules::{CountedLoop, DefinitionParts, EachParts, Grammar, Kind, Role};
use crate::codebleu::flat_tree::FlatTree;

/// Python's default recursion limit is 1,000 frames, some of which are used before the walk begins.
pub(super) const MAX_DEPTH: usize = 950;

/// The published code would have raised here.
#[derive(Debug)]
pub(super) struct Broken;

/// One token's value and where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) name: u32,
    /// Number of the token.
    pub(super) token: u32,
    /// `computedFrom` rather than `comesFrom`.
    pub(super) is_computed: bool,
    /// Names it comes from.
    pub(super) sources: List,
    /// Tokens it comes from.
    pub(super) source_tokens: List,
}

/// The tokens of a program.
#[derive(Debug, Default)]
pub(super) struct Tokens<'s> {
    /// The name each token is, by the token's number.
    pub(super) names: Vec<u32>,
    /// How each name is spelt.
    pub(super) spellings: Vec<Cow<'s, str>>,
    /// By node: the token it is, unless it is a keyword or mark, which are spelt as their kind is called. Of several
    /// tokens at one place, the last.
    pub(super) variables: Vec<Option<Variable>>,
}

pub(super) struct Walk<'t, 's> {
    pub(super) grammar: &'static Grammar,
    pub(super) tree: &'t FlatTree<'t>,
    pub(super) tokens: Tokens<'s>,
    pub(super) lists: Lists,
    pub(super) edges: Vec<Edge>,
    /// Order of merged source names: reverse alphabetical (published modes) or of first appearance.
    pub(super) is_alphabetical: bool,
    /// By token and sort of edge: where its first edge in the loop is that just ended; `NOWHERE` between loops.
    pub(super) places: Vec<u32>,
}

/// No place in a list of edges.
pub(super) const NOWHERE: u32 = u32::MAX;

/// A token and its name.
pub(super) type Variable = (u32, u32);

impl Walk<'_, '_> {
    /// Walks `node`, adds its edges, and says what is bound after it.
    pub(super) fn walk<B: Bindings>(&mut self, node: u32, bound: B, depth: usize) -> Result<B, Broken> {
        if depth > MAX_DEPTH {
            return Err(Broken);
        }
        if is_token(self.grammar, self.tree, node) {
            return Ok(self.token(node, bound.into_detached()));
        }
        match self.kind(node).role {
            Role::Plain => self.children(node, bound, depth),
            Role::Definition => self.definition(node, bound, depth),
            Role::Assignment if self.grammar.rules.pairs_assignments => {
                self.paired_assignment(node, bound, depth)
            }
            Role::Assignment => self.assignment(node, bound, depth),
            Role::Increment => {
                let variables = self.variables(node);
                Ok(self.bind_products(&variables, &variables, true, bound))
            }
            Role::Branch => self.branch(node, bound, depth),
            Role::CountedLoop => self.in_loop(|walk| walk.counted_loop(node, bound, depth)),
            Role::EachLoop => self.in_loop(|walk| walk.each_loop(node, bound, depth)),
            Role::WhileLoop => self.in_loop(|walk| {
                let once = walk.in_order(node, bound, depth)?;
                walk.in_order(node, once, depth)
            }),
        }
    }

    fn kind(&self, node: u32) -> Kind {
        self.grammar.kind(self.tree.nodes[node as usize].kind)
    }

    fn is_called(&self, node: u32, name: &str) -> bool {
        self.grammar.kinds.kind(self.tree.nodes[node as usize].kind).name == name
    }

    fn field(&self, node: u32, field: u16) -> Result<u32, Broken> {
        self.tree.child_by_field(node, field).ok_or(Broken)
    }

    fn token<B: Bindings>(&mut self, node: u32, mut bound: B) -> B {
        let Some((number, name)) = self.tokens.variables[node as usize] else { return bound };
        let origins = bound.get(name);
        if origins.is_empty() && self.kind(node).is_identifier {
            bound.set(name, number);
        }
        let sources = if origins.is_empty() { List::EMPTY } else { List::one(name) };
        self.push((number, name), false, sources, origins);
        bound
    }

    /// All children, those first that the table wants first.
    fn children<B: Bindings>(&mut self, node: u32, mut bound: B, depth: usize) -> Result<B, Broken> {
        let tree = self.tree;
        if self.grammar.rules.has_first() {
            for child in tree.children(node) {
                if self.kind(child).is_first {
                    bound = self.walk(child, bound, depth + 1)?;
                }
            }
        }
        for child in tree.children(node) {
            if !self.kind(child).is_first {
                bound = self.walk(child, bound, depth + 1)?;
            }
        }
        Ok(bound)
    }

    fn in_order<B: Bindings>(&mut self, node: u32, bound: B, depth: usize) -> Result<B, Broken> {
        let tree = self.tree;
        tree.children(node).try_fold(bound, |bound, child| self.walk(child, bound, depth + 1))
    }

    fn definition<B: Bindings>(&mut self, node: u32, mut bound: B, depth: usize) -> Result<B, Broken> {
        let tree = self.tree;
        let (name_field, value_field) = self.grammar.fields.definition;
        let (name, value) = match self.grammar.rules.definition {
            DefinitionParts::Fields(..) => {
                (tree.child_by_field(node, name_field), tree.child_by_field(node, value_field))
            }
            DefinitionParts::TwoChildren => {
                let is_pair = tree.nodes[node as usize].child_count == 2;
                (tree.children(node).next(), tree.children(node).nth(1).filter(|_| is_pair))
            }
            DefinitionParts::FunctionHead => (tree.children(node).nth(1), tree.children(node).nth(2)),
        };
        let names = self.variables(name.ok_or(Broken)?);
        let Some(value) = value else {
            for (token, name) in names {
                self.push((token, name), false, List::EMPTY, List::EMPTY);
                bound.set(name, token);
            }
            return Ok(bound);
        };
        let values = self.variables(value);
        let bound = self.walk(value, bound, depth + 1)?;
        Ok(self.bind_products(&names, &values, false, bound))
    }

    fn assignment<B: Bindings>(&mut self, node: u32, bound: B, depth: usize) -> Result<B, Broken> {
        let fields = &self.grammar.fields;
        let (left, right) = (self.field(node, fields.left)?, self.field(node, fields.right)?);
        let bound = self.walk(right, bound, depth + 1)?;
        let (names, values) = (self.variables(left), self.variables(right));
        Ok(self.bind_products(&names, &values, true, bound))
    }

    /// `a, b = b, a`: sides are paired if there are as many on the left as on the right.
    fn paired_assignment<B: Bindings>(&mut self, node: u32, mut bound: B, depth: usize) -> Result<B, Broken> {
        let (tree, fields) = (self.tree, &self.grammar.fields);
        let last = || tree.children(node).last().ok_or(Broken);
        let is_operator = self.is_called(node, "operator_assignment");
        let (left, right) = if self.is_called(node, "for_in_clause") {
            (vec![self.field(node, fields.left)?], vec![last()?])
        } else if is_operator {
            (vec![tree.children(node).next().ok_or(Broken)?], vec![last()?])
        } else if tree.child_by_field(node, fields.right).is_none() {
            // An annotation without a value; Ruby's table would raise.
            return if self.grammar.rules.is_aliased { Err(Broken) } else { Ok(bound) };
        } else {
            self.sides(self.field(node, fields.left)?, self.field(node, fields.right)?)
        };
        for side in &right {
            bound = self.walk(*side, bound, depth + 1)?;
        }
        Ok(self.bind_pairs(&left, &right, bound))
    }

    /// The elements of both sides if they are as many, else the sides themselves.
    fn sides(&self, left: u32, right: u32) -> (Vec<u32>, Vec<u32>) {
        let elements = |node: u32| -> Vec<u32> {
            self.tree.children(node).filter(|child| !self.kind(*child).is_comma).collect()
        };
        let (lefts, rights) = (elements(left), elements(right));
        if lefts.len() != rights.len() || lefts.is_empty() {
            (vec![left], vec![right])
        } else {
            (lefts, rights)
        }
    }

    fn bind_pairs<B: Bindings>(&mut self, left: &[u32], right: &[u32], mut bound: B) -> B {
        for (left, right) in left.iter().zip(right) {
            let values = self.variables(*right);
            let names = self.lists.add(values.iter().map(|(_, name)| *name));
            let tokens = self.lists.add(values.iter().map(|(token, _)| *token));
            for (token, name) in self.variables(*left) {
                self.push((token, name), true, names, tokens);
                bound.set(name, token);
            }
        }
        bound
    }

    /// An edge from every value to every name, one source each.
    fn bind_products<B: Bindings>(
        &mut self,
        names: &[Variable],
        values: &[Variable],
        is_computed: bool,
        mut bound: B,
    ) -> B {
        for (token, name) in names {
            for (source_token, source) in values {
                let (sources, source_tokens) = (List::one(*source), List::one(*source_token));
                self.push((*token, *name), is_computed, sources, source_tokens);
            }
            bound.set(*name, *token);
        }
        bound
    }

    fn branch<B: Bindings>(&mut self, node: u32, bound: B, depth: usize) -> Result<B, Broken> {
        let rules = &self.grammar.rules;
        let (is_switching, keeps_entry) = (rules.is_switching, rules.keeps_entry);
        let tree = self.tree;
        let mut main = bound.clone().into_detached();
        let mut ways = Vec::new();
        let (mut has_switched, mut has_else) = (false, self.kind(node).has_else);
        for child in tree.children(node) {
            let kind = self.kind(child);
            has_else |= kind.has_else;
            if kind.is_alternative || has_switched {
                has_switched = is_switching;
                ways.push(self.walk(child, bound.clone(), depth + 1)?);
            } else {
                main = self.walk(child, main, depth + 1)?;
            }
        }
        ways.push(main);
        if !has_else || keeps_entry {
            ways.push(bound);
        }
        Ok(merged(&ways, &mut self.lists))
    }

    fn counted_loop<B: Bindings>(&mut self, node: u32, mut bound: B, depth: usize) -> Result<B, Broken> {
        let (tree, fields) = (self.tree, &self.grammar.fields);
        match self.grammar.rules.counted_loop {
            CountedLoop::PythonFor => {
                for _ in 0..2 {
                    let (left, right) =
                        self.sides(self.field(node, fields.left)?, self.field(node, fields.right)?);
                    for side in &right {
                        bound = self.walk(*side, bound, depth + 1)?;
                    }
                    bound = self.bind_pairs(&left, &right, bound);
                    if let Some(block) =
                        tree.children(node).last().filter(|last| self.is_called(*last, "block"))
                    {
                        bound = self.walk(block, bound, depth + 1)?;
                    }
                }
                Ok(bound)
            }
            CountedLoop::RubyFor => {
                let (pattern, value, body) = (
                    self.field(node, fields.pattern)?,
                    self.field(node, fields.value)?,
                    self.field(node, fields.body)?,
                );
                for _ in 0..2 {
                    bound = self.walk(value, bound, depth + 1)?;
                    bound = self.bind_pairs(&[pattern], &[value], bound);
                    bound = self.walk(body, bound, depth + 1)?;
                }
                Ok(bound)
            }
            CountedLoop::RepeatAfter(kind) => {
                bound = self.in_order(node, bound, depth)?;
                let mut is_after = false;
                for child in tree.children(node) {
                    if is_after {
                        bound = self.walk(child, bound, depth + 1)?;
                    }
                    is_after |= self.is_called(child, kind);
                }
                Ok(bound)
            }
            CountedLoop::GoFor => {
                bound = self.in_order(node, bound, depth)?;
                let mut is_after = false;
                for child in tree.children(node) {
                    if is_after {
                        bound = self.walk(child, bound, depth + 1)?;
                    } else if self.is_called(child, "for_clause") {
                        is_after = true;
                        if let Some(update) = tree.child_by_field(child, fields.update) {
                            bound = self.walk(update, bound, depth + 1)?;
                        }
                    }
                }
                Ok(bound)
            }
        }
    }

    fn each_loop<B: Bindings>(&mut self, node: u32, mut bound: B, depth: usize) -> Result<B, Broken> {
        let (element, collection, body) = self.grammar.fields.each;
        let (element, collection) = match self.grammar.rules.each {
            EachParts::Fields(..) => (self.field(node, element)?, self.field(node, collection)?),
            EachParts::TwoVariables => {
                let mut variables =
                    self.tree.children(node).filter(|child| self.is_called(*child, "variable_name"));
                let (collection, element) =
                    (variables.next().ok_or(Broken)?, variables.next().ok_or(Broken)?);
                (element, collection)
            }
        };
        let body = self.field(node, body)?;
        let (names, values) = (self.variables(element), self.variables(collection));
        for _ in 0..2 {
            bound = self.walk(collection, bound, depth + 1)?;
            bound = self.bind_products(&names, &values, true, bound);
            bound = self.walk(body, bound, depth + 1)?;
        }
        Ok(bound)
    }

    /// Edges that `walk` adds more than once are merged into their first.
    fn in_loop<B>(&mut self, walk: impl FnOnce(&mut Self) -> Result<B, Broken>) -> Result<B, Broken> {
        let start = self.edges.len();
        let bound = walk(self)?;
        let place = |edge: &Edge| 2 * edge.token as usize + usize::from(edge.is_computed);
        let mut kept = start;
        for index in start..self.edges.len() {
            let edge = self.edges[index];
            let first = self.places[place(&edge)];
            if first == NOWHERE {
                self.places[place(&edge)] = kept as u32;
                self.edges[kept] = edge;
                kept += 1;
                continue;
            }
            let Edge { sources, source_tokens, .. } = self.edges[first as usize];
            self.edges[first as usize].sources = self.merge_sources(sources, edge.sources);
            self.edges[first as usize].source_tokens = self.lists.union(source_tokens, edge.source_tokens);
        }
        self.edges.truncate(kept);
        for edge in &self.edges[start..] {
            self.places[place(edge)] = NOWHERE;
        }
        Ok(bound)
    }

    /// Both lists' names, each once. The published code leaves their order to Python's hash of the names.
    pub(super) fn merge_sources(&mut self, sources: List, more: List) -> List {
        if sources == more && sources.len() <= 1 {
            return sources;
        }
        let spellings = &self.tokens.spellings;
        let mut once: Vec<u32> = Vec::with_capacity(sources.len() + more.len());
        for name in self.lists.get(sources).iter().chain(self.lists.get(more)) {
            if !once.contains(name) {
                once.push(*name);
            }
        }
        if self.is_alphabetical {
            once.sort_by_key(|name| std::cmp::Reverse(&spellings[*name as usize]));
        }
        self.lists.add(once)
    }

    /// The tokens below a node that are not keywords or marks.
    fn variables(&self, node: u32) -> Vec<Variable> {
        let mut found = Vec::new();
        let (mut index, end) = (node, self.tree.nodes[node as usize].next);
        while index < end {
            if is_token(self.grammar, self.tree, index) {
                found.extend(self.tokens.variables[index as usize]);
                index = self.tree.nodes[index as usize].next;
            } else {
                index += 1;
            }
        }
        found
    }

    fn push(&mut self, (token, name): Variable, is_computed: bool, sources: List, source_tokens: List) {
        self.edges.push(Edge { name, token, is_computed, sources, source_tokens });
    }
}

/// Whether a node is one token: a leaf or a literal, and no comment.
pub(super) fn is_token(grammar: &Grammar, tree: &FlatTree<'_>, node: u32) -> bool {
    let node = &tree.nodes[node as usize];
    let kind = grammar.kind(node.kind);
    (node.child_count == 0 || kind.is_literal) && !kind.is_comment
}
