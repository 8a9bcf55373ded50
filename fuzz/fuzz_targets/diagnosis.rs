//! What compilers and crashed programs say, in every language: a place that is named lies in the program.
#![no_main]

use hone_sandbox::{Language, hostile};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    for language in Language::ALL {
        let error = hostile::build_diagnosis(language, &text, 9);
        assert!(error.line.is_none_or(|line| (1..=9).contains(&line)));
        let _ = hostile::crash_diagnosis(language, &text, None, 9);
    }
});
