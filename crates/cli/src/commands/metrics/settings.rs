//! Settings of single metrics, named as sacrebleu and rouge-score name them. All are in the metric's signature.

use anyhow::Result;
use hone_metrics::bleu::{Bleu, Smoothing};
use hone_metrics::chrf::Chrf;
use hone_metrics::meteor::code_tokens;
use hone_metrics::rouge::Rouge;
use hone_metrics::ter::Ter;
use hone_metrics::text;
use hone_metrics::tokenize::Tokenizer;

use crate::exit::Usage;

/// What the command line says of single metrics.
#[derive(clap::Args)]
#[command(next_help_heading = "Settings of single metrics")]
pub(super) struct Settings {
    /// BLEU's tokenizer: 13a, intl, zh, char or none.
    #[arg(long, value_name = "NAME", default_value = "13a")]
    tokenizer: String,
    /// BLEU's smoothing: exp, floor, add-k or none.
    #[arg(long, value_name = "NAME", default_value = "exp")]
    smoothing: String,
    /// The value of floor (0.1 without it) or add-k (1).
    #[arg(long, value_name = "X")]
    smoothing_value: Option<f64>,
    /// Whether BLEU leaves out orders longer than the prediction: yes, no, or auto (of single lines, not of the corpus).
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    effective_order: String,
    /// Ignore case in BLEU and chrF.
    #[arg(long)]
    lowercase: bool,
    /// Longest character n-grams of chrF.
    #[arg(long, value_name = "N", default_value_t = 6)]
    chrf_char_order: usize,
    /// Longest word n-grams of chrF; without it 0, and 2 for chrf++.
    #[arg(long, value_name = "N")]
    chrf_word_order: Option<usize>,
    /// β of chrF: how many times more recall weighs than precision.
    #[arg(long, value_name = "BETA", default_value_t = 2.0)]
    chrf_beta: f64,
    /// White space counts as characters of chrF.
    #[arg(long)]
    chrf_whitespace: bool,
    /// In chrF, orders that a text does not have count as almost 0, as in chrF++.py, instead of being left out.
    #[arg(long)]
    chrf_eps_smoothing: bool,
    /// Case counts in TER.
    #[arg(long)]
    ter_case_sensitive: bool,
    /// Remove punctuation before TER.
    #[arg(long)]
    ter_no_punct: bool,
    /// Put punctuation apart before TER, as Tercom does.
    #[arg(long)]
    ter_normalized: bool,
    /// Split Chinese and Japanese characters for TER, with --ter-normalized, and remove their punctuation, with --ter-no-punct.
    #[arg(long)]
    ter_asian_support: bool,
    /// Stem words before ROUGE (Porter).
    #[arg(long)]
    rouge_stemmer: bool,
    /// How METEOR cuts text: code (words and single marks) or none (at white space).
    #[arg(long, value_name = "NAME", default_value = "code")]
    meteor_tokenizer: String,
    /// The most frequent n-grams of all references, which CrystalBLEU does not count.
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub(super) trivial_ngrams: usize,
}

/// How METEOR's words are cut, and what a signature calls it.
pub(super) type Cut = (fn(&str) -> Vec<&str>, &'static str);

impl Settings {
    /// BLEU of a corpus, and of single lines.
    pub(super) fn bleu(&self) -> Result<(Bleu, Bleu)> {
        let tokenizer = Tokenizer::named(&self.tokenizer).ok_or_else(|| {
            let message =
                format!("tokenizer: expected 13a, intl, zh, char or none, found {:?}", self.tokenizer);
            let needs_data = ["ja-mecab", "ko-mecab", "spm", "flores101", "flores200", "spBLEU-1K"];
            let hint = "\nhint: this one needs a dictionary or a model; cut the text with it, then take --tokenizer none";
            Usage(message + if needs_data.contains(&self.tokenizer.as_str()) { hint } else { "" })
        })?;
        let is_effective_order = match self.effective_order.as_str() {
            "auto" => (false, true),
            "yes" => (true, true),
            "no" => (false, false),
            other => {
                return Err(
                    Usage(format!("effective-order: expected auto, yes or no, found {other:?}")).into()
                );
            }
        };
        let bleu = Bleu {
            tokenizer,
            smoothing: self.smoothing()?,
            is_effective_order: is_effective_order.0,
            is_lowercase: self.lowercase,
        };
        Ok((bleu, Bleu { is_effective_order: is_effective_order.1, ..bleu }))
    }

    fn smoothing(&self) -> Result<Smoothing> {
        let value = self.smoothing_value;
        if value.is_some_and(|value| !value.is_finite() || value < 0.0) {
            return Err(Usage("smoothing-value: expected a number of at least 0".into()).into());
        }
        Ok(match (self.smoothing.as_str(), value) {
            ("exp", None) => Smoothing::Exp,
            ("none", None) => Smoothing::None,
            ("floor", value) => Smoothing::Floor { value: value.unwrap_or(0.1) },
            ("add-k", value) => Smoothing::AddK { value: value.unwrap_or(1.0) },
            (name @ ("exp" | "none"), Some(_)) => {
                let message = format!("smoothing-value: expected --smoothing floor or add-k, found {name}");
                return Err(Usage(message).into());
            }
            (other, _) => {
                let message = format!("smoothing: expected exp, floor, add-k or none, found {other:?}");
                return Err(Usage(message).into());
            }
        })
    }

    /// chrF, or chrF++.
    pub(super) fn chrf(&self, is_plus_plus: bool) -> Result<Chrf> {
        let (orders, beta) = (1..=100, self.chrf_beta);
        let word_order = self.chrf_word_order.unwrap_or(if is_plus_plus { 2 } else { 0 });
        if !orders.contains(&self.chrf_char_order) || word_order > *orders.end() {
            return Err(Usage("chrf: expected 1 to 100 for characters, 0 to 100 for words".into()).into());
        }
        if !beta.is_finite() || beta <= 0.0 {
            return Err(Usage(format!("chrf-beta: expected a number above 0, found {beta}")).into());
        }
        Ok(Chrf {
            character_order: self.chrf_char_order,
            word_order,
            beta,
            is_lowercase: self.lowercase,
            has_whitespace: self.chrf_whitespace,
            has_eps_smoothing: self.chrf_eps_smoothing,
        })
    }

    pub(super) fn ter(&self) -> Ter {
        Ter {
            is_case_sensitive: self.ter_case_sensitive,
            is_without_marks: self.ter_no_punct,
            is_normalised: self.ter_normalized,
            has_asian_support: self.ter_asian_support,
        }
    }

    pub(super) fn rouge(&self) -> Rouge {
        Rouge { has_stemmer: self.rouge_stemmer }
    }

    /// How METEOR's words are cut.
    pub(super) fn meteor_cut(&self) -> Result<Cut> {
        match self.meteor_tokenizer.as_str() {
            "code" => Ok((|text| code_tokens(text), "words-and-marks")),
            "none" => Ok((|text| text::split(text).collect(), "none")),
            other => Err(Usage(format!("meteor-tokenizer: expected code or none, found {other:?}")).into()),
        }
    }
}
