//! Programming episodes through the real sandbox.

use std::sync::Arc;

use hone_dataset::Task;
use hone_environment::{
    CodeEnvironmentConfig, CodeEnvironmentSet, EnvironmentSet, RewardConfig, Step, Verdict,
};
use hone_sandbox::{Isolation, OutcomeClass, Sandbox, SandboxConfig};

/// Two tasks of our own, one by asserts, one by a `check` function after helpers and a docstring.
fn environments(reward: RewardConfig) -> CodeEnvironmentSet {
    let double = serde_json::json!({
        "id": "double", "instruction": "Return twice x.", "signature": "def double(x):", "entry_point": "double",
        "tests": {"kind": "asserts", "asserts": ["assert double(2) == 4", "assert double(-1) == -2"]},
        "reference": "def double(x):\n    return x * 2\n", "level": 1, "topic": "numbers",
    });
    let text = format!("{double}\n");
    let mut tasks = Task::parse(&text, "own").expect("a task");
    let unshift = serde_json::json!({
        "task_id": "unshift", "entry_point": "unshift",
        "prompt": "def shift(t):\n    return t[1:] + t[:1]\n\n\ndef unshift(t):\n    \"\"\"Undo shift.\"\"\"\n",
        "canonical_solution": "    return t[-1:] + t[:-1]\n",
        "test": "def check(candidate):\n    for t in ['', 'a', 'abc']:\n        assert candidate(shift(t)) == t\n",
    });
    tasks.extend(Task::parse(&unshift.to_string(), "humaneval").expect("a task"));
    let sandbox = SandboxConfig { isolation: Isolation::Standard, ..SandboxConfig::default() };
    let sandbox = Arc::new(Sandbox::start(sandbox).expect("the sandbox starts"));
    let config = CodeEnvironmentConfig { reward, cpu_ms: 800, ..CodeEnvironmentConfig::default() };
    CodeEnvironmentSet::new(tasks, sandbox, config).expect("valid settings")
}

fn step(set: &CodeEnvironmentSet, index: usize, action: &str) -> (Step, Verdict) {
    let step = set.open(index).step(action).expect("the sandbox works");
    let verdict = step.verdict.clone().expect("a verdict");
    (step, verdict)
}

#[test]
fn answers_are_judged_by_what_they_do() {
    let set = environments(RewardConfig::outcome_classes());
    for (index, action, class, reward) in [
        (0, "\n    return x * 2", OutcomeClass::Passed, 1.0),
        (0, "\n    return x * 2\n\nprint(double('a') + 1)", OutcomeClass::Passed, 1.0),
        (0, "\ndef double(x):\n    return x + x\n```\nDone.", OutcomeClass::Passed, 1.0),
        (0, "\n    return x + 2", OutcomeClass::WrongAnswer, -0.3),
        (0, "\n    return y * 2", OutcomeClass::RuntimeError, -0.6),
        (0, "\n    while True: pass", OutcomeClass::Timeout, -0.6),
        (0, "\n    return x *", OutcomeClass::CompileError, -1.0),
        (0, "", OutcomeClass::CompileError, -1.0),
        (1, "\n    return t[-1:] + t[:-1]", OutcomeClass::Passed, 1.0),
        (1, "\n    return t", OutcomeClass::WrongAnswer, -0.3),
        // What the tests assert with is not the solution's to change.
        (
            1,
            "\n    return t\n\ndef shift(t):\n    return t\nunshift = shift",
            OutcomeClass::WrongAnswer,
            -0.3,
        ),
    ] {
        let (step, verdict) = step(&set, index, action);
        assert_eq!((verdict.class, step.reward), (class, reward), "{action:?}: {verdict:?}");
        assert!(step.next.is_none());
    }
}

#[test]
fn the_fraction_counts_every_test() {
    let set = environments(RewardConfig::Fraction {});
    let (half, verdict) = step(&set, 0, "\n    return x + 2");
    assert_eq!((half.reward, verdict.tests_passed, verdict.tests_total), (0.5, 1, 2));
    let (none, verdict) = step(&set, 0, "\n    return x *");
    assert_eq!((none.reward, verdict.tests_total), (0.0, 2));
}

#[test]
fn an_observation_opens_the_answer_and_an_episode_is_single_use() {
    let set = environments(RewardConfig::default());
    let mut episode = set.open(0);
    let observation = episode.observe();
    assert_eq!(observation.answer_prefix, "```python\ndef double(x):");
    assert_eq!(observation.stop, ["\n```"]);
    assert_eq!((set.len(), set.id(0), set.level(0), set.topic(0)), (2, "double", 1, "numbers"));
    assert_eq!(episode.step("\n    return 2 * x").expect("judged").reward, 1.0);
    assert!(episode.step("\n    return 2 * x").expect_err("over").to_string().contains("double"));
}
