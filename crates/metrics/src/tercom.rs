//! How Tercom cuts text for TER, as sacrebleu does it after Tercom's `Normalizer.java`.
//!
//! Not here: its rule that splits runs of Hiragana and Katakana. It looks for them at the beginning of a text, where
//! normalisation has put a blank, so it never applies.

use crate::tokenize::{marks_apart, points_apart, without_entities};

/// Lines joined, XML's entities read, marks, `'s` and, if asked for, Chinese and Japanese characters apart.
pub(crate) fn normalised(text: String, has_asian_support: bool) -> String {
    // A dash at the *beginning* of a line goes with the line end before it: so it is in Tercom.
    let joined = without_entities(text.replace("\n-", "").replace('\n', " "));
    let text = points_apart(&marks_apart(&format!(" {joined} ")).replace("'s ", " 's "));
    if !has_asian_support {
        return text;
    }
    let mut apart = String::with_capacity(text.len() * 2);
    for c in text.chars() {
        if is_ideograph(c) || is_asian_mark(c) { apart.extend([' ', c, ' ']) } else { apart.push(c) }
    }
    apart
}

/// Whether TER without punctuation removes this.
pub(crate) fn is_mark(c: char, has_asian_support: bool) -> bool {
    ".,?:;!\"()".contains(c) || (has_asian_support && is_asian_mark(c))
}

/// Ideographs, radicals, strokes and compatibility forms. U+3200 to U+3F22 is as sacrebleu writes it (to U+32FF is meant).
fn is_ideograph(c: char) -> bool {
    matches!(c,
        '\u{2e80}'..='\u{2eff}' | '\u{31c0}'..='\u{31ef}' | '\u{3200}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe4f}')
}

fn is_asian_mark(c: char) -> bool {
    matches!(c,
        '\u{3001}' | '\u{3002}' | '\u{3008}'..='\u{3011}' | '\u{3014}'..='\u{301f}' | '\u{ff61}'..='\u{ff65}'
        | '\u{30fb}' | '\u{ff0e}' | '\u{ff0c}' | '\u{ff1f}' | '\u{ff1a}' | '\u{ff1b}' | '\u{ff01}' | '\u{ff02}'
        | '\u{ff08}' | '\u{ff09}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cases of sacrebleu's own tests of this tokenizer (`test/test_tokenizer_ter.py`), and what it answers to three more.
    #[test]
    fn text_is_cut_as_tercom_cuts_it() {
        let check = |text: &str, has_asian_support: bool, expected: &str| {
            let found = normalised(text.to_lowercase(), has_asian_support);
            assert_eq!(crate::text::split(&found).collect::<Vec<_>>().join(" "), expected, "{text}");
        };
        check("a b (c) d.", false, "a b ( c ) d .");
        check("Jim's car.", false, "jim 's car .");
        check("4.2", false, "4.2");
        check("美众院公布对特", true, "美 众 院 公 布 对 特");
        check("りの拳銃を持", true, "りの 拳 銃 を 持");
        check("x\n-y z\nw &lt;3 1-2", false, "xy z w < 3 1 - 2");
        check("「はい」、と", true, "「 はい 」 、 と");
        check("「はい」、と", false, "「はい」、と");
    }

    #[test]
    fn marks_are_removed() {
        let left = |text: &str, has_asian_support: bool| -> String {
            text.chars().filter(|c| !is_mark(*c, has_asian_support)).collect()
        };
        assert_eq!(left("A ; B ) C : D.", false), "A  B  C  D");
        assert_eq!((left("（美）、", true), left("（美）、", false)), ("美".into(), "（美）、".into()));
    }
}
