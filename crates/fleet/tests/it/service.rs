//! One service: who may ask, what is answered, and that it neither drowns nor hangs.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use hone_fleet::ServiceConfig;

use crate::{Running, TOKEN, ask, config};

#[test]
fn work_is_done_for_who_has_the_token() {
    let service = Running::start(config());
    let address = service.address;
    assert_eq!(ask(address, "GET", "/health", None, "").status, 200);
    let description = ask(address, "GET", "/openapi.json", None, "").json();
    assert!(description["paths"]["/v1/judge"]["post"].is_object());
    let run = r#"{"source": "print(input() + '!')", "stdin": "hello"}"#;
    for wrong in [None, Some("a-token-for-tests-onlz"), Some("")] {
        let answer = ask(address, "POST", "/v1/run", wrong, run);
        assert_eq!((answer.status, answer.json()["code"].as_str()), (401, Some("unauthorized")));
        assert!(!answer.body.contains(TOKEN));
        assert_eq!(ask(address, "GET", "/v1/status", wrong, "").status, 401);
    }
    let outcome = ask(address, "POST", "/v1/run", Some(TOKEN), run).json();
    assert_eq!((outcome["class"].as_str(), outcome["stdout"].as_str()), (Some("passed"), Some("hello!\n")));
    let judge = r#"{"solution": "def f(x):\n    return x + 1\n", "tests": {"kind": "asserts", "asserts": ["assert f(1) == 2", "assert f(1) == 3"]}}"#;
    let judgement = ask(address, "POST", "/v1/judge", Some(TOKEN), judge).json();
    assert_eq!(judgement["outcome"]["class"], "wrong-answer");
    assert_eq!(judgement["tests"][0]["is_passed"], true);
    let status = ask(address, "GET", "/v1/status", Some(TOKEN), "").json();
    assert_eq!((status["workers"].as_u64(), status["isolation"].as_str()), (Some(1), Some("strict")));
    assert!(service.end(), "nothing was in work");
}

#[test]
fn what_cannot_be_meant_is_refused_by_name() {
    let service = Running::start(ServiceConfig { body_bytes: 10_000, ..config() });
    let post = |path: &str, body: &str| {
        let answer = ask(service.address, "POST", path, Some(TOKEN), body);
        (answer.status, answer.json()["code"].as_str().unwrap().to_owned())
    };
    let code = |text: &str| text.to_owned();
    assert_eq!(post("/v1/run", "{"), (422, code("bad-request")));
    assert_eq!(post("/v1/run", r#"{"source": "1", "limit": {}}"#), (422, code("bad-request")));
    assert_eq!(
        post("/v1/run", r#"{"source": "1", "limits": {"memory_bytes": 1099511627776}}"#),
        (422, code("too-much"))
    );
    let empty = r#"{"solution": "", "tests": {"kind": "asserts", "asserts": []}}"#;
    assert_eq!(post("/v1/judge", empty), (422, code("bad-request")));
    assert_eq!(post("/v1/erase", "{}"), (404, code("no-such-path")));
    let long = format!(r#"{{"source": "{}"}}"#, "x".repeat(20_000));
    let answer = ask(service.address, "POST", "/v1/run", Some(TOKEN), &long);
    assert!(answer.status == 413 || answer.status == 0, "{answer:?}");
    assert_eq!(ask(service.address, "GET", "/v1/run", Some(TOKEN), "").status, 405);
    assert_eq!(ask(service.address, "GET", "/health", None, "").status, 200, "it lives");
}

#[test]
fn a_full_queue_pushes_back_and_an_end_waits_for_what_is_in_work() {
    let service = Running::start(ServiceConfig { queue: 1, ..config() });
    let address = service.address;
    let slow = r#"{"source": "import time\ntime.sleep(1.5)\nprint(1)"}"#;
    let begin = || {
        let thread = std::thread::spawn(move || ask(address, "POST", "/v1/run", Some(TOKEN), slow));
        std::thread::sleep(Duration::from_millis(400));
        thread
    };
    // One is in work and one waits.
    let (first, second) = (begin(), begin());
    let third = ask(address, "POST", "/v1/run", Some(TOKEN), slow);
    assert_eq!((third.status, third.json()["code"].as_str()), (429, Some("queue-full")), "{third:?}");
    assert!(third.head.contains("retry-after: 1"), "{third:?}");
    assert!(service.end(), "what was taken is answered");
    for answer in [first.join().unwrap(), second.join().unwrap()] {
        assert_eq!((answer.status, answer.json()["stdout"].as_str()), (200, Some("1\n")));
    }
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
}

#[test]
fn a_client_that_dawdles_is_let_go() {
    let service = Running::start(ServiceConfig { arrival_limit: Duration::from_secs(3), ..config() });
    let wait = |sent: &str| {
        let mut stream = TcpStream::connect(service.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(sent.as_bytes()).unwrap();
        let (mut text, started) = (String::new(), Instant::now());
        let _ = stream.read_to_string(&mut text);
        assert!(started.elapsed() < Duration::from_secs(40), "{sent:?} hung");
        text
    };
    wait("POST /v1/run HTTP/1.1\r\nhost: x\r\n");
    let head = format!(
        "POST /v1/run HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{{"
    );
    assert!(wait(&head).starts_with("HTTP/1.1 408"), "a body that does not come");
}

#[test]
fn work_of_a_client_that_went_away_is_not_begun() {
    let service = Running::start(config());
    let address = service.address;
    let post = |body: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        let length = body.len();
        write!(
            stream,
            "POST /v1/run HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        std::thread::sleep(Duration::from_millis(200));
        stream
    };
    let busy = post(r#"{"source": "import time\ntime.sleep(1)"}"#);
    // Four more would sleep for twenty seconds, but nobody waits for them.
    let gone: Vec<_> = (0..4).map(|_| post(r#"{"source": "import time\ntime.sleep(5)"}"#)).collect();
    drop(gone);
    let started = Instant::now();
    let answer = ask(address, "POST", "/v1/run", Some(TOKEN), r#"{"source": "print(7)"}"#);
    assert_eq!(answer.json()["stdout"], "7\n");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    drop(busy);
}
