//! `cargo xtask bench metrics`: CodeBLEU beside the package `codebleu`, BLEU beside sacrebleu, on the same pairs.
//!
//! Both sides compute in one process each, start-up not counted; rounds of both alternate. The comparison is that of one thread
//! with one thread, in CPU time. hone scores the pairs of a language in one call, as `hone metrics` does, so it reads a text that comes
//! again once; the package's call takes one pair. Beside it stands the wall time of the whole file, where hone uses all threads and the package,
//! which knows no threads, one. The sums of the scores are printed too: a fast wrong number would show.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

use super::median;
use super::page::Setting;
use super::peer::number;
use crate::{shell, venv};

/// The versions that are measured, and the grammars `codebleu` needs.
const PACKAGES: &[&str] = &[
    "codebleu==0.7.0",
    "sacrebleu==2.6.0",
    "tree-sitter==0.22.3",
    "tree-sitter-c==0.21.4",
    "tree-sitter-cpp==0.22.3",
    "tree-sitter-go==0.21.2",
    "tree-sitter-java==0.21.0",
    "tree-sitter-javascript==0.21.4",
    "tree-sitter-python==0.21.0",
    "tree-sitter-rust==0.21.2",
];

/// What is measured on, and how often.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Pairs of programs, one JSON object a line: `type` pair, `lang`, `candidate`, `reference`.
    #[arg(long, default_value = "crates/metrics/tests/golden.jsonl")]
    pairs: PathBuf,
    /// Rounds; in each, the packages run first and hone after them.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

/// Measures, prints and writes the page.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let setting = Setting::detect()?;
    let python = venv::python("metrics-venv", PACKAGES)?;
    shell::run(
        &shell::cargo(),
        &["build", "--release", "--package", "hone-metrics", "--example", "time_metrics"],
    )?;
    let hone = shell::target().join("release/examples/time_metrics").display().to_string();
    let script = shell::root().join("xtask/peers/metrics_time.py").display().to_string();
    let pairs = arguments.pairs.display().to_string();
    let names = ["codebleu", "bleu"];
    let mut seconds = [[vec![], vec![]], [vec![], vec![]]];
    let mut sums = [[0.0; 2]; 2];
    let (mut wall, mut threads) = ([vec![], vec![]], 0.0);
    for _ in 0..arguments.rounds {
        let answers = [answer(&python, &[&script, &pairs, "3"])?, answer(&hone, &[&pairs, "3"])?];
        threads = number(&answers[1], "threads")?;
        for (side, found) in answers.iter().enumerate() {
            wall[side].push(number(found, "codebleu_wall_seconds")?);
            for (index, name) in names.iter().enumerate() {
                seconds[index][side].push(number(found, &format!("{name}_seconds"))?);
                sums[index][side] = number(found, &format!("{name}_sum"))?;
            }
        }
    }
    let mut text = String::from(
        "| metric | package, ms of CPU | hone, ms of CPU | ratio | sums of the scores |\n|---|---|---|---|---|\n",
    );
    for (index, title) in ["CodeBLEU, `codebleu` 0.7.0", "BLEU, sacrebleu 2.6.0"].iter().enumerate() {
        let [package, hone] =
            std::mem::take(&mut seconds[index]).map(|times| median(times).unwrap_or(f64::NAN) * 1e3);
        let [first, second] = sums[index];
        text += &format!(
            "| {title} | {package:.1} | {hone:.2} | {:.1}× | {first:.6}, {second:.6} |\n",
            package / hone
        );
    }
    let [package, hone] = wall.map(|times| median(times).unwrap_or(f64::NAN) * 1e3);
    text += &format!(
        "\nThat is one thread against one thread. CodeBLEU of the whole file in wall time: the package (one thread, it knows no \
         more) {package:.1} ms, hone on {threads} threads {hone:.2} ms, {:.1}×.\n",
        package / hone
    );
    setting.write(&format!("Metrics on the pairs of {pairs}"), &text)?;
    Ok(())
}

fn answer(program: &str, arguments: &[&str]) -> Result<Value> {
    let text = shell::output(program, arguments)?;
    let line = text.trim().lines().last().unwrap_or_default();
    serde_json::from_str(line).with_context(|| format!("expected JSON from {program}, found {text:?}"))
}
