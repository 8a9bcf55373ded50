//! Which samples are right by a benchmark's base tests: EvalPlus reports pass@k on HumanEval's and MBPP's own tests beside that
//! on its many more (arXiv 2305.01210). What passes all tests passes the base tests; the rest is judged by them too.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};

use hone_sandbox::{OutcomeClass, Sandbox, SandboxError};

use crate::benchmark::{Problem, Rules, judge_timed, limits_of};
use crate::bootstrap::bootstrap_share;
use crate::parallel::in_parallel;
use crate::{Interval, TaskEvaluation, pass_at_k};

/// Judges by the base tests every sample that they were not asked about.
pub fn judge_base_tests(
    sandbox: &Sandbox,
    problems: &[Problem],
    rules: Rules,
    tasks: &mut [TaskEvaluation],
    on_progress: &(dyn Fn(usize) + Sync),
    is_stopped: &(dyn Fn() -> bool + Sync),
) -> Result<(), SandboxError> {
    let based: HashMap<&str, Problem> = problems
        .iter()
        .filter_map(|problem| {
            let tests = problem.base_tests.clone()?;
            Some((problem.id.as_str(), Problem { tests, ..problem.clone() }))
        })
        .collect();
    let limits = limits_of(rules);
    let done = AtomicUsize::new(0);
    let judged = in_parallel(tasks, sandbox.workers(), &|task: &TaskEvaluation| {
        let mut judged = Vec::new();
        let Some(problem) = based.get(task.id.as_str()) else { return Ok(judged) };
        for (index, sample) in task.samples.iter().enumerate() {
            let is_open = sample.measurements.passes_base.is_none() && !is_stopped();
            let Some(verdict) = sample.verdict.as_ref().filter(|_| is_open) else { continue };
            let passes = match verdict.class {
                OutcomeClass::Passed => true,
                OutcomeClass::CompileError => false,
                _ => {
                    let program = verdict.program.clone();
                    judge_timed(sandbox, problem, program, &limits)?.0.class == OutcomeClass::Passed
                }
            };
            judged.push((index, passes));
        }
        on_progress(done.fetch_add(1, Ordering::Relaxed) + 1);
        Ok::<_, SandboxError>(judged)
    })?;
    for (task, judged) in tasks.iter_mut().zip(judged) {
        for (index, passes) in judged {
            task.samples[index].measurements.passes_base = Some(passes);
        }
    }
    Ok(())
}

/// pass@k by the base tests, for every k that all tasks have samples for; empty where they were not asked.
pub fn base_pass_at(tasks: &[TaskEvaluation], ks: &[usize]) -> BTreeMap<usize, Interval> {
    let known = |task: &TaskEvaluation| -> Option<(usize, usize)> {
        let passes: Option<Vec<bool>> =
            task.samples.iter().map(|sample| sample.measurements.passes_base).collect();
        let passes = passes?;
        Some((passes.len(), passes.into_iter().filter(|passes| *passes).count()))
    };
    let Some(counts) = tasks.iter().map(known).collect::<Option<Vec<_>>>() else { return BTreeMap::new() };
    let at = |k: usize| {
        let values: Option<Vec<f64>> = counts.iter().map(|(n, c)| pass_at_k(*n, *c, k)).collect();
        bootstrap_share(&values?)
    };
    ks.iter().filter_map(|k| Some((*k, at(*k)?))).collect()
}
