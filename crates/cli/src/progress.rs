//! Progress on stderr: what, how far, how fast, how long still. A bar on a terminal, lines elsewhere.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::terminal::Terminal;

/// Lines come at most this often where every update is small.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// How often plain lines are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lines {
    /// One for each update: steps of a training.
    Each,
    /// One every few seconds: many small things.
    Sparse,
}

/// One stage of work with a known number of parts.
pub(crate) struct Progress {
    stage: String,
    total: u64,
    start_at: u64,
    started: Instant,
    last_line: Option<Instant>,
    lines: Lines,
    bar: Option<ProgressBar>,
    is_quiet: bool,
    limit: Option<Duration>,
}

impl Progress {
    /// Begins a stage of which `start_at` parts are already done.
    pub(crate) fn start(
        terminal: &Terminal,
        stage: &str,
        start_at: u64,
        total: u64,
        lines: Lines,
    ) -> Progress {
        let bar = terminal.is_live.then(|| {
            let bar = ProgressBar::new(total);
            let style = ProgressStyle::with_template("{prefix} {bar:24} {pos}/{len}  {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_prefix(stage.to_string());
            bar.set_position(start_at);
            bar.enable_steady_tick(Duration::from_millis(500));
            bar
        });
        let started = Instant::now();
        let is_quiet = terminal.is_quiet;
        Progress {
            stage: stage.to_string(),
            total,
            start_at,
            started,
            last_line: None,
            lines,
            bar,
            is_quiet,
            limit: None,
        }
    }

    /// Tells that `done` parts are done, with facts such as `reward 0.31`.
    pub(crate) fn update(&mut self, done: u64, facts: &str) {
        let left = self.left(done);
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            bar.set_message(format!("{facts}  {left}"));
            return;
        }
        let is_due = self.lines == Lines::Each
            || done == self.total
            || self.last_line.is_none_or(|last| last.elapsed() >= LINE_EVERY);
        if is_due && !self.is_quiet {
            self.last_line = Some(Instant::now());
            eprintln!("{} {done}/{}  {facts}  {left}", self.stage, self.total);
        }
    }

    /// The time after which the stage ends early.
    pub(crate) fn limit(&mut self, minutes: Option<f64>) {
        self.limit = minutes.map(|minutes| Duration::from_secs_f64(60.0 * minutes));
    }

    /// Changes what the bar says, without a line.
    pub(crate) fn show(&mut self, done: u64, facts: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{facts}  {}", self.left(done)));
        }
    }

    /// Ends the stage; the bar gives way to one line.
    pub(crate) fn finish(self, facts: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if !self.is_quiet {
            eprintln!("{} took {}  {facts}", self.stage, duration(self.started.elapsed()));
        }
    }

    fn left(&self, done: u64) -> String {
        let made = done.saturating_sub(self.start_at);
        if made == 0 || done >= self.total {
            return String::new();
        }
        let each = self.started.elapsed().as_secs_f64() / made as f64;
        let left = Duration::from_secs_f64(each * (self.total - done) as f64);
        let allowed = self.limit.map_or(left, |limit| limit.saturating_sub(self.started.elapsed()));
        format!("{} left", duration(left.min(allowed)))
    }
}

/// `48 s`, `3 min 20 s`, `2 h 05 min`.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// `640 B`, `12.3 MB`, `1.10 GB`.
pub(crate) fn bytes(count: u64) -> String {
    let count = count as f64;
    if count < 1e3 {
        format!("{count} B")
    } else if count < 1e6 {
        format!("{:.1} kB", count / 1e3)
    } else if count < 1e9 {
        format!("{:.1} MB", count / 1e6)
    } else {
        format!("{:.2} GB", count / 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_read_well() {
        assert_eq!(duration(Duration::from_secs(48)), "48 s");
        assert_eq!(duration(Duration::from_secs(200)), "3 min 20 s");
        assert_eq!(duration(Duration::from_secs(7500)), "2 h 05 min");
        assert_eq!(bytes(640), "640 B");
        assert_eq!(bytes(12_345_678), "12.3 MB");
        assert_eq!(bytes(1_100_000_000), "1.10 GB");
    }
}
