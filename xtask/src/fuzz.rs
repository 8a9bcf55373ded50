//! `cargo xtask fuzz`: the fuzz targets of `fuzz/`, coverage-guided, with the compiler that is there.
//!
//! The folder has cargo-fuzz's layout, and `cargo +nightly fuzz run TARGET` works as well. This needs neither cargo-fuzz nor a
//! nightly compiler: coverage is what LLVM's own pass counts, and libFuzzer comes with the crate. Without a nightly compiler
//! there is no address sanitizer; the parsers are safe Rust, so what is looked for is a panic, a hang or too much memory.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::shell;

/// What libFuzzer needs to see of the program: which edges are taken, and what is compared with what.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Ccodegen-units=1";

/// What is fuzzed, and how long.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Targets, files of fuzz/fuzz_targets; by default all of them, one after the other.
    targets: Vec<String>,
    /// Seconds for each.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// Builds and runs. Fails at the first input that makes a target panic, hang or grow; libFuzzer says where it is kept.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let known = targets()?;
    if let Some(target) = arguments.targets.iter().find(|target| !known.contains(target)) {
        bail!("expected one of {}, found {target:?}", known.join(", "));
    }
    let host = shell::output("rustc", &["-vV"])?;
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc named no host")?;
    let target = shell::target().join("fuzz");
    let folder = target.display().to_string();
    // With a target named, build scripts and macros are built without the counters.
    let build = ["build", "--release", "--manifest-path", "fuzz/Cargo.toml", "--target-dir", &folder];
    let build = [&build[..], &["--target", host]].concat();
    shell::run_with(&shell::cargo(), &build, &[("RUSTFLAGS", COVERAGE)])?;
    let chosen = if arguments.targets.is_empty() { &known } else { &arguments.targets };
    for name in chosen {
        let [corpus, artifacts] =
            ["corpus", "artifacts"].map(|kind| shell::root().join("fuzz").join(kind).join(name));
        for folder in [&corpus, &artifacts] {
            fs::create_dir_all(folder).with_context(|| format!("failed to make {}", folder.display()))?;
        }
        let program = target.join(host).join("release").join(name).display().to_string();
        let options = [
            corpus.display().to_string(),
            format!("-artifact_prefix={}/", artifacts.display()),
            format!("-max_total_time={}", arguments.seconds),
            "-timeout=10".into(),
            "-rss_limit_mb=2048".into(),
            "-print_final_stats=1".into(),
        ];
        shell::run(&program, &options.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Names of the targets, sorted.
fn targets() -> Result<Vec<String>> {
    let folder = shell::root().join("fuzz/fuzz_targets");
    let entries = fs::read_dir(&folder).with_context(|| format!("failed to read {}", folder.display()))?;
    let name = |entry: fs::DirEntry| Some(entry.path().file_stem()?.to_str()?.to_string());
    let mut names: Vec<String> = entries.flatten().filter_map(name).collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::targets;

    #[test]
    fn every_target_is_declared() {
        let manifest = std::fs::read_to_string(crate::shell::root().join("fuzz/Cargo.toml")).unwrap();
        let names = targets().unwrap();
        assert!(!names.is_empty());
        for name in names {
            assert!(
                manifest.contains(&format!("name = \"{name}\"")),
                "{name} has no [[bin]] in fuzz/Cargo.toml"
            );
        }
    }
}
