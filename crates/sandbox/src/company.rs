//! Who runs beside whom: all runs of a pool beside each other, but for those that are made again alone, since the machine
//! was too busy for them the first time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use crate::zygote::Starved;

/// What crowds may have of a pool's time alone: so much, and one part in so many of its life. A program cannot help that
/// the machine is busy, but it chooses how many processes it has, and nobody else runs meanwhile.
const CROWDS: (Duration, u32) = (Duration::from_secs(10), 20);

/// The runs of one pool.
#[derive(Debug)]
pub(crate) struct Company {
    /// Held for reading by every run, for writing by one that must be alone.
    room: RwLock<()>,
    /// How many runs were made again.
    again: AtomicU64,
    began: Instant,
    /// How long crowds were alone.
    crowds: Mutex<Duration>,
}

impl Company {
    pub(crate) fn new() -> Company {
        Company {
            room: RwLock::new(()),
            again: AtomicU64::new(0),
            began: Instant::now(),
            crowds: Mutex::new(Duration::ZERO),
        }
    }

    /// For a run beside others, until the guard is dropped.
    pub(crate) fn join(&self) -> RwLockReadGuard<'_, ()> {
        self.room.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a run again once all others have ended; `None` if it is a crowd, and crowds had enough of the time. Every
    /// wait here is for runs only, and these are bounded in time.
    pub(crate) fn alone<T>(&self, who: Starved, run: impl FnOnce() -> T) -> Option<T> {
        let _room = self.room.write().unwrap_or_else(PoisonError::into_inner);
        let mut crowds = self.crowds.lock().unwrap_or_else(PoisonError::into_inner);
        if who == Starved::Crowd && *crowds > CROWDS.0 + self.began.elapsed() / CROWDS.1 {
            return None;
        }
        let started = Instant::now();
        let result = run();
        self.again.fetch_add(1, Ordering::Relaxed);
        if who == Starved::Crowd {
            *crowds += started.elapsed();
        }
        Some(result)
    }

    /// How many runs were made again alone.
    pub(crate) fn made_again(&self) -> u64 {
        self.again.load(Ordering::Relaxed)
    }
}
