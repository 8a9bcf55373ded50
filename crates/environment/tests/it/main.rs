//! Programming episodes through the real sandbox.

mod efficiency;

use std::sync::Arc;

use hone_dataset::Task;
use hone_environment::{
    CodeEnvironmentConfig, CodeEnvironmentSet, EnvironmentSet, Feedback, RewardPart, Role, Step, Verdict,
};
use hone_sandbox::{Isolation, OutcomeClass, Sandbox, SandboxConfig};

/// Two tasks of our own, one by asserts, one by a `check` function after helpers and a docstring.
fn environments(reward: RewardPart) -> CodeEnvironmentSet {
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
    let config = CodeEnvironmentConfig { cpu_ms: 800, ..CodeEnvironmentConfig::default() };
    let set = CodeEnvironmentSet::new(tasks, sandbox, config).expect("valid settings");
    set.with_rewards(vec![reward]).expect("a valid reward")
}

fn step(set: &CodeEnvironmentSet, index: usize, action: &str) -> (Step, Verdict) {
    let step = set.open(index).step(action).expect("the sandbox works");
    let verdict = step.verdict.clone().expect("a verdict");
    (step, verdict)
}

#[test]
fn answers_are_judged_by_what_they_do() {
    let set = environments(RewardPart::outcome_classes());
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
    let set = environments(RewardPart::fraction());
    let (half, verdict) = step(&set, 0, "\n    return x + 2");
    assert_eq!((half.reward, verdict.tests_passed, verdict.tests_total), (0.5, 1, 2));
    let (none, verdict) = step(&set, 0, "\n    return x *");
    assert_eq!((none.reward, verdict.tests_total), (0.0, 2));
}

#[test]
fn an_observation_opens_the_answer_and_an_episode_is_single_use() {
    let set = environments(RewardPart::default());
    let mut episode = set.open(0);
    let observation = episode.observe();
    assert_eq!(observation.answer_prefix, "```python\ndef double(x):");
    assert_eq!(observation.stop, ["\n```"]);
    assert_eq!((set.len(), set.id(0), set.level(0), set.topic(0)), (2, "double", 1, "numbers"));
    assert_eq!(episode.step("\n    return 2 * x").expect("judged").reward, 1.0);
    assert!(episode.step("\n    return 2 * x").expect_err("over").to_string().contains("double"));
}

/// Every part by itself and their weighted sum, with a grader that counts the program's lines in the sandbox.
#[test]
fn parts_are_weighted_and_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, source: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, source).expect("written");
        path
    };
    let lines = write(
        "lines.py",
        "import json, sys\nfor line in sys.stdin:\n    seen = json.loads(line)\n    print('graded', seen['task'])\n    \
         print(json.dumps({'reward': len(seen['program'].splitlines())}))\n",
    );
    let broken = write("broken.py", "raise ValueError('no idea')\n");
    let read = |table: serde_json::Value| serde_json::from_value::<RewardPart>(table).expect("valid");
    let parts = vec![
        RewardPart::default(),
        read(serde_json::json!({"type": "ast-match", "weight": 0.5})),
        read(serde_json::json!({"type": "format", "weight": 0.25})),
        read(serde_json::json!({"type": "program", "path": lines, "name": "lines", "weight": 2.0})),
        read(serde_json::json!({"type": "program", "path": broken, "name": "broken", "on_failure": -1.0})),
    ];
    let set = environments(RewardPart::default()).with_rewards(parts).expect("valid parts");
    let (right, _) = step(&set, 0, "\n    return x * 2");
    let values: Vec<(&str, f64)> = right.parts.iter().map(|part| (part.name.as_str(), part.value)).collect();
    let expected = [("all-pass", 1.0), ("ast-match", 1.0), ("format", 1.0), ("lines", 2.0), ("broken", -1.0)];
    assert_eq!(values, expected);
    assert_eq!(right.reward, 1.0 + 0.5 + 0.25 + 4.0 - 1.0);
    let (chatty, _) = step(&set, 0, "\n    return x * 2\n```\nThis doubles x.");
    assert_eq!(chatty.parts[2].value, 0.0);

    let fails = vec![read(serde_json::json!({"type": "program", "path": broken}))];
    let set = environments(RewardPart::default()).with_rewards(fails).expect("valid parts");
    let error = set.open(0).step("\n    return x").expect_err("the grader fails").to_string();
    assert!(error.contains("grader program on task double") && error.contains("no idea"), "{error}");
    assert!(error.contains("on_failure = 0.0"), "{error}");
    let missing = vec![read(serde_json::json!({"type": "program", "path": "nowhere.py"}))];
    let error = environments(RewardPart::default()).with_rewards(missing).err().expect("no such file");
    assert!(error.to_string().contains("failed to read the grader nowhere.py"), "{error}");
}

/// Two turns: what went wrong is said between them, hidden tests are not, and a right program ends the episode.
#[test]
fn a_second_turn_begins_with_what_went_wrong() {
    let first = environments(RewardPart::default());
    let set = |feedback: Feedback| {
        let config = CodeEnvironmentConfig { turns: 2, feedback, ..CodeEnvironmentConfig::default() };
        let sandbox = SandboxConfig { isolation: Isolation::Standard, ..SandboxConfig::default() };
        let sandbox = Arc::new(Sandbox::start(sandbox).expect("the sandbox starts"));
        CodeEnvironmentSet::new(first.tasks().to_vec(), sandbox, config).expect("valid settings")
    };
    let say = |set: &CodeEnvironmentSet, action: &str| {
        let mut episode = set.open(0);
        let next = episode.step(action).expect("judged").next.expect("another turn");
        assert_eq!(next, episode.observe());
        let roles: Vec<Role> = next.messages.iter().map(|message| message.role).collect();
        assert_eq!(roles, [Role::User, Role::Assistant, Role::User]);
        assert!(next.messages[1].content.starts_with("```python\ndef double(x):"), "{next:?}");
        let last = episode.step("\n    return x * 2").expect("judged");
        assert_eq!((last.reward, last.next), (1.0, None));
        assert!(episode.step("\n    return x * 2").is_err(), "the episode is over");
        next.messages[2].content.clone()
    };
    let error = set(Feedback::Error);
    let said = say(&error, "\n    return y * 2");
    assert!(said.contains("NameError") && said.contains("in line 2, `return y * 2`"), "{said}");
    let said = say(&error, "\n    return x + 2");
    assert!(said.contains("1 of 2 tests failed") && !said.contains("assert"), "{said}");
    let critique = set(Feedback::Critique);
    assert!(say(&critique, "\n    return x *").contains("Critique: it is not valid Python"));
    assert!(say(&critique, "\n    return x + 2").contains("Critique: some results are right"));
    let shown = set(Feedback::FailingTest);
    assert!(say(&shown, "\n    return x + 2").contains("assert double(-1) == -2"));
    let mut episode = error.open(0);
    assert_eq!(episode.step("\n    return x * 2").expect("judged").next, None);
}

/// The lines that no test reached, by kind of tests; none where nothing can be said.
#[test]
fn coverage_says_which_lines_no_test_reached() {
    let set = environments(RewardPart::default()).with_coverage(true);
    let dead = "\n    if x > 90:\n        y = 0\n        return y\n    return x * 2";
    for (index, action, missed) in [
        (0, dead, &[3u32, 4][..]),
        (0, "\n    return x * 2", &[]),
        (0, "\n    raise ValueError\n    return x * 2", &[]),
        (0, "\n    for i in range(100000):\n        x + 1\n    return x * 2", &[]),
        (
            0,
            "\n    return twice(x)\n\ndef twice(x):\n    if x is None:\n        return 0\n    return x + x",
            &[6],
        ),
        (0, "\n    return x *", &[]),
        (1, "\n    if len(t) > 9:\n        return ''\n    return t[-1:] + t[:-1]", &[8]),
    ] {
        assert_eq!(step(&set, index, action).1.missed_lines, missed, "{action}");
    }
    assert!(step(&environments(RewardPart::default()), 0, dead).1.missed_lines.is_empty());
}

/// A solution is an answer that passes; an answer that begins part way is judged as a whole program.
#[test]
fn solutions_are_answers_and_can_be_given_in_part() {
    let set = environments(RewardPart::default());
    for index in 0..2 {
        let solution = set.solution(index).expect("a reference that continues its signature");
        assert_eq!(step(&set, index, &solution).1.class, OutcomeClass::Passed);
    }
    let episode = set.open_part_way(0, 1.0);
    assert_eq!(episode.observe(), set.open(0).observe(), "nothing to give");
}
