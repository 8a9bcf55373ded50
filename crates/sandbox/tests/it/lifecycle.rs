//! Workers: many threads, death and replacement, endurance, and nothing left behind.
//!
//! Tests that count processes or descriptors run in a process of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hone_sandbox::{
    Compare, Isolation, Limits, Outcome, OutcomeClass, Sandbox, SandboxConfig, SandboxError, StdioCase,
    Submission, TestSuite,
};

use crate::{every_core, sandbox};

const OWN: &str = "HONE_TEST_OWN_PROCESS";

/// Runs the test `name` in a new process; true in that process itself.
fn is_own_process(name: &str) -> bool {
    if std::env::var_os(OWN).is_some() {
        return true;
    }
    let output = Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", name, "--nocapture"])
        .env(OWN, "1")
        .output()
        .expect("the test runs");
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    false
}

fn submission(solution: &str, asserts: &[&str]) -> Submission {
    Submission {
        solution: solution.into(),
        tests: TestSuite::Asserts {
            setup: String::new(),
            asserts: asserts.iter().map(|a| (*a).into()).collect(),
        },
        limits: Limits::default(),
    }
}

/// Processes whose parent is `pid`.
fn children_of(pid: u32) -> BTreeSet<u32> {
    let parent = |pid: u32| -> Option<u32> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()
    };
    let all = std::fs::read_dir("/proc").expect("/proc").flatten();
    all.filter_map(|e| e.file_name().to_str()?.parse().ok()).filter(|&p| parent(p) == Some(pid)).collect()
}

fn start(workers: usize) -> Sandbox {
    Sandbox::start(SandboxConfig { workers, ..SandboxConfig::default() })
        .expect("strict isolation works here")
}

#[test]
fn what_cannot_be_judged_is_an_error() {
    for bad in [submission("x = 1", &[]), submission("x = 1", &["  "])] {
        assert!(matches!(sandbox().judge(&bad), Err(SandboxError::BadSubmission(_))));
    }
    let none = sandbox().judge_stdio("print(1)", &[], Compare::Lines, &Limits::default());
    assert!(matches!(none, Err(SandboxError::BadSubmission(_))));
    let idle = sandbox().judge(&submission("def f():\n    return 1\n", &["assert True"])).expect("runs");
    assert_ne!(idle.outcome.class, OutcomeClass::Passed, "tests that never use the solution prove nothing");
}

#[test]
fn many_threads_share_few_workers() {
    std::thread::scope(|scope| {
        for number in 0..8 {
            scope.spawn(move || {
                for turn in 0..5 {
                    let right = (number + turn) % 2 == 0;
                    let solution =
                        format!("def f(x):\n    return x + {}\n", if right { number } else { number + 1 });
                    let assert = format!("assert f(1) == {}", number + 1);
                    let judgement = sandbox().judge(&submission(&solution, &[&assert])).expect("runs");
                    assert_eq!(judgement.outcome.class == OutcomeClass::Passed, right, "{judgement:?}");
                }
            });
        }
    });
}

#[test]
fn stdin_and_stdout_are_compared_outside() {
    let case = |stdin: &str, stdout: &str| StdioCase { stdin: stdin.into(), stdout: stdout.into() };
    let cases = [case("1 2\n", "3\n"), case("5 5\n", "10\n")];
    let judge = |program: &str| {
        sandbox().judge_stdio(program, &cases, Compare::Lines, &Limits::default()).expect("runs")
    };
    assert_eq!(judge("print(sum(map(int, input().split())))").outcome.class, OutcomeClass::Passed);
    let wrong = judge("print(3)");
    assert_eq!(wrong.outcome.class, OutcomeClass::WrongAnswer);
    assert_eq!(wrong.tests.iter().map(|t| t.is_passed).collect::<Vec<_>>(), [true, false]);
    assert_eq!(judge("import os; os._exit(0)").outcome.class, OutcomeClass::WrongAnswer);
    assert_eq!(judge("input(1/0)").outcome.class, OutcomeClass::RuntimeError);
}

#[test]
fn a_crowd_that_gave_way_for_too_long_is_made_again_alone() {
    let _cores = every_core();
    if !is_own_process("lifecycle::a_crowd_that_gave_way_for_too_long_is_made_again_alone") {
        return;
    }
    // Beside others it gets a sixtieth of a core, and it needs 500 ms.
    let crowd = "import multiprocessing, time\ndef work(number):\n    began = time.process_time()\n    \
        while time.process_time() - began < 0.0125:\n        pass\n    return number\n\
        if __name__ == '__main__':\n    with multiprocessing.Pool(20) as pool:\n        print(sum(pool.map(work, range(40), chunksize=1)))\n";
    let mut was_quiet = false;
    for _ in 0..5 {
        let began_quiet = is_machine_quiet();
        let outcome = run_beside_others_of_its_pool(crowd);
        if outcome.class == OutcomeClass::Passed && outcome.stdout == "780\n" {
            return;
        }
        was_quiet |= began_quiet && is_machine_quiet();
    }
    assert!(!was_quiet, "in five attempts it did not come to its end");
    eprintln!("skipped: other programs keep the cores busy all the time");
}

/// Whether the cores have nothing to do for more than half of a while.
fn is_machine_quiet() -> bool {
    // Clock ticks of all cores: of any kind, and idle.
    let ticks = || -> (u64, u64) {
        let stat = std::fs::read_to_string("/proc/stat").expect("/proc/stat");
        let line = stat.lines().next().expect("a line for all cores");
        let kinds: Vec<u64> = line.split_whitespace().filter_map(|kind| kind.parse().ok()).collect();
        (kinds.iter().sum(), kinds[3])
    };
    let (all_before, idle_before) = ticks();
    std::thread::sleep(Duration::from_millis(300));
    let (all, idle) = ticks();
    2 * (idle - idle_before) > all - all_before
}

/// Runs a program while others of its pool want every core; it has to be made again.
fn run_beside_others_of_its_pool(program: &str) -> Outcome {
    let other = "import time\nwhile time.process_time() < 0.5:\n    pass\n";
    let limits = Limits { wall_ms: 5_000, memory_bytes: 2 << 30, ..Limits::default() };
    let others = 2 * std::thread::available_parallelism().map_or(1, usize::from);
    let sandbox = start(others + 1);
    let is_over = AtomicBool::new(false);
    let outcome = std::thread::scope(|scope| {
        for _ in 0..others {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    sandbox.run(other, b"", &Limits::default()).expect("runs");
                }
            });
        }
        let outcome = sandbox.run(program, b"", &limits);
        is_over.store(true, Ordering::Relaxed);
        outcome.expect("runs")
    });
    assert!(sandbox.made_again() > 0, "it did not give way, so this test has shown nothing: {outcome:?}");
    outcome
}

#[test]
fn a_dead_worker_is_replaced_and_its_run_repeated() {
    if !is_own_process("lifecycle::a_dead_worker_is_replaced_and_its_run_repeated") {
        return;
    }
    let sandbox = start(1);
    for pid in children_of(std::process::id()) {
        Command::new("kill").args(["-9", &pid.to_string()]).status().expect("kill runs");
    }
    let judgement =
        sandbox.judge(&submission("def f():\n    return 1\n", &["assert f() == 1"])).expect("replaced");
    assert_eq!(judgement.outcome.class, OutcomeClass::Passed);
    drop(sandbox);
    assert_eq!(children_of(std::process::id()), BTreeSet::new());
}

#[test]
fn a_run_that_was_starved_of_time_is_made_again_alone() {
    let _cores = every_core();
    if !is_own_process("lifecycle::a_run_that_was_starved_of_time_is_made_again_alone") {
        return;
    }
    // Each needs 400 ms of CPU. Eight to a core, none has them before its wall limit, stretched five times, is over.
    let program =
        "import time\nwhile time.process_time() < 0.4:\n    pass\nprint('done', time.process_time() < 2)\n";
    let limits = Limits { wall_ms: 500, ..Limits::default() };
    let workers = 8 * std::thread::available_parallelism().map_or(1, usize::from);
    let sandbox = start(workers);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let outcome = sandbox.run(program, b"", &limits).expect("runs");
                assert_eq!(
                    (outcome.class, &*outcome.stdout),
                    (OutcomeClass::Passed, "done True\n"),
                    "{outcome:?}"
                );
            });
        }
    });
    assert!(sandbox.made_again() > 0, "nothing was starved, so this test has shown nothing");
    // One that is at fault itself is not made again.
    let before = sandbox.made_again();
    let outcome = sandbox.run("import time\ntime.sleep(9)", b"", &limits).expect("runs");
    assert_eq!((outcome.class, sandbox.made_again()), (OutcomeClass::Timeout, before));
}

#[test]
fn a_run_of_many_processes_gives_way_to_all_others() {
    let _cores = every_core();
    // Threads that want every core all the time. What the crowd has of them before it is seen to be one counts, too.
    let is_over = AtomicBool::new(false);
    let crowd =
        "import os\nfor _ in range(20):\n    if os.fork() == 0:\n        break\nwhile True:\n    pass\n";
    let outcome = std::thread::scope(|scope| {
        for _ in 0..2 * std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let outcome = sandbox().run(crowd, b"", &Limits { wall_ms: 5_000, ..far_away() });
        is_over.store(true, Ordering::Relaxed);
        outcome.expect("runs")
    });
    assert_eq!(outcome.class, OutcomeClass::Timeout, "{outcome:?}");
    // Mostly it is 100 to 200; half of the machine would be 5,000.
    assert!(outcome.cpu_ms < 2_000.0, "{outcome:?}");
}

/// Limits that a crowd does not reach on a busy machine, which leaves it hardly any time.
fn far_away() -> Limits {
    Limits { cpu_ms: 60_000, wall_ms: 600_000, memory_bytes: 2 << 30, ..Limits::default() }
}

/// How many of the processes below the children of `pid` are in each state of proc(5).
fn states_below(pid: u32) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    let mut open: Vec<u32> = children_of(pid).into_iter().flat_map(children_of).collect();
    while let Some(pid) = open.pop() {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next());
        *found.entry(state.unwrap_or_default().to_owned()).or_default() += 1;
        open.extend(children_of(pid));
    }
    found
}

#[test]
fn of_a_crowd_one_runs_at_a_time() {
    let _cores = every_core();
    if !is_own_process("lifecycle::of_a_crowd_one_runs_at_a_time") {
        return;
    }
    let sandbox = start(1);
    let crowd = "import os, time\nfor _ in range(30):\n    if os.fork() == 0:\n        while True:\n            pass\n\
        time.sleep(600)\n";
    let limits = Limits { cpu_ms: 600, wall_ms: 40_000, ..far_away() };
    let mut seen = Vec::new();
    std::thread::scope(|scope| {
        let run = scope.spawn(|| sandbox.run(crowd, b"", &limits).expect("runs"));
        while !run.is_finished() {
            std::thread::sleep(Duration::from_millis(20));
            seen.push(states_below(std::process::id()));
        }
        assert_eq!(run.join().expect("no panic").class, OutcomeClass::Timeout);
    });
    // Where the crowd is seen early, its parent is stopped too before it has forked them all.
    let is_calm = |states: &BTreeMap<String, usize>| {
        let count = |state: &str| states.get(state).copied().unwrap_or(0);
        count("T") >= 16 && count("R") <= 1
    };
    assert!(seen.iter().any(is_calm), "{seen:?}");
}

#[test]
fn an_honest_crowd_comes_to_its_end() {
    // Twenty-four processes that take turns, and a parent that waits for what each says.
    let program = "import os, time\n\
        pipes = []\n\
        for number in range(24):\n    read, write = os.pipe()\n    if os.fork() == 0:\n        \
            while time.process_time() < 0.01:\n            pass\n        os.write(write, b'%d' % number)\n        os._exit(0)\n    \
            os.close(write)\n    pipes.append(read)\n\
        print(sum(int(os.read(pipe, 9)) for pipe in pipes))\n\
        while True:\n    try:\n        os.wait()\n    except ChildProcessError:\n        break\n\
        print('ok')\n";
    let outcome = sandbox().run(program, b"", &far_away()).expect("runs");
    assert_eq!((outcome.class, &*outcome.stdout), (OutcomeClass::Passed, "276\nok\n"), "{outcome:?}");
}

#[test]
fn a_crowd_that_stands_still_is_charged_and_ended() {
    let crowd =
        "import os\nfor _ in range(30):\n    if os.fork() == 0:\n        break\nwhile True:\n    pass\n";
    let limits = Limits { cpu_ms: 200, ..far_away() };
    let outcome = sandbox().run(crowd, b"", &limits).expect("runs");
    assert_eq!(outcome.class, OutcomeClass::Timeout, "{outcome:?}");
    assert!(outcome.cpu_ms >= 200.0, "{outcome:?}");
    // One that lets the others go on is stopped again. The 32 of them are within the limit on processes.
    let rebel = "import os, signal\nfor _ in range(5):\n    os.fork()\n\
        while True:\n    os.kill(-1, signal.SIGCONT)\n";
    let limits = Limits { wall_ms: 1_500, ..far_away() };
    let outcome = sandbox().run(rebel, b"", &limits).expect("runs");
    assert_eq!(outcome.class, OutcomeClass::Timeout, "{outcome:?}");
}

#[test]
fn nothing_outlives_a_killed_parent() {
    let name = "lifecycle::nothing_outlives_a_killed_parent";
    if std::env::var_os(OWN).is_some() {
        let sandbox = start(2);
        println!("ready");
        let forever = "import os, time\nfor _ in range(5):\n    os.fork()\ntime.sleep(1000)\n";
        let _ = sandbox.run(forever, b"", &Limits { wall_ms: 1_000_000, ..Limits::default() });
        return;
    }
    let mut parent = Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", name, "--nocapture"])
        .env(OWN, "1")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the test runs");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(parent.stdout.take().expect("piped")));
    assert!(lines.any(|l| l.is_ok_and(|l| l.ends_with("ready"))), "it starts");
    std::thread::sleep(Duration::from_millis(300));
    let zygotes = children_of(parent.id());
    assert_eq!(zygotes.len(), 4, "{zygotes:?}");
    parent.kill().expect("our child");
    parent.wait().expect("our child");
    let until = Instant::now() + Duration::from_secs(20);
    let is_alive = |pid: &u32| std::fs::metadata(format!("/proc/{pid}")).is_ok();
    while zygotes.iter().any(is_alive) {
        assert!(Instant::now() < until, "workers outlive their parent");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// User and system milliseconds of this process and its ended children.
fn cpu_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("/proc");
    let fields: Vec<f64> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|f| f.parse().ok())
        .collect();
    // The state, a letter, was dropped; utime, stime, cutime and cstime are fields 14 to 17 of proc(5).
    fields[10..14].iter().sum::<f64>() * 10.0
}

fn resident_bytes(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    text.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 4096
}

#[test]
fn three_thousand_runs_leave_no_trace() {
    if !is_own_process("lifecycle::three_thousand_runs_leave_no_trace") {
        return;
    }
    let sandbox = start(2);
    let right = submission(
        "def f(x):\n    return [x, x]\n",
        &["assert f(1) == [1, 1]", "assert f('a') == ['a', 'a']"],
    );
    let turn = |count: usize| {
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for number in 0..count / 2 {
                        if number % 2 == 0 {
                            let judgement = sandbox.judge(&right).expect("runs");
                            assert_eq!(judgement.outcome.class, OutcomeClass::Passed, "{judgement:?}");
                        } else {
                            let outcome = sandbox.run("print(1)", b"", &Limits::default()).expect("runs");
                            assert_eq!(outcome.stdout, "1\n");
                        }
                    }
                });
            }
        });
    };
    let state = || {
        let fds = std::fs::read_dir("/proc/self/fd").expect("/proc").count();
        let zygotes = children_of(std::process::id());
        let memory: u64 = zygotes.iter().map(|&pid| resident_bytes(pid)).sum();
        (fds, zygotes, memory + resident_bytes(std::process::id()))
    };
    turn(200);
    let before = state();
    let (cpu, wall) = (cpu_ms(), Instant::now());
    turn(2_800);
    let after = state();
    drop(sandbox);
    eprintln!(
        "2800 runs (half judged): {:.1} s wall; {:.2} ms CPU each, start included",
        wall.elapsed().as_secs_f64(),
        (cpu_ms() - cpu) / 2_800.0
    );
    assert_eq!((before.0, &before.1), (after.0, &after.1), "descriptors and processes");
    assert!(after.2 < before.2 + (8 << 20), "memory grew from {} to {} bytes", before.2, after.2);
}

#[test]
fn a_root_that_cannot_become_another_user_is_told_so() {
    let name = "lifecycle::a_root_that_cannot_become_another_user_is_told_so";
    if std::env::var_os(OWN).is_some() {
        // Root by name, of a user namespace that holds no other user.
        let config = SandboxConfig { isolation: Isolation::None, workers: 1, ..SandboxConfig::default() };
        let error = Sandbox::start(config).expect_err("programs would keep root's rights").to_string();
        assert!(error.contains("may not become another user") && error.contains("\nhint: "), "{error}");
        return;
    }
    let mut unshare = Command::new("unshare");
    unshare.args(["--user", "--map-root-user"]);
    if !unshare.arg("true").status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: no user namespace can be made here");
        return;
    }
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user"])
        .arg(std::env::current_exe().expect("a path"))
        .args(["--exact", name, "--nocapture"])
        .env(OWN, "1")
        .output()
        .expect("the test runs");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", said(&output.stdout), said(&output.stderr));
}

/// An ordinary user's own namespaces stand for a container: as they are, with a part of `/proc` masked, without user namespaces.
#[test]
fn what_a_container_lacks_is_said() {
    let name = "lifecycle::what_a_container_lacks_is_said";
    if let Ok(lacking) = std::env::var(OWN) {
        match Sandbox::start(SandboxConfig { workers: 1, ..SandboxConfig::default() }) {
            Ok(sandbox) => {
                assert_eq!(lacking, "nothing");
                let outcome = sandbox.run("print(1)", b"", &Limits::default()).expect("runs");
                assert_eq!(outcome.class, OutcomeClass::Passed, "{outcome:?}");
            }
            Err(SandboxError::MissingLayer { layer, reason, hint }) => {
                assert_eq!(layer, lacking, "{reason}");
                assert!(!reason.contains('\n') && hint.contains("isolation = "), "{reason}\n{hint}");
            }
            Err(other) => panic!("{other}"),
        }
        return;
    }
    let copy = std::env::temp_dir().join(format!("hone-sandbox-test-{}-lacking", std::process::id()));
    std::fs::copy(std::env::current_exe().expect("a path"), &copy).expect("a copy");
    let unshare = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--mount-proc"];
    let ordinary = ["setpriv", "--reuid=65533", "--regid=65533", "--clear-groups", "--inh-caps=-all"];
    let command = |script: &str| {
        let words =
            if crate::catalogue::is_root() { [&ordinary[..], &unshare].concat() } else { unshare.to_vec() };
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .args(["sh", "-c", script, "sh"])
            .arg(&copy)
            .current_dir("/")
            .env_remove("TMPDIR");
        command
    };
    let is_possible = command("exit 0").status().is_ok_and(|status| status.success());
    for (script, lacking) in [
        ("", "nothing"),
        ("mount --bind /dev/null /proc/version && ", "private-proc"),
        ("echo 0 > /proc/sys/user/max_user_namespaces && ", "namespaces"),
    ] {
        if !is_possible {
            eprintln!("skipped: no such namespaces can be made here");
            break;
        }
        let output = command(&format!("{script}exec \"$@\""))
            .args(["--exact", name, "--nocapture"])
            .env(OWN, lacking)
            .output()
            .expect("the test runs");
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{lacking}: {}\n{}", said(&output.stdout), said(&output.stderr));
        assert!(said(&output.stdout).contains("1 passed"), "{lacking}");
    }
    let _ = std::fs::remove_file(&copy);
}

#[test]
fn the_machine_is_described() {
    let layers = hone_sandbox::probe();
    let names: BTreeSet<&str> = layers.iter().map(|l| l.layer.as_str()).collect();
    assert_eq!(names.len(), layers.len(), "each layer once");
    for layer in &layers {
        assert_eq!(layer.is_available, layer.hint.is_none(), "a hint where something is missing: {layer:?}");
        assert!(layer.is_available || !layer.is_required, "strict isolation works here: {layer:?}");
    }
    let python = hone_sandbox::toolchains().remove(0);
    assert_eq!(python.language, "python");
    assert!(python.path.is_some_and(|p| p.is_absolute() && !p.ends_with("shims/python3")), "past any shim");
    assert!(python.version.is_some_and(|v| v.starts_with("3.")));
}
