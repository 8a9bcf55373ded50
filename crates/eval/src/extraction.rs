//! From a chat answer to the code in it: fences, prose around it, answers cut in the middle.
//!
//! Rules, in this order:
//! 1. Fenced blocks (`fences.rs`). Of those in the wanted language (or without one) the first that defines the entry point;
//!    without an entry point, or if none defines it, the longest that parses, else the longest. A block that is never closed
//!    ends with the text. Thinking that ends (`<think>…</think>`, `<thinking>`, `<thought>`) is not looked at.
//! 2. Without a fence: the longest run of lines that the grammar reads without an error and that holds a definition
//!    (or, with an entry point, defines it); else the whole text. In Python, words of the prose that happen to be expressions
//!    (`Answer`, `[PYTHON]`, `Note: short`) are no part of it.
//! 3. A tail that does not parse (the answer was cut off) is dropped by whole top-level statements, as long as the
//!    entry point stays; else, of a block, the longest run of whole statements that parses (`%timeit` before them).
//!
//! Nothing is added, nothing within a statement is mended, and blocks are not joined. Which statements of a program are used is
//! not decided here (`hone_environment::program_of_code`).

mod fences;

use hone_metrics::Language;
use tree_sitter::Node;

use self::fences::{Block, fenced_blocks, is_blank};

/// Lines of an answer that are looked at where there is no fence.
const MAX_LINES: usize = 400;
/// Runs of lines that are parsed at most.
const MAX_RUNS: usize = 1_000;

/// A piece of code found in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extracted {
    /// The code, ending in a line end unless it is empty.
    pub code: String,
    /// How it was found.
    pub rule: Rule,
    /// Whether a tail that does not parse was dropped.
    pub is_cut: bool,
}

/// How code was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// In a closed fence.
    Fence,
    /// In a fence that was never closed.
    OpenFence,
    /// As the longest run of lines that parses.
    Lines,
    /// The text is taken as it is.
    Whole,
}

/// The code in `answer` that defines `entry_point`, if one is wanted.
pub fn extract_code(answer: &str, language: Language, entry_point: Option<&str>) -> Extracted {
    let answer = without_thinking(answer).trim_start_matches(is_zero_width);
    let blocks = fenced_blocks(answer);
    let (mut code, rule, is_cut) = match choose_block(&blocks, language, entry_point) {
        Some(block) => {
            let (code, is_cut) = without_broken_parts(&block.code, language, entry_point);
            (code, if block.is_closed { Rule::Fence } else { Rule::OpenFence }, is_cut)
        }
        None => match longest_run(answer, language, entry_point) {
            Some(code) => (without_words(code, language), Rule::Lines, false),
            None => (answer.to_owned(), Rule::Whole, false),
        },
    };
    code.truncate(code.trim_end().len());
    if !code.is_empty() {
        code.push('\n');
    }
    Extracted { code, rule, is_cut }
}

/// What follows the last thinking that ends.
fn without_thinking(answer: &str) -> &str {
    let ends = ["</think>", "</thinking>", "</thought>"];
    let after = ends.iter().filter_map(|end| answer.rfind(end).map(|at| at + end.len())).max();
    &answer[after.unwrap_or(0)..]
}

/// A mark that some put at a text's beginning.
fn is_zero_width(c: char) -> bool {
    is_blank(c) && !c.is_whitespace()
}

fn choose_block<'b>(blocks: &'b [Block], language: Language, entry_point: Option<&str>) -> Option<&'b Block> {
    let is_fitting =
        |block: &&Block| block.language.is_empty() || Language::named(&block.language) == Some(language);
    let fitting: Vec<&Block> = blocks.iter().filter(is_fitting).collect();
    let candidates = if fitting.is_empty() { blocks.iter().collect() } else { fitting };
    let defining =
        entry_point.and_then(|entry| candidates.iter().find(|block| defines(&block.code, language, entry)));
    let longest =
        || candidates.iter().max_by_key(|block| (language.is_well_formed(&block.code), block.code.len()));
    defining.or_else(longest).copied()
}

/// Whether `code` defines `name` at its top level or in a class there, also where the rest of it does not parse.
pub fn defines(code: &str, language: Language, name: &str) -> bool {
    if !code.contains(name) {
        return false;
    }
    let Some(tree) = language.parse(code) else { return false };
    let mut stack = vec![tree.root_node()];
    while let Some(node) = stack.pop() {
        if declared_name(node).and_then(|declared| code.get(declared.byte_range())) == Some(name) {
            return true;
        }
        let is_closed = ["function", "method", "lambda", "call", "argument", "parameter", "string"];
        if !is_closed.iter().any(|part| node.kind().contains(part)) {
            let mut cursor = node.walk();
            stack.extend(node.children(&mut cursor));
        }
    }
    false
}

/// The name a node binds: that of a definition, the left side of an assignment, the innermost declarator.
pub(crate) fn declared_name(node: Node<'_>) -> Option<Node<'_>> {
    let mut declared =
        ["declarator", "name", "pattern", "left"].iter().find_map(|f| node.child_by_field_name(f))?;
    while let Some(inner) =
        declared.child_by_field_name("declarator").or_else(|| declared.child_by_field_name("name"))
    {
        declared = inner;
    }
    Some(declared)
}

/// The longest run of lines without an error that defines the entry point, or something at all.
fn longest_run(answer: &str, language: Language, entry_point: Option<&str>) -> Option<String> {
    let lines: Vec<&str> = answer.lines().take(MAX_LINES).collect();
    let is_start = |line: &&str| !line.trim().is_empty() && !line.starts_with([' ', '\t']);
    let starts: Vec<usize> = (0..lines.len()).filter(|at| is_start(&lines[*at])).collect();
    let mut best: Option<(usize, String)> = None;
    let mut runs = 0;
    for from in &starts {
        for to in (from + 1..=lines.len()).rev() {
            let filled = lines[*from..to].iter().filter(|line| !line.trim().is_empty()).count();
            if best.as_ref().is_some_and(|(most, _)| filled <= *most) {
                break;
            }
            // A statement that goes on after a blank line is not cut there.
            let is_boundary = lines[to..].iter().find(|line| !line.trim().is_empty()).is_none_or(is_start);
            if !is_boundary {
                continue;
            }
            let code = lines[*from..to].join("\n");
            if entry_point.is_some_and(|entry| !code.contains(entry)) {
                break;
            }
            runs += 1;
            if runs > MAX_RUNS {
                return best.map(|(_, code)| code);
            }
            let is_wanted = match entry_point {
                Some(entry) => defines(&code, language, entry),
                None => has_definition(&code, language),
            };
            if is_wanted && language.is_well_formed(&code) {
                best = Some((filled, code));
                break;
            }
        }
    }
    best.map(|(_, code)| code)
}

/// Whether some top-level statement defines or binds something, which prose that happens to parse does not.
fn has_definition(code: &str, language: Language) -> bool {
    let Some(tree) = language.parse(code) else { return false };
    let root = tree.root_node();
    let mut cursor = root.walk();
    root.children(&mut cursor).any(|node| {
        let kind = node.kind();
        ["definition", "declaration", "item", "method", "class", "import"]
            .iter()
            .any(|part| kind.contains(part))
    })
}

/// Rule 3: the code, and whether something that does not parse was dropped.
fn without_broken_parts(code: &str, language: Language, entry_point: Option<&str>) -> (String, bool) {
    if language.is_well_formed(code) {
        return (code.to_owned(), false);
    }
    let kept = without_broken_tail(code, language, entry_point).map(str::to_owned);
    match kept.or_else(|| longest_run(code, language, entry_point)) {
        Some(kept) => (kept, true),
        None => (code.to_owned(), false),
    }
}

/// Drops top-level statements from the end until the rest parses, as long as the entry point stays defined.
fn without_broken_tail<'a>(code: &'a str, language: Language, entry_point: Option<&str>) -> Option<&'a str> {
    let tree = language.parse(code)?;
    let root = tree.root_node();
    let mut cursor = root.walk();
    let starts: Vec<usize> = root.children(&mut cursor).map(|node| node.start_byte()).collect();
    // A statement that begins within a line is the rest of one that was cut off.
    let is_line_start = |start: &usize| *start > 0 && code[..*start].ends_with('\n');
    for start in starts.into_iter().rev().filter(is_line_start) {
        let kept = &code[..start];
        if entry_point.is_some_and(|entry| !defines(kept, language, entry)) || kept.trim().is_empty() {
            return None;
        }
        if language.is_well_formed(kept) {
            return Some(kept);
        }
    }
    None
}

/// Python without top-level expressions that do nothing: words of the prose around the code, which raise a `NameError`.
fn without_words(code: String, language: Language) -> String {
    let tree = if language == Language::Python { language.parse(&code) } else { None };
    let Some(tree) = tree else { return code };
    let root = tree.root_node();
    let mut cursor = root.walk();
    let words: Vec<Node<'_>> = root.children(&mut cursor).filter(|node| is_idle(*node)).collect();
    let mut kept = String::with_capacity(code.len());
    let mut from = 0;
    for node in words {
        kept.push_str(&code[from..node.start_byte()]);
        from = node.end_byte();
    }
    kept.push_str(&code[from..]);
    kept.trim_start_matches('\n').to_owned()
}

/// Whether a statement calls nothing and binds nothing. Strings stay: they are documentation.
fn is_idle(statement: Node<'_>) -> bool {
    let Some(inner) = statement.named_child(0).filter(|_| statement.kind() == "expression_statement") else {
        return false;
    };
    match inner.kind() {
        "identifier" | "attribute" | "list" | "tuple" | "subscript" | "integer" | "float" => true,
        "binary_operator"
        | "comparison_operator"
        | "boolean_operator"
        | "unary_operator"
        | "not_operator" => true,
        // `Note: short` is a declaration without a value.
        "assignment" => inner.child_by_field_name("right").is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod answers;

#[cfg(test)]
mod tests {
    use super::*;

    const F: &str = "def f(x):\n    return x\n";

    fn check(answer: &str, expected: &str, rule: Rule) {
        let found = extract_code(answer, Language::Python, Some("f"));
        assert_eq!((found.code.as_str(), found.rule), (expected, rule), "{answer:?}");
    }

    #[test]
    fn code_is_found_in_fences() {
        check(&format!("Sure!\n```python\n{F}```\nIt returns x."), F, Rule::Fence);
        check(&format!("```\n{F}```"), F, Rule::Fence);
        check(&format!("~~~py\n{F}~~~\n"), F, Rule::Fence);
        check(&format!("  ```python\n{F}  ```\n"), F, Rule::Fence);
        check(&format!("````python\n{F}```\nnot the end'''\n````"), "def f(x):\n    return x\n", Rule::Fence);
        // The example of use comes first; the block that defines the function is meant.
        check(&format!("```python\nprint(f(1))\n```\nwhere\n```python\n{F}```"), F, Rule::Fence);
        check(&format!("```bash\npip install x\n```\n```python\n{F}```"), F, Rule::Fence);
        check(&format!("<think>```python\ndef f(): pass\n```</think>\n```python\n{F}```"), F, Rule::Fence);
    }

    #[test]
    fn an_answer_cut_in_the_middle_keeps_what_is_whole() {
        check(&format!("Here:\n```python\n{F}"), F, Rule::OpenFence);
        let cut = extract_code(
            &format!("```python\n{F}\ndef g(y):\n    return [y, ("),
            Language::Python,
            Some("f"),
        );
        assert_eq!((cut.code.as_str(), cut.is_cut), (F, true));
        // The cut function is the wanted one: left as it is, so that it fails as what it is.
        let broken = extract_code("```python\ndef f(x):\n    return (x", Language::Python, Some("f"));
        assert_eq!((broken.code.as_str(), broken.is_cut), ("def f(x):\n    return (x\n", false));
    }

    #[test]
    fn without_fences_the_longest_run_of_lines_that_parses() {
        check(
            &format!("Here is the function you asked for:\n\n{F}\nIt simply returns x, doesn't it?\n"),
            F,
            Rule::Lines,
        );
        check(&format!("import math\n\n{F}"), &format!("import math\n\n{F}"), Rule::Lines);
        check("    return x", "    return x\n", Rule::Whole);
        check("", "", Rule::Whole);
        let none = extract_code("I cannot do that.", Language::Python, None);
        assert_eq!(none.rule, Rule::Whole);
    }

    #[test]
    fn other_languages_are_read_by_their_grammars() {
        for (language, fence, code, entry) in [
            (Language::Java, "java", "class Solution {\n    int f(int x) { return x; }\n}\n", "f"),
            (Language::Cpp, "cpp", "#include <vector>\nint f(int x) {\n    return x;\n}\n", "f"),
            (Language::JavaScript, "js", "const f = (x) => {\n    return x;\n};\n", "f"),
            (Language::Go, "go", "package main\n\nfunc f(x int) int {\n    return x\n}\n", "f"),
            (Language::Rust, "rust", "fn f(x: u8) -> u8 {\n    x\n}\n", "f"),
        ] {
            assert!(defines(code, language, entry), "{language:?}");
            assert!(!defines(code, language, "g"), "{language:?}");
            let answer = format!("Text.\n```{fence}\n{code}```\n```python\ndef f(): pass\n```\n");
            assert_eq!(extract_code(&answer, language, Some(entry)).code, code, "{language:?}");
            let bare = format!("This is it:\n\n{code}");
            assert_eq!(extract_code(&bare, language, Some(entry)).code, code, "{language:?} without a fence");
        }
    }

    #[test]
    fn a_call_is_no_definition() {
        assert!(!defines("f(1)\nx = f(2)\n", Language::Python, "f"));
        assert!(defines("f = lambda x: x\n", Language::Python, "f"));
        assert!(defines("class S:\n    def f(self): pass\n", Language::Python, "f"));
        assert!(!defines("def g():\n    def f(): pass\n", Language::Python, "f"));
    }

    #[test]
    fn any_text_gives_some_code() {
        for text in
            ["```", "``````", "```python", "~~~\n```\n~~~", "\u{0}```\n\u{0}", "<think>", "```a`b\nx\n```"]
        {
            let _ = extract_code(text, Language::Python, Some("f"));
            let _ = extract_code(text, Language::Cpp, None);
        }
    }
}
