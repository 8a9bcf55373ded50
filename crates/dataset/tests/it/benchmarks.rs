//! MBPP and HumanEval in their original formats: small files of the same shape, and the real ones where they are.

use std::io::Write;
use std::path::{Path, PathBuf};

use hone_dataset::{Task, validate_all};

use crate::{limits, sandbox};

/// Folder with the real data sets; tests that want it skip without it.
fn benchmarks() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/benchmarks");
    if !folder.is_dir() {
        eprintln!("skipped: ../shared/benchmarks is not here");
        return None;
    }
    Some(folder)
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures").join(name)
}

/// Every task of `tasks` is valid, save the ids listed.
fn check_valid(tasks: &[Task], known_invalid: &[&str]) {
    let validations = validate_all(tasks, &sandbox(), &limits()).expect("the sandbox works");
    let invalid = validations.iter().filter(|validation| !known_invalid.contains(&validation.id.as_str()));
    let problems: Vec<String> =
        invalid.filter_map(|v| v.problem().map(|problem| format!("{}: {problem}", v.id))).collect();
    assert!(problems.is_empty(), "{} of {} invalid:\n{}", problems.len(), tasks.len(), problems.join("\n"));
}

#[test]
fn small_files_of_each_format_load_and_hold() {
    let mut all = Vec::new();
    for (name, count) in [("mbpp.jsonl", 2), ("mbpp-sanitized.json", 2), ("humaneval.jsonl", 2)] {
        let tasks = Task::load(&fixture(name)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(tasks.len(), count, "{name}");
        all.extend(tasks);
    }
    check_valid(&all, &[]);
}

#[test]
fn gzip_is_read_like_plain_text() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("humaneval.jsonl.gz");
    let plain = std::fs::read(fixture("humaneval.jsonl")).expect("the fixture");
    let file = std::fs::File::create(&path).expect("a file");
    let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    encoder.write_all(&plain).and_then(|()| encoder.finish().map(drop)).expect("written");
    let expected = Task::load(&fixture("humaneval.jsonl")).expect("plain");
    assert_eq!(Task::load(&path).expect("gzip"), expected);
}

#[test]
fn the_real_files_load_whole() {
    let Some(folder) = benchmarks() else { return };
    for (name, count) in
        [("mbpp/mbpp.jsonl", 974), ("mbpp/sanitized-mbpp.json", 427), ("humaneval/HumanEval.jsonl.gz", 164)]
    {
        let tasks = Task::load(&folder.join(name)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(tasks.len(), count, "{name}");
        let without_signature = tasks.iter().filter(|task| task.signature.is_empty()).count();
        assert_eq!(without_signature, 0, "{name}");
    }
}

#[test]
fn the_real_references_pass() {
    let Some(folder) = benchmarks() else { return };
    // A sample keeps this test quick on two cores; the stride reaches both ends of every file.
    for (name, stride) in [("mbpp/mbpp.jsonl", 20), ("humaneval/HumanEval.jsonl.gz", 4)] {
        let tasks = Task::load(&folder.join(name)).unwrap_or_else(|error| panic!("{error}"));
        let sample: Vec<Task> = tasks.into_iter().step_by(stride).collect();
        check_valid(&sample, &[]);
    }
}
