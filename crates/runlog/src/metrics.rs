//! Numbers a step: `metrics.jsonl` (depend on recipe and seed only), `timings.jsonl` (depend on the clock), and
//! both again as TensorBoard events.
//!
//! A line is `{"step":1,"reward/mean":0.25}`; a number that is not finite is `null`. Which names there are and
//! what they mean stands in [`crate::metric`].

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::jsonl::{self, LineWriter};
use crate::tensorboard::EventWriter;
use crate::{RunDir, RunlogError};

/// Writes the numbers of each step; a step is on disk (out of this process) when the call returns.
#[derive(Debug)]
pub struct MetricsWriter {
    metrics: LineWriter,
    timings: LineWriter,
    events: EventWriter,
}

/// The numbers of one step.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricRow {
    /// The step.
    pub step: u64,
    /// Name and value, in the order they were written; a value that was not finite is NaN.
    pub values: Vec<(String, f64)>,
}

impl MetricsWriter {
    /// Opens the files of a run that this process may write; half-written last lines are dropped.
    pub fn open(run: &RunDir) -> Result<MetricsWriter, RunlogError> {
        run.require_lock()?;
        Ok(MetricsWriter {
            metrics: LineWriter::open(&run.metrics_path())?,
            timings: LineWriter::open(&run.timings_path())?,
            events: EventWriter::open(&run.tensorboard_dir())?,
        })
    }

    /// Writes numbers that depend on recipe and seed only: the same on every machine and thread count.
    pub fn log<Name: AsRef<str>>(&mut self, step: u64, values: &[(Name, f64)]) -> Result<(), RunlogError> {
        self.metrics.append(line(step, values))?;
        self.events.scalars(step, values)
    }

    /// Writes numbers that depend on the clock or the machine: seconds, tokens per second, memory.
    pub fn time<Name: AsRef<str>>(&mut self, step: u64, values: &[(Name, f64)]) -> Result<(), RunlogError> {
        self.timings.append(line(step, values))?;
        self.events.scalars(step, values)
    }

    /// Drops everything later than `step` ([`RunDir::truncate_after`]) and goes on from there.
    pub fn truncate_after(&mut self, run: &RunDir, step: u64) -> Result<(), RunlogError> {
        run.truncate_after(step)?;
        *self = MetricsWriter::open(run)?;
        Ok(())
    }

    /// Makes what was written survive a power cut; call it with each checkpoint.
    pub fn sync(&self) -> Result<(), RunlogError> {
        self.metrics.sync()?;
        self.timings.sync()?;
        self.events.sync()
    }
}

/// Reads `metrics.jsonl`; an unfinished last line is left out.
pub fn read_metrics(run: &RunDir) -> Result<Vec<MetricRow>, RunlogError> {
    read(&run.metrics_path())
}

/// Reads `timings.jsonl`; an unfinished last line is left out.
pub fn read_timings(run: &RunDir) -> Result<Vec<MetricRow>, RunlogError> {
    read(&run.timings_path())
}

fn read(path: &Path) -> Result<Vec<MetricRow>, RunlogError> {
    let lines = jsonl::read_lines(path)?;
    let parsed = lines.iter().enumerate().map(|(index, line)| {
        parse(line).ok_or_else(|| {
            let expected = "expected an object with a step and numbers, found";
            RunlogError::corrupt(path, format!("line {}: {expected} {:.60}", index + 1, line))
        })
    });
    parsed.collect()
}

fn parse(line: &str) -> Option<MetricRow> {
    let Value::Object(object) = serde_json::from_str(line).ok()? else { return None };
    let step = object.get("step")?.as_u64()?;
    let numbers = object.into_iter().filter(|(name, _)| name != "step");
    let values = numbers.map(|(name, value)| (name, value.as_f64().unwrap_or(f64::NAN))).collect();
    Some(MetricRow { step, values })
}

fn line<Name: AsRef<str>>(step: u64, values: &[(Name, f64)]) -> String {
    let mut line = format!("{{\"step\":{step}");
    for (name, value) in values {
        // Value's own formatting: shortest digits that read back to the same bits, null if not finite.
        let (name, value) = (Value::from(name.as_ref()), Value::from(*value));
        let _ = write!(line, ",{name}:{value}");
    }
    line.push('}');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Manifest;
    use std::fs;

    #[test]
    fn a_line_is_exact_and_reads_back() {
        let third = 1.0 / 3.0;
        let text = line(12, &[("reward/mean", third), ("odd\"name", -0.0), ("nan", f64::NAN)]);
        assert_eq!(text, r#"{"step":12,"reward/mean":0.3333333333333333,"odd\"name":-0.0,"nan":null}"#);
        let row = parse(&text).unwrap();
        assert_eq!((row.step, row.values[0].1), (12, third));
        assert!(row.values[2].1.is_nan());
    }

    #[test]
    fn a_killed_and_resumed_run_has_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let value = |step: u64| [("reward/mean".to_owned(), 1.0 / step as f64)];
        let straight = RunDir::create(dir.path().join("straight"), &Manifest::default()).unwrap();
        let mut writer = MetricsWriter::open(&straight).unwrap();
        (1..=9).for_each(|step| writer.log(step, &value(step)).unwrap());

        let path = dir.path().join("killed");
        let killed = RunDir::create(&path, &Manifest::default()).unwrap();
        let mut writer = MetricsWriter::open(&killed).unwrap();
        (1..=7).for_each(|step| writer.log(step, &value(step)).unwrap());
        drop((writer, killed));
        let half = fs::OpenOptions::new().append(true).open(path.join("metrics.jsonl")).unwrap();
        std::io::Write::write_all(&mut &half, b"{\"step\":8,\"rew").unwrap();

        let resumed = RunDir::resume(&path).unwrap();
        resumed.truncate_after(5).unwrap();
        let mut writer = MetricsWriter::open(&resumed).unwrap();
        (6..=9).for_each(|step| writer.log(step, &value(step)).unwrap());
        assert_eq!(fs::read(resumed.metrics_path()).unwrap(), fs::read(straight.metrics_path()).unwrap());
        let events = crate::tensorboard::read_scalars(&resumed.tensorboard_dir()).unwrap();
        assert_eq!(events.iter().map(|event| event.step).collect::<Vec<_>>(), (1..=9).collect::<Vec<_>>());
    }

    #[test]
    fn a_line_of_something_else_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create(dir.path().join("run"), &Manifest::default()).unwrap();
        fs::write(run.metrics_path(), "{\"step\":1}\n[]\n").unwrap();
        let error = read_metrics(&run).unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
    }
}
