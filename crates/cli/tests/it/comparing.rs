//! `hone compare` from end to end with a tiny random model: what it runs, keeps, continues, shows and survives.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::whole_run::folder;
use crate::{Call, hone, root};

const GRPO: &str = "type = \"grpo\"\ndynamic_sampling = false\nmask_truncated = false";

/// A second recipe beside the first, with another algorithm.
fn beside(recipe: &Path, name: &str, algorithm: &str) -> PathBuf {
    let text = fs::read_to_string(recipe).unwrap();
    let path = recipe.with_file_name(name);
    fs::write(&path, text.replace(GRPO, algorithm)).unwrap();
    path
}

/// `None` where programs cannot be isolated.
fn compare(recipes: &[&Path], out: &Path, more: &[&str]) -> Option<Call> {
    let mut arguments = vec!["compare", "--out", out.to_str().unwrap(), "--json"];
    arguments.extend(recipes.iter().map(|path| path.to_str().unwrap()));
    arguments.extend(more);
    let call = hone(&arguments);
    if call.code == Some(1) && call.stderr.contains("isolation layer") {
        eprintln!("skipped: the sandbox is not available here: {}", call.stderr);
        return None;
    }
    Some(call)
}

fn method<'a>(result: &'a Value, name: &str) -> &'a Value {
    let methods = result["methods"].as_array().unwrap();
    methods.iter().find(|method| method["name"] == name).unwrap_or_else(|| panic!("no {name} in {result}"))
}

#[test]
fn methods_side_by_side_and_nothing_done_twice() {
    let (folder, tiny) = folder();
    let ppo = beside(&tiny, "ppo.toml", "type = \"ppo\"");
    let out = folder.path().join("out");
    let both = [tiny.as_path(), ppo.as_path()];
    let Some(call) = compare(&both, &out, &["--seeds", "2"]) else { return };
    let result = call.code(0).json();
    for name in ["tiny", "ppo"] {
        let method = method(&result, name);
        assert_eq!(method["seeds"], serde_json::json!([0, 1]), "{method}");
        assert!(
            method["gain_at_1"]["low"].is_number() && method["tokens"].as_f64().unwrap() > 0.0,
            "{method}"
        );
        assert!(
            method["final_kl"].is_null() && method["peak_memory_bytes"].as_f64().unwrap() > 1e6,
            "{method}"
        );
        assert_eq!(method["curves"][1]["rewards"].as_array().unwrap().len(), 3, "{method}");
        assert_eq!(method["endings"], serde_json::json!(["all steps done"]));
    }
    assert_eq!(method(&result, "ppo")["settings"]["algorithm.type"], "ppo");
    assert_eq!(result["pairs"].as_array().unwrap().len(), 1);
    let page = fs::read_to_string(out.join("compare.html")).unwrap();
    for text in ["<b>ppo</b>", "Each against each", "2 seeds", "algorithm.type", "untrained"] {
        assert!(page.contains(text), "{text} is not on the page");
    }
    let numbers: Value =
        serde_json::from_str(&fs::read_to_string(out.join("compare.json")).unwrap()).unwrap();
    assert_eq!(numbers["methods"], result["methods"]);
    // The untrained model is evaluated once, and a run by itself would have found the same.
    let said = fs::read_to_string(out.join("logs/ppo-seed0.txt")).unwrap();
    assert!(!said.contains("evaluating before") && said.contains("evaluating after"), "{said}");
    let before = |run: &str| -> Value {
        serde_json::from_str(&fs::read_to_string(out.join(run).join("eval/before.json")).unwrap()).unwrap()
    };
    let alone = out.join("alone");
    crate::whole_run::train(&ppo, &alone, &[]).unwrap();
    assert_eq!(before("alone")["tasks"], before("ppo-seed1")["tasks"]);

    let finished = |name: &str| fs::read(out.join(name).join("finished.json")).unwrap();
    let was = (finished("tiny-seed0"), finished("ppo-seed1"));
    compare(&both, &out, &["--seeds", "2"]).unwrap().code(0);
    assert_eq!((finished("tiny-seed0"), finished("ppo-seed1")), was, "nothing is done twice");
    // A run directory of another recipe in its place is refused.
    compare(&both[..1], &out, &["--set", "trainer.steps=2"])
        .unwrap()
        .code(2)
        .says(&["holds a run of another recipe", "hint: give --out"]);
}

#[test]
fn recipes_that_do_not_compare_are_refused() {
    let (folder, tiny) = folder();
    let text = fs::read_to_string(&tiny).unwrap();
    let other = folder.path().join("other.toml");
    let out = folder.path().join("out");
    for (from, to, key) in [
        ("steps = 3", "steps = 4", "trainer.steps is 3"),
        ("steps = 3", "steps = 3\ntoken_limit = 50", "trainer.token_limit is null"),
        ("samples = 2", "samples = 3", "eval is "),
    ] {
        fs::write(&other, text.replace(from, to)).unwrap();
        let call = compare(&[&tiny, &other], &out, &[]).unwrap().code(2);
        call.says(&[key, "hint: a comparison needs the same"]);
    }
    assert!(!out.exists(), "nothing was begun");
}

#[test]
fn a_run_that_fails_is_reported_and_the_others_go_on() {
    let (folder, tiny) = folder();
    // A grader that fails is only met when the first program is judged.
    fs::write(folder.path().join("grader.py"), "raise SystemExit(3)\n").unwrap();
    let text = fs::read_to_string(&tiny).unwrap();
    let broken = folder.path().join("broken.toml");
    fs::write(&broken, format!("{text}[[reward]]\ntype = \"program\"\npath = \"grader.py\"\n")).unwrap();
    let out = folder.path().join("out");
    let Some(call) = compare(&[&broken, &tiny], &out, &[]) else { return };
    let call = call.code(1).says(&["broken with seed 0 failed; the others go on", "1 of 2 runs failed"]);
    let result = call.json();
    assert_eq!(result["methods"].as_array().unwrap().len(), 1);
    assert!(method(&result, "tiny")["minutes"].as_f64().unwrap() > 0.0);
    let failure = &result["failures"][0];
    assert_eq!((&failure["name"], &failure["seed"]), (&"broken".into(), &0.into()));
    assert!(failure["reason"].as_str().unwrap().contains("grader"), "{failure}");
    let page = fs::read_to_string(out.join("compare.html")).unwrap();
    assert!(page.contains("broken with seed 0 failed") && page.contains("<b>tiny</b>"));
    // What failed is known without trying again, where there is no time left to.
    let again = compare(&[&broken, &tiny], &out, &["--time-limit-minutes", "0"]).unwrap().code(1);
    assert_eq!(again.json()["failures"][0], *failure);
    assert_eq!(again.json()["runs_left"], 1);
    // Mended, the same command goes on.
    fs::write(folder.path().join("grader.py"), "print('{\"reward\": 0.5}')\n").unwrap();
    let mended = compare(&[&broken, &tiny], &out, &[]).unwrap().code(0).json();
    assert_eq!(
        (mended["methods"].as_array().unwrap().len(), mended["failures"].as_array().unwrap().len()),
        (2, 0)
    );
}

#[test]
fn a_time_limit_ends_the_run_that_is_going_and_the_same_command_continues() {
    let (folder, tiny) = folder();
    let out = folder.path().join("out");
    let steps =
        || fs::read_to_string(out.join("tiny-seed0/metrics.jsonl")).unwrap_or_default().lines().count();
    // Far more steps than there is time for; more time where a busy machine made no step in it.
    let mut seen = Vec::new();
    for minutes in ["0.1", "0.2", "0.4", "0.8", "1.6"] {
        let long = ["--set", "trainer.steps=1000000", "--time-limit-minutes", minutes];
        let Some(call) = compare(&[&tiny], &out, &long) else { return };
        let call = call.code(0).says(&["1 runs are left; the same command makes them"]);
        assert_eq!(call.json()["methods"].as_array().unwrap().len(), 0);
        seen.push(steps());
        if seen.windows(2).any(|pair| pair[0] > 0 && pair[1] > pair[0]) {
            return;
        }
    }
    panic!("a run that was ended did not go on: {seen:?} steps");
}

#[test]
fn every_committed_recipe_takes_part_in_a_comparison() {
    // Nothing is run: the plan is refused or accepted before, and there is no time.
    let out = tempfile::tempdir().unwrap();
    let recipes: Vec<PathBuf> = fs::read_dir(root().join("recipes"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    let paths: Vec<&Path> = recipes.iter().map(PathBuf::as_path).collect();
    let call = compare(&paths, out.path(), &["--time-limit-minutes", "0"]).unwrap().code(0);
    let call = call.says(&["reward-model.toml trains no policy and is left out"]);
    assert_eq!(call.json()["runs_left"], paths.len() - 1);
}
