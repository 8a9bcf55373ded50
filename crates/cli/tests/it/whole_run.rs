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

#[test]
fn methods_side_by_side() {
    let (folder, recipe) = folder();
    let text = fs::read_to_string(&recipe).unwrap();
    let grpo = "type = \"grpo\"\ndynamic_sampling = false\nmask_truncated = false";
    let ppo = folder.path().join("ppo.toml");
    fs::write(&ppo, text.replace(grpo, "type = \"ppo\"")).unwrap();
    let out = folder.path().join("out");
    let (first, second, folder) = (recipe.to_str().unwrap(), ppo.to_str().unwrap(), out.to_str().unwrap());
    let compare = || hone(&["compare", first, second, "--out", folder, "--json"]);
    let call = compare();
    if call.stderr.contains("isolation") && call.code != Some(0) {
        eprintln!("skipped: the sandbox is not available here: {}", call.stderr);
        return;
    }
    let result = call.code(0).json();
    assert_eq!(result["methods"].as_array().unwrap().len(), 2, "{result}");
    assert!(fs::read_to_string(out.join("compare.html")).unwrap().contains("<td>ppo</td>"));
    let finished = |name: &str| fs::read(out.join(name).join("finished.json")).unwrap();
    let before = (finished("tiny-seed0"), finished("ppo-seed0"));
    compare().code(0);
    assert_eq!((finished("tiny-seed0"), finished("ppo-seed0")), before, "nothing is done twice");
    // A run directory of another recipe in its place, and recipes that do not compare, are refused.
    hone(&["compare", first, "--out", folder, "--set", "trainer.steps=2"])
        .code(2)
        .says(&["holds a run of another recipe", "hint: give --out"]);
    fs::write(&ppo, text.replace("steps = 3", "steps = 4")).unwrap();
    compare().code(2).says(&["trainer.steps is 3", "and 4 in", "hint: a comparison needs the same"]);
}
