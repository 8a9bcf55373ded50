//! Runs that something stops, or that have nothing to learn from: what is said, and that the run directory stays usable.

use std::fs;
use std::path::Path;

use crate::hone;
use crate::whole_run::{folder, metrics, train};

/// A reward that varies by nothing but the text, so that every group has something to learn from.
fn graded(folder: &Path) -> String {
    let grader = "import json, sys, zlib\nanswer = json.loads(sys.stdin.readline())\n\
        print(json.dumps({'reward': zlib.crc32(answer['program'].encode()) % 1000 / 1000}))\n";
    fs::write(folder.join("grader.py"), grader).unwrap();
    format!("reward=[{{ type = \"program\", path = \"{}\" }}]", folder.join("grader.py").display())
}

/// Forgets that a run ended, and its steps after one.
fn cut_after(run: &Path, step: u64, steps: u64) {
    fs::remove_file(run.join("finished.json")).unwrap();
    for later in step + 1..=steps {
        fs::remove_dir_all(run.join(format!("checkpoints/step-{later:06}"))).unwrap();
    }
}

/// The message names step, KL and limit; the checkpoint before is intact, and under another limit the run ends with the numbers
/// of one that was never stopped.
#[test]
fn a_policy_that_leaves_its_sampler_stops_the_run_and_it_can_go_on() {
    let (folder, recipe) = folder();
    let run = folder.path().join("run");
    let reward = graded(folder.path());
    let settings = ["--no-eval", "--set", &reward, "--set", "trainer.epochs_per_batch=2"];
    let more = ["--set", "trainer.keep_checkpoints=3"];
    let Some(_) = train(&recipe, &run, &[&settings[..], &more].concat()) else { return };
    let whole = metrics(&run);
    cut_after(&run, 1, 3);
    let path = run.to_str().unwrap();
    hone(&["resume", path, "--set", "trainer.kl_limit=1e-30"]).code(1).says(&[
        "the policy left the one that sampled at step 2: their KL is ",
        "hint: lower the learning rate",
        "the last checkpoint is intact",
    ]);
    hone(&["report", path]).code(0);
    hone(&["generate", path, "def f(x):", "--max-new-tokens", "4"]).code(0);
    hone(&["resume", path, "--set", "trainer.kl_limit=0"]).code(0).says(&["continuing after step 1"]);
    assert_eq!(metrics(&run), whole);
}

/// A tiny random model solves nothing: every group is all zeros, with dynamic sampling and without.
#[test]
fn a_batch_of_equal_rewards_is_said_and_changes_nothing() {
    let (folder, recipe) = folder();
    let run = folder.path().join("kept");
    let Some(call) = train(&recipe, &run, &["--no-eval"]) else { return };
    call.says(&[
        "step 1: every advantage of the batch is 0",
        "hint: tasks that are solved sometimes teach most",
    ]);
    let dropped = folder.path().join("dropped");
    let call = train(&recipe, &dropped, &["--no-eval", "--set", "algorithm.dynamic_sampling=true"]).unwrap();
    call.says(&["step 1: no group has anything to learn from, so there is no update", "a larger group_size"]);
    for line in metrics(&dropped).lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!((row["reward/groups_with_signal"].as_f64(), row.get("update/loss")), (Some(0.0), None));
    }
    let path = dropped.to_str().unwrap();
    hone(&["report", path]).code(0);
    hone(&["resume", path]).code(0).says(&["the run had ended"]);
    let heldout = folder.path().join("heldout.jsonl");
    hone(&["eval", path, heldout.to_str().unwrap(), "--samples", "1", "--max-new-tokens", "4"]).code(0);
}

/// What makes no sense is refused before there is a run directory: an unknown key, and a group of one where a method compares.
#[test]
fn a_recipe_that_makes_no_sense_leaves_nothing_behind() {
    let (folder, recipe) = folder();
    let (run, other) = (folder.path().join("run"), folder.path().join("other.toml"));
    let refused = |recipe: &Path, setting: &str, parts: &[&str]| {
        let (recipe, path) = (recipe.to_str().unwrap(), run.to_str().unwrap());
        hone(&["train", recipe, "--run-dir", path, "--set", setting]).code(2).says(parts);
        assert!(!run.exists(), "{setting}");
    };
    refused(&recipe, "trainer.stepz=4", &["trainer.stepz", "unknown key `stepz`", "did you mean `steps`?"]);
    for method in ["rloo", "dpo", "rrhf", "reward-model"] {
        let text = fs::read_to_string(&recipe).unwrap();
        let grpo = "type = \"grpo\"\ndynamic_sampling = false\nmask_truncated = false";
        fs::write(&other, text.replace(grpo, &format!("type = \"{method}\""))).unwrap();
        let expected = format!("at least 2 for {method}");
        refused(&other, "trainer.group_size=1", &["trainer.group_size", &expected, "found 1"]);
    }
}
