//! The tasks this repository trains and evaluates on: counts, ids, validity, and two splits that share nothing.

use std::collections::HashSet;
use std::path::PathBuf;

use hone_dataset::{NEAR_DUPLICATE_JACCARD, Task, near_duplicates, validate_all};

use crate::{limits, sandbox};

fn load(name: &str) -> Vec<Task> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tasks").join(name);
    Task::load(&path).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_splits_are_large_enough_and_share_nothing() {
    let (train, heldout) = (load("train.jsonl"), load("heldout.jsonl"));
    assert!(train.len() >= 300, "expected at least 300 tasks for training, found {}", train.len());
    assert!(heldout.len() >= 100, "expected at least 100 held-out tasks, found {}", heldout.len());
    let mut ids = HashSet::new();
    for task in train.iter().chain(&heldout) {
        assert!(ids.insert(&task.id), "{} appears twice", task.id);
        assert!(
            (1..=5).contains(&task.level),
            "{}: expected a level from 1 to 5, found {}",
            task.id,
            task.level
        );
        assert!(!task.topic.is_empty(), "{}: expected a topic", task.id);
        assert!(!task.example.is_empty(), "{}: expected a visible example", task.id);
    }
    let pairs = near_duplicates(&train, &heldout, NEAR_DUPLICATE_JACCARD);
    assert!(pairs.is_empty(), "near-duplicates across the splits: {pairs:#?}");
}

#[test]
fn every_reference_passes_and_every_empty_solution_fails() {
    let files = ["train.jsonl", "heldout.jsonl", "harder.jsonl"];
    let tasks: Vec<Task> = files.into_iter().flat_map(load).collect();
    let validations = validate_all(&tasks, &sandbox(), &limits()).expect("the sandbox works");
    let problems: Vec<String> = validations
        .iter()
        .filter_map(|validation| validation.problem().map(|problem| format!("{}: {problem}", validation.id)))
        .collect();
    assert!(problems.is_empty(), "{} invalid tasks:\n{}", problems.len(), problems.join("\n"));
}
