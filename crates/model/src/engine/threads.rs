//! A small pool of compute threads: one parallel-for, nothing else.
//!
//! A layer is a few dozen short parallel sections, so hand-over has to cost microseconds: workers spin for a moment
//! before they park. Threads share out whole tasks and never split a sum, so results do not depend on their number.
#![expect(unsafe_code, reason = "hands a borrowed closure to threads that outlive the call")]

use std::cell::UnsafeCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle, Thread};

/// Spins before a waiting thread parks; about 50 µs.
const SPINS: u32 = 4_000;

type Job = *const (dyn Fn(usize) + Sync);

struct Shared {
    /// Bumped once a job; workers wait for it to change.
    epoch: AtomicUsize,
    job: UnsafeCell<Option<(Job, usize)>>,
    next_task: AtomicUsize,
    /// Workers that have not finished the current job.
    busy: AtomicUsize,
    parked: Vec<AtomicBool>,
    panicked: AtomicBool,
    stopping: AtomicBool,
}

// SAFETY: `job` is written only by `Pool::run` (which is exclusive by `running`) while no worker reads it: workers read
// it after the release bump of `epoch` and are all counted out of `busy` before `run` returns.
unsafe impl Sync for Shared {}
// SAFETY: the raw pointer in `job` is only dereferenced during the `run` call that put it there.
unsafe impl Send for Shared {}

/// A fixed set of compute threads, the caller's included.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    workers: Vec<(JoinHandle<()>, Thread)>,
    running: AtomicBool,
}

impl Pool {
    /// A pool of `threads` threads; 0 means one a core.
    #[must_use]
    pub(crate) fn new(threads: usize) -> Pool {
        let threads =
            if threads == 0 { thread::available_parallelism().map_or(1, usize::from) } else { threads };
        let shared = Arc::new(Shared {
            epoch: AtomicUsize::new(0),
            job: UnsafeCell::new(None),
            next_task: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            parked: (1..threads).map(|_| AtomicBool::new(false)).collect(),
            panicked: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
        });
        let spawn = |index: usize| {
            let shared = Arc::clone(&shared);
            let builder = thread::Builder::new().name(format!("hone-compute-{}", index + 1));
            // A machine that cannot start a thread computes with fewer: the results are the same.
            builder.spawn(move || work(&shared, index)).ok().map(|handle| {
                let thread = handle.thread().clone();
                (handle, thread)
            })
        };
        let workers = (0..threads - 1).map_while(spawn).collect();
        Pool { shared, workers, running: AtomicBool::new(false) }
    }

    /// Number of threads, the caller's included.
    #[must_use]
    pub(crate) fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `task(0..tasks)`, each once, on all threads; returns when all are done.
    ///
    /// A nested call, or one from a second thread at the same time, runs serially on its own thread.
    pub(crate) fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        if tasks <= 1 || self.workers.is_empty() || self.running.swap(true, Ordering::Acquire) {
            (0..tasks).for_each(task);
            return;
        }
        let shared = &*self.shared;
        // SAFETY: erases the closure's lifetime; this call returns only after every worker has left the job.
        let job: Job = unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), Job>(task) };
        // SAFETY: no worker reads `job` now: all were counted out of the previous one.
        unsafe { *shared.job.get() = Some((job, tasks)) };
        shared.next_task.store(0, Ordering::Relaxed);
        shared.busy.store(self.workers.len(), Ordering::Relaxed);
        shared.epoch.fetch_add(1, Ordering::SeqCst);
        for (parked, (_, thread)) in shared.parked.iter().zip(&self.workers) {
            if parked.load(Ordering::SeqCst) {
                thread.unpark();
            }
        }
        let own = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| take_tasks(shared, tasks, task)));
        let mut spins = 0;
        while shared.busy.load(Ordering::Acquire) != 0 {
            spins += 1;
            if spins < SPINS { std::hint::spin_loop() } else { thread::yield_now() }
        }
        let worker_panicked = shared.panicked.swap(false, Ordering::Relaxed);
        self.running.store(false, Ordering::Release);
        if let Err(payload) = own {
            std::panic::resume_unwind(payload);
        }
        assert!(!worker_panicked, "a compute task panicked on a worker thread");
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.shared.epoch.fetch_add(1, Ordering::SeqCst);
        for (handle, thread) in self.workers.drain(..) {
            thread.unpark();
            // A worker's panic was already reported by `run`.
            let _ = handle.join();
        }
    }
}

fn take_tasks(shared: &Shared, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
    loop {
        let index = shared.next_task.fetch_add(1, Ordering::Relaxed);
        if index >= tasks {
            return;
        }
        task(index);
    }
}

fn work(shared: &Shared, index: usize) {
    let mut seen = 0;
    loop {
        seen = await_epoch(shared, index, seen);
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        // SAFETY: `run` wrote the job before it bumped the epoch and keeps it alive until `busy` is 0.
        if let Some((job, tasks)) = unsafe { *shared.job.get() } {
            // SAFETY: as above; the closure is Sync.
            let task = unsafe { &*job };
            let run = std::panic::AssertUnwindSafe(|| take_tasks(shared, tasks, task));
            if std::panic::catch_unwind(run).is_err() {
                shared.panicked.store(true, Ordering::Relaxed);
            }
        }
        shared.busy.fetch_sub(1, Ordering::Release);
    }
}

fn await_epoch(shared: &Shared, index: usize, seen: usize) -> usize {
    for _ in 0..SPINS {
        let epoch = shared.epoch.load(Ordering::Acquire);
        if epoch != seen {
            return epoch;
        }
        std::hint::spin_loop();
    }
    shared.parked[index].store(true, Ordering::SeqCst);
    loop {
        let epoch = shared.epoch.load(Ordering::SeqCst);
        if epoch != seen {
            shared.parked[index].store(false, Ordering::SeqCst);
            return epoch;
        }
        thread::park();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_runs_once() {
        for threads in [1, 2, 4] {
            let pool = Pool::new(threads);
            for tasks in [0, 1, 2, 7, 100] {
                let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                pool.run(tasks, &|i| {
                    counts[i].fetch_add(1, Ordering::Relaxed);
                });
                assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn nested_and_repeated_calls_finish() {
        let pool = Pool::new(2);
        let sum = AtomicUsize::new(0);
        for _ in 0..1_000 {
            pool.run(4, &|_| {
                pool.run(2, &|_| {
                    sum.fetch_add(1, Ordering::Relaxed);
                })
            });
        }
        assert_eq!(sum.load(Ordering::Relaxed), 8_000);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_survives() {
        let pool = Pool::new(2);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            pool.run(8, &|i| assert!(i != 5, "task five"));
        }));
        assert!(result.is_err());
        let sum = AtomicUsize::new(0);
        pool.run(3, &|i| {
            sum.fetch_add(i, Ordering::Relaxed);
        });
        assert_eq!(sum.load(Ordering::Relaxed), 3);
    }
}
