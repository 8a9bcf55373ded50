//! A program's output against the expected one, by every rule: text equals itself.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|texts: (&str, &str)| {
    let _ = hone_sandbox::hostile::comparisons(texts.0, texts.1);
    assert_eq!(hone_sandbox::hostile::comparisons(texts.0, texts.0), [true; 4]);
});
