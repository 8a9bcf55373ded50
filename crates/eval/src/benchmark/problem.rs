//! One problem of a benchmark.

use hone_dataset::Task;
use hone_sandbox::{Language, TestSuite};

/// How it is asked, how an answer becomes a program, what judges it.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// The benchmark's own id.
    pub id: String,
    /// Difficulty or subset as the benchmark calls it; empty if it has none.
    pub topic: String,
    /// Day it was published, as `2024-08-31`; empty if unknown.
    pub date: String,
    /// What a chat model is asked.
    pub question: String,
    /// What a base model continues.
    pub prompt: String,
    /// Texts that end a base model's continuation.
    pub stops: Vec<String>,
    /// How an answer becomes a program.
    pub assembly: Assembly,
    /// Hidden tests.
    pub tests: TestSuite,
    /// The benchmark's first tests, where it reports pass@k on those too (EvalPlus); `tests` holds them and more.
    pub base_tests: Option<TestSuite>,
    /// A whole program that should pass, where the benchmark has one.
    pub reference: Option<String>,
    /// Memory of its program where the benchmark's own limit is too little for the reference, in bytes.
    pub memory_bytes: Option<u64>,
}

/// How an answer becomes the program that is judged.
#[derive(Debug, Clone, PartialEq)]
pub enum Assembly {
    /// It continues a text, or is a whole program that defines the function anew.
    Continuation {
        /// What is continued.
        head: String,
        /// The function that is tested.
        entry_point: String,
    },
    /// It is a whole program.
    Program {
        /// Code that the benchmark puts before every solution.
        preamble: String,
        /// The function that is tested, if it is one.
        entry_point: Option<String>,
    },
    /// It stands between two texts, verbatim.
    Middle {
        /// Before it.
        head: String,
        /// After it.
        tail: String,
    },
    /// It continues a program in another language, or is a whole one.
    Translated {
        /// What it is written in.
        language: Language,
        /// What is continued.
        head: String,
        /// The function that is tested.
        entry_point: String,
        /// Where the function ends.
        end: FunctionEnd,
    },
    /// It is an expression that is asked for as the function `answer`.
    Expression {
        /// Code the expression may use.
        code: String,
        /// Text that would give the answer away, and so makes it wrong.
        forbidden: Option<String>,
        /// Text without which it is no answer.
        required: Option<String>,
    },
}

/// Where a completion's function ends, in languages with braces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunctionEnd {
    /// At the completion's last closing brace (HumanEval-X).
    LastBrace,
    /// At the first stop (MultiPL-E).
    Stop,
    /// At the first stop, and the tests begin with the closing brace (MultiPL-E).
    Tests,
}

impl Problem {
    /// A task of a user's own file.
    pub fn of_task(task: &Task) -> Problem {
        let head = format!("{}\n", task.signature.trim_end());
        Problem {
            id: task.id.clone(),
            topic: task.topic.clone(),
            date: String::new(),
            question: format!(
                "Write a Python function. {}\n\n```python\n{head}```\n\nAnswer with the function in a markdown code block.",
                task.instruction.trim()
            ),
            prompt: head.clone(),
            stops: vec!["\ndef".into(), "\nclass".into(), "\nprint".into(), "\nassert".into()],
            assembly: Assembly::Continuation { head, entry_point: task.entry_point.clone() },
            tests: task.tests.clone(),
            reference: Some(task.reference.clone()),
            memory_bytes: None,
            base_tests: None,
        }
    }
}
