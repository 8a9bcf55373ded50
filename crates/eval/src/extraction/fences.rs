//! Fenced blocks of an answer: CommonMark's rules, and what models do against them.
//!
//! A fence is three or more backticks or tildes; one of the same kind, as long or longer, alone on its line and indented by at
//! most three more columns, closes it (so one in a docstring does not). What the opening fence is indented by is taken off the
//! lines, if all have it. A closing fence at the end of a line of code is seen where there is no other, or where the next block begins before it.

/// Columns that a closing fence may be indented by beyond the opening one.
const MAX_INDENT: usize = 3;

/// A block between fences.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// First word of what follows the opening fence.
    pub(super) language: String,
    pub(super) code: String,
    pub(super) is_closed: bool,
}

/// A line that is a fence.
struct Fence<'a> {
    indent: usize,
    marks: &'a str,
    /// What follows on the line.
    info: &'a str,
}

/// White space, also the kinds that have no width.
pub(super) fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{200b}' | '\u{2060}' | '\u{feff}')
}

/// All blocks, in order; the last may be open.
pub(super) fn fenced_blocks(answer: &str) -> Vec<Block> {
    let lines: Vec<&str> = answer.split_inclusive('\n').collect();
    let mut blocks = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let Some(fence) = fence(lines[at]).filter(|fence| !fence.info.contains('`')) else {
            at += 1;
            continue;
        };
        let (block, after) = block_of(&fence, &lines, at + 1);
        blocks.push(block);
        at = after;
    }
    blocks
}

/// The block that begins at line `first`, and the line after it.
fn block_of(fence: &Fence<'_>, lines: &[&str], first: usize) -> (Block, usize) {
    let rest = first..lines.len();
    let closing = rest.clone().find(|at| closes(lines[*at], fence));
    let glued = rest.clone().find(|at| glued_code(lines[*at], fence).is_some());
    let begins_another =
        |at: &usize| self::fence(lines[*at]).is_some_and(|other| other.marks.starts_with(fence.marks));
    let glued =
        glued.filter(|glued| closing.is_none_or(|end| (glued + 1..end).any(|at| begins_another(&at))));
    let (end, tail) = match (glued, closing) {
        (Some(glued), _) => (glued, glued_code(lines[glued], fence)),
        (None, closing) => (closing.unwrap_or(lines.len()), None),
    };
    let inside = || lines[first..end].iter().copied().chain(tail);
    let filled = inside().filter(|line| !line.trim_matches(is_blank).is_empty());
    // Not more than the lines have in common: some indent the fences only.
    let indent = filled.map(indent).min().map_or(0, |least| least.min(fence.indent));
    let mut code: String = inside().map(|line| dedented(line, indent)).collect();
    if tail.is_some() {
        code.push('\n');
    }
    let language = fence.info.split([' ', '{', ',', ':', '.', '}']).find(|word| !word.is_empty());
    let language = language.unwrap_or_default().to_owned();
    (Block { language, code, is_closed: end < lines.len() }, end + 1)
}

fn fence(line: &str) -> Option<Fence<'_>> {
    let bare = line.trim_matches(is_blank);
    let mark = bare.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let length = bare.chars().take_while(|c| *c == mark).count();
    let (marks, info) = bare.split_at(length);
    (length >= 3).then(|| Fence { indent: indent(line), marks, info: info.trim() })
}

fn indent(line: &str) -> usize {
    line.chars().take_while(|c| is_blank(*c)).count()
}

/// Whether `line` closes `opening`; a token that ends a dialogue may follow.
fn closes(line: &str, opening: &Fence<'_>) -> bool {
    fence(line).is_some_and(|fence| {
        let is_alone = fence.info.is_empty() || fence.info.starts_with("<|");
        is_alone && fence.marks.starts_with(opening.marks) && fence.indent <= opening.indent + MAX_INDENT
    })
}

/// The code of a line that ends with the closing fence.
fn glued_code<'a>(line: &'a str, opening: &Fence<'_>) -> Option<&'a str> {
    let code = line.trim_end_matches(is_blank).strip_suffix(opening.marks)?;
    (!code.trim_matches(is_blank).is_empty()).then_some(code)
}

/// The line without up to `columns` of its indentation.
fn dedented(line: &str, columns: usize) -> &str {
    let blank = line.chars().take(columns).take_while(|c| is_blank(*c) && *c != '\n');
    &line[blank.map(char::len_utf8).sum()..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(answer: &str, expected: &[(&str, &str, bool)]) {
        let found = fenced_blocks(answer);
        let found: Vec<(&str, &str, bool)> =
            found.iter().map(|b| (b.language.as_str(), b.code.as_str(), b.is_closed)).collect();
        assert_eq!(found, expected, "{answer:?}");
    }

    #[test]
    fn blocks_are_those_of_commonmark() {
        check("```python\nx\n```\n", &[("python", "x\n", true)]);
        check("~~~~ py title='a'\nx\n~~~\n~~~~\n~~~\ny", &[("py", "x\n~~~\n", true), ("", "y", false)]);
        check("``` {.python .numbered}\nx\n```", &[("python", "x\n", true)]);
        check("a ```inline``` b\n```not`info\nx\n", &[]);
        check("1. so:\n   ```c\n   x\n\n     y\n   ```\n", &[("c", "x\n\n  y\n", true)]);
        check("   ```c\nx\n  y\n   ```\n", &[("c", "x\n  y\n", true)]);
        check("```\r\nx\r\n```\r\n", &[("", "x\r\n", true)]);
    }

    #[test]
    fn a_fence_in_a_docstring_closes_nothing() {
        let code = "def f():\n    '''\n    ```python\n    f()\n    ```\n    '''\n";
        check(&format!("```python\n{code}```\nend"), &[("python", code, true)]);
    }

    #[test]
    fn a_fence_at_the_end_of_a_line_closes_where_nothing_else_does() {
        check("```c\nx\ny```", &[("c", "x\ny\n", true)]);
        check("```c\nx```\nText.\n```c\nz\n```", &[("c", "x\n", true), ("c", "z\n", true)]);
        check("```c\n// ends with ```\ny\n```\n", &[("c", "// ends with ```\ny\n", true)]);
        check("```c\nx\n```<|im_end|>\n", &[("c", "x\n", true)]);
    }
}
