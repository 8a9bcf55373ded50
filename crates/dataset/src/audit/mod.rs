//! Can a task's tests be trusted? They are shown programs that are wrong, and right ones again and again. What they accept
//! wrongly, or judge now so and now so, is a finding with its proof.
//!
//! ```text
//! reference × runs        verdicts differ                      → flaky
//! some of those below × 2 verdicts differ                      → flaky
//! constants, empty        passes                               → constant
//! known hacks             passes                               → hack
//! mutants of reference    passes, and a call tells it apart    → mutant
//! ```
//!
//! A mutant that passes and that no call was found to tell apart may be equivalent: it is counted, not reported. A call
//! found is one that the reference accepts; whether the task means it, a person has to say.

mod hacks;
mod mutants;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use hone_sandbox::{Limits, OutcomeClass, Sandbox, SandboxError, Submission, TestSuite};
use serde::{Deserialize, Serialize};

use crate::Task;

/// How hard tests are tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditConfig {
    /// Times the reference is judged.
    pub runs: usize,
    /// Mutants of each reference at most.
    pub mutants: usize,
    /// Wrong programs that are judged once more, beside every one that passes; 0 judges none again.
    pub repeated: usize,
    /// Limits of every program.
    pub limits: Limits,
}

impl Default for AuditConfig {
    fn default() -> Self {
        AuditConfig { runs: 3, mutants: 24, repeated: 4, limits: Limits::default() }
    }
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The reference itself never passes.
    Reference,
    /// Verdicts of one program differ.
    Flaky,
    /// A constant, or nothing at all, passes.
    Constant,
    /// A known way to cheat passes.
    Hack,
    /// A changed reference passes that behaves differently.
    Mutant,
}

/// One thing that is wrong with a task, and how to see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// Task id.
    pub task: String,
    /// What is wrong.
    pub kind: Kind,
    /// The program in words.
    pub what: String,
    /// The program.
    pub program: String,
    /// What was seen: verdicts, or a call and both results.
    pub proof: String,
}

/// What became of one task.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Audit {
    /// Task id.
    pub task: String,
    /// Programs that were judged.
    pub judged: usize,
    /// Mutants among them.
    pub mutants: usize,
    /// Mutants that passed without being told apart.
    pub undecided: usize,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// A call on which a program differs from the reference.
#[derive(Debug, Deserialize)]
struct Witness {
    call: String,
    expected: String,
    found: String,
}

/// Audits one task.
pub fn audit(task: &Task, sandbox: &Sandbox, config: &AuditConfig) -> Result<Audit, SandboxError> {
    let mut audit = Audit { task: task.id.clone(), ..Audit::default() };
    let verdict = |program: &str| -> Result<OutcomeClass, SandboxError> {
        let (solution, tests, limits) = (program.to_owned(), task.tests.clone(), config.limits.clone());
        Ok(sandbox.judge(&Submission { solution, tests, limits })?.outcome.class)
    };
    let finding = |kind: Kind, what: &str, program: &str, proof: String| Finding {
        task: task.id.clone(),
        kind,
        what: what.to_string(),
        program: program.to_string(),
        proof,
    };
    let verdicts =
        (0..config.runs.max(1)).map(|_| verdict(&task.reference)).collect::<Result<Vec<_>, _>>()?;
    audit.judged += verdicts.len();
    if verdicts.iter().any(|class| *class != OutcomeClass::Passed) {
        let is_flaky = verdicts.iter().any(|class| *class != verdicts[0]);
        let kind = if is_flaky { Kind::Flaky } else { Kind::Reference };
        let proof = format!("verdicts of {} runs: {}", verdicts.len(), names(&verdicts));
        audit.findings.push(finding(kind, "the reference", &task.reference, proof));
        return Ok(audit);
    }
    let mut shown: Vec<Shown> = hacks::probes(task)
        .into_iter()
        .map(|probe| Shown {
            kind: probe.kind,
            what: probe.what,
            program: probe.program,
            verdicts: Vec::new(),
        })
        .collect();
    let mutants = mutants::mutants(&task.reference, config.mutants).into_iter();
    shown.extend(mutants.map(|mutant| {
        let (what, program) = (mutant.change, mutant.program);
        Shown { kind: Kind::Mutant, what, program, verdicts: Vec::new() }
    }));
    audit.mutants = shown.iter().filter(|one| one.kind == Kind::Mutant).count();
    for one in &mut shown {
        one.verdicts.push(verdict(&one.program)?);
    }
    for index in repeated(&shown, config.repeated) {
        let again = verdict(&shown[index].program)?;
        shown[index].verdicts.push(again);
    }
    audit.judged += shown.iter().map(|one| one.verdicts.len()).sum::<usize>();
    for Shown { kind, what, program, verdicts } in shown {
        if verdicts.iter().any(|class| *class != verdicts[0]) {
            let proof = format!("verdicts of {} runs: {}", verdicts.len(), names(&verdicts));
            audit.findings.push(finding(Kind::Flaky, &what, &program, proof));
            continue;
        }
        if verdicts[0] != OutcomeClass::Passed {
            continue;
        }
        match (witness(task, &program, sandbox, &config.limits)?, kind) {
            (Some(witness), _) => audit.findings.push(finding(kind, &what, &program, witness.proof())),
            (None, Kind::Mutant) => audit.undecided += 1,
            (None, _) => audit.findings.push(finding(kind, &what, &program, "it passes every test".into())),
        }
    }
    Ok(audit)
}

/// A program that the tests are shown.
struct Shown {
    kind: Kind,
    what: String,
    program: String,
    verdicts: Vec<OutcomeClass>,
}

/// Indices of the programs that are judged once more: every one that passed, and `count` of the others, evenly spread.
fn repeated(shown: &[Shown], count: usize) -> Vec<usize> {
    if count == 0 {
        return Vec::new();
    }
    let is_passed = |index: &usize| shown[*index].verdicts[0] == OutcomeClass::Passed;
    let (passed, failed): (Vec<usize>, Vec<usize>) = (0..shown.len()).partition(is_passed);
    let count = count.min(failed.len());
    let spread = (0..count).map(|place| failed[place * failed.len() / count]);
    passed.into_iter().chain(spread).collect()
}

/// A call on which a program differs from the task's reference, in words, if one is found: a second opinion on a program
/// that passed. Calls are those of the tests and small changes of their arguments; both programs run in the sandbox.
pub fn difference(
    task: &Task,
    program: &str,
    sandbox: &Sandbox,
    limits: &Limits,
) -> Result<Option<String>, SandboxError> {
    Ok(witness(task, program, sandbox, limits)?.map(|witness| witness.proof()))
}

/// Audits every task, as many at once as the sandbox has workers; results in the order of the tasks.
pub fn audit_all(
    tasks: &[Task],
    sandbox: &Sandbox,
    config: &AuditConfig,
) -> Result<Vec<Audit>, SandboxError> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(tasks.len()));
    std::thread::scope(|scope| {
        for _ in 0..sandbox.workers().clamp(1, tasks.len().max(1)) {
            scope.spawn(|| {
                while let Some((index, task)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    tasks.get(index).map(|task| (index, task))
                } {
                    let result = audit(task, sandbox, config);
                    if result.is_err() {
                        next.store(tasks.len(), Ordering::Relaxed);
                    }
                    results.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

impl Witness {
    fn proof(&self) -> String {
        format!("{} is {}, the reference says {}", self.call, self.found, self.expected)
    }
}

/// A call that tells `program` from the reference, if one was found; both run in the sandbox.
fn witness(
    task: &Task,
    program: &str,
    sandbox: &Sandbox,
    limits: &Limits,
) -> Result<Option<Witness>, SandboxError> {
    let question = serde_json::json!({
        "reference": task.reference,
        "other": program,
        "entry_point": task.entry_point,
        "tests": format!("{}\n{}\n", source(&task.tests), task.example),
    });
    let outcome = sandbox.run(include_str!("witness.py"), question.to_string().as_bytes(), limits)?;
    let line = outcome.stdout.lines().next_back().unwrap_or_default();
    Ok(serde_json::from_str::<Option<Witness>>(line).ok().flatten())
}

/// Test code as text, for the calls in it.
fn source(tests: &TestSuite) -> String {
    match tests {
        TestSuite::Asserts { asserts, .. } => asserts.join("\n"),
        TestSuite::Check { code, .. }
        | TestSuite::Script { code }
        | TestSuite::Unittest { code }
        | TestSuite::Program { code, .. } => code.clone(),
        TestSuite::Calls { cases, .. } => {
            let call = |case: &hone_sandbox::CallCase| {
                let arguments = case.arguments.trim().trim_start_matches('[').trim_end_matches(']');
                format!("candidate({})", arguments.replace("null", "None"))
            };
            cases.iter().map(call).collect::<Vec<_>>().join("\n")
        }
        TestSuite::Stdio { .. } => String::new(),
        TestSuite::Joint { tests } => source(tests),
    }
}

fn names(verdicts: &[OutcomeClass]) -> String {
    let name = |class: &OutcomeClass| match serde_json::to_value(class) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    };
    verdicts.iter().map(name).collect::<Vec<_>>().join(", ")
}
