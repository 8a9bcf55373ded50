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
