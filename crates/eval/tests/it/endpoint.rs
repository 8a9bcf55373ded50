//! An endpoint that is busy, wrong or gone, played by a thread.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use hone_environment::{Message, Observation, Role};
use hone_eval::endpoint::{Answer, Endpoint};
use hone_model::{FinishReason, SamplingParams};

/// Answers one request after another with these; gives the requests.
fn serve(answers: Vec<(u16, String)>) -> (String, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}/v1", listener.local_addr().expect("an address"));
    let thread = std::thread::spawn(move || {
        let mut requests = Vec::new();
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().expect("a request");
            let mut request = Vec::new();
            let mut piece = [0; 4096];
            while !is_whole(&request) {
                let count = stream.read(&mut piece).expect("readable");
                request.extend_from_slice(&piece[..count]);
            }
            requests.push(String::from_utf8_lossy(&request).into_owned());
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            stream
                .write_all(head.as_bytes())
                .and_then(|()| stream.write_all(body.as_bytes()))
                .expect("written");
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
        message.contains("1 tries") && message.contains("status 401") && message.contains("***"),
        "{message}"
    );
    assert!(!message.contains("secret-key"), "{message}");
    server.join().expect("served");
    let (base, server) = serve(vec![(200, "{\"choices\": []}".into())]);
    let message =
        endpoint(&base).complete(&chat(), &SamplingParams::default(), 0).expect_err("empty").to_string();
    assert!(message.contains("expected a choice with a text"), "{message}");
    server.join().expect("served");
    assert!(!format!("{:?}", endpoint("http://localhost")).contains("secret-key"));
}
