//! What the run ran on: processor, memory, kernel, tool versions. Linux's own files are read; nothing is measured.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// The machine, as far as it says what it is; an unknown entry is empty or 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// Processor model.
    pub cpu: String,
    /// Cores this process may use.
    pub cores: usize,
    /// Vector instructions that matter to the kernels, such as `avx2`.
    pub features: Vec<String>,
    /// Physical memory, in bytes.
    pub memory_bytes: u64,
    /// Kernel release.
    pub kernel: String,
    /// Operating system, by its pretty name.
    pub os: String,
    /// Architecture, such as `x86_64`.
    pub architecture: String,
}

impl Machine {
    /// Reads `/proc` and `/etc/os-release`.
    pub fn detect() -> Machine {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let flags = field(&cpuinfo, "flags", ':').unwrap_or_default();
        let known =
            ["avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512_bf16", "avx512_vnni", "amx_bf16"];
        let has = |name: &&str| flags.split_whitespace().any(|flag| flag == *name);
        Machine {
            cpu: field(&cpuinfo, "model name", ':').unwrap_or_default(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            features: known.iter().filter(|name| has(name)).map(|name| name.to_string()).collect(),
            memory_bytes: field(&meminfo, "MemTotal", ':')
                .and_then(|value| value.split_whitespace().next()?.parse::<u64>().ok())
                .map_or(0, |kib| kib << 10),
            kernel: kernel.trim().to_owned(),
            os: field(&release, "PRETTY_NAME", '=').unwrap_or_else(|| std::env::consts::OS.to_owned()),
            architecture: std::env::consts::ARCH.to_owned(),
        }
    }
}

/// Versions of the programs a run depends on, by name: `python` and `rustc`. One that is not installed is left out.
pub fn detect_toolchains() -> BTreeMap<String, String> {
    let programs = [("python", "python3", "--version"), ("rustc", "rustc", "--version")];
    let version = |program: &str, argument: &str| first_line(Command::new(program).arg(argument));
    programs
        .iter()
        .filter_map(|(name, program, argument)| Some((name.to_string(), version(program, argument)?)))
        .collect()
}

/// The time now, in RFC 3339 to the second, UTC.
pub fn utc_now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    rfc3339(seconds)
}

/// First line of what a command prints; `None` if it cannot be started or fails.
pub(crate) fn first_line(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next().unwrap_or_default().trim().to_owned();
    (output.status.success()).then_some(line)
}

/// The first `name<separator>value` line of a text, its value without blanks and quotes.
fn field(text: &str, name: &str, separator: char) -> Option<String> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(separator)?;
        (key.trim() == name).then(|| value.trim().trim_matches('"').to_owned())
    })
}

/// Seconds since 1970 as a date in the proleptic Gregorian calendar (Howard Hinnant, "chrono-compatible
/// low-level date algorithms": years start in March, so that the leap day is the last of a year).
fn rfc3339(seconds: u64) -> String {
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        // `date -u -d @N +%FT%TZ`
        for (seconds, date) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds), date);
        }
    }

    #[test]
    fn fields_of_the_systems_files() {
        assert_eq!(field("MemTotal:  16 kB\n", "MemTotal", ':').as_deref(), Some("16 kB"));
        assert_eq!(
            field("NAME=x\nPRETTY_NAME=\"Debian 12\"", "PRETTY_NAME", '=').as_deref(),
            Some("Debian 12")
        );
        assert_eq!(field("", "x", ':'), None);
    }

    #[test]
    fn this_machine_has_cores() {
        assert!(Machine::detect().cores > 0);
    }
}
