//! The worker pool of this machine. Not here: the handle that everything else uses (`sandbox.rs`).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::company::Company;
use crate::compile_cache::CompileCache;
use crate::layers::Layers;
use crate::zygote::{Role, Setup, Starved, Zygote};
use crate::{
    Compare, CostMethod, Isolation, Judgement, Language, Limits, Outcome, StdioCase, Submission, TestSuite,
    root, run, seccomp, stdio, toolchain, verdict,
};

/// How the sandbox is set up.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// Isolation demanded.
    pub isolation: Isolation,
    /// Worker processes; 0 means one a core.
    pub workers: usize,
    /// The Python interpreter; `None` finds `python3` once, past any shim.
    pub python: Option<PathBuf>,
    /// Limits of compilers, which read hostile text too.
    pub build_limits: Limits,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        let build_limits = Limits {
            cpu_ms: 30_000,
            wall_ms: 60_000,
            memory_bytes: 2 << 30,
            processes: 128,
            open_files: 256,
            output_bytes: 64 << 10,
            disk_bytes: 256 << 20,
        };
        SandboxConfig { isolation: Isolation::Strict, workers: 0, python: None, build_limits }
    }
}

/// Why the sandbox itself (never the program) failed.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// An isolation layer is missing under `Strict`.
    #[error("isolation layer {layer} is missing: {reason}\nhint: {hint}")]
    MissingLayer {
        /// Name of the layer.
        layer: String,
        /// What the probe saw.
        reason: String,
        /// How to get it, or how to run with less.
        hint: String,
    },
    /// A toolchain is not installed.
    #[error("{tool} is not installed\nhint: {hint}")]
    MissingToolchain {
        /// The program looked for.
        tool: String,
        /// The package that brings it.
        hint: String,
    },
    /// The submission makes no sense, such as an empty test list.
    #[error("{0}")]
    BadSubmission(String),
    /// A worker died twice over the same run, or the pool is shut down.
    #[error("sandbox worker failed: {0}")]
    Worker(String),
    /// The work was to be done elsewhere, and no sandbox there did it.
    #[error("{0}")]
    Elsewhere(String),
}

/// Longest wait for a free worker: every run is bounded, so a longer one means that the pool is far too small.
const QUEUE_LIMIT: Duration = Duration::from_secs(3600);
/// Longest wait for a new zygote.
const START_LIMIT: Duration = Duration::from_secs(60);

/// The zygotes of a worker; absent until started, and after one died.
#[derive(Debug, Default)]
pub(crate) struct Worker {
    /// Which of the pool's workers it is.
    number: usize,
    solution: Option<Zygote>,
    tester: Option<Zygote>,
    /// Those that launch programs of other languages.
    pub(crate) launchers: BTreeMap<Language, Zygote>,
    /// Those that launch programs whose instructions are counted.
    pub(crate) meters: BTreeMap<Language, Zygote>,
}

impl Worker {
    fn new(number: usize) -> Worker {
        Worker { number, ..Worker::default() }
    }

    /// Whether the last run reached a limit of time while the machine was busy with others.
    fn was_starved(&self) -> Option<Starved> {
        let mut zygotes = self.solution.iter().chain(&self.tester).chain(self.launchers.values());
        zygotes.find_map(|zygote| zygote.was_starved)
    }

    fn calm(&mut self) {
        let zygotes = self.solution.iter_mut().chain(&mut self.tester).chain(self.launchers.values_mut());
        zygotes.for_each(|zygote| zygote.was_starved = None);
    }
}

struct StartRequest {
    setup: Arc<Setup>,
    role: Role,
    worker: usize,
    reply: Sender<Result<Zygote, String>>,
}

/// A pool of isolated workers; dropping it kills every one.
#[derive(Debug)]
pub(crate) struct Pool {
    workers: Vec<Mutex<Worker>>,
    free: (Sender<usize>, Receiver<usize>),
    company: Company,
    starter: Option<Sender<StartRequest>>,
    starter_thread: Option<JoinHandle<()>>,
    pub(crate) setup: Arc<Setup>,
    pub(crate) cache: CompileCache,
    pub(crate) build_limits: Limits,
    /// Instructions of empty programs, once counted.
    pub(crate) start_ups: Mutex<BTreeMap<(CostMethod, Language), u64>>,
    /// Like `setup`, with a language's toolchain in the private root.
    language_setups: Mutex<BTreeMap<Language, Arc<Setup>>>,
}

impl Pool {
    /// Probes the machine and starts the workers. Fails closed.
    pub(crate) fn start(config: SandboxConfig) -> Result<Pool, SandboxError> {
        let python = toolchain::find_python(config.python.as_deref())?;
        let steps = root::plan(&python.directories);
        let layers = Layers::choose(config.isolation, &steps)?;
        let directories = python.directories.clone();
        let setup = Arc::new(Setup {
            python,
            layers,
            steps,
            directories,
            reserves_address_space: false,
            filters: seccomp::Filters::assemble(),
        });
        let count = match config.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n,
        };
        let (starter, requests) = bounded::<StartRequest>(count * 2);
        // Zygotes die with the thread that started them, so that thread must live as long as the pool.
        let thread = std::thread::Builder::new()
            .name("sandbox-starter".into())
            .spawn(move || {
                for StartRequest { setup, role, worker, reply } in requests {
                    let _ = reply.send(Zygote::start(&setup, role, worker));
                }
            })
            .map_err(|e| SandboxError::Worker(format!("starting a thread: {e}")))?;
        let free = bounded(count);
        let pool = Pool {
            workers: (0..count).map(|number| Mutex::new(Worker::new(number))).collect(),
            free,
            company: Company::new(),
            starter: Some(starter),
            starter_thread: Some(thread),
            setup,
            cache: CompileCache::open(),
            build_limits: config.build_limits,
            start_ups: Mutex::default(),
            language_setups: Mutex::default(),
        };
        for index in 0..count {
            let mut worker = pool.workers[index].lock().unwrap_or_else(PoisonError::into_inner);
            let start = |role| pool.new_zygote(&pool.setup, role, index).map_err(SandboxError::Worker);
            worker.solution = Some(start(Role::Solution)?);
            worker.tester = Some(start(Role::Tester)?);
            drop(worker);
            let _ = pool.free.0.send(index);
        }
        Ok(pool)
    }

    /// Number of workers: how many runs may be in flight at once.
    pub(crate) fn workers(&self) -> usize {
        self.workers.len()
    }

    /// How many runs reached a limit of time on a busy machine, and were made again alone.
    pub(crate) fn made_again(&self) -> u64 {
        self.company.made_again()
    }

    /// Runs one Python program with `stdin`. Blocks until a worker is free and the program ended or was ended.
    pub(crate) fn run(&self, source: &str, stdin: &[u8], limits: &Limits) -> Result<Outcome, SandboxError> {
        self.run_script(&script(source)?, stdin, limits)
    }

    fn run_script(&self, script: &OwnedFd, stdin: &[u8], limits: &Limits) -> Result<Outcome, SandboxError> {
        self.with_worker(|worker| {
            let zygote = self.present(&mut worker.solution, Role::Solution, worker.number)?;
            run::run_script(zygote, script, stdin, limits)
        })
    }

    /// Judges a solution by its tests: in different processes, unless the task says `TestSuite::Joint`.
    pub(crate) fn judge(&self, submission: &Submission) -> Result<Judgement, SandboxError> {
        submission.tests.check()?;
        match &submission.tests {
            TestSuite::Stdio { cases, compare, language } => {
                self.judge_stdio_in(*language, &submission.solution, cases, *compare, &submission.limits)
            }
            TestSuite::Program { language, code } => {
                self.judge_program(*language, &submission.solution, code, &submission.limits)
            }
            TestSuite::Joint { .. } => self.with_worker(|worker| {
                let zygote = self.present(&mut worker.solution, Role::Solution, worker.number)?;
                verdict::judge_joint(zygote, submission)
            }),
            _ => self.with_worker(|worker| {
                let solution = self.present(&mut worker.solution, Role::Solution, worker.number)?;
                let tester = self.present(&mut worker.tester, Role::Tester, worker.number)?;
                verdict::judge(solution, tester, submission)
            }),
        }
    }

    /// Judges a program by stdin/stdout cases; its output is compared outside of its process.
    pub(crate) fn judge_stdio(
        &self,
        program: &str,
        cases: &[StdioCase],
        compare: Compare,
        limits: &Limits,
    ) -> Result<Judgement, SandboxError> {
        if cases.is_empty() {
            let message =
                "the list of cases is empty, so nothing could be judged\nhint: give at least one case";
            return Err(SandboxError::BadSubmission(message.into()));
        }
        let script = script(program)?;
        stdio::judge(cases, compare, limits, |stdin, limits| self.run_script(&script, stdin, limits))
    }

    /// Takes a free worker for one run. One that ran out of time while the machine was busy with others is made again
    /// with no other run of this pool beside it, and only that counts.
    pub(crate) fn with_worker<T>(
        &self,
        mut act: impl FnMut(&mut Worker) -> Result<T, String>,
    ) -> Result<T, SandboxError> {
        let index = self.free.1.recv_timeout(QUEUE_LIMIT).map_err(|_| {
            SandboxError::Worker(format!("no worker became free within {} s", QUEUE_LIMIT.as_secs()))
        })?;
        let mut worker = self.workers[index].lock().unwrap_or_else(PoisonError::into_inner);
        let company = self.company.join();
        let mut result = repeated_once(&mut worker, &mut act);
        drop(company);
        if result.is_ok()
            && let Some(who) = worker.was_starved()
        {
            tracing::debug!("a run that was starved of time is made again, alone");
            if let Some(again) = self.company.alone(who, || repeated_once(&mut worker, &mut act)) {
                result = again;
            }
        }
        drop(worker);
        let _ = self.free.0.send(index);
        result.map_err(SandboxError::Worker)
    }

    fn present<'a>(
        &self,
        slot: &'a mut Option<Zygote>,
        role: Role,
        worker: usize,
    ) -> Result<&'a mut Zygote, String> {
        match slot {
            Some(zygote) => Ok(zygote),
            None => Ok(slot.insert(self.new_zygote(&self.setup, role, worker)?)),
        }
    }

    /// The worker's launcher of a language, started if need be.
    pub(crate) fn launcher<'a>(
        &self,
        worker: &'a mut Worker,
        language: Language,
        setup: &Arc<Setup>,
    ) -> Result<&'a mut Zygote, String> {
        match worker.launchers.entry(language) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                Ok(entry.insert(self.new_zygote(setup, Role::Launcher, worker.number)?))
            }
        }
    }

    /// The worker's launcher of programs of a language whose instructions are counted, started if need be.
    pub(crate) fn meter<'a>(
        &self,
        worker: &'a mut Worker,
        language: Language,
        setup: &Arc<Setup>,
    ) -> Result<&'a mut Zygote, String> {
        match worker.meters.entry(language) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                Ok(entry.insert(self.new_zygote(setup, Role::Launcher, worker.number)?))
            }
        }
    }

    /// The set-up whose private root holds a toolchain's `directories` too; made once a language.
    pub(crate) fn language_setup(&self, language: Language, directories: &[PathBuf]) -> Arc<Setup> {
        let mut setups = self.language_setups.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let directories = [&self.setup.directories, directories].concat();
            Arc::new(Setup {
                steps: root::plan(&directories),
                directories,
                reserves_address_space: language.reserves_address_space(),
                ..Setup::clone(&self.setup)
            })
        };
        Arc::clone(setups.entry(language).or_insert_with(make))
    }

    fn new_zygote(&self, setup: &Arc<Setup>, role: Role, worker: usize) -> Result<Zygote, String> {
        let (reply, started) = bounded(1);
        let gone = || "the pool is shut down".to_owned();
        self.starter
            .as_ref()
            .ok_or_else(gone)?
            .send_timeout(StartRequest { setup: Arc::clone(setup), role, worker, reply }, START_LIMIT)
            .map_err(|_| gone())?;
        started.recv_timeout(START_LIMIT).map_err(|_| "a worker did not start in time".to_owned())?
    }
}

/// A program for `run::run_script`.
fn script(source: &str) -> Result<OwnedFd, SandboxError> {
    run::script(source).map_err(|e| SandboxError::Worker(format!("preparing a run: {e}")))
}

/// Acts on a worker; if a zygote fails, all of the worker's are replaced and the run is repeated once.
fn repeated_once<T>(
    worker: &mut Worker,
    act: &mut impl FnMut(&mut Worker) -> Result<T, String>,
) -> Result<T, String> {
    worker.calm();
    let mut result = act(worker);
    if let Err(error) = &result {
        tracing::warn!(%error, "a sandbox worker is replaced and its run repeated");
        *worker = Worker::new(worker.number);
        result = act(worker);
        if result.is_err() {
            *worker = Worker::new(worker.number);
        }
    }
    result
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.workers.clear();
        self.starter = None;
        if let Some(thread) = self.starter_thread.take() {
            let _ = thread.join();
        }
    }
}
