//! What running a program costs, for performance rewards and `fast_p`: instructions, or CPU time as a last resort.
//!
//! Wall time varies by 14 to 20% between equal runs, user + system time by 1 to 16%, instruction counts hardly at all.
//! So the first of these that the machine and the program allow is taken, and is part of the result:
//!
//! 1. `perf-event`: user-mode instructions, counted by the processor (kernel: perf_event_open(2));
//! 2. `callgrind`: instructions, counted by valgrind's callgrind, about a hundred times slower, so for short runs of
//!    one process only;
//! 3. `cpu-time`: the median of five user + system times, interleaved with those of the reference and of start-up.
//!
//! Start-up (of an empty program of the same language) is subtracted. Costs say nothing about right or wrong: judge first.
//! Not here: how instructions are counted (`meter.rs`).

use serde::{Deserialize, Serialize};

use crate::pool::Pool;
use crate::{Language, Limits, Outcome, OutcomeClass, ProgramError, SandboxError, meter};

/// Rounds of the last method; its result is their median.
const ROUNDS: usize = 5;

/// How a cost was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CostMethod {
    /// Hardware counter of user-mode instructions.
    PerfEvent,
    /// Instructions as valgrind's callgrind counts them.
    Callgrind,
    /// Median of five interleaved user + system times.
    CpuTime,
}

/// What an amount of cost is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CostUnit {
    /// Instructions.
    Instructions,
    /// Nanoseconds of user + system time.
    CpuNs,
}

impl CostMethod {
    /// What this method's amounts are counted in.
    pub fn unit(self) -> CostUnit {
        match self {
            CostMethod::PerfEvent | CostMethod::Callgrind => CostUnit::Instructions,
            CostMethod::CpuTime => CostUnit::CpuNs,
        }
    }
}

/// What some runs of a program cost together, without start-up. Only costs of one method can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// How it was measured.
    pub method: CostMethod,
    /// What `amount` counts.
    pub unit: CostUnit,
    /// At least 1.
    pub amount: u64,
}

impl Cost {
    fn new(method: CostMethod, amount: u64) -> Cost {
        Cost { method, unit: method.unit(), amount: amount.max(1) }
    }
}

/// A program that reads stdin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostProgram {
    /// What it is written in.
    #[serde(default)]
    pub language: Language,
    /// Its text.
    pub source: String,
}

/// What became of measuring one program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measured {
    /// Its cost on all inputs together.
    Cost(Cost),
    /// It did not end well on an input, or not in the same way each time, so that its cost means nothing.
    Failed(Box<Outcome>),
}

/// What became of measuring a solution and its reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    /// Both costs, of one method.
    Costs {
        /// The solution's.
        solution: Cost,
        /// The reference's.
        reference: Cost,
    },
    /// The solution did not end well on an input.
    SolutionFailed(Box<Outcome>),
    /// The reference did not end well on an input.
    ReferenceFailed(Box<Outcome>),
}

impl Comparison {
    /// How many times cheaper than the reference the solution is; 1 is equal, above 1 is better.
    pub fn speedup(&self) -> Option<f64> {
        match self {
            Comparison::Costs { solution, reference } => {
                Some(reference.amount as f64 / solution.amount as f64)
            }
            _ => None,
        }
    }
}

/// Whether this machine offers a method.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CostMethodReport {
    /// The method.
    pub method: CostMethod,
    /// Whether it can be used here.
    pub is_available: bool,
    /// What was found.
    pub detail: String,
    /// How to get it, if it is missing.
    pub hint: Option<String>,
}

/// The methods, best first, and whether this machine offers them.
pub fn cost_methods() -> Vec<CostMethodReport> {
    let report = |method, found: Result<String, (String, &str)>| CostMethodReport {
        method,
        is_available: found.is_ok(),
        detail: match &found {
            Ok(detail) | Err((detail, _)) => detail.clone(),
        },
        hint: found.err().map(|(_, hint)| hint.to_owned()),
    };
    let timed = format!("median of {ROUNDS} interleaved user + system times");
    vec![
        report(CostMethod::PerfEvent, meter::perf_event()),
        report(CostMethod::Callgrind, meter::callgrind()),
        report(CostMethod::CpuTime, Ok(timed)),
    ]
}

/// A program's runs that are not instrumented: what they print every later run must print too.
struct Plain {
    stdouts: Vec<String>,
    cpu_ms: Vec<f64>,
}

/// Costs of all programs, or which of them failed and how.
type Costs = Result<Vec<Cost>, (usize, Box<Outcome>)>;

impl Pool {
    /// See `Sandbox::measure_cost`.
    pub(crate) fn measure_cost(
        &self,
        program: &CostProgram,
        inputs: &[String],
        limits: &Limits,
    ) -> Result<Measured, SandboxError> {
        Ok(match self.costs(&[program], inputs, limits)? {
            Ok(costs) => Measured::Cost(costs[0]),
            Err((_, outcome)) => Measured::Failed(outcome),
        })
    }

    /// See `Sandbox::compare_cost`.
    pub(crate) fn compare_cost(
        &self,
        solution: &CostProgram,
        reference: &CostProgram,
        inputs: &[String],
        limits: &Limits,
    ) -> Result<Comparison, SandboxError> {
        Ok(match self.costs(&[solution, reference], inputs, limits)? {
            Ok(costs) => Comparison::Costs { solution: costs[0], reference: costs[1] },
            Err((0, outcome)) => Comparison::SolutionFailed(outcome),
            Err((_, outcome)) => Comparison::ReferenceFailed(outcome),
        })
    }

    /// One cost a program, all by the best method that works for all of them.
    fn costs(
        &self,
        programs: &[&CostProgram],
        inputs: &[String],
        limits: &Limits,
    ) -> Result<Costs, SandboxError> {
        let once = [String::new()];
        let inputs = if inputs.is_empty() { &once } else { inputs };
        let mut plain = Vec::with_capacity(programs.len());
        for (index, program) in programs.iter().enumerate() {
            match self.plain(program, inputs, limits)? {
                Ok(runs) => plain.push(runs),
                Err(outcome) => return Ok(Err((index, outcome))),
            }
        }
        for method in [CostMethod::PerfEvent, CostMethod::Callgrind] {
            let mut costs = Vec::with_capacity(programs.len());
            for (program, plain) in programs.iter().zip(&plain) {
                match self.counted(method, program, inputs, plain, limits)? {
                    Some(amount) => costs.push(Cost::new(method, amount)),
                    None => break,
                }
            }
            if costs.len() == programs.len() {
                return Ok(Ok(costs));
            }
        }
        self.timed(programs, inputs, &plain, limits)
    }

    fn plain(
        &self,
        program: &CostProgram,
        inputs: &[String],
        limits: &Limits,
    ) -> Result<Result<Plain, Box<Outcome>>, SandboxError> {
        let mut plain = Plain { stdouts: Vec::new(), cpu_ms: Vec::new() };
        for input in inputs {
            let outcome = self.run_in(program.language, &program.source, input.as_bytes(), limits)?;
            if outcome.class != OutcomeClass::Passed {
                return Ok(Err(outcome.into()));
            }
            plain.stdouts.push(outcome.stdout);
            plain.cpu_ms.push(outcome.cpu_ms);
        }
        Ok(Ok(plain))
    }

    /// Instructions over all inputs without start-up; `None` where this method does not work or is not to be believed.
    fn counted(
        &self,
        method: CostMethod,
        program: &CostProgram,
        inputs: &[String],
        plain: &Plain,
        limits: &Limits,
    ) -> Result<Option<u64>, SandboxError> {
        if !meter::is_fit(method, program.language, plain.cpu_ms.iter().sum()) {
            return Ok(None);
        }
        let Some(start_up) = self.start_up_instructions(method, program.language)? else { return Ok(None) };
        let mut total = 0u64;
        for ((input, stdout), cpu_ms) in inputs.iter().zip(&plain.stdouts).zip(&plain.cpu_ms) {
            let counted = self.count(method, program, input.as_bytes(), limits, *cpu_ms)?;
            match counted {
                // A program that answers otherwise when it is watched is not what was judged.
                Some(count) if count.stdout == *stdout => {
                    total = total.saturating_add(count.instructions.saturating_sub(start_up));
                }
                _ => return Ok(None),
            }
        }
        Ok(Some(total))
    }

    /// Medians of CPU times: a round runs every program, and an empty one, once on each input.
    fn timed(
        &self,
        programs: &[&CostProgram],
        inputs: &[String],
        plain: &[Plain],
        limits: &Limits,
    ) -> Result<Costs, SandboxError> {
        let mut totals = vec![Vec::with_capacity(ROUNDS); programs.len()];
        for _ in 0..ROUNDS {
            let mut spent = vec![0.0; programs.len()];
            for (at, input) in inputs.iter().enumerate() {
                for (index, program) in programs.iter().enumerate() {
                    let empty = meter::empty_program(program.language);
                    let start_up = self.run_in(program.language, empty, b"", limits)?;
                    let mut outcome =
                        self.run_in(program.language, &program.source, input.as_bytes(), limits)?;
                    let is_same = outcome.stdout == plain[index].stdouts[at];
                    if outcome.class == OutcomeClass::Passed && !is_same {
                        outcome.class = OutcomeClass::WrongAnswer;
                        outcome.error = Some(ProgramError {
                            kind: "Unsteady".into(),
                            message: "its output differs from run to run, so its cost means nothing".into(),
                            line: None,
                            column: None,
                        });
                    }
                    if outcome.class != OutcomeClass::Passed {
                        return Ok(Err((index, outcome.into())));
                    }
                    spent[index] += (outcome.cpu_ms - start_up.cpu_ms).max(0.0);
                }
            }
            totals.iter_mut().zip(spent).for_each(|(times, time)| times.push(time));
        }
        let median = |mut times: Vec<f64>| {
            times.sort_by(f64::total_cmp);
            times[ROUNDS / 2]
        };
        let cost = |times| Cost::new(CostMethod::CpuTime, (median(times) * 1e6) as u64);
        Ok(Ok(totals.into_iter().map(cost).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_the_cost_is_twice_the_speed() {
        let cost = |amount| Cost::new(CostMethod::Callgrind, amount);
        let both = Comparison::Costs { solution: cost(500), reference: cost(1000) };
        assert_eq!(both.speedup(), Some(2.0));
        assert_eq!(cost(0).amount, 1, "no division by zero");
        assert_eq!(serde_json::to_value(cost(7)).unwrap()["method"], "callgrind");
        assert_eq!(serde_json::to_value(cost(7)).unwrap()["unit"], "instructions");
    }

    #[test]
    fn the_last_method_is_always_there() {
        let methods = cost_methods();
        assert!(methods.last().is_some_and(|m| m.method == CostMethod::CpuTime && m.is_available));
        for method in methods {
            assert_eq!(method.is_available, method.hint.is_none(), "{method:?}");
        }
    }
}
