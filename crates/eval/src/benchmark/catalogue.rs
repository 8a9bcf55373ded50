//! The benchmarks that are known by name: where each comes from, its licence, its rules, what is broken in its data.

use std::path::{Path, PathBuf};

use super::rows::{BenchmarkError, Row, read_rows};
use super::{Problem, published};

/// A benchmark's file and everything that decides a score on it.
#[derive(Debug)]
pub struct Benchmark {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its title and paper.
    pub title: &'static str,
    /// Its file's name, in a folder of the file's origin.
    pub file: &'static str,
    /// The public repository the file is of: owner, name, commit and path.
    pub source: Source,
    /// Where else it is published: data set on the model hub, package.
    pub also: &'static str,
    /// Licence of the data.
    pub licence: &'static str,
    /// Checksum of the file; empty where it was never at hand here.
    pub sha256: &'static str,
    /// Size of the file; 0 if unknown.
    pub bytes: u64,
    /// Number of problems; 0 if it depends on the release.
    pub problems: usize,
    /// Problems whose own references cannot pass, and why.
    pub broken: &'static [(&'static str, &'static str)],
    /// Problems that are judged otherwise than the rest, how, and why.
    pub exceptions: &'static [(&'static str, &'static str)],
    /// How it is judged.
    pub rules: Rules,
    pub(super) read: fn(&Row) -> Result<Problem, String>,
}

/// A file in a public repository.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    /// `owner/name`.
    pub repository: &'static str,
    /// The commit the checksum is of.
    pub commit: &'static str,
    /// Path in the repository.
    pub path: &'static str,
}

/// What decides a verdict besides the tests; recorded with every result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How answers become programs.
    pub extraction: &'static str,
    /// How results are compared.
    pub comparison: &'static str,
    /// CPU time of one program, in milliseconds.
    pub cpu_ms: u64,
    /// Memory of one program, in bytes.
    pub memory_bytes: u64,
    /// Less CPU time than `cpu_ms` where the problem's reference needs little of it.
    pub pace: Option<Pace>,
}

/// CPU time of a program by what its problem's reference took here.
///
/// EvalPlus (arXiv 2305.01210; evalplus 0.3.1) ends a program that takes longer for one input than 4 times the reference, or
/// than 1 s if that is more. Here it is all inputs together, so the least is more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How many times the reference's CPU time.
    pub times: u64,
    /// The least, in milliseconds.
    pub least_cpu_ms: u64,
}

impl Rules {
    /// CPU time of a program whose problem's reference took `reference_ms`, in milliseconds.
    pub fn cpu_ms_by(&self, reference_ms: Option<f64>) -> u64 {
        match (self.pace, reference_ms) {
            (Some(pace), Some(reference)) => {
                let paced = (reference * pace.times as f64).ceil() as u64;
                paced.max(pace.least_cpu_ms).min(self.cpu_ms)
            }
            _ => self.cpu_ms,
        }
    }

    /// The limits in one line, for results.
    pub fn limits_line(&self) -> String {
        let memory = format!("{} MiB", self.memory_bytes >> 20);
        match self.pace {
            Some(Pace { times, least_cpu_ms }) => format!(
                "{times} times the reference's CPU time, at least {least_cpu_ms} ms, at most {} ms, {memory}",
                self.cpu_ms
            ),
            None => format!("{} ms CPU, {memory}", self.cpu_ms),
        }
    }
}

impl Benchmark {
    /// Reads a file of this benchmark.
    pub fn read(&self, path: &Path) -> Result<Vec<Problem>, BenchmarkError> {
        let failure = |(index, message): (usize, String)| BenchmarkError::Row {
            path: path.display().to_string(),
            row: index + 1,
            message,
        };
        let rows = read_rows(path)?;
        let problem = |(index, row)| (self.read)(row).map_err(|message| failure((index, message)));
        let problems: Vec<Problem> = rows.iter().enumerate().map(problem).collect::<Result<_, _>>()?;
        let mut ids: Vec<&str> = problems.iter().map(|problem| problem.id.as_str()).collect();
        ids.sort_unstable();
        match ids.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(failure((0, format!("expected every id once, found {:?} again", pair[0])))),
            None if problems.is_empty() => Err(failure((0, "expected problems, found none".into()))),
            None => Ok(problems),
        }
    }

    /// Where the file is, of these folders: as they are, or by the folder of the file's origin.
    pub fn find(&self, folders: &[PathBuf]) -> Option<PathBuf> {
        let name = Path::new(self.file).file_name()?;
        let places = folders.iter().flat_map(|folder| [folder.join(self.file), folder.join(name)]);
        places.into_iter().find(|place| place.exists())
    }

    /// Whether it is one of EvalPlus's, which report pass@k on base tests too.
    pub fn is_evalplus(&self) -> bool {
        self.name.ends_with('+')
    }

    /// Why a problem is known to be broken, if it is.
    pub fn broken_because(&self, id: &str) -> Option<&'static str> {
        self.broken.iter().find(|(broken, _)| *broken == id).map(|(_, why)| *why)
    }

    /// Address of the file, where it is published as one.
    pub fn url(&self) -> Option<String> {
        let Source { repository, commit, path } = self.source;
        (!repository.is_empty())
            .then(|| format!("https://raw.githubusercontent.com/{repository}/{commit}/{path}"))
    }
}

/// All benchmarks, in the order of `hone benchmark list`.
pub fn benchmarks() -> &'static [Benchmark] {
    &published::BENCHMARKS
}

/// The benchmark called `name`.
pub fn find_benchmark(name: &str) -> Option<&'static Benchmark> {
    benchmarks().iter().find(|benchmark| benchmark.name.eq_ignore_ascii_case(name))
}

/// A whole program may take this long; wall time is not judged, so that a busy machine changes no verdict.
pub(super) const FUNCTION_RULES: Rules = Rules {
    extraction: "completion: prompt + completion up to the first stop; chat: fenced code by grammar, unused statements dropped",
    comparison: "the benchmark's own asserts",
    cpu_ms: 10_000,
    memory_bytes: 1 << 30,
    pace: None,
};

/// Rules of a user's own tasks.
pub const TASK_RULES: Rules = FUNCTION_RULES;

pub(super) const PLUS_RULES: Rules = Rules {
    cpu_ms: 60_000,
    memory_bytes: 4 << 30,
    pace: Some(Pace { times: 4, least_cpu_ms: 5_000 }),
    ..FUNCTION_RULES
};

pub(super) const PROGRAM_RULES: Rules = Rules {
    extraction: "completion: up to the first stop; chat: fenced code by grammar, unused statements dropped",
    ..FUNCTION_RULES
};

pub(super) const MIDDLE_RULES: Rules =
    Rules { extraction: "prefix + answer + suffix, verbatim; chat: the fenced code", ..FUNCTION_RULES };

pub(super) const EXPRESSION_RULES: Rules = Rules {
    extraction: "between [ANSWER] marks, the asked side of the equation; an output answer with the very call is wrong",
    comparison: "answer() == expected",
    ..FUNCTION_RULES
};

pub(super) const CONTEST_RULES: Rules = Rules {
    extraction: "completion: up to the first stop; chat: fenced code by grammar; the harness' imports before it",
    comparison: "APPS: calls as its harness compares values, printed lines trimmed and numbers within 1e-5; never sets of words",
    // 4 s a test is its limit; here it is that of all tests together.
    cpu_ms: 60_000,
    memory_bytes: 1 << 30,
    pace: None,
};

pub(super) const LIVE_RULES: Rules = Rules {
    comparison: "LiveCodeBench: as many lines, each equal after trimming or by decimal numbers; calls: tuples as lists",
    ..CONTEST_RULES
};

pub(super) const TRANSLATED_RULES: Rules = Rules {
    extraction: "completion: prompt + completion up to the first stop (HumanEval-X: up to the last brace); chat: fenced code by grammar, its main and tests dropped",
    comparison: "the benchmark's own test program, in the solution's process (weaker: its end is proven, its asserts are not)",
    cpu_ms: 20_000,
    memory_bytes: 2 << 30,
    pace: None,
};

pub(super) const LIBRARY_RULES: Rules = Rules {
    comparison: "unittest in the solution's own process (weaker: a program that means to can forge it)",
    cpu_ms: 60_000,
    memory_bytes: 4 << 30,
    ..FUNCTION_RULES
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_sets_the_pace_within_bounds() {
        for (reference, expected) in
            [(None, 60_000), (Some(80.0), 5_000), (Some(2_000.1), 8_001), (Some(30_000.0), 60_000)]
        {
            assert_eq!(PLUS_RULES.cpu_ms_by(reference), expected, "{reference:?}");
        }
        assert_eq!(FUNCTION_RULES.cpu_ms_by(Some(80.0)), 10_000);
        assert_eq!(FUNCTION_RULES.limits_line(), "10000 ms CPU, 1024 MiB");
        assert!(PLUS_RULES.limits_line().starts_with("4 times the reference's CPU time, at least 5000 ms,"));
    }

    #[test]
    fn names_are_unique_and_found() {
        for benchmark in benchmarks() {
            assert!(
                std::ptr::eq(find_benchmark(benchmark.name).expect("found"), benchmark),
                "{}",
                benchmark.name
            );
            assert!(matches!(benchmark.sha256.len(), 0 | 64), "{}", benchmark.name);
            let is_published = benchmark.url().is_some_and(|url| url.starts_with("https://"));
            assert_eq!(is_published, !benchmark.sha256.is_empty(), "{}", benchmark.name);
        }
        assert!(find_benchmark("HumanEval").is_some());
        assert!(find_benchmark("nothing").is_none());
    }
}
