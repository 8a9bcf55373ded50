//! What a compiler's process sends as the files of a program.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = hone_sandbox::hostile::artifact_is_sound(bytes);
});
