//! Text ↔ tokens: tokenizer and chat template.
