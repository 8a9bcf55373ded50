//! Watches a training: numbers and trajectories into the run directory, progress on the terminal, Ctrl-C to its end.

use hone_rl::{Observer, ObserverError, Progress as Place, Stage, StepReport, TrainerConfig};
use hone_runlog::{MetricsWriter, RunDir, TrajectoryRecord, metric, write_trajectories};

use crate::interrupt::Interrupt;
use crate::opened_model::Text;
use crate::progress::{Lines, Progress};
use crate::terminal::Terminal;

/// What a training writes and shows.
pub(crate) struct RunObserver<'a> {
    run: &'a RunDir,
    text: &'a Text,
    metrics: MetricsWriter,
    progress: Progress,
    interrupt: &'a Interrupt,
    /// Facts of the last step.
    facts: String,
    last_step: u64,
}

impl<'a> RunObserver<'a> {
    /// Begins to watch after `step`; what is later in the directory must have been cut off.
    pub(crate) fn new(
        run: &'a RunDir,
        text: &'a Text,
        config: &TrainerConfig,
        step: u64,
        interrupt: &'a Interrupt,
        terminal: &Terminal,
    ) -> Result<RunObserver<'a>, hone_runlog::RunlogError> {
        let metrics = MetricsWriter::open(run)?;
        let mut progress = Progress::start(terminal, "training", step, config.steps, Lines::Each);
        progress.limit(config.time_limit_minutes);
        Ok(RunObserver { run, text, metrics, progress, interrupt, facts: String::new(), last_step: step })
    }

    /// Ends the progress.
    pub(crate) fn finish(self) {
        self.progress.finish(&self.facts);
    }
}

impl Observer for RunObserver<'_> {
    fn on_progress(&mut self, place: &Place) {
        let stage = match place.stage {
            Stage::Rollout => "sampling",
            Stage::Execution => "executing",
            Stage::Update => "updating",
        };
        let now = format!("{}  [{stage} {}/{}]", self.facts, place.done, place.total);
        self.progress.show(self.last_step, &now);
    }

    fn on_step(&mut self, report: &StepReport) -> Result<(), ObserverError> {
        let decode = |tokens: &[u32]| self.text.decode(tokens);
        let records: Vec<TrajectoryRecord> = report
            .groups
            .iter()
            .enumerate()
            .flat_map(|(index, group)| group.records(report.step, index, &decode))
            .collect();
        write_trajectories(self.run, report.step, &records)?;
        self.metrics.log(report.step, &report.metrics)?;
        let mut timings = report.timings.clone();
        timings.extend(peak_memory_bytes().map(|bytes| (metric::PEAK_MEMORY_BYTES.into(), bytes as f64)));
        self.metrics.time(report.step, &timings)?;
        let value = |name: &str| report.value(name).unwrap_or(f64::NAN);
        self.facts = format!(
            "reward {:.3}  pass rate {:.3}  {:.0} tokens/s  {:.1} s/step",
            value(metric::REWARD_MEAN),
            value(metric::PASS_RATE),
            value(metric::TOKENS_PER_S),
            value(metric::STEP_S),
        );
        self.last_step = report.step;
        self.progress.update(report.step, &self.facts);
        Ok(())
    }

    fn should_stop(&mut self) -> bool {
        self.interrupt.is_set()
    }
}

/// The most memory this process ever held.
fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
}
