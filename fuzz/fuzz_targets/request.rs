//! Bodies of requests to a sandbox service.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for path in ["/v1/run", "/v1/judge", "/v1/cost", "/other"] {
        let _ = hone_fleet::hostile::request(path, bytes);
    }
    let _ = hone_sandbox::hostile::test_suite(bytes);
});
