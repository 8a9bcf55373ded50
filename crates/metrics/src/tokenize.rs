//! How sacrebleu cuts text into tokens for BLEU (Post, "A Call for Clarity in Reporting BLEU Scores", WMT 2018).
//!
//! Not here: the tokenizers that need a model or a dictionary (`spm`, `ja-mecab`, `ko-mecab`, `flores`).

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::text;

/// A tokenizer of sacrebleu, by its name there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tokenizer {
    /// mteval-v13a's, sacrebleu's default.
    #[default]
    #[serde(rename = "13a")]
    V13a,
    /// mteval-v14's for Unicode text.
    Intl,
    /// 13a, with every Chinese character apart.
    Zh,
    /// Every character is a token.
    Char,
    /// Words between white space.
    None,
}

impl Tokenizer {
    /// Its name in a signature.
    pub fn name(self) -> &'static str {
        match self {
            Tokenizer::V13a => "13a",
            Tokenizer::Intl => "intl",
            Tokenizer::Zh => "zh",
            Tokenizer::Char => "char",
            Tokenizer::None => "none",
        }
    }

    /// The tokenizer called `name`.
    pub fn named(name: &str) -> Option<Tokenizer> {
        let all = [Tokenizer::V13a, Tokenizer::Intl, Tokenizer::Zh, Tokenizer::Char, Tokenizer::None];
        all.into_iter().find(|tokenizer| tokenizer.name() == name)
    }

    /// `text` with blanks between its tokens; `text::split` yields them.
    pub fn apply(self, text: &str) -> Cow<'_, str> {
        match self {
            Tokenizer::V13a => Cow::Owned(western(&format!(" {} ", unescaped(text)))),
            Tokenizer::Intl => Cow::Owned(international(text)),
            Tokenizer::Zh => Cow::Owned(western(&chinese_apart(text::strip(text)))),
            Tokenizer::Char => Cow::Owned(text.chars().flat_map(|c| [c, ' ']).collect()),
            Tokenizer::None => Cow::Borrowed(text),
        }
    }
}

/// The language-independent part of mteval-v13a.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['\n', '&', '<']) {
        return Cow::Borrowed(text);
    }
    let text = text.replace("<skipped>", "").replace("-\n", "").replace('\n', " ");
    Cow::Owned(without_entities(text))
}

/// The four entities of XML that mteval and Tercom know, in their order.
pub(crate) fn without_entities(text: String) -> String {
    if !text.contains('&') {
        return text;
    }
    text.replace("&quot;", "\"").replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")
}

/// The western-language part: punctuation apart, but periods and commas within numbers stay.
fn western(text: &str) -> String {
    points_apart(&marks_apart(text))
}

/// Blanks around ASCII punctuation other than periods, commas, dashes and apostrophes.
///
/// Works on bytes, as [`points_apart`] does: all that is looked for is ASCII, which never occurs inside another character.
pub(crate) fn marks_apart(text: &str) -> String {
    let mut apart = Vec::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        let is_mark =
            matches!(byte, b'{'..=b'~' | b'['..=b'`' | b' '..=b'&' | b'('..=b'+' | b':'..=b'@' | b'/');
        if is_mark { apart.extend([b' ', byte, b' ']) } else { apart.push(byte) }
    }
    text_of(apart)
}

/// Blanks around periods and commas that are not between digits, and around a dash after a digit.
pub(crate) fn points_apart(text: &str) -> String {
    let is_digit = |byte: u8| byte.is_ascii_digit();
    let is_point = |byte: u8| matches!(byte, b'.' | b',');
    // In each pass a pair is replaced and skipped, as a regular expression's matches do not overlap.
    let before =
        replace_pairs(text.as_bytes(), |a, b| (!is_digit(a) && is_point(b)).then_some([a, b' ', b, b' ']));
    let after = replace_pairs(&before, |a, b| (is_point(a) && !is_digit(b)).then_some([b' ', a, b' ', b]));
    text_of(replace_pairs(&after, |a, b| (is_digit(a) && b == b'-').then_some([a, b' ', b, b' '])))
}

fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn replace_pairs(text: &[u8], replacement: impl Fn(u8, u8) -> Option<[u8; 4]>) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(text.len() + text.len() / 4);
    let mut at = 0;
    while at < text.len() {
        match text.get(at + 1).and_then(|next| replacement(text[at], *next)) {
            Some(pair) => {
                replaced.extend(pair);
                at += 2;
            }
            None => {
                replaced.push(text[at]);
                at += 1;
            }
        }
    }
    replaced
}

/// mteval-v14: punctuation apart unless between digits, symbols apart always.
fn international(text: &str) -> String {
    static PASSES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        let passes = [(r"(\P{N})(\p{P})", "$1 $2 "), (r"(\p{P})(\P{N})", " $1 $2"), (r"(\p{S})", " $1 ")];
        passes.into_iter().filter_map(|(pattern, with)| Some((Regex::new(pattern).ok()?, with))).collect()
    });
    let replaced =
        |text: String, (pattern, with): &(Regex, &str)| pattern.replace_all(&text, *with).into_owned();
    // Dots of these patterns do match line ends: they are negated classes, not dots.
    PASSES.iter().fold(text.to_owned(), replaced)
}

/// A blank on both sides of every Chinese character.
fn chinese_apart(text: &str) -> String {
    let mut apart = String::with_capacity(text.len() * 2);
    for c in text.chars() {
        if is_chinese(c) { apart.extend([' ', c, ' ']) } else { apart.push(c) }
    }
    apart
}

/// sacrebleu's ranges, merged. Two it writes as `'\u20000'` and `'\u2f800'` are, in Python, two characters each, and
/// comparing with those also takes in U+2001 to U+2A6D: kept, since scores depend on it.
fn is_chinese(c: char) -> bool {
    matches!(c,
        '\u{2001}'..='\u{2a6d}' | '\u{2e80}'..='\u{2fdf}' | '\u{2ff0}'..='\u{303f}' | '\u{3100}'..='\u{312f}'
        | '\u{31a0}'..='\u{31ef}' | '\u{3200}'..='\u{4db5}' | '\u{4e00}'..='\u{9fbb}' | '\u{f900}'..='\u{fa2d}'
        | '\u{fa30}'..='\u{fa6a}' | '\u{fa70}'..='\u{fad9}' | '\u{fe10}'..='\u{fe1f}' | '\u{fe30}'..='\u{fe4f}'
        | '\u{ff00}'..='\u{ffef}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values: sacrebleu 2.6.0's tokenizers.
    fn check(tokenizer: Tokenizer, text: &str, expected: &[&str]) {
        let tokenized = tokenizer.apply(text);
        assert_eq!(text::split(&tokenized).collect::<Vec<_>>(), expected, "{} {text:?}", tokenizer.name());
    }

    #[test]
    fn each_cuts_as_sacrebleu_does() {
        check(
            Tokenizer::V13a,
            "x[1.5]=a.b,3,000-4;",
            &["x", "[", "1.5", "]", "=", "a", ".", "b", ",", "3,000", "-", "4", ";"],
        );
        check(Tokenizer::V13a, "it's &lt;b&gt; 3. é, é", &["it's", "<", "b", ">", "3", ".", "é", ",", "é"]);
        check(Tokenizer::V13a, "well-\nknown\n..", &["wellknown", ".", "."]);
        check(Tokenizer::Intl, "f(1,5)+=2.0…", &["f", "(", "1,5", ")", "+", "=", "2.0…"]);
        check(Tokenizer::Zh, "你好a,b", &["你", "好", "a", ",", "b"]);
        check(Tokenizer::Char, "a b\n", &["a", "b"]);
        check(Tokenizer::None, " a.b  c\n", &["a.b", "c"]);
    }

    #[test]
    fn names_are_found() {
        for name in ["13a", "intl", "zh", "char", "none"] {
            assert_eq!(Tokenizer::named(name).map(Tokenizer::name), Some(name));
        }
        assert_eq!(Tokenizer::named("spm"), None);
    }
}
