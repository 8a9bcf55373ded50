//! `Sandbox`, the handle that everything else uses: work is done by workers of this machine, or somewhere else.
//!
//! Not here: the workers (`pool.rs`), or how work travels (`hone-fleet`).

use std::sync::Arc;

use crate::pool::Pool;
use crate::program::{Attempt, Built};
use crate::{
    Compare, Comparison, CostProgram, Judgement, Language, Limits, Measured, Outcome, SandboxConfig,
    SandboxError, StdioCase, Submission, TestSuite,
};

/// One plain run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What the program is written in.
    pub language: Language,
    /// Its text.
    pub source: String,
    /// What it reads.
    pub stdin: Vec<u8>,
    /// Its limits.
    pub limits: Limits,
}

/// Everything that a sandbox can be asked for, as a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// A plain run, answered with `Done::Outcome`.
    Run(Run),
    /// A solution and its tests, answered with `Done::Judgement`.
    Judge(Submission),
    /// What running a program costs, answered with `Done::Measured`.
    Measure {
        /// The program.
        program: CostProgram,
        /// One run for each; what it reads.
        inputs: Vec<String>,
        /// Limits of a run that is not instrumented.
        limits: Limits,
    },
    /// What two programs cost by the same method, answered with `Done::Compared`.
    Compare {
        /// The program in question.
        solution: CostProgram,
        /// What it is compared with.
        reference: CostProgram,
        /// One run of each for each; what they read.
        inputs: Vec<String>,
        /// Limits of a run that is not instrumented.
        limits: Limits,
    },
}

/// What became of `Work`.
#[derive(Debug, Clone, PartialEq)]
pub enum Done {
    /// Of a run.
    Outcome(Box<Outcome>),
    /// Of a judged solution.
    Judgement(Box<Judgement>),
    /// Of a measured program.
    Measured(Measured),
    /// Of two measured programs.
    Compared(Comparison),
}

/// Sandboxes that are somewhere else.
pub trait Remote: std::fmt::Debug + Send + Sync {
    /// Has the work done. Blocks until there is an answer of the kind that belongs to it.
    fn carry_out(&self, work: &Work) -> Result<Done, SandboxError>;

    /// How many pieces of work can be done at once.
    fn workers(&self) -> usize;
}

#[derive(Debug)]
enum Place {
    Here(Box<Pool>),
    Elsewhere(Arc<dyn Remote>),
}

/// Runs, judges and measures untrusted programs. Cheap to share (`&Sandbox` from many threads); dropping it ends every
/// worker of this machine.
#[derive(Debug)]
pub struct Sandbox(Place);

/// A program that can be run any number of times.
#[derive(Debug, Clone)]
pub struct Program(Form);

#[derive(Debug, Clone)]
enum Form {
    Built(Built),
    /// Python, or a program that is built where it runs.
    Text(Language, Arc<str>),
}

/// What became of a build.
#[derive(Debug, Clone)]
pub enum Compiled {
    /// It can be run.
    Ready(Program),
    /// It could not be built: an outcome, as any other.
    Failed(Box<Outcome>),
}

impl Sandbox {
    /// Probes the machine and starts the workers. Fails closed.
    pub fn start(config: SandboxConfig) -> Result<Sandbox, SandboxError> {
        Pool::start(config).map(|pool| Sandbox(Place::Here(pool.into())))
    }

    /// A sandbox whose work is done elsewhere.
    pub fn elsewhere(remote: Arc<dyn Remote>) -> Sandbox {
        Sandbox(Place::Elsewhere(remote))
    }

    /// How many runs may be in flight at once.
    pub fn workers(&self) -> usize {
        match &self.0 {
            Place::Here(pool) => pool.workers(),
            Place::Elsewhere(remote) => remote.workers().max(1),
        }
    }

    /// How many runs of this machine's workers reached a limit of time because the machine was busy with others, and
    /// were made again with no other run of this sandbox beside them.
    pub fn made_again(&self) -> u64 {
        match &self.0 {
            Place::Here(pool) => pool.made_again(),
            Place::Elsewhere(_) => 0,
        }
    }

    /// Does any work.
    pub fn carry_out(&self, work: &Work) -> Result<Done, SandboxError> {
        let pool = match &self.0 {
            Place::Here(pool) => pool,
            Place::Elsewhere(remote) => return remote.carry_out(work),
        };
        Ok(match work {
            Work::Run(run) => {
                Done::Outcome(pool.run_in(run.language, &run.source, &run.stdin, &run.limits)?.into())
            }
            Work::Judge(submission) => Done::Judgement(pool.judge(submission)?.into()),
            Work::Measure { program, inputs, limits } => {
                Done::Measured(pool.measure_cost(program, inputs, limits)?)
            }
            Work::Compare { solution, reference, inputs, limits } => {
                Done::Compared(pool.compare_cost(solution, reference, inputs, limits)?)
            }
        })
    }

    /// Runs one Python program with `stdin`. Blocks until a worker is free and the program ended or was ended.
    pub fn run(&self, source: &str, stdin: &[u8], limits: &Limits) -> Result<Outcome, SandboxError> {
        self.run_in(Language::Python, source, stdin, limits)
    }

    /// Builds and runs a program of any language with `stdin`.
    pub fn run_in(
        &self,
        language: Language,
        source: &str,
        stdin: &[u8],
        limits: &Limits,
    ) -> Result<Outcome, SandboxError> {
        if let Place::Here(pool) = &self.0 {
            return pool.run_in(language, source, stdin, limits);
        }
        let run = Run { language, source: source.into(), stdin: stdin.into(), limits: limits.clone() };
        match self.carry_out(&Work::Run(run))? {
            Done::Outcome(outcome) => Ok(*outcome),
            other => Err(mismatch(&other)),
        }
    }

    /// Judges a solution by its tests: in different processes, unless the task says `TestSuite::Joint`.
    pub fn judge(&self, submission: &Submission) -> Result<Judgement, SandboxError> {
        if let Place::Here(pool) = &self.0 {
            return pool.judge(submission);
        }
        submission.tests.check()?;
        match self.carry_out(&Work::Judge(submission.clone()))? {
            Done::Judgement(judgement) => Ok(*judgement),
            other => Err(mismatch(&other)),
        }
    }

    /// Judges a Python program by stdin/stdout cases; its output is compared outside of its process.
    pub fn judge_stdio(
        &self,
        program: &str,
        cases: &[StdioCase],
        compare: Compare,
        limits: &Limits,
    ) -> Result<Judgement, SandboxError> {
        self.judge_stdio_in(Language::Python, program, cases, compare, limits)
    }

    /// Judges a program of any language by stdin/stdout cases; its output is compared outside of its process.
    pub fn judge_stdio_in(
        &self,
        language: Language,
        source: &str,
        cases: &[StdioCase],
        compare: Compare,
        limits: &Limits,
    ) -> Result<Judgement, SandboxError> {
        if let Place::Here(pool) = &self.0 {
            return pool.judge_stdio_in(language, source, cases, compare, limits);
        }
        let tests = TestSuite::Stdio { cases: cases.to_vec(), compare, language };
        self.judge(&Submission { solution: source.into(), tests, limits: limits.clone() })
    }

    /// Judges a solution by a test program that it is part of (MultiPL-E, HumanEval-X): the weaker `JudgeMode::Joint`,
    /// where the end of the tests must be proven by a token that the solution is not given.
    pub fn judge_program(
        &self,
        language: Language,
        solution: &str,
        tests: &str,
        limits: &Limits,
    ) -> Result<Judgement, SandboxError> {
        if let Place::Here(pool) = &self.0 {
            return pool.judge_program(language, solution, tests, limits);
        }
        let tests = TestSuite::Program { language, code: tests.into() };
        self.judge(&Submission { solution: solution.into(), tests, limits: limits.clone() })
    }

    /// Builds a program, or takes it from the cache. Elsewhere, it is built when it first runs.
    pub fn compile(&self, language: Language, source: &str) -> Result<Compiled, SandboxError> {
        let text = || Compiled::Ready(Program(Form::Text(language, source.into())));
        match &self.0 {
            Place::Here(pool) if language != Language::Python => {
                Ok(match pool.compile(language, source)? {
                    Attempt::Ready(built) => Compiled::Ready(Program(Form::Built(built))),
                    Attempt::Failed(outcome) => Compiled::Failed(outcome),
                })
            }
            _ => Ok(text()),
        }
    }

    /// Runs a built program with `stdin`.
    pub fn execute(&self, program: &Program, stdin: &[u8], limits: &Limits) -> Result<Outcome, SandboxError> {
        match (&program.0, &self.0) {
            (Form::Text(language, source), _) => self.run_in(*language, source, stdin, limits),
            (Form::Built(built), Place::Here(pool)) => pool.execute(built, stdin, limits),
            (Form::Built(_), Place::Elsewhere(_)) => {
                let message = "the program was built by another sandbox\nhint: compile it where it shall run";
                Err(SandboxError::BadSubmission(message.into()))
            }
        }
    }

    /// What running a program on some inputs costs, its start-up not counted (`cost.rs` says how it is measured).
    pub fn measure_cost(
        &self,
        program: &CostProgram,
        inputs: &[String],
        limits: &Limits,
    ) -> Result<Measured, SandboxError> {
        let (program, inputs, limits) = (program.clone(), inputs.to_vec(), limits.clone());
        match self.carry_out(&Work::Measure { program, inputs, limits })? {
            Done::Measured(measured) => Ok(measured),
            other => Err(mismatch(&other)),
        }
    }

    /// What a solution and its reference cost on the same inputs, by the same method.
    pub fn compare_cost(
        &self,
        solution: &CostProgram,
        reference: &CostProgram,
        inputs: &[String],
        limits: &Limits,
    ) -> Result<Comparison, SandboxError> {
        let (solution, reference) = (solution.clone(), reference.clone());
        let (inputs, limits) = (inputs.to_vec(), limits.clone());
        match self.carry_out(&Work::Compare { solution, reference, inputs, limits })? {
            Done::Compared(comparison) => Ok(comparison),
            other => Err(mismatch(&other)),
        }
    }
}

fn mismatch(done: &Done) -> SandboxError {
    let kind = match done {
        Done::Outcome(_) => "outcome",
        Done::Judgement(_) => "judgement",
        Done::Measured(_) | Done::Compared(_) => "cost",
    };
    SandboxError::Elsewhere(format!("the answer is of another kind ({kind}) than what was asked for"))
}
