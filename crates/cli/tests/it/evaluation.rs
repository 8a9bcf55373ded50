//! `hone eval` of samples and endpoints, `hone benchmark`: what needs no model.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::{Call, hone_with};

/// A folder with a benchmark of two problems in HumanEval's format, and samples of them.
pub(crate) struct Folder(pub(crate) tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        let row = |id: &str, name: &str, body: &str, test: &str| {
            json!({"task_id": id, "prompt": format!("def {name}(x):\n"), "entry_point": name, "canonical_solution": body,
                   "test": format!("def check(candidate):\n    assert {test}\n")})
        };
        folder.write(
            "rows.jsonl",
            &[
                row("T/0", "double", "    return 2 * x\n", "candidate(2) == 4"),
                row("T/1", "triple", "    return 3 * x\n", "candidate(2) == 6"),
            ],
        );
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, rows: &[Value]) -> String {
        let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
        fs::write(self.path(name), text).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    /// `hone eval … humaneval --file rows.jsonl`, or nothing where there is no sandbox.
    pub(crate) fn eval(&self, arguments: &[&str]) -> Option<Call> {
        let file = self.path("rows.jsonl");
        let call = hone_with(
            &[&["eval"][..], arguments, &["humaneval", "--file", file.to_str().unwrap()]].concat(),
            "",
            &[("API", "my-key")],
        );
        if call.code == Some(3) {
            eprintln!("skipped: the sandbox is not available here: {}", call.stderr);
            return None;
        }
        Some(call)
    }
}

pub(crate) fn sample(id: &str, completion: &str) -> Value {
    json!({"task_id": id, "completion": completion})
}

#[test]
fn samples_are_scored_resumed_and_compared() {
    let folder = Folder::new();
    let (right, wrong) = ("    return x + x\n", "    return x\n");
    let before = folder.write(
        "a.jsonl",
        &[sample("T/0", right), sample("T/0", wrong), sample("T/1", wrong), sample("T/1", wrong)],
    );
    let triple = "    return x + x + x\n";
    let after = folder.write(
        "b.jsonl",
        &[sample("T/0", right), sample("T/0", right), sample("T/1", triple), sample("T/1", wrong)],
    );
    let (first, second, page) =
        (folder.path("first.jsonl"), folder.path("second.jsonl"), folder.path("page.html"));
    let (first, second, page) = (first.to_str().unwrap(), second.to_str().unwrap(), page.to_str().unwrap());
    let Some(call) = folder.eval(&["--samples", &before, "--output", first, "--report", page, "--json"])
    else {
        return;
    };
    let summary = call.code(0).json();
    assert_eq!(summary["all"]["pass_at"]["1"]["value"], 0.25);
    assert_eq!(summary["all"]["pass_at"]["2"]["value"], 0.5);
    assert!(summary["signature"].as_str().unwrap().contains("benchmark=humaneval"));
    assert!(fs::read_to_string(page).unwrap().contains("T/1"));
    let Some(call) = folder.eval(&["--samples", &after, "--output", second]) else { return };
    assert!(call.code(0).stdout.contains("pass@1           75.0%"));
    // An interrupted result goes on: with its last line cut in the middle, the missing sample is judged again.
    let whole = fs::read_to_string(second).unwrap();
    fs::write(second, &whole[..whole.len() - 20]).unwrap();
    let Some(call) = folder.eval(&["--samples", &after, "--output", second]) else { return };
    call.code(0);
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let tasks = |text: &str| {
        sorted(text)
            .iter()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["task"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(tasks(&fs::read_to_string(second).unwrap()), tasks(&whole));
    let Some(call) = folder.eval(&["--samples", &before, "--output", second]) else { return };
    call.code(2).says(&["expected a result of the same settings"]);
    let diff = hone_with(&["eval", "diff", first, second, "--json"], "", &[]).code(0).json();
    assert_eq!((diff[0]["k"].as_u64(), diff[0]["difference"]["value"].as_f64()), (Some(1), Some(0.5)));
    let text = hone_with(&["eval", "diff", first, second], "", &[]).code(0).stdout;
    assert!(text.contains("+50.0 [+50.0, +50.0]") && text.contains("pass@1: a difference"), "{text}");
}

#[test]
fn a_benchmark_whose_references_fail_is_not_scored_silently() {
    let folder = Folder::new();
    let rows = fs::read_to_string(folder.path("rows.jsonl")).unwrap().replace("return 3 * x", "return 4 * x");
    fs::write(folder.path("rows.jsonl"), rows).unwrap();
    let samples = folder.write("a.jsonl", &[sample("T/0", "    return x + x\n")]);
    let Some(call) = folder.eval(&["--check"]) else { return };
    let call = call.code(1);
    assert!(
        call.stdout.contains("references: 1 of 2 pass, 1 FAIL") && call.stdout.contains("T/1"),
        "{}",
        call.stdout
    );
    let Some(call) = folder.eval(&["--samples", &samples]) else { return };
    let call = call.code(2).says(&["1 of 2 pass", "--allow-broken"]);
    assert_eq!(call.stdout, "");
    let Some(call) = folder.eval(&["--samples", &samples, "--allow-broken"]) else { return };
    assert!(call.code(0).stdout.contains("WARNING: "));
}

/// Answers chats with a right solution of the first problem, in a fence, until the test ends.
fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut request, mut piece) = (stream.unwrap(), String::new(), [0; 4096]);
            while !(request.contains("\r\n\r\n") && request.ends_with('}')) {
                let count = stream.read(&mut piece).unwrap();
                request.push_str(&String::from_utf8_lossy(&piece[..count]));
            }
            let is_authorised = request.contains("Bearer my-key");
            let content =
                if is_authorised { "Sure:\n```python\ndef double(x):\n    return 2 * x\n```" } else { "no" };
            let body =
                json!({"choices": [{"message": {"content": content}}], "usage": {"completion_tokens": 7}})
                    .to_string();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            )
            .unwrap();
        }
    });
    address
}

#[test]
fn an_endpoint_is_evaluated() {
    let folder = Folder::new();
    let url = serve();
    let output = folder.path("out.jsonl");
    let arguments = [
        "--endpoint",
        &url,
        "--samples",
        "2",
        "--key-env",
        "API",
        "--output",
        output.to_str().unwrap(),
        "--json",
    ];
    let Some(call) = folder.eval(&arguments) else { return };
    let summary = call.code(0).json();
    assert_eq!(
        summary["all"]["pass_at"]["1"]["value"], 0.5,
        "the first problem is solved, the second is not: {summary}"
    );
    assert_eq!(summary["all"]["mean_tokens"], 7.0);
    let (result, settings) = (
        fs::read_to_string(&output).unwrap(),
        fs::read_to_string(folder.path("out.jsonl.settings")).unwrap(),
    );
    assert!(!result.contains("my-key") && !settings.contains("my-key"));
    // Not even where everything is logged.
    let file = folder.path("rows.jsonl");
    let arguments =
        ["eval", "--endpoint", &url, "--key-env", "API", "humaneval", "--file", file.to_str().unwrap()];
    let said = hone_with(&arguments, "", &[("API", "my-key"), ("HONE_LOG", "trace")]).code(0);
    assert!(!said.stderr.contains("my-key") && !said.stdout.contains("my-key"), "{}", said.stderr);
}

/// Answers every request with the right solution if it was shown how to double, and tells what it was asked.
fn serve_imitator() -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    let (sender, asked) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut request, mut piece) = (stream.unwrap(), String::new(), [0; 4096]);
            while !(request.contains("\r\n\r\n") && request.ends_with('}')) {
                let count = stream.read(&mut piece).unwrap();
                request.push_str(&String::from_utf8_lossy(&piece[..count]));
            }
            let text = if request.contains("is 2 * x") { "    return 2 * x\n" } else { "    return x\n" };
            let body = json!({"choices": [{"text": text, "message": {"content": format!("```python\ndef double(x):\n{text}```")}}]});
            let body = body.to_string();
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            stream.write_all((head + &body).as_bytes()).unwrap();
            if sender.send(request).is_err() {
                return;
            }
        }
    });
    (address, asked)
}

#[test]
fn examples_of_a_file_are_shown_and_named_by_their_content() {
    let folder = Folder::new();
    let (url, asked) = serve_imitator();
    let shots = folder.write(
        "shots.jsonl",
        &[
            json!({"question": "Twice x?", "answer": "It is 2 * x."}),
            json!({"question": "Half x?", "answer": "It is x / 2."}),
        ],
    );
    let eval = |more: &[&str]| {
        let fixed = ["--endpoint", &url, "--samples", "1", "--temperature", "0", "--limit", "1", "--json"];
        folder.eval(&[&fixed[..], more].concat())
    };
    let signature = |found: &Value| found["signature"].as_str().unwrap().to_owned();
    let Some(call) = eval(&["--shots-file", &shots]) else { return };
    let both = call.code(0).json();
    assert_eq!(both["all"]["pass_at"]["1"]["value"], 1.0, "{both}");
    let request = asked.recv().unwrap();
    assert!(request.contains("\"role\":\"assistant\",\"content\":\"It is 2 * x.\""), "{request}");
    assert!(request.contains("Half x?") && signature(&both).contains("shots=2 shots_sha256="), "{both}");
    let one =
        eval(&["--shots-file", &shots, "--shots", "1", "--prompt", "completion"]).unwrap().code(0).json();
    let request = asked.recv().unwrap();
    assert!(request.contains("\"prompt\":\"Twice x?It is 2 * x.\\n\\ndef double(x):"), "{request}");
    assert!(!request.contains("Half x?") && signature(&one).contains("shots=1 shots_sha256="), "{one}");
    let none = eval(&[]).unwrap().code(0).json();
    assert_eq!(none["all"]["pass_at"]["1"]["value"], 0.0, "{none}");
    assert!(signature(&none).contains("shots=0 ") && !signature(&none).contains("shots_sha256"), "{none}");
    // The benchmark's own first problem, in the style of the prompt.
    let own = eval(&["--shots", "1", "--prompt", "completion"]).unwrap().code(0).json();
    asked.recv().unwrap();
    let request = asked.recv().unwrap();
    assert!(request.contains("def double(x):\\n    return 2 * x\\n\\ndef triple(x):"), "{request}");
    assert!(
        signature(&own).contains("shots=1 shots_sha256=") && signature(&own).contains("tasks=1 "),
        "{own}"
    );
    eval(&["--shots-file", &shots, "--shots", "3"])
        .unwrap()
        .code(2)
        .says(&["expected 3 examples", "found 2"]);
    let rows = folder.write("bad.jsonl", &[json!({"question": "a?"})]);
    eval(&["--shots-file", &rows]).unwrap().code(2).says(&["row 1: key `answer` is missing"]);
}

#[test]
fn benchmarks_are_listed_and_shown() {
    let list = hone_with(&["benchmark", "list"], "", &[]).code(0).stdout;
    assert!(list.contains("humaneval ") && list.contains("cruxeval-o"), "{list}");
    let shown = hone_with(&["benchmark", "show", "humaneval+", "--json"], "", &[]).code(0).json();
    assert_eq!(
        (shown["problems"].as_u64(), shown["broken"][0][0].as_str()),
        (Some(164), Some("HumanEval/32"))
    );
    hone_with(&["benchmark", "show", "humanevil"], "", &[])
        .code(2)
        .says(&["expected a benchmark", "hint: did you mean humaneval?"]);
    hone_with(&["benchmark", "show", "zzz"], "", &[]).code(2).says(&["hint: known are humaneval, "]);
    hone_with(&["eval", "--check", "humaneval"], "", &[("HONE_BENCHMARKS", "/nowhere")])
        .code(2)
        .says(&["expected the file humaneval/HumanEval.jsonl.gz", "hint: `hone benchmark fetch humaneval`"]);
    hone_with(&["benchmark", "fetch", "livecodebench"], "", &[])
        .code(3)
        .says(&["not published as one file", "hint: put the file"]);
}

#[test]
fn a_command_line_that_makes_no_sense_is_refused_before_anything_runs() {
    let folder = Folder::new();
    let samples = folder.write("a.jsonl", &[sample("T/0", "    return 2 * x\n")]);
    for (arguments, expected) in [
        (&["--samples", &samples, "--k", "0"][..], "--k: expected at least 1, found 0"),
        (&["--samples", &samples, "--limit", "0"], "--limit: expected at least 1"),
        (&["--samples", &samples, "--check"], "scores no samples"),
        (&["--samples", &samples, "--endpoint", "http://localhost:1/v1"], "expected one source of samples"),
        (&["--samples", &samples, "--shots", "1"], "--shots, --shots-file: expected a model"),
        (&["--samples", &samples, "--since", "yesterday"], "expected a day such as 2024-08-01"),
        (
            &["--samples", &samples, "--since", "2024-08-01"],
            "hint: days are known of LiveCodeBench's problems",
        ),
        (&["--samples", &samples, "--report", "/nowhere/page.html"], "found none at /nowhere"),
        (&["--endpoint", "localhost:8000/v1"], "--endpoint: expected a URL such as http://localhost:8000/v1"),
        (&["--endpoint", "http://localhost:1/v1", "--extract"], "--extract: expected --samples FILE"),
    ] {
        let Some(call) = folder.eval(arguments) else { return };
        call.code(2).says(&[expected]);
    }
}

#[test]
fn samples_of_problems_beyond_the_limit_are_passed_over() {
    let folder = Folder::new();
    let both = [sample("T/1", "    return x\n"), sample("T/0", "    return 2 * x\n")];
    let samples = folder.write("a.jsonl", &both);
    let Some(call) = folder.eval(&["--samples", &samples, "--limit", "1", "--json"]) else { return };
    let found = call.code(0).json();
    let signature = found["signature"].as_str().unwrap();
    assert!(signature.contains(" tasks=1 samples=1 "), "{signature}");
    let others = folder.write("b.jsonl", &both[..1]);
    let call = folder.eval(&["--samples", &others, "--limit", "1"]).unwrap();
    call.code(2).says(&["expected samples of the chosen problems, found others only"]);
}

#[test]
fn a_choice_is_made_among_the_samples_of_a_file() {
    let folder = Folder::new();
    let prompt = "def double(x):\n    \"\"\" Doubles.\n    >>> double(1)\n    2\n    \"\"\"\n";
    folder.write(
        "rows.jsonl",
        &[json!({"task_id": "T/0", "prompt": prompt, "entry_point": "double", "canonical_solution": "    return 2 * x\n",
                 "test": "def check(candidate):\n    assert candidate(5) == 10\n"})],
    );
    let (right, wrong) = ("    return x + x\n", "    return x\n");
    let samples = folder
        .write("a.jsonl", &[sample("T/0", wrong), sample("T/0", right), sample("T/0", "    return 2 * x\n")]);
    let Some(call) = folder.eval(&["--samples", &samples, "--search", "best-of-n", "--json"]) else { return };
    let found = call.code(0).json();
    let value = |path: &str| found.pointer(path).and_then(Value::as_f64);
    assert_eq!((value("/chosen/value"), value("/oracle/value")), (Some(1.0), Some(1.0)), "{found}");
    assert_eq!((value("/choosers/first/value"), value("/choosers/majority/value")), (Some(0.0), Some(1.0)));
    // Three samples were chosen from, whatever the default for a model is.
    let signature = found["signature"].as_str().unwrap();
    assert!(signature.contains("|samples:3|"), "{signature}");
    let Some(call) = folder.eval(&["--samples", &samples, "--search", "best-of-n"]) else { return };
    let said = call.code(0).stderr;
    assert!(
        said.contains("search=best-of-n|choose:examples|samples:3") && !said.contains("samples:8"),
        "{said}"
    );
    let more = ["--samples", &samples, "--search", "best-of-n", "--set", "samples=2"];
    let Some(call) = folder.eval(&more) else { return };
    call.code(2).says(&["--set samples: expected no number"]);
    assert!(value("/n_at_k/1@3/value") == Some(1.0) && found["choosers"].get("logprob").is_none(), "{found}");
    let Some(call) = folder.eval(&["--samples", &samples, "--search", "repair"]) else { return };
    call.code(2).says(&["a samples file holds no model"]);
    let Some(call) = folder.eval(&["--samples", &samples, "--search", "luck"]) else { return };
    call.code(2).says(&["expected a search, one of best-of-n"]);
}
