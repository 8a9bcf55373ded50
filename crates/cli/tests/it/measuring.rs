//! What is measured of samples and queries by running or scanning them: `--efficiency`, `--security`, execution accuracy.

use std::fs;

use serde_json::json;

use crate::evaluation::{Folder, sample};
use crate::hone_with;

#[test]
fn right_samples_are_compared_with_the_reference_in_cost() {
    let folder = Folder::new();
    let body = "    total = 0\n    for i in range(n):\n        total += i * i\n    return total\n";
    folder.write(
        "rows.jsonl",
        &[json!({"task_id": "T/0", "prompt": "def f(n):\n", "entry_point": "f", "canonical_solution": body,
                 "test": "def check(candidate):\n    assert candidate(200000) == 2666646666700000\n"})],
    );
    let formula = "    return (n - 1) * n * (2 * n - 1) // 6\n";
    let samples = folder.write("a.jsonl", &[sample("T/0", formula), sample("T/0", "    return 1\n")]);
    let (output, page) = (folder.path("out.jsonl"), folder.path("page.html"));
    let (output, page) = (output.to_str().unwrap(), page.to_str().unwrap());
    let arguments = ["--samples", &samples, "--efficiency", "--fast-p", "1,1e9", "--output", output];
    let Some(call) = folder.eval(&[&arguments[..], &["--report", page, "--json"]].concat()) else { return };
    let found = call.code(0).json();
    let fast = |at: usize| found["efficiency"]["fast"][at]["share"]["value"].as_f64();
    assert_eq!((fast(0), fast(1)), (Some(0.5), Some(0.0)), "{found}");
    let method = found["efficiency"]["methods"].as_object().unwrap().keys().next().unwrap().clone();
    assert!(found["signature"].as_str().unwrap().contains(&format!("cost={method} ")), "{found}");
    assert!(fs::read_to_string(page).unwrap().contains(&format!("cost by {method}")));
    // The costs are in the file, and the same command takes them from there.
    let written = fs::read_to_string(output).unwrap();
    assert!(written.contains(&format!("\"efficiency\":{{\"method\":\"{method}\"")), "{written}");
    let Some(call) = folder.eval(&arguments) else { return };
    let table = call.code(0).stdout;
    assert!(table.contains("fast_1 ") && table.contains("fast_1000000000 "), "{table}");
    assert_eq!(fs::read_to_string(output).unwrap(), written);
    let Some(call) = folder.eval(&["--samples", &samples, "--efficiency", "--fast-p=-1"]) else { return };
    call.code(2).says(&["expected a number of at least 0"]);
    levels_of_what_was_measured(&folder, body, output);
}

/// The file is a ladder of two levels now: the reference's, and the formula's. A loop as dear as the reference reaches the first.
fn levels_of_what_was_measured(folder: &Folder, body: &str, measured: &str) {
    let same = folder.write("b.jsonl", &[sample("T/0", body)]);
    let arguments = ["--samples", &same, "--efficiency", "--levels"];
    let Some(call) = folder.eval(&[&arguments[..], &[measured, "--json"]].concat()) else { return };
    let found = call.code(0).json();
    let levels = &found["efficiency"]["levels"];
    assert_eq!((&levels["tasks"], &levels["levels"]), (&json!(1), &json!(2.0)), "{found}");
    let scores = ["dps", "dps_norm"].map(|key| levels[key]["value"].as_f64());
    assert_eq!(scores, [Some(50.0), Some(50.0)], "{found}");
    let Some(call) = folder.eval(&[&arguments[..], &[measured]].concat()) else { return };
    assert!(call.code(0).stdout.contains("DPS_norm"));
    // Samples whose costs were never measured make no levels, which is said before anything is run.
    let Some(call) = folder.eval(&[&arguments[..], &[same.as_str()]].concat()) else { return };
    call.code(2).says(&["expected a sample of `hone eval --output`", "hint: "]);
}

/// A folder with a `bandit` of our own that finds something in every program with `eval`, and cannot parse `!`.
fn played_bandit(folder: &Folder) -> String {
    use std::os::unix::fs::PermissionsExt;
    let python = folder.path("scanning-python");
    let script = "#!/bin/sh\necho '{\"ready\": true, \"version\": \"9.9\"}'\nwhile read -r line; do\n  case \"$line\" in\n    *!*) echo '{\"is_skipped\": true}';;\n    *eval*) echo '{\"findings\": [{\"test\": \"B307\", \"severity\": \"MEDIUM\"}]}';;\n    *) echo '{}';;\n  esac\ndone\n";
    for (path, text) in
        [(&python, script.to_owned()), (&folder.path("bandit"), format!("#!{}\n", python.display()))]
    {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    format!("{}:{}", folder.0.path().display(), std::env::var("PATH").unwrap_or_default())
}

#[test]
fn programs_are_scanned_for_what_should_not_be_there() {
    let folder = Folder::new();
    let samples = folder.write(
        "a.jsonl",
        &[
            sample("T/0", "    return x + x\n"),
            sample("T/0", "    return eval('2 * x')\n"),
            sample("T/1", "    return 3 *! x\n"),
        ],
    );
    let (file, output) = (folder.path("rows.jsonl"), folder.path("out.jsonl"));
    let eval = |more: &[&str], path: &str| {
        let fixed =
            ["eval", "humaneval", "--file", file.to_str().unwrap(), "--samples", &samples, "--security"];
        hone_with(&[&fixed[..], more].concat(), "", &[("PATH", path)])
    };
    let path = played_bandit(&folder);
    let call = eval(&["--json", "--output", output.to_str().unwrap()], &path);
    if call.code == Some(3) {
        eprintln!("skipped: the sandbox is not available here: {}", call.stderr);
        return;
    }
    let found = call.code(0).json();
    let security = &found["security"];
    // Two programs of two lines each can be parsed; one of them has a finding.
    let rate = security["by_severity"]["MEDIUM"]["value"].as_f64();
    assert_eq!((rate, security["clean"]["value"].as_f64()), (Some(250.0), Some(0.5)), "{found}");
    assert_eq!((&security["unparsable"], &security["lines"]), (&json!(1), &json!(4)), "{found}");
    assert!(found["signature"].as_str().unwrap().contains("security=bandit-9.9 "), "{found}");
    assert!(fs::read_to_string(&output).unwrap().contains("\"security\":{\"lines\":2"));
    let table = eval(&[], &path).code(0).stdout;
    assert!(table.contains("  medium") && table.contains("found: B307 1×"), "{table}");
    // Without the tool nothing is sampled or judged.
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let without = std::env::split_paths(&paths).filter(|folder| !folder.join("bandit").exists());
    let without = std::env::join_paths(without).unwrap().into_string().unwrap();
    let call =
        eval(&[], &without).code(3).says(&["--security", "needs bandit", "hint: `pipx install bandit`"]);
    assert_eq!(call.stdout, "");
}

#[test]
fn queries_are_right_if_they_give_the_same_rows() {
    let folder = Folder::new();
    fs::write(folder.path("shop.sql"), "CREATE TABLE t(a INTEGER); INSERT INTO t VALUES (1), (2);").unwrap();
    let queries = folder.write(
        "q.jsonl",
        &[
            json!({"prediction": "SELECT a FROM t ORDER BY a DESC", "reference": "SELECT a FROM t", "database": "shop.sql"}),
            json!({"prediction": "SELECT max(a) FROM t", "reference": "SELECT min(a) FROM t", "database": "shop.sql"}),
            json!({"prediction": "SELECT 1", "reference": "SELECT b FROM t", "database": "shop.sql"}),
        ],
    );
    let call = hone_with(&["metrics", &queries, "--metric", "execution", "--json"], "", &[]);
    if call.code == Some(3) {
        eprintln!("skipped: the sandbox is not available here: {}", call.stderr);
        return;
    }
    let call = call.code(0);
    let found = &call.json()[0];
    assert_eq!((found["mean"]["value"].as_f64(), found["lines"].as_u64()), (Some(0.5), Some(2)), "{found}");
    assert!(found["signature"].as_str().unwrap().contains("engine:sqlite3"));
    assert!(call.stderr.contains("line 3: ") && call.stderr.contains("no such column: b"), "{}", call.stderr);
    let bare = folder.write("b.jsonl", &[json!({"prediction": "SELECT 1", "reference": "SELECT 1"})]);
    hone_with(&["metrics", &bare, "--metric", "execution"], "", &[])
        .code(2)
        .says(&["b.jsonl:1: expected a `database`", "hint: --database FILE"]);
    let rows = folder.path("rows.jsonl");
    hone_with(&["metrics", &bare, "--metric", "execution", "--database", rows.to_str().unwrap()], "", &[])
        .code(2)
        .says(&["expected an SQLite file or a .sql script"]);
}
