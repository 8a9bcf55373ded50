//! What a scanner finds in a program that should not be there: bandit, the real tool (<https://bandit.readthedocs.io>), which
//! reads programs and never runs them.
//!
//! ```text
//! v = −min(1, Σ_findings w(severity))        0 where nothing is found, −1 where it cannot be parsed
//! ```
//!
//! Not here: isolation; text is parsed by Python's own parser, in a process of its own that is started anew if it dies.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

const SCANNER: &str = include_str!("security.py");

/// `type = "security"`: what each severity costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Security {
    /// w.
    pub weight: f64,
    /// A finding of low severity, such as an assertion.
    pub low: f64,
    /// Of medium severity, such as `eval`.
    pub medium: f64,
    /// Of high severity, such as a shell that is given text.
    pub high: f64,
}

impl Default for Security {
    fn default() -> Self {
        Security { weight: 1.0, low: 0.05, medium: 0.5, high: 1.0 }
    }
}

/// A finding's severity, in bandit's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    /// Unknown to bandit itself.
    Undefined,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
}

/// Something that should not be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityFinding {
    /// bandit's number of the test, such as `B307`.
    pub test: String,
    /// How bad it is.
    pub severity: Severity,
}

/// Findings of a program; `None` if it cannot be parsed.
pub type Findings = Option<Vec<SecurityFinding>>;

/// Why there is no scanner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "scanning programs needs bandit, {0}\n\
     hint: `pipx install bandit`, or `pip install bandit` in an environment whose bin folder is on the PATH"
)]
pub struct NoScanner(String);

impl Security {
    /// v.
    pub fn value(&self, findings: &Findings) -> f64 {
        let Some(findings) = findings else { return -1.0 };
        let cost = |finding: &SecurityFinding| match finding.severity {
            Severity::Undefined | Severity::Low => self.low,
            Severity::Medium => self.medium,
            Severity::High => self.high,
        };
        -findings.iter().map(cost).sum::<f64>().min(1.0)
    }

    pub(super) fn check(&self) -> Result<(), String> {
        for (key, value) in [("low", self.low), ("medium", self.medium), ("high", self.high)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(format!("{key}: expected from 0 to 1, found {value}"));
            }
        }
        Ok(())
    }
}

/// bandit, ready to scan; shared by the threads that judge.
#[derive(Debug)]
pub struct Scanner {
    python: PathBuf,
    version: String,
    process: Mutex<Option<Process>>,
}

#[derive(Debug)]
struct Process {
    version: String,
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Reply {
    ready: bool,
    version: String,
    missing: Option<String>,
    findings: Vec<SecurityFinding>,
    is_skipped: bool,
}

impl Scanner {
    /// Finds the bandit that the PATH has and starts it.
    pub fn start() -> Result<Scanner, NoScanner> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found =
            std::env::split_paths(&path).map(|folder| folder.join("bandit")).find(|file| file.is_file());
        let script = found.ok_or_else(|| NoScanner("which is not on the PATH".into()))?;
        let python = interpreter(&script).ok_or_else(|| {
            NoScanner(format!("and {} does not say which Python runs it", script.display()))
        })?;
        Scanner::start_with(python)
    }

    fn start_with(python: PathBuf) -> Result<Scanner, NoScanner> {
        let process = Process::start(&python)?;
        let version = process.version.clone();
        Ok(Scanner { python, version, process: Mutex::new(Some(process)) })
    }

    /// bandit's version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Scans a program. A text that kills the scanner, twice, counts as one that cannot be parsed.
    pub fn scan(&self, program: &str) -> Result<Findings, NoScanner> {
        let mut slot = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..2 {
            let mut process = match slot.take() {
                Some(process) => process,
                None => Process::start(&self.python)?,
            };
            if let Some(reply) = process.ask(program) {
                *slot = Some(process);
                return Ok((!reply.is_skipped).then_some(reply.findings));
            }
        }
        Ok(None)
    }
}

impl Process {
    fn start(python: &Path) -> Result<Process, NoScanner> {
        let failure =
            |error: std::io::Error| NoScanner(format!("and {} cannot be run: {error}", python.display()));
        let mut child = Command::new(python)
            .args(["-u", "-c", SCANNER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failure)?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(NoScanner("which has no pipes".into()));
        };
        let mut process = Process { version: String::new(), child, stdin, stdout: BufReader::new(stdout) };
        match process.reply() {
            Some(Reply { ready: true, version, .. }) => {
                process.version = version;
                Ok(process)
            }
            reply => {
                let missing =
                    reply.and_then(|reply| reply.missing).unwrap_or_else(|| "it says nothing".into());
                Err(NoScanner(format!("and {} has none: {missing}", python.display())))
            }
        }
    }

    fn ask(&mut self, program: &str) -> Option<Reply> {
        let line = serde_json::to_string(program).ok()? + "\n";
        self.stdin.write_all(line.as_bytes()).ok()?;
        self.stdin.flush().ok()?;
        self.reply()
    }

    fn reply(&mut self) -> Option<Reply> {
        let mut line = String::new();
        match self.stdout.read_line(&mut line) {
            Ok(1..) => serde_json::from_str(&line).ok(),
            _ => None,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It ends with its stdin; a kill makes it sure, and waiting leaves no zombie.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The Python of a script, from its first line.
fn interpreter(script: &Path) -> Option<PathBuf> {
    let text = String::from_utf8_lossy(&std::fs::read(script).ok()?).into_owned();
    let line = text.lines().next()?.strip_prefix("#!")?.trim();
    match line.split_once(' ') {
        // `#!/usr/bin/env python3`
        Some((env, name)) if env.ends_with("/env") => Some(PathBuf::from(name.trim())),
        _ => Some(PathBuf::from(line)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(severity: Severity) -> SecurityFinding {
        SecurityFinding { test: "B000".into(), severity }
    }

    #[test]
    fn findings_cost_by_severity_and_a_program_costs_1_at_most() {
        let part = Security::default();
        assert_eq!(part.value(&Some(vec![])), 0.0);
        assert_eq!(part.value(&Some(vec![finding(Severity::Medium), finding(Severity::Low)])), -0.55);
        assert_eq!(part.value(&Some(vec![finding(Severity::High); 3])), -1.0);
        assert_eq!(part.value(&None), -1.0);
        let wrong = Security { high: 2.0, ..part };
        assert_eq!(wrong.check(), Err("high: expected from 0 to 1, found 2".into()));
    }

    #[test]
    fn a_python_without_bandit_is_an_error_that_says_how_to_install_it() {
        let error = Scanner::start_with("/nonexistent/python".into()).unwrap_err().to_string();
        assert!(error.contains("cannot be run") && error.contains("hint: `pipx install bandit`"), "{error}");
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("bandit");
        for (line, expected) in
            [("#!/opt/x/bin/python\n", "/opt/x/bin/python"), ("#!/usr/bin/env python3\n", "python3")]
        {
            std::fs::write(&script, line).unwrap();
            assert_eq!(interpreter(&script), Some(PathBuf::from(expected)));
        }
        std::fs::write(&script, "\u{7f}ELF").unwrap();
        assert_eq!(interpreter(&script), None);
    }

    /// With the real tool where it is installed.
    #[test]
    fn the_real_tool_finds_what_is_there() {
        let scanner = match Scanner::start() {
            Ok(scanner) => scanner,
            Err(error) => {
                eprintln!("skipped: {error}");
                return;
            }
        };
        let part = Security::default();
        let value = |program: &str| part.value(&scanner.scan(program).unwrap());
        assert_eq!(value("def f(x):\n    return x + 1\n"), 0.0);
        assert_eq!(value("def f(x):\n    return eval(x)  # nosec\n"), -0.5);
        assert_eq!(value("import subprocess\ndef f(x):\n    subprocess.call(x, shell=True)\n"), -1.0);
        assert_eq!(value("def f(x)\n"), -1.0);
        // A text that no parser likes, and the next one is scanned all the same.
        assert_eq!(value(&format!("x = {}1{}\n", "(".repeat(100_000), ")".repeat(100_000))), -1.0);
        assert_eq!(value("def f(x):\n    return x\n"), 0.0);
    }
}
