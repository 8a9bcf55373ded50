//! Taking comments out of source as the published CodeBLEU packages do, for their compatible modes.
//!
//! Python: everything CPython's `tokenize` yields is written again but comments and docstrings (`python_comments.rs`);
//! Ruby: nothing is taken out; all others: what `//…`, `/*…*/`, `'…'` and `"…"` match first becomes a blank if it
//! begins with a slash. Then blank lines go. The strict mode ignores comment nodes instead.

use super::python_comments::without_python_comments;
use crate::{Language, text};

/// Source without comments. Where the published code raises and goes on with the source as it was, so does this.
pub(super) fn without_comments(language: Language, source: &str) -> String {
    match language {
        Language::Python => without_python_comments(source).unwrap_or_else(|| source.to_owned()),
        Language::Ruby => source.to_owned(),
        _ => without_c_comments(source),
    }
}

/// The rule for all languages but Python and Ruby.
pub(super) fn without_c_comments(source: &str) -> String {
    let mut kept = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find(['/', '\'', '"']) {
        kept.push_str(&rest[..at]);
        rest = &rest[at..];
        let (piece, is_comment) = match matched(rest) {
            Some(length) => (&rest[..length], rest.starts_with('/')),
            None => (&rest[..1], false),
        };
        kept.push_str(if is_comment { " " } else { piece });
        rest = &rest[piece.len()..];
    }
    kept.push_str(rest);
    without_blank_lines(&kept)
}

/// Length of the comment or literal that `text` begins with, if it is closed.
fn matched(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if let Some(rest) = text.strip_prefix("/*") {
        return rest.find("*/").map(|end| end + 4);
    }
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let mut characters = text.char_indices().skip(1);
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => drop(characters.next()?),
            c if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

pub(super) fn without_blank_lines(source: &str) -> String {
    let mut kept = String::with_capacity(source.len());
    for line in source.split('\n').filter(|line| !text::strip(line).is_empty()) {
        if !kept.is_empty() {
            kept.push('\n');
        }
        kept.push_str(line);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_become_blanks_and_blank_lines_go() {
        let check =
            |source: &str, expected: &str| assert_eq!(without_c_comments(source), expected, "{source:?}");
        check("a; // b\n\n/* c\n d */ e;\n", "a;  \n  e;");
        check("s = \"// no\"; c = '\\'/*'; d /* open", "s = \"// no\"; c = '\\'/*'; d /* open");
        check("// a", "");
        check("x / y // it's\nz'", "x / y  \nz'");
        assert_eq!(without_comments(Language::Ruby, "x # c\n\n"), "x # c\n\n");
    }
}
