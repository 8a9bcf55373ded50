//! Benchmarks of one function a problem: HumanEval, HumanEval+, HumanEval-X (Python), MBPP, MBPP+, LeetCode.

use hone_sandbox::TestSuite;

use super::rows::Row;
use super::{Assembly, Problem};

/// Ends of a base model's function, as in HumanEval's paper (arXiv 2107.03374, §2.2).
const FUNCTION_STOPS: [&str; 5] = ["\nclass", "\ndef", "\n#", "\nif", "\nprint"];
/// Ends of a base model's answer to MBPP's prompt, as in bigcode's harness.
const MBPP_STOPS: [&str; 6] = ["\nclass", "\nassert", "\n\"\"\"", "\nprint", "\nif", "\n<|/"];

fn stops(stops: &[&str]) -> Vec<String> {
    stops.iter().map(|stop| (*stop).to_owned()).collect()
}

/// A row of HumanEval, or of HumanEval+ in the same format: the answer continues signature and docstring, and
/// `check(entry_point)` judges. Helpers of the prompt are given to the tests too.
pub(super) fn human_eval(row: &Row) -> Result<Problem, String> {
    let problem = human_eval_without_tests(row)?;
    let entry_point = row.text("entry_point")?;
    let code = format!("{}\n{}", helpers(&problem.prompt, &entry_point), row.text("test")?);
    Ok(Problem { tests: TestSuite::Check { code, entry_point }, ..problem })
}

/// All of such a row but its tests.
pub(super) fn human_eval_without_tests(row: &Row) -> Result<Problem, String> {
    let (prompt, entry_point) = (row.text("prompt")?, row.text("entry_point")?);
    let solution = row.text("canonical_solution")?;
    Ok(Problem {
        memory_bytes: None,
        base_tests: None,
        id: row.id("task_id")?,
        topic: String::new(),
        date: String::new(),
        question: completion_question(&prompt),
        stops: stops(&FUNCTION_STOPS),
        tests: TestSuite::Script { code: String::new() },
        reference: Some(format!("{prompt}{solution}")),
        assembly: Assembly::Continuation { head: prompt.clone(), entry_point },
        prompt,
    })
}

/// The row of HumanEval-X's Python part: as HumanEval, but the function's name is in the test.
pub(super) fn human_eval_x(row: &Row) -> Result<Problem, String> {
    let (prompt, test) = (row.text("prompt")?, row.text("test")?);
    let last_call = test.rfind("check(").map(|at| &test[at + "check(".len()..]);
    let entry_point = last_call.and_then(|rest| rest.split(')').next()).unwrap_or_default().trim().to_owned();
    if entry_point.is_empty() {
        return Err("key `test`: expected a call `check(…)` of the function, found none".into());
    }
    let solution = row.text("canonical_solution")?;
    let definition = test[..test.rfind("check(").unwrap_or(0)].to_owned();
    Ok(Problem {
        memory_bytes: None,
        base_tests: None,
        id: row.id("task_id")?,
        topic: String::new(),
        date: String::new(),
        question: completion_question(&prompt),
        stops: stops(&FUNCTION_STOPS),
        tests: TestSuite::Check {
            code: format!("{}\n{definition}", helpers(&prompt, &entry_point)),
            entry_point: entry_point.clone(),
        },
        reference: Some(format!("{prompt}{solution}")),
        assembly: Assembly::Continuation { head: prompt.clone(), entry_point },
        prompt,
    })
}

/// What is asked of a chat model: EvalPlus's instruction (arXiv 2305.01210).
fn completion_question(prompt: &str) -> String {
    format!(
        "Please provide a self-contained Python script that solves the following problem in a markdown code block:\n```python\n{}\n```\n",
        prompt.trim()
    )
}

/// What stands before the tested function in its prompt: imports and other functions.
fn helpers<'a>(prompt: &'a str, entry_point: &str) -> &'a str {
    hone_dataset::python::function_head(prompt, entry_point).map_or("", |(start, _)| &prompt[..start])
}

/// A row of MBPP, full or sanitized: run order is code, setup, tests; the prompt shows the tests (arXiv 2108.07732).
pub(super) fn mbpp(row: &Row) -> Result<Problem, String> {
    let instruction = row.text("text").or_else(|_| row.text("prompt"))?;
    let asserts = row.texts("test_list")?;
    let setup = [row.texts("test_imports")?.join("\n"), row.text_or_empty("test_setup_code")].join("\n");
    let reference = row.text("code")?;
    let shown = asserts.join("\n");
    let id = row.id("task_id")?;
    Ok(Problem {
        memory_bytes: None,
        base_tests: None,
        id: if id.contains('/') { id } else { format!("Mbpp/{id}") },
        topic: String::new(),
        date: String::new(),
        question: format!(
            "You are an expert Python programmer, and here is your task: {} Your code should pass these tests:\n\n{shown}\n\nAnswer with the code in a markdown code block.",
            instruction.trim()
        ),
        prompt: format!("\"\"\"\n{}\n{shown}\n\"\"\"\n", instruction.trim()),
        stops: stops(&MBPP_STOPS),
        assembly: Assembly::Program { preamble: String::new(), entry_point: called(&reference, &asserts) },
        tests: TestSuite::Asserts { setup: setup.trim().to_owned(), asserts },
        reference: Some(reference),
    })
}

/// Answers with 1.6 million tuples of 77 numbers, more than is carried between processes.
const TOO_LARGE_TO_CARRY: &str = "Mbpp/255";

/// A row of MBPP+ in its original format: MBPP's prompt, a test program of its own.
pub(super) fn mbpp_plus(row: &Row) -> Result<Problem, String> {
    let problem = mbpp(row)?;
    let problem = Problem { base_tests: Some(problem.tests.clone()), ..problem };
    let tests = TestSuite::Script { code: row.text("test")? };
    if problem.id == TOO_LARGE_TO_CARRY {
        let tests = TestSuite::Joint { tests: Box::new(tests) };
        return Ok(Problem { tests, memory_bytes: Some(6 << 30), ..problem });
    }
    Ok(Problem { tests, ..problem })
}

/// The last function of `code` that a test calls.
fn called(code: &str, asserts: &[String]) -> Option<String> {
    let defined = code.lines().filter_map(|line| line.strip_prefix("def ")?.split('(').next());
    let names: Vec<&str> = defined.map(str::trim).collect();
    let is_called = |name: &&&str| asserts.first().is_some_and(|test| test.contains(&format!("{name}(")));
    names.iter().rfind(is_called).map(|name| (*name).to_owned())
}

/// A row of LeetCodeDataset (arXiv 2504.14655): `prompt` holds imports and helpers for every solution, `query` the problem.
pub(super) fn leetcode(row: &Row) -> Result<Problem, String> {
    let preamble = row.text("prompt")?;
    let starter = row.text_or_empty("starter_code");
    let entry_point = row.text("entry_point")?;
    let topic = row.get("meta").and_then(|meta| meta.get("difficulty")).and_then(|it| it.as_str());
    let question = row.text("problem_description").or_else(|_| row.text("query"))?;
    Ok(Problem {
        memory_bytes: None,
        base_tests: None,
        id: row.id("task_id")?,
        topic: topic.unwrap_or_default().to_lowercase(),
        date: String::new(),
        question: format!(
            "{}\n\nComplete this class in Python, and answer with it in a markdown code block:\n```python\n{starter}\n```",
            question.trim()
        ),
        prompt: format!("{preamble}\n\n\"\"\"\n{}\n\"\"\"\n{starter}", question.trim()),
        stops: vec!["\nif __name__".into(), "\nprint".into(), "\n```".into()],
        tests: TestSuite::Check {
            code: format!("{preamble}\n{}", row.text("test")?),
            entry_point: entry_point.clone(),
        },
        reference: Some(format!("{preamble}\n{}", row.text("completion")?)),
        assembly: Assembly::Program { preamble, entry_point: Some(entry_point) },
    })
}
