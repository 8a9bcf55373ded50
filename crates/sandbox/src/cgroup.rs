//! A control group for one zygote: memory and process counts of all its runs together, where the machine lets us.
//!
//! Version 1 (memory, pids) and version 2 (both in one directory) by writing files; ordinary users usually have
//! neither, and then limits per process and the zygote's own watch over `/proc` are all there is.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

static NEXT: AtomicU64 = AtomicU64::new(0);

/// Room for the zygote itself, beside the run's own memory.
const ZYGOTE_BYTES: u64 = 48 << 20;
/// The zygote itself, beside the run's own processes.
const ZYGOTE_PROCESSES: u32 = 1;

/// The directories of one group; removed when dropped.
#[derive(Debug)]
pub(crate) struct Cgroup {
    memory: Option<PathBuf>,
    pids: Option<PathBuf>,
    is_v2: bool,
    limits: (u64, u32),
    /// Where the kernel counts what it ended for want of memory; read after every run.
    events: Option<File>,
    /// Where it counts the processes and threads that it refused; read after every run too.
    refusals: Option<File>,
}

/// Where this process's groups are, by controller.
struct Places {
    memory: Option<PathBuf>,
    pids: Option<PathBuf>,
    is_v2: bool,
}

fn places() -> Places {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let root = Path::new("/sys/fs/cgroup");
    let of = |controller: &str| {
        let line = own
            .lines()
            .find(|l| l.split(':').nth(1).is_some_and(|c| c.split(',').any(|c| c == controller)))?;
        let path = line.splitn(3, ':').nth(2)?;
        let mount = root.join(controller);
        [mount.join(path.trim_start_matches('/')), mount]
            .into_iter()
            .find(|p| p.join("cgroup.procs").exists())
    };
    if root.join("cgroup.controllers").exists() {
        let path = own.lines().find_map(|l| l.strip_prefix("0::")).unwrap_or("/");
        let here = root.join(path.trim_start_matches('/'));
        let has = |name: &str| {
            fs::read_to_string(here.join("cgroup.subtree_control"))
                .is_ok_and(|t| t.split_whitespace().any(|c| c == name))
        };
        let place = |name: &str| has(name).then(|| here.clone());
        return Places { memory: place("memory"), pids: place("pids"), is_v2: true };
    }
    Places { memory: of("memory"), pids: of("pids"), is_v2: false }
}

impl Cgroup {
    /// A new group, or `None` where this process may not make one that limits memory.
    pub(crate) fn create() -> Option<Cgroup> {
        let places = places();
        let name = format!("hone-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let make = |parent: Option<PathBuf>| {
            let parent = parent?;
            sweep(&parent);
            let path = parent.join(&name);
            fs::create_dir(&path).is_ok().then_some(path)
        };
        let memory = make(places.memory);
        let pids = if places.is_v2 { memory.clone() } else { make(places.pids) };
        let mut group =
            Cgroup { memory, pids, is_v2: places.is_v2, limits: (0, 0), events: None, refusals: None };
        let events = if group.is_v2 { "memory.events" } else { "memory.oom_control" };
        group.events = File::open(group.memory.as_ref()?.join(events)).ok();
        group.refusals = group.pids.as_ref().and_then(|path| File::open(path.join("pids.events")).ok());
        group.limit(512 << 20, 64).then_some(group)
    }

    /// Names of what it limits.
    pub(crate) fn layers(&self) -> Vec<String> {
        let version = if self.is_v2 { "v2" } else { "v1" };
        let memory = self.memory.as_ref().map(|_| format!("cgroup-{version}-memory"));
        let pids = self.pids.as_ref().map(|_| format!("cgroup-{version}-pids"));
        memory.into_iter().chain(pids).collect()
    }

    /// Moves a process in; its children follow.
    pub(crate) fn add(&self, pid: i32) -> bool {
        let add = |path: &PathBuf| fs::write(path.join("cgroup.procs"), pid.to_string()).is_ok();
        self.memory.iter().all(add) && self.pids.iter().all(add)
    }

    /// Sets the limits of the next run; false if the kernel refused.
    pub(crate) fn limit(&mut self, memory_bytes: u64, processes: u32) -> bool {
        if self.limits == (memory_bytes, processes) {
            return true;
        }
        let total = memory_bytes.saturating_add(ZYGOTE_BYTES).to_string();
        let mut is_set = true;
        if let Some(path) = &self.memory {
            let (file, swap) = if self.is_v2 {
                ("memory.max", "memory.swap.max")
            } else {
                ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
            };
            // Swap is bounded where the kernel accounts for it; the order matters for growing and shrinking in v1.
            if !self.is_v2 {
                let _ = fs::write(path.join(swap), "-1");
            }
            is_set &= fs::write(path.join(file), &total).is_ok();
            let _ = fs::write(path.join(swap), if self.is_v2 { "0" } else { &total });
        }
        if let Some(path) = &self.pids {
            let most = processes.saturating_add(ZYGOTE_PROCESSES).to_string();
            is_set &= fs::write(path.join("pids.max"), most).is_ok();
        }
        self.limits = if is_set { (memory_bytes, processes) } else { (0, 0) };
        is_set
    }

    /// Whether it limits processes, and tells when it refuses one.
    pub(crate) fn limits_processes(&self) -> bool {
        self.refusals.is_some()
    }

    /// How often the kernel ended a process of this group for want of memory.
    pub(crate) fn oom_kills(&self) -> u64 {
        self.events.as_ref().and_then(|file| count(file, "oom_kill ")).unwrap_or(0)
    }

    /// How often the kernel refused this group a process or thread; `None` if it does not count that.
    pub(crate) fn refused_forks(&self) -> Option<u64> {
        count(self.refusals.as_ref()?, "max ")
    }

    /// Ids of all its threads, one a line.
    pub(crate) fn threads(&self) -> Option<String> {
        let file = if self.is_v2 { "cgroup.threads" } else { "tasks" };
        fs::read_to_string(self.pids.as_ref()?.join(file)).ok()
    }
}

/// The number behind a name in a file of such lines.
fn count(file: &File, name: &str) -> Option<u64> {
    let mut buffer = [0u8; 512];
    let length = file.read_at(&mut buffer, 0).ok()?;
    let text = String::from_utf8_lossy(&buffer[..length]);
    text.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok()
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for path in self.memory.iter().chain(&self.pids) {
            for _ in 0..200 {
                match fs::remove_dir(path) {
                    Ok(()) => break,
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => break,
                    Err(_) => std::thread::sleep(std::time::Duration::from_millis(5)),
                }
            }
        }
    }
}

/// Removes empty groups that a killed process of ours left behind.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name
            .to_str()
            .and_then(|n| n.strip_prefix("hone-"))
            .and_then(|n| n.split('-').next()?.parse::<u32>().ok());
        if pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            let _ = fs::remove_dir(entry.path());
        }
    }
}
