//! MBPP (Austin et al., arXiv 2108.07732) and HumanEval (Chen et al., arXiv 2107.03374) rows as tasks.
//!
//! Not here: their prompts' wording; every task is shown in the same way (`hone-environment`).
//!
//! MBPP: a row is run as code, then setup, then tests, so the setup becomes the suite's setup. `challenge_test_list`
//! is not judged, as in the paper's evaluation. The signature is the head of the reference's function: the official
//! prompt shows tests in its place, so results are near to, not the same as, published ones.
//!
//! HumanEval: the prompt (imports, helpers, signature, docstring) is the signature, and an answer continues it. The
//! helpers are also given to the tests, so that a solution which redefines one cannot change what is asserted.

use hone_sandbox::TestSuite;

use crate::Task;
use crate::fields::Fields;
use crate::python::{TokenKind, function_head, tokens};

/// A row of MBPP: full JSONL (`text`, `test_setup_code`) or sanitized (`prompt`, `test_imports`).
pub(crate) fn mbpp_task(mut fields: Fields) -> Result<Task, String> {
    let id = match fields.text_or_integer("task_id")? {
        Ok(id) => id,
        Err(number) => format!("mbpp/{number}"),
    };
    let instruction = fields.text(if fields.has("text") { "text" } else { "prompt" })?;
    let reference = unix_lines(&fields.text("code")?);
    let mut setup = unix_lines(&fields.text_or_empty("test_setup_code")?);
    if fields.has("test_imports") {
        setup = [fields.texts("test_imports")?.join("\n"), setup].join("\n").trim().to_owned();
    }
    let asserts: Vec<String> = fields.texts("test_list")?.iter().map(|test| unix_lines(test)).collect();
    let first = asserts.first().ok_or("key `test_list`: expected at least one test, found none")?;
    let entry_point = called_function(&reference, first).ok_or_else(|| {
        format!(
            "key `code`: expected a function that the first test calls, found none; the test is {first:?}"
        )
    })?;
    let signature = function_head(&reference, &entry_point).map(|(_, head)| head.to_owned());
    // An example that needs the setup would not say what it says.
    let example = if setup.is_empty() { first.trim().trim_start_matches("assert").trim() } else { "" };
    Ok(Task {
        id,
        instruction: instruction.trim().to_owned(),
        signature: signature.unwrap_or_default(),
        example: example.to_owned(),
        entry_point,
        tests: TestSuite::Asserts { setup, asserts },
        reference,
        level: 0,
        topic: "mbpp".into(),
    })
}

/// A row of HumanEval.
pub(crate) fn human_eval_task(mut fields: Fields) -> Result<Task, String> {
    let id = fields.text("task_id")?;
    let prompt = unix_lines(&fields.text("prompt")?);
    let entry_point = fields.text("entry_point")?;
    let solution = unix_lines(&fields.text("canonical_solution")?);
    let test = unix_lines(&fields.text("test")?);
    let (start, _) = function_head(&prompt, &entry_point).ok_or_else(|| {
        format!("key `prompt`: expected a line `def {entry_point}(…):` (the entry point), found none")
    })?;
    let helpers = prompt[..start].trim();
    let code = if helpers.is_empty() { test } else { format!("{helpers}\n\n{test}") };
    Ok(Task {
        id,
        instruction: format!("Complete the function `{entry_point}` as its docstring says."),
        signature: prompt.trim_end().to_owned(),
        example: String::new(),
        tests: TestSuite::Check { code, entry_point: entry_point.clone() },
        entry_point,
        reference: format!("{prompt}{solution}"),
        level: 0,
        topic: "humaneval".into(),
    })
}

fn unix_lines(text: &str) -> String {
    text.replace("\r\n", "\n")
}

/// The last top-level function of `code` that `test` calls.
fn called_function(code: &str, test: &str) -> Option<String> {
    let test_tokens = tokens(test);
    let is_called = |name: &str| {
        test_tokens
            .windows(2)
            .any(|pair| pair[0].kind == TokenKind::Word && pair[0].text == name && pair[1].text == "(")
    };
    let code_tokens = tokens(code);
    let mut names = code_tokens.windows(2).filter(|pair| pair[0].text == "def" && pair[0].is_top_level);
    names.rfind(|pair| is_called(pair[1].text)).map(|pair| pair[1].text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Vec<Task> {
        Task::parse(text, "rows").expect("valid rows")
    }

    #[test]
    fn an_mbpp_row_keeps_its_order_of_code_setup_tests() {
        let row = serde_json::json!({
            "text": "Write a function to count the leaves of a tree.", "task_id": 7,
            "code": "class Leaf:\r\n\tpass\r\ndef is_leaf(x): \r\n\treturn isinstance(x, Leaf)\r\ndef leaves(tree, start=(0, 1)): \r\n\treturn sum(is_leaf(x) for x in tree)",
            "test_setup_code": "tree = [Leaf(), 3]\r\n", "challenge_test_list": ["assert leaves([]) == 0"],
            "test_list": ["assert leaves(tree) == 1", "assert leaves([1]) == 0"],
        });
        let task = parse(&row.to_string()).remove(0);
        assert_eq!((task.id.as_str(), task.entry_point.as_str()), ("mbpp/7", "leaves"));
        assert_eq!(task.signature, "def leaves(tree, start=(0, 1)):");
        assert!(!task.reference.contains('\r'));
        assert_eq!(task.example, "", "it needs the setup");
        let TestSuite::Asserts { setup, asserts } = &task.tests else { panic!("asserts expected") };
        assert_eq!((setup.as_str(), asserts.len()), ("tree = [Leaf(), 3]\n", 2));
    }

    #[test]
    fn sanitized_mbpp_is_an_array_with_imports() {
        let rows = serde_json::json!([
            {"source_file": "x.ipynb", "task_id": 2, "prompt": "Add.", "code": "def add(a, b):\n  return a + b",
             "test_imports": [], "test_list": ["assert add(1, 2) == 3 "]},
            {"source_file": "x.ipynb", "task_id": 3, "prompt": "Pi.", "code": "import math\ndef pi():\n  return math.pi",
             "test_imports": ["import math"], "test_list": ["assert math.isclose(pi(), 3.14, rel_tol=0.01)"]},
        ]);
        let tasks = parse(&serde_json::to_string_pretty(&rows).expect("json"));
        assert_eq!(tasks[0].example, "add(1, 2) == 3");
        assert_eq!(tasks[1].entry_point, "pi");
        let TestSuite::Asserts { setup, .. } = &tasks[1].tests else { panic!("asserts expected") };
        assert_eq!(setup, "import math");
    }

    #[test]
    fn a_humaneval_prompt_is_the_signature_and_its_helpers_reach_the_tests() {
        let row = serde_json::json!({
            "task_id": "HumanEval/900", "entry_point": "twice",
            "prompt": "import math\n\n\ndef once(x):\n    return x\n\n\ndef twice(x: int) -> int:\n    \"\"\" Doubles x.\n    \"\"\"\n",
            "canonical_solution": "    return once(x) * 2\n",
            "test": "def check(candidate):\n    assert candidate(once(2)) == 4\n",
        });
        let task = parse(&row.to_string()).remove(0);
        assert!(task.signature.ends_with("Doubles x.\n    \"\"\""), "{:?}", task.signature);
        assert!(task.reference.ends_with("\"\"\"\n    return once(x) * 2\n"));
        assert!(task.empty_solution().ends_with("\"\"\"\n    pass\n"));
        let TestSuite::Check { code, entry_point } = &task.tests else { panic!("check expected") };
        assert_eq!(entry_point, "twice");
        assert!(code.starts_with("import math\n\n\ndef once(x):\n    return x\n\ndef check("), "{code}");
    }

    #[test]
    fn rows_that_make_no_sense_are_errors() {
        let check = |row: serde_json::Value, expected: &str| {
            let message = Task::parse(&row.to_string(), "rows").expect_err("must fail").to_string();
            assert!(message.contains(expected), "{message:?} lacks {expected:?}");
        };
        let code = "def add(a, b):\n  return a + b";
        check(serde_json::json!({"task_id": 1, "text": "?", "code": code, "test_list": []}), "`test_list`");
        check(
            serde_json::json!({"task_id": 1, "text": "?", "code": code, "test_list": ["assert sub(1, 2)"]}),
            "expected a function that the first test calls",
        );
        check(
            serde_json::json!({"task_id": 1, "code": code, "test_list": ["assert add(1, 2)"]}),
            "`prompt` is missing",
        );
        check(
            serde_json::json!({"task_id": "H/1", "prompt": "def g(x):\n", "entry_point": "f",
                "canonical_solution": "  pass", "test": "def check(c):\n  assert c(1)"}),
            "expected a line `def f(…):`",
        );
    }
}
