//! A tokenizer, as a Hugging Face `tokenizer.json` describes it.
//!
//! The work is done by the `tokenizers` crate; this file decides when special tokens are seen, and decodes bytes itself so
//! that a character split over tokens is not lost. Not here: training tokenizers, chat templates.

use std::path::Path;

use tokenizers::DecoderWrapper;

use crate::ModelError;

/// Text ↔ token ids.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    /// Sees the names of special tokens as those tokens.
    with_special: tokenizers::Tokenizer,
    /// Sees them as plain text.
    without_special: tokenizers::Tokenizer,
    /// The bytes of every token, for byte-level vocabularies.
    bytes: Option<Vec<Box<[u8]>>>,
}

impl Tokenizer {
    /// Reads a `tokenizer.json`.
    pub fn from_file(path: &Path) -> Result<Tokenizer, ModelError> {
        let json = std::fs::read(path).map_err(|e| ModelError::io(path, e))?;
        Tokenizer::from_json(&json).map_err(|message| ModelError::format(path, message))
    }

    /// Reads the content of a `tokenizer.json`.
    pub(crate) fn from_json(json: &[u8]) -> Result<Tokenizer, String> {
        let mut with_special = tokenizers::Tokenizer::from_bytes(json)
            .map_err(|e| format!("expected a Hugging Face tokenizer.json: {e}"))?;
        // Truncation and padding are a data loader's business and would silently change prompts.
        with_special.with_truncation(None).map_err(|e| format!("cannot switch truncation off: {e}"))?;
        with_special.with_padding(None);
        with_special.set_encode_special_tokens(false);
        let mut without_special = with_special.clone();
        without_special.set_encode_special_tokens(true);
        let bytes = is_byte_level(&with_special).then(|| token_bytes(&with_special)).transpose()?;
        Ok(Tokenizer { with_special, without_special, bytes })
    }

    /// Tokens of `text`; nothing is added before or after. Names of special tokens become those tokens only if
    /// `allow_special`: yes for a rendered chat template, no for text from outside.
    pub fn encode(&self, text: &str, allow_special: bool) -> Result<Vec<u32>, ModelError> {
        let tokenizer = if allow_special { &self.with_special } else { &self.without_special };
        let encoding = tokenizer.encode_fast(text, false).map_err(|e| {
            ModelError::Invalid(format!("failed to tokenize a text of {} bytes: {e}", text.len()))
        })?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Text of `tokens`, special tokens by their names. Bytes that are not UTF-8, such as the first half of a
    /// character at the end, become U+FFFD; so do ids outside the vocabulary.
    pub fn decode(&self, tokens: &[u32]) -> String {
        match &self.bytes {
            Some(_) => match String::from_utf8(self.decode_bytes(tokens)) {
                Ok(text) => text,
                Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
            },
            None => {
                self.with_special.decode(tokens, false).unwrap_or_else(|_| char::REPLACEMENT_CHARACTER.into())
            }
        }
    }

    /// Bytes of `tokens`: lossless, so that the decodings of the parts of a sequence put together are that of the whole.
    pub fn decode_bytes(&self, tokens: &[u32]) -> Vec<u8> {
        let Some(bytes) = &self.bytes else { return self.decode(tokens).into_bytes() };
        let mut text = Vec::with_capacity(tokens.len() * 4);
        for &token in tokens {
            match bytes.get(token as usize) {
                Some(bytes) => text.extend_from_slice(bytes),
                None => text.extend("\u{fffd}".bytes()),
            }
        }
        text
    }

    /// Whether transformers' `tokenizer(text)` would put `bos` in front.
    pub fn adds_bos(&self, bos: Option<u32>) -> bool {
        let empty = self.with_special.encode_fast("", true);
        bos.is_some() && empty.is_ok_and(|encoding| encoding.get_ids().first().copied() == bos)
    }

    /// The id of a token by its name in the vocabulary, such as `<|im_end|>`.
    pub fn id_of(&self, token: &str) -> Option<u32> {
        self.with_special.token_to_id(token)
    }

    /// The name of a token in the vocabulary.
    pub fn token_of(&self, id: u32) -> Option<String> {
        self.with_special.id_to_token(id)
    }

    /// Number of tokens, special ones included.
    pub fn vocab_size(&self) -> usize {
        self.with_special.get_vocab_size(true)
    }

    /// The content of a `tokenizer.json` that describes this tokenizer.
    pub fn to_tokenizer_json(&self) -> Result<String, ModelError> {
        self.with_special
            .to_string(true)
            .map_err(|e| ModelError::Invalid(format!("failed to write the tokenizer as JSON: {e}")))
    }
}

fn is_byte_level(tokenizer: &tokenizers::Tokenizer) -> bool {
    match tokenizer.get_decoder() {
        Some(DecoderWrapper::ByteLevel(_)) => true,
        Some(DecoderWrapper::Sequence(sequence)) => {
            sequence.get_decoders().iter().all(|decoder| matches!(decoder, DecoderWrapper::ByteLevel(_)))
        }
        _ => false,
    }
}

/// Bytes of every token by id.
fn token_bytes(tokenizer: &tokenizers::Tokenizer) -> Result<Vec<Box<[u8]>>, String> {
    let vocabulary = tokenizer.get_vocab(true);
    let added = tokenizer.get_added_tokens_decoder();
    let length = vocabulary.values().max().map_or(0, |&id| id as usize + 1);
    // Ids may have holes, but a vocabulary that is mostly holes is a damaged file.
    if length > 4 * vocabulary.len() + 1024 {
        return Err(format!(
            "expected token ids without gaps, found id {} among {}",
            length - 1,
            vocabulary.len()
        ));
    }
    let mut bytes = vec![Box::default(); length];
    for (token, id) in vocabulary {
        bytes[id as usize] = match added.get(&id) {
            Some(_) => token.into_bytes(),
            None => {
                token.chars().map(byte_of_char).collect::<Option<Vec<u8>>>().unwrap_or(token.into_bytes())
            }
        }
        .into_boxed_slice();
    }
    Ok(bytes)
}

/// The inverse of GPT-2's byte alphabet: printable Latin-1 bytes stand for themselves, the other 68 are moved up to
/// 256… in order.
fn byte_of_char(c: char) -> Option<u8> {
    let code = c as u32;
    let byte = match code {
        0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff => code,
        256..=288 => code - 256,
        289..=322 => code - 289 + 0x7f,
        323 => 0xad,
        _ => return None,
    };
    u8::try_from(byte).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_byte_alphabet_is_gpt2s() {
        // As GPT-2's vocabulary shows them: space, newline, tab, soft hyphen.
        let bytes = ['Ġ', 'Ċ', 'ĉ', 'Ń', 'a', 'ÿ'].map(byte_of_char);
        assert_eq!(bytes, [b' ', b'\n', b'\t', 0xad, b'a', 0xff].map(Some));
        let alphabet = tokenizers::pre_tokenizers::byte_level::ByteLevel::alphabet();
        let all: std::collections::BTreeSet<u8> = alphabet.iter().filter_map(|c| byte_of_char(*c)).collect();
        assert_eq!((alphabet.len(), all.len()), (256, 256));
        assert_eq!(byte_of_char(' '), None);
    }
}
