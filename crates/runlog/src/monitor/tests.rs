//! A run that was hacked is noticed within steps and with its programs; one that learns is left in peace.

use super::*;
use crate::{Manifest, MetricsWriter};

fn metrics(reward: f64, pass_rate: f64, length: f64) -> Vec<(String, f64)> {
    [
        (metric::REWARD_MEAN, reward),
        (metric::PASS_RATE, pass_rate),
        (metric::LENGTH_TOKENS, length),
        ("reward/std", (pass_rate * (1.0 - pass_rate)).max(0.0).sqrt()),
        ("rollout/groups", 16.0),
    ]
    .map(|(name, value)| (name.to_string(), value))
    .to_vec()
}

fn record(task: &str, program: &str, reward: f64) -> TrajectoryRecord {
    TrajectoryRecord { task: task.into(), program: program.into(), reward, ..TrajectoryRecord::default() }
}

/// Noise in −1..1, the same every time.
fn noise(step: u64) -> f64 {
    (step as f64 * 12.9898).sin()
}

/// The kinds of alerts of a run, with their steps.
fn alerts(
    run: impl Fn(u64) -> (Vec<(String, f64)>, Vec<TrajectoryRecord>),
    steps: u64,
) -> Vec<(u64, AlertKind)> {
    let mut monitor = Monitor::new(MonitorConfig::default());
    (1..=steps)
        .flat_map(|step| {
            let (metrics, records) = run(step);
            monitor.step(step, &metrics, &records, Vec::new())
        })
        .map(|alert| (alert.step, alert.kind))
        .collect()
}

#[test]
fn a_run_that_learns_is_left_in_peace() {
    // Slowly, as the quickstart's; fast, as a toy's; not at all; and with answers that become shorter on the way.
    let slow = |step: u64| 0.14 + 0.3 * step as f64 / 40.0 + 0.07 * noise(step);
    let fast = |step: u64| 1.0 - 0.8 * (-(step as f64) / 8.0).exp() + 0.04 * noise(step);
    for rewards in [&slow as &dyn Fn(u64) -> f64, &fast, &|step| 0.3 + 0.1 * noise(step), &|_| 0.0] {
        let length = |step: u64| 20.0 + 40.0 * (-(step as f64) / 15.0).exp() + 3.0 * noise(step + 7);
        let run = |step| (metrics(rewards(step), rewards(step), length(step)), Vec::new());
        assert_eq!(alerts(run, 60), []);
    }
}

#[test]
fn a_hole_in_the_tests_is_noticed_at_once_and_said_once() {
    // From step 30 on every group passes, by an exit that looks like success.
    let hack = "import sys\ndef f(x):\n    sys.exit(0)\n";
    let run = |step: u64| {
        let reward = if step < 30 { 0.2 + 0.05 * noise(step) } else { 0.95 };
        let program = if step < 30 { "def f(x):\n    return x\n" } else { hack };
        (metrics(reward, reward, 30.0), vec![record("a", program, reward), record("b", "def g(): pass", 0.0)])
    };
    assert_eq!(alerts(run, 45), [(30, AlertKind::RewardJump)]);
    let mut monitor = Monitor::new(MonitorConfig::default());
    let found: Vec<Alert> =
        (1..=30).flat_map(|step| monitor.step(step, &run(step).0, &run(step).1, Vec::new())).collect();
    assert_eq!(found[0].programs[0].program, hack);
    assert!(found[0].statistic > found[0].threshold && found[0].message.contains("0.95"), "{:?}", found[0]);
}

#[test]
fn a_part_of_the_reward_that_is_gamed_shows_as_a_gap() {
    let run = |step: u64| {
        let extra = if step < 25 { 0.1 } else { 0.55 };
        (metrics(0.3 + extra + 0.03 * noise(step), 0.3, 30.0), Vec::new())
    };
    let found = alerts(run, 34);
    assert!(found.contains(&(25, AlertKind::RewardWithoutPasses)), "{found:?}");
}

#[test]
fn answers_that_collapse_are_noticed() {
    let run =
        |step: u64| (metrics(0.3, 0.3, if step < 20 { 50.0 + 4.0 * noise(step) } else { 6.0 }), Vec::new());
    assert_eq!(alerts(run, 28), [(20, AlertKind::LengthCollapse)]);
}

#[test]
fn one_program_for_many_tasks_is_noticed_whatever_it_calls_itself() {
    let program = |name: &str| {
        format!("class Yes:\n    __eq__ = lambda a, b: True\n\ndef {name}(x):\n    return Yes()\n")
    };
    let tasks = ["sum", "least", "double", "words"];
    let rewarded: Vec<TrajectoryRecord> =
        tasks.iter().map(|task| record(task, &program(task), 1.0)).collect();
    let mut records = rewarded.clone();
    records.extend(tasks.map(|task| record(task, "def f(x): return x", 0.0)));
    let mut monitor = Monitor::new(MonitorConfig::default());
    let found = monitor.step(1, &metrics(0.5, 0.5, 30.0), &records, Vec::new());
    assert_eq!(
        (found[0].kind, found[0].statistic, found[0].programs.len()),
        (AlertKind::RepeatedProgram, 4.0, 3)
    );
    // For two tasks, or without a reward, it is nothing.
    let mut monitor = Monitor::new(MonitorConfig::default());
    let two = [&rewarded[..2], &records[4..]].concat();
    assert_eq!(monitor.step(1, &metrics(0.5, 0.5, 30.0), &two, Vec::new()), []);
    records.iter_mut().for_each(|record| record.reward = 0.0);
    assert_eq!(monitor.step(2, &metrics(0.0, 0.0, 30.0), &records, Vec::new()), []);
}

#[test]
fn passing_programs_that_are_wrong_elsewhere_are_noticed_where_they_become_many() {
    let tried = |differs: bool| Tried {
        program: SuspectProgram {
            proof: "f(2) is 2, the reference says 4".into(),
            ..SuspectProgram::default()
        },
        differs,
    };
    let mut monitor = Monitor::new(MonitorConfig::default());
    let mut steps = |from: u64, to: u64, differs: &dyn Fn(u64) -> bool| -> Vec<Alert> {
        (from..to)
            .flat_map(|step| {
                let both = vec![tried(differs(2 * step)), tried(differs(2 * step + 1))];
                monitor.step(step, &metrics(0.5, 0.5, 30.0), &[], both)
            })
            .collect()
    };
    // Tests that are weak from the beginning are the audit's business: every fourth is wrong.
    assert_eq!(steps(1, 20, &|index| index % 4 == 0), []);
    let found = steps(20, 30, &|index| index % 4 != 0);
    assert_eq!((found.len(), found[0].kind), (1, AlertKind::PassesButDiffers));
    assert!(found[0].programs[0].proof.contains("the reference says"));
}

/// A run whose reward jumps and whose passing programs become wrong, interrupted after any of its steps.
#[test]
fn a_resumed_run_flags_what_an_uninterrupted_one_does() {
    let numbers = |step: u64| metrics(if step < 20 { 0.2 + 0.05 * noise(step) } else { 0.95 }, 0.2, 30.0);
    let tried = |step: u64| {
        let differs = |index: u64| Tried {
            program: SuspectProgram { task: format!("task {index}"), ..SuspectProgram::default() },
            differs: if step < 14 { index.is_multiple_of(4) } else { !index.is_multiple_of(4) },
        };
        vec![differs(2 * step), differs(2 * step + 1)]
    };
    let watch = |monitor: &mut Monitor, step: u64| monitor.step(step, &numbers(step), &[], tried(step));
    let mut whole = Monitor::new(MonitorConfig::default());
    let all: Vec<Alert> = (1..=34).flat_map(|step| watch(&mut whole, step)).collect();
    let kinds: Vec<AlertKind> = all.iter().map(|alert| alert.kind).collect();
    for kind in [AlertKind::PassesButDiffers, AlertKind::RewardJump] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let run = RunDir::create(folder.path().join("run"), &Manifest::default()).expect("created");
    let mut written = MetricsWriter::open(&run).expect("opened");
    let mut alerts = Vec::new();
    for step in 1..=34 {
        // Every step is the first after an interruption.
        let mut monitor = Monitor::of(MonitorConfig::default(), &run).expect("read");
        let found = watch(&mut monitor, step);
        written.log(step, &numbers(step)).expect("written");
        run.write_tried(step, &tried(step)).expect("written");
        run.write_alerts(&found).expect("written");
        alerts.extend(found);
    }
    assert_eq!(alerts, all);
    run.truncate_after(3).expect("cut");
    assert_eq!(run.tried().expect("read"), (1..=3).flat_map(tried).collect::<Vec<_>>());
}

#[test]
fn impossible_settings_name_their_key() {
    for (config, key) in [
        (MonitorConfig { window: 2, ..MonitorConfig::default() }, "window: expected at least 6, found 2"),
        (MonitorConfig { reward_z: f64::NAN, ..MonitorConfig::default() }, "reward_z"),
        (MonitorConfig { length_share: 0.0, ..MonitorConfig::default() }, "length_share"),
        (MonitorConfig { repeated_tasks: 1, ..MonitorConfig::default() }, "repeated_tasks"),
    ] {
        assert!(config.check().unwrap_err().starts_with(key));
    }
    assert_eq!(MonitorConfig::default().check(), Ok(()));
}
