//! Waiting for runs and their output at once, with a limit on every wait.

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::crush::Crush;
use crate::zygote::{Reply, Zygote};

/// How long past its wall limit a zygote may take to end a run before it counts as dead.
const GRACE: Duration = Duration::from_secs(8);
/// How far a zygote may stretch a wall limit while the machine is busy with others; `MOST_STRETCH` in `zygote.py`.
const MOST_STRETCH: u32 = 5;

/// A pipe that is read to its end; what exceeds `limit` is counted, not kept.
#[derive(Debug)]
pub(crate) struct Capture {
    file: std::fs::File,
    is_open: bool,
    limit: usize,
    /// What was read.
    pub(crate) bytes: Vec<u8>,
    /// How many bytes were not kept.
    pub(crate) dropped: u64,
    /// The run that is ended when more than `limit` comes.
    owner: usize,
}

impl Capture {
    /// A capture, and the end of the pipe that the run writes to.
    pub(crate) fn new(limit: u64, owner: usize) -> std::io::Result<(Capture, OwnedFd)> {
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&read, true)?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let capture =
            Capture { file: read.into(), is_open: true, limit, bytes: Vec::new(), dropped: 0, owner };
        Ok((capture, write))
    }

    /// Reads what is there, at most a mebibyte at a time.
    fn drain(&mut self) {
        let mut buffer = [0u8; 16 << 10];
        for _ in 0..64 {
            match self.file.read(&mut buffer) {
                Ok(0) => {
                    self.is_open = false;
                    return;
                }
                Ok(n) => {
                    let kept = n.min(self.limit.saturating_sub(self.bytes.len()));
                    self.bytes.extend_from_slice(&buffer[..kept]);
                    self.dropped += (n - kept) as u64;
                }
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.is_open = false;
                    return;
                }
            }
        }
    }
}

/// So long only replies are waited for: most runs are over by then, and what they print fits into a pipe.
const QUIET: Duration = Duration::from_millis(3);

/// How long a run may take to end by itself once the one that leads has ended.
const LINGER: Duration = Duration::from_millis(20);

/// How often the kernel is asked what it refused to a run.
const LOOK: Duration = Duration::from_millis(25);

/// One run in flight.
pub(crate) struct Flight<'a> {
    pub(crate) zygote: &'a mut Zygote,
    /// What became of it.
    pub(crate) reply: Option<Reply>,
    /// Its wall limit.
    pub(crate) wall: Duration,
    is_ending: bool,
    crush: Crush,
}

impl<'a> Flight<'a> {
    pub(crate) fn new(zygote: &'a mut Zygote, wall_ms: u64) -> Flight<'a> {
        Flight {
            zygote,
            reply: None,
            wall: Duration::from_millis(wall_ms),
            is_ending: false,
            crush: Crush::default(),
        }
    }

    /// Ends it if the kernel tells that it will come to nothing.
    fn look(&mut self) -> Result<(), String> {
        if self.reply.is_none() && (self.zygote.is_out_of_memory() || self.crush.is_hopeless(self.zygote)) {
            self.end()?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        if !self.is_ending && self.reply.is_none() {
            self.is_ending = true;
            self.zygote.end_run()?;
        }
        Ok(())
    }
}

/// Waits for all runs; when run `leader` has ended, the others are ended. An error: a zygote died or hangs.
pub(crate) fn supervise(
    flights: &mut [Flight<'_>],
    captures: &mut [Capture],
    leader: usize,
) -> Result<(), String> {
    let started = Instant::now();
    let mut leader_ended: Option<Instant> = None;
    let mut next_look = LOOK;
    while flights.iter().any(|f| f.reply.is_none()) {
        let until = flights
            .iter()
            .filter(|f| f.reply.is_none())
            .map(|f| f.wall * MOST_STRETCH + GRACE)
            .min()
            .unwrap_or(GRACE);
        let Some(left) = until.checked_sub(started.elapsed()) else {
            return Err("the zygote did not end a run in time".into());
        };
        let left = match leader_ended.and_then(|at| LINGER.checked_sub(at.elapsed())) {
            Some(lingering) => left.min(lingering),
            None => left,
        };
        match QUIET.checked_sub(started.elapsed()) {
            Some(quiet) => wait(flights, &[], left.min(quiet))?,
            None => wait(flights, captures, left.min(LOOK))?,
        }
        for capture in captures.iter_mut().filter(|c| c.is_open) {
            capture.drain();
            if capture.dropped > 0 {
                flights[capture.owner].end()?;
            }
        }
        for flight in flights.iter_mut().filter(|f| f.reply.is_none()) {
            flight.reply = flight.zygote.receive()?;
        }
        if started.elapsed() >= next_look {
            next_look = started.elapsed() + LOOK;
            flights.iter_mut().try_for_each(Flight::look)?;
        }
        if flights[leader].reply.is_some() {
            let ended = *leader_ended.get_or_insert_with(Instant::now);
            if ended.elapsed() >= LINGER {
                flights.iter_mut().try_for_each(Flight::end)?;
            }
        }
    }
    for capture in captures {
        // All writers are gone, so what is left in the pipe is finite.
        while capture.is_open {
            let before = capture.bytes.len() as u64 + capture.dropped;
            capture.drain();
            if capture.bytes.len() as u64 + capture.dropped == before {
                break;
            }
        }
    }
    Ok(())
}

fn wait(flights: &[Flight<'_>], captures: &[Capture], left: Duration) -> Result<(), String> {
    let left = left.min(Duration::from_secs(1));
    let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
    let running = flights.iter().filter(|f| f.reply.is_none()).map(|f| f.zygote.control());
    let open = captures.iter().filter(|c| c.is_open).map(|c| c.file.as_fd());
    let mut fds: Vec<PollFd<'_>> =
        running.chain(open).map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
    match poll(&mut fds, Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(e) => Err(format!("waiting for a run: {e}")),
    }
}
