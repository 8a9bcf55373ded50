//! Programming tasks as episodes: the task is shown, the answer's program is judged by hidden tests; with more than one
//! turn, the policy is told what went wrong and tries again.
//!
//! Not here: which text of an answer is the program (`program.rs`), or what a verdict is worth (`reward/`).

use std::sync::Arc;

use hone_dataset::Task;
use hone_dataset::audit::difference;
use hone_sandbox::{Limits, OutcomeClass, Sandbox, Submission};
use serde::{Deserialize, Serialize};

use crate::coverage;
use crate::{
    Assessors, Environment, EnvironmentError, EnvironmentSet, Feedback, Judged, Message, Observation,
    RewardPart, Role, Step, Verdict, extract_program,
};

/// Settings of programming episodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CodeEnvironmentConfig {
    /// Turns of an episode at most; it ends earlier when a program passes.
    pub turns: usize,
    /// What is said of a program that failed, before the next turn.
    pub feedback: Feedback,
    /// CPU time of a program over all its tests, in milliseconds.
    pub cpu_ms: u64,
    /// Wall time, in milliseconds; generous, so that a busy machine does not turn right programs into wrong ones.
    pub wall_ms: u64,
    /// Memory of a program, in bytes.
    pub memory_bytes: u64,
}

impl Default for CodeEnvironmentConfig {
    fn default() -> Self {
        CodeEnvironmentConfig {
            turns: 1,
            feedback: Feedback::Error,
            cpu_ms: 2_000,
            wall_ms: 8_000,
            memory_bytes: 256 << 20,
        }
    }
}

impl CodeEnvironmentConfig {
    /// What makes no sense in these settings, if anything does.
    pub fn check(&self) -> Result<(), String> {
        let turns = self.turns as u64;
        for (key, value, least) in [
            ("turns", turns, 1),
            ("cpu_ms", self.cpu_ms, 1),
            ("wall_ms", self.wall_ms, 1),
            ("memory_bytes", self.memory_bytes, 16 << 20),
        ] {
            if value < least {
                return Err(format!("{key}: expected at least {least}, found {value}"));
            }
        }
        Ok(())
    }

    /// The limits of one judged program.
    pub fn limits(&self) -> Limits {
        Limits {
            cpu_ms: self.cpu_ms,
            wall_ms: self.wall_ms,
            memory_bytes: self.memory_bytes,
            ..Limits::default()
        }
    }
}

/// Tasks and the sandbox that judges them.
pub struct CodeEnvironmentSet {
    tasks: Vec<Task>,
    sandbox: Arc<Sandbox>,
    config: CodeEnvironmentConfig,
    rewards: Assessors,
    has_coverage: bool,
}

impl CodeEnvironmentSet {
    /// Episodes over `tasks`, of which there must be one at least; a program is worth 1 if it passes all tests.
    pub fn new(
        tasks: Vec<Task>,
        sandbox: Arc<Sandbox>,
        config: CodeEnvironmentConfig,
    ) -> Result<CodeEnvironmentSet, EnvironmentError> {
        let failure = |message: String| EnvironmentError { id: "code".into(), message };
        config.check().map_err(failure)?;
        if tasks.is_empty() {
            return Err(failure("expected at least one task, found none".into()));
        }
        let rewards = Assessors::start(vec![RewardPart::default()]).map_err(failure)?;
        Ok(CodeEnvironmentSet { tasks, sandbox, config, rewards, has_coverage: false })
    }

    /// The same with verdicts that say which lines the tests left out; every program that compiles runs twice then.
    pub fn with_coverage(mut self, has_coverage: bool) -> CodeEnvironmentSet {
        self.has_coverage = has_coverage;
        self
    }

    fn episode(&self, index: usize, given: &str) -> CodeEnvironment<'_> {
        let (task, turns_left) = (&self.tasks[index], self.config.turns);
        let observation = first_observation(task, given);
        CodeEnvironment { task, set: self, given: given.to_string(), observation, turns_left }
    }

    /// The same with the reward made of these parts. Reads the sources of graders, and starts the scanner if it is asked.
    pub fn with_rewards(mut self, rewards: Vec<RewardPart>) -> Result<CodeEnvironmentSet, EnvironmentError> {
        let failure = |message: String| EnvironmentError { id: "reward".into(), message };
        self.rewards = Assessors::start(rewards).map_err(failure)?;
        Ok(self)
    }

    /// The same without a reward of its own: what an answer is worth is said elsewhere.
    pub fn without_rewards(mut self) -> CodeEnvironmentSet {
        self.rewards = Assessors::none();
        self
    }

    /// A call on which a program differs from its task's reference, in words, if one is found among inputs that the task's
    /// tests do not have: a second opinion on a program that passed. `None` too where there is no such task.
    pub fn difference(&self, task: &str, program: &str) -> Result<Option<String>, EnvironmentError> {
        let Some(task) = self.tasks.iter().find(|one| one.id == task) else { return Ok(None) };
        difference(task, program, &self.sandbox, &self.config.limits())
            .map_err(|error| EnvironmentError { id: task.id.clone(), message: error.to_string() })
    }

    /// The tasks, in the order of the indices.
    pub fn tasks(&self) -> &[Task] {
        &self.tasks
    }
}

impl EnvironmentSet for CodeEnvironmentSet {
    fn len(&self) -> usize {
        self.tasks.len()
    }

    fn id(&self, index: usize) -> &str {
        &self.tasks[index].id
    }

    fn level(&self, index: usize) -> u8 {
        self.tasks[index].level
    }

    fn topic(&self, index: usize) -> &str {
        &self.tasks[index].topic
    }

    fn open(&self, index: usize) -> Box<dyn Environment + '_> {
        Box::new(self.episode(index, self.tasks[index].signature.trim_end()))
    }

    fn solution(&self, index: usize) -> Option<String> {
        let task = &self.tasks[index];
        let body = task.reference.strip_prefix(task.signature.trim_end())?;
        Some(body.trim_end().to_string())
    }

    fn open_part_way(&self, index: usize, given: f64) -> Box<dyn Environment + '_> {
        Box::new(self.episode(index, beginning(&self.tasks[index], given)))
    }
}

/// The reference solution up to its k-th conditional or loop, k the share `given` of them all; the signature alone where it
/// has none, or does not continue the signature.
fn beginning(task: &Task, given: f64) -> &str {
    let signature = task.signature.trim_end();
    let Some(body) = task.reference.strip_prefix(signature) else { return signature };
    let mut offset = 0;
    let mut places = vec![0];
    for line in body.split_inclusive('\n') {
        let word = line.trim_start().split([' ', ':', '(']).next().unwrap_or_default();
        // An indented line of the body: one at column 0 would begin another function.
        if offset > 0
            && line.starts_with([' ', '\t'])
            && matches!(word, "if" | "for" | "while" | "with" | "try")
        {
            places.push(offset);
        }
        offset += line.len();
    }
    let chosen = (given.clamp(0.0, 1.0) * (places.len() - 1) as f64).round() as usize;
    task.reference[..signature.len() + places[chosen]].trim_end()
}

struct CodeEnvironment<'a> {
    task: &'a Task,
    set: &'a CodeEnvironmentSet,
    /// What the program begins with: the signature, or more of the reference solution.
    given: String,
    /// What the policy sees now.
    observation: Observation,
    turns_left: usize,
}

impl Environment for CodeEnvironment<'_> {
    fn observe(&self) -> Observation {
        self.observation.clone()
    }

    fn step(&mut self, action: &str) -> Result<Step, EnvironmentError> {
        let failure = |message: String| EnvironmentError { id: self.task.id.clone(), message };
        if self.turns_left == 0 {
            return Err(failure("the episode is over".into()));
        }
        self.turns_left -= 1;
        let signature = self.given.as_str();
        let program = extract_program(signature, &self.task.entry_point, action);
        let is_program_only = format!("{signature}{action}").trim_end() == program.trim_end();
        let submission = Submission {
            solution: program,
            tests: self.task.tests.clone(),
            limits: self.set.config.limits(),
        };
        let judgement = self.set.sandbox.judge(&submission).map_err(|error| failure(error.to_string()))?;
        let missed_lines =
            match self.set.has_coverage && judgement.outcome.class != OutcomeClass::CompileError {
                true => {
                    let Submission { solution, tests, limits } = &submission;
                    coverage::missed_lines(&self.set.sandbox, solution, tests, limits)
                        .map_err(|error| failure(error.to_string()))?
                }
                false => Vec::new(),
            };
        let passed = judgement.tests.iter().filter(|test| test.is_passed).count();
        let total = self.task.tests.known_tests().max(judgement.tests.len());
        let verdict = Verdict {
            class: judgement.outcome.class,
            tests_passed: u32::try_from(passed).unwrap_or(u32::MAX),
            tests_total: u32::try_from(total).unwrap_or(u32::MAX),
            error: judgement.outcome.error.clone(),
            program: submission.solution,
            mode: judgement.mode,
            missed_lines,
        };
        let judged = Judged {
            task: &self.task.id,
            instruction: &self.task.instruction,
            reference: &self.task.reference,
            entry_point: &self.task.entry_point,
            tests: &self.task.tests,
            answer: action,
            is_program_only,
            verdict: &verdict,
        };
        let (reward, parts) = self.set.rewards.reward(&judged, &self.set.sandbox).map_err(failure)?;
        if verdict.class == OutcomeClass::Passed {
            self.turns_left = 0;
        }
        let mut next = None;
        if self.turns_left > 0 {
            let said = self.set.config.feedback.of(self.task, &judgement, &verdict);
            let answer = format!("{}{}\n```", self.observation.answer_prefix, action.trim_end());
            self.observation.messages.push(Message { role: Role::Assistant, content: answer });
            self.observation.messages.push(Message { role: Role::User, content: said });
            next = Some(self.observation.clone());
        }
        Ok(Step { reward, parts, verdict: Some(verdict), next })
    }
}

fn first_observation(task: &Task, given: &str) -> Observation {
    Observation {
        messages: vec![Message { role: Role::User, content: prompt(task) }],
        // Without the newline after the signature: newline and indent are one token in many vocabularies.
        answer_prefix: format!("```python\n{given}"),
        stop: vec!["\n```".into()],
    }
}

/// What the policy is asked.
fn prompt(task: &Task) -> String {
    let mut text = format!("Write a Python function. {}\n", task.instruction.trim());
    if task.signature.is_empty() {
        text.push_str(&format!("\nThe function is called `{}`.\n", task.entry_point));
    } else {
        text.push_str(&format!("\n```python\n{}\n```\n", task.signature.trim_end()));
    }
    if !task.example.is_empty() {
        text.push_str(&format!("\nExample: `{}`\n", task.example.trim()));
    }
    text.push_str("\nAnswer with the function only.");
    text
}

#[cfg(test)]
mod tests {
    use hone_sandbox::TestSuite;

    use super::*;

    fn task(signature: &str, example: &str) -> Task {
        Task {
            id: "numbers/double".into(),
            instruction: "Return twice x.".into(),
            signature: signature.into(),
            entry_point: "double".into(),
            example: example.into(),
            tests: TestSuite::Asserts { setup: String::new(), asserts: vec!["assert double(2) == 4".into()] },
            reference: "def double(x):\n    return x * 2\n".into(),
            level: 1,
            topic: "numbers".into(),
        }
    }

    #[test]
    fn the_prompt_shows_instruction_signature_and_example() {
        assert_eq!(
            prompt(&task("def double(x):", "double(1) == 2")),
            "Write a Python function. Return twice x.\n\n```python\ndef double(x):\n```\n\nExample: \
             `double(1) == 2`\n\nAnswer with the function only."
        );
        assert_eq!(
            prompt(&task("", "")),
            "Write a Python function. Return twice x.\n\nThe function is called `double`.\n\nAnswer with the \
             function only."
        );
    }

    /// Without conditionals nothing is given; with them the share of their places, from all to none.
    #[test]
    fn a_solution_is_given_up_to_a_conditional() {
        assert_eq!(beginning(&task("def double(x):", ""), 1.0), "def double(x):");
        let reference = "def double(x):\n    y = 0\n    for i in range(2):\n        if x:\n            y += x\n    return y\n";
        let long = Task { reference: reference.into(), ..task("def double(x):", "") };
        let upto = |line: usize| reference.lines().take(line).collect::<Vec<_>>().join("\n");
        for (given, lines) in [(0.0, 1), (0.2, 1), (0.5, 2), (0.7, 2), (0.8, 3), (1.0, 3)] {
            assert_eq!(beginning(&long, given), upto(lines), "{given}");
        }
        let other = Task { reference: "double = lambda x: x + x\n".into(), ..long };
        assert_eq!(beginning(&other, 1.0), "def double(x):");
    }

    #[test]
    fn settings_are_read_strictly_and_checked() {
        let read = |text: &str| serde_json::from_str::<CodeEnvironmentConfig>(text);
        let config = read(r#"{"cpu_ms": 500}"#).expect("valid");
        assert_eq!((config.cpu_ms, config.wall_ms, config.memory_bytes), (500, 8_000, 256 << 20));
        assert!(read(r#"{"cpu": 500}"#).is_err());
        assert_eq!(config.check(), Ok(()));
        let impossible = CodeEnvironmentConfig { cpu_ms: 0, ..config.clone() };
        assert_eq!(impossible.check(), Err("cpu_ms: expected at least 1, found 0".into()));
        let endless = CodeEnvironmentConfig { turns: 0, ..config };
        assert_eq!(endless.check(), Err("turns: expected at least 1, found 0".into()));
    }
}
