//! One run of a comparison, in a process of its own: so its memory is its own, and its death is not the comparison's.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hone_runlog::RunDir;
use rustix::process::{Pid, Signal, kill_process};

use super::plan::Planned;
use crate::terminal::Terminal;

/// How often it is looked whether the run has ended or its time is over.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Of what a run says, so much of the end is kept in memory to find its reason in.
const TAIL_BYTES: usize = 1 << 16;

/// How a run ended.
pub(super) enum Ending {
    /// It is finished.
    Done,
    /// It was asked to end, and can be resumed.
    Interrupted,
    /// It failed; in its own words.
    Failed(String),
}

/// Trains or resumes, and passes on what the run says, also into `OUT/logs/`. Past the deadline the run is asked to end after
/// its step. `before` is an evaluation of the same untrained model, if there is one.
pub(super) fn train(
    planned: &Planned,
    out: &Path,
    before: Option<&Path>,
    deadline: Option<Instant>,
    terminal: &Terminal,
) -> Result<Ending> {
    let mut child = command(planned, before, terminal)?
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("failed to start a run")?;
    let log = open_log(planned, out)?;
    let pipe = child.stderr.take();
    let is_quiet = terminal.is_quiet;
    let listener = thread::spawn(move || pipe.map(|pipe| pass_on(pipe, log, is_quiet)).unwrap_or_default());
    let status = wait(&mut child, deadline)?;
    let said = listener.join().unwrap_or_default();
    Ok(match status.code() {
        Some(0) => Ending::Done,
        Some(130) => Ending::Interrupted,
        _ => Ending::Failed(reason(&said).unwrap_or_else(|| status.to_string())),
    })
}

fn command(planned: &Planned, before: Option<&Path>, terminal: &Terminal) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("failed to find this program")?);
    if RunDir::open(&planned.run).is_ok() {
        command.arg("resume").arg(&planned.run);
    } else {
        command.arg("train").arg(&planned.recipe).arg("--run-dir").arg(&planned.run);
        for setting in &planned.settings {
            command.args(["--set", setting]);
        }
        if let Some(before) = before {
            command.arg("--before").arg(before);
        }
    }
    if terminal.is_quiet {
        command.arg("--quiet");
    }
    if let Some(threads) = terminal.threads {
        command.arg("--threads").arg(threads.to_string());
    }
    Ok(command)
}

/// Where everything the run said is kept.
pub(super) fn log_path(planned: &Planned, out: &Path) -> PathBuf {
    out.join("logs").join(format!("{}-seed{}.txt", planned.name, planned.seed))
}

fn open_log(planned: &Planned, out: &Path) -> Result<File> {
    let path = log_path(planned, out);
    let folder = path.parent().unwrap_or(out);
    fs::create_dir_all(folder).with_context(|| format!("failed to create {}", folder.display()))?;
    let file = File::options().create(true).append(true).open(&path);
    file.with_context(|| format!("failed to write {}", path.display()))
}

/// Copies a pipe to stderr and to the log as it comes; the end of it.
fn pass_on(mut pipe: impl Read, mut log: File, is_quiet: bool) -> String {
    let (mut tail, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = pipe.read(&mut buffer) {
        let bytes = &buffer[..count];
        if !is_quiet {
            // A terminal that went away must not end the run.
            let _ = std::io::stderr().write_all(bytes);
        }
        let _ = log.write_all(bytes);
        tail.extend_from_slice(bytes);
        tail.drain(..tail.len().saturating_sub(TAIL_BYTES));
    }
    String::from_utf8_lossy(&tail).into_owned()
}

/// Waits for the end; past the deadline with one signal, as if Ctrl-C had been pressed.
fn wait(child: &mut Child, deadline: Option<Instant>) -> Result<std::process::ExitStatus> {
    let mut is_told = false;
    loop {
        if let Some(status) = child.try_wait().context("failed to wait for a run")? {
            return Ok(status);
        }
        if !is_told && deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            let told = pid.map(|pid| kill_process(pid, Signal::INT));
            told.transpose().context("failed to ask a run to end")?;
            is_told = true;
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// The last error of a run's messages, with its hint; else its last line.
fn reason(said: &str) -> Option<String> {
    let error = said.rfind("error: ").filter(|&at| at == 0 || said.as_bytes()[at - 1] == b'\n');
    match error {
        Some(at) => Some(said[at + "error: ".len()..].trim().to_string()),
        None => said.lines().map(str::trim).rfind(|line| !line.is_empty()).map(String::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_the_last_error_with_its_hint() {
        let said = "training 1/3  reward 0.1\nerror: failed to train: no space left\nhint: make room\n";
        assert_eq!(reason(said).unwrap(), "failed to train: no space left\nhint: make room");
        assert_eq!(reason("first\nlast words\n\n").unwrap(), "last words");
        assert_eq!(reason(""), None);
    }

    #[test]
    fn the_end_of_what_was_said_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.txt");
        let said = "x".repeat(3 * TAIL_BYTES) + "\nerror: late\n";
        let tail = pass_on(said.as_bytes(), File::create(&path).unwrap(), true);
        assert_eq!((tail.len(), reason(&tail).unwrap().as_str()), (TAIL_BYTES, "late"));
        assert_eq!(fs::read_to_string(&path).unwrap(), said);
    }
}
