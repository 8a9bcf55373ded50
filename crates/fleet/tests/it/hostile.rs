//! Bodies of requests: whatever comes is answered, and what says too little or too much asks for nothing.

use hone_fleet::hostile::request;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const PATHS: [&str; 4] = ["/v1/run", "/v1/judge", "/v1/cost", "/other"];
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"source\"",
    "\"x\"",
    "\"stdin_base64\"",
    "\"YQ==\"",
    "\"language\"",
    "\"c\"",
    "\"limits\"",
    "\"cpu_ms\"",
    "-1",
    "1e99",
    "\"tests\"",
    "\"kind\"",
    "\"asserts\"",
    "\"solution\"",
    "\"program\"",
    "\"inputs\"",
    "null",
    "\\ud800",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_body_is_survived(bytes in vec(any::<u8>(), 0..200), pieces in vec(select(PIECES), 0..30)) {
        for path in PATHS {
            request(path, &bytes);
            prop_assert!(!request("/other", pieces.concat().as_bytes()));
            request(path, pieces.concat().as_bytes());
        }
    }

    #[test]
    fn an_unknown_key_is_refused_wherever_it_stands(key in "[a-z]{9,12}", source in ".{0,20}") {
        let source = serde_json::to_string(&source).unwrap();
        let body = format!("{{\"source\": {source}}}");
        prop_assert!(request("/v1/run", body.as_bytes()));
        let body = format!("{{\"source\": {source}, \"{key}\": 1}}");
        prop_assert!(!request("/v1/run", body.as_bytes()));
        let body = format!("{{\"source\": {source}, \"limits\": {{\"{key}\": 1}}}}");
        prop_assert!(!request("/v1/run", body.as_bytes()));
    }
}
