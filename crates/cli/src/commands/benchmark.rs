//! `hone benchmark`: the benchmarks that are known by name, and getting their files.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use hone_eval::benchmark::{Benchmark, benchmarks, find_benchmark, sha256};
use serde::Serialize;

use crate::commands::eval::folders;
use crate::exit::{Lacking, Usage};
use crate::recipe::closest;
use crate::terminal::Terminal;

/// Largest file that is fetched, in bytes.
const MAX_BYTES: u64 = 1 << 30;

/// What is done with benchmarks.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Every benchmark: problems, licence, and whether its file is at hand.
    List(ListArguments),
    /// Get a benchmark's file from where it is published, and check it.
    Fetch(OneArguments),
    /// Everything about one benchmark: origin, checksum, rules, what is broken in its data.
    Show(OneArguments),
}

const LIST_EXAMPLES: &str = "\
Examples:
  hone benchmark list
  hone benchmark list --json

A file is looked for in the folder HONE_BENCHMARKS and in the cache.";

const ONE_EXAMPLES: &str = "\
Examples:
  hone benchmark show humaneval+
  hone benchmark fetch humaneval
  hone eval --check humaneval                do its references pass here?";

/// Nothing to say.
#[derive(clap::Args)]
#[command(after_help = LIST_EXAMPLES)]
pub(crate) struct ListArguments {}

/// Which benchmark.
#[derive(clap::Args)]
#[command(after_help = ONE_EXAMPLES)]
pub(crate) struct OneArguments {
    /// A name of `hone benchmark list`.
    name: String,
}

#[derive(Serialize)]
struct Shown {
    name: &'static str,
    title: &'static str,
    problems: usize,
    licence: &'static str,
    file: &'static str,
    url: Option<String>,
    also: &'static str,
    sha256: &'static str,
    bytes: u64,
    extraction: &'static str,
    comparison: &'static str,
    cpu_ms: u64,
    memory_bytes: u64,
    limits: String,
    broken: &'static [(&'static str, &'static str)],
    exceptions: &'static [(&'static str, &'static str)],
    at_hand: Option<PathBuf>,
}

impl Shown {
    fn of(benchmark: &'static Benchmark) -> Shown {
        let rules = benchmark.rules;
        Shown {
            name: benchmark.name,
            title: benchmark.title,
            problems: benchmark.problems,
            licence: benchmark.licence,
            file: benchmark.file,
            url: benchmark.url(),
            also: benchmark.also,
            sha256: benchmark.sha256,
            bytes: benchmark.bytes,
            extraction: rules.extraction,
            comparison: rules.comparison,
            cpu_ms: rules.cpu_ms,
            memory_bytes: rules.memory_bytes,
            limits: rules.limits_line(),
            broken: benchmark.broken,
            exceptions: benchmark.exceptions,
            at_hand: benchmark.find(&folders()),
        }
    }
}

/// Lists, fetches or shows.
pub(crate) fn run(command: &Command, terminal: &Terminal) -> Result<()> {
    match command {
        Command::List(_) => list(terminal),
        Command::Show(arguments) => show(known(&arguments.name)?, terminal),
        Command::Fetch(arguments) => fetch(known(&arguments.name)?, terminal),
    }
}

fn known(name: &str) -> Result<&'static Benchmark> {
    find_benchmark(name).ok_or_else(|| {
        let names: Vec<&str> = benchmarks().iter().map(|benchmark| benchmark.name).collect();
        let hint = match closest(name, &names) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("known are {}", names.join(", ")),
        };
        Usage(format!("expected a benchmark, found {name:?}\nhint: {hint}")).into()
    })
}

fn list(terminal: &Terminal) -> Result<()> {
    let all: Vec<Shown> = benchmarks().iter().map(Shown::of).collect();
    if terminal.is_json {
        return terminal.json(&all);
    }
    let width = all.iter().map(|one| one.name.len()).max().unwrap_or(0);
    let line = |one: &Shown| {
        let place = if one.at_hand.is_some() { "at hand" } else { "not here" };
        format!("{:width$}  {:>5} problems  {place:8}  {}", one.name, one.problems, one.title)
    };
    terminal.result(&all.iter().map(line).collect::<Vec<_>>().join("\n"));
    Ok(())
}

fn show(benchmark: &'static Benchmark, terminal: &Terminal) -> Result<()> {
    let shown = Shown::of(benchmark);
    if terminal.is_json {
        return terminal.json(&shown);
    }
    let at_hand = match &shown.at_hand {
        None => format!("not here; `hone benchmark fetch {}`, or --file, or HONE_BENCHMARKS", shown.name),
        Some(path) if shown.sha256.is_empty() => path.display().to_string(),
        Some(path) => {
            let is_published = sha256(path).is_ok_and(|found| found == shown.sha256);
            let note = if is_published { "the published file" } else { "NOT the published file" };
            format!("{} ({note})", path.display())
        }
    };
    let mut lines = vec![
        shown.title.to_owned(),
        format!("problems    {}", shown.problems),
        format!("licence     {}", shown.licence),
        format!("file        {} ({} bytes)", shown.file, shown.bytes),
        format!("sha256      {}", shown.sha256),
        format!("published   {}", shown.url.as_deref().unwrap_or("not as one file; supply it yourself")),
        format!("also        {}", shown.also),
        format!("at hand     {at_hand}"),
        format!("extraction  {}", shown.extraction),
        format!("comparison  {}", shown.comparison),
        format!("limits      {}", shown.limits),
    ];
    lines.extend(shown.exceptions.iter().map(|(id, how)| format!("exception   {id}: {how}")));
    lines.extend(shown.broken.iter().map(|(id, why)| format!("broken      {id}: {why}")));
    terminal.result(&lines.join("\n"));
    Ok(())
}

fn fetch(benchmark: &'static Benchmark, terminal: &Terminal) -> Result<()> {
    if let Some(path) = benchmark.find(&folders()) {
        terminal.result(&path.display().to_string());
        return Ok(());
    }
    let path = hone_model::weights::cache_folder()?.join("benchmarks").join(benchmark.file);
    let folder = path.parent().context("a benchmark's file has a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("failed to create {}", folder.display()))?;
    let hint = format!(
        "hint: put the file {} ({}) into {} yourself, or give it with --file",
        benchmark.file,
        benchmark.also,
        folder.display()
    );
    let Some(url) = benchmark.url() else {
        return Err(Lacking(format!(
            "{} is not published as one file that could be fetched\n{hint}",
            benchmark.name
        ))
        .into());
    };
    terminal.note(&format!("fetching {url}"));
    let bytes =
        download(&url).map_err(|message| Lacking(format!("failed to reach {url}: {message}\n{hint}")))?;
    let partial = path.with_extension("partial");
    fs::write(&partial, bytes).with_context(|| format!("failed to write {}", partial.display()))?;
    let found = sha256(&partial)?;
    if found != benchmark.sha256 {
        let _ = fs::remove_file(&partial);
        let expected = benchmark.sha256;
        return Err(Lacking(format!("{url}: expected sha256 {expected}, found {found}\n{hint}")).into());
    }
    fs::rename(&partial, &path).with_context(|| format!("failed to write {}", path.display()))?;
    terminal.result(&path.display().to_string());
    Ok(())
}

fn download(url: &str) -> Result<Vec<u8>, String> {
    let config = ureq::Agent::config_builder().timeout_connect(Some(std::time::Duration::from_secs(10)));
    let agent: ureq::Agent = config.build().into();
    let mut response = agent.get(url).call().map_err(|error| error.to_string())?;
    response.body_mut().with_config().limit(MAX_BYTES).read_to_vec().map_err(|error| error.to_string())
}
