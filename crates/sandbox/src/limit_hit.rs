//! Which limit a failed run reached: by the kernel's own bookkeeping, else by what the program says of its end.
//!
//! It explains a class and never decides one, so nothing that a program claims here can turn a failure into a pass.

use crate::zygote::{Reason, Reply, Zygote};
use crate::{LimitHit, LimitName, Limits, Outcome, OutcomeClass};

/// Files that a private `/tmp` may hold; `nr_inodes` in `scratch.py`.
const DISK_FILES: u64 = 4096;

/// The limit that a run reached, if it failed and reached one. Of several `replies`, the first is the program's own.
pub(crate) fn limit_hit(
    zygote: &Zygote,
    replies: &[&Reply],
    limits: &Limits,
    outcome: &Outcome,
) -> Option<LimitHit> {
    let limit = match outcome.class {
        OutcomeClass::CompileError | OutcomeClass::Passed => return None,
        OutcomeClass::Timeout => {
            let late = replies.iter().find(|reply| matches!(reply.reason, Reason::Cpu | Reason::Wall));
            if late.is_some_and(|reply| reply.reason == Reason::Wall) {
                LimitName::WallMs
            } else {
                LimitName::CpuMs
            }
        }
        OutcomeClass::MemoryLimit => LimitName::MemoryBytes,
        OutcomeClass::OutputLimit => LimitName::OutputBytes,
        OutcomeClass::RuntimeError | OutcomeClass::WrongAnswer => {
            counted(zygote, replies.first()?, limits, outcome)
                .or_else(|| claimed(outcome, zygote.was_refused_forks == Some(false)))?
        }
    };
    let value = match limit {
        LimitName::CpuMs => limits.cpu_ms,
        LimitName::WallMs => limits.wall_ms,
        LimitName::MemoryBytes => limits.memory_bytes,
        LimitName::OutputBytes => limits.output_bytes,
        LimitName::Processes => limits.processes.into(),
        LimitName::OpenFiles => limits.open_files.into(),
        LimitName::DiskBytes => limits.disk_bytes,
        LimitName::DiskFiles => DISK_FILES,
    };
    Some(LimitHit { limit, value })
}

/// What the kernel tells.
fn counted(zygote: &Zygote, reply: &Reply, limits: &Limits, outcome: &Outcome) -> Option<LimitName> {
    // Within the last part of its memory no block of a usual size is found any more. A peak holds some 10 MB of ours.
    let is_full =
        |peak: u64| limits.memory_bytes >= 64 << 20 && peak >= limits.memory_bytes - limits.memory_bytes / 64;
    if outcome.signal == Some(libc::SIGXFSZ) {
        Some(LimitName::DiskBytes)
    } else if zygote.was_refused_forks == Some(true) {
        Some(LimitName::Processes)
    } else if reply.is_disk_full {
        Some(LimitName::DiskBytes)
    } else if reply.is_out_of_files {
        Some(LimitName::DiskFiles)
    } else if outcome.peak_memory_bytes.is_some_and(is_full) {
        Some(LimitName::MemoryBytes)
    } else {
        None
    }
}

/// What the program's error means, or the end of its stderr if it has none. `has_room`: the kernel knows that no process
/// and no thread was refused.
fn claimed(outcome: &Outcome, has_room: bool) -> Option<LimitName> {
    let (kind, found) = match &outcome.error {
        // A test's own words.
        Some(error) if error.kind == "AssertionError" => return None,
        Some(error) => (&*error.kind, meaning(&error.message)),
        None => ("", outcome.stderr.lines().rev().take(20).find_map(meaning)),
    };
    match found {
        // What there was no room for is a thread's stack.
        Some(Meaning::Thread) if has_room => Some(LimitName::MemoryBytes),
        Some(Meaning::Again) if has_room => (kind == "std::system_error").then_some(LimitName::MemoryBytes),
        Some(Meaning::Thread | Meaning::Again) => Some(LimitName::Processes),
        Some(Meaning::Limit(limit)) => Some(limit),
        None => None,
    }
}

/// What a message is about.
#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    /// This limit.
    Limit(LimitName),
    /// A thread that could not be started.
    Thread,
    /// The system's word for a process or thread too many, and for other things.
    Again,
}

/// What a message is about, in any language's words.
fn meaning(message: &str) -> Option<Meaning> {
    let message = message.to_lowercase();
    let is_any = |marks: &[&str]| marks.iter().any(|mark| message.contains(mark));
    // Python names the file that it could not make; what it could not write to, it does not.
    if message.starts_with("[errno 28]") && message.contains(": '") {
        Some(Meaning::Limit(LimitName::DiskFiles))
    } else if is_any(&["too many open files", "emfile"]) && !is_any(&["too many open files in system"]) {
        Some(Meaning::Limit(LimitName::OpenFiles))
    } else if is_any(&["no space left on device", "file too large", "quota exceeded", "enospc", "efbig"]) {
        Some(Meaning::Limit(LimitName::DiskBytes))
    } else if is_any(&[
        "can't start new thread",
        "unable to create native thread",
        "failed to create new os thread",
        "newosproc",
        "failed to spawn thread",
    ]) {
        Some(Meaning::Thread)
    } else if is_any(&["resource temporarily unavailable", "eagain"]) {
        Some(Meaning::Again)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_every_language_mean_a_limit() {
        use LimitName::{DiskBytes, DiskFiles, OpenFiles};
        use Meaning::{Again, Limit, Thread};
        for (message, limit) in [
            ("[Errno 11] Resource temporarily unavailable", Some(Again)),
            ("can't start new thread", Some(Thread)),
            ("[Errno 24] Too many open files: '/dev/null'", Some(Limit(OpenFiles))),
            ("[Errno 27] File too large", Some(Limit(DiskBytes))),
            ("[Errno 28] No space left on device", Some(Limit(DiskBytes))),
            ("[Errno 28] No space left on device: '/tmp/x'", Some(Limit(DiskFiles))),
            ("[Errno 122] Disk quota exceeded", Some(Limit(DiskBytes))),
            ("EMFILE: too many open files, open '/dev/null'", Some(Limit(OpenFiles))),
            ("spawn sh EAGAIN", Some(Again)),
            ("ENOSPC: no space left on device, write", Some(Limit(DiskBytes))),
            ("Os { code: 11, kind: WouldBlock, message: \"Resource temporarily unavailable\" }", Some(Again)),
            ("runtime: failed to create new OS thread (have 9 already; errno=11)", Some(Thread)),
            ("unable to create native thread: possibly out of memory", Some(Thread)),
            ("/program/program.sh: fork: retry: Resource temporarily unavailable", Some(Again)),
            ("Too many open files in system", None),
            ("division by zero", None),
            ("", None),
        ] {
            assert_eq!(meaning(message), limit, "{message}");
        }
    }
}
