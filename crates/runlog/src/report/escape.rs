//! Text into HTML and JSON into a script element, so that nothing a program wrote can become markup.
//!
//! The page also carries a content security policy that allows its own script by hash only: a second lock on
//! the same door.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Text for element content or a quoted attribute.
pub(super) fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '`' => escaped.push_str("&#96;"),
            '\n' | '\t' => escaped.push(character),
            _ if character.is_control() || is_bidirectional(character) => escaped.push('\u{fffd}'),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// JSON for the inside of `<script type="application/json">`. The characters that HTML or JavaScript give a
/// meaning occur inside strings only, where JSON has an escape for them.
pub(super) fn json(value: &Value) -> String {
    let text = value.to_string();
    let mut escaped = String::with_capacity(text.len() + text.len() / 16);
    for character in text.chars() {
        match character {
            '<' | '>' | '&' | '\'' | '\u{2028}' | '\u{2029}' | '\u{7f}' => {
                escaped.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            _ => escaped.push(character),
        }
    }
    escaped
}

/// The source expression that allows exactly this inline script.
pub(super) fn policy_hash(script: &str) -> String {
    format!("'sha256-{}'", base64(&Sha256::digest(script.as_bytes())))
}

/// Characters that reorder the text around them (arXiv 2111.00169).
fn is_bidirectional(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for position in 0..4 {
            let is_data = position <= chunk.len();
            let letter = ALPHABET[(bits >> (18 - 6 * position) & 63) as usize];
            text.push(if is_data { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_becomes_text() {
        assert_eq!(html("<a b='c' d=\"e\">&`"), "&lt;a b=&#39;c&#39; d=&quot;e&quot;&gt;&amp;&#96;");
        assert_eq!(html("a\0b\u{202e}c\n"), "a\u{fffd}b\u{fffd}c\n");
    }

    #[test]
    fn a_script_cannot_be_left() {
        let hostile = "</script><script>alert(1)</script><!--<script>]]>\u{2028}'\"\\";
        let text = json(&serde_json::json!({ hostile: [hostile] }));
        assert!(!text.contains(['<', '>', '&', '\'', '\u{2028}']), "{text}");
        let back: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(back[hostile][0], hostile);
    }

    /// RFC 4648, section 10.
    #[test]
    fn base64_is_the_standards() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
