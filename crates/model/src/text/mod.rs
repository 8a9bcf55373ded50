//! Text ↔ tokens: tokenizer and chat template.

mod chat_template;
pub(crate) mod gguf_tokenizer;
mod tokenizer;

pub use chat_template::ChatTemplate;
pub use tokenizer::Tokenizer;
