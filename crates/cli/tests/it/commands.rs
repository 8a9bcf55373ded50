//! Single commands that need no model.

use std::fs;

use crate::{hone, hone_with};

#[test]
fn doctor_says_the_same_to_people_and_machines() {
    let call = hone(&["doctor", "--json"]);
    let diagnosis = call.json();
    let can_run = diagnosis["can_run"].as_bool().unwrap();
    assert_eq!(call.code, Some(if can_run { 0 } else { 1 }));
    let findings = diagnosis["findings"].as_array().unwrap();
    let names: Vec<&str> = findings.iter().map(|finding| finding["name"].as_str().unwrap()).collect();
    for name in ["processor", "memory", "language: python", "language: java", "sandbox"] {
        assert!(names.contains(&name), "{name} not in {names:?}");
    }
    for finding in findings {
        let is_good = finding["state"] == "good";
        assert!(
            is_good || finding["hint"].as_str().is_some_and(|hint| !hint.is_empty()),
            "no hint: {finding}"
        );
    }
    let text = hone(&["doctor"]).stdout;
    assert!(names.iter().all(|name| text.contains(name)), "{text}");
}

#[test]
fn a_model_of_another_architecture_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let config = r#"{"architectures": ["MambaForCausalLM"], "model_type": "mamba", "hidden_size": 64}"#;
    fs::write(folder.path().join("config.json"), config).unwrap();
    hone(&["model", "show", folder.path().to_str().unwrap()]).code(2).says(&["error:", "amba"]);
}

#[test]
fn a_model_that_is_not_there_is_refused() {
    hone(&["model", "show", "./no-such-model.gguf"])
        .code(2)
        .says(&["no-such-model.gguf does not exist", "hint:"]);
    let file = tempfile::Builder::new().suffix(".gguf").tempfile().unwrap();
    fs::write(file.path(), b"GGUF but not really").unwrap();
    hone(&["generate", file.path().to_str().unwrap(), "hello"]).code(2).says(&["error:", ".gguf"]);
}

#[test]
fn a_folder_that_is_no_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    for command in ["resume", "report"] {
        hone(&[command, path]).code(2).says(&["error:", path]);
    }
}

#[test]
fn a_program_runs_and_its_outcome_is_printed() {
    let call = hone_with(&["run", "-", "--json"], "print(6 * 7)\n", &[]);
    if call.code == Some(3) {
        eprintln!("skipped: the sandbox is not available here: {}", call.stderr);
        return;
    }
    let outcome = call.code(0).json();
    assert_eq!((outcome["class"].as_str(), outcome["stdout"].as_str()), (Some("passed"), Some("42\n")));
    let call = hone_with(&["run", "-"], "x = 1\nprint(x / 0)\n", &[]).code(1);
    let call = call.says(&["runtime-error", "line 2", "ZeroDivisionError", "isolation:"]);
    assert_eq!(call.stdout, "");
    let call =
        hone_with(&["run", "-", "--limit", "wall_ms=300", "--json"], "while True: pass\n", &[]).code(1);
    let outcome = call.json();
    assert_eq!((&outcome["class"], &outcome["limit_hit"]["limit"]), (&"timeout".into(), &"wall_ms".into()));
    let open = "files = [open('/dev/null') for _ in range(99)]\n";
    let parts =
        ["runtime-error", "reached its limit of 64 open files", "hint: raise it with --limit open_files=128"];
    hone_with(&["run", "-"], open, &[]).code(1).says(&parts);
    hone_with(&["run", "-", "--limit", "open_files=128"], open, &[]).code(0);
}

#[test]
fn tests_without_a_language_are_in_the_programs() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let program = file("echo.sh", "read x; echo $x");
    let tests = r#"{"kind": "stdio", "cases": [{"stdin": "7", "stdout": "7"}]}"#;
    let call = hone(&["run", &program, "--tests", &file("tests.json", tests)]);
    if call.code == Some(3) {
        eprintln!("skipped: the sandbox is not available here: {}", call.stderr);
        return;
    }
    call.code(0);
    let line = format!(r#"{{"language": "bash", "solution": "read x; echo $x", "tests": {tests}}}"#);
    hone_with(&["run", "-", "--jobs", "1"], &format!("\u{feff}{line}\n"), &[]).code(0);
    // A device holds no results to go on from, and is not read to its end, which it has not.
    hone_with(&["run", "-", "--jobs", "1", "--output", "/dev/full"], &line, &[])
        .code(1)
        .says(&["failed to write /dev/full"]);
    let others = file("others.json", &tests.replace("\"stdio\"", "\"stdio\", \"language\": \"c\""));
    hone(&["run", &program, "--tests", &others]).code(2).says(&["expected c as in the tests, found bash"]);
}

#[test]
fn a_wrong_limit_is_named() {
    let parts = ["limits.cpu_sm", "at --limit cpu_sm=5", "did you mean `cpu_ms`?"];
    hone_with(&["run", "-", "--limit", "cpu_sm=5"], "pass", &[]).code(2).says(&parts);
    hone(&["run", "no-such-file.py"]).code(2).says(&["no-such-file.py"]);
    hone(&["run", "-", "--isolation", "full"]).code(2).says(&["expected strict, standard or none"]);
}

#[test]
fn tasks_are_checked_by_running_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tasks.jsonl");
    let task = |id: &str, name: &str, reference: &str, test: &str| {
        serde_json::json!({
            "id": id, "instruction": format!("Do {name} as it should be done."), "signature": format!("def {name}(x):"),
            "entry_point": name, "reference": format!("def {name}(x):\n    return {reference}\n"),
            "tests": {"kind": "asserts", "asserts": [test]},
        })
        .to_string()
    };
    let good = task("a/good", "double", "x * 2", "assert double(2) == 4");
    let wrong = task("a/wrong", "triple", "x * 2", "assert triple(2) == 6");
    fs::write(&path, format!("{good}\n{wrong}\n")).unwrap();
    let call = hone(&["data", "check", path.to_str().unwrap(), "--json"]);
    if call.code == Some(3) {
        eprintln!("skipped: the sandbox is not available here: {}", call.stderr);
        return;
    }
    let result = call.code(1).json();
    assert_eq!(result["files"][0]["tasks"], 2);
    let problems = result["files"][0]["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 1, "{result}");
    assert_eq!(problems[0]["task"], "a/wrong");
    fs::write(&path, format!("{good}\n")).unwrap();
    hone(&["data", "check", path.to_str().unwrap()]).code(0);
}

#[test]
fn an_audit_lists_what_fools_the_tests() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tasks.jsonl");
    let task = |id: &str, asserts: &[&str]| {
        serde_json::json!({
            "id": id, "instruction": "Return twice x.", "signature": "def double(x):", "entry_point": "double",
            "tests": {"kind": "asserts", "asserts": asserts}, "reference": "def double(x):\n    return x * 2\n",
        })
        .to_string()
    };
    let good = task("good", &["assert double(2) == 4", "assert double(5) == 10"]);
    fs::write(&path, format!("{good}\n{}\n", task("weak", &["assert double(0) == 0"]))).unwrap();
    let call = hone(&["audit", path.to_str().unwrap(), "--json"]);
    if call.code == Some(3) {
        eprintln!("skipped: the sandbox is not available here: {}", call.stderr);
        return;
    }
    let file = call.code(1).json()["files"][0].clone();
    assert_eq!((file["tasks"].as_u64(), file["tasks_with_findings"].as_u64()), (Some(2), Some(1)));
    let findings = file["findings"].as_array().unwrap();
    assert!(findings.iter().all(|finding| finding["task"] == "weak"), "{findings:?}");
    assert!(findings.iter().any(|finding| finding["kind"] == "mutant"), "{findings:?}");
    let text = hone(&["audit", path.to_str().unwrap()]).code(1).stdout;
    assert!(
        text.contains("weak  constant: a function that returns 0") && text.contains("the reference says"),
        "{text}"
    );
    hone(&["audit", path.to_str().unwrap(), "--limit", "1"]).code(0);
}

#[test]
fn a_program_is_judged_by_tests_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let tests = folder.path().join("tests.json");
    fs::write(&tests, r#"{"kind": "asserts", "asserts": ["assert f(1) == 2", "assert f(2) == 5"]}"#).unwrap();
    let judge = ["run", "-", "--tests", tests.to_str().unwrap()];
    let call = hone_with(&judge, "def f(x):\n    return x + 1\n", &[]);
    if call.code == Some(3) {
        eprintln!("skipped: the sandbox is not available here: {}", call.stderr);
        return;
    }
    let text = call.code(1).stdout;
    assert!(text.contains("test 1: passed") && text.contains("1 of 2 tests passed"), "{text}");
    let script = folder.path().join("tests.py");
    fs::write(&script, "assert f(1) == 2\n").unwrap();
    let judge = ["run", "-", "--tests", script.to_str().unwrap(), "--json"];
    let judgement = hone_with(&judge, "def f(x):\n    return x + 1\n", &[]).code(0).json();
    assert_eq!(
        (judgement["mode"].as_str(), judgement["outcome"]["class"].as_str()),
        (Some("split"), Some("passed"))
    );
}

#[test]
fn many_pairs_run_in_order_and_go_on_where_they_ended() {
    let folder = tempfile::tempdir().unwrap();
    let (pairs, results) = (folder.path().join("pairs.jsonl"), folder.path().join("results.jsonl"));
    let tests = serde_json::json!({"kind": "asserts", "asserts": ["assert f(2) == 4"]});
    let mut lines: Vec<String> = (0..6)
        .map(|number| {
            let solution = format!("def f(x):\n    return x * {number}\n");
            serde_json::json!({"id": format!("p{number}"), "solution": solution, "tests": tests}).to_string()
        })
        .collect();
    lines.push(serde_json::json!({"id": 12, "solution": "print(input())", "stdin": "hello"}).to_string());
    fs::write(&pairs, lines.join("\n")).unwrap();
    let (pairs, file) = (pairs.to_str().unwrap(), results.to_str().unwrap());
    let call = hone(&["run", pairs, "--jobs", "2"]);
    if call.code == Some(3) {
        eprintln!("skipped: the sandbox is not available here: {}", call.stderr);
        return;
    }
    let stdout = call.code(0).stdout;
    let rows: Vec<serde_json::Value> =
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids: Vec<&str> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["p0", "p1", "p2", "p3", "p4", "p5", "12"]);
    assert_eq!(
        (rows[2]["class"].as_str(), rows[3]["class"].as_str()),
        (Some("passed"), Some("wrong-answer"))
    );
    assert_eq!(rows[6]["outcome"]["stdout"], "hello\n");
    // As an ended run leaves it: three whole lines, and a part of the fourth. What is there is kept as it is.
    let kept: Vec<&str> = stdout.lines().take(3).collect();
    fs::write(&results, format!("{}\n{{\"id\": \"p3\", \"li", kept.join("\n"))).unwrap();
    hone(&["run", pairs, "--jobs", "1", "--output", file]).code(0).says(&["7/7", "passed"]);
    let text = fs::read_to_string(&results).unwrap();
    assert_eq!(text.lines().count(), 7);
    assert!(text.starts_with(&kept.join("\n")), "{text}");
    hone(&["run", pairs, "--jobs", "1", "--output", file, "--limit", "cpu_ms=900"])
        .code(2)
        .says(&["expected results of the same lines", "hint:"]);
    hone_with(&["run", "-", "--jobs", "1"], "{\"solution\": 1}\n", &[]).code(2).says(&["-:1:"]);
    let call = hone(&["run", pairs, "--jobs", "1", "--limit", "weight=1"]).code(2);
    assert!(!call.says(&["limits.weight", "cpu_ms", "--limit weight=1"]).stderr.contains("RECIPE"));
}

#[test]
fn a_service_needs_a_token_and_runs_programs_for_who_has_it() {
    hone(&["sandbox", "serve"]).code(2).says(&["HONE_SANDBOX_TOKEN", "hint:"]);
    hone(&["sandbox", "serve", "--no-token", "--listen", "0.0.0.0:0"]).code(2).says(&["loopback"]);
    let cache = tempfile::tempdir().unwrap();
    let token = ("HONE_SANDBOX_TOKEN", "a-token-for-this-test");
    let serve = ["sandbox", "serve", "--listen", "127.0.0.1:0", "--workers", "1", "--json"];
    let mut service = crate::start(&serve, cache.path(), &[token]).spawn().unwrap();
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(service.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    if line.is_empty() {
        eprintln!("skipped: the sandbox is not available here");
        service.wait().unwrap();
        return;
    }
    let url = serde_json::from_str::<serde_json::Value>(&line).unwrap()["url"].as_str().unwrap().to_owned();
    let run = ["run", "-", "--sandbox", &url, "--json"];
    let outcome = hone_with(&run, "print(6 * 7)\n", &[token]).code(0).json();
    assert_eq!(outcome["stdout"], "42\n");
    hone_with(&run, "print(1)\n", &[]).code(3).says(&["token", "hint:"]);
    std::process::Command::new("kill").arg(service.id().to_string()).status().unwrap();
    assert!(service.wait().unwrap().success(), "SIGTERM ends it in order");
    hone_with(&run, "print(1)\n", &[token]).code(3).says(&["no sandbox service can be reached", "hint:"]);
}
