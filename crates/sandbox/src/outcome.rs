//! What an execution did: a value, also when the program was wrong, crashed or never ended.

use serde::{Deserialize, Serialize};

use crate::Cost;

/// The class of an outcome; the first that applies, in this order (arXiv 2207.01780 groups them into four).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutcomeClass {
    /// The program could not be parsed or built.
    CompileError,
    /// CPU or wall time ran out.
    Timeout,
    /// The memory limit was hit.
    MemoryLimit,
    /// More output than `output_bytes`.
    OutputLimit,
    /// An exception, a signal, or a non-zero exit.
    RuntimeError,
    /// It ran, and at least one test found a wrong result.
    WrongAnswer,
    /// It ran to its end (a plain run), or all tests passed (a judged one).
    Passed,
}

/// Where and how the *program* failed (RLTF, arXiv 2307.04349, needs the line).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramError {
    /// Error type, such as `ZeroDivisionError`.
    pub kind: String,
    /// The message, bounded in length.
    pub message: String,
    /// 1-based line in the program's own source.
    pub line: Option<u32>,
    /// 1-based column in the program's own source.
    pub column: Option<u32>,
}

/// A limit of a run; the names are those of `Limits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitName {
    /// CPU time.
    CpuMs,
    /// Wall time.
    WallMs,
    /// Memory.
    MemoryBytes,
    /// What is printed.
    OutputBytes,
    /// Processes and threads at one time.
    Processes,
    /// Open files of one process.
    OpenFiles,
    /// Bytes in `/tmp`, and in one file.
    DiskBytes,
    /// Files in `/tmp`; no field of `Limits`, as it is always the same.
    DiskFiles,
}

/// A limit that a failed run reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitHit {
    /// Which one.
    pub limit: LimitName,
    /// How much it allows, in the unit of its name.
    pub value: u64,
}

/// What one execution did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The class.
    pub class: OutcomeClass,
    /// Exit status, if it exited by itself.
    pub exit_code: Option<i32>,
    /// Signal number, if a signal ended it.
    pub signal: Option<i32>,
    /// Captured stdout, at most `output_bytes`; invalid UTF-8 is replaced.
    pub stdout: String,
    /// Captured stderr, at most `output_bytes`.
    pub stderr: String,
    /// Bytes of stdout and stderr that the program wrote before it was ended and that were cut off.
    pub truncated_bytes: u64,
    /// How many of `truncated_bytes` were stderr's; the others were stdout's.
    #[serde(default)]
    pub truncated_stderr_bytes: u64,
    /// User + system CPU time, in milliseconds.
    pub cpu_ms: f64,
    /// Wall time, in milliseconds.
    pub wall_ms: f64,
    /// Peak memory, in bytes, where it could be measured. About 10 MB at least: what a process has before it becomes the program.
    pub peak_memory_bytes: Option<u64>,
    /// The program's own error.
    pub error: Option<ProgramError>,
    /// The limit that it reached, if it failed and did reach one. For limits that no class tells of, this is advice where
    /// the kernel keeps no count, as it is by what the program says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_hit: Option<LimitHit>,
    /// The isolation layers that were in force, by name.
    pub isolation: Vec<String>,
    /// What running it costs, where that was asked for and could be measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
}

impl Outcome {
    /// Why a run failed, in a line: its error, else the limit that it reached, else how it ended.
    pub(crate) fn why(&self) -> String {
        let class = name(self.class);
        match (&self.error, &self.limit_hit, self.exit_code, self.signal) {
            (Some(error), _, _, _) => format!("{}: {}", error.kind, error.message),
            (None, Some(hit), _, _) => format!("{class}: reached {}={}", name(hit.limit), hit.value),
            (None, None, _, Some(signal)) => format!("{class}: ended by signal {signal}"),
            (None, None, Some(code), None) if code != 0 => format!("{class}: exit code {code}"),
            _ => class,
        }
    }
}

/// What a class or limit is called in JSON.
fn name(value: impl Serialize) -> String {
    serde_json::to_string(&value).unwrap_or_default().trim_matches('"').to_owned()
}
