//! Candidates in the order of the run that wrote them.

use std::fs;

use crate::hone;
use crate::whole_run::{folder, train};

/// A run of B-Coder ranks its own candidates: by Σ Q − γ V, which is V of the beginning, at most 1, less what was not greedy.
#[test]
fn a_search_ranks_by_the_implied_reward_of_b_coder() {
    let (folder, recipe) = folder();
    let text = fs::read_to_string(&recipe).unwrap();
    let grpo = "type = \"grpo\"\ndynamic_sampling = false\nmask_truncated = false";
    fs::write(&recipe, text.replace(grpo, "type = \"b-coder\"")).unwrap();
    let run = folder.path().join("run");
    if train(&recipe, &run, &["--no-eval"]).is_none() {
        return;
    }
    let (heldout, rows) = (folder.path().join("heldout.jsonl"), folder.path().join("rows.jsonl"));
    let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let arguments = [
        "eval",
        &path(&run),
        &path(&heldout),
        "--search",
        "rerank",
        "--set",
        "choose=critic",
        "--samples",
        "4",
        "--max-new-tokens",
        "8",
        "--output",
        &path(&rows),
        "--json",
    ];
    hone(&arguments).code(0);
    let mut ranked: Vec<(u64, f64)> = fs::read_to_string(&rows)
        .unwrap()
        .lines()
        .map(|line| {
            let search = serde_json::from_str::<serde_json::Value>(line).unwrap()["search"].take();
            (search["rank"].as_u64().unwrap(), search["critic"].as_f64().unwrap())
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    let worth: Vec<f64> = ranked.iter().map(|(_, worth)| *worth).collect();
    assert_eq!(worth.len(), 4);
    assert!(worth.is_sorted_by(|better, worse| better >= worse) && worth[0] <= 1.0, "{worth:?}");
    // The head alone would say of all the same, until it is trained far.
    assert!(worth[3] < worth[0] - 0.1, "{worth:?}");
}

/// CodeRL from its training to its critic's search, by the binary: the policy has learned the one task it was trained on, so its
/// programs for that are cut and resumed; another's, which it answers in the same way, fail and are repaired.
#[test]
fn a_trained_critic_refines_what_passes_and_repairs_what_does_not() {
    let (folder, recipe) = folder();
    let train_file = folder.path().join("train.jsonl");
    let tasks = fs::read_to_string(&train_file).unwrap();
    let double = tasks.lines().next().unwrap().to_owned() + "\n";
    let heldout = fs::read_to_string(folder.path().join("heldout.jsonl")).unwrap();
    fs::write(&train_file, &double).unwrap();
    let both = folder.path().join("both.jsonl");
    fs::write(&both, double + &heldout).unwrap();
    let text = fs::read_to_string(&recipe).unwrap();
    let grpo = "type = \"grpo\"\ndynamic_sampling = false\nmask_truncated = false";
    let optimizer = "[trainer.optimizer]\nlearning_rate = 1e-2\nweight_decay = 0.0\n";
    let text = text
        .replace(grpo, "type = \"coderl\"")
        .replace("lora = { rank = 2 }", "trainable = \"full\"")
        .replace("steps = 3", "steps = 60")
        .replace("group_size = 2\ncheckpoint_every = 1", "group_size = 4\ncheckpoint_every = 20")
        .replace("[trainer]", &format!("[[reward]]\ntype = \"outcome-classes\"\n{optimizer}[trainer]"))
        .replace("max_new_tokens = 8 }\n[eval]", "max_new_tokens = 32 }\n[eval]");
    fs::write(&recipe, text).unwrap();
    let run = folder.path().join("run");
    let Some(call) = train(&recipe, &run, &["--no-eval"]) else { return };
    // A class that the critic meets late is said once; the first step has what cannot be parsed, and the reference, which passes.
    assert_eq!(call.stderr.matches("the critic never saw the class").count(), 1, "{}", call.stderr);
    let rows = folder.path().join("rows.jsonl");
    let (run, both, out) = (run.to_str().unwrap(), both.to_str().unwrap(), rows.to_str().unwrap());
    let arguments = ["eval", run, both, "--search", "critic", "--set", "samples=4", "--max-new-tokens", "32"];
    let result = hone(&[&arguments[..], &["--output", out, "--json"]].concat()).code(0).json();
    assert_eq!((result["tasks"].as_u64(), result["attempts"].as_f64()), (Some(2), Some(8.0)), "{result}");
    // The answer that is given passes: it is chosen by the example, and the hidden test agrees.
    assert_eq!(result["chosen"]["value"].as_f64(), Some(0.5), "{result}");
    let rows = fs::read_to_string(&rows).unwrap();
    let rows: Vec<serde_json::Value> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    check_second_stage(&rows, "numbers/double", "refined");
    check_second_stage(&rows, "numbers/fourfold", "repaired");
    // As the paper answers: from the second stage alone. Its other cut ends where the critic begins to doubt.
    let rows = folder.path().join("new.jsonl");
    let more = ["--set", "candidates=new", "--set", "cut=before-doubt", "--output", rows.to_str().unwrap()];
    hone(&[&arguments[..], &more].concat()).code(0);
    let rows = fs::read_to_string(&rows).unwrap();
    let rows: Vec<serde_json::Value> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let given = || rows.iter().filter(|row| row["search"]["rank"] == 0);
    assert!(given().count() == 2 && given().all(|row| row["search"]["turn"] == 2), "{rows:#?}");
}

/// Four attempts were sampled and four made from those that the critic's search chose among them.
fn check_second_stage(rows: &[serde_json::Value], task: &str, stage: &str) {
    let of_task: Vec<&serde_json::Value> = rows.iter().filter(|row| row["task"] == task).collect();
    let (first, second) = of_task.split_at(4);
    assert!(first.iter().all(|row| row["search"]["stage"] == "sampled"), "{rows:#?}");
    assert!(second.iter().all(|row| row["search"]["stage"] == stage) && second.len() == 4, "{rows:#?}");
    let critic = |row: &serde_json::Value| row["search"]["critic"].as_f64().unwrap();
    assert!(of_task.iter().all(|row| (0.0..1.0).contains(&critic(row)) && critic(row) != 0.25), "{rows:#?}");
    for row in second {
        let parent = &of_task[row["search"]["parent"].as_u64().unwrap() as usize];
        let passes = parent["search"]["passes_examples"].as_bool().unwrap();
        assert_eq!(passes, stage == "refined", "{parent}");
        match passes {
            // A beginning of the parent, of which the rest was written anew.
            true => {
                let (text, written) =
                    (row["text"].as_str().unwrap(), row["tokens"].as_u64().unwrap() as usize);
                // One token a byte, and those of the stop text.
                let begun = text.len() + "\n```".len() - written;
                let its_parent = parent["text"].as_str().unwrap();
                assert!(begun > 0 && text[..begun] == its_parent[..begun], "{row} {parent}");
            }
            // The one the critic thinks most of.
            false => assert!(first.iter().all(|one| critic(one) <= critic(parent)), "{rows:#?}"),
        }
    }
}
