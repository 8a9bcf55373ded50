//! Runs of many threads, and the memory of many processes: hostile ones are restrained or ended, honest ones are not.

use std::sync::atomic::{AtomicBool, Ordering};

use hone_sandbox::{LimitName, Limits, Outcome, OutcomeClass};

use crate::catalogue::as_ordinary_user;
use crate::limits::counts_refusals;
use crate::{every_core, sandbox};

/// As many threads as may be, none of which ever waits for anything: Python's lock is not held there.
const BOMB: &str = "import hashlib, threading\n\
    def work():\n    while True:\n        hashlib.pbkdf2_hmac('sha256', b'', b'', 10 ** 7)\n\
    for _ in range(40):\n    threading.Thread(target=work, daemon=True).start()\nwork()\n";

/// Runs a program beside threads that want every core all the time.
fn run_beside_others(source: &str, limits: &Limits) -> Outcome {
    let _cores = every_core();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 * std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let outcome = sandbox().run(source, b"", limits);
        is_over.store(true, Ordering::Relaxed);
        outcome.expect("runs")
    })
}

fn far_away() -> Limits {
    Limits { cpu_ms: 60_000, wall_ms: 600_000, memory_bytes: 2 << 30, ..Limits::default() }
}

#[test]
fn a_run_of_many_busy_threads_gives_way_to_all_others() {
    // What it has of the cores before it is seen to be a crowd counts, too.
    let outcome = run_beside_others(BOMB, &Limits { wall_ms: 5_000, ..far_away() });
    assert_eq!(outcome.class, OutcomeClass::Timeout, "{outcome:?}");
    assert!(outcome.cpu_ms < 1_000.0, "{outcome:?}");
    // The same threads in a few processes.
    let few = BOMB
        .replace("range(40)", "range(14)")
        .replace("for _", "import os\nfor _ in range(2):\n    if os.fork() == 0:\n        break\nfor _");
    let outcome = run_beside_others(&few, &Limits { wall_ms: 5_000, ..far_away() });
    assert_eq!(outcome.class, OutcomeClass::Timeout, "{outcome:?}");
    assert!(outcome.cpu_ms < 1_000.0, "{outcome:?}");
}

#[test]
fn threads_that_wait_are_no_crowd() {
    // A crowd would get 5 ms of every 305 beside others, and not be done within its wall limit.
    let program = "import threading, time\n\
        for _ in range(40):\n    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n\
        while time.process_time() < 0.4:\n    pass\nprint('ok')\nimport os\nos._exit(print(end='', flush=True) or 0)\n";
    let outcome = run_beside_others(program, &Limits { cpu_ms: 60_000, ..Limits::default() });
    assert_eq!((outcome.class, &*outcome.stdout), (OutcomeClass::Passed, "ok\n"), "{outcome:?}");
}

#[test]
fn an_honest_crowd_of_threads_comes_to_its_end() {
    let program = "import hashlib\nfrom concurrent.futures import ThreadPoolExecutor\n\
        def work(number):\n    return hashlib.pbkdf2_hmac('sha256', b'', b'%d' % number, 20_000)\n\
        with ThreadPoolExecutor(24) as pool:\n    print(len(set(pool.map(work, range(24)))))\n";
    let outcome = sandbox().run(program, b"", &far_away()).expect("runs");
    assert_eq!((outcome.class, &*outcome.stdout), (OutcomeClass::Passed, "24\n"), "{outcome:?}");
}

#[test]
fn a_fork_bomb_is_ended_by_its_process_limit() {
    let program = "import os\nprint('on', flush=True)\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass\n";
    let limits = Limits { wall_ms: 20_000, ..far_away() };
    let outcome = sandbox().run(program, b"", &limits).expect("runs");
    assert_eq!(outcome.stdout, "on\n", "{outcome:?}");
    if counts_refusals(&outcome) {
        assert_eq!(outcome.class, OutcomeClass::RuntimeError, "{outcome:?}");
        assert_eq!(outcome.limit_hit.map(|hit| hit.limit), Some(LimitName::Processes), "{outcome:?}");
    } else {
        assert_eq!(outcome.class, OutcomeClass::Timeout, "{outcome:?}");
    }
}

#[test]
fn who_waits_for_room_for_one_more_is_no_fork_bomb() {
    // The children wait until their parent was refused one more of them thirty times; then it gets the rest of its 90.
    let program = "import os, time\nready, go = os.pipe()\ndef start():\n    if os.fork() == 0:\n        os.close(go)\n        \
        os.read(ready, 1)\n        os._exit(0)\nstarted = refused = 0\nwhile refused < 30:\n    try:\n        start()\n        \
        started += 1\n    except OSError:\n        refused += 1\n        time.sleep(0.01)\nos.write(go, b'.' * started)\n\
        for _ in range(started):\n    os.wait()\nfor _ in range(90 - started):\n    start()\nos.write(go, b'.' * 90)\n\
        for _ in range(90 - started):\n    os.wait()\nprint('ok')\n";
    let outcome = sandbox().run(program, b"", &far_away()).expect("runs");
    assert_eq!((outcome.class, &*outcome.stdout), (OutcomeClass::Passed, "ok\n"), "{outcome:?}");
}

#[test]
fn many_idle_forks_of_one_program_hold_its_memory_once() {
    // 62 times 18 MB and more, if each page counted as often as it is shared.
    let program = "import os, time\nvalues = bytearray(10 << 20)\nvalues[::4096] = b'1' * len(values[::4096])\n\
         for _ in range(62):\n    if os.fork() == 0:\n        time.sleep(0.5)\n        os._exit(0)\n\
         for _ in range(62):\n    os.wait()\nprint('ok')\n";
    let limits = Limits { memory_bytes: Limits::default().memory_bytes, ..far_away() };
    let outcome = sandbox().run(program, b"", &limits).expect("runs");
    assert_eq!((outcome.class, &*outcome.stdout), (OutcomeClass::Passed, "ok\n"), "{outcome:?}");
}

#[test]
fn the_same_without_a_control_group() {
    as_ordinary_user("crowds::many_idle_forks_of_one_program_hold_its_memory_once");
}

/// Forks `processes` children; each waits until the run was looked at, and then takes 100 MB by `take`, saying so after
/// each 10 MB.
fn takers(processes: usize, before: &str, take: &str) -> String {
    format!(
        "import os, time\n{before}\nfor _ in range({processes}):\n    if os.fork() == 0:\n        break\nelse:\n    \
         time.sleep(600)\ntime.sleep(0.2)\nkept = []\nfor part in range(10):\n    {take}\n    os.write(1, b'x')\ntime.sleep(600)\n"
    )
}

const SHARED: &str = "values = bytearray(100 << 20)\nvalues[::4096] = b'1' * len(values[::4096])";
const UNSHARE: &str = "values[part * 2560 * 4096:(part + 1) * 2560 * 4096:4096] = b'2' * 2560";
const NEW: &str = "kept.append(b'1' * (10 << 20))";

#[test]
fn many_processes_that_take_memory_are_ended() {
    // Where there is no control group, for an ordinary user mostly, all that ends them is the zygote's watch.
    let hidden = format!("import ctypes\nctypes.CDLL(None).prctl(4, 0, 0, 0, 0)\n{SHARED}");
    // `exit` of one thread, by the numbers of two architectures.
    let headless = "import ctypes, threading\nEXIT = 60 if os.uname().machine == 'x86_64' else 93\ndef go_on():\n    kept = []\n    for part in range(10):\n        \
        kept.append(b'1' * (10 << 20))\n        os.write(1, b'x')\n    time.sleep(600)\n";
    let headless_take = "threading.Thread(target=go_on).start(); ctypes.CDLL(None).syscall(EXIT, 0)";
    for (name, program) in [
        ("new pages", takers(12, "", NEW)),
        ("pages that were shared", takers(12, SHARED, UNSHARE)),
        ("pages that were shared, out of sight", takers(12, &hidden, UNSHARE)),
        ("new pages beside many idle processes", takers(40, "", NEW)),
        ("processes whose first thread has ended", takers(12, headless, headless_take)),
    ] {
        let limits = Limits { memory_bytes: Limits::default().memory_bytes, ..far_away() };
        let outcome = sandbox().run(&program, b"", &limits).expect("runs");
        assert_eq!(outcome.class, OutcomeClass::MemoryLimit, "{name}: {outcome:?}");
        // 512 MB, and what they took between two looks.
        assert!(outcome.stdout.len() < 90, "{name}: {outcome:?}");
    }
}

#[test]
fn they_are_ended_without_a_control_group() {
    as_ordinary_user("crowds::many_processes_that_take_memory_are_ended");
}
