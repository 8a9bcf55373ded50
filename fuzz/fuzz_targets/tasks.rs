//! Tasks files: our own format, MBPP's and HumanEval's.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(error) = hone_dataset::Task::parse(text, "tasks.jsonl") {
        assert!(error.to_string().contains("tasks.jsonl"));
    }
});
