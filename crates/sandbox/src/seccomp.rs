//! The seccomp filter as bytes: an allow-list of system calls, searched by bisection.
//!
//! Not here: installing it (`confine.py`). What is not listed fails with ENOSYS, so that libraries fall back to older
//! calls; a few calls are allowed for some arguments only. Another architecture's calls (32-bit, x32) kill the process.

const LOAD_WORD: u16 = 0x20;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_AT_LEAST: u16 = 0x35;
const JUMP_ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

const ALLOW: u32 = 0x7fff_0000;
const KILL: u32 = 0x8000_0000;
const DENY: u32 = 0x0005_0000;

const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

#[cfg(target_arch = "x86_64")]
const THIS_ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const THIS_ARCHITECTURE: u32 = 0xc000_00b7;

const NEW_NAMESPACES: u32 = 0x7e02_0080;
const TIOCSTI: u32 = 0x5412;
const TIOCLINUX: u32 = 0x541c;

#[derive(Clone, Copy)]
struct Instruction {
    code: u16,
    if_true: u8,
    if_false: u8,
    value: u32,
}

const fn instruction(code: u16, value: u32, if_true: u8, if_false: u8) -> Instruction {
    Instruction { code, if_true, if_false, value }
}

/// The two filters of a worker, as the kernel reads them: 8 bytes an instruction.
///
/// Installing a long filter takes the kernel a millisecond, and what a process is under, its children are too. So the
/// zygote puts itself under the long one, which leaves it what starting programs takes, and each child adds a short one
/// that denies just that.
#[derive(Debug, Clone)]
pub(crate) struct Filters {
    /// What the zygote and all of its children may do.
    pub(crate) zygote: Vec<u8>,
    /// What a program may not, beyond that.
    pub(crate) program: Vec<u8>,
}

impl Filters {
    /// Assembles both.
    pub(crate) fn assemble() -> Filters {
        Filters { zygote: bytes(&zygote_filter()), program: bytes(&program_filter()) }
    }
}

/// Calls that put a child under its layers or give it a fresh `/tmp`; programs are denied them.
const SET_UP: [i64; 7] = [
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_capset,
    libc::SYS_landlock_create_ruleset,
    libc::SYS_landlock_add_rule,
    libc::SYS_landlock_restrict_self,
];

fn bytes(program: &[Instruction]) -> Vec<u8> {
    program
        .iter()
        .flat_map(|i| {
            let [c0, c1] = i.code.to_le_bytes();
            let [v0, v1, v2, v3] = i.value.to_le_bytes();
            [c0, c1, i.if_true, i.if_false, v0, v1, v2, v3]
        })
        .collect()
}

fn zygote_filter() -> Vec<Instruction> {
    let mut program = vec![
        instruction(LOAD_WORD, ARCHITECTURE, 0, 0),
        instruction(JUMP_EQUAL, THIS_ARCHITECTURE, 1, 0),
        instruction(RETURN, KILL, 0, 0),
        instruction(LOAD_WORD, NUMBER, 0, 0),
    ];
    if cfg!(target_arch = "x86_64") {
        program.push(instruction(JUMP_AT_LEAST, 0x4000_0000, 0, 1));
        program.push(instruction(RETURN, KILL, 0, 0));
    }
    for block in conditional() {
        program.extend(block);
    }
    program.extend(bisect(&ranges(&[allowed(), SET_UP.to_vec()].concat())));
    program
}

/// Beside `zygote_filter`, which looks at the architecture.
fn program_filter() -> Vec<Instruction> {
    let mut program = vec![instruction(LOAD_WORD, NUMBER, 0, 0)];
    // The zygote moves and restrains its children; they may do so with themselves only.
    program
        .extend([libc::SYS_sched_setaffinity, libc::SYS_sched_setscheduler].into_iter().flat_map(own_only));
    program.extend(own_priority());
    for call in SET_UP {
        program.push(instruction(JUMP_EQUAL, call as u32, 0, 1));
        program.push(deny(libc::EPERM));
    }
    program.push(instruction(RETURN, ALLOW, 0, 0));
    program
}

const fn deny(errno: i32) -> Instruction {
    instruction(RETURN, DENY | errno as u32, 0, 0)
}

/// A call's code; it jumps over itself for other calls.
fn block(number: i64, body: Vec<Instruction>) -> Vec<Instruction> {
    let mut block = vec![instruction(JUMP_EQUAL, number as u32, 0, body.len() as u8)];
    block.extend(body);
    block
}

/// The lower half of an argument: those looked at here are 32 bits wide.
const fn low(argument: u32) -> u32 {
    ARGUMENTS + 8 * argument
}

/// A call whose first argument is a process: only the caller itself, as 0.
fn own_only(number: i64) -> Vec<Instruction> {
    let allow = instruction(RETURN, ALLOW, 0, 0);
    let own = instruction(JUMP_EQUAL, 0, 1, 0);
    block(number, vec![instruction(LOAD_WORD, low(0), 0, 0), own, deny(libc::EPERM), allow])
}

/// The niceness of the caller only.
fn own_priority() -> Vec<Instruction> {
    block(
        libc::SYS_setpriority,
        vec![
            instruction(LOAD_WORD, low(0), 0, 0),
            instruction(JUMP_EQUAL, 0, 0, 2),
            instruction(LOAD_WORD, low(1), 0, 0),
            instruction(JUMP_EQUAL, 0, 1, 0),
            deny(libc::EPERM),
            instruction(RETURN, ALLOW, 0, 0),
        ],
    )
}

/// What makes files last: a program's are in memory, and others it could only keep the machine's disks busy with.
const SYNCING: [i64; 5] =
    [libc::SYS_fsync, libc::SYS_fdatasync, libc::SYS_sync, libc::SYS_syncfs, libc::SYS_sync_file_range];

/// Calls allowed for some arguments only, and those that are answered as done though nothing is.
fn conditional() -> Vec<Vec<Instruction>> {
    let allow = instruction(RETURN, ALLOW, 0, 0);
    let mut blocks = vec![
        // No new namespaces; clone3 hides its flags in memory, so it is not listed and libraries fall back.
        block(
            libc::SYS_clone,
            vec![
                instruction(LOAD_WORD, low(0), 0, 0),
                instruction(JUMP_ANY_BIT, NEW_NAMESPACES, 0, 1),
                deny(libc::EPERM),
                allow,
            ],
        ),
        // Unix sockets only: no network, no netlink, no raw packets, no exotic protocol families.
        block(
            libc::SYS_socket,
            vec![
                instruction(LOAD_WORD, low(0), 0, 0),
                instruction(JUMP_EQUAL, libc::AF_UNIX as u32, 1, 0),
                deny(libc::EACCES),
                allow,
            ],
        ),
        block(
            libc::SYS_ioctl,
            vec![
                instruction(LOAD_WORD, low(1), 0, 0),
                instruction(JUMP_EQUAL, TIOCSTI, 1, 0),
                instruction(JUMP_EQUAL, TIOCLINUX, 0, 1),
                deny(libc::EPERM),
                allow,
            ],
        ),
        // Scheduling and limits of the caller only: a worker runs under the same uid where there is but one.
        own_only(libc::SYS_prlimit64),
        own_only(libc::SYS_sched_setparam),
        own_only(libc::SYS_sched_setattr),
        block(libc::SYS_setns, vec![deny(libc::EPERM)]),
        block(libc::SYS_ptrace, vec![deny(libc::EPERM)]),
        block(libc::SYS_chroot, vec![deny(libc::EPERM)]),
    ];
    blocks.extend(SYNCING.map(|call| block(call, vec![deny(0)])));
    blocks
}

/// Sorted, merged half-open ranges of allowed numbers.
fn ranges(numbers: &[i64]) -> Vec<(u32, u32)> {
    let mut sorted: Vec<u32> = numbers.iter().map(|&n| n as u32).collect();
    sorted.sort_unstable();
    sorted.dedup();
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for number in sorted {
        match ranges.last_mut() {
            Some((_, end)) if *end == number => *end += 1,
            _ => ranges.push((number, number + 1)),
        }
    }
    ranges
}

/// A binary search over the ranges' borders, so that a call is decided in a handful of comparisons.
fn bisect(ranges: &[(u32, u32)]) -> Vec<Instruction> {
    let borders: Vec<(u32, bool)> = ranges.iter().flat_map(|&(a, b)| [(a, true), (b, false)]).collect();
    decide(&borders, false)
}

/// Code for numbers between borders: `is_allowed` holds below the first of them.
fn decide(borders: &[(u32, bool)], is_allowed: bool) -> Vec<Instruction> {
    if borders.is_empty() {
        let verdict = if is_allowed { ALLOW } else { DENY | libc::ENOSYS as u32 };
        return vec![instruction(RETURN, verdict, 0, 0)];
    }
    let middle = borders.len() / 2;
    let below = decide(&borders[..middle], is_allowed);
    let above = decide(&borders[middle + 1..], borders[middle].1);
    let mut code = Vec::with_capacity(below.len() + above.len() + 2);
    match u8::try_from(below.len()) {
        Ok(skip) => code.push(instruction(JUMP_AT_LEAST, borders[middle].0, skip, 0)),
        Err(_) => {
            // A conditional jump reaches 255 instructions; an unconditional one, any number.
            code.push(instruction(JUMP_AT_LEAST, borders[middle].0, 0, 1));
            code.push(instruction(0x05, below.len() as u32, 0, 0));
        }
    }
    code.extend(below);
    code.extend(above);
    code
}

/// System calls that programs may make: files, memory, processes, threads, signals, time, unix sockets.
#[rustfmt::skip] // a table: one name a line would hide its shape
fn allowed() -> Vec<i64> {
    use libc::*;
    let mut calls = vec![
        SYS_read, SYS_write, SYS_close, SYS_fstat, SYS_lseek, SYS_mmap, SYS_mprotect, SYS_munmap, SYS_brk,
        SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigpending, SYS_rt_sigtimedwait,
        SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo, SYS_rt_sigsuspend, SYS_sigaltstack, SYS_pread64, SYS_pwrite64,
        SYS_readv, SYS_writev, SYS_preadv, SYS_pwritev, SYS_preadv2, SYS_pwritev2, SYS_sched_yield, SYS_mremap,
        SYS_msync, SYS_mincore, SYS_madvise, SYS_dup, SYS_dup3, SYS_nanosleep, SYS_getitimer, SYS_setitimer,
        SYS_getpid, SYS_sendfile, SYS_connect, SYS_accept, SYS_accept4, SYS_sendto, SYS_recvfrom, SYS_sendmsg,
        SYS_recvmsg, SYS_sendmmsg, SYS_recvmmsg, SYS_shutdown, SYS_bind, SYS_listen, SYS_getsockname, SYS_getpeername,
        SYS_socketpair, SYS_setsockopt, SYS_getsockopt, SYS_execve, SYS_execveat, SYS_exit, SYS_exit_group, SYS_wait4,
        SYS_waitid, SYS_kill, SYS_tkill, SYS_tgkill, SYS_uname, SYS_fcntl, SYS_flock, SYS_truncate,
        SYS_ftruncate, SYS_getcwd, SYS_chdir, SYS_fchdir, SYS_fchmod, SYS_fchmodat,
        SYS_fchown, SYS_fchownat, SYS_umask, SYS_gettimeofday, SYS_getrlimit, SYS_setrlimit, SYS_getrusage,
        SYS_sysinfo, SYS_times, SYS_getuid, SYS_getgid, SYS_geteuid, SYS_getegid, SYS_setuid, SYS_setgid,
        SYS_setresuid, SYS_setresgid, SYS_setreuid, SYS_setregid, SYS_setgroups, SYS_getresuid, SYS_getresgid,
        SYS_getgroups, SYS_setpgid, SYS_getpgid, SYS_getppid, SYS_setsid, SYS_getsid, SYS_capget, SYS_statfs,
        SYS_fstatfs, SYS_getpriority, SYS_sched_getparam, SYS_sched_getscheduler, SYS_sched_get_priority_max,
        SYS_sched_get_priority_min, SYS_sched_rr_get_interval, SYS_sched_getaffinity, SYS_sched_getattr, SYS_mlock,
        SYS_sched_setaffinity, SYS_sched_setscheduler, SYS_setpriority,
        SYS_munlock, SYS_mlock2, SYS_prctl, SYS_gettid, SYS_readahead, SYS_getxattr, SYS_lgetxattr, SYS_fgetxattr,
        SYS_listxattr, SYS_llistxattr, SYS_flistxattr, SYS_futex, SYS_futex_waitv, SYS_set_tid_address,
        SYS_set_robust_list, SYS_get_robust_list, SYS_restart_syscall, SYS_fadvise64, SYS_timer_create,
        SYS_timer_settime, SYS_timer_gettime, SYS_timer_getoverrun, SYS_timer_delete, SYS_clock_gettime,
        SYS_clock_getres, SYS_clock_nanosleep, SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_pwait, SYS_epoll_pwait2,
        SYS_ppoll, SYS_pselect6, SYS_openat, SYS_openat2, SYS_mkdirat, SYS_mknodat, SYS_newfstatat, SYS_unlinkat,
        SYS_renameat, SYS_renameat2, SYS_linkat, SYS_symlinkat, SYS_readlinkat, SYS_faccessat, SYS_faccessat2,
        SYS_utimensat, SYS_fallocate, SYS_timerfd_create, SYS_timerfd_settime, SYS_timerfd_gettime, SYS_signalfd4,
        SYS_eventfd2, SYS_pipe2, SYS_splice, SYS_tee,
        SYS_vmsplice, SYS_getcpu, SYS_getrandom, SYS_statx, SYS_rseq, SYS_membarrier, SYS_copy_file_range,
        SYS_pidfd_open, SYS_pidfd_send_signal, SYS_close_range, SYS_seccomp, SYS_getdents64,
    ];
    #[cfg(target_arch = "x86_64")]
    calls.extend([
        SYS_open, SYS_stat, SYS_lstat, SYS_poll, SYS_access, SYS_pipe, SYS_select, SYS_dup2, SYS_pause, SYS_alarm,
        SYS_fork, SYS_vfork, SYS_getdents, SYS_rename, SYS_mkdir, SYS_rmdir, SYS_creat, SYS_link, SYS_unlink,
        SYS_symlink, SYS_readlink, SYS_chmod, SYS_chown, SYS_lchown, SYS_getpgrp, SYS_utime, SYS_utimes,
        SYS_futimesat, SYS_arch_prctl, SYS_time, SYS_epoll_create, SYS_epoll_wait, SYS_signalfd, SYS_eventfd,
        SYS_mknod,
    ]);
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a program's call comes to: the kernel takes the strictest verdict, the newest filter's among equals.
    fn verdict(architecture: u32, number: i64, argument: [u64; 6]) -> u32 {
        let filters = Filters::assemble();
        let verdicts =
            [filters.program, filters.zygote].map(|f| interpret(&f, architecture, number, argument));
        verdicts.into_iter().min_by_key(|&v| (v & 0xffff_0000) as i32).unwrap_or(KILL)
    }

    /// Interprets a filter as the kernel does.
    fn interpret(filter: &[u8], architecture: u32, number: i64, argument: [u64; 6]) -> u32 {
        let program: Vec<&[u8]> = filter.chunks(8).collect();
        let (mut at, mut register) = (0usize, 0u32);
        loop {
            let i = program[at];
            let code = u16::from_le_bytes([i[0], i[1]]);
            let value = u32::from_le_bytes([i[4], i[5], i[6], i[7]]);
            at += 1;
            let jump = |is_true: bool| usize::from(if is_true { i[2] } else { i[3] });
            match code {
                LOAD_WORD => {
                    register = match value {
                        NUMBER => number as u32,
                        ARCHITECTURE => architecture,
                        offset => argument[((offset - ARGUMENTS) / 8) as usize] as u32,
                    }
                }
                JUMP_EQUAL => at += jump(register == value),
                JUMP_AT_LEAST => at += jump(register >= value),
                JUMP_ANY_BIT => at += jump(register & value != 0),
                0x05 => at += value as usize,
                RETURN => return value,
                other => panic!("unknown instruction {other:#x}"),
            }
        }
    }

    fn of(number: i64, first: u64, second: u64) -> u32 {
        verdict(THIS_ARCHITECTURE, number, [first, second, 0, 0, 0, 0])
    }

    #[test]
    fn decides_every_number_as_the_list_says() {
        let listed = allowed();
        let special = conditional().into_iter().map(|block| i64::from(block[0].value)).collect::<Vec<_>>();
        let own = [libc::SYS_sched_setaffinity, libc::SYS_sched_setscheduler];
        for call in own {
            assert_eq!((of(call, 0, 0), of(call, 7, 0)), (ALLOW, DENY | libc::EPERM as u32), "call {call}");
        }
        for number in (0..600).filter(|n| !special.contains(n)) {
            let expected = match number {
                _ if SET_UP.contains(&number) => DENY | libc::EPERM as u32,
                _ if listed.contains(&number) => ALLOW,
                _ => DENY | libc::ENOSYS as u32,
            };
            assert_eq!(of(number, 0, 0), expected, "call {number}");
        }
    }

    #[test]
    fn looks_at_arguments() {
        assert_eq!(of(libc::SYS_clone, libc::CLONE_NEWUSER as u64, 0), DENY | libc::EPERM as u32);
        assert_eq!(of(libc::SYS_clone, libc::CLONE_VM as u64, 0), ALLOW);
        assert_eq!(of(libc::SYS_socket, libc::AF_UNIX as u64, 0), ALLOW);
        assert_eq!(of(libc::SYS_socket, libc::AF_INET as u64, 0), DENY | libc::EACCES as u32);
        assert_eq!(of(libc::SYS_ioctl, 0, u64::from(TIOCSTI)), DENY | libc::EPERM as u32);
        assert_eq!(of(libc::SYS_ioctl, 0, u64::from(TIOCLINUX)), DENY | libc::EPERM as u32);
        assert_eq!(of(libc::SYS_ioctl, 0, 0x5401), ALLOW);
        assert_eq!(of(libc::SYS_prlimit64, 0, 7), ALLOW);
        assert_eq!(of(libc::SYS_prlimit64, 1, 7), DENY | libc::EPERM as u32);
        assert_eq!(of(libc::SYS_setpriority, 0, 0), ALLOW);
        assert_eq!(of(libc::SYS_setpriority, 0, 1), DENY | libc::EPERM as u32);
        assert_eq!(of(libc::SYS_setpriority, 2, 0), DENY | libc::EPERM as u32);
    }

    #[test]
    fn syncing_is_answered_as_done() {
        for call in SYNCING {
            assert_eq!(of(call, 3, 0), DENY, "call {call}");
        }
    }

    #[test]
    fn another_architecture_is_killed() {
        assert_eq!(verdict(0x4000_0003, libc::SYS_read, [0; 6]), KILL);
        if cfg!(target_arch = "x86_64") {
            assert_eq!(of(0x4000_0000, 0, 0), KILL, "x32");
        }
    }
}
