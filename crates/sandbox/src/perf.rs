//! A counter of the kernel's performance events (perf_event_open(2)) over what a zygote's children execute.
//!
//! Opened on the zygote, inherited by what it forks, and switched on by the kernel when such a child executes the
//! measured program: so neither the zygote nor the set-up of the run is counted, and the program cannot reach it.
#![expect(unsafe_code, reason = "perf_event_open has no wrapper, and its attributes are a C struct")]

use std::fs::File;
use std::io::Read;
use std::os::fd::FromRawFd;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// User-mode instructions, by the processor.
    Instructions,
    /// Page faults, by the kernel: every machine has them, so that the mechanism can be tested on any.
    #[cfg(test)]
    PageFaults,
}

/// Why there is no counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CounterError {
    /// The kernel does not allow it to this user.
    Forbidden,
    /// The machine has none.
    Absent,
}

/// An open counter; closed when dropped.
#[derive(Debug)]
pub(crate) struct Counter(File);

/// `struct perf_event_attr`, version 0 (64 bytes): all that is needed here.
#[repr(C)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    breakpoint_type: u32,
    breakpoint_address: u64,
}

const HARDWARE: u32 = 0;
const INSTRUCTIONS: u64 = 1;
const TIME_ENABLED_AND_RUNNING: u64 = 1 | 2;
const DISABLED: u64 = 1 << 0;
const INHERIT: u64 = 1 << 1;
const EXCLUDE_KERNEL: u64 = 1 << 5;
const EXCLUDE_HYPERVISOR: u64 = 1 << 6;
const ENABLE_ON_EXEC: u64 = 1 << 12;
const CLOSE_ON_EXEC: usize = 1 << 3;

impl Counter {
    /// A counter over the next child of `pid` (0: this thread) and all of its own, from the moment that it executes a program.
    ///
    /// A second child might not be counted: where parent and child have the same counters, the kernel may exchange these when it
    /// switches from one to the other, and the counter ends with the first child.
    pub(crate) fn open(pid: i32, event: Event) -> Result<Counter, CounterError> {
        let (kind, config) = match event {
            Event::Instructions => (HARDWARE, INSTRUCTIONS),
            #[cfg(test)]
            Event::PageFaults => (1, 2),
        };
        let attributes = Attributes {
            kind,
            size: size_of::<Attributes>() as u32,
            config,
            sample_period: 0,
            sample_type: 0,
            read_format: TIME_ENABLED_AND_RUNNING,
            flags: DISABLED | INHERIT | EXCLUDE_KERNEL | EXCLUDE_HYPERVISOR | ENABLE_ON_EXEC,
            wakeup_events: 0,
            breakpoint_type: 0,
            breakpoint_address: 0,
        };
        // SAFETY: the attributes have the layout and the size that they state, and outlive the call.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_perf_event_open,
                &raw const attributes,
                pid as libc::pid_t,
                -1 as libc::c_int,
                -1 as libc::c_int,
                CLOSE_ON_EXEC,
            )
        };
        if fd < 0 {
            let error = std::io::Error::last_os_error().raw_os_error();
            return Err(match error {
                Some(libc::EACCES | libc::EPERM) => CounterError::Forbidden,
                _ => CounterError::Absent,
            });
        }
        // SAFETY: the kernel gave a new descriptor that nothing else owns.
        Ok(Counter(unsafe { File::from_raw_fd(fd as i32) }))
    }

    /// What was counted, if the counter ran all the time that it was switched on.
    pub(crate) fn read(&self) -> Option<u64> {
        let mut bytes = [0u8; 24];
        (&self.0).read_exact(&mut bytes).ok()?;
        let number = |at: usize| {
            let mut word = [0u8; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(word)
        };
        let (count, enabled, running) = (number(0), number(8), number(16));
        (running > 0 && running == enabled).then_some(count)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Page faults of a shell and what it starts; `None` if this user may not count events.
    fn faults_of(script: &str) -> Option<u64> {
        let counter = Counter::open(0, Event::PageFaults).ok()?;
        assert_eq!(counter.read(), None, "nothing was executed yet");
        let status = Command::new("/bin/sh").args(["-c", script]).status();
        assert!(status.is_ok_and(|status| status.success()));
        Some(counter.read().expect("it ran"))
    }

    #[test]
    fn children_are_counted_from_their_first_instruction_on() {
        let Some(none) = faults_of("exit 0") else {
            eprintln!("skipped: this user may not count events");
            return;
        };
        let two = faults_of("/bin/true; /bin/true; exit 0").expect("as before");
        assert!(none > 20 && two > none + none / 2, "{none} {two}");
    }
}
