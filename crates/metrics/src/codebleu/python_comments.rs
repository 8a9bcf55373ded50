//! Python source without comments and docstrings, as codebleu 0.7.0 gets it from CPython 3.11's `tokenize`.
//!
//! Its tokens are written one after another, with as many blanks as columns between them: so tabs within a line and
//! indents after a block's first line become blanks, and lines joined by a backslash become one. Where `tokenize`
//! raises (an open bracket or triple quote at the end, an indent that fits no block), there is no result.
//!
//! Not a lexer for other uses: it knows just what decides the text that is written.

use std::ops::Range;

use super::comments::without_blank_lines;

/// What the writer has to know of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Comment,
    Text,
    Indent,
    NewLine,
    Other,
}

/// A token: kind, the bytes of its text, and where it starts and ends, by line and character.
struct Token {
    kind: Kind,
    text: Range<usize>,
    start: (usize, usize),
    end: (usize, usize),
}

/// The source without comments and docstrings; `None` where `tokenize` raises.
pub(super) fn without_python_comments(source: &str) -> Option<String> {
    let mut written = String::with_capacity(source.len());
    let mut previous = Kind::Indent;
    let (mut last_line, mut last_column) = (None, 0);
    for token in tokens(source)? {
        if last_line.is_none_or(|line| token.start.0 > line) {
            last_column = 0;
        }
        written.extend(std::iter::repeat_n(' ', token.start.1.saturating_sub(last_column)));
        let is_dropped = match token.kind {
            Kind::Comment => true,
            Kind::Text => matches!(previous, Kind::Indent | Kind::NewLine) || token.start.1 == 0,
            _ => false,
        };
        if !is_dropped {
            written.push_str(source.get(token.text)?);
        }
        previous = token.kind;
        (last_line, last_column) = (Some(token.end.0), token.end.1);
    }
    Some(without_blank_lines(&written))
}

/// The tokens of a source, with 1-based lines and 0-based columns of characters.
fn tokens(source: &str) -> Option<Vec<Token>> {
    let mut lexer = Lexer::default();
    let mut characters: Vec<char> = Vec::new();
    let (mut last, mut count) = ("", 0);
    for (index, line) in source.split_inclusive('\n').enumerate() {
        characters.clear();
        characters.extend(line.chars());
        (last, count) = (line, index + 1);
        lexer.is_ascii = characters.len() == line.len();
        let next = lexer.line(count, &characters)?;
        lexer.offset += line.len();
        if next.is_end() {
            // A line of white space without a line end ends it all.
            break;
        }
    }
    if lexer.open.is_some() || lexer.depth != 0 || lexer.is_continued {
        return None;
    }
    if !last.is_empty() && !last.ends_with(['\r', '\n']) && !last.trim().starts_with('#') {
        let (end, length) = (lexer.offset, last.chars().count());
        lexer.tokens.push(Token {
            kind: Kind::NewLine,
            text: end..end,
            start: (count, length),
            end: (count, length + 1),
        });
    }
    Some(lexer.tokens)
}

/// Whether more lines are read.
#[derive(PartialEq, Eq)]
enum Next {
    Line,
    End,
}

impl Next {
    fn is_end(&self) -> bool {
        *self == Next::End
    }
}

/// A string literal that goes on in the next line.
struct OpenText {
    /// The byte it starts at.
    offset: usize,
    start: (usize, usize),
    quote: char,
    is_triple: bool,
}

struct Lexer {
    tokens: Vec<Token>,
    /// The byte that the line in hand starts at.
    offset: usize,
    /// Whether the characters of the line in hand are its bytes.
    is_ascii: bool,
    indents: Vec<usize>,
    /// Open brackets, less closed ones.
    depth: isize,
    /// After a backslash at a line's end.
    is_continued: bool,
    open: Option<OpenText>,
}

impl Default for Lexer {
    fn default() -> Lexer {
        Lexer {
            tokens: Vec::new(),
            offset: 0,
            is_ascii: true,
            indents: vec![0],
            depth: 0,
            is_continued: false,
            open: None,
        }
    }
}

impl Lexer {
    /// The byte at which a character of the line in hand starts.
    fn byte(&self, line: &[char], at: usize) -> usize {
        let length = if self.is_ascii { at } else { line[..at].iter().map(|c| c.len_utf8()).sum() };
        self.offset + length
    }

    /// A token within a line.
    fn push(&mut self, kind: Kind, number: usize, line: &[char], Range { start, end }: Range<usize>) {
        let text = self.byte(line, start)..self.byte(line, end);
        self.tokens.push(Token { kind, text, start: (number, start), end: (number, end) });
    }

    fn line(&mut self, number: usize, line: &[char]) -> Option<Next> {
        let mut at = 0;
        if let Some(open) = self.open.take() {
            match self.continued_text(open, number, line) {
                Some(end) => at = end,
                None => return Some(Next::Line),
            }
        } else if self.depth == 0 && !self.is_continued {
            at = match self.indentation(number, line)? {
                Start::At(at) => at,
                Start::NextLine => return Some(Next::Line),
                Start::End => return Some(Next::End),
            };
        } else {
            self.is_continued = false;
        }
        while at < line.len() {
            at = self.token(number, line, at);
        }
        Some(Next::Line)
    }

    /// Where the text ends in this line; `None` if the line is used up.
    fn continued_text(&mut self, open: OpenText, number: usize, line: &[char]) -> Option<usize> {
        let close = closing(line, 0, open.quote, open.is_triple);
        let end = close.unwrap_or(line.len());
        let goes_on = open.is_triple || line.ends_with(&['\\', '\n']) || line.ends_with(&['\\', '\r', '\n']);
        if close.is_none() && goes_on {
            self.open = Some(open);
            return None;
        }
        self.tokens.push(Token {
            kind: if close.is_some() { Kind::Text } else { Kind::Other },
            text: open.offset..self.byte(line, end),
            start: open.start,
            end: (number, end),
        });
        close
    }

    /// Indents and dedents at the start of a statement.
    fn indentation(&mut self, number: usize, line: &[char]) -> Option<Start> {
        let (mut column, mut at) = (0, 0);
        while let Some(c) = line.get(at) {
            match c {
                ' ' => column += 1,
                '\t' => column = (column / 8 + 1) * 8,
                '\u{c}' => column = 0,
                _ => break,
            }
            at += 1;
        }
        let Some(first) = line.get(at) else { return Some(Start::End) };
        if matches!(first, '#' | '\r' | '\n') {
            if *first == '#' {
                let end = line.iter().rposition(|c| !matches!(c, '\r' | '\n')).map_or(at, |last| last + 1);
                self.push(Kind::Comment, number, line, at..end);
                at = end;
            }
            self.push(Kind::Other, number, line, at..line.len());
            return Some(Start::NextLine);
        }
        let current = *self.indents.last()?;
        if column > current {
            self.indents.push(column);
            self.push(Kind::Indent, number, line, 0..at);
        }
        while column < *self.indents.last()? {
            if !self.indents.contains(&column) {
                return None;
            }
            self.indents.pop();
            self.push(Kind::Other, number, line, at..at);
        }
        Some(Start::At(at))
    }

    /// Reads one token from `at` on; gives where it ends.
    fn token(&mut self, number: usize, line: &[char], at: usize) -> usize {
        let start = at + line[at..].iter().take_while(|c| matches!(c, ' ' | '\u{c}' | '\t')).count();
        let rest = &line[start.min(line.len())..];
        let Some(first) = rest.first() else { return line.len() };
        if rest == ['\\', '\n'] || rest == ['\\', '\r', '\n'] {
            self.is_continued = true;
            return line.len();
        }
        let mut length = 1;
        let mut kind = Kind::Other;
        if *first == '\n' || rest.starts_with(&['\r', '\n']) {
            length = if *first == '\n' { 1 } else { 2 };
            kind = if self.depth > 0 { Kind::Other } else { Kind::NewLine };
        } else if *first == '#' {
            length = rest.iter().take_while(|c| !matches!(c, '\r' | '\n')).count();
            kind = Kind::Comment;
        } else if let Some(prefix) = text_prefix(rest) {
            let quote = rest[prefix];
            let is_triple = rest[prefix..].starts_with(&[quote; 3]);
            let body = start + prefix + if is_triple { 3 } else { 1 };
            match closing(line, body, quote, is_triple) {
                Some(end) => (kind, length) = (Kind::Text, end - start),
                None if is_triple || ends_continued(&line[body..], quote) => {
                    let offset = self.byte(line, start);
                    self.open = Some(OpenText { offset, start: (number, start), quote, is_triple });
                    return line.len();
                }
                // An unclosed quote is a token by itself, after the prefix as a name.
                None => length = prefix.max(1),
            }
        } else if first.is_alphanumeric() || *first == '_' {
            length = rest.iter().take_while(|c| c.is_alphanumeric() || **c == '_').count();
        } else {
            self.depth += isize::from(matches!(first, '(' | '[' | '{'));
            self.depth -= isize::from(matches!(first, ')' | ']' | '}'));
        }
        let end = start + length;
        self.push(kind, number, line, start..end);
        end
    }
}

/// Where the first token of a line is.
enum Start {
    At(usize),
    NextLine,
    End,
}

/// Length of the prefix (`r`, `b`, `f`, `u`, `br`, `fr` in any order and case) if a quote follows it.
fn text_prefix(rest: &[char]) -> Option<usize> {
    let length = rest.iter().take_while(|c| c.is_ascii_alphabetic()).count();
    let lower = |at: usize| rest[at].to_ascii_lowercase();
    let is_prefix = match length {
        0 => true,
        1 => matches!(lower(0), 'r' | 'b' | 'f' | 'u'),
        2 => matches!((lower(0), lower(1)), ('b' | 'f', 'r') | ('r', 'b' | 'f')),
        _ => false,
    };
    (is_prefix && matches!(rest.get(length), Some('\'' | '"'))).then_some(length)
}

/// Where a text that is open at `at` ends: after its closing quotes.
fn closing(line: &[char], at: usize, quote: char, is_triple: bool) -> Option<usize> {
    let mut position = at;
    while let Some(c) = line.get(position) {
        match c {
            '\\' => position += 1,
            '\n' if !is_triple => return None,
            c if *c == quote && !is_triple => return Some(position + 1),
            c if *c == quote && line[position..].starts_with(&[quote; 3]) => return Some(position + 3),
            _ => {}
        }
        position += 1;
    }
    None
}

/// Whether a single-quoted text's first line ends in a backslash.
fn ends_continued(rest: &[char], quote: char) -> bool {
    let mut position = 0;
    while let Some(c) = rest.get(position) {
        if *c == '\\' {
            let tail = &rest[position + 1..];
            if tail == ['\n'] || tail == ['\r', '\n'] {
                return true;
            }
            position += 1;
        } else if *c == quote || *c == '\n' {
            return false;
        }
        position += 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected texts: codebleu 0.7.0's `remove_comments_and_docstrings(…, "python")` on CPython 3.11.
    fn check(source: &str, expected: Option<&str>) {
        assert_eq!(without_python_comments(source).as_deref(), expected, "{source:?}");
    }

    #[test]
    fn comments_and_docstrings_go() {
        for (source, expected) in CASES {
            check(source, *expected);
        }
    }

    const CASES: &[(&str, Option<&str>)] = &[
        ("def f(x):  # why\n    \"\"\"Doc.\"\"\"\n    return x # so\n", Some("def f(x):  \n    return x ")),
        ("\"\"\"Top.\"\"\"\nx = 1\n\n\n# c\ny = 'a'\n", Some("x = 1\ny = 'a'")),
        ("if a:\n\tx = 1\n\ty =\t2\n", Some("if a:\n\tx = 1\n y = 2")),
        ("x = 1 + \\\n    2\n", Some("x = 1 +    2")),
        ("x = (1,  # one\n  2)\n", Some("x = (1,  \n  2)")),
        ("x = (1", None),
        ("x = \"\"\"a", None),
        ("if a:\n    b\n  c\n", None),
        ("s = \"a \\\n b\"\nt\n", Some("s = \"a \\\n b\"\nt")),
        ("x = 'open\ny\n", Some("x = 'open\ny")),
        ("def f():\r\n  return 1\r\n\r\n# x\r\nz", Some("def f():\r\n  return 1\r\nz")),
        ("x = 1\n   ", Some("x = 1")),
        ("f\"a\" + rb'b'\n", Some(" + rb'b'")),
        ("def f():\n  x\n  \"not doc\"\n  y\n\"top\"\n", Some("def f():\n  x\n  y")),
        ("x = $ ? ! y\n", Some("x = $ ? ! y")),
        ("    x = 1\n", Some("    x = 1")),
        ("é = \"ü\"  # ö\nq", Some("é = \"ü\"  \nq")),
        ("\"a\" \"b\"\n", Some(" \"b\"")),
        ("x = f\"{a}\"  # b", Some("x = f\"{a}\"  ")),
        ("x = 1 \\\n", None),
        ("", Some("")),
        (")\n", None),
        ("x = [\"a\",\n  \"b\",\n\"c\"]\n", Some("x = [\"a\",\n  \"b\",\n]")),
    ];
}
