//! A zygote's reply, and callgrind's report: whole and as they must be, or nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(cpu_ms) = hone_sandbox::hostile::reply(bytes) {
        assert!(cpu_ms >= 0.0);
    }
    let _ = hone_sandbox::hostile::counted_instructions(bytes);
});
