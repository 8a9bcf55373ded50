//! `docs/benchmarks/<date>-<cpu>.md`: one section a run, with commit, machine and command. Later runs of a day are appended.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::shell;

/// Where and on what the numbers were made.
pub(super) struct Setting {
    date: String,
    cpu: String,
    lines: Vec<String>,
}

impl Setting {
    /// Looks at the machine before the benchmark starts; a busy one is said on the page.
    pub(super) fn detect() -> Result<Setting> {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = field(&cpuinfo, "model name").unwrap_or("unknown processor").to_string();
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kib = field(&meminfo, "MemTotal").and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().unwrap_or("?").to_string();
        if load.parse::<f64>().is_ok_and(|load| load > 0.5) {
            eprintln!("warning: this machine is busy (load {load}); the ratios may hold, the times will not");
        }
        let commit = shell::output("git", &["rev-parse", "--short=12", "HEAD"])?.trim().to_string();
        let changed = shell::output("git", &["status", "--porcelain", "--untracked-files=no"])?;
        let state = if changed.trim().is_empty() { "" } else { " with uncommitted changes" };
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let vectors = ["avx2", "avx512f", "amx_tile"].map(|name| (name, cpuinfo.contains(name)));
        let vectors: Vec<&str> = vectors.iter().filter(|(_, has)| *has).map(|(name, _)| *name).collect();
        let lines = vec![
            format!("- commit {commit}{state}"),
            format!(
                "- {cpu}, {cores} cores, {} GiB, {}; load average before the run {load}",
                (kib.unwrap_or(0.0) / (1 << 20) as f64).round(),
                vectors.join(" ")
            ),
            format!("- `cargo xtask {}`", std::env::args().skip(1).collect::<Vec<_>>().join(" ")),
        ];
        Ok(Setting { date: shell::output("date", &["-u", "+%F"])?.trim().to_string(), cpu, lines })
    }

    /// Adds a section to the page of this day and processor, prints it and returns the path.
    pub(super) fn write(&self, title: &str, body: &str) -> Result<PathBuf> {
        let folder = shell::root().join("docs/benchmarks");
        fs::create_dir_all(&folder).with_context(|| format!("failed to make {}", folder.display()))?;
        let path = folder.join(format!("{}-{}.md", self.date, slug(&self.cpu)));
        let old = fs::read_to_string(&path)
            .unwrap_or_else(|_| format!("# Measured on {}, {}\n", self.date, self.cpu));
        let section = format!("\n## {title}\n\n{}\n\n{body}", self.lines.join("\n"));
        fs::write(&path, old + &section).with_context(|| format!("failed to write {}", path.display()))?;
        println!("{section}");
        eprintln!("added to {}", path.display());
        Ok(path)
    }
}

/// The value of the first `name : value` line.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

/// A processor's name as part of a file name: "Intel(R) Xeon(R) Processor" → "intel-xeon-processor".
fn slug(name: &str) -> String {
    let plain = name.replace("(R)", "").replace("(TM)", "").to_lowercase();
    let words: Vec<&str> =
        plain.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_fields() {
        assert_eq!(slug("Intel(R) Xeon(R) Processor"), "intel-xeon-processor");
        assert_eq!(slug("AMD EPYC 7B13 @ 2.4GHz"), "amd-epyc-7b13-2-4ghz");
        assert_eq!(field("a: 1\nmodel name\t: X Y\n", "model name"), Some("X Y"));
        assert_eq!(field("a: 1", "b"), None);
    }
}
