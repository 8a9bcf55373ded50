//! Which limit a failed run reached, as its outcome tells.

use hone_sandbox::{Language, LimitHit, LimitName, Limits, Outcome, OutcomeClass, Submission, TestSuite};

use crate::catalogue::as_ordinary_user;
use crate::{run, sandbox};

fn hit(outcome: &Outcome) -> Option<LimitName> {
    outcome.limit_hit.map(|hit| hit.limit)
}

/// Whether the kernel counts the processes that it refuses a run here.
pub(crate) fn counts_refusals(outcome: &Outcome) -> bool {
    outcome.isolation.iter().any(|layer| layer.starts_with("cgroup-") && layer.ends_with("-pids"))
}

#[test]
fn a_failed_run_names_the_limit_that_it_reached() {
    use LimitName::{CpuMs, DiskBytes, DiskFiles, MemoryBytes, OpenFiles, OutputBytes, Processes, WallMs};
    // Room for the stacks of 64 threads; and time, which is only short where it is to run out.
    let limits = Limits { cpu_ms: 20_000, wall_ms: 60_000, memory_bytes: 1 << 30, ..Limits::default() };
    let hurried = Limits { cpu_ms: 1_500, wall_ms: 3_000, ..Limits::default() };
    for (source, class, limit, value) in [
        (
            "import os, time\nfor _ in range(100):\n    if os.fork() == 0:\n        time.sleep(60)\n",
            OutcomeClass::RuntimeError,
            Processes,
            64,
        ),
        (
            "import threading, time\nfor _ in range(100):\n    \
             threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n",
            OutcomeClass::RuntimeError,
            Processes,
            64,
        ),
        ("files = [open('/dev/null') for _ in range(100)]\n", OutcomeClass::RuntimeError, OpenFiles, 64),
        (
            "for n in range(100):\n    with open('/tmp/%d' % n, 'wb') as file:\n        file.write(bytes(1 << 20))\n",
            OutcomeClass::RuntimeError,
            DiskBytes,
            16 << 20,
        ),
        (
            "with open('/tmp/one', 'wb', 0) as file:\n    while True:\n        file.write(bytes(1 << 20))\n",
            OutcomeClass::RuntimeError,
            DiskBytes,
            16 << 20,
        ),
        (
            "import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n\
             open('/tmp/x', 'wb').truncate(1 << 30)\n",
            OutcomeClass::RuntimeError,
            DiskBytes,
            16 << 20,
        ),
        (
            "for n in range(10000):\n    open('/tmp/%d' % n, 'w').close()\n",
            OutcomeClass::RuntimeError,
            DiskFiles,
            4096,
        ),
        ("while True:\n    pass\n", OutcomeClass::Timeout, CpuMs, 1_500),
        ("import time\ntime.sleep(60)\n", OutcomeClass::Timeout, WallMs, 3_000),
        ("x = bytearray(2 << 30)\n", OutcomeClass::MemoryLimit, MemoryBytes, 1 << 30),
        ("while True:\n    print('x' * 1000)\n", OutcomeClass::OutputLimit, OutputBytes, 64 << 10),
    ] {
        let limits = if class == OutcomeClass::Timeout { &hurried } else { &limits };
        let outcome = sandbox().run(source, b"", limits).expect("runs");
        assert_eq!(
            (outcome.class, outcome.limit_hit),
            (class, Some(LimitHit { limit, value })),
            "{source}{outcome:?}"
        );
    }
}

#[test]
fn the_same_for_an_ordinary_user() {
    as_ordinary_user("limits::a_failed_run_names_the_limit_that_it_reached");
}

#[test]
fn what_reached_no_limit_names_none_and_a_claim_changes_no_class() {
    // It fails for another reason, or not at all.
    assert_eq!(hit(&run("1 / 0")), None);
    let thrifty =
        run("import os, time\nfor _ in range(100):\n    try:\n        if os.fork() == 0:\n            \
                       time.sleep(60)\n    except OSError:\n        break\nprint('ok')\n");
    assert_eq!((thrifty.class, hit(&thrifty)), (OutcomeClass::Passed, None), "{thrifty:?}");
    // It says that it reached one.
    let liar = run("raise OSError(24, 'Too many open files')");
    assert_eq!(liar.class, OutcomeClass::RuntimeError, "{liar:?}");
    let liar = run("import sys\nprint('[Errno 28] No space left on device', file=sys.stderr)\nsys.exit(3)\n");
    assert_eq!(liar.class, OutcomeClass::RuntimeError, "{liar:?}");
    let loud = run("print('[Errno 24] Too many open files')");
    assert_eq!((loud.class, hit(&loud)), (OutcomeClass::Passed, None), "{loud:?}");
    // Nothing to read is no want of processes, which the kernel knows where it counts them.
    let empty = run("import os\nread, _ = os.pipe()\nos.set_blocking(read, False)\nos.read(read, 1)\n");
    let expected = if counts_refusals(&empty) { None } else { Some(LimitName::Processes) };
    assert_eq!((empty.class, hit(&empty)), (OutcomeClass::RuntimeError, expected), "{empty:?}");
    // And the run after one that was refused processes was not.
    let after = run("raise BlockingIOError(11, 'Resource temporarily unavailable')");
    assert_eq!(hit(&after), expected, "{after:?}");
}

#[test]
fn a_judged_solution_names_its_limit() {
    let judge = |solution: &str| {
        let tests = TestSuite::Asserts { setup: String::new(), asserts: vec!["assert f(1) == 2".into()] };
        let limits = Limits { wall_ms: 4_000, memory_bytes: 1 << 30, ..Limits::default() };
        let submission = Submission { solution: solution.into(), tests, limits };
        sandbox().judge(&submission).expect("runs").outcome
    };
    for (solution, class, limit) in [
        (
            "files = []\ndef f(x):\n    while True:\n        files.append(open('/dev/null'))\n",
            OutcomeClass::RuntimeError,
            Some(LimitName::OpenFiles),
        ),
        (
            "import threading, time\ndef f(x):\n    for _ in range(100):\n        \
             threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n    return 2\n",
            OutcomeClass::RuntimeError,
            Some(LimitName::Processes),
        ),
        ("import time\ndef f(x):\n    time.sleep(60)\n", OutcomeClass::Timeout, Some(LimitName::WallMs)),
        ("def f(x):\n    return x\n", OutcomeClass::WrongAnswer, None),
        ("def f(x):\n    return x + 1\n", OutcomeClass::Passed, None),
    ] {
        let outcome = judge(solution);
        assert_eq!((outcome.class, hit(&outcome)), (class, limit), "{solution}{outcome:?}");
    }
}

#[test]
fn programs_of_other_languages_name_their_limit() {
    use LimitName::{DiskBytes, OpenFiles, Processes};
    let far_away = Limits { cpu_ms: 20_000, wall_ms: 60_000, ..Limits::default() };
    for (language, source, limit) in [
        (
            Language::C,
            "#include <stdio.h>\n#include <unistd.h>\nint main(void) {\n  for (int i = 0; i < 100; i++) {\n    int pid = fork();\n    \
             if (pid < 0) { perror(\"fork\"); return 1; }\n    if (pid == 0) sleep(60);\n  }\n}\n",
            Processes,
        ),
        (
            Language::C,
            "#include <stdio.h>\nint main(void) {\n  for (;;) if (!fopen(\"/dev/null\", \"r\")) { perror(\"fopen\"); return 1; }\n}\n",
            OpenFiles,
        ),
        (
            Language::C,
            "#include <stdio.h>\nint main(void) {\n  static char block[1 << 20];\n  FILE *file = fopen(\"/tmp/x\", \"w\");\n  \
             for (;;) fwrite(block, 1, sizeof block, file);\n}\n",
            DiskBytes,
        ),
        (
            Language::Cpp,
            "#include <thread>\n#include <vector>\n#include <unistd.h>\nint main() {\n  std::vector<std::thread> all;\n  \
             for (int i = 0; i < 100; i++) all.emplace_back([] { sleep(60); });\n}\n",
            Processes,
        ),
        (
            Language::Rust,
            "fn main() {\n    for _ in 0..100 {\n        std::thread::spawn(|| std::thread::sleep(std::time::Duration::from_secs(60)));\n    }\n}\n",
            Processes,
        ),
        (
            Language::JavaScript,
            "const fs = require('fs');\nfor (;;) fs.openSync('/dev/null', 'r');\n",
            OpenFiles,
        ),
        (
            Language::Java,
            "public class Main {\n  public static void main(String[] args) {\n    for (int i = 0; i < 100; i++) {\n      \
             Thread thread = new Thread(() -> { try { Thread.sleep(60000); } catch (Exception e) {} });\n      \
             thread.setDaemon(true);\n      thread.start();\n    }\n  }\n}\n",
            Processes,
        ),
        (Language::Bash, "for i in {1..100}; do sleep 60 & done; exit 1", Processes),
    ] {
        // Threads of C++ have stacks so large that memory ends before sixty-four of them.
        let processes = if language == Language::Cpp { 4 } else { far_away.processes };
        let limits = Limits { processes, ..far_away.clone() };
        let outcome = sandbox().run_in(language, source, b"", &limits).expect("runs");
        assert_eq!(
            (outcome.class, hit(&outcome)),
            (OutcomeClass::RuntimeError, Some(limit)),
            "{language:?} {outcome:?}"
        );
    }
}

#[test]
fn a_thread_whose_stack_found_no_room_hit_the_limit_on_memory() {
    let outcome = run("import threading, time\nthreading.stack_size(128 << 20)\nfor _ in range(20):\n    \
                       threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n");
    // Only where the kernel counts processes is it known that they were not what was lacking.
    let expected = if counts_refusals(&outcome) { LimitName::MemoryBytes } else { LimitName::Processes };
    assert_eq!((outcome.class, hit(&outcome)), (OutcomeClass::RuntimeError, Some(expected)), "{outcome:?}");
}

#[test]
fn a_program_runs_though_every_limit_on_counts_and_sizes_is_nothing() {
    let limits = Limits { processes: 0, open_files: 0, output_bytes: 0, disk_bytes: 0, ..Limits::default() };
    let run = |source: &str| sandbox().run(source, b"", &limits).expect("the sandbox itself works");
    let outcome = run("import time\ntime.sleep(0)\n");
    assert_eq!(outcome.class, OutcomeClass::Passed, "{outcome:?}");
    let outcome = run("print(1)");
    assert_eq!(outcome.limit_hit.map(|hit| hit.limit), Some(LimitName::OutputBytes), "{outcome:?}");
}
