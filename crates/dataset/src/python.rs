//! A light Python lexer: enough to find words, brackets and statement starts in programs that may be wrong.
//!
//! Not a parser, and never an error: whatever a model writes is cut into tokens somehow.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// A name or keyword.
    Word,
    /// A number.
    Number,
    /// A string literal with its prefix and quotes; ends at the line's end if it is not closed.
    Text,
    /// From `#` to the end of the line.
    Comment,
    /// One character of anything else.
    Symbol,
}

/// A piece of source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: TokenKind,
    /// Its source.
    pub text: &'a str,
    /// Byte offset of its start.
    pub start: usize,
    /// Brackets open before it.
    pub depth: usize,
    /// Whether it is the first of a statement at column 0.
    pub is_top_level: bool,
}

/// Cuts `source` into tokens.
pub fn tokens(source: &str) -> Vec<Token<'_>> {
    let bytes = source.as_bytes();
    let mut found: Vec<Token<'_>> = Vec::new();
    let (mut position, mut depth) = (0, 0_usize);
    while let Some(first) = source[position..].chars().next() {
        if first.is_whitespace() {
            position += first.len_utf8();
            continue;
        }
        let rest = &source[position..];
        let (kind, length) = token_at(rest, first);
        let text = &rest[..length];
        let is_column_0 = position == 0 || bytes[position - 1] == b'\n';
        // An unclosed bracket must not swallow the functions after it: no bracket can hold these words.
        if is_column_0 && kind == TokenKind::Word && matches!(text, "def" | "class" | "import" | "from") {
            depth = 0;
        }
        let is_continued = found.last().is_some_and(|last| last.text == "\\");
        let is_top_level = is_column_0 && depth == 0 && !is_continued && kind != TokenKind::Comment;
        found.push(Token { kind, text, start: position, depth, is_top_level });
        match (kind, first) {
            (TokenKind::Symbol, '(' | '[' | '{') => depth += 1,
            (TokenKind::Symbol, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        position += length;
    }
    found
}

fn token_at(rest: &str, first: char) -> (TokenKind, usize) {
    let run = |is_in: fn(char) -> bool| rest.find(|c: char| !is_in(c)).unwrap_or(rest.len());
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    match first {
        '#' => (TokenKind::Comment, run(|c| c != '\n')),
        '"' | '\'' => (TokenKind::Text, text_length(rest)),
        '0'..='9' => (TokenKind::Number, run(|c| c.is_alphanumeric() || matches!(c, '.' | '_'))),
        _ if is_word(first) => {
            let length = run(|c| c.is_alphanumeric() || c == '_');
            let is_prefix = length <= 2 && rest[..length].chars().all(|c| "rbfuRBFU".contains(c));
            if is_prefix && rest[length..].starts_with(['"', '\'']) {
                return (TokenKind::Text, length + text_length(&rest[length..]));
            }
            (TokenKind::Word, length)
        }
        _ => (TokenKind::Symbol, first.len_utf8()),
    }
}

/// Bytes of the string literal that `rest` begins with.
fn text_length(rest: &str) -> usize {
    let quote = &rest[..1];
    let triple = quote.repeat(3);
    let (delimiter, is_multi_line) =
        if rest.starts_with(&triple) { (triple.as_str(), true) } else { (quote, false) };
    let mut is_escaped = false;
    for (position, c) in rest.char_indices().skip(delimiter.len()) {
        if is_escaped {
            is_escaped = false;
        } else if c == '\\' {
            is_escaped = true;
        } else if rest[position..].starts_with(delimiter) {
            return position + delimiter.len();
        } else if c == '\n' && !is_multi_line {
            return position;
        }
    }
    rest.len()
}

/// The head of the top-level function `name`, `def` up to and with the colon that ends it, with its byte offset.
///
/// The last definition counts, as in Python.
pub fn function_head<'a>(source: &'a str, name: &str) -> Option<(usize, &'a str)> {
    let tokens = tokens(source);
    let is_head = |window: &[Token<'_>]| {
        window[0].text == "def" && window[1].text == name && window[2].text == "(" && {
            let line_start = source[..window[0].start].rfind('\n').map_or(0, |newline| newline + 1);
            matches!(&source[line_start..window[0].start], "" | "async ")
        }
    };
    let index = tokens.windows(3).rposition(is_head)?;
    let colon =
        tokens[index..].iter().find(|token| token.depth == tokens[index].depth && token.text == ":")?;
    let start = source[..tokens[index].start].rfind('\n').map_or(0, |newline| newline + 1);
    Some((start, &source[start..=colon.start]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<&str> {
        tokens(source).iter().map(|token| token.text).collect()
    }

    #[test]
    fn source_is_cut_into_words_numbers_texts_comments_and_symbols() {
        assert_eq!(texts("x1 = 3.5*y # hi"), ["x1", "=", "3.5", "*", "y", "# hi"]);
        assert_eq!(texts(r#"f("a\"b", rb'c')"#), ["f", "(", r#""a\"b""#, ",", "rb'c'", ")"]);
        assert_eq!(texts("'''a\n'b''' c"), ["'''a\n'b'''", "c"]);
        assert_eq!(texts("'' \"\" x"), ["''", "\"\"", "x"]);
        assert_eq!(texts("it's\nnext"), ["it", "'s", "next"], "an unclosed string ends with its line");
        assert_eq!(texts("\"\"\"open\nnever"), ["\"\"\"open\nnever"]);
        assert_eq!(texts("größe ≤ 'ü\\"), ["größe", "≤", "'ü\\"]);
        assert_eq!(texts(""), Vec::<&str>::new());
    }

    #[test]
    fn statements_at_column_0_are_found() {
        let starts = |source: &str| -> Vec<String> {
            tokens(source).iter().filter(|t| t.is_top_level).map(|t| t.text.to_owned()).collect()
        };
        assert_eq!(starts("a = [\n1,\n2]\nb = '''\nc\n'''\n# d\ndef e():\n    f\n"), ["a", "b", "def"]);
        assert_eq!(starts("a = 1 + \\\nb\nc"), ["a", "c"], "a backslash continues the line");
        assert_eq!(starts("see (this\ndef f(x):\n  pass"), ["see", "def"], "a bracket cannot hold a def");
    }

    #[test]
    fn a_function_head_runs_to_its_colon() {
        let check = |source: &str, expected: Option<(usize, &str)>| {
            assert_eq!(function_head(source, "f"), expected, "{source}");
        };
        check("def f(x):\n  pass", Some((0, "def f(x):")));
        check("import a\ndef f(x: dict[int, str] = {1: 2}) -> int:  # c\n  pass", {
            Some((9, "def f(x: dict[int, str] = {1: 2}) -> int:"))
        });
        check("def f(a,\n      b):\n  pass", Some((0, "def f(a,\n      b):")));
        check("def f(x): return 1\ndef f(y): return 2", Some((19, "def f(y):")));
        check("async def f(x):\n  pass", Some((0, "async def f(x):")));
        check("class A:\n  def f(self):\n    pass", None);
        check("def g(x):\n  return f(x)", None);
        check("def f(x", None);
    }
}
