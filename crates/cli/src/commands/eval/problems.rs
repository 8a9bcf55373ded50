//! A benchmark's problems on their way from a file to an evaluation: found, read, their references run.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use hone_dataset::Task;
use hone_eval::Provenance;
use hone_eval::benchmark::{
    Benchmark, BenchmarkSet, Problem, PromptStyle, ReferenceCheck, Rules, Shot, TASK_RULES, benchmarks,
    check_references, find_benchmark, read_shots, sha256, shots_sha256,
};
use hone_sandbox::Sandbox;
use sha2::{Digest, Sha256};

use super::Arguments;
use crate::exit::Usage;
use crate::progress::{Lines, Progress};
use crate::recipe::closest;
use crate::terminal::Terminal;

/// Problems and where they are from.
pub(super) struct Problems {
    benchmark: Option<&'static Benchmark>,
    name: String,
    path: PathBuf,
    sha256: String,
    pub(super) problems: Vec<Problem>,
    /// Ids of the file's other problems, which a window or a limit leaves out.
    pub(super) left_out: HashSet<String>,
}

/// Days of publication that are evaluated, such as 2024-08-01 to 2025-01-31; against contamination.
#[derive(Debug, Clone, Default)]
pub(super) struct Window {
    pub(super) since: Option<String>,
    pub(super) until: Option<String>,
}

impl Window {
    /// Days as texts: in this form they are in the order of time. Problems without a day are in no window.
    fn contains(&self, date: &str) -> bool {
        let is_open = self.since.is_none() && self.until.is_none();
        let is_after = self.since.as_ref().is_none_or(|since| date >= since.as_str());
        let is_before = self.until.as_ref().is_none_or(|until| date <= until.as_str());
        is_open || (!date.is_empty() && is_after && is_before)
    }
}

/// Problems whose references were run.
pub(super) struct Checked {
    pub(super) problems: Problems,
    /// Solved examples to show.
    pub(super) shown: Vec<Shot>,
    /// What decides a score on them.
    pub(super) provenance: Provenance,
    /// What the references did.
    pub(super) references: ReferenceCheck,
}

impl Problems {
    /// Whether `name` is a known benchmark's, rather than a file.
    pub(super) fn is_named(name: &str) -> bool {
        find_benchmark(name).is_some()
    }

    /// Reads a known benchmark by its name, or a tasks file.
    pub(super) fn load(
        name: &str,
        file: Option<&Path>,
        window: &Window,
        limit: Option<usize>,
    ) -> Result<Problems> {
        let benchmark = find_benchmark(name);
        let path = match (benchmark, file) {
            (_, Some(file)) => file.to_owned(),
            (Some(benchmark), None) => locate(benchmark)?,
            (None, None) => tasks_path(name)?,
        };
        let mut problems = match benchmark {
            Some(benchmark) => benchmark.read(&path).map_err(|error| Usage(error.to_string()))?,
            None => Task::load(&path)?.iter().map(Problem::of_task).collect(),
        };
        let all: Vec<String> = problems.iter().map(|problem| problem.id.clone()).collect();
        problems.retain(|problem| window.contains(&problem.date));
        problems.truncate(limit.unwrap_or(usize::MAX));
        if problems.is_empty() && !all.is_empty() {
            let message = format!(
                "--since, --until: expected problems of {name} that were published on these days, found none of {}\nhint: days are known of LiveCodeBench's problems only",
                all.len()
            );
            return Err(Usage(message).into());
        }
        let kept: HashSet<&str> = problems.iter().map(|problem| problem.id.as_str()).collect();
        let left_out = all.into_iter().filter(|id| !kept.contains(id.as_str())).collect();
        let sha256 = sha256(&path).context("failed to read the benchmark")?;
        Ok(Problems { benchmark, name: name.to_owned(), path, sha256, problems, left_out })
    }

    /// Limits and rules of these problems.
    pub(super) fn rules(&self) -> Rules {
        self.benchmark.map_or(TASK_RULES, |benchmark| benchmark.rules)
    }

    /// Name, size, and whether the file is the published one.
    pub(super) fn describe(&self) -> String {
        let (name, count) = (&self.name, self.problems.len());
        match self.benchmark {
            Some(benchmark) if !benchmark.sha256.is_empty() && benchmark.sha256 != self.sha256 => {
                format!(
                    "{name}, {count} problems, from a file that is not the published one ({})",
                    self.path.display()
                )
            }
            _ => format!("{name}, {count} problems"),
        }
    }

    /// Runs every reference.
    pub(super) fn check(&self, sandbox: &Sandbox, terminal: &Terminal) -> Result<ReferenceCheck> {
        let total = self.problems.len() as u64;
        let stage = format!("references of {}", self.name);
        let progress = Mutex::new(Progress::start(terminal, &stage, 0, total, Lines::Sparse));
        let tell = |done: usize| {
            if let Ok(mut progress) = progress.lock() {
                progress.update(done as u64, "");
            }
        };
        let found = check_references(&self.problems, sandbox, self.rules(), self.benchmark, &tell);
        let found = found.context("failed to run the references")?;
        if let Ok(progress) = progress.into_inner() {
            progress.finish(&found.summary());
        }
        Ok(found)
    }

    /// Makes sure that the references pass here; what was found is remembered for this file, and rules.
    pub(super) fn checked(
        self,
        sandbox: &Sandbox,
        python: Option<&Path>,
        allows_broken: bool,
        terminal: &Terminal,
    ) -> Result<Checked> {
        let mark = self.mark(python);
        let stored = mark.as_ref().and_then(|mark| serde_json::from_slice(&fs::read(mark).ok()?).ok());
        let found: ReferenceCheck = match stored {
            Some(found) => found,
            None => {
                let found = self.check(sandbox, terminal)?;
                if let Some(mark) = &mark {
                    let bytes = serde_json::to_vec(&found)?;
                    let written = mark
                        .parent()
                        .map(fs::create_dir_all)
                        .transpose()
                        .and_then(|_| fs::write(mark, bytes));
                    written.unwrap_or_else(|error| {
                        tracing::debug!("failed to write {}: {error}", mark.display())
                    });
                }
                found
            }
        };
        let mut provenance = Provenance::new();
        let rules = self.rules();
        for (key, value) in [
            ("benchmark", self.name.clone()),
            ("file_sha256", self.sha256.clone()),
            ("extraction", rules.extraction.into()),
            ("comparison", rules.comparison.into()),
            ("limits", rules.limits_line()),
            ("references", found.summary()),
        ] {
            provenance.insert(key.into(), value);
        }
        provenance.extend(python.map(|python| ("python".to_owned(), python.display().to_string())));
        if !found.is_sound() {
            let first = found.failures.iter().find(|failure| failure.known.is_none());
            let first =
                first.map(|failure| format!("{}: {:?} {}", failure.id, failure.class, failure.message));
            let message =
                format!("{}: {}; first: {}", self.describe(), found.summary(), first.unwrap_or_default());
            if !allows_broken {
                let hint = format!(
                    "hint: `hone eval --check {}` lists them; --allow-broken scores all the same and says so",
                    self.name
                );
                return Err(Usage(format!("{message}\n{hint}")).into());
            }
            provenance.insert("warning".into(), message);
        }
        Ok(Checked { problems: self, shown: Vec::new(), provenance, references: found })
    }

    /// Where the result of a check of this file is kept.
    fn mark(&self, python: Option<&Path>) -> Option<PathBuf> {
        let cache = hone_model::weights::cache_folder().ok()?;
        let facts = format!(
            "{} {} {} {:?} {} {python:?}",
            self.name,
            self.sha256,
            self.problems.len(),
            self.rules(),
            env!("CARGO_PKG_VERSION")
        );
        let name: String = Sha256::digest(facts).iter().map(|byte| format!("{byte:02x}")).collect();
        Some(cache.join("checked-benchmarks").join(name))
    }
}

impl Arguments {
    /// The problems, after their references have passed here.
    pub(super) fn checked_problems(
        &self,
        name: &str,
        sandbox: &Sandbox,
        terminal: &Terminal,
    ) -> Result<Checked> {
        // Those of the benchmark that are shown are not evaluated.
        let own = if self.shots_file.is_some() { 0 } else { self.shots.unwrap_or(0) };
        let problems =
            Problems::load(name, self.file.as_deref(), &self.window(), self.limit.map(|limit| limit + own))?;
        let mut checked = problems.checked(sandbox, self.python.as_deref(), self.allow_broken, terminal)?;
        checked.shown = self.shown(&mut checked.problems, own)?;
        let style = match self.prompt {
            PromptStyle::Chat => "chat",
            PromptStyle::Completion => "completion",
        };
        checked.provenance.insert("prompt".into(), style.into());
        for (key, day) in [("since", &self.since), ("until", &self.until)] {
            checked.provenance.extend(day.as_ref().map(|day| (key.to_owned(), day.clone())));
        }
        checked.provenance.insert("shots".into(), checked.shown.len().to_string());
        if !checked.shown.is_empty() {
            checked.provenance.insert("shots_sha256".into(), shots_sha256(&checked.shown));
        }
        Ok(checked)
    }

    /// The solved examples: rows of a file, or the first `own` problems, which are taken out.
    fn shown(&self, problems: &mut Problems, own: usize) -> Result<Vec<Shot>> {
        if let Some(path) = &self.shots_file {
            let mut shots = read_shots(path).map_err(|error| Usage(error.to_string()))?;
            let wanted = self.shots.unwrap_or(shots.len());
            if wanted > shots.len() {
                let found = shots.len();
                let message =
                    format!("--shots: expected {wanted} examples in {}, found {found}", path.display());
                return Err(Usage(message).into());
            }
            shots.truncate(wanted);
            return Ok(shots);
        }
        let own = own.min(problems.problems.len());
        let solved = problems.problems.drain(..own).map(|problem| {
            problem.solved(self.prompt).ok_or_else(|| {
                let message = format!(
                    "--shots: {}: expected a reference that answers its question, found none\nhint: --shots-file FILE shows examples of your own",
                    problem.id
                );
                Usage(message).into()
            })
        });
        solved.collect()
    }

    pub(super) fn set(&self, checked: &Checked, sandbox: Arc<Sandbox>) -> BenchmarkSet {
        let rules = checked.problems.rules();
        BenchmarkSet::new(checked.problems.problems.clone(), sandbox, rules, self.prompt)
            .with_shots(checked.shown.clone())
            .paced(rules, &checked.references)
    }
}

/// Folders where benchmark files are looked for.
pub(crate) fn folders() -> Vec<PathBuf> {
    let named = std::env::var_os("HONE_BENCHMARKS").map(PathBuf::from);
    let cache = hone_model::weights::cache_folder().ok().map(|cache| cache.join("benchmarks"));
    named.into_iter().chain(cache).collect()
}

/// A tasks file; what is none may be a benchmark's name, misspelt.
pub(super) fn tasks_path(name: &str) -> Result<PathBuf> {
    let path = PathBuf::from(name);
    if path.is_file() {
        return Ok(path);
    }
    let names: Vec<&str> = benchmarks().iter().map(|benchmark| benchmark.name).collect();
    let hint = match closest(name, &names) {
        Some(near) => format!("did you mean {near}?"),
        None => "`hone benchmark list` names the benchmarks".into(),
    };
    let message = format!("expected a benchmark's name or a tasks file, found {name:?}\nhint: {hint}");
    Err(Usage(message).into())
}

fn locate(benchmark: &Benchmark) -> Result<PathBuf> {
    benchmark.find(&folders()).ok_or_else(|| {
        let places: Vec<String> = folders().iter().map(|folder| folder.display().to_string()).collect();
        let message = format!(
            "benchmark {}: expected the file {} in {}, found none\nhint: `hone benchmark fetch {}`, or give it with --file, or set HONE_BENCHMARKS to a folder that has it",
            benchmark.name,
            benchmark.file,
            places.join(" or "),
            benchmark.name
        );
        Usage(message).into()
    })
}
