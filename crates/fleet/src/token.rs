//! The shared secret between a service and its clients: read from the environment or a file, shown nowhere.

use std::path::Path;

use sha2::{Digest, Sha256};

/// The environment variable that holds the token, unless another is named.
pub const TOKEN_VARIABLE: &str = "HONE_SANDBOX_TOKEN";

const LEAST_BYTES: usize = 16;
const MOST_BYTES: usize = 4096;

/// A token; its `Debug` does not tell it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// Why a token cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("failed to read the token from {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// Too short, too long, or not printable.
    #[error(
        "the token from {from}: expected {LEAST_BYTES} to {MOST_BYTES} printable ASCII characters, found {found}\n\
         hint: head -c 24 /dev/urandom | base64 makes one"
    )]
    Unfit {
        /// Where it was read.
        from: String,
        /// What was found, never the token itself.
        found: String,
    },
}

impl Token {
    /// The token of an environment variable; `None` if it is not set or empty.
    pub fn from_variable(name: &str) -> Result<Option<Token>, TokenError> {
        match std::env::var(name) {
            Ok(text) if text.is_empty() => Ok(None),
            Ok(text) => Token::new(&text, &format!("the variable {name}")).map(Some),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => Err(TokenError::Unfit {
                from: format!("the variable {name}"),
                found: "other characters".into(),
            }),
        }
    }

    /// The token in a file, without the white space around it.
    pub fn from_file(path: &Path) -> Result<Token, TokenError> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|source| TokenError::Read { path: shown.clone(), source })?;
        Token::new(text.trim(), &shown)
    }

    /// A token of this text; `from` is for messages.
    pub fn new(text: &str, from: &str) -> Result<Token, TokenError> {
        let is_printable = text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_printable && (LEAST_BYTES..=MOST_BYTES).contains(&text.len()) {
            return Ok(Token(text.to_owned()));
        }
        let found =
            if is_printable { format!("{} of them", text.len()) } else { "other characters".to_owned() };
        Err(TokenError::Unfit { from: from.to_owned(), found })
    }

    /// The value of the `authorization` header.
    pub(crate) fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// Whether a header carries this token, in a time that does not depend on where it differs.
    pub(crate) fn is_in(&self, header: &[u8]) -> bool {
        let digest = |bytes: &[u8]| Sha256::digest(bytes);
        let (ours, theirs) = (digest(self.header().as_bytes()), digest(header));
        ours.iter().zip(theirs.iter()).fold(0u8, |difference, (a, b)| difference | (a ^ b)) == 0
    }

    /// The text without this token in it.
    pub(crate) fn hide_in(&self, text: &str) -> String {
        text.replace(&self.0, "[token]")
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_compared_and_never_shown() {
        let token = Token::new("correct-horse-battery", "a test").unwrap();
        assert!(token.is_in(b"Bearer correct-horse-battery"));
        for other in
            ["", "Bearer ", "Bearer correct-horse-batterz", "bearer correct-horse-battery", "Basic x"]
        {
            assert!(!token.is_in(other.as_bytes()), "{other}");
        }
        assert!(!format!("{token:?}").contains("horse"));
        assert_eq!(token.hide_in("sent correct-horse-battery"), "sent [token]");
    }

    #[test]
    fn what_is_no_token_is_refused_without_repeating_it() {
        for text in [
            "short",
            "white space in the middle of it",
            "t\u{f6}k\u{f6}n-t\u{f6}k\u{f6}n-t\u{f6}k\u{f6}n",
            &"x".repeat(5000),
        ] {
            let error = Token::new(text, "a test").unwrap_err().to_string();
            assert!(error.contains("a test") && error.contains("hint:") && !error.contains(text), "{error}");
        }
    }
}
