//! `cargo xtask bench evalplus`: scoring samples of HumanEval+ beside EvalPlus's own runner: same samples, same number of
//! workers; rounds of both alternate.
//!
//! Both are whole processes, start included, and so is the CPU time of everything below them, also of sandbox processes that
//! end with hone (`xtask/peers/measured.py`). What each needs once for a file
//! is done before: EvalPlus computes the expected outputs, hone runs the references. A verdict of EvalPlus is "pass" where
//! base and plus tests pass; how many verdicts agree is part of the result.
//!
//! The right samples of a task differ in a comment only, as models' samples often do. EvalPlus judges each; hone judges what is
//! the same program once, and is measured with `--judge-each` too, where it does as much work.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::median;
use super::page::Setting;
use super::peer::number;
use crate::{shell, venv};

/// The version that is measured, and what its runner imports; dependencies for models and plots are left out.
const PACKAGES: &[&str] = &[
    "--no-deps",
    "evalplus==0.3.1",
    "numpy==2.4.6",
    "psutil==7.2.2",
    "rich==15.0.0",
    "wget==3.2",
    "tempdir==0.7.1",
    "tree-sitter==0.26.1",
    "tree-sitter-python==0.25.0",
    "tqdm==4.70.1",
    "termcolor==3.3.0",
    "appdirs==1.4.4",
];
/// HumanEval+ as EvalPlus reads it, and as hone does.
const FILES: [&str; 2] =
    ["humanevalplus/HumanEvalPlus.jsonl.gz", "humanevalplus/HumanEvalPlus-OriginFmt.jsonl.gz"];

/// What is scored, and how often.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The folder that holds humanevalplus/HumanEvalPlus.jsonl.gz and HumanEvalPlus-OriginFmt.jsonl.gz [default:
    /// HONE_BENCHMARKS, or the cache's benchmarks]
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Samples a task; of ten, six are right.
    #[arg(long, default_value_t = 10)]
    samples: usize,
    /// The first N tasks only.
    #[arg(long, default_value_t = 164)]
    tasks: usize,
    /// Rounds; in each, EvalPlus runs first and hone after it.
    #[arg(long, default_value_t = 2)]
    rounds: usize,
}

/// Measures, prints and writes the page.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let setting = Setting::detect()?;
    let bench = Bench::prepare(arguments)?;
    eprintln!("what each computes once: expected outputs, references");
    bench.evalplus()?;
    bench.hone(&[])?;
    let mut found: [Vec<Value>; 3] = Default::default();
    let mut verdicts = Vec::new();
    for round in 0..arguments.rounds {
        eprintln!("round {} of {}", round + 1, arguments.rounds);
        found[0].push(bench.evalplus()?);
        found[1].push(bench.hone(&[])?);
        verdicts.push(bench.verdicts_of_hone()?);
        found[2].push(bench.hone(&["--judge-each"])?);
        verdicts.push(bench.verdicts_of_hone()?);
    }
    let evalplus = bench.verdicts_of_evalplus()?;
    let total = evalplus.len();
    let title = format!(
        "HumanEval+ scoring of {} × {} samples beside EvalPlus 0.3.1, {} workers each",
        arguments.tasks.min(total / arguments.samples.max(1)),
        arguments.samples,
        bench.workers
    );
    setting.write(&title, &table(&found, &evalplus, &verdicts)?)?;
    Ok(())
}

/// Files and programs, ready.
struct Bench {
    python: String,
    hone: String,
    /// EvalPlus's tasks, unpacked.
    tasks: String,
    /// hone's tasks.
    original: String,
    samples: String,
    /// What hone writes.
    output: PathBuf,
    limit: String,
    workers: usize,
}

impl Bench {
    fn prepare(arguments: &Arguments) -> Result<Bench> {
        let [plus, original] = find(arguments.folder.as_deref())?;
        let python = venv::python("evalplus-venv", PACKAGES)?;
        let hone = shell::hone()?;
        let folder = shell::target().join("evalplus-bench");
        fs::create_dir_all(&folder).with_context(|| format!("failed to make {}", folder.display()))?;
        let place = |name: &str| folder.join(name).display().to_string();
        let (tasks, samples) = (place("tasks.jsonl"), place("samples.jsonl"));
        let unpack = "import gzip, sys; print(''.join(gzip.open(sys.argv[1], 'rt').readlines()[:int(sys.argv[2])]), end='')";
        let limit = arguments.tasks.to_string();
        fs::write(&tasks, shell::output(&python, &["-c", unpack, &plus, &limit])?)
            .with_context(|| format!("failed to write {tasks}"))?;
        let script = peer("evalplus_samples.py");
        let text = shell::output(&python, &[&script, &tasks, &arguments.samples.to_string()])?;
        fs::write(&samples, text).with_context(|| format!("failed to write {samples}"))?;
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let output = folder.join("hone.jsonl");
        Ok(Bench { python, hone, tasks, original, samples, output, limit, workers })
    }

    /// One round of EvalPlus: what it used.
    fn evalplus(&self) -> Result<Value> {
        let (script, workers) = (peer("evalplus_evaluate.py"), self.workers.to_string());
        self.measured(&[&self.python, &script, &self.tasks, &self.samples, &workers])
    }

    /// One round of hone: what it used.
    fn hone(&self, options: &[&str]) -> Result<Value> {
        if self.output.exists() {
            // Else hone would go on from there, and have nothing to do.
            fs::remove_file(&self.output)
                .with_context(|| format!("failed to remove {}", self.output.display()))?;
        }
        let output = self.output.display().to_string();
        let command = [
            &self.hone,
            "eval",
            "--samples",
            &self.samples,
            "humaneval+",
            "--file",
            &self.original,
            "--limit",
            &self.limit,
            "--output",
            &output,
        ];
        self.measured(&[&command, options].concat())
    }

    fn measured(&self, command: &[&str]) -> Result<Value> {
        let script = peer("measured.py");
        let text = shell::output(&self.python, &[&[script.as_str()][..], command].concat())?;
        let found: Value = serde_json::from_str(text.trim().lines().last().unwrap_or_default())
            .with_context(|| format!("expected JSON from measured.py, found {text:?}"))?;
        match found["status"].as_i64() {
            Some(0) => Ok(found),
            _ => bail!("`{}` ended with {}", command.join(" "), found["status"]),
        }
    }

    fn verdicts_of_evalplus(&self) -> Result<Verdicts> {
        let path = self.samples.replace(".jsonl", "_eval_results.json");
        let text = fs::read_to_string(&path).with_context(|| format!("failed to read {path}"))?;
        let found: Value = serde_json::from_str(&text).with_context(|| format!("failed to read {path}"))?;
        let tasks = found["eval"].as_object().with_context(|| format!("expected `eval` in {path}"))?;
        let mut verdicts = Verdicts::new();
        for (task, samples) in tasks {
            for (index, sample) in samples.as_array().into_iter().flatten().enumerate() {
                let is_passed = ["base_status", "plus_status"].iter().all(|key| sample[*key] == "pass");
                verdicts.insert((task.clone(), index as u64), is_passed);
            }
        }
        Ok(verdicts)
    }

    fn verdicts_of_hone(&self) -> Result<Verdicts> {
        let text = fs::read_to_string(&self.output)
            .with_context(|| format!("failed to read {}", self.output.display()))?;
        let verdict = |line: &str| -> Result<((String, u64), bool)> {
            let row: Value = serde_json::from_str(line)?;
            let task = row["task"].as_str().context("expected `task`")?.to_owned();
            let sample = row["sample"].as_u64().context("expected `sample`")?;
            Ok(((task, sample), row["is_passed"].as_bool().context("expected `is_passed`")?))
        };
        text.lines().map(verdict).collect()
    }
}

/// Whether each sample passed, by task and index.
type Verdicts = BTreeMap<(String, u64), bool>;

fn peer(script: &str) -> String {
    shell::root().join("xtask/peers").join(script).display().to_string()
}

/// Both files, of the first folder that has them.
fn find(folder: Option<&Path>) -> Result<[String; 2]> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let cache = variable("HONE_CACHE").or_else(|| Some(variable("HOME")?.join(".cache/hone")));
    let known = variable("HONE_BENCHMARKS").into_iter().chain(cache.map(|cache| cache.join("benchmarks")));
    let folders: Vec<PathBuf> = folder.map_or_else(|| known.collect(), |folder| vec![folder.to_owned()]);
    let place = |folder: &Path| {
        let files = FILES.map(|file| folder.join(file));
        files.iter().all(|file| file.exists()).then(|| files.map(|file| file.display().to_string()))
    };
    folders.iter().find_map(|folder| place(folder)).with_context(|| {
        let looked: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
        format!(
            "expected {} in {}, found none that has both\nhint: both are in github.com/evalplus/humanevalplus_release; give their folder's parent with --folder",
            FILES.join(" and "),
            looked.join(" or ")
        )
    })
}

const SIDES: [&str; 3] =
    ["EvalPlus 0.3.1", "**hone**, strict isolation, tests apart", "**hone** with `--judge-each`"];

/// The table of medians, and how the verdicts compare: EvalPlus's, and those of each of hone's rounds.
fn table(found: &[Vec<Value>; 3], evalplus: &Verdicts, rounds: &[Verdicts]) -> Result<String> {
    let samples = evalplus.len() as f64;
    let middle = |side: usize, key: &str| -> Result<f64> {
        let numbers = found[side].iter().map(|round| number(round, key)).collect::<Result<Vec<_>>>()?;
        Ok(median(numbers).unwrap_or(f64::NAN))
    };
    let mut text = String::from(
        "| | samples/s | CPU, s | CPU a sample, s | hone is, times as fast | of EvalPlus's CPU time |\n|---|---|---|---|---|---|\n",
    );
    let of_evalplus = [middle(0, "seconds")?, middle(0, "cpu_seconds")?];
    for (side, name) in SIDES.iter().enumerate() {
        let (seconds, cpu) = (middle(side, "seconds")?, middle(side, "cpu_seconds")?);
        text += &format!("| {name} | {:.1} | {cpu:.1} | {:.4} |", samples / seconds, cpu / samples);
        text += &match side {
            0 => " | |\n".to_owned(),
            _ => format!(" {:.2} | 1/{:.2} |\n", of_evalplus[0] / seconds, of_evalplus[1] / cpu),
        };
    }
    let differing: BTreeSet<String> = rounds
        .iter()
        .flatten()
        .filter(|(sample, is_passed)| evalplus.get(sample) != Some(is_passed))
        .map(|((task, sample), is_passed)| {
            format!("{task} sample {sample} ({} here)", if *is_passed { "passes" } else { "fails" })
        })
        .collect();
    let passed = evalplus.values().filter(|is_passed| **is_passed).count();
    text += &format!(
        "\n{passed} of {samples} samples pass by EvalPlus; verdicts agree on {} of {samples}",
        samples as usize - differing.len()
    );
    if !differing.is_empty() {
        text += &format!(", not on {}", differing.into_iter().collect::<Vec<_>>().join(", "));
    }
    let counted = found.iter().flatten().map(|round| round["cpu_counted"].as_str().unwrap_or("?"));
    let counted: BTreeSet<&str> = counted.collect();
    text += &format!(". CPU time by {}.\n", counted.into_iter().collect::<Vec<_>>().join(" and "));
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ratios_and_disagreements_are_told() {
        let rounds = |seconds: f64| {
            vec![json!({"seconds": seconds, "cpu_seconds": 2.0 * seconds, "cpu_counted": "task clock"})]
        };
        let verdicts = |second: bool| -> Verdicts {
            [(("HumanEval/0".to_owned(), 0), true), (("HumanEval/0".to_owned(), 1), second)].into()
        };
        let found = [rounds(6.0), rounds(2.0), rounds(3.0)];
        let differ = [verdicts(true), verdicts(false)];
        let text = table(&found, &verdicts(true), &differ).expect("a table");
        assert!(text.contains("| EvalPlus 0.3.1 | 0.3 | 12.0 | 6.0000 | | |"), "{text}");
        assert!(
            text.contains("| **hone** with `--judge-each` | 0.7 | 6.0 | 3.0000 | 2.00 | 1/2.00 |"),
            "{text}"
        );
        assert!(
            text.ends_with(
                "agree on 1 of 2, not on HumanEval/0 sample 1 (fails here). CPU time by task clock.\n"
            ),
            "{text}"
        );
        let agree = [verdicts(true)];
        let text = table(&found, &verdicts(true), &agree).expect("a table");
        assert!(
            text.ends_with(
                "2 of 2 samples pass by EvalPlus; verdicts agree on 2 of 2. CPU time by task clock.\n"
            ),
            "{text}"
        );
    }
}
