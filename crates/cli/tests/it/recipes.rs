//! Recipes: every committed one is accepted, and every mistake is answered with key, place, expectation and hint.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{hone, root};

const TASK: &str = r#"{"id": "numbers/double", "instruction": "Return twice x.", "signature": "def double(x):", "entry_point": "double", "tests": {"kind": "asserts", "asserts": ["assert double(2) == 4"]}, "reference": "def double(x):\n    return x * 2\n"}
"#;

/// A folder with a tasks file and a recipe.
fn folder(recipe: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tasks.jsonl"), TASK).unwrap();
    let path = folder.path().join("recipe.toml");
    fs::write(&path, recipe).unwrap();
    (folder, path)
}

fn dry_run(path: &Path, settings: &[&str]) -> crate::Call {
    let mut arguments = vec!["train", path.to_str().unwrap(), "--dry-run"];
    for setting in settings {
        arguments.extend(["--set", setting]);
    }
    hone(&arguments)
}

const SMALL: &str = "[tasks]\ntrain = \"tasks.jsonl\"\n";

#[track_caller]
fn refused(recipe: &str, settings: &[&str], parts: &[&str]) {
    let (_folder, path) = folder(recipe);
    dry_run(&path, settings).code(2).says(parts);
}

#[test]
fn every_committed_recipe_is_accepted() {
    let mut count = 0;
    for entry in fs::read_dir(root().join("recipes")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let call = hone(&["train", path.to_str().unwrap(), "--dry-run", "--json"]).code(0);
            assert!(call.json()["plan"]["steps"].as_u64().unwrap() > 0);
            count += 1;
        }
    }
    assert!(count > 0, "no recipes found");
}

#[test]
fn a_resolved_recipe_is_a_recipe_and_resolves_to_itself() {
    let (folder, path) = folder(SMALL);
    let first = dry_run(&path, &["trainer.steps=7"]).code(0).stdout;
    assert!(first.contains("steps = 7") && first.contains("clip_high = 0.28"), "{first}");
    assert!(first.contains("# plan: 7 steps, 1 training tasks"), "{first}");
    let again = folder.path().join("resolved.toml");
    fs::write(&again, &first).unwrap();
    assert_eq!(dry_run(&again, &[]).code(0).stdout, first);
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_nearest() {
    let recipe = format!("{SMALL}\n[trainer]\nsteps = 5\nprompt_per_step = 4\n");
    let parts = [
        "trainer.prompt_per_step",
        "unknown key",
        "recipe.toml:6:1",
        "hint: did you mean `prompts_per_step`?",
    ];
    refused(&recipe, &[], &parts);
    refused(
        &format!("{SMALL}[traner]\nsteps = 1\n"),
        &[],
        &["unknown table `traner`", "recipe.toml:3:2", "`trainer`"],
    );
    refused(
        SMALL,
        &["trainer.stepz=4"],
        &["trainer.stepz", "at --set trainer.stepz=4", "did you mean `steps`?"],
    );
    let recipe = format!("{SMALL}[algorithm]\ntype = \"grpo\"\nclip_hihg = 0.3\n");
    refused(&recipe, &[], &["algorithm.clip_hihg", "recipe.toml:5:1", "did you mean `clip_high`?"]);
    refused(SMALL, &["algorithm.type=gpro"], &["algorithm.type", "\"grpo\"", "found \"gpro\""]);
    refused(SMALL, &["trainer.sampling.temp=1"], &["trainer.sampling.temp", "temperature"]);
}

#[test]
fn a_value_of_the_wrong_type_or_size_is_named_with_its_place() {
    let recipe = format!("{SMALL}[trainer]\nsteps = \"many\"\n");
    refused(
        &recipe,
        &[],
        &["trainer.steps: expected a whole number", "found string \"many\"", "recipe.toml:4:1"],
    );
    refused(
        SMALL,
        &["trainer.group_size=1"],
        &["trainer.group_size", "at least 2", "found 1", "--set trainer.group_size=1"],
    );
    refused(
        SMALL,
        &["trainer.sampling.temperature=0"],
        &["trainer.sampling.temperature", "positive", "hint:"],
    );
    refused(
        SMALL,
        &["trainer.optimizer.learning_rate=-1"],
        &["trainer.optimizer.learning_rate", "positive", "found -1"],
    );
    refused(SMALL, &["environment.cpu_ms=0"], &["environment.cpu_ms", "at least 1", "found 0"]);
    refused(SMALL, &["sandbox.isolation=strikt"], &["sandbox.isolation", "did you mean \"strict\"?"]);
    refused(SMALL, &["model.lora.rank=0"], &["model.lora.rank", "at least 1", "found 0"]);
    refused(SMALL, &["model.lora.targets=[\"q\"]"], &["model.lora.targets", "q_proj", "found \"q\""]);
    refused(SMALL, &["eval.sampling.top_p=2"], &["eval.sampling.top_p", "at most 1", "found 2"]);
}

#[test]
fn missing_things_are_named() {
    refused("[model]\ntrainable = \"full\"\n", &[], &["tasks.train", "add `train = …`"]);
    let recipe = "[tasks]\ntrain = \"nowhere.jsonl\"\n";
    refused(recipe, &[], &["tasks.train", "nowhere.jsonl, which does not exist", "recipe.toml:2:1", "hint:"]);
    refused("[tasks\n", &[], &["expected TOML", "recipe.toml:1:"]);
    hone(&["train", "no-such-recipe.toml"]).code(2).says(&["no-such-recipe.toml", "quickstart.toml"]);
}

#[test]
fn a_broken_tasks_file_names_its_line() {
    let (folder, path) = folder(SMALL);
    fs::write(folder.path().join("tasks.jsonl"), format!("{TASK}{{\"id\": 3}}\n")).unwrap();
    dry_run(&path, &[]).code(2).says(&["tasks.jsonl:2:"]);
}

#[test]
fn rewards_are_tables_and_each_mistake_has_its_place() {
    let with = |reward: &str| format!("{SMALL}{reward}");
    let both = "[[reward]]\ntype = \"all-pass\"\n[[reward]]\ntype = \"overlong\"\nbuffer = 0.5\n";
    let (_folder, path) = folder(&with(both));
    let printed = dry_run(&path, &[]).code(0).stdout;
    assert!(printed.contains("type = \"overlong\"\nweight = 1.0\nbuffer = 0.5"), "{printed}");
    // A recipe of before there were parts means one.
    let (_folder, path) = folder(&with("[environment]\nreward = { type = \"fraction\" }\n"));
    assert!(dry_run(&path, &[]).code(0).stdout.contains("[[reward]]\ntype = \"fraction\""));
    let (_folder, path) = folder(SMALL);
    let set = dry_run(&path, &["reward=[{ type = \"fraction\" }, { type = \"kl\" }]"]).code(0).stdout;
    assert!(set.contains("[[reward]]\ntype = \"kl\"\nweight = 0.001"), "{set}");

    let table = |second: &str| with(&format!("[[reward]]\ntype = \"all-pass\"\n[[reward]]\n{second}\n"));
    refused(
        &table("type = \"ast-mach\""),
        &[],
        &[
            "reward[1].type: expected one of \"all-pass\"",
            "\"kl\"",
            "recipe.toml:6:1",
            "did you mean \"ast-match\"?",
        ],
    );
    refused(
        &table("type = \"ast-match\"\nwieght = 2"),
        &[],
        &["reward[1].wieght", "recipe.toml:7:1", "did you mean `weight`?"],
    );
    refused(
        &table("type = \"kl\"\nweight = \"big\""),
        &[],
        &["reward[1].weight: expected a number", "recipe.toml:7:1"],
    );
    refused(&table("weight = 1"), &[], &["reward[1].type", "add `type"]);
    refused(
        &table("type = \"all-pass\""),
        &[],
        &["reward[1].type: expected each part once", "recipe.toml:6:1"],
    );
    refused(
        &table("type = \"overlong\"\nbuffer = 2.0"),
        &[],
        &["reward[1].buffer", "above 0 and at most 1", "found 2"],
    );
    refused(&table("type = \"program\""), &[], &["reward[1].path: expected a value", "add `path = …`"]);
    refused(
        &table("type = \"program\"\npath = \"g.py\""),
        &[],
        &["reward[1].path: expected a program", "is no file"],
    );
    refused(
        &with("[[reward]]\ntype = \"kl\"\n"),
        &[],
        &["reward: expected a part that looks at the program"],
    );
    refused(
        &with("[reward]\ntype = \"kl\"\n"),
        &[],
        &["reward: expected a list of tables, [[reward]]", "found table"],
    );
    refused(
        &table("type = \"fraction\"\n[environment]\nreward = { type = \"fraction\" }"),
        &[],
        &["environment.reward: expected no key here beside [[reward]]", "recipe.toml:8:1"],
    );
}
