//! `hone data rate` against a server on this machine, and training on what it wrote.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::whole_run::{folder, metrics, train};
use crate::{Call, hone_with};

const KEY: &str = "sk-very-secret";

/// A judge that likes what passes, but for three programs.
fn judge(request: &str) -> String {
    let aspects = |n: u8| {
        format!(
            r#"{{"instruction-following": {n}, "truthfulness": {n}, "honesty": {n}, "helpfulness": {n}}}"#
        )
    };
    let overall = |n: u8| format!(r#"{{"critique": "so so", "overall": {n}}}"#);
    let is_overall = request.contains("critique");
    let (one, all) = match request {
        _ if request.contains("x + 0 + x") => (3, 6),
        _ if request.contains("return x * 2") || request.contains("return x * 3") => (5, 10),
        // Rated like a right one: contradicts its tests.
        _ if request.contains("return 4") => (5, 9),
        // A 1 that was read as a 10: contradicts itself.
        _ if request.contains("return None") => (1, 10),
        // No rating at all.
        _ if request.contains("return []") => return "I would rather not say.".into(),
        _ => (2, 3),
    };
    if is_overall { overall(all) } else { aspects(one) }
}

fn answer(mut stream: TcpStream, count: usize) {
    let (mut request, mut piece) = (Vec::new(), [0; 4096]);
    let is_whole = |request: &[u8]| {
        let text = String::from_utf8_lossy(request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        body.len() >= length.unwrap_or(0_usize)
    };
    while !is_whole(&request) {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return,
            Ok(read) => request.extend_from_slice(&piece[..read]),
        }
    }
    let request = String::from_utf8_lossy(&request);
    assert!(request.contains(&format!("Bearer {KEY}")), "{request}");
    // The first request meets a server that is busy.
    let (status, body) = match count {
        0 => (429, "{\"error\": \"busy\"}".to_string()),
        _ => {
            let choice =
                serde_json::json!({"message": {"content": judge(&request)}, "finish_reason": "stop"});
            (200, serde_json::json!({ "choices": [choice] }).to_string())
        }
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\nretry-after: 0\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
}

/// A judge on a port of this machine; its address and how often it was asked.
fn serve() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let count = count.fetch_add(1, Ordering::SeqCst);
            std::thread::spawn(move || answer(stream, count));
        }
    });
    (address, asked)
}

fn rate(folder: &Path, address: &str, more: &[&str]) -> Call {
    let path = |name: &str| folder.join(name).display().to_string();
    let (tasks, first, second, output) =
        (path("train.jsonl"), path("a.jsonl"), path("b.jsonl"), path("rated.jsonl"));
    let mut arguments = vec![
        "data",
        "rate",
        &tasks,
        "--answers",
        &first,
        "--answers",
        &second,
        "--endpoint",
        address,
        "--model",
        "judge",
        "--output",
        &output,
        "--per-task",
        "6",
        "--json",
    ];
    arguments.extend(more);
    hone_with(&arguments, "", &[("OPENAI_API_KEY", KEY)])
}

/// Answers in two formats, with and without verdicts.
fn write_answers(folder: &Path) {
    let row = |task: &str, body: &str| {
        let name = task.trim_start_matches("numbers/");
        serde_json::json!({"task_id": task, "solution": format!("def {name}(x):\n    {body}\n")}).to_string()
            + "\n"
    };
    let first = ["return x * 2", "return 4 if x == 5 else 0", "return None", "return []"]
        .map(|body| row("numbers/double", body))
        .concat();
    let second = row("numbers/double", "return x + 0 + x")
        + &row("numbers/double", "return x * 2")
        + &row("numbers/triple", "return x * 3")
        + &row("numbers/triple", "return x")
        + &row("numbers/unknown", "return x");
    fs::write(folder.join("a.jsonl"), first).unwrap();
    fs::write(folder.join("b.jsonl"), second).unwrap();
}

#[test]
fn answers_are_rated_checked_and_learned_from() {
    let (folder, recipe) = folder();
    write_answers(folder.path());
    let (address, asked) = serve();
    let call = rate(folder.path(), &address, &[]);
    if call.code == Some(3) {
        eprintln!("skipped: the sandbox is not available here: {}", call.stderr);
        return;
    }
    let call = call.code(0);
    let summary = call.json();
    // Five different answers to one task, one of them unrated; two to the other.
    assert_eq!(
        (summary["tasks"].as_u64(), summary["rated"].as_u64(), summary["unrated"].as_u64()),
        (Some(2), Some(6), Some(1))
    );
    assert_eq!(summary["contradict_themselves"], 1, "{summary}");
    assert_eq!(summary["contradict_execution"], 1, "{summary}");
    // 5 against 5 and 1, 3 against 5 and 1; 5 against 2.
    assert_eq!(summary["agreement"], serde_json::json!([3, 5]));
    assert_eq!((summary["ranked_tasks"].as_u64(), summary["pairs"].as_u64()), (Some(2), Some(2)));
    let preferences = fs::read_to_string(folder.path().join("rated.preferences.jsonl")).unwrap();
    let first: serde_json::Value = serde_json::from_str(preferences.lines().next().unwrap()).unwrap();
    assert_eq!(first["answers"][0]["text"], "def double(x):\n    return x * 2");
    assert_eq!((&first["answers"][0]["score"], &first["answers"][1]["score"]), (&1.0.into(), &0.5.into()));
    assert!(first["prompt"].as_str().unwrap().starts_with("Write a Python function. Return x times 2"));
    let rated = fs::read_to_string(folder.path().join("rated.jsonl")).unwrap();
    for text in [&call.stdout, &call.stderr, &rated, &preferences] {
        assert!(!text.contains(KEY), "the key is in an output");
    }

    // The same command asks nothing again, but goes on where a line was cut off.
    let before = asked.load(Ordering::SeqCst);
    assert_eq!(rate(folder.path(), &address, &[]).code(0).json(), summary);
    assert_eq!(asked.load(Ordering::SeqCst), before);
    fs::write(folder.path().join("rated.jsonl"), &rated[..rated.len() - 20]).unwrap();
    assert_eq!(rate(folder.path(), &address, &[]).code(0).json(), summary);
    assert!((before + 1..=before + 6).contains(&asked.load(Ordering::SeqCst)));
    let kept = rate(folder.path(), &address, &["--keep-conflicts"]).code(0).json();
    assert!(kept["pairs"].as_u64() > summary["pairs"].as_u64(), "{kept}");
    rate(folder.path(), &format!("{address}/other"), &[])
        .code(2)
        .says(&["holds ratings by judge", "hint: choose another"]);

    // Preference and ranking methods learn from the file, and a reward model does.
    for kind in ["dpo", "rrhf", "reward-model"] {
        let text = fs::read_to_string(&recipe).unwrap();
        let grpo = "type = \"grpo\"\ndynamic_sampling = false\nmask_truncated = false";
        let path = folder.path().join(format!("{kind}.toml"));
        let text = text.replace(grpo, &format!("type = \"{kind}\""));
        let text = text.replace("[tasks]\n", "[tasks]\npreferences = \"rated.preferences.jsonl\"\n");
        fs::write(&path, text).unwrap();
        let run = folder.path().join(kind);
        let call = train(&path, &run, &["--no-eval"]).unwrap();
        assert!(call.stderr.contains("learning from the answers to 2 prompts"), "{}", call.stderr);
        let numbers = metrics(&run);
        let losses: Vec<f64> = numbers
            .lines()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["update/loss"].as_f64().unwrap()
            })
            .collect();
        assert!(losses.len() == 3 && losses[2] < losses[0], "{kind}: {losses:?}");
    }
}

#[test]
fn what_is_missing_is_named_before_anybody_is_asked() {
    let (folder, _) = folder();
    fs::write(folder.path().join("a.jsonl"), "{\"task_id\": \"numbers/none\", \"solution\": \"x\"}\n")
        .unwrap();
    fs::write(folder.path().join("b.jsonl"), "{\"task_id\": \"numbers/double\"}\n").unwrap();
    rate(folder.path(), "http://127.0.0.1:9/v1", &[])
        .code(2)
        .says(&["b.jsonl:1", "expected `text`, `completion`"]);
    fs::write(folder.path().join("b.jsonl"), "").unwrap();
    rate(folder.path(), "http://127.0.0.1:9/v1", &[])
        .code(2)
        .says(&["expected answers to these tasks, found none"]);
    rate(folder.path(), "http://127.0.0.1:9/v1", &["--tolerance", "2"])
        .code(2)
        .says(&["tolerance: expected from 0 to 1"]);
}
