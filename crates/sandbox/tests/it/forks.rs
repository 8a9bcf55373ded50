//! What a fork costs, counted in page faults: those do not depend on how busy the machine is.

use std::process::Command;

use crate::run;

/// Of a small program, on Python 3.11: about 40 where pages are copied at the fork, 350 where they are not.
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

/// Of a small program, on Python 3.11: about 450 where all else is a file's until it is written to, 2,300 where it is not.
const MOST_PAGES: u32 = 1_200;

#[test]
fn pages_that_no_run_touches_are_not_copied() {
    if !cfg!(target_arch = "x86_64") {
        println!("skipped: forks copy entries for all of the zygote's memory here");
        return;
    }
    // Resident pages but for those of files.
    let program =
        "resident, shared = open('/proc/self/statm').read().split()[1:3]\nprint(int(resident) - int(shared))";
    let pages: u32 = run(program).stdout.trim().parse().expect("a number of pages");
    assert!(pages < MOST_PAGES, "{pages} pages");
}

#[test]
fn no_memory_is_shared_with_other_runs() {
    // Shared mappings but for those of files that have a name, which nobody can write to.
    let program = "lines = [line.split() for line in open('/proc/self/maps')]\n\
        print([line for line in lines if 's' in line[1] and (len(line) < 6 or line[-1] == '(deleted)')])";
    assert_eq!(run(program).stdout, "[]\n");
}
