//! CRUXEval (Gu et al., arXiv 2401.03065): predict a function's output, or an input that leads to an output.
//!
//! The published harness runs `assert output == answer` beside the function. Here the answer becomes the body of a
//! function `answer` in the solution's process, and the assert is in the tester's. As published, an output answer that
//! contains the very call `f(input)` is wrong, and so is an input answer without a call of `f`.

use hone_sandbox::TestSuite;

use super::rows::Row;
use super::{Assembly, Problem};

/// A row asked for its output (CRUXEval-O).
pub(super) fn output(row: &Row) -> Result<Problem, String> {
    let (input, output) = (row.text("input")?, row.text("output")?);
    let call = format!("f({input})");
    problem(
        row,
        "Based on the given Python code, complete the assert statement with the output when executing the code on the given test case. Do not output any extra information, put your answer between [ANSWER] and [/ANSWER] tags.",
        &format!("assert {call} == ??"),
        &format!("assert {call} =="),
        (Some(call.clone()), None),
        output,
    )
}

/// A row asked for an input (CRUXEval-I).
pub(super) fn input(row: &Row) -> Result<Problem, String> {
    let (input, output) = (row.text("input")?, row.text("output")?);
    problem(
        row,
        "You will be given a Python function f and an output. Find any arguments such that executing f on them leads to the given output. Put your answer as an assertion between [ANSWER] and [/ANSWER] tags.",
        &format!("assert f(??) == {output}"),
        "assert",
        (None, Some("f(".into())),
        format!("f({input})"),
    )
}

fn problem(
    row: &Row,
    instruction: &str,
    assertion: &str,
    open: &str,
    (forbidden, required): (Option<String>, Option<String>),
    answer: String,
) -> Result<Problem, String> {
    let code = row.text("code")?;
    let assembly = Assembly::Expression { code: code.clone(), forbidden, required };
    let expected = row.text("output")?;
    let problem = Problem {
        memory_bytes: None,
        base_tests: None,
        id: row.id("id")?,
        topic: String::new(),
        date: String::new(),
        question: format!("{instruction}\n\n```python\n{code}\n{assertion}\n```\n"),
        prompt: format!("{code}\n{open}"),
        stops: vec!["\n".into()],
        assembly,
        tests: TestSuite::Asserts {
            setup: String::new(),
            asserts: vec![format!("assert answer() == {expected}")],
        },
        reference: None,
    };
    Ok(Problem { reference: Some(problem.program_of_completion(&answer)), ..problem })
}
