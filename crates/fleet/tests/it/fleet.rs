//! Several services as one sandbox: the same answers as at home, and none lost when a service dies.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hone_fleet::{Fleet, FleetConfig, ServiceConfig, Token};
use hone_sandbox::{
    Compare, Compiled, CostProgram, Isolation, Language, Limits, Measured, OutcomeClass, Sandbox,
    SandboxError, StdioCase, Submission, TestSuite,
};

use crate::{Running, config, token};

fn fleet(urls: &[String]) -> Arc<Fleet> {
    Fleet::connect(FleetConfig {
        patience: Duration::from_secs(5),
        ..FleetConfig::new(urls.to_vec(), Some(token()))
    })
    .unwrap()
}

fn submission(solution: &str) -> Submission {
    let tests = TestSuite::Asserts { setup: String::new(), asserts: vec!["assert f(2) == 4".into()] };
    Submission { solution: solution.into(), tests, limits: Limits::default() }
}

/// A service that takes requests and never answers them, as one that dies at work; how many it took.
fn dying() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let taken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&taken);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0u8; 4096];
            let n = stream.read(&mut head).unwrap_or(0);
            if head[..n].starts_with(b"GET /v1/status") {
                let status = format!(
                    r#"{{"version":"{}","workers":8,"queue_capacity":8,"queue_waiting":0,"isolation":"strict","layers":[],"most":{},"request_limit_s":60}}"#,
                    env!("CARGO_PKG_VERSION"),
                    serde_json::to_string(&Limits::default()).unwrap()
                );
                let length = status.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{status}"
                );
            } else {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    (url, taken)
}

#[test]
fn a_sandbox_elsewhere_answers_as_one_at_home() {
    let (one, other) = (Running::start(config()), Running::start(config()));
    let fleet = fleet(&[one.url(), other.url()]);
    let sandbox = Sandbox::elsewhere(fleet.clone());
    assert_eq!(sandbox.workers(), 2);
    let outcome = sandbox
        .run("import sys\nprint(len(sys.stdin.buffer.read()))", b"\xff\x00\xfe", &Limits::default())
        .unwrap();
    assert_eq!((outcome.class, outcome.stdout.as_str()), (OutcomeClass::Passed, "3\n"));
    std::thread::scope(|scope| {
        for number in 0..6 {
            let sandbox = &sandbox;
            scope.spawn(move || {
                let judgement =
                    sandbox.judge(&submission(&format!("def f(x):\n    return x * {number}\n"))).unwrap();
                assert_eq!(judgement.outcome.class == OutcomeClass::Passed, number == 2);
            });
        }
    });
    let case = StdioCase { stdin: "3".into(), stdout: "9".into() };
    let judgement =
        sandbox.judge_stdio("print(int(input()) ** 2)", &[case], Compare::Lines, &Limits::default()).unwrap();
    assert_eq!(judgement.outcome.class, OutcomeClass::Passed);
    let Compiled::Ready(program) = sandbox.compile(Language::Bash, "echo $((6 * 7))").unwrap() else {
        panic!()
    };
    assert_eq!(sandbox.execute(&program, b"", &Limits::default()).unwrap().stdout, "42\n");
    let program = CostProgram { language: Language::Bash, source: "for i in {1..2000}; do :; done".into() };
    assert!(matches!(sandbox.measure_cost(&program, &[], &Limits::default()).unwrap(), Measured::Cost(_)));
    let empty =
        Submission { tests: TestSuite::Asserts { setup: String::new(), asserts: vec![] }, ..submission("") };
    assert!(matches!(sandbox.judge(&empty), Err(SandboxError::BadSubmission(_))));
    let greedy = Limits { disk_bytes: 1 << 50, ..Limits::default() };
    let error = sandbox.run("1", b"", &greedy).unwrap_err().to_string();
    assert!(error.contains("limits.disk_bytes"), "{error}");
    assert_eq!(fleet.repeats(), 0);
}

#[test]
fn work_of_a_service_that_dies_is_done_elsewhere_and_said() {
    let (dead, taken) = dying();
    let alive = Running::start(config());
    let fleet = fleet(&[dead, alive.url()]);
    let sandbox = Sandbox::elsewhere(fleet.clone());
    for number in 0..4 {
        let outcome = sandbox.run(&format!("print({number})"), b"", &Limits::default()).unwrap();
        assert_eq!(outcome.stdout, format!("{number}\n"));
    }
    let taken = taken.load(Ordering::SeqCst) as u64;
    assert!(taken > 0, "the dead one was asked");
    assert_eq!(fleet.repeats(), taken, "each repeat is counted");
}

#[test]
fn no_service_is_an_error_that_says_so_and_not_a_wait() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let error = Fleet::connect(FleetConfig::new(vec![url.clone()], Some(token()))).unwrap_err().to_string();
    assert!(error.contains(&url) && error.contains("hint:"), "{error}");
    // One that goes away later: what it had is asked for as long as patience lasts.
    let service = Running::start(config());
    let sandbox = Sandbox::elsewhere(fleet(&[service.url()]));
    assert_eq!(sandbox.run("print(1)", b"", &Limits::default()).unwrap().stdout, "1\n");
    service.end();
    let error = sandbox.run("print(1)", b"", &Limits::default()).unwrap_err().to_string();
    assert!(error.contains("sandbox service") || error.contains("never answered"), "{error}");
}

#[test]
fn a_wrong_token_or_less_isolation_is_refused_at_once() {
    let service = Running::start(config());
    let wrong = Token::new("another-token-of-someone", "a test").unwrap();
    let error = Fleet::connect(FleetConfig::new(vec![service.url()], Some(wrong))).unwrap_err().to_string();
    assert!(error.contains("token") && !error.contains("another-token-of-someone"), "{error}");
    let lax = Running::start(ServiceConfig { isolation: Isolation::Standard, ..config() });
    let error = Fleet::connect(FleetConfig::new(vec![lax.url()], Some(token()))).unwrap_err().to_string();
    assert!(error.contains("isolation strict"), "{error}");
    let modest =
        FleetConfig { isolation: Isolation::Standard, ..FleetConfig::new(vec![lax.url()], Some(token())) };
    assert!(Fleet::connect(modest).is_ok());
}

#[test]
fn busy_services_are_asked_again_and_nothing_is_repeated() {
    let service = Running::start(ServiceConfig { queue: 1, ..config() });
    let fleet = fleet(&[service.url()]);
    let sandbox = Sandbox::elsewhere(fleet.clone());
    std::thread::scope(|scope| {
        for number in 0..6 {
            let sandbox = &sandbox;
            scope.spawn(move || {
                let source = format!("import time\ntime.sleep(0.2)\nprint({number})");
                let outcome = sandbox.run(&source, b"", &Limits::default()).unwrap();
                assert_eq!(outcome.stdout, format!("{number}\n"));
            });
        }
    });
    assert_eq!(fleet.repeats(), 0);
}
