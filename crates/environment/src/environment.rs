//! The open set that RL learns on: anything that shows text and answers a text with a reward.

use hone_sandbox::{JudgeMode, OutcomeClass, ProgramError};
use serde::{Deserialize, Serialize};

use crate::RewardValue;

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Standing instructions.
    System,
    /// The task, or feedback.
    User,
    /// The policy.
    Assistant,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: String,
}

/// What the policy sees before it acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// The conversation so far; the chat template renders it.
    pub messages: Vec<Message>,
    /// Text the answer already begins with (such as an opened code fence and a signature); may be empty.
    pub answer_prefix: String,
    /// Texts that end the answer; the stop text itself is not part of the action.
    pub stop: Vec<String>,
}

/// What the verifier says of an outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Class of the execution's outcome.
    pub class: OutcomeClass,
    /// Tests passed.
    pub tests_passed: u32,
    /// Tests in all.
    pub tests_total: u32,
    /// The program's error, if it had one.
    pub error: Option<ProgramError>,
    /// The program that was judged.
    pub program: String,
    /// Where tests and solution ran.
    pub mode: JudgeMode,
    /// Lines of the program, from 1, that could have been executed and were not; empty where nobody measured it. The
    /// program's own process says so: advice, never a verdict.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missed_lines: Vec<u32>,
}

/// What an action led to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Verdict → scalar: the weighted sum of the parts, where it has parts.
    pub reward: f64,
    /// What each part of the reward is worth, before its weight; may be empty.
    pub parts: Vec<RewardValue>,
    /// The verdict the reward came from, where execution was involved.
    pub verdict: Option<Verdict>,
    /// The next observation; `None` ends the episode.
    pub next: Option<Observation>,
}

/// Why an environment (never the policy's action) failed.
#[derive(Debug, thiserror::Error)]
#[error("environment {id} failed: {message}")]
pub struct EnvironmentError {
    /// Which episode.
    pub id: String,
    /// What happened.
    pub message: String,
}

/// A single-use episode: observe, then step until `next` is `None`. There is no reset.
pub trait Environment: Send {
    /// What the policy sees first.
    fn observe(&self) -> Observation;
    /// Takes the policy's answer (without the answer prefix) and judges it. May block on the sandbox.
    fn step(&mut self, action: &str) -> Result<Step, EnvironmentError>;
}

/// An indexed collection of tasks that episodes are opened on.
pub trait EnvironmentSet: Send + Sync {
    /// Number of tasks.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Stable id of task `index`.
    fn id(&self, index: usize) -> &str;
    /// Difficulty of task `index`, 1 to 5; 0 if unknown.
    fn level(&self, _index: usize) -> u8 {
        0
    }
    /// Topic of task `index`; empty if unknown.
    fn topic(&self, _index: usize) -> &str {
        ""
    }
    /// The reference solution of task `index` as an answer, after the answer prefix; `None` if it has none that can follow
    /// there.
    fn solution(&self, _index: usize) -> Option<String> {
        None
    }
    /// Opens a new episode on task `index`.
    fn open(&self, index: usize) -> Box<dyn Environment + '_>;
    /// Opens an episode whose answer already begins with about this share of the reference solution; the whole task where
    /// there is no such thing.
    fn open_part_way(&self, index: usize, _given: f64) -> Box<dyn Environment + '_> {
        self.open(index)
    }
}
