//! What a fork costs, counted in page faults: those do not depend on how busy the machine is.

use std::process::Command;

use crate::run;

/// Of a small program, on Python 3.11: about 80 where pages are copied at the fork, 350 where they are not.
const MOST_FAULTS: u32 = 200;

/// Whether this machine lets a process make a ring and register a buffer with it.
fn has_io_uring() -> bool {
    let script = "
import ctypes, struct, sys
call, page = ctypes.CDLL(None).syscall, ctypes.create_string_buffer(8192)
ring = call(425, 1, ctypes.create_string_buffer(120))
sys.exit(ring < 0 or call(427, ring, 0, struct.pack('QQ', ctypes.addressof(page), 4096), 1) < 0)";
    Command::new("python3").args(["-c", script]).status().is_ok_and(|status| status.success())
}

#[test]
fn pages_that_every_run_writes_to_are_copied_at_the_fork() {
    if !has_io_uring() {
        println!("skipped: io_uring is not to be had here, so forks cost page faults");
        return;
    }
    let program = "import resource\nprint(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)";
    let faults: u32 = run(program).stdout.trim().parse().expect("a number of page faults");
    assert!(faults < MOST_FAULTS, "{faults} page faults");
}
