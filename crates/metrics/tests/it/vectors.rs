//! Golden values: computed by sacrebleu 2.6.0, rouge-score 0.1.2, NLTK 3.10.4 and codebleu 0.7.0 on real pairs of
//! programs. A few rows are part of this crate (`tests/golden.jsonl`); the whole file is checked where it is present.

use std::path::{Path, PathBuf};

use hone_metrics::bleu::{Bleu, BleuScore, MAX_ORDER, Statistics};
use hone_metrics::chrf::Chrf;
use hone_metrics::codebleu::{CodeBleu, CodeBleuScore, Mode};
use hone_metrics::meteor::{Meteor, code_tokens};
use hone_metrics::rouge::{Rouge, Share};
use hone_metrics::ter::Ter;
use hone_metrics::tokenize::Tokenizer;
use hone_metrics::wordnet::WordNet;
use hone_metrics::{Language, text};
use serde_json::Value;

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

fn rows(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("readable");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Collects differences instead of stopping at the first.
#[derive(Default)]
struct Check {
    compared: usize,
    differences: Vec<String>,
}

impl Check {
    fn close(&mut self, what: &str, found: f64, expected: &Value, tolerance: f64) {
        let Some(expected) = expected.as_f64() else { return };
        self.compared += 1;
        let is_close = (found - expected).abs() <= tolerance * expected.abs().max(1.0);
        if !is_close {
            self.differences.push(format!("{what}: found {found}, expected {expected}"));
        }
    }

    fn finish(self, least: usize) {
        assert!(
            self.differences.is_empty(),
            "{} of {}: {:#?}",
            self.differences.len(),
            self.compared,
            self.differences
        );
        assert!(self.compared >= least, "compared {} values only", self.compared);
    }
}

fn bleu(tokenizer: Tokenizer, is_sentence: bool) -> Bleu {
    Bleu { tokenizer, is_effective_order: is_sentence, ..Bleu::default() }
}

const TOKENIZERS: [(&str, Tokenizer); 3] =
    [("bleu_13a", Tokenizer::V13a), ("bleu_none", Tokenizer::None), ("bleu_intl", Tokenizer::Intl)];

fn references(row: &Value) -> Vec<&str> {
    match row["references"].as_array() {
        Some(several) => several.iter().filter_map(Value::as_str).collect(),
        None => row["reference"].as_str().into_iter().collect(),
    }
}

/// All metrics of a row with one candidate.
fn check_text(check: &mut Check, row: &Value, wordnet: Option<&WordNet>) {
    let (candidate, references) = (row["candidate"].as_str().expect("a candidate"), references(row));
    let name = |metric: &str| format!("{} {metric}", row["id"]);
    for (metric, tokenizer) in TOKENIZERS {
        let found = bleu(tokenizer, true).sentence(candidate, &references).score;
        check.close(&name(metric), found, &row[metric], 1e-9);
    }
    check.close(&name("chrf"), Chrf::default().sentence(candidate, &references), &row["chrf"], 1e-9);
    check.close(&name("chrfpp"), Chrf::plus_plus().sentence(candidate, &references), &row["chrfpp"], 1e-9);
    let rouge = Rouge::default().scores(candidate, &references);
    for (metric, Share { precision, recall, f1 }) in [
        ("rouge1", rouge.rouge1),
        ("rouge2", rouge.rouge2),
        ("rougeL", rouge.rouge_l),
        ("rougeLsum", rouge.rouge_lsum),
    ] {
        for (index, found) in [precision, recall, f1].into_iter().enumerate() {
            check.close(&name(metric), found, &row["rouge"][metric][index], 1e-9);
        }
    }
    let split = |text| text::split(text).collect::<Vec<&str>>();
    let by_words: Vec<Vec<&str>> = references.iter().map(|text| split(text)).collect();
    let by_marks: Vec<Vec<&str>> = references.iter().map(|text| code_tokens(text)).collect();
    let meteor = Meteor::default();
    let found = [
        meteor.score(&split(candidate), &by_words, wordnet),
        meteor.score(&code_tokens(candidate), &by_marks, wordnet),
    ];
    for (metric, found) in ["meteor_ws", "meteor_tok"].into_iter().zip(found) {
        // Expected values are with WordNet 3.0; without it, synonyms can only be missing.
        match wordnet {
            Some(_) => check.close(&name(metric), found, &row[metric], 1e-9),
            None => assert!(row[metric].as_f64().is_none_or(|with| found <= with + 1e-9), "{}", name(metric)),
        }
    }
}

fn check_codebleu(
    check: &mut Check,
    what: &str,
    found: &CodeBleuScore,
    expected: &Value,
    has_stable_flow: bool,
) {
    let parts = [
        ("ngram_match_score", found.ngram, true),
        ("weighted_ngram_match_score", found.weighted_ngram, true),
        ("syntax_match_score", found.syntax, true),
        ("dataflow_match_score", found.data_flow, has_stable_flow),
        ("codebleu", found.codebleu, has_stable_flow),
    ];
    for (part, found, is_stable) in parts {
        if is_stable {
            check.close(&format!("{what} {part}"), found.expect("defined"), &expected[part], 1e-6);
        }
    }
}

fn check_code(check: &mut Check, row: &Value) {
    let Some(language) = row["lang"].as_str().and_then(Language::named) else { return };
    let codebleu = CodeBleu::new(language, Mode::K4black);
    let found = codebleu.sentence(row["candidate"].as_str().expect("a candidate"), &references(row));
    let is_stable = row["codebleu_dataflow_stable"].as_bool().unwrap_or(true);
    check_codebleu(check, &format!("{} {}", row["id"], row["kind"]), &found, &row["codebleu"], is_stable);
}

fn check_corpus(check: &mut Check, row: &Value, pairs: &[Value]) {
    let is_member = |pair: &&Value| row["ids"].as_array().is_some_and(|ids| ids.contains(&pair["id"]));
    let members: Vec<&Value> = pairs.iter().filter(|pair| pair["type"] == "pair").filter(is_member).collect();
    if Some(members.len()) != row["ids"].as_array().map(Vec::len) {
        eprintln!("corpus {}: {} of its pairs are in this file; skipped", row["group"], members.len());
        return;
    }
    let all: Vec<(&str, Vec<&str>)> =
        members.iter().map(|pair| (pair["candidate"].as_str().expect("text"), references(pair))).collect();
    let segments = || all.iter().map(|(candidate, references)| (*candidate, references.as_slice()));
    for (metric, tokenizer) in TOKENIZERS {
        let bleu = bleu(tokenizer, false);
        let BleuScore { score, precisions, brevity_penalty, hypothesis_length, reference_length } =
            bleu.corpus(segments());
        let mut sum = Statistics::default();
        segments().for_each(|(candidate, references)| sum.add(&bleu.statistics(candidate, references)));
        let expected = &row[metric];
        for n in 0..MAX_ORDER {
            check.close(metric, sum.matches[n] as f64, &expected["counts"][n], 0.0);
            check.close(metric, sum.totals[n] as f64, &expected["totals"][n], 0.0);
        }
        check.close(metric, score, &expected["score"], 1e-9);
        check.close(metric, brevity_penalty, &expected["bp"], 1e-9);
        check.close(metric, hypothesis_length as f64, &expected["sys_len"], 0.0);
        check.close(metric, reference_length as f64, &expected["ref_len"], 0.0);
        (0..4).for_each(|n| check.close(metric, precisions[n], &expected["precisions"][n], 1e-9));
    }
    check.close("chrf", Chrf::default().corpus(segments()), &row["chrf"], 1e-9);
    if let Some(language) = row["group"].as_str().and_then(Language::named) {
        let found = CodeBleu::new(language, Mode::K4black).corpus(segments());
        // The package's sums are as stable as its least stable pair.
        let is_stable = members.iter().all(|pair| pair["codebleu_dataflow_stable"] == true);
        check_codebleu(check, "corpus", &found, &row["codebleu"], is_stable);
        if !is_stable {
            let flow = found.data_flow.unwrap_or(0.0)
                - row["codebleu"]["dataflow_match_score"].as_f64().unwrap_or(0.0);
            assert!(flow.abs() < 0.01, "corpus {}: data flow differs by {flow}", row["group"]);
        }
    }
}

fn check_file(path: &Path, least: usize) {
    let folder = std::env::var_os("HONE_WORDNET").unwrap_or_else(|| "/usr/share/wordnet".into());
    let wordnet = WordNet::open(Path::new(&folder)).ok();
    if wordnet.is_none() {
        eprintln!("no WordNet database (Debian: wordnet-base); METEOR is checked as a lower bound");
    }
    let rows = rows(path);
    let mut check = Check::default();
    for row in &rows {
        match row["type"].as_str() {
            Some("pair" | "multiref") => {
                check_text(&mut check, row, wordnet.as_ref());
                check_code(&mut check, row);
            }
            Some("corpus") => check_corpus(&mut check, row, &rows),
            _ => {}
        }
    }
    check.finish(least);
}

#[test]
fn golden_rows_of_this_crate() {
    check_file(&Path::new(FOLDER).join("tests/golden.jsonl"), 200);
}

#[test]
fn all_golden_rows_where_they_are() {
    let named = std::env::var_os("HONE_METRIC_VECTORS").map(PathBuf::from);
    let path =
        named.unwrap_or_else(|| Path::new(FOLDER).join("../../../shared/reference/metric_vectors.jsonl"));
    if path.is_file() {
        // Without a WordNet database; with one, METEOR's values are compared too.
        check_file(&path, 2_600);
    } else {
        eprintln!("{} is absent: the rows of this crate are checked only", path.display());
    }
}

/// Random texts and edits of them, scored by sacrebleu 2.6.0: `TER(case_sensitive=…, no_punct=…).sentence_score`, and the
/// corpus by `TER().corpus_score`.
#[test]
fn ter_is_sacrebleus() {
    let rows = rows(&Path::new(FOLDER).join("tests/ter.jsonl"));
    let mut check = Check::default();
    let mut segments = Vec::new();
    for row in &rows {
        let is = |key: &str| row[key].as_bool().expect("a setting");
        let (is_case_sensitive, is_without_marks) = (is("is_case_sensitive"), is("is_without_marks"));
        let ter = Ter { is_case_sensitive, is_without_marks, ..Ter::default() };
        let (hypothesis, references) = (row["hypothesis"].as_str().expect("a text"), references(row));
        check.close(hypothesis, ter.sentence(hypothesis, &references), &row["ter"], 1e-9);
        segments.push((hypothesis, references));
    }
    let pairs = segments.iter().map(|(hypothesis, references)| (*hypothesis, references.as_slice()));
    check.close("corpus", Ter::default().corpus(pairs), &Value::from(36.619_718_309_859_16), 1e-9);
    check.finish(17);
}
