//! A bounded queue before the pool: work comes from threads or from async code, answers come as tickets.
//!
//! A full queue pushes back: `submit` blocks, `try_submit` refuses, `submit_async` waits without blocking its thread.
//! No async runtime is needed or assumed: a ticket is a plain `Future`. Not here: the workers (`pool.rs`).

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::{Sandbox, SandboxError};

type Job = Box<dyn FnOnce(&Sandbox) + Send>;

/// A bounded queue of work for a sandbox, with as many threads as the sandbox has workers.
///
/// Dropping it waits for what is running; what is still queued is answered with an error.
///
/// ```no_run
/// # fn main() -> Result<(), hone_sandbox::SandboxError> {
/// use hone_sandbox::{Limits, Queue, Sandbox, SandboxConfig};
/// let queue = Queue::start(Sandbox::start(SandboxConfig::default())?.into(), 64)?;
/// let ticket = queue.submit(|sandbox| sandbox.run("print(1)", b"", &Limits::default()));
/// println!("{}", ticket.wait()?.stdout); // or, in async code: ticket.await?
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Queue {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    has_job: Condvar,
    has_room: Condvar,
    capacity: usize,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    is_closed: bool,
    /// Async callers that wait for room.
    waiting: Vec<Waker>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

impl Queue {
    /// A queue that holds at most `capacity` pieces of work beside those that are running.
    pub fn start(sandbox: Arc<Sandbox>, capacity: usize) -> Result<Queue, SandboxError> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            has_job: Condvar::new(),
            has_room: Condvar::new(),
            capacity: capacity.max(1),
        });
        let mut queue = Queue { shared: Arc::clone(&shared), threads: Vec::new() };
        for number in 0..sandbox.workers() {
            let (shared, sandbox) = (Arc::clone(&shared), Arc::clone(&sandbox));
            let thread = std::thread::Builder::new()
                .name(format!("sandbox-queue-{number}"))
                .spawn(move || shared.work(&sandbox))
                .map_err(|e| SandboxError::Worker(format!("starting a thread: {e}")))?;
            queue.threads.push(thread);
        }
        Ok(queue)
    }

    /// Hands work in; blocks while the queue is full.
    pub fn submit<T, F>(&self, work: F) -> Ticket<T>
    where
        T: Send + 'static,
        F: FnOnce(&Sandbox) -> Result<T, SandboxError> + Send + 'static,
    {
        let (job, ticket) = pair(work);
        let mut state = self.shared.lock();
        while state.jobs.len() >= self.shared.capacity {
            state = self.shared.has_room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        self.shared.push(state, job);
        ticket
    }

    /// Hands work in, or gives it back if the queue is full.
    pub fn try_submit<T, F>(&self, work: F) -> Result<Ticket<T>, F>
    where
        T: Send + 'static,
        F: FnOnce(&Sandbox) -> Result<T, SandboxError> + Send + 'static,
    {
        let state = self.shared.lock();
        if state.jobs.len() >= self.shared.capacity {
            return Err(work);
        }
        let (job, ticket) = pair(work);
        self.shared.push(state, job);
        Ok(ticket)
    }

    /// How many pieces of work wait, beside those that are running.
    pub fn waiting(&self) -> usize {
        self.shared.lock().jobs.len()
    }

    /// Hands work in from async code; the future is ready, with the ticket, once there is room.
    pub fn submit_async<T, F>(&self, work: F) -> impl Future<Output = Ticket<T>> + '_
    where
        T: Send + 'static,
        F: FnOnce(&Sandbox) -> Result<T, SandboxError> + Send + 'static,
    {
        let (job, ticket) = pair(work);
        let mut pending = Some((job, ticket));
        std::future::poll_fn(move |context| {
            let mut state = self.shared.lock();
            if state.jobs.len() >= self.shared.capacity {
                if !state.waiting.iter().any(|w| w.will_wake(context.waker())) {
                    state.waiting.push(context.waker().clone());
                }
                return Poll::Pending;
            }
            match pending.take() {
                Some((job, ticket)) => {
                    self.shared.push(state, job);
                    Poll::Ready(ticket)
                }
                // Polled after it was ready: there is nothing more to come.
                None => Poll::Pending,
            }
        })
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let left = {
            let mut state = self.shared.lock();
            state.is_closed = true;
            std::mem::take(&mut state.jobs)
        };
        drop(left);
        self.shared.has_job.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, mut state: MutexGuard<'_, State>, job: Job) {
        state.jobs.push_back(job);
        drop(state);
        self.has_job.notify_one();
    }

    /// Does one job after the other until the queue is closed.
    fn work(&self, sandbox: &Sandbox) {
        loop {
            let mut state = self.lock();
            let job = loop {
                if let Some(job) = state.jobs.pop_front() {
                    break job;
                }
                if state.is_closed {
                    return;
                }
                state = self.has_job.wait(state).unwrap_or_else(PoisonError::into_inner);
            };
            let waiting = std::mem::take(&mut state.waiting);
            drop(state);
            self.has_room.notify_one();
            waiting.into_iter().for_each(Waker::wake);
            if catch_unwind(AssertUnwindSafe(|| job(sandbox))).is_err() {
                tracing::error!("work for the sandbox panicked; its ticket says so");
            }
        }
    }
}

/// The work as a job, and the ticket for its answer.
fn pair<T, F>(work: F) -> (Job, Ticket<T>)
where
    T: Send + 'static,
    F: FnOnce(&Sandbox) -> Result<T, SandboxError> + Send + 'static,
{
    let slot = Arc::new(Slot {
        state: Mutex::new(SlotState { answer: None, waker: None }),
        is_answered: Condvar::new(),
    });
    let promise = Promise(Some(Arc::clone(&slot)));
    let job = move |sandbox: &Sandbox| {
        if promise.is_awaited() {
            promise.keep(work(sandbox));
        }
    };
    (Box::new(job), Ticket(slot))
}

/// What a piece of work comes to: wait for it, or await it. Dropping it takes back work that was not begun.
#[derive(Debug)]
#[must_use = "the answer comes through the ticket"]
pub struct Ticket<T>(Arc<Slot<T>>);

#[derive(Debug)]
struct Slot<T> {
    state: Mutex<SlotState<T>>,
    is_answered: Condvar,
}

#[derive(Debug)]
struct SlotState<T> {
    answer: Option<Result<T, SandboxError>>,
    waker: Option<Waker>,
}

/// The other end of a ticket: dropped without an answer (the work panicked, the queue closed), it answers with an error.
struct Promise<T>(Option<Arc<Slot<T>>>);

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, SlotState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, answer: Result<T, SandboxError>) {
        let mut state = self.lock();
        state.answer = Some(answer);
        let waker = state.waker.take();
        drop(state);
        self.is_answered.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Promise<T> {
    /// Whether there still is a ticket: nobody else holds the other end.
    fn is_awaited(&self) -> bool {
        self.0.as_ref().is_some_and(|slot| Arc::strong_count(slot) > 1)
    }

    fn keep(mut self, answer: Result<T, SandboxError>) {
        if let Some(slot) = self.0.take() {
            slot.answer(answer);
        }
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        if let Some(slot) = self.0.take() {
            let message = "the queue was closed, or the work panicked, before there was an answer";
            slot.answer(Err(SandboxError::Worker(message.into())));
        }
    }
}

impl<T> Ticket<T> {
    /// Blocks until the answer is there. Every run is bounded in time, so this is too.
    pub fn wait(self) -> Result<T, SandboxError> {
        let mut state = self.0.lock();
        loop {
            if let Some(answer) = state.answer.take() {
                return answer;
            }
            state = self.0.is_answered.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Like `wait`, but gives the ticket back if there is no answer within `limit`.
    pub fn wait_for(self, limit: Duration) -> Result<Result<T, SandboxError>, Ticket<T>> {
        let state = self.0.lock();
        let (mut state, _) = self
            .0
            .is_answered
            .wait_timeout_while(state, limit, |state| state.answer.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        let answer = state.answer.take();
        drop(state);
        answer.ok_or(self)
    }
}

impl<T> Future for Ticket<T> {
    type Output = Result<T, SandboxError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.lock();
        match state.answer.take() {
            Some(answer) => Poll::Ready(answer),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}
