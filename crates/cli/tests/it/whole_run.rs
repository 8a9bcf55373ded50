//! The main job from end to end with a tiny random model: it learns nothing, and everything is wired.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Call, hone, tiny_model};

/// A folder with a model, two task files and a recipe of three steps.
pub(crate) fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    tiny_model::write(&folder.path().join("model"));
    let task = |name: &str, factor: u32| {
        serde_json::json!({
            "id": format!("numbers/{name}"), "instruction": format!("Return x times {factor}, as {name} says."),
            "signature": format!("def {name}(x):"), "entry_point": name, "example": format!("{name}(1) == {factor}"),
            "reference": format!("def {name}(x):\n    return x * {factor}\n"),
            "tests": {"kind": "asserts", "asserts": [format!("assert {name}(2) == {}", 2 * factor)]},
        })
        .to_string()
            + "\n"
    };
    fs::write(folder.path().join("train.jsonl"), task("double", 2) + &task("triple", 3)).unwrap();
    fs::write(folder.path().join("heldout.jsonl"), task("fourfold", 4)).unwrap();
    let recipe = "[model]\nname = \"model\"\nlora = { rank = 2 }\n\
        [tasks]\ntrain = \"train.jsonl\"\nheldout = \"heldout.jsonl\"\n\
        [algorithm]\ntype = \"grpo\"\ndynamic_sampling = false\nmask_truncated = false\n\
        [trainer]\nsteps = 3\nprompts_per_step = 2\ngroup_size = 2\ncheckpoint_every = 1\n\
        sampling = { max_new_tokens = 8 }\n\
        [eval]\nsamples = 2\nsampling = { max_new_tokens = 8, temperature = 0.8 }\n";
    let path = folder.path().join("tiny.toml");
    fs::write(&path, recipe).unwrap();
    (folder, path)
}

/// `None` where programs cannot be isolated.
pub(crate) fn train(recipe: &Path, run: &Path, more: &[&str]) -> Option<Call> {
    let mut arguments = vec!["train", recipe.to_str().unwrap(), "--run-dir", run.to_str().unwrap(), "--json"];
    arguments.extend(more);
    let call = hone(&arguments);
    if call.code == Some(3) {
        eprintln!("skipped: the sandbox is not available here: {}", call.stderr);
        return None;
    }
    Some(call.code(0))
}

pub(crate) fn metrics(run: &Path) -> String {
    fs::read_to_string(run.join("metrics.jsonl")).unwrap()
}

#[test]
fn train_eval_generate_export_report() {
    let (folder, recipe) = folder();
    let run = folder.path().join("run");
    let Some(call) = train(&recipe, &run, &[]) else { return };
    let result = call.json();
    assert_eq!(
        (result["steps"].as_u64(), result["evaluation"]["differences"][0]["k"].as_u64()),
        (Some(3), Some(1))
    );
    assert!(call.stderr.contains("training 3/3  reward"), "{}", call.stderr);
    for file in [
        "manifest.json",
        "recipe.toml",
        "recipe.original.toml",
        "finished.json",
        "report.html",
        "eval/before.json",
    ] {
        assert!(run.join(file).is_file(), "{file} is missing");
    }
    assert_eq!(metrics(&run).lines().count(), 3);
    let name = run.to_str().unwrap();
    let heldout = folder.path().join("heldout.jsonl");
    let arguments =
        ["eval", name, heldout.to_str().unwrap(), "--samples", "2", "--max-new-tokens", "8", "--json"];
    assert_eq!(hone(&arguments).code(0).json()["all"]["tasks"], 1);
    let text =
        hone(&["generate", name, "def f(x):", "-n", "2", "--max-new-tokens", "5", "--json"]).code(0).json();
    assert_eq!(text.as_array().unwrap().len(), 2);
    hone(&["report", name]).code(0);
    let greedy = |model: &str| {
        hone(&[
            "generate",
            model,
            "--raw",
            "def f(x):",
            "--temperature",
            "0",
            "--max-new-tokens",
            "12",
            "--json",
        ])
        .code(0)
        .json()
    };
    for (format, model) in [("hf", "out-hf"), ("peft", "out-peft"), ("gguf", "out-gguf/model.gguf")] {
        let out = folder.path().join(model.trim_end_matches("/model.gguf"));
        let arguments = ["model", "export", name, "--format", format, "--out", out.to_str().unwrap()];
        let exact = if format == "peft" { vec![] } else { vec!["--type", "f32"] };
        hone(&[&arguments[..], &exact].concat()).code(0);
        assert_eq!(greedy(folder.path().join(model).to_str().unwrap()), greedy(name), "{format}");
    }
    hone(&["resume", name]).code(0).says(&["the run had ended"]);
    let arguments = ["train", recipe.to_str().unwrap(), "--run-dir", name];
    hone(&arguments).code(2).says(&["hint: `hone resume"]);
}

#[test]
fn threads_and_interruptions_change_no_number() {
    let (folder, recipe) = folder();
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    let Some(_) = train(&recipe, &whole, &["--threads", "1"]) else { return };
    train(&recipe, &parts, &["--threads", "2", "--no-eval"]).unwrap();
    assert_eq!(metrics(&whole), metrics(&parts));
    // As if killed after the second step's checkpoint, in the middle of the third step's records.
    fs::remove_dir_all(parts.join("checkpoints/step-000003")).unwrap();
    fs::remove_file(parts.join("finished.json")).unwrap();
    let cut = metrics(&parts);
    fs::write(parts.join("metrics.jsonl"), &cut[..cut.len() - 20]).unwrap();
    hone(&["resume", parts.to_str().unwrap(), "--threads", "1"]).code(0).says(&["continuing after step 2"]);
    assert_eq!(metrics(&whole), metrics(&parts));
}

/// A run learns from another's log, then samples with half of each batch replayed, and says how that went.
#[test]
fn from_offline_to_online() {
    let (folder, recipe) = folder();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    // A reward that differs between answers, so that there is something to learn.
    let reward = "reward=[{ type = \"all-pass\" }, { type = \"length\" }]";
    let Some(_) = train(&recipe, &first, &["--no-eval", "--set", reward]) else { return };
    let log = format!("tasks.trajectories={}", first.display());
    let online = ["trainer.offline_steps=2", "trainer.replay_fraction=0.5", "trainer.steps=5", &log, reward];
    let settings: Vec<&str> = online.iter().flat_map(|setting| ["--set", setting]).collect();
    let call = train(&recipe, &second, &settings).unwrap();
    let result = call.json();
    assert_eq!(
        (result["switch"]["offline_steps"].as_u64(), result["switch"]["online_steps"].as_u64()),
        (Some(2), Some(3))
    );
    assert!(result["evaluation"]["switch"]["all"]["pass_at"]["1"]["value"].is_number(), "{result}");
    assert!(call.stderr.contains("evaluating switch"), "{}", call.stderr);
    let report = fs::read_to_string(second.join("report.html")).unwrap();
    assert!(report.contains("From offline to online"));
    let shares: Vec<f64> = metrics(&second)
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["replay/fraction"].as_f64().unwrap()
        })
        .collect();
    assert!(
        shares.len() == 5 && shares[1] == 1.0 && shares[2..].iter().all(|share| *share < 1.0),
        "{shares:?}"
    );
    // Killed while it was offline, and resumed: the same numbers.
    let whole = metrics(&second);
    let parts = folder.path().join("parts");
    let short = [&settings[..], &["--set", "trainer.time_limit_minutes=0.000001"]].concat();
    train(&recipe, &parts, &short).unwrap();
    hone(&["resume", parts.to_str().unwrap(), "--set", "trainer.time_limit_minutes=60"]).code(0);
    assert_eq!(metrics(&parts), whole);
    // Without a log there is nothing to replay.
    let mut arguments = vec!["train", recipe.to_str().unwrap(), "--dry-run"];
    arguments.extend(&settings[..4]);
    hone(&arguments).code(2).says(&[
        "trainer.offline_steps",
        "unset where there is no log",
        "tasks.trajectories",
    ]);
    let committed = crate::root().join("recipes/offline/grpo-online.toml");
    hone(&["train", committed.to_str().unwrap(), "--dry-run", "--set", &log]).code(0);
}

/// What the monitor finds is said, kept, shown in the report, and not said again by a resumed run.
#[test]
fn what_is_suspicious_is_said_kept_and_shown() {
    let (folder, recipe) = folder();
    let run = folder.path().join("run");
    // Rewards that vary by nothing but the text, and a monitor that finds everything above the usual suspicious.
    let grader = "import json, sys, zlib\nanswer = json.loads(sys.stdin.readline())\n\
        print(json.dumps({'reward': zlib.crc32(answer['program'].encode()) % 1000 / 1000}))\n";
    fs::write(folder.path().join("grader.py"), grader).unwrap();
    let path = folder.path().join("grader.py");
    let reward = format!("reward=[{{ type = \"program\", path = \"{}\" }}]", path.display());
    let watch =
        ["monitor.window=6", "monitor.reward_z=0.001", "trainer.steps=14", "trainer.keep_checkpoints=4"];
    let mut settings = vec!["--no-eval", "--set", &reward];
    settings.extend(watch.iter().flat_map(|setting| ["--set", setting]));
    let Some(call) = train(&recipe, &run, &settings) else { return };
    assert!(
        call.stderr.contains("suspicious at step") && call.stderr.contains("hone report"),
        "{}",
        call.stderr
    );
    let alerts = fs::read_to_string(run.join("alerts.jsonl")).unwrap();
    let first: serde_json::Value = serde_json::from_str(alerts.lines().next().unwrap()).unwrap();
    assert!(
        first["step"].as_u64().unwrap() > 6 && first["programs"][0]["reward"].as_f64().unwrap() > 0.0,
        "{first}"
    );
    assert!(first["programs"][0]["program"].as_str().unwrap().starts_with("def "), "{first}");
    assert!(fs::read_to_string(run.join("report.html")).unwrap().contains("Look at this"));
    // Killed at a step before: the alerts after it are found again, once each.
    fs::remove_file(run.join("finished.json")).unwrap();
    for step in [13, 14] {
        fs::remove_dir_all(run.join(format!("checkpoints/step-0000{step}"))).unwrap();
    }
    let before = metrics(&run);
    hone(&["resume", run.to_str().unwrap()]).code(0).says(&["continuing after step 12"]);
    assert_eq!(metrics(&run), before);
    assert_eq!(fs::read_to_string(run.join("alerts.jsonl")).unwrap(), alerts);
}
