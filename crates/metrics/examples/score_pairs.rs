//! Scores pairs of texts in every setting that the published packages have too, for `xtask/peers/metrics_differential.py`.
//!
//! Reads one JSON object a line (`candidate`, `references`, `lang` or null) from stdin, and prints one a line: the name of
//! each metric with its settings, and its value. A last line `{"corpus": …}` holds the scores of all lines as one corpus.

use std::io::{BufRead, Write};

use hone_metrics::bleu::{Bleu, Smoothing};
use hone_metrics::chrf::Chrf;
use hone_metrics::codebleu::{CodeBleu, Mode};
use hone_metrics::crystal_bleu::TrivialNgrams;
use hone_metrics::meteor::{Meteor, code_tokens};
use hone_metrics::rouge::Rouge;
use hone_metrics::tokenize::Tokenizer;
use hone_metrics::{Language, edit, porter, text};
use serde_json::{Map, Value};

type Pair = (String, Vec<String>, Option<Language>);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut pairs: Vec<Pair> = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let row: Value = serde_json::from_str(&line?)?;
        let texts = row["references"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let language = row["lang"].as_str().and_then(Language::named);
        pairs.push((
            row["candidate"].as_str().unwrap_or_default().into(),
            texts.map(str::to_owned).collect(),
            language,
        ));
    }
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for pair in &pairs {
        writeln!(out, "{}", Value::Object(scores(pair)))?;
    }
    writeln!(out, "{}", serde_json::json!({ "corpus": corpus(&pairs) }))?;
    Ok(out.flush()?)
}

/// Every setting of BLEU, by name.
fn bleus() -> Vec<(String, Bleu)> {
    let smoothings = [
        ("exp", Smoothing::Exp),
        ("floor", Smoothing::Floor { value: 0.1 }),
        ("add-k", Smoothing::AddK { value: 1.0 }),
        ("none", Smoothing::None),
    ];
    let mut all = Vec::new();
    for tokenizer in ["13a", "intl", "char", "zh", "none"] {
        for (name, smoothing) in smoothings {
            for is_effective_order in [false, true] {
                for is_lowercase in [false, true] {
                    let Some(tokenizer) = Tokenizer::named(tokenizer) else { continue };
                    let bleu = Bleu { tokenizer, smoothing, is_effective_order, is_lowercase };
                    let (eff, lc) = (u8::from(is_effective_order), u8::from(is_lowercase));
                    all.push((format!("bleu/{}/{name}/{eff}/{lc}", tokenizer.name()), bleu));
                }
            }
        }
    }
    all
}

/// Settings of chrF, by name.
fn chrfs() -> Vec<(String, Chrf)> {
    let mut all = Vec::new();
    for word_order in [0, 2] {
        for (beta, character_order) in [(2.0, 6), (1.0, 4)] {
            for flags in 0..8_u8 {
                let [is_lowercase, has_whitespace, has_eps_smoothing] =
                    [1, 2, 4].map(|flag| flags & flag != 0);
                let chrf = Chrf {
                    character_order,
                    word_order,
                    beta,
                    is_lowercase,
                    has_whitespace,
                    has_eps_smoothing,
                };
                all.push((format!("chrf/{character_order}/{word_order}/{beta}/{flags}"), chrf));
            }
        }
    }
    all
}

fn scores((candidate, references, language): &Pair) -> Map<String, Value> {
    let references: Vec<&str> = references.iter().map(String::as_str).collect();
    let mut found = Map::new();
    for (name, bleu) in bleus() {
        found.insert(name, bleu.sentence(candidate, &references).score.into());
    }
    for (name, chrf) in chrfs() {
        found.insert(name, chrf.sentence(candidate, &references).into());
    }
    for has_stemmer in [false, true] {
        let rouge = Rouge { has_stemmer }.scores(candidate, &references);
        let shares = [
            ("rouge1", rouge.rouge1),
            ("rouge2", rouge.rouge2),
            ("rougeL", rouge.rouge_l),
            ("rougeLsum", rouge.rouge_lsum),
        ];
        for (name, share) in shares {
            let value = vec![share.precision, share.recall, share.f1];
            found.insert(format!("{name}/{}", u8::from(has_stemmer)), value.into());
        }
    }
    let split = |text| text::split(text).collect::<Vec<&str>>();
    let words: Vec<Vec<&str>> = references.iter().map(|text| split(text)).collect();
    let marks: Vec<Vec<&str>> = references.iter().map(|text| code_tokens(text)).collect();
    found.insert("meteor/ws".into(), Meteor::default().score(&split(candidate), &words, None).into());
    found.insert("meteor/tok".into(), Meteor::default().score(&code_tokens(candidate), &marks, None).into());
    let stems: Vec<String> = split(candidate).into_iter().map(porter::stem).collect();
    found.insert("stems".into(), stems.into());
    if let Some(reference) = references.first() {
        let (first, second): (Vec<char>, Vec<char>) =
            (candidate.chars().collect(), reference.chars().collect());
        found.insert("edit".into(), edit::distance(&first, &second).into());
        found.insert("similarity".into(), edit::similarity(candidate, reference).into());
    }
    found.insert("crystal".into(), crystal(&split(candidate), &words).into());
    if let Some(language) = language {
        let score = CodeBleu::new(*language, Mode::K4black).sentence(candidate, &references);
        let parts = [score.codebleu, score.ngram, score.weighted_ngram, score.syntax, score.data_flow];
        found.insert("codebleu".into(), parts.map(|part| part.unwrap_or(-1.0)).to_vec().into());
    }
    found
}

/// CrystalBLEU whose trivial n-grams are the 5 most frequent ones of the references themselves; NLTK's BLEU has no
/// smoothing and no effective order by default.
fn crystal(candidate: &[&str], references: &[Vec<&str>]) -> f64 {
    let bleu = Bleu { smoothing: Smoothing::None, ..Bleu::default() };
    TrivialNgrams::of(references, 5).score(&bleu, candidate, references).score
}

fn corpus(pairs: &[Pair]) -> Map<String, Value> {
    let references: Vec<Vec<&str>> =
        pairs.iter().map(|(_, references, _)| references.iter().map(String::as_str).collect()).collect();
    let segments = || pairs.iter().zip(&references).map(|(pair, texts)| (pair.0.as_str(), texts.as_slice()));
    let bleus = bleus().into_iter().map(|(name, bleu)| (name, bleu.corpus(segments()).score));
    let chrfs = chrfs().into_iter().map(|(name, chrf)| (name, chrf.corpus(segments())));
    bleus.chain(chrfs).map(|(name, value)| (name, value.into())).collect()
}
