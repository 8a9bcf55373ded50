//! Starting a zygote: clone into new namespaces, build the root, give up what is not needed, exec.
//!
//! Between clone and exec the child calls the kernel directly and never allocates: other threads of this process
//! may have held any lock at the moment of the clone.
#![expect(
    unsafe_code,
    reason = "clone, mount and exec have no safe form that is sound in a threaded process"
)]

use std::ffi::{CStr, CString, c_char, c_int, c_long, c_ulong};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;
use std::time::{Duration, Instant};

use crate::root::Step;

/// Uid and gid that a program sees itself as inside a user namespace.
pub(crate) const INNER_UID: u32 = 1000;

/// How the new process is kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Apart {
    /// New mount, pid, net, ipc, uts and cgroup namespaces, with a private root.
    pub(crate) has_namespaces: bool,
    /// A new user namespace around them.
    pub(crate) has_user_namespace: bool,
    /// A `/proc` of its own, by which the zygote watches a run's processes. Containers that mask parts of theirs forbid it.
    pub(crate) has_proc: bool,
}

/// Everything the child needs, allocated beforehand.
pub(crate) struct Launch<'a> {
    /// Namespaces.
    pub(crate) apart: Apart,
    /// Steps that build the root; empty without namespaces.
    pub(crate) root: &'a [Step],
    /// Program and arguments; empty: only try the namespaces and the root, then exit.
    pub(crate) command: &'a [CString],
    /// Environment, as `NAME=value`.
    pub(crate) environment: &'a [CString],
    /// Becomes descriptor 3.
    pub(crate) control: BorrowedFd<'a>,
    /// Becomes descriptor 2.
    pub(crate) errors: BorrowedFd<'a>,
    /// Becomes descriptor 4, or `/dev/null` does.
    pub(crate) machine: Option<BorrowedFd<'a>>,
    /// The plain uid a root parent gives to programs, mapped to `INNER_UID`.
    pub(crate) plain_uid: u32,
}

/// What `LaunchError::doing` says where the private `/proc` failed.
pub(crate) const MOUNTING_PROC: &str = "mounting a private /proc";
/// What it says where root may not give the new user namespace a plain user.
pub(crate) const MAPPING_USERS: &str = "mapping users";

/// Why a start failed: the step, and the system's error.
#[derive(Debug)]
pub(crate) struct LaunchError {
    /// What was being done.
    pub(crate) doing: String,
    /// What the system said.
    pub(crate) error: std::io::Error,
}

impl std::fmt::Display for LaunchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.doing, self.error)
    }
}

/// A child process that is killed and waited for when dropped.
#[derive(Debug)]
pub(crate) struct Child {
    /// Its process id as this process sees it.
    pub(crate) pid: i32,
    is_reaped: bool,
}

impl Child {
    /// Waits until it ended, at most `limit`; the wait status if it did.
    pub(crate) fn wait(&mut self, limit: Duration) -> Option<i32> {
        let until = Instant::now() + limit;
        loop {
            let mut status = 0;
            // SAFETY: `status` outlives the call; the pid is our own unreaped child.
            let result = unsafe { libc::waitpid(self.pid, &raw mut status, libc::WNOHANG) };
            if result == self.pid || result < 0 {
                self.is_reaped = true;
                return Some(status);
            }
            if Instant::now() >= until {
                return None;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Ends it; its pid namespace, and so everything a program left, ends with it.
    pub(crate) fn kill(&self) {
        if !self.is_reaped {
            // SAFETY: the pid is our own unreaped child, so it cannot have been given to another process.
            unsafe { libc::kill(self.pid, libc::SIGKILL) };
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.is_reaped {
            self.kill();
            if self.wait(Duration::from_secs(5)).is_none() {
                tracing::warn!(pid = self.pid, "a sandbox worker did not end within 5 s of SIGKILL");
            }
        }
    }
}

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    // SAFETY: takes no arguments and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Starts the child; `prepare(pid)` runs before it does anything (the place to put it into a cgroup).
pub(crate) fn launch(launch: &Launch<'_>, prepare: impl FnOnce(i32)) -> Result<Child, LaunchError> {
    let fail = |doing: &str, error: std::io::Error| LaunchError { doing: doing.to_owned(), error };
    let (go_read, go_write) = pipe().map_err(|e| fail("making a pipe", e))?;
    let (status_read, status_write) = pipe().map_err(|e| fail("making a pipe", e))?;
    let mut argv: Vec<*const c_char> = launch.command.iter().map(|a| a.as_ptr()).collect();
    argv.push(ptr::null());
    let mut envp: Vec<*const c_char> = launch.environment.iter().map(|a| a.as_ptr()).collect();
    envp.push(ptr::null());
    let mut flags = libc::SIGCHLD;
    if launch.apart.has_namespaces {
        flags |= libc::CLONE_NEWNS
            | libc::CLONE_NEWPID
            | libc::CLONE_NEWNET
            | libc::CLONE_NEWIPC
            | libc::CLONE_NEWUTS
            | libc::CLONE_NEWCGROUP;
        if launch.apart.has_user_namespace {
            flags |= libc::CLONE_NEWUSER;
        }
    }
    let parent = std::process::id();
    // SAFETY: like fork: no new stack, so the child continues here on a copy of this thread's; it only calls
    // `child_main`, which neither allocates nor returns.
    let pid = unsafe { libc::syscall(libc::SYS_clone, c_long::from(flags), 0, 0, 0, 0) };
    if pid == 0 {
        let go = [go_read.as_raw_fd(), go_write.as_raw_fd()];
        child_main(launch, &argv, &envp, go, status_write.as_raw_fd(), parent);
    }
    if pid < 0 {
        return Err(fail("creating namespaces", std::io::Error::last_os_error()));
    }
    let child = Child { pid: pid as i32, is_reaped: false };
    drop(status_write);
    drop(go_read);
    if launch.apart.has_namespaces && launch.apart.has_user_namespace {
        map_users(child.pid, launch.plain_uid).map_err(|e| fail(MAPPING_USERS, e))?;
    }
    prepare(child.pid);
    rustix::io::write(&go_write, b"g").map_err(|e| fail("starting the worker", e.into()))?;
    let mut report = [0u8; 8];
    match read_report(status_read, &mut report) {
        0 => Ok(child),
        8 => {
            let step = u32::from_le_bytes([report[0], report[1], report[2], report[3]]) as usize;
            let errno = i32::from_le_bytes([report[4], report[5], report[6], report[7]]);
            let doing = match launch.root.get(step) {
                Some(Step::Proc(_)) => MOUNTING_PROC.to_owned(),
                Some(step) => format!("building the private root ({step:?})"),
                None => stage_name(step - launch.root.len()).to_owned(),
            };
            Err(fail(&doing, std::io::Error::from_raw_os_error(errno)))
        }
        _ => Err(fail("starting the worker", std::io::Error::other("it ended before it began"))),
    }
}

/// Reads the child's report until it is complete or the other end closes, within ten seconds.
fn read_report(fd: OwnedFd, report: &mut [u8; 8]) -> usize {
    let until = Instant::now() + Duration::from_secs(10);
    let mut file = File::from(fd);
    let mut used = 0;
    while used < report.len() {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = rustix::event::Timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        let mut fds = [rustix::event::PollFd::new(&file, rustix::event::PollFlags::IN)];
        match rustix::event::poll(&mut fds, Some(&timeout)) {
            Ok(0) => return usize::MAX,
            Ok(_) => match file.read(&mut report[used..]) {
                Ok(0) => break,
                Ok(n) => used += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return usize::MAX,
            },
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return usize::MAX,
        }
    }
    used
}

fn pipe() -> std::io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?)
}

/// Root maps itself and one plain user; an ordinary user can only map itself, also one that is called root here.
fn map_users(pid: i32, plain_uid: u32) -> std::io::Result<()> {
    // SAFETY: take no arguments and cannot fail.
    let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
    let write = |file: &str, text: String| std::fs::write(format!("/proc/{pid}/{file}"), text);
    if uid == 0 {
        match write("uid_map", format!("0 0 1\n{INNER_UID} {plain_uid} 1\n")) {
            Err(_) if is_plain_outside() => {}
            written => {
                written?;
                return write("gid_map", format!("0 0 1\n{INNER_UID} {plain_uid} 1\n"));
            }
        }
    }
    write("setgroups", "deny".into())?;
    write("uid_map", format!("{INNER_UID} {uid} 1\n"))?;
    write("gid_map", format!("{INNER_UID} {gid} 1\n"))
}

/// Whether this process, root of its user namespace, is another user outside of it, as in `unshare --map-root-user`.
fn is_plain_outside() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let mut numbers = map.split_whitespace().filter_map(|n| n.parse::<u64>().ok());
    matches!((numbers.next(), numbers.next()), (Some(0), Some(outside)) if outside != 0)
}

const STAGES: [&str; 7] = [
    "waiting for the supervisor",
    "placing descriptors",
    "keeping capabilities",
    "no_new_privs",
    "the parent-death signal",
    "executing the interpreter",
    "becoming a plain user",
];

fn stage_name(stage: usize) -> &'static str {
    STAGES.get(stage).copied().unwrap_or("starting the worker")
}

/// The child from clone to exec. Reports (step, errno) on failure.
fn child_main(
    launch: &Launch<'_>,
    argv: &[*const c_char],
    envp: &[*const c_char],
    go: [RawFd; 2],
    status: RawFd,
    parent: u32,
) -> ! {
    let failed = |step: usize| -> ! {
        // SAFETY: plain system calls on descriptors this child owns and a buffer on its stack.
        unsafe {
            let errno = *libc::__errno_location();
            let mut report = [0u8; 8];
            report[..4].copy_from_slice(&(step as u32).to_le_bytes());
            report[4..].copy_from_slice(&errno.to_le_bytes());
            libc::write(status, report.as_ptr().cast(), 8);
            libc::_exit(127)
        }
    };
    let stages = launch.root.len();
    // SAFETY: system calls whose pointers are to memory allocated before the clone, or to this stack.
    unsafe {
        // A parent that is killed before it says go: its signal ends this child and, if it died before the signal was asked
        // for, the end of the pipe does, whose other side must not be held open here.
        let zero: c_ulong = 0;
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as c_ulong, zero, zero, zero);
        libc::close(go[1]);
        let mut byte = 0u8;
        if libc::read(go[0], (&raw mut byte).cast(), 1) != 1 {
            libc::_exit(127);
        }
        libc::setsid();
        libc::umask(0o022);
        reset_signals();
        for (index, step) in launch.root.iter().enumerate() {
            if !perform(step) && (launch.apart.has_proc || !matches!(step, Step::Proc(_))) {
                failed(index);
            }
        }
        if launch.apart.has_namespaces {
            // Containers whose seccomp profile allows all the rest may forbid this; the name keeps nothing from anybody.
            let _ = libc::sethostname(c"sandbox".as_ptr(), 7);
        }
        if launch.command.is_empty() {
            // Programs of a root without a user namespace become this user.
            let is_root = !launch.apart.has_user_namespace && libc::getuid() == 0;
            let plain = launch.plain_uid;
            if is_root
                && (libc::setresgid(plain, plain, plain) != 0 || libc::setresuid(plain, plain, plain) != 0)
            {
                failed(stages + STAGES.len() - 1);
            }
            libc::_exit(0);
        }
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
        let control = libc::fcntl(launch.control.as_raw_fd(), libc::F_DUPFD, 64);
        let errors = libc::fcntl(launch.errors.as_raw_fd(), libc::F_DUPFD, 64);
        let machine = launch.machine.map_or(null, |fd| fd.as_raw_fd());
        let machine = libc::fcntl(machine, libc::F_DUPFD, 64);
        let report = libc::fcntl(status, libc::F_DUPFD_CLOEXEC, 64);
        if null < 0 || control < 0 || errors < 0 || machine < 0 || report < 0 {
            failed(stages + 1);
        }
        libc::dup2(null, 0);
        libc::dup2(null, 1);
        libc::dup2(errors, 2);
        libc::dup2(control, 3);
        libc::dup2(machine, 4);
        // From here only 0 to 4 and the report stay; the report closes by itself at exec.
        libc::dup3(report, 5, libc::O_CLOEXEC);
        libc::syscall(libc::SYS_close_range, 6 as c_long, c_long::from(u32::MAX), 0 as c_long);
        let failed = |stage: usize| -> ! {
            let errno = *libc::__errno_location();
            let mut report = [0u8; 8];
            report[..4].copy_from_slice(&((stages + stage) as u32).to_le_bytes());
            report[4..].copy_from_slice(&errno.to_le_bytes());
            libc::write(5, report.as_ptr().cast(), 8);
            libc::_exit(127)
        };
        if launch.apart.has_user_namespace && libc::getuid() != 0 && !keep_capabilities() {
            failed(2);
        }
        if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1 as c_ulong, zero, zero, zero) != 0 {
            failed(3);
        }
        if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as c_ulong, zero, zero, zero) != 0 {
            failed(4);
        }
        // The parent may have died before the signal was asked for (its pid is not visible in a new namespace).
        if !launch.apart.has_namespaces && libc::getppid() as u32 != parent {
            libc::_exit(127);
        }
        libc::execve(argv[0], argv.as_ptr(), envp.as_ptr());
        failed(5)
    }
}

/// Default handlers and an empty mask, whatever the host process had set.
unsafe fn reset_signals() {
    // SAFETY: `action` and `set` are valid for the calls; ignoring failures (SIGKILL, SIGSTOP) is intended.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = libc::SIG_DFL;
        for signal in 1..65 {
            libc::sigaction(signal, &raw const action, ptr::null_mut());
        }
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, ptr::null_mut());
    }
}

/// Keeps, across exec and as a plain user, what mounting `/tmp` and ending programs takes.
unsafe fn keep_capabilities() -> bool {
    const CAP_KILL: u32 = 5;
    const CAP_SYS_PTRACE: u32 = 19;
    const CAP_SYS_ADMIN: u32 = 21;
    let kept = 1u32 << CAP_KILL | 1 << CAP_SYS_PTRACE | 1 << CAP_SYS_ADMIN;
    let header: [u32; 2] = [0x2008_0522, 0];
    let data: [u32; 6] = [kept, kept, kept, 0, 0, 0];
    // SAFETY: header and data have the layout of capability version 3 and outlive the call.
    unsafe {
        if libc::syscall(libc::SYS_capset, header.as_ptr(), data.as_ptr()) != 0 {
            return false;
        }
        [CAP_KILL, CAP_SYS_PTRACE, CAP_SYS_ADMIN].iter().all(|&capability| {
            libc::prctl(
                libc::PR_CAP_AMBIENT,
                libc::PR_CAP_AMBIENT_RAISE as c_ulong,
                c_ulong::from(capability),
                0 as c_ulong,
                0 as c_ulong,
            ) == 0
        })
    }
}

/// Performs one step; false with errno set if it failed.
unsafe fn perform(step: &Step) -> bool {
    // SAFETY: all pointers are to C strings and buffers that live as long as the plan.
    unsafe {
        let mount =
            |source: *const c_char, to: &CStr, kind: *const c_char, flags: c_ulong, data: *const c_char| {
                libc::mount(source, to.as_ptr(), kind, flags, data.cast()) == 0
            };
        match step {
            Step::MakePrivate => {
                mount(ptr::null(), c"/", ptr::null(), libc::MS_REC | libc::MS_PRIVATE, ptr::null())
            }
            Step::Directory(path) => {
                libc::mkdir(path.as_ptr(), 0o755) == 0 || *libc::__errno_location() == libc::EEXIST
            }
            Step::Link(target, path) => libc::symlink(target.as_ptr(), path.as_ptr()) == 0,
            Step::File(path, bytes) => write_file(path, bytes),
            Step::Mount(kind, to, data) => {
                mount(kind.as_ptr(), to, kind.as_ptr(), libc::MS_NOSUID | libc::MS_NODEV, data.as_ptr())
            }
            Step::Proc(to) => {
                let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
                mount(c"proc".as_ptr(), to, c"proc".as_ptr(), flags, c"hidepid=2,subset=pid".as_ptr())
            }
            Step::Bind(from, to) => {
                mount(from.as_ptr(), to, ptr::null(), libc::MS_BIND | libc::MS_REC, ptr::null())
            }
            Step::Harden { path, keeps_devices, is_recursive } => harden(path, *keeps_devices, *is_recursive),
            Step::Pivot(to, old) => {
                libc::syscall(libc::SYS_pivot_root, to.as_ptr(), old.as_ptr()) == 0
                    && libc::chdir(c"/".as_ptr()) == 0
            }
            Step::PivotAway(to) => {
                libc::chdir(to.as_ptr()) == 0
                    && libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) == 0
                    && libc::umount2(c".".as_ptr(), libc::MNT_DETACH) == 0
                    && libc::chdir(c"/".as_ptr()) == 0
            }
        }
    }
}

unsafe fn write_file(path: &CStr, bytes: &[u8]) -> bool {
    // SAFETY: the buffer is valid for its length; the descriptor is closed on every way out.
    unsafe {
        let fd: c_int = libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CREAT | libc::O_CLOEXEC, 0o644);
        if fd < 0 {
            return false;
        }
        let is_written = libc::write(fd, bytes.as_ptr().cast(), bytes.len()) == bytes.len() as isize;
        libc::close(fd);
        is_written
    }
}

unsafe fn harden(path: &CStr, keeps_devices: bool, is_recursive: bool) -> bool {
    const RDONLY: u64 = 1;
    const NOSUID: u64 = 2;
    const NODEV: u64 = 4;
    let attributes: [u64; 4] = [RDONLY | NOSUID | if keeps_devices { 0 } else { NODEV }, 0, 0, 0];
    let flags = if is_recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: `attributes` has the layout of struct mount_attr (4 × u64) and outlives the call.
    unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            flags as c_long,
            attributes.as_ptr(),
            size_of_val(&attributes),
        ) == 0
    }
}

/// Landlock's version on this kernel; 0 if there is none.
pub(crate) fn landlock_version() -> i64 {
    // SAFETY: the documented query form: no ruleset, size 0, flag 1.
    unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, ptr::null::<u8>(), 0usize, 1u32).max(0) }
}
