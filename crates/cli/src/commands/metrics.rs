//! `hone metrics`: text and code metrics of predictions against references, over a JSONL file.

mod execution;
mod settings;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hone_eval::{Interval, bootstrap_mean};
use hone_metrics::bleu::{Bleu, Statistics};
use hone_metrics::codebleu::{CodeBleu, CodeBleuScore, Counts, Mode};
use hone_metrics::crystal_bleu::TrivialNgrams;
use hone_metrics::meteor::{Meteor, code_tokens};
use hone_metrics::tokenize::Tokenizer;
use hone_metrics::wordnet::WordNet;
use hone_metrics::{Language, edit};
use serde::{Deserialize, Serialize};

use self::settings::Settings;
use crate::exit::Usage;
use crate::sandboxes::SandboxArguments;
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  hone metrics predictions.jsonl
  hone metrics predictions.jsonl --metric codebleu --language java
  hone metrics predictions.jsonl --metric codebleu --language python --compat k4black
  hone metrics predictions.jsonl --metric bleu,chrf --tokenizer none --json
  hone metrics predictions.jsonl --metric bleu --smoothing floor --smoothing-value 0.5 --lowercase
  hone metrics predictions.jsonl --metric rouge --rouge-stemmer
  hone metrics queries.jsonl --metric execution --database shop.sqlite

A line is {\"prediction\": \"…\", \"reference\": \"…\"}, or with \"references\": [\"…\", …]. The corpus score follows each
metric's own definition; the mean over lines comes with a 95% interval (bootstrap over lines).";

/// Which file, which metrics.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Predictions with their references, one JSON object a line.
    file: PathBuf,
    /// Metrics, of: bleu, chrf, chrf++, ter, rouge, meteor, edit, edit-ratio, exact, codebleu, crystalbleu, execution (of SQL, in the
    /// sandbox). TER is better the lower.
    #[arg(
        long,
        value_name = "NAME,…",
        value_delimiter = ',',
        default_value = "bleu,chrf,rouge,meteor,edit,exact"
    )]
    metric: Vec<String>,
    /// Language of the code, for codebleu.
    #[arg(long, value_name = "LANGUAGE")]
    language: Option<String>,
    /// CodeBLEU as ours (strict), the package's (k4black), CodeXGLUE's (codexglue) or as printed (paper).
    #[arg(long, value_name = "MODE", default_value = "strict")]
    compat: String,
    #[command(flatten)]
    settings: Settings,
    /// The database of SQL queries, for execution: an SQLite file or a .sql script; a line's own `database` comes first.
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
    #[command(flatten)]
    sandbox: SandboxArguments,
    /// A WordNet database folder, for METEOR's synonyms.
    #[arg(long, value_name = "FOLDER")]
    wordnet: Option<PathBuf>,
}

/// A line of the file.
#[derive(Deserialize)]
struct Line {
    #[serde(alias = "candidate", alias = "hypothesis")]
    prediction: String,
    reference: Option<String>,
    #[serde(default)]
    references: Vec<String>,
    database: Option<PathBuf>,
}

/// One metric over the file.
#[derive(Debug, Serialize)]
struct Scored {
    metric: String,
    /// By the metric's definition over a corpus, where it has one.
    corpus: Option<f64>,
    /// Mean over lines with its interval; lines on which it is undefined are left out.
    mean: Option<Interval>,
    /// Lines on which it is defined.
    lines: usize,
    signature: String,
}

struct Segment {
    prediction: String,
    references: Vec<String>,
    database: Option<PathBuf>,
    /// 1-based line of the file.
    line: usize,
}

/// Computes and prints.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<()> {
    let segments = read(&arguments.file)?;
    let mut scored = Vec::new();
    for name in &arguments.metric {
        match name.as_str() {
            "execution" => scored.push(execution::score(arguments, &segments, terminal)?),
            name => scored.extend(arguments.score(name, &segments, terminal)?),
        }
    }
    if terminal.is_json {
        return terminal.json(&scored);
    }
    let mut lines = vec![format!("{} lines", segments.len())];
    for one in &scored {
        let corpus = one.corpus.map_or("–".into(), |score| format!("{score:.4}"));
        let mean = one
            .mean
            .map_or("undefined".into(), |it| format!("{:.4} [{:.4}, {:.4}]", it.value, it.low, it.high));
        lines.push(format!("{:24} corpus {corpus:>9}   mean {mean}   {}", one.metric, one.signature));
    }
    terminal.result(&lines.join("\n"));
    Ok(())
}

impl Arguments {
    fn score(&self, name: &str, segments: &[Segment], terminal: &Terminal) -> Result<Vec<Scored>> {
        let references = segments.iter().map(|one| one.references.len()).max().unwrap_or(1);
        let borrowed: Vec<(&str, Vec<&str>)> = segments
            .iter()
            .map(|one| (one.prediction.as_str(), one.references.iter().map(String::as_str).collect()))
            .collect();
        let pairs = || borrowed.iter().map(|(prediction, references)| (*prediction, references.as_slice()));
        let scored = |metric: &str,
                      corpus: Option<f64>,
                      signature: String,
                      of: &dyn Fn(&str, &[&str]) -> Option<f64>| {
            let values: Vec<f64> =
                pairs().filter_map(|(prediction, references)| of(prediction, references)).collect();
            summarised(metric, corpus, signature, &values)
        };
        // What is one number a pair is that of the best reference.
        let best = |references: &[&str], of: &dyn Fn(&str) -> f64| {
            references.iter().map(|one| of(one)).reduce(f64::max)
        };
        Ok(match name {
            "bleu" => {
                let (bleu, sentence) = self.settings.bleu()?;
                let signature = bleu.signature(references);
                vec![scored(name, Some(bleu.corpus(pairs()).score), signature, &|p, r| {
                    Some(sentence.sentence(p, r).score)
                })]
            }
            "chrf" | "chrf++" => {
                let chrf = self.settings.chrf(name == "chrf++")?;
                let signature = chrf.signature(references);
                vec![scored(name, Some(chrf.corpus(pairs())), signature, &|p, r| Some(chrf.sentence(p, r)))]
            }
            "ter" => {
                let ter = self.settings.ter();
                let signature = ter.signature(references);
                vec![scored(name, Some(ter.corpus(pairs())), signature, &|p, r| Some(ter.sentence(p, r)))]
            }
            "rouge" => {
                let rouge = self.settings.rouge();
                let one = |metric: &str, of: &dyn Fn(&str, &[&str]) -> f64| {
                    scored(metric, None, rouge.signature(), &|p, r| Some(of(p, r)))
                };
                vec![
                    one("rouge-1", &|p, r| rouge.scores(p, r).rouge1.f1),
                    one("rouge-2", &|p, r| rouge.scores(p, r).rouge2.f1),
                    one("rouge-l", &|p, r| rouge.scores(p, r).rouge_l.f1),
                    one("rouge-lsum", &|p, r| rouge.scores(p, r).rouge_lsum.f1),
                ]
            }
            "meteor" => {
                let wordnet = self.wordnet.as_deref().map(WordNet::open).transpose()?;
                let meteor = Meteor::default();
                let (words, tokenizer) = self.settings.meteor_cut()?;
                let score = |p: &str, r: &[&str]| {
                    let references: Vec<Vec<&str>> = r.iter().map(|one| words(one)).collect();
                    Some(meteor.score(&words(p), &references, wordnet.as_ref()))
                };
                vec![scored(name, None, meteor.signature(tokenizer, wordnet.as_ref()), &score)]
            }
            "edit" => {
                vec![scored(name, None, edit::signature(), &|p, r| best(r, &|one| edit::similarity(p, one)))]
            }
            "edit-ratio" => {
                vec![scored(name, None, edit::signature(), &|p, r| best(r, &|one| edit::ratio(p, one)))]
            }
            "exact" => {
                let is_exact = |p: &str, one: &str| f64::from(u8::from(edit::is_exact_match(p, one)));
                vec![scored(name, None, edit::signature(), &|p, r| best(r, &|one| is_exact(p, one)))]
            }
            "codebleu" => self.codebleu(references, &borrowed, terminal)?,
            "crystalbleu" => {
                let documents: Vec<Vec<&str>> =
                    segments.iter().flat_map(|one| &one.references).map(|text| code_tokens(text)).collect();
                let trivial = TrivialNgrams::of(&documents, self.settings.trivial_ngrams);
                let (bleu, sentence) = self.settings.bleu()?;
                let bleu = Bleu { tokenizer: Tokenizer::None, ..bleu };
                let mut sum = Statistics::default();
                pairs().for_each(|(p, r)| sum.add(&trivial.statistics(&code_tokens(p), &cut(r))));
                let signature = trivial.signature(&bleu);
                let score =
                    |p: &str, r: &[&str]| Some(trivial.score(&sentence, &code_tokens(p), &cut(r)).score);
                vec![scored(name, Some(bleu.score(&sum).score), signature, &score)]
            }
            other => {
                return Err(Usage(format!("metric: expected bleu, chrf, chrf++, ter, rouge, meteor, edit, edit-ratio, exact, codebleu, crystalbleu or execution, found {other:?}")).into());
            }
        })
    }

    /// CodeBLEU and its four parts; every line is looked at once, on all threads.
    fn codebleu(
        &self,
        references: usize,
        pairs: &[(&str, Vec<&str>)],
        terminal: &Terminal,
    ) -> Result<Vec<Scored>> {
        let language = self.language.as_deref().and_then(Language::named).ok_or_else(|| {
            let names: Vec<&str> = Language::ALL.iter().map(|language| language.name()).collect();
            let found = self.language.as_deref().unwrap_or("none");
            Usage(format!("codebleu: expected --language, one of {}, found {found}", names.join(", ")))
        })?;
        let mode = Mode::named(&self.compat).ok_or_else(|| {
            Usage(format!("compat: expected strict, k4black, codexglue or paper, found {:?}", self.compat))
        })?;
        let codebleu = CodeBleu::new(language, mode);
        let signature = codebleu.signature(references);
        let segments: Vec<(&str, &[&str])> = pairs.iter().map(|(p, r)| (*p, r.as_slice())).collect();
        let threads = terminal.threads.filter(|threads| *threads > 0);
        let threads = threads.or_else(|| Some(std::thread::available_parallelism().ok()?.get()));
        let counts = codebleu.counts(&segments, threads.unwrap_or(1));
        let mut all = Counts::default();
        counts.iter().for_each(|line| all.add(line));
        let (corpus, lines) =
            (codebleu.score(&all), counts.iter().map(|line| codebleu.score(line)).collect::<Vec<_>>());
        let part = |metric: &str, of: &dyn Fn(&CodeBleuScore) -> Option<f64>| {
            let values: Vec<f64> = lines.iter().filter_map(of).collect();
            summarised(metric, of(&corpus), signature.clone(), &values)
        };
        Ok(vec![
            part("codebleu", &|score| score.codebleu),
            part("codebleu ngram", &|score| score.ngram),
            part("codebleu weighted ngram", &|score| score.weighted_ngram),
            part("codebleu syntax", &|score| score.syntax),
            part("codebleu data flow", &|score| score.data_flow),
        ])
    }
}

/// A metric by its score of the whole file and its values on the lines where it is defined.
fn summarised(metric: &str, corpus: Option<f64>, signature: String, values: &[f64]) -> Scored {
    Scored { metric: metric.into(), corpus, mean: bootstrap_mean(values), lines: values.len(), signature }
}

/// References cut into words and marks.
fn cut<'a>(references: &[&'a str]) -> Vec<Vec<&'a str>> {
    references.iter().map(|one| code_tokens(one)).collect()
}

fn read(path: &Path) -> Result<Vec<Segment>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    let mut segments = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let failure = |message: String| Usage(format!("{}:{}: {message}", path.display(), index + 1));
        let line: Line = serde_json::from_str(line).map_err(|error| {
            failure(format!(
                "expected an object with `prediction` and `reference` or `references`, found {error}"
            ))
        })?;
        let Line { prediction, reference, references, database } = line;
        let references: Vec<String> = reference.into_iter().chain(references).collect();
        if references.is_empty() {
            return Err(failure("expected `reference` or `references`, found neither".into()).into());
        }
        segments.push(Segment { prediction, references, database, line: index + 1 });
    }
    if segments.is_empty() {
        return Err(Usage(format!("{}: expected predictions, found none", path.display())).into());
    }
    Ok(segments)
}
