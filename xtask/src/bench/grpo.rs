//! `cargo xtask bench grpo`: GRPO steps beside TRL: same model, same LoRA (r = 16 on all linear layers), f32, every completion
//! forced to its full length, nothing executed.
//!
//! `hone bench step --model M --prompts 4 --samples 8 --tokens 128 --steps N --threads T --json` prints
//! `{"steps": [{"seconds": …, "generate_seconds": …, "update_seconds": …}], "peak_rss_bytes": …}`; `"gemm_gflops"` and
//! `"prompt_tokens"` are read where they are given.

use anyhow::{Context, Result};
use serde_json::Value;

use super::arithmetic::{Shape, Sizes};
use super::median;
use super::page::Setting;
use super::peer::{Peers, number};

/// Rank of the adapters, as in the scripts.
const RANK: f64 = 16.0;

/// Size of the steps and how often they are measured.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The model.
    #[arg(long, default_value = "smollm2-135m-instruct")]
    model: String,
    /// Prompts of a step.
    #[arg(long, default_value_t = 4)]
    prompts: usize,
    /// Completions of each prompt.
    #[arg(long, default_value_t = 8)]
    samples: usize,
    /// Tokens of each completion.
    #[arg(long, default_value_t = 128)]
    tokens: usize,
    /// Steps of each program in a round.
    #[arg(long, default_value_t = 2)]
    steps: usize,
    /// Rounds; in each, TRL runs first and hone after it.
    #[arg(long, default_value_t = 2)]
    rounds: usize,
    /// Threads of each program; by default all cores.
    #[arg(long)]
    threads: Option<usize>,
    /// Measure hone alone.
    #[arg(long)]
    alone: bool,
}

/// What one program needed, over all rounds.
#[derive(Default)]
struct Measured {
    seconds: Vec<f64>,
    generate: Vec<f64>,
    update: Vec<f64>,
    peak_bytes: f64,
    last: Value,
}

/// Measures, prints and writes the page.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let setting = Setting::detect()?;
    let peers = Peers::prepare(&arguments.model)?;
    let threads =
        arguments.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let sizes = [
        ("--prompts", arguments.prompts),
        ("--samples", arguments.samples),
        ("--tokens", arguments.tokens),
        ("--steps", arguments.steps),
        ("--threads", threads),
    ];
    let sizes: Vec<String> =
        sizes.iter().flat_map(|(name, value)| [name.to_string(), value.to_string()]).collect();
    let sizes: Vec<&str> = sizes.iter().map(String::as_str).collect();
    let folder = peers.folder.display().to_string();
    let (mut trl, mut hone) = (Measured::default(), Measured::default());
    for round in 1..=arguments.rounds {
        eprintln!("round {round} of {}", arguments.rounds);
        if !arguments.alone {
            let line = [&["--model", folder.as_str()][..], &sizes].concat();
            trl.add(peers.peer("trl_grpo_step.py", &line)?)?;
        }
        let line = [&["step", "--model", folder.as_str()][..], &sizes, &["--json"]].concat();
        hone.add(peers.hone(&line)?)?;
    }
    let rate = peers.gemm_gflops(threads)?.max(hone.last["gemm_gflops"].as_f64().unwrap_or(0.0));
    let prompt_tokens = [&hone.last, &trl.last].iter().find_map(|answer| answer["prompt_tokens"].as_u64());
    let shape = Shape {
        prompts: arguments.prompts,
        samples: arguments.samples,
        tokens: arguments.tokens,
        prompt_tokens: prompt_tokens.unwrap_or(0) as usize,
    };
    let floor = Sizes::read(&peers.folder)?;
    let floor =
        [floor.generation(shape), floor.update(shape, RANK)].map(|operations| operations / (rate * 1e9));
    let title = format!(
        "GRPO step: {}, {} prompts × {} completions × {} tokens, LoRA r=16, f32, {threads} threads",
        arguments.model, arguments.prompts, arguments.samples, arguments.tokens
    );
    setting.write(&title, &body(&trl, &hone, floor, rate)?)?;
    Ok(())
}

impl Measured {
    fn add(&mut self, answer: Value) -> Result<()> {
        let steps = answer["steps"].as_array().context("expected a list of steps")?;
        for step in steps {
            self.seconds.push(number(step, "seconds")?);
            self.generate.push(number(step, "generate_seconds")?);
            self.update.push(number(step, "update_seconds")?);
        }
        self.peak_bytes = self.peak_bytes.max(number(&answer, "peak_rss_bytes")?);
        self.last = answer;
        Ok(())
    }

    fn row(&self, name: &str) -> Option<String> {
        let middle = |numbers: &[f64]| median(numbers.to_vec());
        Some(format!(
            "| {name} | {:.2} | {:.2} | {:.2} | {:.2} | {} |\n",
            middle(&self.seconds)?,
            middle(&self.generate)?,
            middle(&self.update)?,
            self.peak_bytes / 1e9,
            self.seconds.iter().map(|s| format!("{s:.2}")).collect::<Vec<_>>().join(", "),
        ))
    }
}

/// The table: medians over all steps of all rounds, the ratio to the peer, the distance to the floor.
fn body(trl: &Measured, hone: &Measured, floor: [f64; 2], rate: f64) -> Result<String> {
    let mut text = String::from(
        "| | step, s | generation, s | rest, s | peak memory, GB | all steps, s |\n|---|---|---|---|---|---|\n",
    );
    text.extend(trl.row("TRL"));
    text += &hone.row("hone").context("hone measured no step")?;
    let [generation, update] = floor;
    text += &format!(
        "| floor at {rate:.0} GFLOP/s | {:.2} | {generation:.2} | {update:.2} | | |\n\n",
        generation + update
    );
    let step = median(hone.seconds.clone()).context("hone measured no step")?;
    if let Some(peer) = median(trl.seconds.clone()) {
        text += &format!(
            "hone is **{:.2}×** as fast as TRL and needs **{:.2}** of its memory. ",
            peer / step,
            hone.peak_bytes / trl.peak_bytes
        );
        let versions = trl.last["versions"].as_object();
        let versions = versions
            .into_iter()
            .flatten()
            .map(|(name, version)| format!("{name} {}", version.as_str().unwrap_or("?")));
        text += &format!("Beside: {}. ", versions.collect::<Vec<_>>().join(", "));
    }
    text += &format!(
        "A step takes {:.2}× the floor, which counts matrix products and attention of one forward pass for sampling and one \
         forward and backward pass for the update, base weights frozen, at the fastest f32 product measured in the same run. \
         Medians over all steps, the first of each process included.\n",
        step / (generation + update)
    );
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_ratio_and_distance() {
        let answer = |seconds: f64, peak: f64| {
            serde_json::json!({
                "steps": [{"seconds": seconds, "generate_seconds": seconds / 2.0, "update_seconds": seconds / 2.0}],
                "peak_rss_bytes": peak, "versions": {"trl": "1.16.0"},
            })
        };
        let (mut trl, mut hone) = (Measured::default(), Measured::default());
        trl.add(answer(80.0, 9e9)).expect("a full answer");
        hone.add(answer(20.0, 3e9)).expect("a full answer");
        let text = body(&trl, &hone, [3.0, 7.0], 320.0).expect("steps were measured");
        assert!(text.contains("**4.00×**") && text.contains("**0.33**"), "{text}");
        assert!(text.contains("2.00× the floor") && text.contains("trl 1.16.0"), "{text}");
        assert!(hone.add(serde_json::json!({"steps": []})).is_err(), "an answer without memory was taken");
    }
}
