//! Programs in every language: what they do, what their errors say, how they are judged, and the hostile ones.
//!
//! A toolchain that is not there fails the test that needs it, with the package's name.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use hone_sandbox::{
    Compare, Compiled, JudgeMode, Judgement, Language, Limits, Outcome, OutcomeClass, Sandbox, SandboxConfig,
    SandboxError, StdioCase,
};

use crate::catalogue::{Canary, Program, as_ordinary_user, is_root, programs};
use crate::sandbox;

/// Every language but Python, with its part of the catalogue.
const CATALOGUE: [(Language, &str); 7] = [
    (Language::Java, include_str!("../catalogue/languages/java.java")),
    (Language::C, include_str!("../catalogue/languages/c.c")),
    (Language::Go, include_str!("../catalogue/languages/go.go")),
    (Language::Cpp, include_str!("../catalogue/languages/cpp.cpp")),
    (Language::JavaScript, include_str!("../catalogue/languages/javascript.js")),
    (Language::Rust, include_str!("../catalogue/languages/rust.txt")),
    (Language::Bash, include_str!("../catalogue/languages/bash.sh")),
];

fn run(language: Language, source: &str, stdin: &str) -> Outcome {
    sandbox()
        .run_in(language, source, stdin.as_bytes(), &Limits::default())
        .expect("the sandbox itself works")
}

/// Test programs of the shape that public benchmarks have, for a function `add`.
fn tests(language: Language) -> &'static str {
    match language {
        Language::C | Language::Cpp => {
            "#include <assert.h>\nint main() {\n  assert(add(1, 2) == 3);\n  if (add(-4, 9) != 5) return 1;\n}\n"
        }
        Language::Rust => {
            "fn main() {\n  assert_eq!(add(1, 2), 3);\n  assert_eq!(vec![add(2, 2)], vec![4]);\n  if add(-4, 9) != 5 { panic!(\"wrong\"); }\n}\n"
        }
        Language::JavaScript => {
            "const assert = require('node:assert');\nassert.deepEqual(add(1, 2), 3);\nconsole.assert(add(-4, 9) === 5);\n\
             console.assert(JSON.stringify(add(2, 2)) === JSON.stringify(4));\n"
        }
        Language::Go => {
            "package main\nimport (\n\"testing\"\n\"github.com/stretchr/testify/assert\"\n)\n\
             func TestAdd(t *testing.T) {\n\tassert := assert.New(t)\n\tassert.Equal(3, add(1, 2))\n\tassert.Equal(5, add(-4, 9))\n}\n"
        }
        Language::Java => {
            "public class Main {\n  public static void main(String[] args) {\n    Solution s = new Solution();\n    assert s.add(1, 2) == 3;\n\
             \x20   List<Boolean> correct = Arrays.asList(s.add(1, 2) == 3, s.add(-4, 9) == 5);\n\
             \x20   if (correct.contains(false)) throw new AssertionError();\n  }\n}\n"
        }
        Language::Bash => {
            "set -e\n[[ $(add 1 2) = 3 ]]\ntest \"$(add -4 9)\" = 5\n[ \"$(add 0 0)\" = 0 ]\n[[ $(add 2 2) = 4 ]]\n"
        }
        Language::Python => unreachable!("judged elsewhere"),
    }
}

#[test]
fn a_program_reads_and_prints_in_every_language() {
    for (language, source) in [
        (Language::Python, "print(sum(map(int, input().split())))"),
        (
            Language::C,
            "#include <stdio.h>\nint main(void) { int a, b; scanf(\"%d %d\", &a, &b); printf(\"%d\\n\", a + b); }",
        ),
        (Language::Bash, "read a b; echo $((a + b))"),
        (
            Language::JavaScript,
            "const [a, b] = require('fs').readFileSync(0, 'utf8').split(' ').map(Number); console.log(a + b)",
        ),
    ] {
        let outcome = run(language, source, "2 3\n");
        assert_eq!(
            (outcome.class, outcome.stdout.as_str()),
            (OutcomeClass::Passed, "5\n"),
            "{language:?} {outcome:?}"
        );
        assert!(outcome.isolation.iter().any(|l| l == "seccomp"), "{outcome:?}");
    }
}

#[test]
fn errors_have_their_kind_and_place() {
    for (language, source, class, kind, line) in [
        (
            Language::C,
            "int main(void) {\n  return x;\n}\n",
            OutcomeClass::CompileError,
            "CompileError",
            Some(2),
        ),
        (
            Language::C,
            "#include <assert.h>\nint main(void) {\n  assert(1 == 2);\n}\n",
            OutcomeClass::RuntimeError,
            "AssertionError",
            Some(3),
        ),
        (
            Language::C,
            "int main(void) { *(volatile int *)0 = 1; }",
            OutcomeClass::RuntimeError,
            "SIGSEGV",
            None,
        ),
        (
            Language::Cpp,
            "#include <stdexcept>\nint main() { throw std::runtime_error(\"boom\"); }\n",
            OutcomeClass::RuntimeError,
            "std::runtime_error",
            None,
        ),
        (
            Language::Rust,
            "fn main() {\n    let v: Vec<i32> = vec![];\n    let w = v;\n    println!(\"{:?}\", v);\n}\n",
            OutcomeClass::CompileError,
            "E0382",
            Some(4),
        ),
        (
            Language::Rust,
            "fn main() {\n    let v: Vec<i32> = Vec::new();\n    println!(\"{}\", v[3]);\n}\n",
            OutcomeClass::RuntimeError,
            "panic",
            Some(3),
        ),
        (Language::JavaScript, "let x = ;\n", OutcomeClass::CompileError, "SyntaxError", Some(1)),
        (Language::JavaScript, "\nnull.x\n", OutcomeClass::RuntimeError, "TypeError", Some(2)),
        (
            Language::Go,
            "package main\nfunc main() {\n\tx := 1\n}\n",
            OutcomeClass::CompileError,
            "CompileError",
            Some(3),
        ),
        (
            Language::Go,
            "package main\nfunc main() {\n\tvar a []int\n\tprintln(a[3])\n}\n",
            OutcomeClass::RuntimeError,
            "runtime error",
            Some(4),
        ),
        (
            Language::Java,
            "class A {\n  public static void main(String[] a) {\n    int x = 1\n  }\n}\n",
            OutcomeClass::CompileError,
            "CompileError",
            Some(3),
        ),
        (
            Language::Java,
            "class A {\n  public static void main(String[] a) {\n    System.out.println(1 / a.length);\n  }\n}\n",
            OutcomeClass::RuntimeError,
            "java.lang.ArithmeticException",
            Some(3),
        ),
        (
            Language::JavaScript,
            "class Own extends Error {}\nfunction f() {\n  throw new Own('x')\n}\nf()\n",
            OutcomeClass::RuntimeError,
            "Own",
            Some(3),
        ),
        (Language::JavaScript, "throw 'a text'\n", OutcomeClass::RuntimeError, "Uncaught", Some(1)),
        (
            Language::Rust,
            "fn main() -> Result<(), String> {\n    Err(\"no\".into())\n}\n",
            OutcomeClass::RuntimeError,
            "Error",
            None,
        ),
        (Language::Java, "class A {\n  void f() { }\n}\n", OutcomeClass::RuntimeError, "Error", None),
        (Language::Bash, "echo a\nif true; then\n", OutcomeClass::CompileError, "SyntaxError", Some(2)),
        (Language::Bash, "echo a\nno_such_command\n", OutcomeClass::RuntimeError, "CommandNotFound", Some(2)),
    ] {
        let outcome = run(language, source, "");
        assert_eq!(outcome.class, class, "{language:?} {outcome:?}");
        let error = outcome.error.clone().expect("an error");
        assert_eq!((error.kind.as_str(), error.line), (kind, line), "{language:?} {outcome:?}");
    }
}

/// node shows the place twice, the second time with its column.
#[test]
fn an_uncaught_exception_has_its_column() {
    let outcome = run(Language::JavaScript, "function f() {\n  return nothing\n}\nf()\n", "");
    let error = outcome.error.expect("an error");
    assert_eq!((error.line, error.column), (Some(2), Some(3)), "{}", outcome.stderr);
}

/// The class says so, and `limit_hit`; that the sandbox killed it is no error of the program's.
#[test]
fn a_limit_is_no_error_of_the_programs() {
    let limits = Limits { cpu_ms: 300, ..Limits::default() };
    let cases = [StdioCase { stdin: String::new(), stdout: String::new() }];
    let source = "int main(void) { for (;;); }";
    let judgement = sandbox()
        .judge_stdio_in(Language::C, source, &cases, Compare::Lines, &limits)
        .expect("the sandbox itself works");
    let Judgement { outcome, tests, .. } = judgement;
    assert_eq!((outcome.class, &outcome.error), (OutcomeClass::Timeout, &None), "{outcome:?}");
    assert_eq!(tests[0].message.as_deref(), Some("timeout: reached cpu_ms=300"));
}

#[test]
fn memory_that_a_program_was_refused_is_the_limit_it_reached() {
    let source = "#include <stdlib.h>\n#include <string.h>\nint main(void) { for (char *p; (p = malloc(1 << 20)); ) memset(p, 1, 1 << 20); return 1; }";
    let limits = Limits { memory_bytes: 128 << 20, ..Limits::default() };
    let outcome = sandbox().run_in(Language::C, source, b"", &limits).expect("the sandbox itself works");
    let hit = outcome.limit_hit.map(|hit| hit.limit);
    assert_eq!(hit, Some(hone_sandbox::LimitName::MemoryBytes), "{outcome:?}");
}

#[test]
fn stdin_and_stdout_are_judged_outside_in_every_language() {
    let case = |stdin: &str, stdout: &str| StdioCase { stdin: stdin.into(), stdout: stdout.into() };
    let cases = [case("1 2", "3"), case("-4 9", "5")];
    let source = "#include <stdio.h>\nint main(void) { int a, b; scanf(\"%d %d\", &a, &b); printf(\"%d\\n\", a OP b); }";
    let judge = |source: &str| {
        sandbox()
            .judge_stdio_in(Language::C, source, &cases, Compare::Lines, &Limits::default())
            .expect("the sandbox itself works")
    };
    let right = judge(&source.replace("OP", "+"));
    assert_eq!((right.outcome.class, right.mode), (OutcomeClass::Passed, JudgeMode::Split), "{right:?}");
    let wrong = judge(&source.replace("OP", "-"));
    assert_eq!(wrong.outcome.class, OutcomeClass::WrongAnswer, "{wrong:?}");
    let broken = judge(source);
    assert_eq!(broken.outcome.class, OutcomeClass::CompileError, "{broken:?}");
    assert_eq!(broken.tests.len(), 2);
}

#[test]
fn a_wrong_solution_is_a_wrong_answer_and_an_empty_test_program_an_error() {
    for (language, source) in [
        (Language::C, "int add(int a, int b) { return a - b; }"),
        (Language::JavaScript, "const add = (a, b) => a - b"),
        (Language::Rust, "fn add(a: i32, b: i32) -> i32 { a - b }"),
    ] {
        let judgement = judge(sandbox(), language, source, &Limits::default()).expect("runs");
        assert_eq!(judgement.outcome.class, OutcomeClass::WrongAnswer, "{judgement:?}");
        assert_eq!(judgement.mode, JudgeMode::Joint);
    }
    let empty = sandbox().judge_program(Language::C, "int f;", " \n", &Limits::default());
    assert!(matches!(empty, Err(SandboxError::BadSubmission(_))), "{empty:?}");
}

/// MultiPL-E's tests close the brace that the solution left open.
#[test]
fn tests_may_close_the_solutions_brace() {
    let tests = "}\nint main() {\n    auto candidate = add;\n    assert(candidate(1, 2) == (3));\n}\n";
    let solution = "#include<assert.h>\nint add(int a, int b) {\n    return a + b;\n";
    let judged = sandbox().judge_program(Language::Cpp, solution, tests, &Limits::default()).expect("runs");
    assert_eq!(judged.outcome.class, OutcomeClass::Passed, "{judged:?}");
    let java = "import java.util.*;\nclass Problem {\n    public static long add(long a, long b) {\n        return a + b;\n";
    let tests = "    }\n    public static void main(String[] args) {\n    assert(add((3l), (4l)) == (7l));\n    }\n\n}\n";
    let judged = sandbox().judge_program(Language::Java, java, tests, &Limits::default()).expect("runs");
    assert_eq!(judged.outcome.class, OutcomeClass::Passed, "{judged:?}");
}

#[test]
fn a_program_is_built_once_and_run_many_times() {
    let source = "#include <stdio.h>\nint main(void) { int n; scanf(\"%d\", &n); printf(\"%d\", n * n); return n == 7; }";
    let Compiled::Ready(program) = sandbox().compile(Language::C, source).expect("gcc is there") else {
        panic!("it builds");
    };
    for n in 0..20 {
        let outcome =
            sandbox().execute(&program, n.to_string().as_bytes(), &Limits::default()).expect("runs");
        assert_eq!(outcome.stdout, (n * n).to_string());
        assert_eq!(outcome.exit_code, Some(i32::from(n == 7)));
    }
}

fn judge(
    sandbox: &Sandbox,
    language: Language,
    source: &str,
    limits: &Limits,
) -> Result<Judgement, SandboxError> {
    sandbox.judge_program(language, source, tests(language), limits)
}

fn complaint(
    sandbox: &Sandbox,
    language: Language,
    program: &Program,
    source: &str,
    limits: &Limits,
) -> Option<String> {
    let is_judged = program.how.starts_with("judge");
    let outcome = if is_judged {
        judge(sandbox, language, source, limits).map(|j| j.outcome)
    } else {
        sandbox.run_in(language, source, b"2 3\n", limits)
    };
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => return Some(format!("the sandbox failed: {error}")),
    };
    let shown = || {
        format!(
            "{:?} {:?} {:?} {}",
            outcome.class,
            outcome.error,
            outcome.stdout.chars().take(300).collect::<String>(),
            outcome.stderr
        )
    };
    if outcome.stdout.contains("HARM") {
        return Some(format!("did harm: {}", shown()));
    }
    if let Some(complaint) = program.wrong_class(outcome.class, shown) {
        return Some(complaint);
    }
    match program.how.as_str() {
        "judge" if outcome.class == OutcomeClass::Passed => Some("wrongly passed".into()),
        "judge-honest" if outcome.class != OutcomeClass::Passed => Some(format!("broken: {}", shown())),
        "honest" if outcome.class != OutcomeClass::Passed || outcome.stdout != "ok\n" => {
            Some(format!("broken: {}", shown()))
        }
        _ if outcome.wall_ms > 60_000.0 => Some(format!("took {} ms", outcome.wall_ms)),
        _ => None,
    }
}

fn is_sound(sandbox: &Sandbox, language: Language, programs: &[Program]) -> bool {
    let empty = "import os\nassert os.listdir('/tmp') == []\nprint('ok')";
    let is_python_sound =
        sandbox.run(empty, b"", &Limits::default()).is_ok_and(|o| o.class == OutcomeClass::Passed);
    let honest = programs.iter().find(|p| p.how == "honest");
    is_python_sound && honest.is_none_or(|p| complaint(sandbox, language, p, &p.source, &patient()).is_none())
}

/// A virtual machine starts in a second here, and in many on a machine that is busy with other things.
fn patient() -> Limits {
    Limits { cpu_ms: 20_000, wall_ms: 40_000, ..Limits::default() }
}

/// The catalogue of one language: complaints, and how many hostile and honest programs there were.
fn check(language: Language, text: &'static str, canary: &Mutex<Canary>) -> (Vec<String>, usize, usize) {
    // Compilers are bounded more tightly than by default, so that bombs end soon.
    let build_limits = Limits {
        cpu_ms: 12_000,
        memory_bytes: 1 << 30,
        disk_bytes: 64 << 20,
        ..SandboxConfig::default().build_limits
    };
    let config = SandboxConfig { workers: 1, build_limits, ..SandboxConfig::default() };
    let sandbox = Sandbox::start(config).expect("strict isolation");
    let programs = programs((language.name(), text));
    // A toolchain in the home folder of root is none for another user; root's own run of this test has it.
    let is_missing =
        matches!(sandbox.run_in(language, "", b"", &patient()), Err(SandboxError::MissingToolchain { .. }));
    if is_missing && !is_root() {
        eprintln!("skipped: {} is not installed for this user", language.name());
        return (Vec::new(), 0, 0);
    }
    let hostile_limits =
        Limits { cpu_ms: 1_500, wall_ms: 3_000, memory_bytes: 256 << 20, ..Limits::default() };
    let mut complaints = Vec::new();
    let (mut hostile, mut honest) = (0, 0);
    for program in &programs {
        let is_honest = program.how.ends_with("honest");
        let limits = if is_honest { Limits::default() } else { program.limits(hostile_limits.clone()) };
        if is_honest {
            honest += 1
        } else {
            hostile += 1
        };
        let source = canary.lock().expect("no panic").place(&program.source);
        let found = complaint(&sandbox, language, program, &source, &limits)
            .or_else(|| canary.lock().expect("no panic").harm())
            .or_else(|| {
                let is_checked = !is_honest && program.how == "run";
                (is_checked && !is_sound(&sandbox, language, &programs))
                    .then(|| "the run after it is not sound".into())
            });
        complaints.extend(found.map(|c| format!("{}: {c}", program.name)));
    }
    (complaints, hostile, honest)
}

#[test]
fn no_hostile_program_passes_or_harms_in_any_language() {
    let canary = Mutex::new(Canary::new());
    let next = AtomicUsize::new(0);
    let found = Mutex::new((Vec::new(), 0, 0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((language, text)) = CATALOGUE.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (complaints, hostile, honest) = check(*language, text, &canary);
                    let mut found = found.lock().expect("no panic");
                    found.0.extend(complaints);
                    found.1 += hostile;
                    found.2 += honest;
                }
            });
        }
    });
    let (complaints, hostile, honest) = found.into_inner().expect("no panic");
    let (fewest_hostile, fewest_honest) = if is_root() { (100, 14) } else { (60, 8) };
    let are_enough = hostile >= fewest_hostile && honest >= fewest_honest;
    assert!(are_enough, "{hostile} hostile and {honest} honest programs");
    eprintln!("{hostile} hostile and {honest} honest programs, {} complaints", complaints.len());
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

/// The same as another user, where this test runs as root.
#[test]
fn the_catalogue_of_every_language_holds_for_an_ordinary_user() {
    as_ordinary_user("languages::no_hostile_program_passes_or_harms_in_any_language");
}
