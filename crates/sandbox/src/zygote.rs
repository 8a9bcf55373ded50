//! The handle of one zygote: start it, hand it a run with its descriptors, read what became of it.
//!
//! Not here: what a run means (`run.rs`, `verdict.rs`) and waiting for several at once (`supervise.rs`).

use std::ffi::CString;
use std::fs::File;
use std::io::{IoSlice, Read, Seek, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde_json::json;

use crate::Limits;
use crate::cgroup::Cgroup;
use crate::layers::{Layers, plain_uid};
use crate::root::{DEVICES, Step};
use crate::seccomp::Filters;
use crate::spawn::{Child, INNER_UID, Launch, is_root, launch};
use crate::toolchain::Python;

/// What is the same for all zygotes of a sandbox.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) python: Python,
    pub(crate) layers: Layers,
    pub(crate) steps: Vec<Step>,
    /// Of the host, readable to programs beside the system's own.
    pub(crate) directories: Vec<PathBuf>,
    /// Programs reserve far more address space than they use, so that only what is resident is bounded.
    pub(crate) reserves_address_space: bool,
    pub(crate) filters: Filters,
}

/// What a zygote's children do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Run programs and solutions.
    Solution,
    /// Run tests.
    Tester,
    /// Become compilers and compiled programs.
    Launcher,
}

/// What a child is to do; the numbers are the protocol's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A plain run.
    Script = 1,
    /// A solution that answers the tester.
    Serve = 2,
    /// The tests.
    Test = 3,
    /// Tests and solution in one process.
    Joint = 4,
    /// Another program, executed in this process's place.
    Launch = 5,
    /// Compilers, one after the other, and what they made.
    Build = 6,
}

const KILL: u32 = 9;

/// Why the zygote ended a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It did not: the program ended by itself.
    Ended,
    /// The supervisor asked for it.
    Killed,
    /// CPU time ran out.
    Cpu,
    /// Wall time ran out.
    Wall,
    /// The process tree held more memory than allowed.
    Memory,
    /// A layer could not be put in force, and nothing ran.
    Setup,
}

/// What had too little of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Starved {
    /// A run of few processes.
    Run,
    /// One of many processes or threads, which gave way to others.
    Crowd,
}

/// What became of a run.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    /// Wait status of the program's first process.
    pub(crate) status: i32,
    pub(crate) reason: Reason,
    /// Time ran out, and the machine was busy with others for much of it.
    pub(crate) starved: Option<Starved>,
    /// `/tmp` had no byte left when a run that failed had ended.
    pub(crate) is_disk_full: bool,
    /// No further file could be made there.
    pub(crate) is_out_of_files: bool,
    /// User and system time of the whole tree, in milliseconds.
    pub(crate) cpu_ms: f64,
    pub(crate) peak_memory_bytes: u64,
    /// What failed, for `Reason::Setup`.
    pub(crate) text: String,
}

const REPLY_BYTES: usize = 40;

/// A started zygote.
#[derive(Debug)]
pub(crate) struct Zygote {
    child: Child,
    control: UnixStream,
    cgroup: Option<Cgroup>,
    scratch: Option<PathBuf>,
    partial: Vec<u8>,
    pub(crate) isolation: Vec<String>,
    oom_kills: u64,
    /// Whether the kernel ended something of the last run for want of memory.
    pub(crate) was_out_of_memory: bool,
    refused_forks: u64,
    /// Whether the kernel refused the last run a process or thread; `None` where it does not count that.
    pub(crate) was_refused_forks: Option<bool>,
    /// The last run had too little of the machine to finish in time.
    pub(crate) was_starved: Option<Starved>,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Modules that programs import often; loaded once, before any run. Each costs every fork its mappings and pages, so what
/// one program in a hundred needs is not here.
const PRELOAD: &[&str] = &[
    "typing",
    "collections",
    "collections.abc",
    "itertools",
    "functools",
    "operator",
    "math",
    "re",
    "string",
    "random",
    "heapq",
    "bisect",
    "copy",
    "datetime",
    "enum",
    "dataclasses",
    "io",
    "json",
    "traceback",
    "threading",
    "array",
    "contextlib",
    "abc",
    "types",
    "numbers",
    "time",
    "atexit",
    "textwrap",
];

const TESTER_PRELOAD: &[&str] = &[
    "typing",
    "collections",
    "collections.abc",
    "itertools",
    "functools",
    "operator",
    "math",
    "re",
    "string",
    "random",
    "heapq",
    "bisect",
    "copy",
    "datetime",
    "decimal",
    "fractions",
    "ast",
    "json",
    "inspect",
    "cmath",
];

impl Zygote {
    /// Starts a zygote and waits until it is ready, at most 30 seconds. Must be called on a thread that lives as long as the zygote.
    ///
    /// Both zygotes of a worker stay on one core: number `worker` of those there are, counted round.
    pub(crate) fn start(setup: &Setup, role: Role, worker: usize) -> Result<Zygote, String> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let (ours, theirs) = UnixStream::pair().map_err(|e| format!("making a socket: {e}"))?;
        let errors =
            memfd_create(c"hone", MemfdFlags::CLOEXEC).map_err(|e| format!("making a memory file: {e}"))?;
        let mut cgroup = if setup.layers.has_cgroup { Cgroup::create() } else { None };
        let uid = plain_uid(number);
        let scratch =
            if setup.layers.apart.has_namespaces { None } else { Some(scratch_directory(number, uid)?) };
        let text = |s: &str| CString::new(s).map_err(|e| e.to_string());
        let python = CString::new(setup.python.path.as_os_str().as_bytes()).map_err(|e| e.to_string())?;
        let flags = [text("-s")?, text("-S")?, text("-B")?, text("-c")?];
        let command = [&[python][..], &flags, &[text(include_str!("python/boot.py"))?]].concat();
        // What is bound when the interpreter starts need not be bound, and its page copied, in every child. Programs do
        // not see this variable: their environment is the one in the greeting.
        let bound = ("LD_BIND_NOW", "1");
        let environment = environment()
            .iter()
            .chain([&bound])
            .map(|(n, v)| text(&format!("{n}={v}")))
            .collect::<Result<Vec<_>, _>>()?;
        let is_namespaced = setup.layers.apart.has_namespaces;
        let machine = File::open("/proc/stat").ok();
        let mut in_cgroup = false;
        let child = launch(
            &Launch {
                apart: setup.layers.apart,
                root: if is_namespaced { &setup.steps } else { &[] },
                command: &command,
                environment: &environment,
                control: theirs.as_fd(),
                errors: errors.as_fd(),
                machine: machine.as_ref().map(AsFd::as_fd),
                plain_uid: uid,
            },
            |pid| {
                in_cgroup = cgroup.as_ref().is_some_and(|g| g.add(pid));
                // The kernel must prefer to end a program, never the zygote.
                let _ = std::fs::write(format!("/proc/{pid}/oom_score_adj"), "-900");
            },
        )
        .map_err(|e| e.to_string())?;
        drop(theirs);
        if !in_cgroup {
            cgroup = None;
        }
        let mut isolation = setup.layers.names();
        isolation.extend(cgroup.iter().flat_map(Cgroup::layers));
        let mut zygote = Zygote {
            child,
            control: ours,
            cgroup,
            scratch,
            partial: Vec::new(),
            isolation,
            oom_kills: 0,
            was_out_of_memory: false,
            refused_forks: 0,
            was_refused_forks: None,
            was_starved: None,
        };
        zygote.greet(setup, role, worker, uid).map_err(|error| {
            let mut said = String::new();
            let mut file = File::from(errors);
            let _ = file.rewind().and_then(|()| file.read_to_string(&mut said));
            format!("the zygote did not start: {error}; it said: {}", said.trim())
        })?;
        Ok(zygote)
    }

    fn greet(&mut self, setup: &Setup, role: Role, worker: usize, uid: u32) -> Result<(), String> {
        let is_namespaced = setup.layers.apart.has_namespaces;
        let uid = match (is_root(), setup.layers.apart.has_user_namespace) {
            (_, true) => Some(INNER_UID),
            (true, false) => Some(uid),
            (false, false) => None,
        };
        let scratch = self.scratch.as_ref().map_or_else(|| "/tmp".to_owned(), |p| p.display().to_string());
        let mut sources = json!({
            "confine": include_str!("python/confine.py"),
            "scratch": include_str!("python/scratch.py"),
            "standing": include_str!("python/standing.py"),
            "preloads": include_str!("python/preloads.py"),
            "census": include_str!("python/census.py"),
            "crowd": include_str!("python/crowd.py"),
            "zygote": include_str!("python/zygote.py"),
        });
        if role == Role::Launcher {
            sources["launch"] = include_str!("python/launch.py").into();
        } else {
            sources["codec"] = include_str!("python/codec.py").into();
            sources["errors"] = include_str!("python/errors.py").into();
            sources["peer"] = include_str!("python/peer.py").into();
            sources["ahead"] = include_str!("python/ahead.py").into();
            sources["program"] = include_str!("python/program.py").into();
            sources["numpy_stand_in"] = include_str!("python/numpy_stand_in.py").into();
            sources["syntax"] = include_str!("python/syntax.py").into();
            sources["suites"] = include_str!("python/suites.py").into();
        }
        match role {
            Role::Solution => {
                sources["joint"] = include_str!("python/joint.py").into();
                sources["folios"] = include_str!("python/folios.py").into();
                sources["backing"] = include_str!("python/backing.py").into();
                sources["pages"] = include_str!("python/pages.py").into();
                sources["rehearsal"] = include_str!("python/rehearsal.py").into();
                sources["warm_up"] = include_str!("python/warm_up.py").into();
            }
            Role::Tester => {
                sources["calls"] = include_str!("python/calls.py").into();
                sources["literals"] = include_str!("python/literals.py").into();
                sources["early"] = include_str!("python/early.py").into();
                sources["loops"] = include_str!("python/loops.py").into();
                sources["preparation"] = include_str!("python/preparation.py").into();
                sources["tester"] = include_str!("python/tester.py").into();
            }
            Role::Launcher => {}
        }
        let preload = match role {
            Role::Solution => PRELOAD,
            Role::Tester => TESTER_PRELOAD,
            Role::Launcher => &[],
        };
        // The zygote counts too where it has the programs' uid; without namespaces, all of the user's processes do.
        let own_processes = if !is_namespaced { 4096 } else { u32::from(!is_root()) };
        // Where a control group counts processes, it is what refuses one too many, as it tells that it did.
        let spare_processes = u32::from(self.cgroup.as_ref().is_some_and(Cgroup::limits_processes));
        let hello = json!({
            "sources": sources,
            "config": {
                "is_namespaced": is_namespaced,
                "has_mounts": is_namespaced,
                "scratch": scratch,
                "disk_bytes": Limits::default().disk_bytes,
                "seccomp": setup.layers.has_seccomp.then(|| json!({
                    "zygote": hex(&setup.filters.zygote),
                    "program": hex(&setup.filters.program),
                })),
                "has_landlock": setup.layers.has_landlock,
                "rules": rules(setup, &scratch),
                "has_cgroup": self.cgroup.is_some(),
                "uid": uid,
                "own_processes": own_processes + spare_processes,
                "path": setup.python.module_path,
                "environment": environment().into_iter().collect::<std::collections::BTreeMap<_, _>>(),
                "reserves_address_space": setup.reserves_address_space,
                "preload": preload,
                "worker": worker,
                // Runtimes of other languages count the cores when they start.
                "is_pinned": role != Role::Launcher,
            },
        })
        .to_string();
        let say = |e: std::io::Error| e.to_string();
        self.control.set_read_timeout(Some(Duration::from_secs(30))).map_err(say)?;
        self.control.set_write_timeout(Some(Duration::from_secs(30))).map_err(say)?;
        self.control.write_all(&(hello.len() as u32).to_le_bytes()).map_err(say)?;
        self.control.write_all(hello.as_bytes()).map_err(say)?;
        let mut ready = [0u8; REPLY_BYTES];
        self.control.read_exact(&mut ready).map_err(say)?;
        self.control.set_nonblocking(true).map_err(say)
    }

    /// Begins a run; `fds` become the child's descriptors 0, 1, 2, ….
    pub(crate) fn begin(
        &mut self,
        operation: Operation,
        limits: &Limits,
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), String> {
        if let Some(group) = &mut self.cgroup
            && !group.limit(limits.memory_bytes, limits.processes.max(1))
        {
            return Err("the control group refused its limits".into());
        }
        self.partial.clear();
        self.was_starved = None;
        let mut header = Vec::with_capacity(48);
        let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        for number in [
            operation as u32,
            small(limits.cpu_ms),
            small(limits.wall_ms),
            limits.processes.max(1),
            limits.open_files.max(16),
            0,
        ] {
            header.extend(number.to_le_bytes());
        }
        for number in [limits.memory_bytes, limits.disk_bytes, 0] {
            header.extend(number.min(1 << 50).to_le_bytes());
        }
        self.send(&header, fds)
    }

    /// Asks the zygote to end the run.
    pub(crate) fn end_run(&mut self) -> Result<(), String> {
        let mut header = [0u8; 48];
        header[..4].copy_from_slice(&KILL.to_le_bytes());
        self.send(&header, &[])
    }

    fn send(&self, header: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), String> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err("too many descriptors for one message".into());
        }
        let sent = sendmsg(&self.control, &[IoSlice::new(header)], &mut ancillary, SendFlags::NOSIGNAL);
        match sent {
            Ok(n) if n == header.len() => Ok(()),
            Ok(_) => Err("the zygote's socket is full".into()),
            Err(e) => Err(format!("the zygote is gone: {e}")),
        }
    }

    /// Its process, as this process sees it.
    pub(crate) fn pid(&self) -> i32 {
        self.child.pid
    }

    /// The socket that becomes readable when a reply comes.
    pub(crate) fn control(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }

    /// How often the kernel refused the present run a process or thread, where it counts that.
    pub(crate) fn refusals(&self) -> Option<u64> {
        Some(self.cgroup.as_ref()?.refused_forks()?.saturating_sub(self.refused_forks))
    }

    /// Ids of its thread and of all of the present run, one a line, where there is a control group.
    pub(crate) fn threads(&self) -> Option<String> {
        self.cgroup.as_ref()?.threads()
    }

    /// Whether the kernel ended something of the present run for want of memory.
    pub(crate) fn is_out_of_memory(&self) -> bool {
        self.cgroup.as_ref().is_some_and(|group| group.oom_kills() > self.oom_kills)
    }

    /// Takes what has arrived; the reply once it is whole.
    pub(crate) fn receive(&mut self) -> Result<Option<Reply>, String> {
        let mut buffer = [0u8; 4096];
        match self.control.read(&mut buffer) {
            Ok(0) => return Err("the zygote died".into()),
            Ok(n) => self.partial.extend_from_slice(&buffer[..n]),
            Err(e)
                if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted) => {}
            Err(e) => return Err(format!("the zygote is gone: {e}")),
        }
        let reply = parse_reply(&self.partial);
        if let Some(reply) = &reply {
            self.was_starved = reply.starved.or(self.was_starved);
            let kills = self.cgroup.as_ref().map_or(0, Cgroup::oom_kills);
            self.was_out_of_memory = kills > self.oom_kills;
            self.oom_kills = kills;
            let refused = self.cgroup.as_ref().and_then(Cgroup::refused_forks);
            self.was_refused_forks = refused.map(|refused| refused > self.refused_forks);
            self.refused_forks = refused.unwrap_or(0);
        }
        Ok(reply)
    }
}

impl Drop for Zygote {
    fn drop(&mut self) {
        self.child.kill();
        self.child.wait(Duration::from_secs(5));
        if let Some(path) = &self.scratch {
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

pub(crate) fn parse_reply(bytes: &[u8]) -> Option<Reply> {
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let long = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let length = word(36)? as usize;
    let text = bytes.get(REPLY_BYTES..REPLY_BYTES + length)?;
    let reason = match word(4)? {
        0 => Reason::Ended,
        1 => Reason::Killed,
        2 => Reason::Cpu,
        3 => Reason::Wall,
        4 => Reason::Memory,
        _ => Reason::Setup,
    };
    Some(Reply {
        status: word(0)? as i32,
        reason,
        starved: match word(8)? & 9 {
            0 => None,
            1 => Some(Starved::Run),
            _ => Some(Starved::Crowd),
        },
        is_disk_full: word(8)? & 2 != 0,
        is_out_of_files: word(8)? & 4 != 0,
        cpu_ms: long(12)?.saturating_add(long(20)?) as f64 / 1e3,
        peak_memory_bytes: long(28)?,
        text: String::from_utf8_lossy(text).into_owned(),
    })
}

/// All that a program finds in its environment.
fn environment() -> [(&'static str, &'static str); 5] {
    [
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("HOME", "/tmp"),
        ("LANG", "C.UTF-8"),
        ("PYTHONHASHSEED", "0"),
        ("PYTHONUTF8", "1"),
    ]
}

/// What Landlock lets a program do where.
fn rules(setup: &Setup, scratch: &str) -> Vec<(String, &'static str)> {
    let mut rules: Vec<(String, &'static str)> = Vec::new();
    if setup.layers.apart.has_namespaces {
        rules.push(("/".into(), "read"));
    } else {
        let system =
            ["/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives"];
        rules.extend(system.map(|p| (p.to_owned(), "read")));
        rules.extend(setup.directories.iter().map(|p| (p.display().to_string(), "read")));
    }
    rules.push((scratch.to_owned(), "write"));
    rules.extend(DEVICES.map(|p| (p.to_owned(), "device")));
    rules
}

const NO_REAL_ROOT: &str = "this user is called root but may not become another user, as in a container without the \
    capabilities CHOWN, SETUID and SETGID, so programs would keep its rights\nhint: run hone as an ordinary user, or add \
    those capabilities to the container";

fn scratch_directory(number: u32, uid: u32) -> Result<PathBuf, String> {
    let path = std::env::temp_dir().join(format!("hone-sandbox-{}-{number}", std::process::id()));
    std::fs::create_dir(&path).map_err(|e| format!("making {}: {e}", path.display()))?;
    if is_root() {
        std::os::unix::fs::chown(&path, Some(uid), Some(uid)).map_err(|e| match e.kind() {
            // Not allowed, or no such user in this user namespace.
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::InvalidInput => {
                NO_REAL_ROOT.to_owned()
            }
            _ => format!("giving {} away: {e}", path.display()),
        })?;
    }
    Ok(path)
}

/// A file in memory that holds `bytes`, positioned at its start, which nobody can change any more.
pub(crate) fn memory_file(bytes: &[u8]) -> std::io::Result<OwnedFd> {
    let fd = memfd_create(c"hone", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut file = File::from(fd);
    file.write_all(bytes)?;
    file.rewind()?;
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(file.into())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
