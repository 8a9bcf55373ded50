//! The run directory: what lies where, and who may write.
//!
//! ```text
//! manifest.json          version, commit, seed, command, machine, toolchains, isolation, model
//! recipe.toml            the resolved recipe        recipe.original.toml   as it was given
//! metrics.jsonl          numbers a step that depend on recipe and seed only
//! timings.jsonl          numbers a step that depend on the clock
//! alerts.jsonl           what the monitor found suspicious, if anything
//! tried.jsonl            programs that passed and were tried on other inputs
//! tensorboard/           both again, as events
//! trajectories/          step-000012.jsonl.zst, …
//! checkpoints/  eval/    before.json, after.json, …
//! resumes.jsonl          one line a `hone resume`   finished.json          written at the end
//! report.html            all of it on one page
//! ```
//!
//! One process writes a run: it holds a lock on `lock`, which the system lets go when the process ends, however
//! it ends.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::atomic::sweep_unfinished;
use crate::jsonl::{self, LineWriter};
use crate::{Manifest, RunlogError, atomic_write, tensorboard, truncate_trajectories_after, utc_now};

/// A killed writer's own children may hold the lock for a moment longer.
const LOCK_PATIENCE: Duration = Duration::from_secs(3);

/// A run directory, opened for writing ([`RunDir::create`], [`RunDir::resume`]) or for reading ([`RunDir::open`]).
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    lock: Option<File>,
}

/// The content of `finished.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Finish {
    /// When, RFC 3339, UTC; filled in by [`RunDir::finish`] if empty.
    pub finished_at: String,
    /// Last step.
    pub steps: u64,
    /// Wall time spent, all resumptions together, in seconds.
    pub wall_s: f64,
    /// Why it ended, such as `all steps done` or `time limit`.
    pub reason: String,
}

/// Whether a run is going, has ended, or was stopped.
#[derive(Debug, Clone, PartialEq)]
pub enum RunState {
    /// A process holds the lock.
    Running,
    /// It came to its end.
    Finished(Finish),
    /// Nobody writes it and it has not finished: it was killed, failed, or waits to be resumed.
    Stopped,
}

impl RunDir {
    /// Makes a new run directory and takes its lock. Refuses one that holds files already.
    pub fn create(path: impl AsRef<Path>, manifest: &Manifest) -> Result<RunDir, RunlogError> {
        let run = RunDir::prepare(path.as_ref())?;
        run.write_manifest(manifest)?;
        Ok(run)
    }

    /// As [`RunDir::create`], with the recipe: as it was given, and resolved. The manifest, which makes a directory a run,
    /// is written last, so that a run that was killed at any moment can be resumed.
    pub fn create_with_recipe(
        path: impl AsRef<Path>,
        manifest: &Manifest,
        original: &str,
        resolved: &str,
    ) -> Result<RunDir, RunlogError> {
        let run = RunDir::prepare(path.as_ref())?;
        run.write_recipe(original, resolved)?;
        run.write_manifest(manifest)?;
        Ok(run)
    }

    /// An error if `path` holds anything but what a killed `create` leaves: a lock without a manifest.
    fn refuse_used(path: &Path) -> Result<(), RunlogError> {
        let is_empty = fs::read_dir(path).map_or(true, |mut entries| entries.next().is_none());
        let is_begun = path.join("lock").is_file() && !path.join("manifest.json").exists();
        if is_empty || is_begun { Ok(()) } else { Err(RunlogError::NotEmpty { path: path.to_path_buf() }) }
    }

    /// An error if [`RunDir::create`] would refuse `path` or could not write there, to be said before long work. Leaves
    /// nothing behind.
    pub fn refuse_unusable(path: &Path) -> Result<(), RunlogError> {
        RunDir::refuse_used(path)?;
        let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
        let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
        fs::create_dir_all(path).map_err(|error| RunlogError::io("create", path, error))?;
        let trial = path.join(".trial");
        let written = fs::write(&trial, "").map_err(|error| RunlogError::io("write to", path, error));
        // What is left of a trial is empty, and no harm.
        let _ = fs::remove_file(&trial);
        for made in missing {
            let _ = fs::remove_dir(made);
        }
        written
    }

    fn prepare(path: &Path) -> Result<RunDir, RunlogError> {
        fs::create_dir_all(path).map_err(|error| RunlogError::io("create", path, error))?;
        RunDir::refuse_used(path)?;
        let run = RunDir { path: path.to_path_buf(), lock: Some(take_lock(path)?) };
        sweep_unfinished(path);
        for directory in
            [run.tensorboard_dir(), run.trajectories_dir(), run.checkpoints_dir(), run.eval_dir()]
        {
            fs::create_dir_all(&directory).map_err(|error| RunlogError::io("create", &directory, error))?;
        }
        Ok(run)
    }

    /// Opens a run for reading, also one that is still going.
    pub fn open(path: impl AsRef<Path>) -> Result<RunDir, RunlogError> {
        let path = path.as_ref();
        if !path.join("manifest.json").is_file() {
            return Err(RunlogError::NotARun { path: path.to_path_buf() });
        }
        Ok(RunDir { path: path.to_path_buf(), lock: None })
    }

    /// Opens a run to continue it: takes the lock, sweeps half-written files, and notes the resumption.
    ///
    /// Then call [`RunDir::truncate_after`] with the checkpoint's step, before a `MetricsWriter` is opened.
    pub fn resume(path: impl AsRef<Path>) -> Result<RunDir, RunlogError> {
        let mut run = RunDir::open(path)?;
        run.lock = Some(take_lock(&run.path)?);
        let grown = [run.path.clone(), run.tensorboard_dir(), run.trajectories_dir()];
        for directory in grown.into_iter().chain([run.checkpoints_dir(), run.eval_dir()]) {
            sweep_unfinished(&directory);
        }
        let finished = run.path.join("finished.json");
        if finished.exists() {
            fs::remove_file(&finished).map_err(|error| RunlogError::io("remove", &finished, error))?;
        }
        let line = serde_json::json!({ "at": utc_now(), "process": std::process::id() });
        LineWriter::open(&run.path.join("resumes.jsonl"))?.append(line.to_string())?;
        Ok(run)
    }

    /// Drops every metric, timing, event and trajectory later than `step`, as if the run had been killed there.
    pub fn truncate_after(&self, step: u64) -> Result<(), RunlogError> {
        self.require_lock()?;
        jsonl::truncate_after(&self.metrics_path(), step)?;
        jsonl::truncate_after(&self.timings_path(), step)?;
        jsonl::truncate_after(&self.alerts_path(), step)?;
        jsonl::truncate_after(&self.tried_path(), step)?;
        tensorboard::truncate_after(&self.tensorboard_dir(), step)?;
        truncate_trajectories_after(self, step)
    }

    /// Notes that the run came to its end.
    pub fn finish(&self, finish: &Finish) -> Result<(), RunlogError> {
        self.require_lock()?;
        let mut finish = finish.clone();
        if finish.finished_at.is_empty() {
            finish.finished_at = utc_now();
        }
        write_json(&self.path.join("finished.json"), &finish)
    }

    /// Whether the run is going, has ended, or was stopped.
    pub fn state(&self) -> RunState {
        if let Ok(finish) = read_json::<Finish>(&self.path.join("finished.json")) {
            return RunState::Finished(finish);
        }
        let is_running = self.lock.is_some()
            || File::open(self.path.join("lock"))
                .is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)));
        if is_running { RunState::Running } else { RunState::Stopped }
    }

    /// How often the run was resumed.
    pub fn resumptions(&self) -> usize {
        jsonl::read_lines(&self.path.join("resumes.jsonl")).map_or(0, |lines| lines.len())
    }

    /// Reads `manifest.json`.
    pub fn manifest(&self) -> Result<Manifest, RunlogError> {
        read_json(&self.manifest_path())
    }

    /// Replaces `manifest.json`, for what is only known after the start (isolation, model).
    pub fn write_manifest(&self, manifest: &Manifest) -> Result<(), RunlogError> {
        self.require_lock()?;
        write_json(&self.manifest_path(), manifest)
    }

    /// Writes the recipe: as it was given, and resolved with every default.
    pub fn write_recipe(&self, original: &str, resolved: &str) -> Result<(), RunlogError> {
        self.require_lock()?;
        atomic_write(&self.path.join("recipe.original.toml"), original.as_bytes())?;
        atomic_write(&self.recipe_path(), resolved.as_bytes())
    }

    /// Writes `eval/NAME.json` (such as `before`, `after`) for anything that serialises.
    pub fn write_eval(&self, name: &str, result: &impl Serialize) -> Result<PathBuf, RunlogError> {
        self.require_lock()?;
        let path = self.eval_dir().join(format!("{name}.json"));
        write_json(&path, result)?;
        Ok(path)
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `manifest.json`.
    pub fn manifest_path(&self) -> PathBuf {
        self.path.join("manifest.json")
    }

    /// `recipe.toml`, the resolved one.
    pub fn recipe_path(&self) -> PathBuf {
        self.path.join("recipe.toml")
    }

    /// `metrics.jsonl`.
    pub fn metrics_path(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    /// `timings.jsonl`.
    pub fn timings_path(&self) -> PathBuf {
        self.path.join("timings.jsonl")
    }

    /// `tensorboard/`.
    pub fn tensorboard_dir(&self) -> PathBuf {
        self.path.join("tensorboard")
    }

    /// `trajectories/`.
    pub fn trajectories_dir(&self) -> PathBuf {
        self.path.join("trajectories")
    }

    /// `checkpoints/`.
    pub fn checkpoints_dir(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// `eval/`.
    pub fn eval_dir(&self) -> PathBuf {
        self.path.join("eval")
    }

    /// `report.html`.
    pub fn report_path(&self) -> PathBuf {
        self.path.join("report.html")
    }

    /// Fails unless this process may write the run.
    pub(crate) fn require_lock(&self) -> Result<(), RunlogError> {
        match self.lock {
            Some(_) => Ok(()),
            None => Err(RunlogError::ReadOnly { path: self.path.clone() }),
        }
    }
}

/// Reads a JSON file.
pub(crate) fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, RunlogError> {
    let text = fs::read_to_string(path).map_err(|error| RunlogError::io("read", path, error))?;
    serde_json::from_str(&text).map_err(|error| RunlogError::corrupt(path, error.to_string()))
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), RunlogError> {
    let mut text =
        serde_json::to_string_pretty(value).map_err(|error| RunlogError::corrupt(path, error.to_string()))?;
    text.push('\n');
    atomic_write(path, text.as_bytes())
}

/// Takes the lock and writes this process' id into it.
fn take_lock(directory: &Path) -> Result<File, RunlogError> {
    let path = directory.join("lock");
    let fail = |error| RunlogError::io("lock", &path, error);
    let mut file =
        OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path).map_err(fail)?;
    let patience = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(fs::TryLockError::Error(error)) => return Err(fail(error)),
            Err(fs::TryLockError::WouldBlock) => {}
        }
        let mut holder = String::new();
        file.rewind().and_then(|()| file.read_to_string(&mut holder)).map_err(fail)?;
        let pid = holder.trim().parse::<u32>().ok();
        let is_alive = pid.is_some_and(|pid| Path::new(&format!("/proc/{pid}")).exists());
        if is_alive || patience.elapsed() > LOCK_PATIENCE {
            return Err(RunlogError::Locked { path: directory.to_path_buf(), pid });
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    file.set_len(0).map_err(fail)?;
    file.rewind().and_then(|()| writeln!(file, "{}", std::process::id())).map_err(fail)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_used_directory_is_refused_with_a_way_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run");
        drop(RunDir::create(&path, &Manifest::default()).unwrap());
        let error = RunDir::create(&path, &Manifest::default()).unwrap_err();
        assert!(matches!(error, RunlogError::NotEmpty { .. }));
        assert!(error.to_string().contains("hint: `hone resume"), "{error}");
        assert!(matches!(RunDir::open(dir.path()), Err(RunlogError::NotARun { .. })));
        fs::write(dir.path().join("notes.txt"), "mine").unwrap();
        assert!(matches!(RunDir::refuse_used(dir.path()), Err(RunlogError::NotEmpty { .. })));
    }

    #[test]
    fn a_place_that_cannot_be_written_is_refused_early_and_a_trial_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let error = RunDir::refuse_unusable(&dir.path().join("file/run")).unwrap_err();
        assert!(error.to_string().starts_with("could not create"), "{error}");
        RunDir::refuse_unusable(&dir.path().join("a/b/run")).unwrap();
        assert!(!dir.path().join("a").exists());
        RunDir::refuse_unusable(dir.path()).unwrap_err();
    }

    #[test]
    fn a_creation_that_was_killed_is_made_again() {
        let dir = tempfile::tempdir().unwrap();
        drop(RunDir::prepare(dir.path()).unwrap());
        let run = RunDir::create_with_recipe(dir.path(), &Manifest::default(), "a = 1", "a = 1").unwrap();
        assert!(run.recipe_path().is_file() && run.manifest_path().is_file());
    }

    #[test]
    fn one_writer_and_many_readers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run");
        let writer = RunDir::create(&path, &Manifest::default()).unwrap();
        let error = RunDir::resume(&path).unwrap_err();
        assert!(matches!(error, RunlogError::Locked { pid: Some(_), .. }), "{error}");
        let reader = RunDir::open(&path).unwrap();
        assert_eq!(reader.state(), RunState::Running);
        assert!(matches!(reader.write_recipe("", ""), Err(RunlogError::ReadOnly { .. })));
        drop(writer);
        assert_eq!(reader.state(), RunState::Stopped);
        let writer = RunDir::resume(&path).unwrap();
        assert_eq!(writer.resumptions(), 1);
        writer.finish(&Finish { steps: 3, ..Finish::default() }).unwrap();
        assert!(matches!(reader.state(), RunState::Finished(Finish { steps: 3, .. })));
    }

    #[test]
    fn the_manifest_and_the_recipe_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let manifest = Manifest::detect(11, vec!["hone".into()]);
        let run = RunDir::create(dir.path().join("run"), &manifest).unwrap();
        run.write_recipe("a = 1", "a = 1\nb = 2").unwrap();
        assert_eq!(run.manifest().unwrap(), manifest);
        assert_eq!(fs::read_to_string(run.recipe_path()).unwrap(), "a = 1\nb = 2");
    }
}
