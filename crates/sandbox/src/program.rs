//! Programs of other languages than Python: built once, run many times, judged.
//!
//! Compilers run in the sandbox like any program, with limits of their own (`SandboxConfig::build_limits`): what they
//! read is hostile too. Not here: what a language's build is (`language/`), how a process is launched (`launch.py`).

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::language::diagnosis::{self, OUT_OF_MEMORY, Place};
use crate::language::{Build, Source};
use crate::limit_hit::limit_hit;
use crate::pool::Pool;
use crate::root::PROGRAM;
use crate::run::{exceeded, outcome_of, payload};
use crate::supervise::{Capture, Flight, supervise};
use crate::toolchain::{self, Tools};
use crate::zygote::{Operation, Reason, Reply, Setup, Zygote, memory_file};
use crate::{
    Compare, JudgeMode, Judgement, Language, Limits, Outcome, OutcomeClass, ProgramError, SandboxError,
    StdioCase, TestResult, stdio,
};

/// Most bytes a built program may have.
const MAX_ARTIFACT: u64 = 64 << 20;
/// Changes when the meaning of a cached build does.
const FORMAT: u32 = 1;
/// Hexadecimal digits of the token that proves the end of a test program.
const TOKEN_BYTES: usize = 32;

/// A built program, ready to run any number of times.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    pub(crate) language: Language,
    pub(crate) setup: Arc<Setup>,
    /// Its files: names and contents, as `launch.py` reads them.
    pub(crate) files: Arc<Vec<u8>>,
    pub(crate) start: Vec<String>,
    pub(crate) place: Place,
}

/// What became of a build.
#[derive(Debug, Clone)]
pub(crate) enum Attempt {
    /// It can be run.
    Ready(Built),
    /// It could not be built: an outcome, as any other.
    Failed(Box<Outcome>),
}

impl Pool {
    /// Builds a program, or takes it from the cache.
    pub(crate) fn compile(&self, language: Language, source: &str) -> Result<Attempt, SandboxError> {
        self.build(language, &Source { program: source, tests: None })
    }

    /// Runs a built program with `stdin`.
    pub(crate) fn execute(
        &self,
        program: &Built,
        stdin: &[u8],
        limits: &Limits,
    ) -> Result<Outcome, SandboxError> {
        self.with_worker(|worker| {
            let zygote = self.launcher(worker, program.language, &program.setup)?;
            launch(zygote, program, stdin, limits, None).map(|(outcome, _)| outcome)
        })
    }

    /// Builds and runs a program of any language with `stdin`.
    pub(crate) fn run_in(
        &self,
        language: Language,
        source: &str,
        stdin: &[u8],
        limits: &Limits,
    ) -> Result<Outcome, SandboxError> {
        if language == Language::Python {
            return self.run(source, stdin, limits);
        }
        match self.compile(language, source)? {
            Attempt::Ready(program) => self.execute(&program, stdin, limits),
            Attempt::Failed(outcome) => Ok(*outcome),
        }
    }

    /// Judges a program of any language by stdin/stdout cases; its output is compared outside of its process.
    pub(crate) fn judge_stdio_in(
        &self,
        language: Language,
        source: &str,
        cases: &[StdioCase],
        compare: Compare,
        limits: &Limits,
    ) -> Result<Judgement, SandboxError> {
        if language == Language::Python || cases.is_empty() {
            return self.judge_stdio(source, cases, compare, limits);
        }
        match self.compile(language, source)? {
            Attempt::Ready(program) => {
                stdio::judge(cases, compare, limits, |stdin, limits| self.execute(&program, stdin, limits))
            }
            Attempt::Failed(outcome) => {
                let test = TestResult { is_passed: false, message: Some(outcome.why()) };
                let tests = vec![test; cases.len()];
                Ok(Judgement { outcome: *outcome, tests, mode: JudgeMode::Split })
            }
        }
    }

    /// Judges a solution by a test program that it is part of (MultiPL-E, HumanEval-X): the weaker `JudgeMode::Joint`,
    /// where the end of the tests must be proven by a token that the solution is not given.
    pub(crate) fn judge_program(
        &self,
        language: Language,
        solution: &str,
        tests: &str,
        limits: &Limits,
    ) -> Result<Judgement, SandboxError> {
        if tests.trim().is_empty() {
            let message =
                "the test program is empty, so nothing could be judged\nhint: give at least one test";
            return Err(SandboxError::BadSubmission(message.into()));
        }
        let program = match self.build(language, &Source { program: solution, tests: Some(tests) })? {
            Attempt::Ready(program) => program,
            Attempt::Failed(outcome) => {
                let tests = vec![TestResult { is_passed: false, message: Some(outcome.why()) }];
                return Ok(Judgement { outcome: *outcome, tests, mode: JudgeMode::Joint });
            }
        };
        let token = new_token().map_err(|e| SandboxError::Worker(format!("reading random numbers: {e}")))?;
        let (mut outcome, shown) = self.with_worker(|worker| {
            let zygote = self.launcher(worker, language, &program.setup)?;
            launch(zygote, &program, b"", limits, Some(&token))
        })?;
        let proof = [&token[TOKEN_BYTES / 2..], &token[..TOKEN_BYTES / 2]].concat();
        if outcome.class == OutcomeClass::Passed && shown != proof {
            outcome.class = OutcomeClass::RuntimeError;
            let message = "the program ended before its tests did".to_owned();
            outcome.error =
                Some(ProgramError { kind: "EarlyExit".into(), message, line: None, column: None });
        }
        let is_passed = outcome.class == OutcomeClass::Passed;
        let is_wrong = outcome.class == OutcomeClass::RuntimeError
            && outcome.error.as_ref().is_some_and(|e| is_assertion(language, e));
        if is_wrong {
            outcome.class = OutcomeClass::WrongAnswer;
        }
        let message = (!is_passed).then(|| outcome.why());
        let tests = vec![TestResult { is_passed, message }];
        Ok(Judgement { outcome, tests, mode: JudgeMode::Joint })
    }

    fn build(&self, language: Language, source: &Source<'_>) -> Result<Attempt, SandboxError> {
        if language == Language::Python {
            let message = "a Python program is not built\nhint: use run, judge or judge_unittest";
            return Err(SandboxError::BadSubmission(message.into()));
        }
        let tools = toolchain::find(language)?;
        let build = language.plan(tools, source)?;
        let setup = self.language_setup(language, &tools.directories);
        let place = Place {
            file: build.source_file.clone(),
            lines: u32::try_from(source.program.lines().count()).unwrap_or(u32::MAX),
            has_tests: source.tests.is_some(),
        };
        let ready = |files: Vec<u8>| {
            let (start, files) = (build.start.clone(), Arc::new(files));
            Attempt::Ready(Built { language, setup: Arc::clone(&setup), files, start, place: place.clone() })
        };
        let key = key(language, tools, &build);
        if let Some(files) = self.cache.get(&key) {
            return Ok(ready(files));
        }
        let limits = &self.build_limits;
        let attempt = |build: &Build| {
            self.with_worker(|worker| {
                let zygote = self.launcher(worker, language, &setup)?;
                compile(zygote, language, build, &place, limits)
            })
        };
        let (mut outcome, mut files) = attempt(&build)?;
        let second = language.second_plan(tools, source).filter(|_| files.is_none() && is_refused(&outcome));
        if let Some(second) = second {
            let (other, made) = attempt(&second)?;
            // Without a place, the complaint may be about the command, by a compiler that does not know the standard.
            if made.is_some() || other.error.as_ref().is_some_and(|error| error.line.is_some()) {
                (outcome, files) = (other, made);
            }
        }
        match files {
            Some(files) => {
                self.cache.put(&key, &files);
                Ok(ready(files))
            }
            None => Ok(Attempt::Failed(Box::new(outcome))),
        }
    }
}

/// Whether a compiler found something wrong in the text of a program (and did not come to a limit).
fn is_refused(outcome: &Outcome) -> bool {
    outcome.error.as_ref().is_some_and(|error| error.kind == "CompileError")
}

/// Whether an error is the tests' way to say that a result is wrong.
fn is_assertion(language: Language, error: &ProgramError) -> bool {
    match language {
        Language::Rust => error.message.starts_with("assertion"),
        Language::JavaScript => {
            error.kind == "AssertionError" || error.message.starts_with("Assertion failed")
        }
        Language::Java => error.kind.ends_with("AssertionError"),
        Language::Go => error.kind == "TestFailure",
        _ => error.kind == "AssertionError",
    }
}

/// The hash of everything that a build depends on.
fn key(language: Language, tools: &Tools, build: &Build) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: &[u8]| {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    };
    add(&FORMAT.to_le_bytes());
    add(language.name().as_bytes());
    add(tools.version.as_bytes());
    for (name, bytes) in &build.files {
        add(name.as_bytes());
        add(bytes);
    }
    for command in build.commands.iter().chain([&build.start]) {
        add(&(command.len() as u64).to_le_bytes());
        command.iter().for_each(|part| add(part.as_bytes()));
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Runs the compilers; the program's files if all went well. An error means the zygote failed.
fn compile(
    zygote: &mut Zygote,
    language: Language,
    build: &Build,
    place: &Place,
    limits: &Limits,
) -> Result<(Outcome, Option<Vec<u8>>), String> {
    let files: Vec<u8> =
        build.files.iter().flat_map(|(name, bytes)| payload(&[name.as_bytes(), bytes])).collect();
    let order = order(&build.commands, limits, &files, None, &[]);
    let flown = fly(zygote, Operation::Build, order, b"", limits, None, Some(MAX_ARTIFACT))?;
    let Flown { mut outcome, reply, extra: artifact } = flown;
    let is_built = reply.reason == Reason::Ended
        && outcome.exit_code == Some(0)
        && outcome.truncated_bytes == 0
        && are_sound(&artifact);
    if is_built {
        return Ok((outcome, Some(artifact)));
    }
    let limit = exceeded(zygote, &reply, limits, false, outcome.truncated_bytes);
    let mut error = diagnosis::of_build(language, &format!("{}{}", outcome.stderr, outcome.stdout), place);
    if let Some(class) = limit {
        error.kind = format!("{class:?}");
        error.message = "the compiler reached a limit".into();
    } else if error.message.is_empty() {
        error.message = "the compiler made no program".into();
    }
    outcome.error = Some(error);
    outcome.class = OutcomeClass::CompileError;
    Ok((outcome, None))
}

/// Runs a program; with a token, also what it showed as proof of its end.
fn launch(
    zygote: &mut Zygote,
    program: &Built,
    stdin: &[u8],
    limits: &Limits,
    token: Option<&[u8]>,
) -> Result<(Outcome, Vec<u8>), String> {
    let stack_bytes = program.language.first_stack_bytes(limits);
    let order = order(std::slice::from_ref(&program.start), limits, &program.files, stack_bytes, &[]);
    let proof = token.map(|_| TOKEN_BYTES as u64);
    let Flown { mut outcome, reply, extra } =
        fly(zygote, Operation::Launch, order, stdin, limits, token, proof)?;
    let is_well = outcome.exit_code == Some(0);
    if !is_well {
        outcome.error = diagnosis::of_run(program.language, &outcome.stderr, outcome.signal, &program.place);
        if program.language == Language::Go && outcome.error.is_none() {
            outcome.error =
                diagnosis::of_run(program.language, &outcome.stdout, outcome.signal, &program.place);
        }
    }
    let is_memory_error = outcome.error.as_ref().is_some_and(|e| e.kind == OUT_OF_MEMORY);
    let limit = exceeded(zygote, &reply, limits, is_memory_error, outcome.truncated_bytes);
    if limit.is_some() {
        // What ended it is no error of its own: the class and `limit_hit` say what it was.
        outcome.error.take_if(|error| matches!(error.kind.as_str(), "SIGKILL" | "SIGXCPU" | "SIGPIPE"));
    }
    outcome.class = match limit {
        Some(class) => class,
        None if is_well => OutcomeClass::Passed,
        None => OutcomeClass::RuntimeError,
    };
    outcome.limit_hit = limit_hit(zygote, &[&reply], limits, &outcome);
    Ok((outcome, extra))
}

/// A run that came back: what it did, how it ended, and what it wrote to its extra descriptor.
pub(crate) struct Flown {
    pub(crate) outcome: Outcome,
    pub(crate) reply: Reply,
    pub(crate) extra: Vec<u8>,
}

/// Hands a run to the zygote and waits for it. Descriptors from 3 on: the token's pipe, the captured extra, the order.
pub(crate) fn fly(
    zygote: &mut Zygote,
    operation: Operation,
    order: Vec<u8>,
    stdin: &[u8],
    limits: &Limits,
    token: Option<&[u8]>,
    extra_bytes: Option<u64>,
) -> Result<Flown, String> {
    let started = Instant::now();
    let say = |e: std::io::Error| format!("preparing a run: {e}");
    let (stdout, stdout_end) = Capture::new(limits.output_bytes, 0).map_err(say)?;
    let (stderr, stderr_end) = Capture::new(limits.output_bytes, 0).map_err(say)?;
    let mut captures = vec![stdout, stderr];
    let mut ends = vec![memory_file(stdin).map_err(say)?, stdout_end, stderr_end];
    if let Some(token) = token {
        ends.push(filled_pipe(token).map_err(say)?);
    }
    if let Some(limit) = extra_bytes {
        let (extra, extra_end) = Capture::new(limit, 0).map_err(say)?;
        captures.push(extra);
        ends.push(extra_end);
    }
    ends.push(memory_file(&order).map_err(say)?);
    drop(order);
    let borrowed: Vec<_> = ends.iter().map(AsFd::as_fd).collect();
    zygote.begin(operation, limits, &borrowed)?;
    drop(ends);
    let mut flights = [Flight::new(zygote, limits.wall_ms)];
    supervise(&mut flights, &mut captures, 0)?;
    let [Flight { zygote, reply: Some(reply), .. }] = flights else {
        return Err("a run without a reply".into());
    };
    if reply.reason == Reason::Setup {
        return Err(format!("a layer could not be put in force: {}", reply.text));
    }
    let mut captures = captures.into_iter();
    let (Some(stdout), Some(stderr)) = (captures.next(), captures.next()) else {
        return Err("a run without output".into());
    };
    let mut outcome = outcome_of(zygote, &reply, &[&stdout, &stderr]);
    outcome.wall_ms = started.elapsed().as_secs_f64() * 1e3;
    Ok(Flown { outcome, reply, extra: captures.next().map(|c| c.bytes).unwrap_or_default() })
}

/// A pipe that holds `bytes` and nothing more: what has been read from it is gone.
fn filled_pipe(bytes: &[u8]) -> std::io::Result<OwnedFd> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    rustix::io::write(&write, bytes)?;
    Ok(read)
}

/// What `launch.py` reads: commands, the stack limit to start with, environment with `added` variables, then the files.
pub(crate) fn order(
    commands: &[Vec<String>],
    limits: &Limits,
    files: &[u8],
    stack_bytes: Option<u64>,
    added: &[(&str, &str)],
) -> Vec<u8> {
    // A managed heap leaves room for the runtime itself, so that it can say that memory ran out.
    let heap_mb = ((limits.memory_bytes / 8 * 5) >> 20).max(16).to_string();
    // Below the stack's own limit (`confine.py`), so that a runtime can say that it overflowed.
    let stack_kb = ((limits.memory_bytes / 8).min(60 << 20) >> 10).max(984).to_string();
    let commands: Vec<Vec<String>> = commands
        .iter()
        .map(|line| {
            let placed = |part: &String| part.replace("{heap_mb}", &heap_mb).replace("{stack_kb}", &stack_kb);
            line.iter().map(placed).collect()
        })
        .collect();
    let mut header = json!({
        "commands": commands,
        "environment": {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": "{scratch}",
            "TMPDIR": "{scratch}",
            "LANG": "C.UTF-8",
            "RUST_TEST_THREADS": "1",
        },
        "program": PROGRAM,
        "stack_bytes": stack_bytes,
    });
    for (name, value) in added {
        header["environment"][*name] = Value::from(*value);
    }
    let mut bytes = payload(&[header.to_string().as_bytes()]);
    bytes.extend_from_slice(files);
    bytes
}

/// Whether the files that a build sent are names and contents as they must be: none can be written outside of its folder.
pub(crate) fn are_sound(mut files: &[u8]) -> bool {
    let mut segment = || {
        let (length, rest) = files.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        let (segment, rest) = rest.split_at_checked(length)?;
        files = rest;
        Some((segment, rest.is_empty()))
    };
    loop {
        let Some((name, _)) = segment() else { return false };
        let Some((_, is_last)) = segment() else { return false };
        let is_part =
            |part: &[u8]| !matches!(part, b"" | b"." | b"..") && part.len() <= 255 && !part.contains(&0);
        if name.len() > 1024 || !name.split(|&b| b == b'/').all(is_part) {
            return false;
        }
        if is_last {
            return true;
        }
    }
}

/// Random hexadecimal digits that no program can guess.
fn new_token() -> std::io::Result<Vec<u8>> {
    let mut bytes = [0u8; TOKEN_BYTES / 2];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut bytes)?;
    Ok(bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_out_of_the_folder_are_refused() {
        for (names, is_sound) in [
            (&["program"][..], true),
            (&["hone/Proof.class", "Main$1.class"], true),
            (&["../program"], false),
            (&["a/../../b"], false),
            (&["/etc/passwd"], false),
            (&[""], false),
            (&["a\0b"], false),
            (&[], false),
        ] {
            let files: Vec<u8> = names.iter().flat_map(|n| payload(&[n.as_bytes(), b"x"])).collect();
            assert_eq!(are_sound(&files), is_sound, "{names:?}");
        }
        assert!(!are_sound(&payload(&[b"name"])), "a name without contents");
        assert!(!are_sound(&[255, 255, 255, 255, 0]), "a length beyond the end");
    }

    #[test]
    fn tokens_differ() {
        let (one, other) = (new_token().unwrap(), new_token().unwrap());
        assert_eq!(one.len(), TOKEN_BYTES);
        assert_ne!(one, other);
    }
}
