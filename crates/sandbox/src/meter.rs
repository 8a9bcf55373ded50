//! Counting the instructions of one run: by the processor's counter, or under valgrind's callgrind.
//!
//! The run is behind the same layers as any other. What callgrind says comes through a pipe that the program could
//! write to as well, so it is believed only if it is exactly one report of one process, and plausible for the CPU time
//! that the run took. Not here: which method is chosen, and what is subtracted (`cost.rs`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::language::diagnosis::Place;
use crate::perf::{Counter, CounterError, Event};
use crate::pool::Pool;
use crate::program::{Attempt, Built, fly, order};
use crate::run::payload;
use crate::zygote::{Operation, Reason, Setup};
use crate::{CostMethod, CostProgram, Language, Limits, OutcomeClass, SandboxError};

/// Longest plain CPU time of all inputs together that is run again under callgrind, in milliseconds.
const CALLGRIND_MOST_MS: f64 = 400.0;
/// How much slower a run under callgrind is taken to be at most.
const CALLGRIND_SLOWDOWN: f64 = 300.0;
/// CPU time of starting under callgrind, at most, in milliseconds.
const CALLGRIND_START_MS: u64 = 20_000;
/// Fewest instructions that callgrind gets through in a millisecond of CPU time, once started; it is 15,000 and more. A
/// program that has it look away takes time that the count does not explain.
const CALLGRIND_LEAST_RATE: f64 = 2_000.0;
/// What callgrind takes to start and to translate a program's code, as CPU milliseconds that need no explanation.
const CALLGRIND_FREE_MS: f64 = 3_000.0;
/// Most bytes of callgrind's report; a pipe holds more, so that a report cannot be kept out by filling it.
const MAX_REPORT: u64 = 16 << 10;
/// The descriptor that callgrind reports to.
const REPORT_FD: u32 = 3;
/// What makes a Python program's count repeatable; as in every other run of one.
const PYTHON_SETTINGS: &[(&str, &str)] = &[("PYTHONHASHSEED", "0"), ("PYTHONUTF8", "1")];

/// A counted run.
pub(crate) struct Count {
    /// With start-up.
    pub(crate) instructions: u64,
    pub(crate) stdout: String,
}

/// A program that does nothing: its cost is start-up.
pub(crate) fn empty_program(language: Language) -> &'static str {
    match language {
        Language::C | Language::Cpp => "int main(void) { return 0; }\n",
        Language::Rust => "fn main() {}\n",
        Language::Go => "package main\n\nfunc main() {}\n",
        Language::Java => "public class Main { public static void main(String[] arguments) {} }\n",
        Language::Python | Language::JavaScript | Language::Bash => "\n",
    }
}

/// Whether a method can count this language's programs, for runs that take `cpu_ms` in all.
pub(crate) fn is_fit(method: CostMethod, language: Language, cpu_ms: f64) -> bool {
    match method {
        CostMethod::PerfEvent => perf_event().is_ok(),
        // Runtimes that compile while they run, and shells, are many threads or processes.
        CostMethod::Callgrind => {
            let is_one_process =
                matches!(language, Language::Python | Language::C | Language::Cpp | Language::Rust);
            is_one_process && cpu_ms <= CALLGRIND_MOST_MS && valgrind().is_some()
        }
        CostMethod::CpuTime => true,
    }
}

/// Whether the processor's counter can be read here.
pub(crate) fn perf_event() -> Result<String, (String, &'static str)> {
    match Counter::open(0, Event::Instructions) {
        Ok(_) => Ok("hardware counter of user-mode instructions".into()),
        Err(CounterError::Forbidden) => Err((
            "the kernel forbids this user to read hardware counters".into(),
            "run as root, or: sysctl kernel.perf_event_paranoid=1",
        )),
        Err(CounterError::Absent) => Err((
            "no hardware counter of instructions, as in most virtual machines".into(),
            "use a machine, or a virtual one, that passes its performance counters on",
        )),
    }
}

/// Whether valgrind is there.
pub(crate) fn callgrind() -> Result<String, (String, &'static str)> {
    match valgrind() {
        Some(path) => Ok(path.display().to_string()),
        None => Err(("valgrind is not installed".into(), "on Debian or Ubuntu: apt-get install valgrind")),
    }
}

/// Valgrind's own binary; Debian puts a shell script before it. Only what the private root shows is of use.
fn valgrind() -> Option<PathBuf> {
    let places = ["/usr/bin/valgrind.bin", "/usr/bin/valgrind", "/usr/local/bin/valgrind"];
    places.iter().map(Path::new).find(|path| path.exists()).map(Path::to_path_buf)
}

impl Pool {
    /// What an empty program of this language costs by this method; measured once.
    pub(crate) fn start_up_instructions(
        &self,
        method: CostMethod,
        language: Language,
    ) -> Result<Option<u64>, SandboxError> {
        let known = self.start_ups.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(instructions) = known.get(&(method, language)) {
            return Ok(Some(*instructions));
        }
        drop(known);
        let program = CostProgram { language, source: empty_program(language).into() };
        let counted = self.count(method, &program, b"", &Limits::default(), 50.0)?;
        let Some(count) = counted else { return Ok(None) };
        let mut known = self.start_ups.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(Some(*known.entry((method, language)).or_insert(count.instructions)))
    }

    /// One run, counted; `None` if it did not end well or its count is not to be believed.
    pub(crate) fn count(
        &self,
        method: CostMethod,
        program: &CostProgram,
        stdin: &[u8],
        limits: &Limits,
        plain_cpu_ms: f64,
    ) -> Result<Option<Count>, SandboxError> {
        let Some(built) = self.metered(program)? else { return Ok(None) };
        let language = program.language;
        match method {
            CostMethod::PerfEvent => self.with_worker(|worker| {
                let zygote = self.meter(worker, language, &built.setup)?;
                let Ok(counter) = Counter::open(zygote.pid(), Event::Instructions) else { return Ok(None) };
                let orders =
                    order(std::slice::from_ref(&built.start), limits, &built.files, None, PYTHON_SETTINGS);
                let flown = fly(zygote, Operation::Launch, orders, stdin, limits, None, None)?;
                let is_well = flown.is_well();
                let stdout = flown.outcome.stdout;
                Ok(counter.read().filter(|_| is_well).map(|instructions| Count { instructions, stdout }))
            }),
            CostMethod::Callgrind => {
                let Some(valgrind) = valgrind() else { return Ok(None) };
                let limits = callgrind_limits(limits, plain_cpu_ms);
                let command = [callgrind_command(&valgrind), built.start.clone()].concat();
                self.with_worker(|worker| {
                    let zygote = self.meter(worker, language, &built.setup)?;
                    let orders =
                        order(std::slice::from_ref(&command), &limits, &built.files, None, PYTHON_SETTINGS);
                    let flown =
                        fly(zygote, Operation::Launch, orders, stdin, &limits, None, Some(MAX_REPORT))?;
                    let report = reported_instructions(&flown.extra);
                    let is_sound = flown.is_well()
                        && (flown.extra.len() as u64) < MAX_REPORT
                        && report.is_some_and(|count| is_plausible(count, flown.outcome.cpu_ms));
                    let stdout = flown.outcome.stdout;
                    Ok(report.filter(|_| is_sound).map(|instructions| Count { instructions, stdout }))
                })
            }
            CostMethod::CpuTime => Ok(None),
        }
    }

    /// The program as something to execute: Python too, which elsewhere runs as a fork of an interpreter.
    fn metered(&self, program: &CostProgram) -> Result<Option<Built>, SandboxError> {
        let mut built = if program.language == Language::Python {
            let interpreter = self.setup.python.path.display().to_string();
            let file = "program.py";
            Built {
                language: Language::Python,
                setup: self.language_setup(Language::Python, &[]),
                files: Arc::new(payload(&[file.as_bytes(), program.source.as_bytes()])),
                start: vec![interpreter, "-s".into(), "-B".into(), format!("{{program}}/{file}")],
                place: Place { file: file.into(), lines: 0, has_tests: false },
            }
        } else {
            match self.compile(program.language, &program.source)? {
                Attempt::Ready(built) => built,
                Attempt::Failed(_) => return Ok(None),
            }
        };
        // Valgrind reserves address space; what is resident is watched, as for the runtimes that do so themselves.
        built.setup = Arc::new(Setup { reserves_address_space: true, ..Setup::clone(&built.setup) });
        Ok(Some(built))
    }
}

fn callgrind_command(valgrind: &Path) -> Vec<String> {
    let report = format!("--log-fd={REPORT_FD}");
    // What is executed is counted too: two reports are not believed, so nothing can be done out of sight.
    let options =
        ["--tool=callgrind", "--callgrind-out-file=/dev/null", "--vgdb=no", "--trace-children=yes", &report];
    std::iter::once(valgrind.display().to_string()).chain(options.map(str::to_owned)).collect()
}

/// Time and memory for callgrind, and one process: what another did could be kept from the report.
fn callgrind_limits(limits: &Limits, plain_cpu_ms: f64) -> Limits {
    let cpu_ms = CALLGRIND_START_MS + (plain_cpu_ms * CALLGRIND_SLOWDOWN) as u64;
    Limits {
        cpu_ms,
        wall_ms: 2 * cpu_ms,
        memory_bytes: limits.memory_bytes.saturating_mul(4).saturating_add(1 << 30),
        processes: 1,
        open_files: limits.open_files.max(64),
        ..limits.clone()
    }
}

/// What one process's report says; `None` if there is none, or more than one.
pub(crate) fn reported_instructions(report: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(report).ok()?;
    let is_one = |mark: &str| text.matches(mark).count() == 1;
    if !is_one("Callgrind, a call-graph") || !is_one("Collected") || !is_one("Events") {
        return None;
    }
    let line = text.lines().find(|line| line.contains("Collected"))?;
    let (process, rest) = line.strip_prefix("==")?.split_once("== Collected : ")?;
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(process) || !is_digits(rest) {
        return None;
    }
    rest.parse().ok()
}

/// Whether so many instructions explain so much CPU time under callgrind.
fn is_plausible(instructions: u64, cpu_ms: f64) -> bool {
    instructions as f64 >= (cpu_ms - CALLGRIND_FREE_MS) * CALLGRIND_LEAST_RATE
}

impl crate::program::Flown {
    /// Whether the program ended by itself, with success and nothing cut off.
    fn is_well(&self) -> bool {
        debug_assert_ne!(self.outcome.class, OutcomeClass::Passed, "the class is not decided yet");
        self.reply.reason == Reason::Ended
            && self.outcome.exit_code == Some(0)
            && self.outcome.truncated_bytes == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "==7== Callgrind, a call-graph generating cache profiler\n==7== Command: p\n==7== \n\
                          ==7== Events    : Ir\n==7== Collected : 1234567\n==7== \n==7== I   refs:      1,234,567\n";

    #[test]
    fn one_report_is_believed_and_nothing_else() {
        assert_eq!(reported_instructions(REPORT.as_bytes()), Some(1_234_567));
        for forged in [
            String::new(),
            REPORT.repeat(2),
            format!("==7== Collected : 1\n{REPORT}"),
            format!("{REPORT}==7== Collected : 1\n"),
            REPORT.replace("1234567", "1 2"),
            REPORT.replace("1234567", "-5"),
            REPORT.replace("1234567", ""),
            REPORT.replace("==7== Collected", "x==7== Collected"),
            REPORT.replace("1234567", "99999999999999999999999"),
        ] {
            assert_eq!(reported_instructions(forged.as_bytes()), None, "{forged}");
        }
    }

    #[test]
    fn a_count_must_explain_the_time() {
        assert!(is_plausible(30_000_000, 1_500.0));
        assert!(is_plausible(1_000_000_000, 40_000.0));
        assert!(!is_plausible(1_000_000, 40_000.0));
    }
}
