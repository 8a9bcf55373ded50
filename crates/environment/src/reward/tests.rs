//! Values of every part, and what a list of parts may not be.

use hone_sandbox::JudgeMode;

use super::*;
use OutcomeClass::*;

const CLASSES: [OutcomeClass; 7] =
    [CompileError, Timeout, MemoryLimit, OutputLimit, RuntimeError, WrongAnswer, Passed];

const REFERENCE: &str = "def f(x):\n    y = x + 1\n    return y * 2\n";

fn verdict(class: OutcomeClass, tests_passed: u32, program: &str) -> Verdict {
    Verdict {
        class,
        tests_passed,
        tests_total: 4,
        error: None,
        program: program.into(),
        mode: JudgeMode::Split,
        missed_lines: Vec::new(),
    }
}

fn value(part: &RewardPart, verdict: &Verdict) -> f64 {
    let judged = Judged {
        task: "t",
        instruction: "",
        reference: REFERENCE,
        entry_point: "f",
        tests: &TestSuite::Asserts { setup: String::new(), asserts: Vec::new() },
        answer: "",
        is_program_only: true,
        verdict,
    };
    part.value(&judged).expect("no grader")
}

#[test]
fn each_kind_values_each_class() {
    let check = |part: RewardPart, passed: u32, expected: [f64; 7]| {
        let found =
            CLASSES.map(|class| value(&part, &verdict(class, if class == Passed { 4 } else { passed }, "")));
        assert_eq!(found, expected, "{part:?}");
    };
    check(RewardPart::default(), 3, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
    check(RewardPart::fraction(), 3, [0.75, 0.75, 0.75, 0.75, 0.75, 0.75, 1.0]);
    check(RewardPart::fraction(), 4, [0.75, 0.75, 0.75, 0.75, 0.75, 0.75, 1.0]);
    check(RewardPart::outcome_classes(), 3, [-1.0, -0.6, -0.6, -0.6, -0.6, -0.3, 1.0]);
    check(RewardPart::Compile(Plain::default()), 0, [-1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
    let untested = Verdict { tests_total: 0, ..verdict(CompileError, 0, "") };
    assert_eq!(value(&RewardPart::fraction(), &untested), 0.0);
}

/// A reference matches itself, a stranger little of it, and renaming keeps its data flow.
#[test]
fn matches_are_against_the_reference() {
    let (syntax, flow) =
        (RewardPart::AstMatch(Plain::default()), RewardPart::DataFlowMatch(Plain::default()));
    let of = |part: &RewardPart, program: &str| value(part, &verdict(WrongAnswer, 0, program));
    assert_eq!((of(&syntax, REFERENCE), of(&flow, REFERENCE)), (1.0, 1.0));
    let renamed = REFERENCE.replace('y', "z");
    assert_eq!(of(&flow, &renamed), 1.0);
    let stranger = "def f(x):\n    pass\n";
    assert!(of(&syntax, stranger) < 0.5 && of(&flow, stranger) < 0.5);
    assert_eq!(of(&syntax, ""), 0.0);
}

#[test]
fn tables_are_read_strictly() {
    let read = |text: &str| serde_json::from_str::<RewardPart>(text);
    assert_eq!(read(r#"{"type": "all-pass"}"#).ok(), Some(RewardPart::default()));
    assert_eq!(read(r#"{"type": "outcome-classes"}"#).ok(), Some(RewardPart::outcome_classes()));
    assert_eq!(read(r#"{"type": "ast-match", "weight": 0.5}"#).expect("valid").weight(), 0.5);
    for (wrong, part) in [
        (r#"{"type": "all-pass", "passed": 1}"#, "unknown field `passed`, expected `weight`"),
        (r#"{"type": "outcome-classes", "pased": 1}"#, "unknown field `pased`"),
        (r#"{"type": "some-pass"}"#, "unknown variant `some-pass`, expected one of `all-pass`"),
        (r#"{"type": "program"}"#, "missing field `path`"),
        ("{}", "missing field `type`"),
    ] {
        let error = read(wrong).expect_err(wrong).to_string();
        assert!(error.contains(part), "{error}");
    }
    let unknown = read(r#"{"type": "some-pass"}"#).expect_err("unknown").to_string();
    assert!(RewardPart::TYPES.iter().all(|name| unknown.contains(&format!("`{name}`"))), "{unknown}");
}

#[test]
fn senseless_lists_are_refused() {
    let check = |parts: &[RewardPart], message: &str| {
        assert_eq!(check_rewards(parts).expect_err("senseless"), message);
    };
    assert_eq!(check_rewards(&[RewardPart::default(), RewardPart::fraction()]), Ok(()));
    check(&[], ": expected at least one part, found none");
    check(
        &[RewardPart::fraction(), RewardPart::fraction()],
        "[1].type: expected each part once, found fraction again",
    );
    check(
        &[RewardPart::AllPass(Plain { weight: 0.0 })],
        "[0].weight: expected a finite number other than 0, found 0",
    );
    check(
        &[RewardPart::Efficiency(Efficiency { without_workload: Some(f64::NAN), ..Efficiency::default() })],
        "[0].without_workload: expected a finite number, found NaN",
    );
    let low = OutcomeClasses { passed: -0.3, ..OutcomeClasses::default() };
    let message = check_rewards(&[RewardPart::OutcomeClasses(low)]).expect_err("senseless");
    assert!(message.starts_with("[0].passed: expected the highest"), "{message}");
    let grader = |name: &str| {
        serde_json::from_value::<RewardPart>(
            serde_json::json!({"type": "program", "path": "g.py", "name": name}),
        )
        .expect("valid")
    };
    assert_eq!(check_rewards(&[grader("a"), grader("b")]), Ok(()));
    check(&[grader("a"), grader("a")], "[1].name: expected each part once, found a again");
    check(&[grader("fraction")], "[0].name: expected a name of its own, found \"fraction\", a type's");
}
