//! What the user sees: results on stdout, everything else on stderr.

use std::io::{IsTerminal, Write};

use serde::Serialize;

use crate::arguments::{Color, Global};

/// How to talk to the user; made once from the global arguments.
#[derive(Debug, Clone)]
pub(crate) struct Terminal {
    /// Results as JSON.
    pub(crate) is_json: bool,
    /// Errors only on stderr.
    pub(crate) is_quiet: bool,
    /// Whether stderr is a terminal that can redraw a line.
    pub(crate) is_live: bool,
    /// Threads for the network; `None` where the user said nothing.
    pub(crate) threads: Option<usize>,
    verbosity: u8,
    stderr_color: bool,
    stdout_color: bool,
}

impl Terminal {
    /// Reads the arguments and looks at stdout and stderr.
    pub(crate) fn new(global: &Global) -> Terminal {
        let color = |is_terminal: bool| match global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        };
        Terminal {
            is_json: global.json,
            is_quiet: global.quiet,
            is_live: std::io::stderr().is_terminal() && !global.quiet,
            threads: global.threads,
            verbosity: global.verbose,
            stderr_color: color(std::io::stderr().is_terminal()),
            stdout_color: color(std::io::stdout().is_terminal()),
        }
    }

    /// The rooms' logs go to stderr, as much as `-v` asks for; HONE_LOG overrides.
    pub(crate) fn start_logging(&self) {
        let level = match (self.is_quiet, self.verbosity) {
            (true, _) => "error",
            (_, 0) => "warn",
            (_, 1) => "info",
            _ => "debug",
        };
        let filter = tracing_subscriber::EnvFilter::try_from_env("HONE_LOG")
            .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(self.stderr_color)
            .without_time()
            .with_target(false);
        // Only a second call could fail, and there is none.
        let _ = subscriber.try_init();
    }

    /// A result, to stdout. A reader that went away (`| head`) ends the program quietly.
    pub(crate) fn result(&self, text: &str) {
        let mut stdout = std::io::stdout().lock();
        if writeln!(stdout, "{text}").and_then(|()| stdout.flush()).is_err() {
            std::process::exit(0);
        }
    }

    /// A piece of a result, to stdout, without a line's end.
    pub(crate) fn piece(&self, text: &str) {
        let mut stdout = std::io::stdout().lock();
        if write!(stdout, "{text}").and_then(|()| stdout.flush()).is_err() {
            std::process::exit(0);
        }
    }

    /// A result as JSON, to stdout.
    pub(crate) fn json<T: Serialize>(&self, value: &T) -> anyhow::Result<()> {
        self.result(&serde_json::to_string_pretty(value)?);
        Ok(())
    }

    /// A note about what happens, to stderr.
    pub(crate) fn note(&self, text: &str) {
        if !self.is_quiet {
            eprintln!("{text}");
        }
    }

    /// An error with its causes, to stderr; a hint stays on its own line.
    pub(crate) fn error(&self, error: &anyhow::Error) {
        let text = message(error);
        if self.stderr_color {
            eprintln!("\x1b[1;31merror:\x1b[0m {}", text.replace("\nhint:", "\n\x1b[1;36mhint:\x1b[0m"));
        } else {
            eprintln!("error: {text}");
        }
    }

    /// Bold on stdout, where colour is on.
    pub(crate) fn bold(&self, text: &str) -> String {
        if self.stdout_color { format!("\x1b[1m{text}\x1b[0m") } else { text.to_string() }
    }
}

/// An error and its causes in one line; a cause that the text before it quotes already is not said again.
fn message(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |said, cause| match said.is_empty() {
        true => cause,
        false if said.ends_with(&cause) => said,
        false => format!("{said}: {cause}"),
    })
}
