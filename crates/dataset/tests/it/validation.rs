//! A task is valid only if its reference passes, its example holds and its empty solution fails.

use hone_dataset::{Task, validate, validate_all};

use crate::{limits, sandbox};

fn task(reference_body: &str, example: &str, assert: &str) -> Task {
    let row = serde_json::json!({
        "id": "t", "instruction": "Double x.", "signature": "def double(x):", "entry_point": "double",
        "example": example, "tests": {"kind": "asserts", "asserts": [assert]},
        "reference": format!("def double(x):\n    {reference_body}\n"),
    });
    Task::parse(&row.to_string(), "test").expect("a task").remove(0)
}

#[test]
fn each_rule_can_fail() {
    let sandbox = sandbox();
    let check = |task: &Task, expected: &str| {
        let validation = validate(task, &sandbox, &limits()).expect("the sandbox works");
        let problem = validation.problem().unwrap_or_default();
        assert!(problem.contains(expected), "{problem:?} lacks {expected:?}");
        assert_eq!(validation.is_valid(), expected.is_empty());
    };
    let good = "return x * 2";
    check(&task(good, "double(1) == 2", "assert double(2) == 4"), "");
    check(
        &task("return x * 3", "", "assert double(2) == 4"),
        "expected the reference to pass, found WrongAnswer",
    );
    check(&task(good, "double(1) == 3", "assert double(2) == 4"), "test 2 (the visible example comes last)");
    check(&task(good, "", "assert double(2) or not double(2)"), "the tests test nothing");
    check(&task("return x *", "", "assert double(2) == 4"), "CompileError");
}

#[test]
fn many_are_validated_in_order() {
    let mut tasks = vec![task("return x + x", "", "assert double(2) == 4"); 9];
    for (index, task) in tasks.iter_mut().enumerate() {
        task.id = format!("t{index}");
    }
    tasks[4].reference = "def double(x):\n    raise ValueError(x)\n".into();
    let validations = validate_all(&tasks, &sandbox(), &limits()).expect("the sandbox works");
    let ids: Vec<&str> = validations.iter().map(|validation| validation.id.as_str()).collect();
    assert_eq!(ids, ["t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8"]);
    let invalid: Vec<usize> = (0..9).filter(|index| !validations[*index].is_valid()).collect();
    assert_eq!(invalid, [4]);
}
