//! Metrics of generated text and code against references: pure functions, nothing is executed.
//!
//! Every metric names its formula and source, and a signature that pins its settings. Never here: pass@k and other
//! metrics of execution (`hone-eval`), sandboxes, models, files of predictions.
//!
//! Text is cut and compared as the published packages do it (sacrebleu 2.6, rouge-score 0.1.2, NLTK 3.10,
//! codebleu 0.7), down to what Python calls white space; `tests/it/vectors.rs` holds their numbers.

pub mod text;

mod ngrams;
pub mod tokenize;

pub mod bleu;
pub mod chrf;
pub mod crystal_bleu;
pub mod edit;
pub mod meteor;
pub mod porter;
pub mod rouge;
pub mod ter;
mod tercom;
pub mod wordnet;

pub mod language;

pub mod codebleu;

pub use language::Language;
