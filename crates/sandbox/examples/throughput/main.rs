//! Judges many submissions on a few threads and says what they cost, as one line of JSON: the measured side of
//! `cargo xtask bench sandbox`.
//!
//! `throughput TASKS.jsonl [--rounds N] [--workers N] [--executions N | --bombs N | --thread-bombs N]`: a row is one of HumanEval (its
//! `check` function judges, in a process of its own, under strict isolation) or a `solution` with `cases`, a list of
//! `stdin` and `stdout`. `--executions` looks for growth over so many, `--bombs` runs fork bombs beside the
//! tasks, `--thread-bombs` bombs of threads.

mod cost;
mod endurance;
mod tasks;

use std::time::Instant;

use hone_sandbox::{Sandbox, SandboxConfig};
use serde_json::json;

use crate::cost::Cost;
use crate::endurance::Bomb;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("expected a file of tasks")?;
    let (mut rounds, mut workers, mut executions) = (1usize, 2usize, 0usize);
    let mut bombs = (Bomb::Processes, 0usize);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or("expected a number")?.parse()?;
        match name.as_str() {
            "--rounds" => rounds = value,
            "--workers" => workers = value,
            "--executions" => executions = value,
            "--bombs" => bombs = (Bomb::Processes, value),
            "--thread-bombs" => bombs = (Bomb::Threads, value),
            _ => return Err(format!("unknown option {name}").into()),
        }
    }
    let tasks = tasks::read(&path)?;
    let sandbox = Sandbox::start(SandboxConfig { workers, ..SandboxConfig::default() })?;
    tasks::judge_all(&sandbox, &tasks, tasks.len())?; // the first runs touch what later ones find ready
    let answer = if executions > 0 {
        endurance::run(&sandbox, &tasks, executions)?
    } else if bombs.1 > 0 {
        endurance::beside_bombs(&sandbox, &tasks, tasks.len() * rounds, bombs.0, bombs.1)?
    } else {
        let (before, started) = (Cost::now(), Instant::now());
        let (runs, failures) = tasks::judge_all(&sandbox, &tasks, tasks.len() * rounds)?;
        let (seconds, cost) = (started.elapsed().as_secs_f64(), Cost::now() - before);
        json!({
            "runs": runs,
            "failures": failures,
            "seconds": seconds,
            "runs_per_second": runs as f64 / seconds,
            "cpu_ms_per_run": cost.total_ms() / runs as f64,
            "parts_ms_per_run": cost.parts(runs),
        })
    };
    println!("{answer}");
    Ok(())
}
