//! `cargo xtask test`: what CI runs, and all of it.

use std::time::Instant;

use anyhow::{Result, bail};

use crate::{install, shell, tidy};

/// How much is run.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Leave out clippy.
    #[arg(long)]
    fast: bool,
    /// Passed to `cargo test`, such as `-p hone-rl`; without it, the whole workspace is tested.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

/// Installs what is missing, then every check, then every test.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let started = Instant::now();
    install::python()?;
    install::toolchains()?;
    install::rust_components()?;
    format()?;
    tidy()?;
    if !arguments.fast {
        clippy()?;
    }
    let mut line = vec!["test"];
    if arguments.rest.is_empty() {
        line.push("--workspace");
    }
    line.extend(arguments.rest.iter().map(String::as_str));
    shell::run(&shell::cargo(), &line)?;
    eprintln!("all checks and tests passed in {:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}

/// Everything but the tests.
pub(crate) fn check() -> Result<()> {
    install::rust_components()?;
    format()?;
    tidy()?;
    clippy()
}

/// The tidy rules; every finding is printed.
pub(crate) fn tidy() -> Result<()> {
    eprintln!("$ cargo xtask tidy");
    let findings = tidy::findings(&shell::root())?;
    for finding in &findings {
        eprintln!("tidy: {finding}");
    }
    if !findings.is_empty() {
        bail!("{} tidy finding{}", findings.len(), if findings.len() == 1 { "" } else { "s" });
    }
    Ok(())
}

fn format() -> Result<()> {
    // Modules that a macro declares, the algorithms, are not seen unless they are named.
    let named = shell::output("git", &["ls-files", "--cached", "--others", "crates/rl/src/algorithms/*.rs"])?;
    let mut line = vec!["fmt", "--all", "--check", "--"];
    line.extend(named.lines());
    shell::run(&shell::cargo(), &line)
}

fn clippy() -> Result<()> {
    shell::run(
        &shell::cargo(),
        &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"],
    )
}
