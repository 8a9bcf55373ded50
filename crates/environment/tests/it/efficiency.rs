//! The reward for speed, on programs that are right and fast, right and slow, wrong, or dishonest.

use std::sync::Arc;

use hone_dataset::Task;
use hone_environment::{
    CodeEnvironmentConfig, CodeEnvironmentSet, Efficiencies, Efficiency, EnvironmentSet, Judged, RewardPart,
    Verdict,
};
use hone_sandbox::{
    Compare, Isolation, JudgeMode, Language, OutcomeClass, Sandbox, SandboxConfig, StdioCase, TestSuite,
};

const REFERENCE: &str = "def total(n):\n    return sum(range(n + 1))\n";

fn sandbox() -> Arc<Sandbox> {
    let config = SandboxConfig { isolation: Isolation::Standard, ..SandboxConfig::default() };
    Arc::new(Sandbox::start(config).expect("the sandbox starts"))
}

fn passed(program: &str) -> Verdict {
    Verdict {
        class: OutcomeClass::Passed,
        tests_passed: 2,
        tests_total: 2,
        error: None,
        program: program.into(),
        mode: JudgeMode::Split,
        missed_lines: Vec::new(),
    }
}

/// What a program is worth that has passed `tests`, or the error.
fn value(part: &Efficiency, tests: &TestSuite, reference: &str, program: &str) -> Result<f64, String> {
    let verdict = passed(program);
    let judged = Judged {
        task: "total",
        instruction: "",
        reference,
        entry_point: "total",
        tests,
        answer: "",
        is_program_only: true,
        verdict: &verdict,
    };
    Efficiencies::default().value(part, &judged, &sandbox()).map_err(|error| error.to_string())
}

/// Through an episode: declared, weighted, kept beside the other parts. The reference is slower than need be.
#[test]
fn right_programs_are_worth_their_speed_and_wrong_ones_nothing() {
    let task = serde_json::json!({
        "id": "total", "instruction": "Sum 0 to n.", "signature": "def total(n):", "entry_point": "total",
        "tests": {"kind": "asserts", "asserts": ["assert total(2000) == 2001000", "assert total(n=3000) == 4501500"]},
        "reference": REFERENCE, "level": 1, "topic": "numbers",
    });
    let tasks = Task::parse(&format!("{task}\n"), "own").expect("a task");
    let parts = serde_json::json!([{"type": "all-pass"}, {"type": "efficiency", "weight": 0.5}]);
    let parts: Vec<RewardPart> = serde_json::from_value(parts).expect("valid");
    let set = CodeEnvironmentSet::new(tasks, sandbox(), CodeEnvironmentConfig::default())
        .and_then(|set| set.with_rewards(parts))
        .expect("valid");
    let slow = "\n    found = 0\n    for i in range(n + 1):\n        for _ in range(5):\n            pass\n        found += i\n    return found";
    // It passes the tests, and ends as if all were done when it is called more often than they call it.
    let dishonest = "\n    import builtins, os\n    builtins.seen = getattr(builtins, 'seen', 0) + 1\n    if builtins.seen > 9:\n        os._exit(0)\n    return n * (n + 1) // 2";
    for (what, body, least, most) in [
        ("faster", "\n    return n * (n + 1) // 2", 1.0, 1.0),
        ("equal", "\n    return sum(range(n + 1))", 0.5, 1.0),
        ("slow", slow, 0.0, 0.5),
        ("wrong", "\n    return n", 0.0, 0.0),
        ("dishonest", dishonest, 0.0, 0.0),
    ] {
        let step = set.open(0).step(body).expect("judged");
        let values: Vec<(&str, f64)> =
            step.parts.iter().map(|part| (part.name.as_str(), part.value)).collect();
        let [("all-pass", pass), ("efficiency", speed)] = values[..] else { panic!("{what}: {values:?}") };
        assert_eq!(pass, f64::from(u8::from(what != "wrong")), "{what}");
        assert!((least..=most).contains(&speed), "{what}: {speed}");
        assert_eq!(step.reward, pass + 0.5 * speed, "{what}");
    }
}

#[test]
fn whole_programs_are_measured_on_the_inputs_of_their_cases() {
    let case = |n: u64| StdioCase { stdin: format!("{n}\n"), stdout: format!("{}\n", n * (n + 1) / 2) };
    let tests = TestSuite::Stdio {
        cases: vec![case(60_000), case(90_000)],
        compare: Compare::Lines,
        language: Language::Python,
    };
    let reference = "n = int(input())\ntotal = 0\nfor i in range(n + 1):\n    total += i\nprint(total)\n";
    let part = Efficiency::default();
    assert_eq!(value(&part, &tests, reference, "n = int(input())\nprint(n * (n + 1) // 2)\n"), Ok(1.0));
    let slow = reference.replace("    total += i", "    total += i\n    for _ in range(5):\n        pass");
    let slow = value(&part, &tests, reference, &slow).expect("measured");
    assert!(slow > 0.0 && slow < 0.7, "{slow}");
}

/// Arguments that are computed cannot be taken out of their tests.
#[test]
fn a_task_without_a_workload_is_an_error_or_has_its_value() {
    let code =
        "def check(candidate):\n    for n in range(3):\n        assert candidate(n) == n * (n + 1) // 2\n";
    let tests = TestSuite::Check { code: code.into(), entry_point: "total".into() };
    let error = value(&Efficiency::default(), &tests, REFERENCE, REFERENCE).expect_err("no workload");
    assert!(
        error.starts_with("efficiency: expected a workload in the task's tests, found no call"),
        "{error}"
    );
    assert!(error.contains("hint: without_workload"), "{error}");
    let part = Efficiency { without_workload: Some(0.5), ..Efficiency::default() };
    assert_eq!(value(&part, &tests, REFERENCE, REFERENCE), Ok(0.5));
    let rust = TestSuite::Program { language: Language::Rust, code: "fn main() {}".into() };
    assert_eq!(value(&part, &rust, "", ""), Ok(0.5));
}
