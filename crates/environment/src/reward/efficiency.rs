//! How fast a right program is, against its task's reference, on the inputs of the task's tests.
//!
//! ```text
//! v = min(1, cost(reference) / cost(program))   every test passed and the workload answered as by the reference
//! v = 0                                         else
//! ```
//!
//! A workload is what the tests run: the inputs of stdin/stdout cases, or the calls with literal arguments that Python tests
//! make. Those are repeated, each round with the program loaded anew, until the reference is busy for [`TARGET_MS`]; so what
//! a program remembers from round to round it does not keep. A task has no usable workload if its tests are in other languages
//! and no stdin/stdout cases, if they hold no such call, or if the reference's cost cannot be measured or is too small to say
//! anything ([`least`]).
//!
//! Costs are the sandbox's (instructions where the machine and the program allow, else CPU time); its method is logged. What
//! is measured differs a little from run to run, and so does this value. Not here: right and wrong, which was judged before
//! and in another process. Calls are measured in the program's own, so a program that knows how could pretend to have made them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use hone_sandbox::{
    Compare, Comparison, Cost, CostMethod, CostProgram, Language, Limits, OutcomeClass, Sandbox,
    SandboxError, TestSuite,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Judged;

/// How long the reference is kept busy by calls that are repeated.
const TARGET_MS: f64 = 10.0;

const CALLS: &str = include_str!("workload.py");

/// `type = "efficiency"`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Efficiency {
    /// w.
    pub weight: f64,
    /// CPU time of one run of the workload, in milliseconds; a right program that needs more is worth 0.
    pub cpu_ms: u64,
    /// What a right program is worth where its task has no usable workload; without it, such a task ends the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without_workload: Option<f64>,
}

impl Default for Efficiency {
    fn default() -> Self {
        Efficiency { weight: 1.0, cpu_ms: 2_000, without_workload: None }
    }
}

/// Why an answer's efficiency is no number.
#[derive(Debug, thiserror::Error)]
pub enum EfficiencyError {
    /// The task's tests give nothing to measure.
    #[error(
        "efficiency: expected a workload in the task's tests, found {found}\n\
         hint: without_workload = 1.0 in its [[reward]] table gives right programs of such tasks that value"
    )]
    NoWorkload {
        /// What is there instead.
        found: String,
    },
    /// The sandbox failed, not a program.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
}

impl Efficiency {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.cpu_ms == 0 {
            return Err("cpu_ms: expected at least 1, found 0".into());
        }
        match self.without_workload {
            Some(value) if !value.is_finite() => {
                Err(format!("without_workload: expected a finite number, found {value}"))
            }
            _ => Ok(()),
        }
    }

    fn limits(&self) -> Limits {
        Limits { cpu_ms: self.cpu_ms, wall_ms: 4 * self.cpu_ms, ..Limits::default() }
    }
}

/// What the tests of a task make programs do.
#[derive(Debug, Clone, PartialEq)]
enum Workload {
    /// Whole programs, run on each of these inputs.
    Inputs { language: Language, inputs: Vec<String> },
    /// Calls of a Python function, and what the reference answers to them.
    Calls { entry_point: String, calls: Vec<String>, rounds: u64, answers: String },
}

/// What was found out so far: workloads by task, and values by task and program.
#[derive(Debug, Default)]
pub struct Efficiencies {
    workloads: Mutex<BTreeMap<String, Arc<Result<Workload, String>>>>,
    values: Mutex<BTreeMap<(String, String), f64>>,
    methods: Mutex<Vec<CostMethod>>,
}

impl Efficiencies {
    /// The value of an answer, before its weight.
    pub fn value(
        &self,
        part: &Efficiency,
        judged: &Judged<'_>,
        sandbox: &Sandbox,
    ) -> Result<f64, EfficiencyError> {
        if judged.verdict.class != OutcomeClass::Passed {
            return Ok(0.0);
        }
        let key = (judged.task.to_string(), judged.verdict.program.clone());
        let known = self.values.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
        if let Some(value) = known {
            return Ok(value);
        }
        let limits = part.limits();
        let compared = match self.workload(judged, sandbox, &limits)?.as_ref() {
            Ok(workload) => self.compare(workload, judged, sandbox, &limits)?,
            Err(found) => Err(found.clone()),
        };
        let value = match (compared, part.without_workload) {
            (Ok(value), _) | (Err(_), Some(value)) => value,
            (Err(found), None) => return Err(EfficiencyError::NoWorkload { found }),
        };
        self.values.lock().unwrap_or_else(PoisonError::into_inner).insert(key, value);
        Ok(value)
    }

    /// The value of a right program, or why the workload cannot be used.
    fn compare(
        &self,
        workload: &Workload,
        judged: &Judged<'_>,
        sandbox: &Sandbox,
        limits: &Limits,
    ) -> Result<Result<f64, String>, SandboxError> {
        let (solution, reference) =
            (workload.program(&judged.verdict.program), workload.program(judged.reference));
        if let Workload::Calls { answers, .. } = workload {
            let outcome = sandbox.run(&solution.source, b"", limits)?;
            // Before its answers it may have printed what it likes.
            let found = last_lines(&outcome.stdout, answers.lines().count());
            if outcome.class != OutcomeClass::Passed || Compare::Words.check(answers, &found).is_err() {
                return Ok(Ok(0.0));
            }
        }
        let comparison = sandbox.compare_cost(&solution, &reference, workload.inputs(), limits)?;
        Ok(match &comparison {
            Comparison::Costs { reference, .. } if reference.amount < least(*reference) => {
                let Cost { amount, method, .. } = reference;
                Err(format!("a reference that costs {amount} by {method:?}, too little to compare with"))
            }
            Comparison::Costs { reference, .. } => {
                self.note(reference.method);
                Ok(comparison.speedup().map_or(0.0, |speedup| speedup.min(1.0)))
            }
            Comparison::SolutionFailed(_) => Ok(0.0),
            Comparison::ReferenceFailed(outcome) => {
                Err(format!("a reference that does not finish it ({:?})", outcome.class))
            }
        })
    }

    /// Says once of each method that it is used.
    fn note(&self, method: CostMethod) {
        let mut methods = self.methods.lock().unwrap_or_else(PoisonError::into_inner);
        if !methods.contains(&method) {
            methods.push(method);
            match method {
                CostMethod::CpuTime => tracing::warn!(
                    "efficiency is measured by CPU time, which varies by 1 to 16%\n\
                     hint: `hone doctor` says how to have instructions counted"
                ),
                _ => tracing::info!(?method, "efficiency is measured"),
            }
        }
    }

    fn workload(
        &self,
        judged: &Judged<'_>,
        sandbox: &Sandbox,
        limits: &Limits,
    ) -> Result<Arc<Result<Workload, String>>, SandboxError> {
        let known = self.workloads.lock().unwrap_or_else(PoisonError::into_inner).get(judged.task).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let found = Arc::new(find(judged, sandbox, limits)?);
        let mut workloads = self.workloads.lock().unwrap_or_else(PoisonError::into_inner);
        // Whichever thread was first: all programs of a task are measured on the same.
        Ok(workloads.entry(judged.task.to_string()).or_insert(found).clone())
    }
}

impl Workload {
    /// A program as it is measured.
    fn program(&self, source: &str) -> CostProgram {
        match self {
            Workload::Inputs { language, .. } => CostProgram { language: *language, source: source.into() },
            Workload::Calls { entry_point, calls, rounds, .. } => {
                let source = driver(source, entry_point, calls, *rounds);
                CostProgram { language: Language::Python, source }
            }
        }
    }

    fn inputs(&self) -> &[String] {
        match self {
            Workload::Inputs { inputs, .. } => inputs,
            Workload::Calls { .. } => &[],
        }
    }
}

/// The least cost of a reference that says something: far above what start-up, which is subtracted, varies by.
fn least(cost: Cost) -> u64 {
    match cost.method {
        CostMethod::PerfEvent | CostMethod::Callgrind => 100_000,
        CostMethod::CpuTime => 3_000_000,
    }
}

/// The workload of a task, or what is there instead.
fn find(
    judged: &Judged<'_>,
    sandbox: &Sandbox,
    limits: &Limits,
) -> Result<Result<Workload, String>, SandboxError> {
    let (tests, cases) = match code(judged.tests) {
        Ok(found) => found,
        Err(Some((language, inputs))) => return Ok(Ok(Workload::Inputs { language, inputs })),
        Err(None) => return Ok(Err("tests in another language".into())),
    };
    let question = json!({
        "reference": judged.reference, "entry_point": judged.entry_point, "tests": tests, "cases": cases,
        "target_ms": TARGET_MS,
    });
    let outcome = sandbox.run(CALLS, question.to_string().as_bytes(), limits)?;
    let said = outcome.stdout.lines().next_back().unwrap_or_default();
    #[derive(Deserialize)]
    struct Found {
        calls: Vec<String>,
        rounds: u64,
    }
    let Some(Found { calls, rounds }) = serde_json::from_str::<Option<Found>>(said).ok().flatten() else {
        return Ok(Err("no call with literal arguments that the reference answers in time".into()));
    };
    let entry_point = judged.entry_point.to_string();
    let source = driver(judged.reference, &entry_point, &calls, rounds);
    let outcome = sandbox.run(&source, b"", limits)?;
    if outcome.class != OutcomeClass::Passed {
        return Ok(Err(format!("a reference that does not finish it ({:?})", outcome.class)));
    }
    let answers = last_lines(&outcome.stdout, calls.len());
    Ok(Ok(Workload::Calls { entry_point, calls, rounds, answers }))
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// Test code and JSON arguments to look for calls in; else the inputs of whole programs, if there are any.
#[expect(clippy::type_complexity, reason = "two kinds of tests, and neither")]
fn code(tests: &TestSuite) -> Result<(String, Vec<&str>), Option<(Language, Vec<String>)>> {
    match tests {
        TestSuite::Asserts { asserts, .. } => Ok((asserts.join("\n"), Vec::new())),
        TestSuite::Check { code, .. } | TestSuite::Script { code } | TestSuite::Unittest { code } => {
            Ok((code.clone(), Vec::new()))
        }
        TestSuite::Calls { cases, .. } => {
            Ok((String::new(), cases.iter().map(|case| case.arguments.as_str()).collect()))
        }
        TestSuite::Stdio { cases, language, .. } => {
            Err(Some((*language, cases.iter().map(|case| case.stdin.clone()).collect())))
        }
        TestSuite::Program { .. } => Err(None),
        TestSuite::Joint { tests } => code(tests),
    }
}

/// A Python program that makes the calls in every round, each with the solution loaded anew, and prints the last answers.
fn driver(solution: &str, entry_point: &str, calls: &[String], rounds: u64) -> String {
    // A JSON text is a Python literal of the same text.
    let solution = json!(solution);
    let calls: String = calls.iter().map(|call| format!("        function({call}),\n")).collect();
    format!(
        "code = compile({solution}, 'solution', 'exec')\n\
         def answers(function):\n    return [\n{calls}    ]\n\
         for _ in range({rounds}):\n    space = {{'__name__': 'solution'}}\n    exec(code, space)\n    \
         found = answers(eval('{entry_point}', space))\n\
         for answer in found:\n    \
         print(sorted(map(repr, answer)) if isinstance(answer, (set, frozenset)) else repr(answer))\n"
    )
}
