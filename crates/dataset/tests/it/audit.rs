//! Weak tests are found out with a proof, good ones are left in peace.

use hone_dataset::Task;
use hone_dataset::audit::{Audit, AuditConfig, Kind, audit, audit_all};

use crate::{limits, sandbox};

fn task(body: &str, asserts: &[&str]) -> Task {
    let row = serde_json::json!({
        "id": "largest", "instruction": "Return the largest number, 0 if there is none.",
        "signature": "def largest(xs):", "entry_point": "largest", "example": "largest([1, 3]) == 3",
        "tests": {"kind": "asserts", "asserts": asserts},
        "reference": format!("{body}\n"),
    });
    Task::parse(&row.to_string(), "test").expect("a task").remove(0)
}

const REFERENCE: &str = "def largest(xs):\n    best = 0\n    for x in xs:\n        if x > best or x == xs[0]:\n            \
                         best = max(best, x) if best else x\n    return best";

fn of(task: &Task, runs: usize) -> Audit {
    let config = AuditConfig { runs, limits: limits(), ..AuditConfig::default() };
    audit(task, &sandbox(), &config).expect("the sandbox works")
}

#[test]
fn tests_that_say_enough_have_no_findings() {
    let good = task(
        "def largest(xs):\n    return max(xs, default=0)",
        &["assert largest([1, 5, 2]) == 5", "assert largest([-3, -2]) == -2", "assert largest([]) == 0"],
    );
    let found = of(&good, 3);
    assert_eq!(found.findings, []);
    assert!(found.judged > 20 && found.mutants >= 3, "{found:?}");
}

#[test]
fn a_weak_test_is_listed_with_a_call_that_proves_it() {
    let weak = task(REFERENCE, &["assert largest([3]) == 3"]);
    let found = of(&weak, 2);
    let constant =
        found.findings.iter().find(|finding| finding.what.ends_with("returns 3")).expect("3 passes");
    assert_eq!(constant.kind, Kind::Constant);
    assert!(constant.proof.contains("the reference says"), "{}", constant.proof);
    let mutant = found.findings.iter().find(|finding| finding.kind == Kind::Mutant).expect("a mutant passes");
    assert!(mutant.proof.starts_with("largest(") && mutant.what.starts_with("line "), "{mutant:?}");
    assert_ne!(mutant.program, weak.reference);
}

#[test]
fn empty_solutions_and_always_equal_objects_are_tried() {
    let untested = task("def largest(xs):\n    return max(xs)", &["assert largest([1]) is not Ellipsis"]);
    let kinds: Vec<Kind> = of(&untested, 1).findings.iter().map(|finding| finding.kind).collect();
    assert!(kinds.contains(&Kind::Constant), "{kinds:?}");
}

#[test]
fn a_verdict_that_changes_is_flaky_and_one_that_fails_is_wrong() {
    let dice = "import os\ndef largest(xs):\n    return 3 if os.urandom(1)[0] < 128 else 4";
    let found = of(&task(dice, &["assert largest([3]) == 3"]), 40);
    assert_eq!(found.findings[0].kind, Kind::Flaky);
    let proof = &found.findings[0].proof;
    assert!(proof.contains("passed") && proof.contains("wrong-answer"), "{proof}");
    let wrong = of(&task("def largest(xs):\n    return 4", &["assert largest([3]) == 3"]), 2);
    assert_eq!((wrong.findings[0].kind, wrong.judged), (Kind::Reference, 2));
}

/// Tests that throw dice only where a program is wrong: the reference always passes them, and so would a repeated look at it.
#[test]
fn a_wrong_program_whose_verdict_changes_makes_the_tests_flaky() {
    let dice = "assert largest([3, 9]) == 9 or __import__('os').urandom(1)[0] < 128";
    let unsure = task("def largest(xs):\n    return max(xs)", &[dice]);
    let audited = |repeated: usize| {
        let config = AuditConfig { repeated, limits: limits(), ..AuditConfig::default() };
        audit(&unsure, &sandbox(), &config).expect("the sandbox works")
    };
    let (once, twice) = (audited(0), audited(30));
    let flaky = |audit: &Audit| audit.findings.iter().filter(|one| one.kind == Kind::Flaky).count();
    assert_eq!(flaky(&once), 0);
    assert!(flaky(&twice) >= 1 && twice.judged > once.judged, "{twice:?}");
    let found = twice.findings.iter().find(|one| one.kind == Kind::Flaky).expect("counted");
    assert_ne!(found.program, unsure.reference);
    assert!(found.proof.starts_with("verdicts of 2 runs: "), "{}", found.proof);
}

#[test]
fn many_are_audited_in_order() {
    let tasks = ["a", "b", "c", "d"].map(|id| Task {
        id: id.into(),
        ..task("def largest(xs):\n    return max(xs)", &["assert largest([1, 2]) == 2"])
    });
    let config = AuditConfig { runs: 1, mutants: 2, repeated: 0, limits: limits() };
    let audits = audit_all(&tasks, &sandbox(), &config).expect("the sandbox works");
    let ids: Vec<&str> = audits.iter().map(|audit| audit.task.as_str()).collect();
    assert_eq!(ids, ["a", "b", "c", "d"]);
}
