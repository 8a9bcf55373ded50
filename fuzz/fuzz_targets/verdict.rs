//! Verdict lines, and a program's report of its own failure.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = hone_sandbox::hostile::verdict_lines(bytes, None);
    let (results, is_complete) = hone_sandbox::hostile::verdict_lines(bytes, Some("a secret that no input holds"));
    assert!(results.is_empty() && !is_complete);
    let _ = hone_sandbox::hostile::failure_report(bytes);
});
