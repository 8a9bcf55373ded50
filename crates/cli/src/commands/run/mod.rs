//! `hone run`: programs through the sandbox, as every program of a model goes: one, or many with their tests.

mod pairs;
mod shown;
mod test_file;

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hone_sandbox::{
    CostProgram, Language, Limits, Measured, Outcome, OutcomeClass, Sandbox, Submission, TestSuite,
};

use serde_json::Value;

use self::shown::{judgement_summary, summary};
use crate::exit::Usage;
use crate::recipe::Source;
use crate::sandboxes::SandboxArguments;
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  hone run program.py
  hone run Main.java --stdin input.txt
  echo 'print(6 * 7)' | hone run - --json
  hone run - --lang rust < program.rs
  hone run program.py --stdin input.txt --limit cpu_ms=500 --limit memory_bytes=67108864
  hone run solution.py --tests tests.json                 judge it; tests as in a task, or a file of asserts
  hone run solution.cpp --tests main.cpp --json           the rest of the program is the tests
  hone run program.c --cost --stdin small.txt             what it costs, in instructions where they can be counted
  hone run pairs.jsonl --jobs 2 --output results.jsonl    many; goes on where it was interrupted
  hone run pairs.jsonl --jobs 0 --tasks tasks.jsonl       rows name tasks of a file; 0: one run a core
  hone run pairs.jsonl --jobs 8 --sandbox http://10.0.0.5:8170 --sandbox http://10.0.0.6:8170

Languages: python, c, cpp, rust, javascript, go, java, bash. A compiled program is kept in the cache folder.
Limits: cpu_ms, wall_ms, memory_bytes, processes, open_files, output_bytes, disk_bytes. Of a program that failed by one of them it is
said which, and how to raise it; in JSON by limit_hit.
Tests: a JSON object with a `kind`, as in a task (docs/sandbox.md); a .py file is a unittest suite, or a script of asserts and of
functions test_…, and may import names from the program's file; a file of another language is the rest of the program. Kinds stdio
and program are in the program's language unless they name one.
With --jobs, each line of FILE is a JSON object: `solution` and one of `tests`, `task` (a task, or the id of one in
--tasks) or nothing (a plain run); also `id`, `language`, `stdin`, `limits`. Results come in the order of the lines.
Exit code 0 if the program ran to its end (passed its tests), 1 if it did not; with --jobs, 0 if every line has a result.";

/// Which program, and how.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The program's file, or - for stdin; with --jobs, a JSONL file of solutions and their tests.
    file: PathBuf,
    /// Its language; without it, the file's extension tells (Python if there is none).
    #[arg(long, value_name = "LANGUAGE", value_parser = language)]
    lang: Option<Language>,
    /// What the program reads from its stdin.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["tests", "jobs"])]
    stdin: Option<PathBuf>,
    /// Judge the program by these tests.
    #[arg(long, value_name = "FILE", conflicts_with = "jobs")]
    tests: Option<PathBuf>,
    /// Measure what the program costs too, where it ends well.
    #[arg(long)]
    cost: bool,
    /// FILE is JSONL of solutions and their tests: run so many at a time (0: one a core, or as many as services take).
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// The tasks that lines of FILE name.
    #[arg(long, value_name = "FILE", requires = "jobs")]
    tasks: Option<PathBuf>,
    /// Write results here and not to stdout; what is already there is not run again.
    #[arg(long, value_name = "FILE", requires = "jobs")]
    output: Option<PathBuf>,
    /// A limit, such as cpu_ms=500; may be given several times.
    #[arg(long, value_name = "NAME=VALUE")]
    limit: Vec<String>,
    #[command(flatten)]
    sandbox: SandboxArguments,
}

/// Runs the program and prints what it did. Returns the exit code.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<u8> {
    let limits = limits(&arguments.limit)?;
    if let Some(jobs) = arguments.jobs {
        return pairs::run(arguments, jobs, &limits, terminal);
    }
    let source = read_program(&arguments.file)?;
    let named = language_of(arguments)?;
    let stdin = match &arguments.stdin {
        Some(path) => std::fs::read(path).map_err(|error| cannot_read(path, &error))?,
        None => Vec::new(),
    };
    let tests =
        arguments.tests.as_deref().map(|path| read_tests(path, named, &arguments.file)).transpose()?;
    let language = match &tests {
        Some(tests) => {
            tests.check().map_err(|error| Usage(error.to_string()))?;
            agreed(named, tests).map_err(Usage)?
        }
        None => named.unwrap_or_default(),
    };
    let opened = arguments.sandbox.open(1, terminal)?;
    let sandbox = &opened.sandbox;
    let outcome = match tests {
        Some(tests) => {
            let inputs = arguments.cost.then(|| cost_inputs(&tests)).flatten();
            if arguments.cost && inputs.is_none() {
                let message = "--cost: expected tests of kind stdio, found others\nhint: without --tests, --cost measures the program by its stdin";
                return Err(Usage(message.into()).into());
            }
            let submission = Submission { solution: source.clone(), tests, limits: limits.clone() };
            let mut judgement = sandbox.judge(&submission).context("failed to judge the program")?;
            if let Some(inputs) = inputs {
                add_cost(sandbox, language, &source, &inputs, &limits, &mut judgement.outcome)?;
            }
            match terminal.is_json {
                true => terminal.json(&judgement)?,
                false => terminal.result(&judgement_summary(&judgement, arguments.sandbox.isolation)),
            }
            judgement.outcome
        }
        None => {
            let mut outcome =
                sandbox.run_in(language, &source, &stdin, &limits).context("failed to run the program")?;
            if arguments.cost {
                let input = String::from_utf8(stdin)
                    .map_err(|_| Usage("--cost: expected UTF-8 text as stdin, found other bytes".into()))?;
                add_cost(sandbox, language, &source, &[input], &limits, &mut outcome)?;
            }
            if terminal.is_json {
                terminal.json(&outcome)?;
            } else {
                terminal.piece(&outcome.stdout);
                terminal.note(&summary(&outcome, arguments.sandbox.isolation));
            }
            outcome
        }
    };
    opened.note_repeats(terminal);
    Ok(if outcome.class == OutcomeClass::Passed { 0 } else { 1 })
}

/// The inputs that a program's cost can be measured on, if its tests have any.
fn cost_inputs(tests: &TestSuite) -> Option<Vec<String>> {
    match tests {
        TestSuite::Stdio { cases, .. } => Some(cases.iter().map(|case| case.stdin.clone()).collect()),
        _ => None,
    }
}

/// Measures the cost of a program that passed; one that did not has none.
fn add_cost(
    sandbox: &Sandbox,
    language: Language,
    source: &str,
    inputs: &[String],
    limits: &Limits,
    outcome: &mut Outcome,
) -> Result<()> {
    if outcome.class != OutcomeClass::Passed {
        return Ok(());
    }
    let program = CostProgram { language, source: source.into() };
    match sandbox.measure_cost(&program, inputs, limits).context("failed to measure the program's cost")? {
        Measured::Cost(cost) => outcome.cost = Some(cost),
        Measured::Failed(failed) => {
            let why = failed.error.as_ref().map(|error| error.message.clone()).unwrap_or_default();
            tracing::warn!(class = ?failed.class, why, "the program has no cost: its runs differ");
        }
    }
    Ok(())
}

/// The language of that name.
fn language(text: &str) -> Result<Language, String> {
    Language::from_name(text).ok_or_else(|| {
        let names: Vec<&str> = Language::ALL.into_iter().map(Language::name).collect();
        format!("expected one of {}, found {text:?}", names.join(", "))
    })
}

/// The language that a setting or the file's extension names.
fn language_of(arguments: &Arguments) -> Result<Option<Language>> {
    match (arguments.lang, arguments.file.extension()) {
        (Some(language), _) => Ok(Some(language)),
        (None, None) => Ok(None),
        (None, Some(extension)) => Language::from_path(&arguments.file).map(Some).ok_or_else(|| {
            let hint = if extension == "jsonl" {
                "a file of solutions and their tests needs --jobs"
            } else {
                "give it with --lang"
            };
            Usage(format!("the extension .{} tells no language\nhint: {hint}", extension.display())).into()
        }),
    }
}

fn read_program(path: &Path) -> Result<String> {
    if path == Path::new("-") {
        let mut source = String::new();
        std::io::stdin().read_to_string(&mut source).context("failed to read a program from stdin")?;
        return Ok(source);
    }
    std::fs::read_to_string(path).map_err(|error| cannot_read(path, &error))
}

/// The tests in a file: JSON as in a task, or code that tests what is in the file `program`.
fn read_tests(path: &Path, named: Option<Language>, program: &Path) -> Result<TestSuite> {
    let text = std::fs::read_to_string(path).map_err(|error| cannot_read(path, &error))?;
    if path.extension().is_some_and(|extension| extension == "json") {
        let tests = serde_json::from_str(&text).and_then(|tests| suite(tests, named));
        return tests.map_err(|error| Usage(format!("{}: expected tests: {error}", path.display())).into());
    }
    Ok(match named.unwrap_or_default() {
        Language::Python => {
            let module = program.file_stem().unwrap_or_default().to_string_lossy();
            test_file::python_suite(&text, &module)
        }
        language => TestSuite::Program { language, code: text },
    })
}

/// Tests from JSON; those that take a language and name none are in the program's.
fn suite(mut tests: Value, named: Option<Language>) -> serde_json::Result<TestSuite> {
    let takes_language = matches!(tests.get("kind").and_then(Value::as_str), Some("stdio" | "program"));
    if let (Some(language), Some(fields), true) = (named, tests.as_object_mut(), takes_language) {
        fields.entry("language").or_insert_with(|| language.name().into());
    }
    serde_json::from_value(tests)
}

/// The language of tests and program; an error says that they differ.
fn agreed(named: Option<Language>, tests: &TestSuite) -> Result<Language, String> {
    let language = match tests {
        TestSuite::Stdio { language, .. } | TestSuite::Program { language, .. } => *language,
        _ => Language::Python,
    };
    match named {
        Some(named) if named != language => {
            Err(format!("language: expected {} as in the tests, found {}", language.name(), named.name()))
        }
        _ => Ok(language),
    }
}

fn cannot_read(path: &Path, error: &std::io::Error) -> anyhow::Error {
    Usage(format!("failed to read {}: {error}", path.display())).into()
}

fn limits(settings: &[String]) -> Result<Limits> {
    let mut source = Source::of_settings("--limit", "limits", settings)?;
    Ok(source.take("limits")?)
}
