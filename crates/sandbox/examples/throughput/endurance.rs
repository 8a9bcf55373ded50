//! Whether many executions leave anything behind, and whether bombs of processes or threads slow others.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hone_sandbox::{Limits, Sandbox, SandboxConfig};
use serde_json::{Value, json};

use crate::Failure;
use crate::cost::descendants;
use crate::tasks::{Task, judge_all};

/// Runs before the first look, so that every worker has met every task and its standing tests have been renewed.
const SETTLING: usize = 1_000;

/// A program that forks as fast as it may, in all its processes, and never stops by itself.
const FORK_BOMB: &str =
    "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass\n";

/// A program whose threads, as many as it may have, never wait for anything.
const THREAD_BOMB: &str = "import hashlib, threading\ndef work():\n    while True:\n        \
    hashlib.pbkdf2_hmac('sha256', b'', b'', 10 ** 7)\ntry:\n    while True:\n        \
    threading.Thread(target=work, daemon=True).start()\nexcept RuntimeError:\n    work()\n";

/// What the bombs are made of.
#[derive(Clone, Copy)]
pub(crate) enum Bomb {
    Processes,
    Threads,
}

/// What a machine's bookkeeping says of this process and everything below it.
fn state() -> Value {
    let below = descendants();
    let memory: u64 = below.iter().chain([&std::process::id()]).map(|&pid| private_bytes(pid)).sum();
    json!({
        "memory_mb": memory as f64 / 1e6,
        "descriptors": entries(Path::new("/proc/self/fd")),
        // The standing tests come and go: one below each worker at most.
        "zygotes": below.iter().filter(|&&pid| is_child(pid)).count(),
        "processes": below.len(),
        "temporary_files": entries(&std::env::temp_dir()),
        "mounts": std::fs::read_to_string("/proc/self/mounts").map_or(0, |text| text.lines().count()),
        "cgroups": cgroups(Path::new("/sys/fs/cgroup")),
    })
}

fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

fn is_child(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
    parent == Some(std::process::id())
}

/// Memory that would be free if the process ended: what it shares with its parent is not counted twice.
fn private_bytes(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let kib = text
        .lines()
        .find_map(|line| line.strip_prefix("Pss:")?.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

/// Control groups of this process, at any depth.
fn cgroups(folder: &Path) -> usize {
    let own = format!("hone-{}-", std::process::id());
    let folders = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = folders.filter(|entry| entry.file_type().is_ok_and(|t| t.is_dir()));
    folders
        .map(|entry| {
            usize::from(entry.file_name().to_string_lossy().starts_with(&own)) + cgroups(&entry.path())
        })
        .sum()
}

/// State before and after at least `executions` executions.
pub(crate) fn run(sandbox: &Sandbox, tasks: &[Task], executions: usize) -> Result<Value, Failure> {
    judge_all(sandbox, tasks, SETTLING.min(executions))?;
    let (before, started) = (state(), Instant::now());
    let (mut runs, mut failures) = (0, Vec::new());
    while runs < executions {
        let (more, failed) = judge_all(sandbox, tasks, (executions - runs).min(10_000).max(tasks.len()))?;
        runs += more;
        failures.extend(failed);
        eprintln!("{runs} of {executions} executions, {:.0} s", started.elapsed().as_secs_f64());
    }
    let seconds = started.elapsed().as_secs_f64();
    Ok(json!({ "runs": runs, "failures": failures, "seconds": seconds, "before": before, "after": state() }))
}

/// Executions a second alone, before and after, and from the moment that `bombs` bombs start in a sandbox of their own.
pub(crate) fn beside_bombs(
    sandbox: &Sandbox,
    tasks: &[Task],
    turns: usize,
    bomb: Bomb,
    bombs: usize,
) -> Result<Value, Failure> {
    let rate = || -> Result<f64, Failure> {
        let started = Instant::now();
        let (runs, _) = judge_all(sandbox, tasks, turns)?;
        Ok(runs as f64 / started.elapsed().as_secs_f64())
    };
    let before = rate()?;
    let bomb = match bomb {
        Bomb::Processes => FORK_BOMB,
        Bomb::Threads => THREAD_BOMB,
    };
    let other = Sandbox::start(SandboxConfig { workers: bombs, ..SandboxConfig::default() })?;
    let lifetimes = Mutex::new(Vec::new());
    let beside = std::thread::scope(|scope| {
        for _ in 0..bombs {
            scope.spawn(|| match other.run(bomb, b"", &Limits::default()) {
                Ok(outcome) => {
                    lifetimes.lock().unwrap_or_else(PoisonError::into_inner).push(outcome.wall_ms);
                }
                Err(error) => eprintln!("a bomb was not run: {error}"),
            });
        }
        std::thread::sleep(Duration::from_millis(100)); // all have begun
        rate()
    })?;
    drop(other);
    // Machines change their speed from one second to the next.
    let after = rate()?;
    let alone = (before + after) / 2.0;
    Ok(json!({
        "bombs": bombs,
        "bomb_wall_ms": lifetimes.into_inner().unwrap_or_else(PoisonError::into_inner),
        "alone_runs_per_second": alone,
        "beside_runs_per_second": beside,
        "slowdown": alone / beside,
    }))
}
