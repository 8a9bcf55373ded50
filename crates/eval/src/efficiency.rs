//! What a right solution costs beside its task's reference: `fast_p` (KernelBench, arXiv 2502.10517).
//!
//! ```text
//! fast_p = mean over tasks of the share of samples that are right and whose speed-up is more than p
//! speed-up = cost of the reference / cost of the sample, on the task's tests
//! ```
//!
//! p = 0 is pass@1; an equally expensive solution is not faster. Costs are instructions where they can be counted, else CPU
//! time, which for short runs says nothing: a reference below 5 ms is then no measure, and its task is left out by name.
//! Not here: levels of many solutions a task (`levels.rs`), or how cost is measured (`hone-sandbox`).

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};

use hone_sandbox::{Comparison, Cost, CostMethod, Limits, Measured, OutcomeClass, Sandbox, SandboxError};
use serde::{Deserialize, Serialize};

use crate::benchmark::{Measurable, Problem, Rules, limits_of};
use crate::bootstrap::{bootstrap_mean, bootstrap_share};
use crate::parallel::in_parallel;
use crate::{Interval, LevelSummary, SampleEvaluation, TaskEvaluation};

/// CPU time below which a run is not timed, in nanoseconds: equal runs differ by a millisecond and more.
const LEAST_CPU_NS: u64 = 5_000_000;

/// A right sample's cost beside its task's reference.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Efficiency {
    /// How both were measured.
    pub method: CostMethod,
    /// What the sample costs, in the method's unit.
    pub solution: u64,
    /// What the reference costs.
    pub reference: u64,
}

impl Efficiency {
    /// How many times cheaper than the reference the sample is.
    pub fn speedup(&self) -> f64 {
        self.reference as f64 / self.solution.max(1) as f64
    }
}

/// Tasks that say nothing about cost, and why.
pub type LeftOut = BTreeMap<String, String>;

/// Measures every right sample that was not measured; the result names the tasks whose reference is no measure.
pub fn measure_efficiency(
    sandbox: &Sandbox,
    problems: &[Problem],
    rules: Rules,
    tasks: &mut [TaskEvaluation],
    on_progress: &(dyn Fn(usize) + Sync),
    is_stopped: &(dyn Fn() -> bool + Sync),
) -> Result<LeftOut, SandboxError> {
    let by_id: HashMap<&str, &Problem> =
        problems.iter().map(|problem| (problem.id.as_str(), problem)).collect();
    let meter = Meter { sandbox, limits: limits_of(rules) };
    let done = AtomicUsize::new(0);
    let measured = in_parallel(tasks, sandbox.workers(), &|task: &TaskEvaluation| {
        let costs = match by_id.get(task.id.as_str()) {
            _ if is_stopped() => Ok(Vec::new()),
            Some(problem) => meter.task(problem, task)?,
            None => Err("it is no problem of the benchmark".to_owned()),
        };
        on_progress(done.fetch_add(1, Ordering::Relaxed) + 1);
        Ok::<_, SandboxError>(costs)
    })?;
    let mut left_out = LeftOut::new();
    for (task, costs) in tasks.iter_mut().zip(measured) {
        match costs {
            Ok(costs) => costs.into_iter().for_each(|(index, efficiency)| {
                task.samples[index].measurements.efficiency = Some(efficiency);
            }),
            Err(why) => drop(left_out.insert(task.id.clone(), why)),
        }
    }
    Ok(left_out)
}

struct Meter<'a> {
    sandbox: &'a Sandbox,
    limits: Limits,
}

impl Meter<'_> {
    /// Costs by index of the sample, or why the reference is no measure.
    fn task(
        &self,
        problem: &Problem,
        task: &TaskEvaluation,
    ) -> Result<Result<Vec<(usize, Efficiency)>, String>, SandboxError> {
        let Some(reference) = &problem.reference else { return Ok(Err("it has no reference".into())) };
        let reference = problem.measurable(reference);
        if let Some(why) = self.failure(&reference)? {
            return Ok(Err(format!("its reference cannot be run for its cost: {why}")));
        }
        let is_open =
            |sample: &SampleEvaluation| sample.is_passed() && sample.measurements.efficiency.is_none();
        if !task.samples.iter().any(is_open) {
            return Ok(Ok(Vec::new()));
        }
        let own = match self.cost(&reference)? {
            None => return Ok(Err("its reference differs from run to run".into())),
            Some(cost) if cost.method == CostMethod::CpuTime && cost.amount < LEAST_CPU_NS => {
                let ms = cost.amount as f64 / 1e6;
                return Ok(Err(format!("its reference takes {ms:.1} ms, too little to be timed")));
            }
            Some(cost) => cost,
        };
        let mut known: HashMap<&str, Option<Efficiency>> = HashMap::new();
        let mut costs = Vec::new();
        for (index, sample) in task.samples.iter().enumerate().filter(|(_, sample)| is_open(sample)) {
            let Some(verdict) = &sample.verdict else { continue };
            let efficiency = match known.get(verdict.program.as_str()) {
                Some(known) => *known,
                None => self.beside(&problem.measurable(&verdict.program), &reference, own)?,
            };
            known.insert(&verdict.program, efficiency);
            costs.extend(efficiency.map(|efficiency| (index, efficiency)));
        }
        Ok(Ok(costs))
    }

    /// A solution beside the reference, whose own cost is known; `None` where its cost means nothing.
    fn beside(
        &self,
        solution: &Measurable,
        reference: &Measurable,
        own: Cost,
    ) -> Result<Option<Efficiency>, SandboxError> {
        if self.failure(solution)?.is_some() {
            return Ok(None);
        }
        let Some(cost) = self.cost(solution)? else { return Ok(None) };
        // Counts can be compared whenever they were made; times only where they were taken in turn.
        if cost.method == own.method && cost.method != CostMethod::CpuTime {
            let (solution, reference) = (cost.amount, own.amount);
            return Ok(Some(Efficiency { method: cost.method, solution, reference }));
        }
        self.in_turn(solution, reference)
    }

    fn in_turn(
        &self,
        solution: &Measurable,
        reference: &Measurable,
    ) -> Result<Option<Efficiency>, SandboxError> {
        let compare = |inputs: &[String]| {
            self.sandbox.compare_cost(&solution.program, &reference.program, inputs, &self.limits)
        };
        let Comparison::Costs { solution: one, reference: other } = compare(&solution.runs)? else {
            return Ok(None);
        };
        let (mut one, mut other) = (one, other);
        if let Some(load) = &solution.load
            && let Comparison::Costs { solution, reference } = compare(std::slice::from_ref(load))?
        {
            (one, other) = (less(one, solution), less(other, reference));
        }
        let least = if one.method == CostMethod::CpuTime { LEAST_CPU_NS } else { 1 };
        let (solution, reference) = (one.amount.max(least), other.amount.max(least));
        Ok(Some(Efficiency { method: one.method, solution, reference }))
    }

    /// Cost of the runs without that of loading.
    fn cost(&self, it: &Measurable) -> Result<Option<Cost>, SandboxError> {
        let measure = |inputs: &[String]| self.sandbox.measure_cost(&it.program, inputs, &self.limits);
        let Measured::Cost(whole) = measure(&it.runs)? else { return Ok(None) };
        let Some(load) = &it.load else { return Ok(Some(whole)) };
        match measure(std::slice::from_ref(load))? {
            Measured::Cost(load) => Ok(Some(less(whole, load))),
            Measured::Failed(_) => Ok(None),
        }
    }

    /// Why a program does not get through its tests in one process, if it does not.
    fn failure(&self, it: &Measurable) -> Result<Option<String>, SandboxError> {
        let stdin = it.runs.first().map_or("", String::as_str);
        let program = &it.program;
        let outcome =
            self.sandbox.run_in(program.language, &program.source, stdin.as_bytes(), &self.limits)?;
        if outcome.class != OutcomeClass::Passed {
            let error = outcome.error.map(|error| format!(" ({}: {})", error.kind, error.message));
            return Ok(Some(format!(
                "{}{}",
                crate::table::class_name(outcome.class),
                error.unwrap_or_default()
            )));
        }
        let is_whole = outcome.stdout.trim_end().ends_with(it.mark);
        Ok((!is_whole).then(|| "it ended before its tests did".to_owned()))
    }
}

/// What is left of a cost; of different methods nothing can be taken off.
fn less(whole: Cost, load: Cost) -> Cost {
    if whole.method != load.method {
        return whole;
    }
    Cost { amount: whole.amount.saturating_sub(load.amount).max(1), ..whole }
}

/// fast_p for one p.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FastP {
    /// p.
    pub p: f64,
    /// Share of samples that are right and more than p times as fast as the reference; mean over tasks.
    pub share: Interval,
}

/// Costs in few numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EfficiencySummary {
    /// Tasks that count.
    pub tasks: usize,
    /// fast_p for every p that was asked for.
    pub fast: Vec<FastP>,
    /// Geometric mean of the speed-ups of a task's right samples, and of that over tasks with any.
    pub speedup: Option<Interval>,
    /// Measured samples by method.
    pub methods: BTreeMap<CostMethod, usize>,
    /// Right samples whose cost means nothing, as it differs from run to run; they count as slow.
    pub unmeasured: usize,
    /// Tasks that do not count, and why.
    pub left_out: LeftOut,
    /// Scores on levels of other solutions, where such were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub levels: Option<LevelSummary>,
}

impl EfficiencySummary {
    /// Of measured tasks.
    pub fn of(tasks: &[TaskEvaluation], left_out: &LeftOut, ps: &[f64]) -> EfficiencySummary {
        let counted: Vec<&TaskEvaluation> = tasks
            .iter()
            .filter(|task| !left_out.contains_key(&task.id) && !task.samples.is_empty())
            .collect();
        let share = |task: &&TaskEvaluation, p: f64| {
            let fast = task.samples.iter().filter(|sample| is_fast(sample, p)).count();
            fast as f64 / task.samples.len() as f64
        };
        let fast = ps.iter().filter_map(|p| {
            let shares: Vec<f64> = counted.iter().map(|task| share(task, *p)).collect();
            Some(FastP { p: *p, share: bootstrap_share(&shares)? })
        });
        let logs: Vec<f64> = counted.iter().filter_map(|task| mean_log_speedup(task)).collect();
        let exp = |it: Interval| Interval { value: it.value.exp(), low: it.low.exp(), high: it.high.exp() };
        let mut methods = BTreeMap::new();
        let mut unmeasured = 0;
        for sample in counted.iter().flat_map(|task| &task.samples).filter(|sample| sample.is_passed()) {
            match sample.measurements.efficiency {
                Some(efficiency) => *methods.entry(efficiency.method).or_default() += 1,
                None => unmeasured += 1,
            }
        }
        EfficiencySummary {
            tasks: counted.len(),
            fast: fast.collect(),
            speedup: bootstrap_mean(&logs).map(exp),
            methods,
            unmeasured,
            left_out: left_out.clone(),
            levels: None,
        }
    }

    /// The methods in one word, such as `callgrind` or `callgrind:30+cpu-time:2`.
    pub fn method(&self) -> String {
        let name = |method: CostMethod| match method {
            CostMethod::PerfEvent => "perf-event",
            CostMethod::Callgrind => "callgrind",
            CostMethod::CpuTime => "cpu-time",
        };
        let mut methods: Vec<String> = match self.methods.len() {
            1 => self.methods.keys().map(|method| name(*method).to_owned()).collect(),
            _ => self.methods.iter().map(|(method, count)| format!("{}:{count}", name(*method))).collect(),
        };
        if methods.is_empty() {
            methods.push("none".into());
        }
        methods.join("+")
    }

    /// What is left out and how costs were measured, in sentences for a table or page.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = vec![format!(
            "fast_p: right and more than p times as fast as the reference, over {} tasks; cost by {}",
            self.tasks,
            self.method()
        )];
        if let Some(LevelSummary { tasks, levels, .. }) = &self.levels {
            remarks.push(format!(
                "DPS: share of known solutions that a right one is as fast as, over {tasks} tasks with {levels:.1} levels in the mean"
            ));
        }
        if self.unmeasured > 0 {
            let count = self.unmeasured;
            remarks.push(format!("{count} right samples cost something else in every run and count as slow"));
        }
        if !self.left_out.is_empty() {
            let named: Vec<String> = self.left_out.iter().map(|(id, why)| format!("{id} ({why})")).collect();
            remarks.push(format!(
                "{} tasks without a reference to compare with: {}",
                named.len(),
                named.join(", ")
            ));
        }
        remarks
    }
}

fn is_fast(sample: &SampleEvaluation, p: f64) -> bool {
    // Every right solution is infinitely faster than p = 0, measured or not.
    sample.is_passed() && (p <= 0.0 || sample.measurements.efficiency.is_some_and(|it| it.speedup() > p))
}

fn mean_log_speedup(task: &TaskEvaluation) -> Option<f64> {
    let measured = task.samples.iter().filter(|sample| sample.is_passed());
    let logs: Vec<f64> =
        measured.filter_map(|sample| Some(sample.measurements.efficiency?.speedup().ln())).collect();
    (!logs.is_empty()).then(|| logs.iter().sum::<f64>() / logs.len() as f64)
}
