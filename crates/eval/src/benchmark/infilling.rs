//! HumanEval-Infilling (Bavarian et al., arXiv 2207.14255): what is missing between two parts of a solution.
//!
//! The answer is put between prefix and suffix verbatim, and HumanEval's tests judge the whole.

use hone_sandbox::TestSuite;

use super::rows::Row;
use super::{Assembly, Problem};

/// A row of any of its four parts.
pub(super) fn infilling(row: &Row) -> Result<Problem, String> {
    let (head, tail) = (row.text("prompt")?, row.text("suffix")?);
    let id = row.id("task_id")?;
    let solution = row.text("canonical_solution")?;
    Ok(Problem {
        memory_bytes: None,
        base_tests: None,
        topic: id.split('/').next().unwrap_or_default().to_owned(),
        date: String::new(),
        question: format!(
            "Fill in what is missing at <FILL> in this Python program. Answer with the missing text only, in a markdown code block.\n```python\n{head}<FILL>{tail}\n```\n"
        ),
        prompt: head.clone(),
        // How a model is told of the suffix is its own matter; what it writes is taken whole.
        stops: Vec::new(),
        tests: TestSuite::Check { code: row.text("test")?, entry_point: row.text("entry_point")? },
        reference: Some(format!("{head}{solution}{tail}")),
        assembly: Assembly::Middle { head, tail },
        id,
    })
}
