//! The catalogue of hostile and honest programs: nothing wrongly passed, nothing harmed, nothing honest broken.
//!
//! Programs are sections of `tests/catalogue/*.py`: `#: name | how [| class [or class]]` (other languages': `//: …`). A
//! hostile program that does what it must not prints HARM; one that is judged must not pass. After every program an
//! honest one runs. Only a program that may run out of time gets little of it: all other classes must come out the
//! same on a machine of any speed.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};

use hone_sandbox::{Limits, OutcomeClass, Sandbox, SandboxConfig, Submission, TestSuite};
use serde_json::json;

const HOSTILE: [(&str, &str); 16] = [
    ("early_exit", include_str!("../catalogue/early_exit.py")),
    ("forged_verdict", include_str!("../catalogue/forged_verdict.py")),
    ("equality", include_str!("../catalogue/equality.py")),
    ("tampering", include_str!("../catalogue/tampering.py")),
    ("peeking", include_str!("../catalogue/peeking.py")),
    ("time", include_str!("../catalogue/time.py")),
    ("resources", include_str!("../catalogue/resources.py")),
    ("harm", include_str!("../catalogue/harm.py")),
    ("network", include_str!("../catalogue/network.py")),
    ("leak", include_str!("../catalogue/leak.py")),
    ("privilege", include_str!("../catalogue/privilege.py")),
    ("crash", include_str!("../catalogue/crash.py")),
    ("modes", include_str!("../catalogue/modes.py")),
    ("second look", include_str!("../catalogue/second_look.py")),
    ("third look", include_str!("../catalogue/third_look.py")),
    ("fourth look", include_str!("../catalogue/fourth_look.py")),
];
const HONEST: [(&str, &str); 3] = [
    ("honest", include_str!("../catalogue/honest.py")),
    ("honest too", include_str!("../catalogue/honest_too.py")),
    ("honest errors", include_str!("../catalogue/honest_errors.py")),
];
/// Suites by the name of how programs are judged, as task files have them.
const SUITES: &str = include_str!("../catalogue/suites.json");

pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) how: String,
    /// The outcome is one of these; any, if there are none.
    pub(crate) classes: Vec<OutcomeClass>,
    pub(crate) source: String,
}

impl Program {
    /// What is wrong with an outcome of that class; `shown` says more of it.
    pub(crate) fn wrong_class(&self, class: OutcomeClass, shown: impl Fn() -> String) -> Option<String> {
        let is_right = self.classes.is_empty() || self.classes.contains(&class);
        (!is_right).then(|| format!("expected {:?}: {}", self.classes, shown()))
    }

    /// `hurried` if time may be what ends it, else limits of time that are far away on any machine.
    pub(crate) fn limits(&self, hurried: Limits) -> Limits {
        if self.classes.is_empty() || self.classes.contains(&OutcomeClass::Timeout) {
            return hurried;
        }
        Limits { cpu_ms: 20_000, wall_ms: 40_000, ..hurried }
    }
}

pub(crate) fn programs((kind, text): (&str, &str)) -> Vec<Program> {
    let mut found: Vec<Program> = Vec::new();
    for line in text.lines() {
        if let Some(header) = line.strip_prefix("#: ").or_else(|| line.strip_prefix("//: ")) {
            let mut parts = header.split('|').map(str::trim);
            let name = format!("{kind}: {}", parts.next().unwrap_or_default());
            let how = parts.next().unwrap_or_default().to_owned();
            let class = |c: &str| serde_json::from_value(c.into()).expect("a class");
            let classes = parts.next().map_or_else(Vec::new, |c| c.split(" or ").map(class).collect());
            found.push(Program { name, how, classes, source: String::new() });
        } else if let Some(program) = found.last_mut() {
            program.source.push_str(line);
            program.source.push('\n');
        }
    }
    found
}

/// What a hostile program might reach: a file, a process, a port, a socket.
pub(crate) struct Canary {
    folder: PathBuf,
    victim: Child,
    port: TcpListener,
    socket: UnixListener,
}

impl Canary {
    pub(crate) fn new() -> Canary {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("hone-canary-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        std::fs::write(folder.join("file"), "untouched").expect("a canary");
        let port = TcpListener::bind("127.0.0.1:0").expect("a port");
        port.set_nonblocking(true).expect("non-blocking");
        let socket = UnixListener::bind(folder.join("file.sock")).expect("a socket");
        socket.set_nonblocking(true).expect("non-blocking");
        let victim = Command::new("sleep").arg("3600").spawn().expect("sleep runs");
        Canary { folder, victim, port, socket }
    }

    pub(crate) fn place(&self, source: &str) -> String {
        let file = self.folder.join("file").display().to_string();
        let port = self.port.local_addr().expect("an address").port().to_string();
        source
            .replace("CANARY", &file)
            .replace("VICTIM", &self.victim.id().to_string())
            .replace("PORT", &port)
            .replace("\\0NULL", "\0")
    }

    pub(crate) fn harm(&mut self) -> Option<String> {
        if std::fs::read_to_string(self.folder.join("file")).ok().as_deref() != Some("untouched") {
            return Some("the canary file was touched".into());
        }
        if self.victim.try_wait().expect("our child").is_some() {
            return Some("a process of the host was killed".into());
        }
        if !matches!(self.port.accept(), Err(e) if e.kind() == ErrorKind::WouldBlock) {
            return Some("a port of the host was reached".into());
        }
        if !matches!(self.socket.accept(), Err(e) if e.kind() == ErrorKind::WouldBlock) {
            return Some("a socket of the host was reached".into());
        }
        None
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        let _ = self.victim.kill();
        let _ = self.victim.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn limits() -> Limits {
    Limits { cpu_ms: 500, wall_ms: 2_000, memory_bytes: 256 << 20, ..Limits::default() }
}

fn tests(how: &str) -> TestSuite {
    if let Some(suite) = other_suite(how) {
        return serde_json::from_value(suite).expect("a suite");
    }
    let asserts: &[&str] = match how {
        "judge-mutation" => &[
            "values = [3, 1]\nassert add(values) == sorted(values)",
            "values = [5, 4, 3]\nresult = add(values)\nassert result == sorted(values) and values == [5, 4, 3]",
        ],
        "judge-builtins" => &["assert set(add([1])) == set([2])", "assert sorted(add([2, 1])) == [3, 4]"],
        "judge-contains" => &["assert 3 in add(1, 2)"],
        "judge-map" => &["assert all(map(add, [1, 2, 3]))"],
        "judge-truth" => &["assert add(1, 2)"],
        "judge" => &["assert add(1, 2) == 3", "assert add(-4, 9) == 5", "assert add([1], [2]) == [1, 2]"],
        _ => panic!("no tests are known as {how}"),
    };
    TestSuite::Asserts { setup: String::new(), asserts: asserts.iter().map(|a| (*a).to_owned()).collect() }
}

const CHECK: &str = "def check(candidate):\n    assert candidate(1, 2) == 3\n    for i in range(len('abc')):\n        \
                     assert candidate(i, 4) == i + 4\n    assert candidate([1], [2]) == [1, 2]\n";
const LOOP: &str = "def assertion(out, exp):\n    assert out == exp\ndef check(candidate):\n    \
                    inputs = [[1, 2], [-4, 9], [[1], [2]], [7, 0]]\n    results = [3, 5, [1, 2], 7]\n    \
                    for i, (inp, exp) in enumerate(zip(inputs, results)):\n        assertion(candidate(*inp), exp)\n";
const SCRIPT: &str = "def expect(found, wanted):\n    assert isinstance(found, type(wanted)) and found == wanted\n\
                      pairs = [(1, 2), (-4, 9)]\nfor a, b in pairs:\n    expect(add(a, b), a + b)\n\
                      expect(add([1], [2]), [1, 2])\n";
const UNITTEST: &str = "import unittest\nclass TestAdd(unittest.TestCase):\n    @classmethod\n    \
                        def setUpClass(cls):\n        cls.three = 3\n    def test_numbers(self):\n        \
                        self.assertEqual(add(1, 2), self.three)\n    def test_none(self):\n        \
                        with self.assertRaises(TypeError):\n            add(None, 1)\n";

/// The suites of the other ways of judging, as task files have them.
fn other_suite(how: &str) -> Option<serde_json::Value> {
    let calls = |entry_point: &str, rule: &str, cases: &[(&str, &str)]| {
        let case =
            |&(arguments, expected): &(&str, &str)| json!({"arguments": arguments, "expected": expected});
        let cases: Vec<_> = cases.iter().map(case).collect();
        json!({"kind": "calls", "entry_point": entry_point, "rule": rule, "cases": cases})
    };
    let plain = [("[1, 2]", "3"), ("[-4, 9]", "5"), ("[[1], [2]]", "[1, 2]")];
    let stdio = |compare: &str| {
        let case = |stdin: &str, stdout: &str| json!({"stdin": stdin, "stdout": stdout});
        let cases = [case("1 2\n", "3\n-1\n"), case("-4 9\n", "5\n-13\n"), case("5 5\n", "10\n0\n")];
        json!({"kind": "stdio", "compare": compare, "cases": cases})
    };
    let check = json!({"kind": "check", "code": CHECK, "entry_point": "add"});
    let long = || {
        let inputs: Vec<[u32; 2]> = (0..1_000).map(|i| [i, 7 * i]).collect();
        let results: Vec<u32> = inputs.iter().map(|[a, b]| a + b).collect();
        let code = format!(
            "import numpy as np\ndef check(candidate):\n    inputs = {inputs:?}\n    results = {results:?}\n    \
             for inp, exp in zip(inputs, results):\n        assert candidate(*inp) == exp\n"
        );
        json!({"kind": "check", "code": code, "entry_point": "add"})
    };
    let looped = json!({"kind": "check", "code": LOOP, "entry_point": "add"});
    let unittest = json!({"kind": "unittest", "code": UNITTEST});
    Some(match how {
        "judge-calls" => calls("add", "equal", &plain),
        "judge-apps" => {
            calls("add", "apps", &[("[1, 2]", "[3]"), ("[[1], [2]]", "[[1, 2]]"), ("[7, 8]", "[7, 8]")])
        }
        "judge-lcb" => calls("add", "livecodebench", &plain),
        "judge-method" => calls("Solution().add", "equal", &plain),
        "judge-check" => check,
        "judge-long" => long(),
        "judge-loop" => looped,
        "judge-script" => json!({"kind": "script", "code": SCRIPT}),
        "judge-unittest" => unittest,
        "judge-joint-unittest" => json!({"kind": "joint", "tests": unittest}),
        "judge-joint-check" => json!({"kind": "joint", "tests": check}),
        "judge-stdio" => stdio("lines"),
        "judge-stdio-apps" => stdio("apps"),
        "judge-stdio-words" => stdio("words"),
        "judge-stdio-exact" => stdio("exact"),
        _ => {
            let suites: serde_json::Value = serde_json::from_str(SUITES).expect("suites");
            return suites.get(how).cloned();
        }
    })
}

/// Runs one program and says what is wrong with what came of it.
fn complaint(
    sandbox: &Sandbox,
    program: &Program,
    source: &str,
    limits: &Limits,
    is_honest: bool,
) -> Option<String> {
    let times = if program.how == "run-twice" { 2 } else { 1 };
    for _ in 0..times {
        let (class, outcome) = if program.how.starts_with("judge") {
            let submission = Submission {
                solution: source.to_owned(),
                tests: tests(&program.how),
                limits: limits.clone(),
            };
            match sandbox.judge(&submission) {
                Ok(judgement) => (judgement.outcome.class, judgement.outcome),
                Err(error) => return Some(format!("the sandbox failed: {error}")),
            }
        } else {
            match sandbox.run(source, b"", limits) {
                Ok(outcome) => (outcome.class, outcome),
                Err(error) => return Some(format!("the sandbox failed: {error}")),
            }
        };
        let shown = || format!("{class:?} {:?} {:?} {}", outcome.error, outcome.stdout, outcome.stderr);
        if outcome.stdout.contains("HARM") {
            return Some(format!("did harm: {}", shown()));
        }
        if let Some(complaint) = program.wrong_class(class, shown) {
            return Some(complaint);
        }
        if program.how.starts_with("judge") && !is_honest && class == OutcomeClass::Passed {
            return Some("wrongly passed".into());
        }
        if program.how == "run" && is_honest && !outcome.stdout.contains("ok") {
            return Some(format!("broken: {}", shown()));
        }
        if outcome.wall_ms > 60_000.0 {
            return Some(format!("took {} ms", outcome.wall_ms));
        }
    }
    None
}

/// A program that is judged by asserts is judged by one loop too, whose calls go out together.
fn also_in_a_loop(program: Program) -> Vec<Program> {
    let in_a_loop = (program.how == "judge").then(|| Program {
        name: format!("{}, in a loop", program.name),
        how: "judge-loop".into(),
        classes: Vec::new(),
        source: program.source.clone(),
    });
    std::iter::once(program).chain(in_a_loop).collect()
}

fn is_sound(sandbox: &Sandbox) -> bool {
    let solution =
        "import os\nassert os.listdir('/tmp') == []\ndef add(a, b):\n    return a + b\n".to_owned();
    let submission = Submission { solution, tests: tests("judge"), limits: Limits::default() };
    sandbox.judge(&submission).is_ok_and(|j| j.outcome.class == OutcomeClass::Passed)
}

#[test]
fn no_hostile_program_passes_or_harms_and_no_honest_one_breaks() {
    let sandbox =
        Sandbox::start(SandboxConfig { workers: 1, ..SandboxConfig::default() }).expect("strict isolation");
    let mut canary = Canary::new();
    let mut complaints = Vec::new();
    let (mut hostile, mut honest) = (0, 0);
    for program in HOSTILE.into_iter().flat_map(programs).flat_map(also_in_a_loop) {
        hostile += 1;
        let source = canary.place(&program.source);
        let found = complaint(&sandbox, &program, &source, &program.limits(limits()), false)
            .or_else(|| canary.harm())
            .or_else(|| (!is_sound(&sandbox)).then(|| "the run after it is not sound".into()));
        complaints.extend(found.map(|c| format!("{}: {c}", program.name)));
    }
    for program in HONEST.into_iter().flat_map(programs) {
        honest += 1;
        let found = complaint(&sandbox, &program, &program.source, &Limits::default(), true);
        complaints.extend(found.map(|c| format!("{}: {c}", program.name)));
    }
    assert!(hostile >= 80 && honest >= 15, "{hostile} hostile and {honest} honest programs");
    eprintln!("{hostile} hostile and {honest} honest programs, {} complaints", complaints.len());
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

/// The same as another user, where this test runs as root.
#[test]
fn the_catalogue_holds_for_an_ordinary_user() {
    as_ordinary_user("catalogue::no_hostile_program_passes_or_harms_and_no_honest_one_breaks");
}

/// Runs the test `name` once more as a user without rights; says so if there is nothing to do, or no way to do it.
pub(crate) fn as_ordinary_user(name: &str) {
    if !is_root() {
        eprintln!("skipped: this is an ordinary user already");
        return;
    }
    let copy = std::env::temp_dir().join(format!("hone-sandbox-test-{}-{}", std::process::id(), name.len()));
    std::fs::copy(std::env::current_exe().expect("a path"), &copy).expect("a copy");
    let output = Command::new("setpriv")
        .args(["--reuid=65533", "--regid=65533", "--clear-groups", "--inh-caps=-all"])
        .arg(&copy)
        .args(["--exact", name, "--nocapture"])
        .env_remove("TMPDIR")
        .current_dir("/")
        .output();
    let _ = std::fs::remove_file(&copy);
    match output {
        Ok(output) => {
            let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let (stdout, stderr) = (said(&output.stdout), said(&output.stderr));
            eprint!("{stderr}");
            assert!(output.status.success() && stdout.contains("1 passed"), "{stdout}\n{stderr}");
        }
        Err(error) => eprintln!("skipped: setpriv: {error}"),
    }
}

pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0)
}
