//! What was sampled and what became of it: one record a completion, one compressed JSONL file a step.
//!
//! Plain strings and numbers, since this crate knows neither the sandbox's nor the model's types.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize};

use crate::{RunDir, RunlogError, atomic_write};

/// One completion: from the prompt to the advantage it was trained with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrajectoryRecord {
    /// Step it was sampled for.
    pub step: u64,
    /// Number of updates the policy had seen when it sampled this.
    pub policy_version: u64,
    /// Task id.
    pub task: String,
    /// Group within the step; its members share the prompt.
    pub group: u64,
    /// Turn of the episode, from 0; a later turn is a group of its own, whose members have their own prompts.
    #[serde(skip_serializing_if = "is_zero")]
    pub turn: u64,
    /// Sample within the group.
    pub sample: u64,
    /// The rendered prompt.
    pub prompt: String,
    /// The prompt's tokens.
    pub prompt_tokens: Vec<u32>,
    /// What the policy wrote.
    pub completion: String,
    /// The completion's tokens.
    pub completion_tokens: Vec<u32>,
    /// Log-prob of each completion token under the behaviour policy; entry t belongs to token t.
    #[serde(deserialize_with = "numbers_or_nan")]
    pub logprobs: Vec<f32>,
    /// Why sampling ended: `stop`, `length`, …
    pub finish: String,
    /// Class of the outcome: `passed`, `wrong-answer`, `runtime-error`, …; empty if nothing was executed.
    pub outcome: String,
    /// Tests passed.
    pub tests_passed: u32,
    /// Tests in all.
    pub tests_total: u32,
    /// The program's error.
    pub error: Option<ErrorRecord>,
    /// The program that was judged; it is empty where the completion held none.
    pub program: String,
    /// Reward.
    #[serde(deserialize_with = "number_or_nan")]
    pub reward: f64,
    /// What the turn was worth with those after it, where there were any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn_return: Option<f64>,
    /// What each part of the reward is worth, by name, before its weight.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub reward_parts: BTreeMap<String, f64>,
    /// Advantage; 0 where the completion was not trained on.
    #[serde(deserialize_with = "number_or_nan")]
    pub advantage: f64,
    /// Whether the length limit ended it.
    pub is_truncated: bool,
    /// Where tests and solution ran: `split` or `joint`.
    pub mode: String,
    /// Whether it was taken from a log; `policy_version` is then the logging run's.
    #[serde(skip_serializing_if = "is_false")]
    pub is_replayed: bool,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn is_zero(turn: &u64) -> bool {
    *turn == 0
}

/// The program's own error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorRecord {
    /// Type, such as `ZeroDivisionError`.
    pub kind: String,
    /// Message.
    pub message: String,
    /// 1-based line in the program.
    pub line: Option<u32>,
    /// 1-based column in the program.
    pub column: Option<u32>,
}

/// Writes the trajectories of a step, replacing those of an earlier attempt at it.
pub fn write_trajectories(
    run: &RunDir,
    step: u64,
    records: &[TrajectoryRecord],
) -> Result<PathBuf, RunlogError> {
    run.require_lock()?;
    let path = run.trajectories_dir().join(format!("step-{step:06}.jsonl.zst"));
    let fail = |error| RunlogError::io("write", &path, error);
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).map_err(fail)?;
    encoder.include_checksum(true).map_err(fail)?;
    for record in records {
        serde_json::to_writer(&mut encoder, record).map_err(|error| fail(error.into()))?;
        std::io::Write::write_all(&mut encoder, b"\n").map_err(fail)?;
    }
    atomic_write(&path, &encoder.finish().map_err(fail)?)?;
    Ok(path)
}

/// Reads one file of trajectories.
pub fn read_trajectories(path: &Path) -> Result<Vec<TrajectoryRecord>, RunlogError> {
    let file = fs::File::open(path).map_err(|error| RunlogError::io("open", path, error))?;
    let decoder = zstd::Decoder::new(file).map_err(|error| RunlogError::io("decompress", path, error))?;
    let mut records = Vec::new();
    for (index, line) in BufReader::new(decoder).lines().enumerate() {
        let line =
            line.map_err(|error| RunlogError::corrupt(path, format!("line {}: {error}", index + 1)))?;
        let record = serde_json::from_str(&line)
            .map_err(|error| RunlogError::corrupt(path, format!("line {}: {error}", index + 1)))?;
        records.push(record);
    }
    Ok(records)
}

/// The files of trajectories and their steps, earliest first.
pub fn trajectory_files(run: &RunDir) -> Result<Vec<(u64, PathBuf)>, RunlogError> {
    let directory = run.trajectories_dir();
    let entries = match fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(RunlogError::io("read", &directory, error)),
    };
    let step_of = |path: &Path| {
        let name = path.file_name()?.to_str()?;
        name.strip_prefix("step-")?.strip_suffix(".jsonl.zst")?.parse::<u64>().ok()
    };
    let paths = entries.flatten().map(|entry| entry.path());
    let mut files: Vec<(u64, PathBuf)> = paths.filter_map(|path| Some((step_of(&path)?, path))).collect();
    files.sort();
    Ok(files)
}

/// Removes the trajectories of the steps after `step`.
pub fn truncate_trajectories_after(run: &RunDir, step: u64) -> Result<(), RunlogError> {
    run.require_lock()?;
    for (_, path) in trajectory_files(run)?.into_iter().filter(|(at, _)| *at > step) {
        fs::remove_file(&path).map_err(|error| RunlogError::io("remove", &path, error))?;
    }
    Ok(())
}

/// JSON has no NaN; it is written as `null`.
fn number_or_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

fn numbers_or_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f32>, D::Error> {
    let numbers = Vec::<Option<f32>>::deserialize(deserializer)?;
    Ok(numbers.into_iter().map(|number| number.unwrap_or(f32::NAN)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Manifest;

    fn record(step: u64, sample: u64) -> TrajectoryRecord {
        TrajectoryRecord {
            step,
            sample,
            task: "sum-of-list".into(),
            completion: "return sum(x)\n\"</script>\u{1F980}".into(),
            completion_tokens: vec![1, 2, u32::MAX],
            logprobs: vec![-0.1, -1e-8, f32::MIN_POSITIVE],
            error: Some(ErrorRecord { line: Some(3), ..ErrorRecord::default() }),
            reward: 1.0 / 3.0,
            ..TrajectoryRecord::default()
        }
    }

    #[test]
    fn what_is_written_comes_back_to_the_bit() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create(dir.path().join("run"), &Manifest::default()).unwrap();
        let records = [record(12, 0), record(12, 1)];
        let path = write_trajectories(&run, 12, &records).unwrap();
        assert!(path.ends_with("trajectories/step-000012.jsonl.zst"));
        assert_eq!(read_trajectories(&path).unwrap(), records);
    }

    #[test]
    fn what_is_not_a_number_comes_back_as_such() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create(dir.path().join("run"), &Manifest::default()).unwrap();
        let odd = TrajectoryRecord { reward: f64::NAN, logprobs: vec![f32::NEG_INFINITY], ..record(1, 0) };
        let read = read_trajectories(&write_trajectories(&run, 1, &[odd]).unwrap()).unwrap();
        assert!(read[0].reward.is_nan() && read[0].logprobs[0].is_nan());
    }

    #[test]
    fn truncation_removes_the_later_steps() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create(dir.path().join("run"), &Manifest::default()).unwrap();
        (1..=4).for_each(|step| drop(write_trajectories(&run, step, &[record(step, 0)]).unwrap()));
        truncate_trajectories_after(&run, 2).unwrap();
        let steps: Vec<u64> = trajectory_files(&run).unwrap().into_iter().map(|(step, _)| step).collect();
        assert_eq!(steps, [1, 2]);
    }

    #[test]
    fn a_damaged_file_is_an_error_with_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create(dir.path().join("run"), &Manifest::default()).unwrap();
        let path = write_trajectories(&run, 1, &[record(1, 0)]).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes.truncate(middle);
        fs::write(&path, bytes).unwrap();
        assert!(read_trajectories(&path).unwrap_err().to_string().contains("step-000001"));
    }
}
