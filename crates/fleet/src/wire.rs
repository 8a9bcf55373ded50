//! What travels: requests and answers as JSON. The described form is `openapi.rs`.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hone_sandbox::{
    CostProgram, Isolation, Language, LayerReport, Limits, Run, SandboxError, Submission, TestSuite, Work,
};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

/// Body of `POST /v1/run`, answered with an `Outcome`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    /// What the program is written in.
    #[serde(default)]
    pub language: Language,
    /// Its text.
    pub source: String,
    /// What it reads, if that is text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stdin: String,
    /// What it reads, if that is not text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin_base64: Option<String>,
    /// Its limits; those left out have their default.
    #[serde(default)]
    pub limits: Limits,
}

/// Body of `POST /v1/cost`, answered with `Measured`, or with `Comparison` if there is a reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostRequest {
    /// The program.
    pub program: CostProgram,
    /// What it is compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<CostProgram>,
    /// One run for each; none means one run without input.
    #[serde(default)]
    pub inputs: Vec<String>,
    /// Limits of a run that is not instrumented.
    #[serde(default)]
    pub limits: Limits,
}

/// Answer of `GET /v1/status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Hone's version there.
    pub version: String,
    /// How many runs may be in flight at once.
    pub workers: usize,
    /// How many pieces of work may wait.
    pub queue_capacity: usize,
    /// How many are waiting now.
    pub queue_waiting: usize,
    /// Isolation demanded there.
    pub isolation: Isolation,
    /// Names of the layers in force there.
    pub layers: Vec<String>,
    /// The most that a request may ask for.
    pub most: Limits,
    /// Longest time until an answer, in seconds.
    pub request_limit_s: u64,
}

/// Body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What kind of trouble, such as `queue-full`.
    pub code: String,
    /// What was expected and found.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

impl Trouble {
    pub(crate) fn new(code: &str, text: &str) -> Trouble {
        let (message, hint) = text.split_once("\nhint: ").unwrap_or((text, ""));
        Trouble { code: code.into(), message: message.into(), hint: hint.into() }
    }

    /// Message and hint as one error text.
    pub(crate) fn text(&self) -> String {
        if self.hint.is_empty() {
            self.message.clone()
        } else {
            format!("{}\nhint: {}", self.message, self.hint)
        }
    }
}

/// Where work goes, and its body.
pub(crate) fn request_of(work: &Work) -> Result<(&'static str, String), serde_json::Error> {
    Ok(match work {
        Work::Run(run) => {
            let (stdin, stdin_base64) = match std::str::from_utf8(&run.stdin) {
                Ok(text) => (text.to_owned(), None),
                Err(_) => (String::new(), Some(STANDARD.encode(&run.stdin))),
            };
            let Run { language, source, limits, .. } = run.clone();
            let request = RunRequest { language, source, stdin, stdin_base64, limits };
            ("/v1/run", serde_json::to_string(&request)?)
        }
        Work::Judge(submission) => ("/v1/judge", serde_json::to_string(submission)?),
        Work::Measure { program, inputs, limits } => {
            let request = CostRequest {
                program: program.clone(),
                reference: None,
                inputs: inputs.clone(),
                limits: limits.clone(),
            };
            ("/v1/cost", serde_json::to_string(&request)?)
        }
        Work::Compare { solution, reference, inputs, limits } => {
            let request = CostRequest {
                program: solution.clone(),
                reference: Some(reference.clone()),
                inputs: inputs.clone(),
                limits: limits.clone(),
            };
            ("/v1/cost", serde_json::to_string(&request)?)
        }
    })
}

/// The work that a body of this path asks for, or what is wrong with it.
pub(crate) fn work_of(path: &str, body: &[u8]) -> Result<Work, String> {
    let bad = |error: serde_json::Error| format!("the body of {path}: {error}");
    match path {
        "/v1/run" => {
            let request: RunRequest = serde_json::from_slice(body).map_err(bad)?;
            let stdin = match request.stdin_base64 {
                None => request.stdin.into_bytes(),
                Some(_) if !request.stdin.is_empty() => {
                    return Err("expected stdin or stdin_base64, found both".into());
                }
                Some(text) => STANDARD.decode(text).map_err(|error| format!("stdin_base64: {error}"))?,
            };
            let RunRequest { language, source, limits, .. } = request;
            Ok(Work::Run(Run { language, source, stdin, limits }))
        }
        "/v1/judge" => {
            let submission: Submission = serde_json::from_slice(body).map_err(bad)?;
            submission.tests.check().map_err(|error| error.to_string())?;
            Ok(Work::Judge(submission))
        }
        "/v1/cost" => {
            let CostRequest { program, reference, inputs, limits } =
                serde_json::from_slice(body).map_err(bad)?;
            Ok(match reference {
                None => Work::Measure { program, inputs, limits },
                Some(reference) => Work::Compare { solution: program, reference, inputs, limits },
            })
        }
        other => Err(format!("no work is asked for at {other}")),
    }
}

/// The limits that work asks for, and how many runs it is at most.
pub(crate) fn extent(work: &Work) -> (&Limits, usize) {
    match work {
        Work::Run(run) => (&run.limits, 1),
        Work::Judge(submission) => match &submission.tests {
            TestSuite::Stdio { cases, .. } => (&submission.limits, cases.len()),
            _ => (&submission.limits, 1),
        },
        Work::Measure { inputs, limits, .. } | Work::Compare { inputs, limits, .. } => (limits, inputs.len()),
    }
}

/// Lowers limits that the body does not name to the most that is given: only what is asked for can be too much.
pub(crate) fn fit_defaults(work: &mut Work, body: &[u8], most: &Limits) {
    #[derive(Deserialize)]
    struct Named {
        #[serde(default)]
        limits: HashMap<String, IgnoredAny>,
    }
    if excess(&Limits::default(), most).is_none() {
        return;
    }
    let named = serde_json::from_slice::<Named>(body).map(|body| body.limits).unwrap_or_default();
    let limits = match work {
        Work::Run(run) => &mut run.limits,
        Work::Judge(submission) => &mut submission.limits,
        Work::Measure { limits, .. } | Work::Compare { limits, .. } => limits,
    };
    let fit =
        |name: &str, value: u64, most: u64| if named.contains_key(name) { value } else { value.min(most) };
    let fit_32 =
        |name: &str, value: u32, most: u32| if named.contains_key(name) { value } else { value.min(most) };
    *limits = Limits {
        cpu_ms: fit("cpu_ms", limits.cpu_ms, most.cpu_ms),
        wall_ms: fit("wall_ms", limits.wall_ms, most.wall_ms),
        memory_bytes: fit("memory_bytes", limits.memory_bytes, most.memory_bytes),
        processes: fit_32("processes", limits.processes, most.processes),
        open_files: fit_32("open_files", limits.open_files, most.open_files),
        output_bytes: fit("output_bytes", limits.output_bytes, most.output_bytes),
        disk_bytes: fit("disk_bytes", limits.disk_bytes, most.disk_bytes),
    };
}

/// The first limit that asks for more than the most that is given.
pub(crate) fn excess(limits: &Limits, most: &Limits) -> Option<String> {
    let pairs = [
        ("cpu_ms", limits.cpu_ms, most.cpu_ms),
        ("wall_ms", limits.wall_ms, most.wall_ms),
        ("memory_bytes", limits.memory_bytes, most.memory_bytes),
        ("processes", limits.processes.into(), most.processes.into()),
        ("open_files", limits.open_files.into(), most.open_files.into()),
        ("output_bytes", limits.output_bytes, most.output_bytes),
        ("disk_bytes", limits.disk_bytes, most.disk_bytes),
    ];
    let (name, asked, given) = pairs.into_iter().find(|(_, asked, given)| asked > given)?;
    Some(format!("limits.{name}: expected at most {given} here, found {asked}"))
}

/// Status and code of an error of the sandbox.
pub(crate) fn trouble_of(error: &SandboxError) -> (u16, Trouble) {
    let (status, code) = match error {
        SandboxError::BadSubmission(_) => (422, "bad-submission"),
        SandboxError::MissingToolchain { .. } => (422, "missing-toolchain"),
        SandboxError::MissingLayer { .. } => (500, "missing-layer"),
        SandboxError::Worker(_) => (500, "worker-failed"),
        SandboxError::Elsewhere(_) => (502, "elsewhere-failed"),
    };
    (status, Trouble::new(code, &error.to_string()))
}

/// Names of the layers that a probe found and that are in force under some isolation.
pub(crate) fn missing_layers(layers: &[String], probe: &[LayerReport]) -> Vec<String> {
    let required = probe.iter().filter(|report| report.is_required);
    required.map(|report| report.layer.clone()).filter(|name| !layers.contains(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_travels_unchanged() {
        let limits = Limits { cpu_ms: 123, ..Limits::default() };
        let program = |source: &str| CostProgram { language: Language::Rust, source: source.into() };
        let tests = TestSuite::Asserts { setup: String::new(), asserts: vec!["assert f() == 1".into()] };
        let run = |stdin: &[u8]| {
            Work::Run(Run {
                language: Language::C,
                source: "int main;".into(),
                stdin: stdin.into(),
                limits: limits.clone(),
            })
        };
        for work in [
            run(b""),
            run(b"text \xc3\xa9\n"),
            run(b"\xff\x00\xfe"),
            Work::Judge(Submission { solution: "def f(): ...".into(), tests, limits: limits.clone() }),
            Work::Measure { program: program("a"), inputs: vec!["1".into()], limits: limits.clone() },
            Work::Compare {
                solution: program("a"),
                reference: program("b"),
                inputs: vec![],
                limits: limits.clone(),
            },
        ] {
            let (path, body) = request_of(&work).unwrap();
            assert_eq!(work_of(path, body.as_bytes()).as_ref(), Ok(&work), "{body}");
        }
    }

    #[test]
    fn a_body_that_makes_no_sense_is_refused_with_its_place() {
        for (path, body, part) in [
            ("/v1/run", "", "EOF"),
            ("/v1/run", r#"{"sauce": "x"}"#, "unknown field `sauce`"),
            ("/v1/run", r#"{"source": "x", "language": "cobol"}"#, "cobol"),
            ("/v1/run", r#"{"source": "x", "stdin_base64": "??"}"#, "stdin_base64"),
            ("/v1/run", r#"{"source": "x", "stdin": "a", "stdin_base64": "YQ=="}"#, "both"),
            ("/v1/judge", r#"{"solution": "x", "tests": {"kind": "asserts", "asserts": []}}"#, "empty"),
            ("/v1/cost", "[]", "/v1/cost"),
        ] {
            let error = work_of(path, body.as_bytes()).unwrap_err();
            assert!(error.contains(part), "{error:?} lacks {part:?}");
        }
    }

    #[test]
    fn only_limits_that_a_request_names_can_be_too_much() {
        let most = Limits { cpu_ms: 2_000, ..Limits::default() };
        for (body, is_too_much) in [
            (r#"{"source": "x"}"#, false),
            (r#"{"source": "x", "limits": {"wall_ms": 100}}"#, false),
            (r#"{"source": "x", "limits": {"cpu_ms": 4000}}"#, true),
        ] {
            let mut work = work_of("/v1/run", body.as_bytes()).unwrap();
            fit_defaults(&mut work, body.as_bytes(), &most);
            assert_eq!(excess(extent(&work).0, &most).is_some(), is_too_much, "{body}");
        }
    }

    #[test]
    fn a_limit_beyond_the_most_is_named() {
        let most = Limits::default();
        assert_eq!(excess(&most, &most), None);
        let greedy = Limits { memory_bytes: 1 << 40, ..Limits::default() };
        assert!(excess(&greedy, &most).is_some_and(|message| message.contains("memory_bytes")));
    }
}
