//! Data-flow match, the fourth part of CodeBLEU (arXiv 2009.10297, §3.3): which share of the reference's data flow is
//! in the candidate.
//!
//! A program's data flow is a list of (variable, relation, sources) with variables numbered in the order of their
//! appearance, so that renaming does not matter. Not here: what the languages' nodes mean (`rules.rs`, `walk.rs`).

mod bindings;
mod lists;
mod rules;
mod walk;

use std::borrow::Cow;
use std::cell::LazyCell;

use rustc_hash::FxHashMap;
use tree_sitter::Point;

use self::bindings::{Aliased, Bindings, Copied};
use self::lists::{List, Lists};
use self::rules::Grammar;
use self::walk::{Edge, MAX_DEPTH, NOWHERE, Tokens, Walk, is_token};
use super::Match;
use super::flat_tree::FlatTree;
use crate::Language;

/// One step of the flow: the variable, whether it is computed (or merely comes) from its sources, and these.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flow {
    /// Number of the variable.
    pub variable: u32,
    /// `computedFrom` rather than `comesFrom`.
    pub is_computed: bool,
    /// Numbers of the variables it depends on.
    pub sources: Vec<u32>,
}

/// The data flow of a program, by the corrected tables; empty if it has none.
pub fn data_flow(language: Language, source: &str) -> Vec<Flow> {
    let Some(tree) = language.parse(source) else { return Vec::new() };
    let flows = of_tree(language, source, &FlatTree::of(&tree, language), true);
    let flow = |flow: &[u32]| Flow {
        variable: flow[0] / 2,
        is_computed: flow[0] % 2 == 1,
        sources: flow[1..].to_vec(),
    };
    flows.iter().map(flow).collect()
}

/// How many of the reference's flows the candidate has, each used once; `total` is 0 if the reference has none.
pub fn data_flow_match(language: Language, candidate: &str, reference: &str) -> Match {
    let flows = |source: &str| match language.parse(source) {
        Some(tree) => of_tree(language, source, &FlatTree::of(&tree, language), true),
        None => Flows::default(),
    };
    matched(&flows(candidate), &flows(reference))
}

/// A program's data flow in one list of numbers: of each flow twice its variable, plus 1 if it is computed; then its
/// sources.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Flows {
    numbers: Vec<u32>,
    /// Where each flow ends.
    ends: Vec<u32>,
}

impl Flows {
    fn iter(&self) -> impl Iterator<Item = &[u32]> {
        let starts = std::iter::once(&0).chain(&self.ends);
        starts.zip(&self.ends).map(|(start, end)| &self.numbers[*start as usize..*end as usize])
    }
}

/// The reference's flows that are among the candidate's, each used once.
pub(super) fn matched(candidate: &Flows, reference: &Flows) -> Match {
    let mut left: FxHashMap<&[u32], usize> = FxHashMap::default();
    left.reserve(candidate.ends.len());
    candidate.iter().for_each(|flow| *left.entry(flow).or_default() += 1);
    let mut count = 0;
    for flow in reference.iter() {
        if let Some(unused) = left.get_mut(flow).filter(|unused| **unused > 0) {
            *unused -= 1;
            count += 1;
        }
    }
    Match { matched: count, total: reference.ends.len() as u64 }
}

/// The data flow of a parsed program; without `is_corrected` exactly as codebleu 0.7.0 extracts it.
pub(super) fn of_tree(language: Language, source: &str, tree: &FlatTree<'_>, is_corrected: bool) -> Flows {
    let grammar = Grammar::of(language, is_corrected);
    let Some(tokens) = tokens(grammar, source, tree, is_corrected) else { return Flows::default() };
    let count = tokens.names.len();
    let unbound = vec![List::EMPTY; tokens.spellings.len()];
    let mut walk = Walk {
        grammar,
        tree,
        tokens,
        lists: Lists::new(count as u32),
        edges: Vec::with_capacity(2 * count),
        is_alphabetical: !is_corrected,
        places: vec![NOWHERE; 2 * count],
    };
    let is_whole = if grammar.rules.is_aliased {
        walk.walk(0, Aliased::new(unbound), 0).is_ok()
    } else {
        walk.walk(0, Copied::new(unbound), 0).is_ok()
    };
    if !is_whole {
        return Flows::default();
    }
    let edges = connected(&mut walk);
    numbered(&edges, &walk)
}

/// The tokens of a tree; `None` where Python's recursion would end.
fn tokens<'s>(
    grammar: &Grammar,
    source: &'s str,
    tree: &FlatTree<'_>,
    is_corrected: bool,
) -> Option<Tokens<'s>> {
    let (is_ascii, lines) = (source.is_ascii(), LazyCell::new(|| source.split('\n').collect::<Vec<&str>>()));
    let mut tokens = Tokens { variables: vec![None; tree.nodes.len()], ..Tokens::default() };
    let mut known: FxHashMap<Cow<'s, str>, u32> = FxHashMap::default();
    known.reserve(tree.nodes.len() / 4);
    let mut places: Vec<u32> = Vec::with_capacity(tree.nodes.len());
    let mut index = 0;
    while let Some(node) = tree.nodes.get(index as usize) {
        if node.depth as usize > MAX_DEPTH {
            return None;
        }
        if !is_token(grammar, tree, index) {
            index += 1;
            continue;
        }
        let spelling = match source.get(node.start as usize..node.end as usize) {
            Some(text) if is_corrected || (is_ascii && !text.contains('\n')) => Cow::Borrowed(text),
            Some(text) if is_ascii => Cow::Owned(text.replace('\n', "")),
            _ => published_spelling(&lines, node.node.start_position(), node.node.end_position()),
        };
        let next = u32::try_from(tokens.spellings.len()).ok()?;
        let name = *known.entry(spelling).or_insert_with_key(|spelling| {
            tokens.spellings.push(spelling.clone());
            next
        });
        tokens.names.push(name);
        places.push(index);
        index = node.next;
    }
    // Only empty tokens can share a place, so they follow one another.
    let (mut last, mut after) = (0, None);
    for (number, index) in places.iter().enumerate().rev() {
        let node = &tree.nodes[*index as usize];
        if after != Some((node.start, node.end)) {
            last = number;
        }
        after = Some((node.start, node.end));
        let name = tokens.names[last];
        if tokens.spellings[name as usize] != grammar.kinds.kind(node.kind).name {
            tokens.variables[*index as usize] = Some((last as u32, name));
        }
    }
    Some(tokens)
}

/// A token's text as codebleu cuts it out: byte columns are used as character columns, line ends are dropped.
fn published_spelling<'s>(lines: &[&'s str], start: Point, end: Point) -> Cow<'s, str> {
    let cut = |row: usize, from: usize, to: usize| -> Cow<'s, str> {
        let line = lines.get(row).copied().unwrap_or_default();
        match line.get(from.min(line.len())..to.min(line.len())) {
            Some(text) if line.is_ascii() => Cow::Borrowed(text),
            _ => Cow::Owned(line.chars().skip(from).take(to.saturating_sub(from)).collect()),
        }
    };
    if start.row == end.row {
        return cut(start.row, start.column, end.column);
    }
    let mut text = cut(start.row, start.column, usize::MAX).into_owned();
    lines.iter().take(end.row).skip(start.row + 1).for_each(|line| text.push_str(line));
    text.push_str(&cut(end.row, 0, end.column));
    Cow::Owned(text)
}

/// Edges that touch another token, in the order of the tokens, those of one token merged.
fn connected(walk: &mut Walk<'_, '_>) -> Vec<Edge> {
    let mut edges = std::mem::take(&mut walk.edges);
    edges.sort_by_key(|edge| edge.token);
    let mut is_linked = vec![false; walk.tokens.names.len()];
    for edge in edges.iter().filter(|edge| !edge.source_tokens.is_empty()) {
        is_linked[edge.token as usize] = true;
        walk.lists.get(edge.source_tokens).iter().for_each(|source| is_linked[*source as usize] = true);
    }
    let mut merged: Vec<Edge> = Vec::with_capacity(edges.len());
    for edge in edges.into_iter().filter(|edge| is_linked[edge.token as usize]) {
        match merged.last_mut().filter(|last| last.token == edge.token) {
            None => merged.push(edge),
            Some(last) => *last = Edge { sources: walk.merge_sources(last.sources, edge.sources), ..edge },
        }
    }
    merged
}

/// Names become numbers in the order in which they are first read or bound.
fn numbered(edges: &[Edge], walk: &Walk<'_, '_>) -> Flows {
    let mut numbers: Vec<Option<u32>> = vec![None; walk.tokens.spellings.len()];
    let mut count = 0;
    let mut number = |name: u32| {
        *numbers[name as usize].get_or_insert_with(|| {
            count += 1;
            count - 1
        })
    };
    let mut flows = Flows::default();
    for edge in edges {
        let start = flows.numbers.len();
        flows.numbers.push(0);
        flows.numbers.extend(walk.lists.get(edge.sources).iter().map(|name| number(*name)));
        flows.numbers[start] = 2 * number(edge.name) + u32::from(edge.is_computed);
        flows.ends.push(flows.numbers.len() as u32);
    }
    flows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_flows_through_an_assignment() {
        // y is computed from x and 1; x comes from the parameter; the returned y comes from the assigned one.
        let flows = data_flow(Language::Python, "def f(x):\n    y = x + 1\n    return y\n");
        assert!(flows.iter().any(|flow| flow.is_computed && flow.sources.len() == 2), "{flows:?}");
        let renamed = data_flow(Language::Python, "def g(a):\n    b = a + 1\n    return b\n");
        assert_eq!(flows, renamed, "names do not matter");
        assert_ne!(flows, data_flow(Language::Python, "def f(x):\n    y = x + 1\n    return x\n"));
    }

    #[test]
    fn every_language_has_flow_through_a_loop_and_a_branch() {
        for (language, source) in [
            (Language::Python, "s = 0\nfor i in xs:\n    if i > s:\n        s = i\nprint(s)\n"),
            (
                Language::Java,
                "class A { int f(int n) { int s = 0; for (int i = 0; i < n; i++) { if (i > s) s = i; } return s; } }",
            ),
            (
                Language::C,
                "int f(int n) { int s = 0; for (int i = 0; i < n; i++) { if (i > s) s = i; else s++; } return s; }",
            ),
            (Language::Cpp, "int f(V v) { int s = 0; for (int i : v) { if (i > s) s = i; } return s; }"),
            (
                Language::CSharp,
                "class A { int F(int[] v) { int s = 0; foreach (int i in v) { if (i > s) s = i; } return s; } }",
            ),
            (
                Language::JavaScript,
                "function f(v) { let s = 0; for (const i of v) { if (i > s) s = i; } return s; }",
            ),
            (
                Language::Go,
                "package a\nfunc f(v []int) int { s := 0; for _, i := range v { if i > s { s = i } }; return s }",
            ),
            (
                Language::Rust,
                "fn f(v: &[i32]) -> i32 { let mut s = 0; for i in v { if *i > s { s = *i; } } s }",
            ),
            (
                Language::Php,
                "<?php function f($v) { $s = 0; foreach ($v as $i) { if ($i > $s) { $s = $i; } } return $s; }",
            ),
            (Language::Ruby, "def f(v)\n  s = 0\n  for i in v\n    s = i if i > s\n  end\n  s\nend\n"),
        ] {
            let flows = data_flow(language, source);
            assert!(flows.iter().any(|flow| flow.is_computed), "{language:?}: {flows:?}");
            assert!(flows.iter().any(|flow| !flow.is_computed && !flow.sources.is_empty()), "{language:?}");
            let same = data_flow_match(language, source, source);
            assert_eq!(same.matched, same.total, "{language:?}");
        }
    }

    #[test]
    fn flows_are_used_once() {
        // Variable 0 is computed from 1; 1 has no source.
        let flows = |flows: &[&[u32]]| Flows {
            numbers: flows.concat(),
            ends: flows
                .iter()
                .scan(0, |end, flow| {
                    *end += flow.len() as u32;
                    Some(*end)
                })
                .collect(),
        };
        let (a, b) = (&[1, 1][..], &[2][..]);
        assert_eq!(matched(&flows(&[a]), &flows(&[a, a, b])), Match { matched: 1, total: 3 });
        assert_eq!(matched(&flows(&[a, b]), &flows(&[])), Match { matched: 0, total: 0 });
    }

    #[test]
    fn any_text_has_some_data_flow() {
        for language in Language::ALL {
            for source in [
                "",
                "(",
                "\0\u{feff}é = é",
                "if else for",
                "x = (\n",
                "/* \"",
                &"(".repeat(5_000),
                &"[x".repeat(2_000),
            ] {
                let _ = data_flow(language, source);
                if let Some(tree) = language.parse(source) {
                    let _ = of_tree(language, source, &FlatTree::of(&tree, language), false);
                }
            }
        }
    }
}
