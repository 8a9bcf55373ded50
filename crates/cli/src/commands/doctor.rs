//! `hone doctor`: what this machine offers, what is missing, and how to get it.

use std::path::Path;

use anyhow::Result;
use hone_model::engine::Isa;
use hone_model::weights::{DEFAULT_MODEL, FetchOptions, cache_folder, cached};
use hone_runlog::Machine;
use hone_sandbox::{Isolation, Limits, Sandbox, SandboxConfig};
use serde::Serialize;

use crate::progress::bytes;
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  hone doctor
  hone doctor --json

Exit code 0 if the main job (recipes/quickstart.toml) can run here, 1 if it cannot.";

/// Memory the main job needs, in bytes.
const MEMORY_NEEDED: u64 = 2_000_000_000;
/// Disk it needs: the model, a run and its checkpoints, in bytes.
const DISK_NEEDED: u64 = 1_000_000_000;

/// Nothing to choose.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {}

/// How one thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// As it should be.
    Good,
    /// The main job runs, with something less.
    Note,
    /// The main job cannot run.
    Missing,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    /// What was looked at.
    name: String,
    state: State,
    /// What was found.
    found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    hint: String,
}

#[derive(Debug, Serialize)]
struct Diagnosis {
    can_run: bool,
    version: String,
    findings: Vec<Finding>,
}

/// Looks at everything and prints it. Returns the exit code.
pub(crate) fn run(_arguments: &Arguments, terminal: &Terminal) -> Result<u8> {
    let mut findings = vec![processor(), memory(), disk(Path::new("."), "disk for runs")];
    findings.extend(isolation());
    findings.extend(toolchains());
    findings.extend(cost());
    findings.extend(model());
    let can_run = findings.iter().all(|finding| finding.state != State::Missing);
    let diagnosis = Diagnosis { can_run, version: env!("CARGO_PKG_VERSION").to_string(), findings };
    if terminal.is_json {
        terminal.json(&diagnosis)?;
    } else {
        terminal.result(&text(&diagnosis));
    }
    Ok(if can_run { 0 } else { 1 })
}

fn text(diagnosis: &Diagnosis) -> String {
    let width = diagnosis.findings.iter().map(|finding| finding.name.chars().count()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for finding in &diagnosis.findings {
        let mark = match finding.state {
            State::Good => "ok     ",
            State::Note => "note   ",
            State::Missing => "MISSING",
        };
        lines.push(format!("{mark}  {:width$}  {}", finding.name, finding.found));
        lines.extend(finding.hint.lines().map(|hint| format!("         {:width$}  hint: {hint}", "")));
    }
    lines.push(String::new());
    lines.push(match diagnosis.can_run {
        true => "this machine can do the main job: hone train recipes/quickstart.toml".to_string(),
        false => "this machine cannot do the main job until what is MISSING is there".to_string(),
    });
    lines.join("\n")
}

fn finding(name: &str, state: State, found: impl Into<String>, hint: impl Into<String>) -> Finding {
    let hint = if state == State::Good { String::new() } else { hint.into() };
    Finding { name: name.to_string(), state, found: found.into(), hint }
}

fn processor() -> Finding {
    let machine = Machine::detect();
    let kernels = Isa::detect().name();
    let state = if kernels == "portable" { State::Note } else { State::Good };
    let found = format!("{}, {} cores, {kernels} kernels", machine.cpu, machine.cores);
    finding("processor", state, found, "without AVX2 training is several times slower")
}

fn memory() -> Finding {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib << 10)
    };
    let (Some(total), Some(free)) = (field("MemTotal"), field("MemAvailable")) else {
        return finding("memory", State::Note, "unknown", "/proc/meminfo cannot be read");
    };
    let state = if free < MEMORY_NEEDED { State::Missing } else { State::Good };
    let found = format!("{} free of {}", bytes(free), bytes(total));
    finding("memory", state, found, format!("the main job needs {}", bytes(MEMORY_NEEDED)))
}

fn disk(path: &Path, name: &str) -> Finding {
    match rustix::fs::statvfs(path) {
        Ok(space) => {
            let free = space.f_bavail * space.f_frsize;
            let state = if free < DISK_NEEDED { State::Missing } else { State::Good };
            finding(
                name,
                state,
                format!("{} free", bytes(free)),
                format!("the main job needs {}", bytes(DISK_NEEDED)),
            )
        }
        Err(error) => {
            finding(name, State::Note, format!("unknown: {error}"), "check the free space yourself")
        }
    }
}

/// The cache of models, and whether the default one is in it.
fn model() -> Vec<Finding> {
    let name = "model cache";
    let folder = match cache_folder() {
        Ok(folder) => folder,
        Err(error) => {
            let (message, hint) = split_hint(&error.to_string());
            return vec![finding(name, State::Missing, message, hint)];
        }
    };
    let is_here = cached(DEFAULT_MODEL, &FetchOptions::default()).is_ok_and(|path| path.is_some());
    let (state, found) = match is_here {
        true => (State::Good, format!("{}, holds {DEFAULT_MODEL}", folder.display())),
        false => (State::Note, format!("{}, does not hold {DEFAULT_MODEL} yet", folder.display())),
    };
    let existing = folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
    let cache = finding(name, state, found, "it is fetched on first use (94 MB), or now: hone model fetch");
    vec![cache, disk(existing, "disk for models")]
}

fn isolation() -> Vec<Finding> {
    let layers = hone_sandbox::probe();
    let mut findings: Vec<Finding> = layers
        .into_iter()
        .map(|layer| {
            let state = match (layer.is_available, layer.is_required) {
                (true, _) => State::Good,
                (false, false) => State::Note,
                (false, true) => State::Missing,
            };
            finding(
                &format!("isolation: {}", layer.layer),
                state,
                layer.detail,
                layer.hint.unwrap_or_default(),
            )
        })
        .collect();
    findings.push(trial());
    findings
}

/// One trivial program, as strictly isolated as the main job's.
fn trial() -> Finding {
    let config = SandboxConfig { isolation: Isolation::Strict, workers: 1, ..SandboxConfig::default() };
    let started = std::time::Instant::now();
    let outcome =
        Sandbox::start(config).and_then(|sandbox| sandbox.run("print(6 * 7)\n", b"", &Limits::default()));
    match outcome {
        Ok(outcome) if outcome.stdout == "42\n" => {
            let milliseconds = started.elapsed().as_millis();
            finding("sandbox", State::Good, format!("ran a program in {milliseconds} ms, start included"), "")
        }
        Ok(outcome) => {
            let found =
                format!("a trivial program ended with {:?}: {}", outcome.class, outcome.stderr.trim());
            finding("sandbox", State::Missing, found, "run `hone run -v` on a program of yours")
        }
        Err(error) => {
            let (message, hint) = split_hint(&error.to_string());
            finding("sandbox", State::Missing, message, hint)
        }
    }
}

fn toolchains() -> Vec<Finding> {
    hone_sandbox::toolchains()
        .into_iter()
        .map(|tool| {
            // The main job's tasks are in Python; the other languages are there for who has them.
            let state = match (&tool.version, tool.language.as_str()) {
                (Some(_), _) => State::Good,
                (None, "python") => State::Missing,
                (None, _) => State::Note,
            };
            let path = tool.path.map(|path| format!(", {}", path.display())).unwrap_or_default();
            let found = tool.version.map_or("not found".to_string(), |version| format!("{version}{path}"));
            finding(&format!("language: {}", tool.language), state, found, tool.hint.unwrap_or_default())
        })
        .collect()
}

/// How the cost of programs is measured, for performance rewards: the best method that is there is the one used.
fn cost() -> Vec<Finding> {
    let methods = hone_sandbox::cost_methods();
    let best = methods.iter().find(|method| method.is_available).map(|method| method.method);
    methods
        .into_iter()
        .map(|method| {
            let name = serde_json::to_value(method.method).ok();
            let name = name.as_ref().and_then(serde_json::Value::as_str).unwrap_or("unknown").to_string();
            // A method that a better one makes unnecessary is not missed.
            let is_needed = best.is_none_or(|best| method.method < best);
            let state = if method.is_available || !is_needed { State::Good } else { State::Note };
            let used = if best == Some(method.method) { ", used where it fits" } else { "" };
            let hint = method.hint.unwrap_or_default();
            finding(&format!("cost: {name}"), state, format!("{}{used}", method.detail), hint)
        })
        .collect()
}

/// Message and hint of an error of ours.
fn split_hint(message: &str) -> (String, String) {
    match message.split_once("\nhint: ") {
        Some((message, hint)) => (message.to_string(), hint.to_string()),
        None => (message.to_string(), String::new()),
    }
}
