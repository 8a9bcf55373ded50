//! Tasks files of strangers: whatever stands in them, reading comes back, and names the file.

use hone_dataset::Task;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\n",
    "\"id\"",
    "\"a\"",
    "\"instruction\"",
    "\"tests\"",
    "{\"kind\": \"asserts\"",
    "\"asserts\"",
    "\"task_id\"",
    "\"prompt\"",
    "\"canonical_solution\"",
    "\"test\"",
    "\"entry_point\"",
    "\"test_list\"",
    "\"code\"",
    "\"text\"",
    "null",
    "11",
    "\\",
    "\"",
    "\u{feff}",
    "é",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_survived(text in ".{0,200}", pieces in vec(select(PIECES), 0..40)) {
        for text in [text, pieces.concat()] {
            if let Err(error) = Task::parse(&text, "strange.jsonl") {
                prop_assert!(error.to_string().contains("strange.jsonl"), "{error}");
            }
        }
    }
}
