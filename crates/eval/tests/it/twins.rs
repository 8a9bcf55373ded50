//! Samples that are the same program share a verdict, and only those.

use hone_eval::SampleEvaluation;
use hone_eval::benchmark::{BenchmarkSet, PromptStyle, find_benchmark};
use hone_eval::collect::{Job, Produced, collect};
use hone_model::FinishReason;
use hone_sandbox::OutcomeClass;
use serde_json::json;

use crate::benchmarks::{read, sandbox};

fn judged(bodies: &[&str], is_each_judged: bool) -> Vec<SampleEvaluation> {
    let row = json!({"task_id": "T/0", "prompt": "def f(x):\n", "entry_point": "f", "canonical_solution": "    return x\n",
                     "test": "def check(candidate):\n    assert candidate(1) == 1\n    assert candidate(2) == 2\n"});
    let benchmark = find_benchmark("humaneval").expect("known");
    let problems = read("humaneval", &[row]).expect("a problem");
    let set = BenchmarkSet::new(problems, sandbox(), benchmark.rules, PromptStyle::Completion);
    let jobs: Vec<Job> = (0..bodies.len()).map(|sample| Job { problem: 0, sample }).collect();
    let produce = |job: Job| {
        let text = bodies[job.sample].to_owned();
        let program = format!("def f(x):\n{text}");
        Ok(Produced { text, program, tokens: 0, finish: FinishReason::StopText })
    };
    let on_sample = &mut |_: &str, _: &SampleEvaluation| {};
    let tasks =
        collect(&set, &jobs, 2, is_each_judged, &produce, Vec::new(), on_sample, &mut |_| {}, &|| false)
            .expect("judged");
    tasks.into_iter().next().expect("a task").samples
}

#[test]
fn the_same_program_is_judged_once() {
    let bodies = [
        "    return x\n",
        "    return x  # the same\n",
        "    return x\n",
        "    return 1 / 0\n",
        "\n    # The error is elsewhere.\n    return 1 / 0\n",
        "    return 1 / 0\n",
        "    return 3 - x\n",
    ];
    let samples = judged(&bodies, false);
    let passed: Vec<bool> = samples.iter().map(SampleEvaluation::is_passed).collect();
    assert_eq!(passed, [true, true, true, false, false, false, false]);
    // Two threads: which of several is first is open, that all but one of them are like it is not.
    let shared =
        |range: std::ops::Range<usize>| samples[range].iter().filter(|s| s.same_as.is_some()).count();
    assert_eq!((shared(0..3), shared(6..7)), (2, 0));
    for sample in &samples {
        let verdict = sample.verdict.as_ref().expect("a verdict");
        assert_eq!(verdict.program, format!("def f(x):\n{}", bodies[sample.sample]));
        assert!(sample.same_as.is_none_or(|first| samples[first].verdict.is_some()));
    }
    let line = |sample: usize| {
        let verdict = samples[sample].verdict.as_ref().expect("a verdict");
        assert_eq!(verdict.class, OutcomeClass::RuntimeError);
        verdict.error.as_ref().and_then(|error| error.line)
    };
    assert_eq!([line(3), line(4), line(5)], [Some(2), Some(4), Some(2)]);
    let each = judged(&bodies, true);
    assert!(each.iter().all(|sample| sample.same_as.is_none()));
    assert_eq!(each.iter().map(SampleEvaluation::is_passed).collect::<Vec<_>>(), passed);
}
