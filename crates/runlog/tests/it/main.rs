//! A run from its first line to its report, also when it was hostile, killed or damaged.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

use std::fs;

use hone_runlog::{
    ErrorRecord, Manifest, MetricsWriter, RunDir, TrajectoryRecord, metric, read_metrics, report,
    write_trajectories,
};
use tempfile::TempDir;

const HOSTILE: &str = "</script><script>alert('x')</script><img src=x onerror=alert(1)><!-- <script> \" ' ` ]]> &amp; \u{2028}\u{202e}\0";

fn new_run() -> (TempDir, RunDir) {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::create(dir.path().join("run"), &Manifest::default()).unwrap();
    (dir, run)
}

fn trajectory(step: u64, group: u64, text: &str) -> TrajectoryRecord {
    TrajectoryRecord {
        step,
        group,
        task: text.into(),
        prompt: text.into(),
        completion: text.into(),
        program: format!("{text}\n"),
        outcome: "runtime-error".into(),
        finish: text.into(),
        mode: text.into(),
        error: Some(ErrorRecord { kind: text.into(), message: text.into(), line: Some(1), column: None }),
        ..TrajectoryRecord::default()
    }
}

fn page_of(run: &RunDir) -> String {
    fs::read_to_string(report::write(run).unwrap()).unwrap()
}

/// The only markup on the page is the page's own: two script elements, no image, no address.
fn assert_no_foreign_markup(page: &str) {
    assert_eq!(page.matches("<script").count(), 2, "script elements");
    assert_eq!(page.matches("</script").count(), 2, "script ends");
    assert_eq!(page.matches("<!--").count(), 0, "comments");
    for markup in ["<img", "onerror=alert(1)>", "http:", "https:", "src=\"", "href="] {
        assert!(!page.contains(markup), "found {markup}");
    }
    assert!(page.contains("default-src 'none'") && page.contains("script-src 'sha256-"));
}

#[test]
fn hostile_text_everywhere_stays_text() {
    let dir = tempfile::tempdir().unwrap();
    let mut manifest =
        Manifest { title: HOSTILE.into(), command: vec![HOSTILE.into()], ..Manifest::default() };
    manifest.model.source = HOSTILE.into();
    manifest.model.sha256.insert(HOSTILE.into(), HOSTILE.into());
    manifest.toolchains.insert(HOSTILE.into(), HOSTILE.into());
    manifest.isolation.missing.push(HOSTILE.into());
    let run = RunDir::create(dir.path().join("run"), &manifest).unwrap();
    run.write_recipe(HOSTILE, HOSTILE).unwrap();
    let mut writer = MetricsWriter::open(&run).unwrap();
    writer.log(1, &[(HOSTILE, 1.0), ("outcome/</script>", 0.5)]).unwrap();
    write_trajectories(&run, 1, &[trajectory(1, 0, HOSTILE)]).unwrap();
    write_trajectories(&run, 2, &[TrajectoryRecord { outcome: HOSTILE.into(), ..trajectory(2, 0, HOSTILE) }])
        .unwrap();
    run.write_eval(
        "before",
        &serde_json::json!({ "by_level": { HOSTILE: { "pass_at": { "1": { "value": 0.5 } } } },
        "pass_at": { "1": { "value": 0.5 } } }),
    )
    .unwrap();
    let page = page_of(&run);
    assert_no_foreign_markup(&page);
    assert!(page.contains("&lt;/script&gt;") && page.contains("\\u003c/script\\u003e"));
}

#[test]
fn the_data_on_the_page_are_the_runs() {
    let (_dir, run) = new_run();
    write_trajectories(&run, 1, &[trajectory(1, 0, HOSTILE), trajectory(1, 1, "x = 1")]).unwrap();
    let page = page_of(&run);
    let start = page.find("id=\"data\">").unwrap() + "id=\"data\">".len();
    let end = start + page[start..].find("</script>").unwrap();
    let data: serde_json::Value = serde_json::from_str(&page[start..end]).unwrap();
    let rows = data["trajectories"]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0]["program"], format!("{HOSTILE}\n"));
    assert_eq!(rows[1]["error"]["line"], 1);
}

#[test]
fn a_run_without_a_step_has_a_report() {
    let (_dir, run) = new_run();
    assert!(page_of(&run).contains("No step has been completed yet"));
}

#[test]
fn a_killed_and_damaged_run_has_a_report_that_says_so() {
    let (_dir, run) = new_run();
    let mut writer = MetricsWriter::open(&run).unwrap();
    writer.log(1, &[(metric::REWARD_MEAN, 0.25)]).unwrap();
    let path = write_trajectories(&run, 1, &[trajectory(1, 0, "x")]).unwrap();
    write_trajectories(&run, 2, &[trajectory(2, 0, "y")]).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes.truncate(20);
    fs::write(&path, bytes).unwrap();
    let metrics = fs::read_to_string(run.metrics_path()).unwrap();
    fs::write(run.metrics_path(), metrics + "{\"step\":2,\"rew").unwrap();
    fs::write(run.eval_dir().join("after.json"), "{").unwrap();
    let path = run.path().to_path_buf();
    drop(run);

    let run = RunDir::open(&path).unwrap();
    let page = page_of(&run);
    for text in
        ["stopped at step 1", "step-000001", "after.json", "reward/mean", "All completions of the run"]
    {
        assert!(page.contains(text), "{text}");
    }
}

#[test]
fn a_run_that_goes_on_can_be_reported() {
    let (_dir, run) = new_run();
    let mut writer = MetricsWriter::open(&run).unwrap();
    writer.log(1, &[(metric::REWARD_MEAN, 0.25)]).unwrap();
    let reader = RunDir::open(run.path()).unwrap();
    assert!(page_of(&reader).contains("still going, at step 1"));
    writer.log(2, &[(metric::REWARD_MEAN, 0.5)]).unwrap();
    assert_eq!(read_metrics(&reader).unwrap().len(), 2);
    assert!(page_of(&reader).contains("still going, at step 2"));
}

#[test]
fn many_long_programs_stay_a_small_page() {
    let (_dir, run) = new_run();
    for step in 1..=12 {
        let records: Vec<TrajectoryRecord> = (0..16)
            .map(|sample| TrajectoryRecord {
                sample,
                group: sample / 4,
                ..trajectory(step, 0, &"<é\n".repeat(9_000))
            })
            .collect();
        write_trajectories(&run, step, &records).unwrap();
    }
    let page = page_of(&run);
    assert!(page.len() < 8 << 20, "{} bytes", page.len());
    assert!(page.contains(" of 192 completions: the first and the last step"));
}

#[test]
fn the_summary_of_the_evaluations_is_the_headline() {
    let (_dir, run) = new_run();
    let summary = |value: f64| serde_json::json!({ "all": { "pass_at": { "1": { "value": value, "low": value, "high": value } } } });
    run.write_eval("before", &serde_json::json!({ "tasks": [] })).unwrap();
    run.write_eval("summary", &serde_json::json!({ "before": summary(0.25), "after": null })).unwrap();
    assert!(page_of(&run).contains("25.0%<span class=\"gain\">before training"));
    let differences = serde_json::json!([{ "k": 1, "value": 0.25, "low": 0.125, "high": 0.375 }]);
    let whole =
        serde_json::json!({ "before": summary(0.25), "after": summary(0.5), "differences": differences });
    run.write_eval("summary", &whole).unwrap();
    assert!(page_of(&run).contains("+25.0 points (+12.5 to +37.5)"));
}

#[test]
fn weaker_isolation_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let mut manifest = Manifest::default();
    manifest.isolation.level = "standard".into();
    manifest.isolation.missing.push("landlock".into());
    let run = RunDir::create(dir.path().join("run"), &manifest).unwrap();
    assert!(page_of(&run).contains("isolation “standard”. Layers in force: none; missing: landlock."));
}
