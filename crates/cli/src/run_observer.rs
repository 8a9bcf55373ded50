//! Watches a training: numbers and trajectories into the run directory, progress on the terminal, Ctrl-C to its end.

use hone_environment::CodeEnvironmentSet;
use hone_rl::{Observer, ObserverError, Progress as Place, Stage, StepReport, TrainerConfig};
use hone_runlog::monitor::suspect;
use hone_runlog::{
    Alert, MetricsWriter, Monitor, MonitorConfig, RunDir, RunlogError, SuspectProgram, TrajectoryRecord,
    Tried, metric, write_trajectories,
};

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
    monitor: Monitor,
    /// Programs of each step that are tried on other inputs.
    tried_programs: usize,
    tasks: &'a CodeEnvironmentSet,
    terminal: &'a Terminal,
    /// Facts of the last step.
    facts: String,
    last_step: u64,
    pause_at: Option<u64>,
}

impl<'a> RunObserver<'a> {
    /// Begins to watch after `step`; what is later in the directory must have been cut off.
    #[expect(clippy::too_many_arguments, reason = "what is watched, where it is noted, and who is told")]
    pub(crate) fn new(
        run: &'a RunDir,
        text: &'a Text,
        tasks: &'a CodeEnvironmentSet,
        config: &TrainerConfig,
        watch: &MonitorConfig,
        step: u64,
        interrupt: &'a Interrupt,
        terminal: &'a Terminal,
    ) -> Result<RunObserver<'a>, RunlogError> {
        let metrics = MetricsWriter::open(run)?;
        let monitor = Monitor::of(watch.clone(), run)?;
        let mut progress = Progress::start(terminal, "training", step, config.steps, Lines::Each);
        progress.limit(config.time_limit_minutes);
        Ok(RunObserver {
            run,
            text,
            metrics,
            progress,
            interrupt,
            monitor,
            tried_programs: watch.tried_programs,
            tasks,
            terminal,
            facts: String::new(),
            last_step: step,
            pause_at: None,
        })
    }

    /// Asks for an end after this step.
    pub(crate) fn pause_at(&mut self, step: Option<u64>) {
        self.pause_at = step;
    }

    /// A second opinion on some of the programs that passed: do they agree with the reference on other inputs?
    fn tried(&self, records: &[TrajectoryRecord]) -> Vec<Tried> {
        let is_passed = |one: &&TrajectoryRecord| {
            one.tests_total > 0 && one.tests_passed == one.tests_total && !one.is_replayed
        };
        let passed: Vec<&TrajectoryRecord> = records.iter().filter(is_passed).collect();
        let count = self.tried_programs.min(passed.len());
        let spread = (0..count).map(|index| passed[index * passed.len() / count]);
        spread
            .filter_map(|record| match self.tasks.difference(&record.task, &record.program) {
                Ok(proof) => {
                    let differs = proof.is_some();
                    let program = SuspectProgram { proof: proof.unwrap_or_default(), ..suspect(record) };
                    Some(Tried { program, differs })
                }
                // The run does not depend on it.
                Err(error) => {
                    tracing::warn!("a program could not be tried on other inputs: {error}");
                    None
                }
            })
            .collect()
    }

    /// Notes what is suspicious, and says so.
    fn watch(
        &mut self,
        report: &StepReport,
        records: &[TrajectoryRecord],
        tried: Vec<Tried>,
    ) -> Result<(), RunlogError> {
        let metrics: Vec<(String, f64)> =
            report.metrics.iter().map(|(name, value)| (name.to_string(), *value)).collect();
        self.run.write_tried(report.step, &tried)?;
        let alerts: Vec<Alert> = self.monitor.step(report.step, &metrics, records, tried);
        self.run.write_alerts(&alerts)?;
        for alert in &alerts {
            let run = self.run.path().display();
            self.terminal.note(&format!(
                "suspicious at step {}: {}: {}; `hone report {run}` shows the programs",
                alert.step,
                alert.kind.title(),
                alert.message
            ));
        }
        Ok(())
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
        let tried = self.tried(&records);
        if !tried.is_empty() {
            let wrong = tried.iter().filter(|one| one.differs).count() as f64;
            timings.push((metric::TRIED_WRONG.into(), wrong / tried.len() as f64));
        }
        self.metrics.time(report.step, &timings)?;
        self.watch(report, &records, tried)?;
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
        self.interrupt.is_set() || self.pause_at.is_some_and(|step| self.last_step >= step)
    }
}

/// The most memory this process ever held.
fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
}
