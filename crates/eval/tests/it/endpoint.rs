//! An endpoint that is busy, wrong or gone, played by a thread.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use hone_environment::{Message, Observation, Role};
use hone_eval::endpoint::{Answer, Endpoint};
use hone_model::{FinishReason, SamplingParams};

/// Answers one request after another with these; gives the requests.
fn serve(answers: Vec<(u16, String)>) -> (String, std::thread::JoinHandle<Vec<String>>) {
    let whole = |(status, body): (u16, String)| {
        let head = head(status, "content-type: application/json\r\n", body.len());
        Reply { text: head + &body, after: Duration::ZERO }
    };
    play(answers.into_iter().map(whole).collect())
}

fn head(status: u16, more: &str, length: usize) -> String {
    format!("HTTP/1.1 {status} X\r\n{more}content-length: {length}\r\nconnection: close\r\n\r\n")
}

/// What a server writes before it hangs up, and how long it waits first.
struct Reply {
    text: String,
    after: Duration,
}

/// Plays a server that replies so to one request after another; gives the requests.
fn play(replies: Vec<Reply>) -> (String, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}/v1", listener.local_addr().expect("an address"));
    let thread = std::thread::spawn(move || {
        let mut requests = Vec::new();
        for Reply { text, after } in replies {
            let (mut stream, _) = listener.accept().expect("a request");
            let mut request = Vec::new();
            let mut piece = [0; 4096];
            while !is_whole(&request) {
                let count = stream.read(&mut piece).expect("readable");
                request.extend_from_slice(&piece[..count]);
            }
            requests.push(String::from_utf8_lossy(&request).into_owned());
            std::thread::sleep(after);
            // Who asked may be gone by then.
            let _ = stream.write_all(text.as_bytes());
        }
        requests
    });
    (address, thread)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    body.len() >= length.unwrap_or(0)
}

fn chat() -> Observation {
    let messages = vec![Message { role: Role::User, content: "Double x.".into() }];
    Observation { messages, answer_prefix: String::new(), stop: vec!["###".into()] }
}

fn endpoint(base: &str) -> Endpoint {
    let mut endpoint = Endpoint::new(base, "toy", Some("secret-key".into()), Duration::from_secs(20));
    endpoint.pause = Duration::from_millis(1);
    endpoint.tries = 3;
    endpoint
}

#[test]
fn a_busy_endpoint_is_asked_again() {
    let body = r#"{"choices": [{"message": {"content": "def f(): pass"}, "finish_reason": "length"}], "usage": {"completion_tokens": 5}}"#;
    let (base, server) = serve(vec![(429, "{}".into()), (503, "busy".into()), (200, body.into())]);
    let sampling = SamplingParams { temperature: 0.5, top_k: 7, min_p: 0.05, ..SamplingParams::default() };
    let answer = endpoint(&base).complete(&chat(), &sampling, 3).expect("an answer");
    assert_eq!(answer, Answer { text: "def f(): pass".into(), tokens: 5, finish: FinishReason::Length });
    let requests = server.join().expect("served");
    assert_eq!(requests.len(), 3);
    for part in [
        "POST /v1/chat/completions",
        "Bearer secret-key",
        "\"top_k\":7",
        "\"stop\":[\"###\"]",
        "\"min_p\"",
        "\"seed\":3",
        "\"role\":\"user\"",
    ] {
        assert!(requests[2].contains(part), "{part} in {}", requests[2]);
    }
}

#[test]
fn a_continuation_goes_to_completions() {
    let (base, server) = serve(vec![(200, r#"{"choices": [{"text": "    return x"}]}"#.into())]);
    let seen = Observation { messages: vec![], answer_prefix: "def f(x):\n".into(), stop: vec![] };
    let answer = endpoint(&base).complete(&seen, &SamplingParams::default(), 0).expect("an answer");
    assert_eq!((answer.text.as_str(), answer.tokens), ("    return x", 0));
    let requests = server.join().expect("served");
    assert!(
        requests[0].contains("POST /v1/completions") && requests[0].contains("\"prompt\":\"def f(x):\\n\""),
        "{}",
        requests[0]
    );
}

#[test]
fn what_lasts_is_an_error_at_once_and_names_no_key() {
    let (base, server) = serve(vec![(401, "no such key: secret-key".into())]);
    let message =
        endpoint(&base).complete(&chat(), &SamplingParams::default(), 0).expect_err("refused").to_string();
    assert!(
        message.contains("1 try") && message.contains("status 401") && message.contains("***"),
        "{message}"
    );
    assert!(!message.contains("secret-key"), "{message}");
    server.join().expect("served");
    let (base, server) = serve(vec![(200, "{\"choices\": []}".into())]);
    let message =
        endpoint(&base).complete(&chat(), &SamplingParams::default(), 0).expect_err("empty").to_string();
    assert!(message.contains("expected a choice with a text"), "{message}");
    server.join().expect("served");
    // Who thought until the last token said nothing: an answer, and a wrong one.
    let silent = r#"{"choices": [{"message": {"content": null}, "finish_reason": "length"}]}"#;
    let (base, server) = serve(vec![(200, silent.into())]);
    let answer = endpoint(&base).complete(&chat(), &SamplingParams::default(), 0).expect("an answer");
    assert_eq!(answer, Answer { text: String::new(), tokens: 0, finish: FinishReason::Length });
    server.join().expect("served");
    assert!(!format!("{:?}", endpoint("http://localhost")).contains("secret-key"));
}

const ANSWER: &str = r#"{"choices": [{"text": "x"}]}"#;

fn now(text: String) -> Reply {
    Reply { text, after: Duration::ZERO }
}

#[test]
fn the_pause_is_the_one_the_server_asks_for() {
    for status in [429, 503] {
        let busy = head(status, "retry-after: 1\r\n", 2) + "{}";
        let (base, server) = play(vec![now(busy), now(head(200, "", ANSWER.len()) + ANSWER)]);
        let start = std::time::Instant::now();
        let answer = endpoint(&base).complete(&chat(), &SamplingParams::default(), 0).expect("an answer");
        assert_eq!(answer.text, "x");
        // Its own pause would be a millisecond.
        assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
        assert_eq!(server.join().expect("served").len(), 2);
    }
}

#[test]
fn a_busy_endpoint_is_given_up_with_what_it_said() {
    let (base, server) = serve(vec![(429, "slow down, secret-key".into()); 3]);
    let error =
        endpoint(&base).complete(&chat(), &SamplingParams::default(), 0).expect_err("busy").to_string();
    assert!(error.contains("3 tries: status 429: slow down, ***"), "{error}");
    server.join().expect("served");
}

#[test]
fn a_connection_that_breaks_off_is_tried_again() {
    let half = head(200, "", ANSWER.len()) + &ANSWER[..10];
    let whole = head(200, "", ANSWER.len()) + ANSWER;
    let (base, server) = play(vec![now(String::new()), now(half.clone()), now(whole)]);
    let answer = endpoint(&base).complete(&chat(), &SamplingParams::default(), 0).expect("an answer");
    assert_eq!(answer.text, "x");
    assert_eq!(server.join().expect("served").len(), 3);
    let (base, server) = play(vec![now(half.clone()), now(half.clone()), now(half)]);
    let error =
        endpoint(&base).complete(&chat(), &SamplingParams::default(), 0).expect_err("halves").to_string();
    assert!(error.contains("/chat/completions, 3 tries: "), "{error}");
    server.join().expect("served");
}

#[test]
fn an_answer_that_is_no_json_is_an_error_that_shows_it() {
    let (base, server) = serve(vec![(200, "<html>secret-key</html>".into())]);
    let error =
        endpoint(&base).complete(&chat(), &SamplingParams::default(), 0).expect_err("html").to_string();
    assert!(error.contains("1 try: expected JSON") && error.contains("<html>***"), "{error}");
    server.join().expect("served");
}

#[test]
fn a_slow_endpoint_is_named_as_such_and_tried_again() {
    let slow = || Reply { text: String::new(), after: Duration::from_secs(3) };
    let (base, server) = play(vec![slow(), now(head(200, "", ANSWER.len()) + ANSWER)]);
    let mut endpoint = Endpoint::new(&base, "toy", None, Duration::from_millis(1_500));
    (endpoint.pause, endpoint.tries) = (Duration::from_secs(2), 2);
    assert_eq!(endpoint.complete(&chat(), &SamplingParams::default(), 0).expect("an answer").text, "x");
    server.join().expect("served");
    let (base, server) = play(vec![slow()]);
    let mut endpoint = Endpoint::new(&base, "toy", None, Duration::from_millis(1_500));
    endpoint.tries = 1;
    let error = endpoint.complete(&chat(), &SamplingParams::default(), 0).expect_err("slow").to_string();
    assert!(
        error.contains("expected an answer within 1.5 s, found none") && error.contains("hint: "),
        "{error}"
    );
    server.join().expect("served");
}

#[test]
fn a_key_that_comes_back_is_not_in_the_answer() {
    let body = r#"{"choices": [{"text": "print('secret-key')"}]}"#;
    let (base, server) = serve(vec![(200, body.into())]);
    let answer = endpoint(&base).complete(&chat(), &SamplingParams::default(), 0).expect("an answer");
    assert_eq!(answer.text, "print('***')");
    server.join().expect("served");
}
