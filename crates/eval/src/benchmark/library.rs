//! BigCodeBench-Hard (Zhuo et al., arXiv 2406.15877): tasks that use many libraries, judged by unittest suites.
//!
//! The suites patch and inspect the solution's inside, so they run in its process (`JudgeMode::Joint`, which the verdict
//! records): weaker than all other benchmarks here. Its references need some 70 libraries and a network for a few; what
//! this machine lacks shows in `hone eval --check`; `--python` names a venv that has them.

use hone_sandbox::TestSuite;

use super::rows::Row;
use super::{Assembly, Problem};

/// A row, asked in the *complete* form of a base model and the *instruct* form of a chat.
pub(super) fn big_code_bench(row: &Row) -> Result<Problem, String> {
    let prompt = row.text("complete_prompt")?;
    let solution = row.text("canonical_solution")?;
    let tests = TestSuite::Joint { tests: Box::new(TestSuite::Unittest { code: row.text("test")? }) };
    Ok(Problem {
        memory_bytes: None,
        base_tests: None,
        id: row.id("task_id")?,
        topic: String::new(),
        date: String::new(),
        question: row.text("instruct_prompt")?,
        stops: ["\nclass ", "\ndef ", "\nassert ", "\nif __name__", "\nprint(", "\n@"]
            .map(str::to_owned)
            .to_vec(),
        // Calibrated, as its harness calls it: imports and signature stand before what a model writes.
        assembly: Assembly::Continuation { head: prompt.clone(), entry_point: row.text("entry_point")? },
        tests,
        reference: Some(format!("{prompt}{solution}")),
        prompt,
    })
}
