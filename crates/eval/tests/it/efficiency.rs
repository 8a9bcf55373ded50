//! What right solutions cost beside a reference.

use hone_eval::benchmark::{BenchmarkSet, Problem, PromptStyle, find_benchmark};
use hone_eval::collect::{Job, Produced, collect};
use hone_eval::{EfficiencySummary, LeftOut, TaskEvaluation, measure_efficiency};
use hone_model::FinishReason;
use serde_json::json;

use crate::benchmarks::{read, sandbox};

/// Sums of squares: by a loop that takes some ten milliseconds.
fn problems() -> Vec<Problem> {
    let row = |id: &str, solution: &str| {
        json!({"task_id": id, "prompt": "def f(n):\n", "entry_point": "f", "canonical_solution": solution,
               "test": "def check(candidate):\n    assert candidate(200000) == 2666646666700000\n"})
    };
    read("humaneval", &[row("T/0", LOOP), row("T/1", "    return 0\n")]).expect("problems")
}

const LOOP: &str = "    total = 0\n    for i in range(n):\n        total += i * i\n    return total\n";
const THREE: &str = "    for _ in range(3):\n        total = 0\n        for i in range(n):\n            total += i * i\n    return total\n";
const FORMULA: &str = "    return (n - 1) * n * (2 * n - 1) // 6\n";
/// Right in a process of its own, and gone before the tests end in one that it shares with them.
const GONE: &str = "    import sys\n    if 'tests' in sys._getframe(1).f_globals['__name__']:\n        sys.exit(0)\n    return 2666646666700000\n";

fn evaluated(problems: &[Problem], completions: &[(usize, &str)]) -> Vec<TaskEvaluation> {
    let rules = find_benchmark("humaneval").expect("known").rules;
    let set = BenchmarkSet::new(problems.to_vec(), sandbox(), rules, PromptStyle::Completion);
    let jobs: Vec<Job> = completions
        .iter()
        .enumerate()
        .map(|(sample, (problem, _))| Job { problem: *problem, sample })
        .collect();
    let produce = |job: Job| {
        let text = completions[job.sample].1.to_owned();
        let program = set.program(job.problem, &text);
        Ok(Produced { text, program, tokens: 0, finish: FinishReason::StopText })
    };
    collect(&set, &jobs, 2, false, &produce, Vec::new(), &mut |_, _| {}, &mut |_| {}, &|| false)
        .expect("judged")
}

#[test]
fn speed_is_relative_to_the_reference_and_counts_for_right_samples_only() {
    let problems = problems();
    let mut tasks = evaluated(
        &problems,
        &[(0, LOOP), (0, THREE), (0, FORMULA), (0, "    return 7\n"), (0, GONE), (1, FORMULA)],
    );
    let rules = find_benchmark("humaneval").expect("known").rules;
    let left_out = measure_efficiency(&sandbox(), &problems, rules, &mut tasks, &|_| {}, &|| false);
    let left_out = left_out.expect("measured");
    // The second reference is wrong, so nothing can be compared with it.
    assert_eq!(left_out.keys().collect::<Vec<_>>(), ["T/1"], "{left_out:?}");
    assert!(left_out["T/1"].contains("cannot be run"), "{left_out:?}");
    let speedup = |sample: usize| tasks[0].samples[sample].measurements.efficiency.map(|it| it.speedup());
    let (same, slow, fast) = (speedup(0), speedup(1), speedup(2));
    assert!(same.is_some_and(|it| (0.8..1.25).contains(&it)), "{same:?}");
    assert!(slow.is_some_and(|it| (0.2..0.5).contains(&it)), "{slow:?}");
    assert!(fast.is_some_and(|it| it > 1.5), "{fast:?}");
    assert_eq!((speedup(3), speedup(4)), (None, None), "a wrong one has no cost, nor one that goes away");
    let summary = EfficiencySummary::of(&tasks, &left_out, &[0.0, 0.1, 0.6, 1.5]);
    let shares: Vec<f64> = summary.fast.iter().map(|it| it.share.value).collect();
    let right = f64::from(u8::try_from(tasks[0].passed()).expect("few")) / 5.0;
    assert_eq!(shares, [right, 0.6, 0.4, 0.2]);
    assert_eq!((summary.tasks, summary.methods.values().sum::<usize>()), (1, 3));
    assert!(summary.remarks().iter().any(|remark| remark.contains("T/1")), "{:?}", summary.remarks());
    // What is measured is not measured again: a cost that was written down stays.
    let known = tasks.clone();
    let again = measure_efficiency(&sandbox(), &problems, rules, &mut tasks, &|_| {}, &|| false);
    assert_eq!(again.expect("measured").len(), 1);
    assert_eq!(tasks[0].samples[0], known[0].samples[0]);
}

#[test]
fn without_tasks_that_count_there_is_no_share() {
    let tasks = vec![TaskEvaluation { id: "a".into(), level: 0, topic: String::new(), samples: Vec::new() }];
    let left_out = LeftOut::from([("a".to_owned(), "it has no reference".to_owned())]);
    let summary = EfficiencySummary::of(&tasks, &left_out, &[1.0]);
    assert!(summary.fast.is_empty() && summary.speedup.is_none() && summary.tasks == 0);
    assert_eq!(summary.method(), "none");
}
