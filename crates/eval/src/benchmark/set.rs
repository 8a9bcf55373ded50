//! A benchmark's problems as environments, so that a model is evaluated on them like on any task.

use std::sync::Arc;

use hone_environment::{
    Environment, EnvironmentError, EnvironmentSet, Message, Observation, Role, Step, Verdict,
};
use hone_sandbox::{Judgement, Limits, OutcomeClass, Sandbox, SandboxError, Submission, TestSuite};
use serde::{Deserialize, Serialize};

use super::shots::{self, Shot};
use super::{Problem, ReferenceCheck, Rules};

/// Whether a model is asked a question or continues a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PromptStyle {
    /// A question, by the model's chat template; the answer's code is extracted.
    #[default]
    Chat,
    /// The benchmark's prompt as it is; the completion is cut at the benchmark's stops.
    Completion,
}

/// Problems, and the sandbox that judges them.
pub struct BenchmarkSet {
    problems: Vec<Problem>,
    sandbox: Arc<Sandbox>,
    limits: Limits,
    /// CPU time of each problem's programs, in milliseconds, by index.
    cpu_ms: Vec<u64>,
    style: PromptStyle,
    /// Shown before every question.
    shots: Vec<Shot>,
}

impl BenchmarkSet {
    /// Episodes over `problems`.
    pub fn new(
        problems: Vec<Problem>,
        sandbox: Arc<Sandbox>,
        rules: Rules,
        style: PromptStyle,
    ) -> BenchmarkSet {
        let limits = limits(rules);
        let cpu_ms = vec![limits.cpu_ms; problems.len()];
        BenchmarkSet { problems, sandbox, limits, cpu_ms, style, shots: Vec::new() }
    }

    /// The same with the limits that the references' own CPU times set, where the rules have a pace.
    pub fn paced(mut self, rules: Rules, references: &ReferenceCheck) -> BenchmarkSet {
        for (cpu_ms, problem) in self.cpu_ms.iter_mut().zip(&self.problems) {
            *cpu_ms = rules.cpu_ms_by(references.cpu_ms.get(&problem.id).copied());
        }
        self
    }

    /// The same with solved examples shown before every question (few-shot).
    pub fn with_shots(self, shots: Vec<Shot>) -> BenchmarkSet {
        BenchmarkSet { shots, ..self }
    }

    /// Limits of one program, where no reference sets a pace.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The problems, in the order of the indices.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Judges a whole program of problem `index`.
    pub fn judge(&self, index: usize, program: String) -> Result<Verdict, SandboxError> {
        let cpu_ms = self.cpu_ms[index];
        let limits = Limits { cpu_ms, wall_ms: wall_ms(cpu_ms), ..self.limits.clone() };
        Ok(judge_timed(&self.sandbox, &self.problems[index], program, &limits)?.0)
    }

    /// The program an answer stands for.
    pub fn program(&self, index: usize, answer: &str) -> String {
        match self.style {
            PromptStyle::Chat => self.problems[index].program_of_answer(answer),
            PromptStyle::Completion => self.problems[index].program_of_completion(answer),
        }
    }
}

/// Wall time that goes with CPU time: generous, so that a busy machine changes no verdict.
fn wall_ms(cpu_ms: u64) -> u64 {
    cpu_ms * 4 + 10_000
}

/// Limits of one program.
pub(crate) fn limits(rules: Rules) -> Limits {
    Limits {
        cpu_ms: rules.cpu_ms,
        wall_ms: wall_ms(rules.cpu_ms),
        memory_bytes: rules.memory_bytes,
        ..Limits::default()
    }
}

/// Judges a whole program of a problem; also the CPU time it took, in milliseconds.
pub(crate) fn judge_timed(
    sandbox: &Sandbox,
    problem: &Problem,
    program: String,
    limits: &Limits,
) -> Result<(Verdict, f64), SandboxError> {
    let memory_bytes = problem.memory_bytes.unwrap_or(limits.memory_bytes);
    let limits = Limits { memory_bytes, ..limits.clone() };
    let submission = Submission { tests: tests_of(problem, &program), solution: program, limits };
    let judgement = sandbox.judge(&submission)?;
    let cpu_ms = judgement.outcome.cpu_ms;
    Ok((verdict(judgement, submission), cpu_ms))
}

/// The tests of a problem; a call goes through `class Solution` where the program has one (APPS, LiveCodeBench).
pub(super) fn tests_of(problem: &Problem, program: &str) -> TestSuite {
    let mut tests = problem.tests.clone();
    if let TestSuite::Calls { entry_point, .. } = &mut tests
        && program.contains("class Solution")
    {
        *entry_point = format!("Solution().{entry_point}");
    }
    tests
}

fn verdict(judgement: Judgement, submission: Submission) -> Verdict {
    let passed = judgement.tests.iter().filter(|test| test.is_passed).count();
    let known = submission.tests.known_tests();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Verdict {
        class: judgement.outcome.class,
        tests_passed: count(passed),
        tests_total: count(known.max(judgement.tests.len())),
        error: judgement.outcome.error,
        program: submission.solution,
        mode: judgement.mode,
        missed_lines: Vec::new(),
    }
}

impl EnvironmentSet for BenchmarkSet {
    fn len(&self) -> usize {
        self.problems.len()
    }

    fn id(&self, index: usize) -> &str {
        &self.problems[index].id
    }

    fn topic(&self, index: usize) -> &str {
        &self.problems[index].topic
    }

    fn open(&self, index: usize) -> Box<dyn Environment + '_> {
        Box::new(Episode { set: self, index, is_over: false })
    }
}

struct Episode<'a> {
    set: &'a BenchmarkSet,
    index: usize,
    is_over: bool,
}

impl Environment for Episode<'_> {
    fn observe(&self) -> Observation {
        let problem = &self.set.problems[self.index];
        match self.set.style {
            PromptStyle::Chat => {
                let mut messages = shots::dialogue(&self.set.shots);
                messages.push(Message { role: Role::User, content: problem.question.clone() });
                Observation { messages, answer_prefix: String::new(), stop: Vec::new() }
            }
            PromptStyle::Completion => Observation {
                messages: Vec::new(),
                answer_prefix: shots::text(&self.set.shots) + &problem.prompt,
                stop: problem.stops.clone(),
            },
        }
    }

    fn step(&mut self, action: &str) -> Result<Step, EnvironmentError> {
        let failure =
            |message: String| EnvironmentError { id: self.set.problems[self.index].id.clone(), message };
        if std::mem::replace(&mut self.is_over, true) {
            return Err(failure("the episode is over after one step".into()));
        }
        let program = self.set.program(self.index, action);
        let verdict = self.set.judge(self.index, program).map_err(|error| failure(error.to_string()))?;
        let reward = f64::from(u8::from(verdict.class == OutcomeClass::Passed));
        Ok(Step { reward, parts: Vec::new(), verdict: Some(verdict), next: None })
    }
}
