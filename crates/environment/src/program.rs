//! From an answer to the program that is judged.
//!
//! Not a repair: text is dropped by the rules below and nothing is added, so a wrong program stays wrong.
//!
//! 1. The answer ends at the first line that opens or closes a fence. A fence at its very start is skipped.
//! 2. It continues the signature. If it begins anew instead, at column 0, and defines the function itself, that
//!    definition stands in the signature's place; what precedes the signature's `def` (imports, helpers) stays.
//! 3. After the function, only what the program uses by name is kept: helpers, imports, assignments. Calls, prints,
//!    asserts, prose, and definitions nobody mentions are dropped, also when they are cut off in the middle.
//!    (EvalPlus, arXiv 2305.01210, sanitises likewise by reachability.)

use std::collections::HashSet;

use hone_dataset::python::{Token, TokenKind, function_head, tokens};

/// The program of an `answer` that continues `signature` (which may be empty) and should define `entry_point`.
pub fn extract_program(signature: &str, entry_point: &str, answer: &str) -> String {
    program_of_code(signature, entry_point, unfenced(answer))
}

/// The same of code that stands in no fence (any more): rules 2 and 3, so that a fence in a docstring is text.
pub fn program_of_code(signature: &str, entry_point: &str, body: &str) -> String {
    let begins_anew = begins_at_column_0(body) && function_head(body, entry_point).is_some();
    let program = if begins_anew {
        let preamble = function_head(signature, entry_point).map_or("", |(start, _)| &signature[..start]);
        format!("{preamble}{}", body.trim_start_matches(['\n', '\r']))
    } else {
        format!("{signature}{body}")
    };
    let mut kept = without_unused(&program, entry_point);
    kept.truncate(kept.trim_end().len());
    kept.push('\n');
    kept
}

/// The answer up to the first fence line; a fence line at its very start is skipped.
fn unfenced(answer: &str) -> &str {
    let answer = match answer.strip_prefix("```") {
        Some(fenced) => fenced.split_once('\n').map_or("", |(_, rest)| rest),
        None => answer,
    };
    let mut end = 0;
    for line in answer.split_inclusive('\n') {
        // The first line continues the signature's, so what looks like a fence there is still part of it.
        if end > 0 && line.trim_start().starts_with("```") {
            return &answer[..end];
        }
        end += line.len();
    }
    answer
}

/// Whether the first line that is not blank has no indent.
fn begins_at_column_0(text: &str) -> bool {
    text.lines().find(|line| !line.trim().is_empty()).is_some_and(|line| !line.starts_with([' ', '\t']))
}

/// Rule 3.
fn without_unused(program: &str, entry_point: &str) -> String {
    let tokens = tokens(program);
    let blocks = blocks(program, &tokens);
    let Some(function) = blocks.iter().position(|block| block.defined.contains(&entry_point)) else {
        return program.to_owned();
    };
    let mut is_kept: Vec<bool> = (0..blocks.len()).map(|index| index <= function).collect();
    let mut used: HashSet<&str> = blocks[..=function].iter().flat_map(Block::words).collect();
    while let Some(next) = (function + 1..blocks.len()).find(|index| {
        let block = &blocks[*index];
        !is_kept[*index]
            && !block.is_demonstration(entry_point)
            && block.defined.iter().any(|name| *name == "*" || used.contains(name))
    }) {
        is_kept[next] = true;
        used.extend(blocks[next].words());
    }
    let kept = blocks.iter().zip(is_kept).filter(|(_, is_kept)| *is_kept);
    kept.map(|(block, _)| block.source).collect()
}

/// A top-level statement with its decorators, clauses and body.
struct Block<'a> {
    source: &'a str,
    tokens: &'a [Token<'a>],
    /// Names it binds at top level; `*` for a star import.
    defined: Vec<&'a str>,
}

impl<'a> Block<'a> {
    fn words(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let tokens: &'a [Token<'a>] = self.tokens;
        tokens.iter().filter(|token| token.kind == TokenKind::Word).map(|token| token.text)
    }

    /// Whether it is an assignment that only tries the function out, such as `result = f(int(input()))`.
    fn is_demonstration(&self, entry_point: &str) -> bool {
        let is_definition =
            matches!(self.tokens[0].text, "def" | "class" | "async" | "@" | "import" | "from");
        !is_definition
            && !self.defined.contains(&entry_point)
            && self
                .tokens
                .windows(2)
                .any(|pair| pair[1].text == "(" && (pair[0].text == entry_point || pair[0].text == "input"))
    }
}

/// Cuts a program into its top-level blocks; text before the first statement belongs to the first.
fn blocks<'a>(program: &'a str, tokens: &'a [Token<'a>]) -> Vec<Block<'a>> {
    let mut starts: Vec<usize> = Vec::new();
    let mut is_decorated = false;
    for (index, token) in tokens.iter().enumerate().filter(|(_, token)| token.is_top_level) {
        let is_clause = matches!(token.text, "else" | "elif" | "except" | "finally") && !starts.is_empty();
        if !is_decorated && !is_clause {
            starts.push(index);
        }
        is_decorated = token.text == "@";
    }
    let ends = starts.iter().skip(1).copied().chain([tokens.len()]);
    let cut = |(first, end): (&usize, usize)| {
        let from = if *first == starts[0] { 0 } else { tokens[*first].start };
        let to = tokens.get(end).map_or(program.len(), |next| next.start);
        let tokens = &tokens[*first..end];
        Block { source: &program[from..to], tokens, defined: defined_names(tokens) }
    };
    starts.iter().zip(ends).map(cut).collect()
}

/// Names that the block of these tokens binds.
fn defined_names<'a>(tokens: &[Token<'a>]) -> Vec<&'a str> {
    let after = |keyword: &str| tokens.iter().position(|token| token.text == keyword).map(|index| index + 1);
    match tokens[0].text {
        "def" | "class" => tokens.get(1).map(|token| token.text).into_iter().collect(),
        "async" => tokens.get(2).map(|token| token.text).into_iter().collect(),
        "@" => {
            let keyword = tokens.iter().position(|token| matches!(token.text, "def" | "class"));
            keyword.and_then(|index| tokens.get(index + 1)).map(|token| token.text).into_iter().collect()
        }
        "import" | "from" => after("import").map_or_else(Vec::new, |start| imported_names(&tokens[start..])),
        _ => assigned_names(tokens),
    }
}

/// Names bound by what follows `import`: `a.b as c, d` binds c and d.
fn imported_names<'a>(tokens: &[Token<'a>]) -> Vec<&'a str> {
    let clauses = tokens.split(|token| token.text == ",");
    let names = clauses.filter_map(|clause| {
        let alias =
            clause.iter().position(|token| token.text == "as").and_then(|index| clause.get(index + 1));
        alias.or_else(|| clause.iter().find(|token| token.kind == TokenKind::Word || token.text == "*"))
    });
    names.map(|token| token.text).collect()
}

/// Names on the left of an assignment; none if the tokens are anything else, such as prose or a call.
fn assigned_names<'a>(tokens: &[Token<'a>]) -> Vec<&'a str> {
    let depth = tokens[0].depth;
    let Some(equals) = tokens.iter().position(|token| token.text == "=" && token.depth == depth) else {
        return Vec::new();
    };
    let left = &tokens[..equals];
    let is_comparison = tokens.get(equals + 1).is_some_and(|next| next.text == "=")
        || left.last().is_some_and(|last| matches!(last.text, "!" | "<" | ">"));
    let is_prose = left.windows(2).any(|pair| pair.iter().all(|token| token.kind == TokenKind::Word));
    let is_call = left.iter().any(|token| token.text == "(" && token.depth == depth);
    if is_comparison || is_prose || is_call || left.is_empty() {
        return Vec::new();
    }
    let names = left.iter().filter(|token| token.kind == TokenKind::Word && token.depth == depth);
    names.map(|token| token.text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(signature: &str, answer: &str, expected: &str) {
        assert_eq!(extract_program(signature, "f", answer), expected, "answer: {answer:?}");
    }

    const PLAIN: &str = "def f(x):";

    #[test]
    fn an_answer_continues_the_signature() {
        check(PLAIN, "\n    return x", "def f(x):\n    return x\n");
        check(PLAIN, " return x  \n\n\n", "def f(x): return x\n");
        check(PLAIN, "", "def f(x):\n");
        check("", "def f(x):\n    return x\n", "def f(x):\n    return x\n");
        check("", "", "\n");
    }

    #[test]
    fn it_ends_at_the_closing_fence() {
        check(PLAIN, "\n    return x\n```\nThis returns x.", "def f(x):\n    return x\n");
        check(PLAIN, "\n    return x\n  ```\n\n```python\nf(3)\n```", "def f(x):\n    return x\n");
        check(PLAIN, "\n```\n```python\ndef f(x): return 1", "def f(x):\n");
        check("", "```python\ndef f(x):\n    return x\n```", "def f(x):\n    return x\n");
        check("", "```", "\n");
        let with_fence_inside = "\n    return 'a ``` b'";
        check(PLAIN, with_fence_inside, "def f(x):\n    return 'a ``` b'\n");
    }

    #[test]
    fn in_code_a_fence_is_text() {
        let code = "def f(x):\n    \"\"\"Doc.\n```\nf(1)\n```\n    \"\"\"\n    return x\n";
        assert_eq!(program_of_code("", "f", code), code);
        assert_ne!(extract_program("", "f", code), code);
    }

    #[test]
    fn a_repeated_definition_stands_in_the_signatures_place() {
        check(PLAIN, "\ndef f(x):\n    return x", "def f(x):\n    return x\n");
        check(PLAIN, "```python\ndef f(y):\n    return y\n```", "def f(y):\n    return y\n");
        check(
            PLAIN,
            "\n\nimport math\n\ndef f(x):\n    return math.pi",
            "import math\n\ndef f(x):\n    return math.pi\n",
        );
        let with_helper = "import math\n\ndef g(x):\n    return x\n\ndef f(x):\n    \"\"\"Doc.\"\"\"";
        check(
            with_helper,
            "\ndef f(x):\n    return g(x)",
            "import math\n\ndef g(x):\n    return x\n\ndef f(x):\n    return g(x)\n",
        );
        // An indented copy is a function inside the function, which then returns nothing: left as it is.
        check(PLAIN, "\n    def f(x):\n        return x", "def f(x):\n    def f(x):\n        return x\n");
        // A second definition after a body wins in Python too.
        let twice = "\n    return 1\n\ndef f(x):\n    return 2";
        check(PLAIN, twice, "def f(x):\n    return 1\n\ndef f(x):\n    return 2\n");
    }

    #[test]
    fn what_the_function_does_not_use_is_dropped() {
        let kept = "def f(x):\n    return x\n";
        for tail in [
            "print(f(3))",
            "assert f(3) == 3",
            "print('it\\'s')  # done",
            "This function returns x (the same value.\nIt doesn't change it:\n    f(3) = 3",
            "f(3) = 3",
            "f(3) == 3",
            "x == 3",
            "Note that x = 3",
            "result = f(3)\nprint(result)",
            "x = int(input())",
            "if __name__ == '__main__':\n    print(f(1))\nelse:\n    pass",
            "def test_f():\n    assert f(1) == 1",
            "def test_f():\n    assert f(",
            "\"\"\"\nprose\n\"\"\"",
            "import numpy as np",
            "from the docs: it returns x",
            "class Test:\n    x = 1",
            "@decorated\ndef g(): pass",
            "for i in range(10):\n    print(f(i))",
            "x",
        ] {
            check(PLAIN, &format!("\n    return x\n\n{tail}"), kept);
        }
    }

    #[test]
    fn what_it_uses_is_kept_in_place() {
        for answer in [
            "\n    return g(x)\n\ndef g(x):\n    return h(x)\n\ndef h(x):\n    return x",
            "\n    return math.sqrt(x)\n\nimport math",
            "\n    return sqrt(x)\n\nfrom math import floor, sqrt as root, sqrt",
            "\n    return sqrt(x)\n\nfrom math import *",
            "\n    return TABLE[x]\n\nTABLE = {\n1: 2,\n}",
            "\n    return limit + x\n\nlimit: int = 10",
            "\n    return x\n\nf = cached(f)\n\ndef cached(g):\n    return g",
            "\n    return g(x)\n\n@staticmethod\ndef g(x):\n    return x",
        ] {
            check(PLAIN, answer, &format!("{PLAIN}{answer}\n"));
        }
        check(PLAIN, "\n    return x\n\n# Test\nprint(f(1))", "def f(x):\n    return x\n\n# Test\n");
        // Before the function everything stays, also statements.
        let setup = "import sys\nsys.setrecursionlimit(9)\n\ndef f(x):\n    return x\n";
        check("", &format!("{setup}\nprint(f(1))"), setup);
        check("", "f = lambda x: x\nprint(f(1))", "f = lambda x: x\n");
    }

    #[test]
    fn a_program_without_the_function_is_left_alone() {
        check("", "def g(x):\n    return x\nprint(g(1))", "def g(x):\n    return x\nprint(g(1))\n");
        check("", "I cannot do that.", "I cannot do that.\n");
    }

    #[test]
    fn any_text_at_all_is_cut_somehow() {
        let pieces = [
            "def f(x):",
            "\n",
            "```",
            "(",
            "'",
            "\"\"\"",
            "\\",
            "@",
            "=",
            "import",
            "é",
            ",",
            "else:",
            " ",
            "f",
            "from",
        ];
        let mut state = 7_u64;
        for _ in 0..2_000 {
            let mut text = String::new();
            for _ in 0..12 {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                text.push_str(pieces[(state >> 33) as usize % pieces.len()]);
            }
            let program = extract_program(PLAIN, "f", &text);
            assert!(program.ends_with('\n'));
        }
    }
}
