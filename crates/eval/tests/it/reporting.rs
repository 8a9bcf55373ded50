//! Comparing, summarising and writing evaluations.

use std::collections::BTreeMap;

use hone_environment::Verdict;
use hone_eval::{
    EvalConfig, Evaluation, Measurements, Provenance, SampleEvaluation, Summary, TaskEvaluation, Timing,
    comparison_table, paired_difference, summary_table,
};
use hone_model::FinishReason;
use hone_sandbox::{JudgeMode, OutcomeClass};

/// An evaluation of four samples a task; each task says how many of them passed.
pub(crate) fn evaluation(passed: &[(&str, usize)]) -> Evaluation {
    let sample = |sample: usize, class: OutcomeClass| SampleEvaluation {
        sample,
        text: format!("text {sample}"),
        tokens: 10 + sample,
        finish: if sample == 3 { FinishReason::Length } else { FinishReason::StopText },
        reward: f64::from(u8::from(class == OutcomeClass::Passed)),
        verdict: Some(Verdict {
            class,
            tests_passed: 0,
            tests_total: 1,
            error: None,
            program: "pass".into(),
            mode: JudgeMode::Split,
            missed_lines: Vec::new(),
        }),
        same_as: None,
        search: None,
        measurements: Measurements::default(),
    };
    let tasks = passed.iter().enumerate().map(|(index, (id, passed))| TaskEvaluation {
        id: (*id).into(),
        level: 1 + (index % 2) as u8,
        topic: "lists".into(),
        samples: (0..4)
            .map(|i| sample(i, if i < *passed { OutcomeClass::Passed } else { OutcomeClass::WrongAnswer }))
            .collect(),
    });
    let config = EvalConfig { samples: 4, ..EvalConfig::default() };
    Evaluation { config, tasks: tasks.collect(), provenance: Provenance::new(), timing: Timing::default() }
}

#[test]
fn the_difference_is_paired_by_task() {
    // Every task gains exactly one sample of four, so the paired interval has no width though tasks differ a lot.
    let before = evaluation(&[("a", 0), ("b", 3), ("c", 1)]);
    let after = evaluation(&[("c", 2), ("a", 1), ("b", 4)]);
    let difference = paired_difference(&before, &after, 1).expect("same tasks");
    assert_eq!((difference.value, difference.low, difference.high), (0.25, 0.25, 0.25));
    assert!(difference.excludes_zero());
    let back = paired_difference(&after, &before, 1).expect("same tasks");
    assert_eq!(back.value, -0.25);
    assert!(!paired_difference(&before, &before, 1).expect("same tasks").excludes_zero());
}

#[test]
fn evaluations_of_other_tasks_are_not_compared() {
    let check = |before: &[(&str, usize)], after: &[(&str, usize)], k: usize, expected: &str| {
        let error =
            paired_difference(&evaluation(before), &evaluation(after), k).expect_err("must fail").to_string();
        assert!(error.contains(expected), "{error:?} lacks {expected:?}");
    };
    check(&[("a", 1), ("b", 1)], &[("a", 1)], 1, "task b is in the first evaluation only");
    check(&[("a", 1)], &[("a", 1), ("b", 1)], 1, "the first evaluation has 1 tasks, the second 2");
    check(&[("a", 1)], &[("a", 1)], 5, "pass@5 needs 5 samples of task a, found 4 and 4");
    check(&[], &[], 1, "there are no tasks");
}

#[test]
fn tables_show_values_with_intervals() {
    let before = evaluation(&[("a", 0), ("b", 0)]);
    let after = evaluation(&[("a", 4), ("b", 2)]);
    assert_eq!(
        comparison_table(&before, &after, &[1, 4, 8]).expect("same tasks"),
        "        before            after                 difference\n\
         pass@1  0.0% [0.0, 84.2]  75.0% [50.0, 100.0]   +75.0 [+50.0, +100.0]\n\
         pass@4  0.0% [0.0, 84.2]  100.0% [15.8, 100.0]  +100.0 [+100.0, +100.0]\n"
    );
    assert_eq!(
        summary_table(&after.summary(&[1, 4])),
        "pass@1           75.0% [50.0, 100.0]\n\
         pass@4           100.0% [15.8, 100.0]\n\
         compile rate     100.0% [15.8, 100.0]\n\
         runtime errors   0.0% [0.0, 84.2]\n\
         test-pass ratio  0.0% [0.0, 84.2]\n\
         \n\
         2 tasks, 8 samples, mean reward 0.750, 11.5 tokens a sample, 25.0% cut at the length limit\n\
         \n\
         wrong answer  2  25.0%\n\
         passed        6  75.0%\n\
         \n\
         level 1  1 tasks  pass@1 100.0% [2.5, 100.0]  pass@4 100.0% [2.5, 100.0]\n\
         level 2  1 tasks  pass@1 50.0% [50.0, 50.0]   pass@4 100.0% [2.5, 100.0]\n"
    );
}

#[test]
fn a_k_beyond_the_samples_is_shown_as_undefined_and_difficulties_in_their_order() {
    let mut apps = evaluation(&[("a", 4), ("b", 0), ("c", 1)]);
    for (task, topic) in apps.tasks.iter_mut().zip(["competition", "introductory", "interview"]) {
        (task.topic, task.level) = (topic.into(), 0);
    }
    let summary = apps.summary(&[1, 5, 1000]);
    assert_eq!(summary.undefined, [5, 1000]);
    let table = summary_table(&summary);
    assert!(table.contains("pass@1000        —\n"), "{table}");
    let rows: Vec<&str> = table.lines().filter(|line| line.contains("1 tasks")).collect();
    let names: Vec<&str> = rows.iter().filter_map(|row| row.split_whitespace().next()).collect();
    assert_eq!(names, ["introductory", "interview", "competition"], "{table}");
    assert!(rows.iter().all(|row| row.ends_with("pass@5 —  pass@1000 —")), "{table}");
    assert!(summary_table(&apps.summary(&[1, 4])).lines().all(|line| !line.contains('—')));
}

#[test]
fn a_summary_groups_by_level_topic_and_outcome() {
    let summary = evaluation(&[("a", 4), ("b", 0), ("c", 2)]).summary(&[1, 2, 9]);
    assert_eq!(
        summary.all.pass_at.keys().copied().collect::<Vec<_>>(),
        [1, 2],
        "9 of 4 samples is undefined"
    );
    let expected = BTreeMap::from([(OutcomeClass::WrongAnswer, 6), (OutcomeClass::Passed, 6)]);
    assert_eq!(summary.all.outcomes, expected);
    assert_eq!(
        summary.by_level.iter().map(|(level, g)| (*level, g.tasks)).collect::<Vec<_>>(),
        [(1, 2), (2, 1)]
    );
    assert_eq!(summary.by_topic["lists"], summary.all);
    assert!(summary.signature.contains("tasks=3 samples=4 temperature=0.8"), "{}", summary.signature);
    let text = serde_json::to_string(&summary).expect("json");
    assert_eq!(serde_json::from_str::<Summary>(&text).expect("read back"), summary);
    assert!(text.contains(r#""outcomes":{"wrong-answer":6,"passed":6}"#), "{text}");
}

#[test]
fn evaluations_are_written_whole_and_by_sample() {
    let evaluation = evaluation(&[("a", 1), ("b", 2)]);
    let text = serde_json::to_string(&evaluation).expect("json");
    assert_eq!(serde_json::from_str::<Evaluation>(&text).expect("read back"), evaluation);
    let mut rows = Vec::new();
    evaluation.write_samples(&mut rows).expect("written");
    let rows: Vec<serde_json::Value> = String::from_utf8(rows)
        .expect("text")
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object a line"))
        .collect();
    assert_eq!(rows.len(), 8);
    assert_eq!((&rows[5]["task"], &rows[5]["is_passed"]), (&"b".into(), &true.into()));
    assert_eq!(rows[5]["verdict"]["class"], "passed");
}
