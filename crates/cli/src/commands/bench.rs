//! `hone bench`: how fast this machine samples and trains, on work of a fixed size.
//!
//! Nothing is learnt here: completions are forced to their full length and rewards come from a cheap function of the
//! text, so that two programs can be timed on the same amount of work. The steps are those of the real trainer, its
//! comparison of the sampler's and the trainer's log-probs included.

use std::ops::ControlFlow;
use std::time::Instant;

use anyhow::Result;
use hone_environment::{Environment, EnvironmentError, EnvironmentSet, Message, Observation, Role, Step};
use hone_model::{GenerateRequest, LoraConfig, Network, SamplingParams, Trainable};
use hone_rl::algorithms::Grpo;
use hone_rl::{Algorithm, Observer, ObserverError, StepReport, TextCodec, Trainer, TrainerConfig};
use serde::Serialize;

use crate::opened_model::OpenedModel;
use crate::terminal::Terminal;

const STEP_EXAMPLES: &str = "\
Examples:
  hone bench step --model smollm2-135m-instruct
  hone bench step --model my-model/ --prompts 4 --samples 8 --tokens 128 --steps 3 --json";

const GENERATE_EXAMPLES: &str = "\
Examples:
  hone bench generate --model smollm2-135m-instruct
  hone bench generate --batch 1 --batch 8 --batch 32 --tokens 128 --json";

/// What is timed.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// GRPO steps with LoRA on all linear layers: sampling, log-probs, update.
    #[command(after_help = STEP_EXAMPLES)]
    Step(StepArguments),
    /// Sampling alone.
    #[command(after_help = GENERATE_EXAMPLES)]
    Generate(GenerateArguments),
}

/// Size of a step.
#[derive(clap::Args)]
pub(crate) struct StepArguments {
    /// A name, a folder or a GGUF file.
    #[arg(long, default_value = hone_model::weights::DEFAULT_MODEL)]
    model: String,
    /// Prompts a step.
    #[arg(long, default_value_t = 4)]
    prompts: usize,
    /// Completions a prompt.
    #[arg(long, default_value_t = 8)]
    samples: usize,
    /// Tokens of every completion.
    #[arg(long, default_value_t = 128)]
    tokens: usize,
    /// Steps timed, after one that is not.
    #[arg(long, default_value_t = 3)]
    steps: u64,
}

/// Size of a generation.
#[derive(clap::Args)]
pub(crate) struct GenerateArguments {
    /// A name, a folder or a GGUF file.
    #[arg(long, default_value = hone_model::weights::DEFAULT_MODEL)]
    model: String,
    /// Sequences in flight; may be given several times.
    #[arg(long, default_values_t = [1, 8, 32])]
    batch: Vec<usize>,
    /// Tokens of every completion.
    #[arg(long, default_value_t = 128)]
    tokens: usize,
}

/// Tokens generated before the clock starts, so that buffers exist, as in any run longer than a moment.
const WARM_UP_TOKENS: usize = 4;

#[derive(Debug, Serialize)]
struct StepTimes {
    seconds: f64,
    generate_seconds: f64,
    update_seconds: f64,
    tokens: f64,
}

#[derive(Debug, Serialize)]
struct StepResult {
    steps: Vec<StepTimes>,
    peak_rss_bytes: u64,
}

#[derive(Debug, Serialize)]
struct GenerateReport {
    batches: Vec<GenerateResult>,
    peak_rss_bytes: u64,
}

#[derive(Debug, Serialize)]
struct GenerateResult {
    batch: usize,
    tokens: usize,
    seconds: f64,
    tokens_per_second: f64,
}

/// Times, and prints what was found.
pub(crate) fn run(command: &Command, terminal: &Terminal) -> Result<()> {
    match command {
        Command::Step(arguments) => steps(arguments, terminal),
        Command::Generate(arguments) => generate(arguments, terminal),
    }
}

/// A model that never ends a text by itself.
fn endless(name: &str, terminal: &Terminal) -> Result<OpenedModel> {
    let mut model = OpenedModel::open(name, terminal)?;
    model.config.eos_token_ids.clear();
    Ok(model)
}

fn steps(arguments: &StepArguments, terminal: &Terminal) -> Result<()> {
    let mut model = endless(&arguments.model, terminal)?;
    let threads = terminal.threads.unwrap_or(0);
    let mut network = model.network(Trainable::Lora(LoraConfig::default()), threads, 0)?;
    let tasks = Parity { ids: (0..arguments.prompts).map(|i| format!("bench/{i}")).collect() };
    let config = TrainerConfig {
        steps: arguments.steps + 1,
        prompts_per_step: arguments.prompts,
        group_size: arguments.samples,
        generation_slots: arguments.prompts * arguments.samples,
        checkpoint_every: 0,
        sampling: SamplingParams { max_new_tokens: arguments.tokens, ..SamplingParams::default() },
        ..TrainerConfig::default()
    };
    let algorithm =
        Algorithm::Grpo(Grpo { dynamic_sampling: false, mask_truncated: false, ..Grpo::default() });
    let (render, decode) = (|o: &Observation| model.text.render(o), |t: &[u32]| model.text.decode(t));
    let encode = |text: &str| model.text.encode(text);
    let codec = TextCodec { render: &render, decode: &decode, encode: &encode, stop_tokens: &[] };
    let mut times = Times { terminal, steps: Vec::new() };
    Trainer::new(config, algorithm, &mut network, &tasks, codec)?.run(None, &mut times)?;
    let result = StepResult { steps: times.steps.split_off(1), peak_rss_bytes: peak_rss_bytes() };
    if terminal.is_json {
        return terminal.json(&result);
    }
    for (index, step) in result.steps.iter().enumerate() {
        let StepTimes { seconds, generate_seconds, update_seconds, tokens } = step;
        terminal.result(&format!(
            "step {}: {seconds:.1} s = sampling {generate_seconds:.1} ({tokens:.0} tokens) + update {update_seconds:.1}",
            index + 1
        ));
    }
    terminal.result(&format!("peak memory {:.2} GB", result.peak_rss_bytes as f64 / 1e9));
    Ok(())
}

struct Times<'a> {
    terminal: &'a Terminal,
    steps: Vec<StepTimes>,
}

impl Observer for Times<'_> {
    fn on_step(&mut self, report: &StepReport) -> Result<(), ObserverError> {
        use hone_runlog::metric;
        let value = |name| report.value(name).unwrap_or(f64::NAN);
        self.terminal.note(&format!(
            "step {} of {}: {:.1} s",
            report.step,
            report.steps,
            value(metric::STEP_S)
        ));
        self.steps.push(StepTimes {
            seconds: value(metric::STEP_S),
            generate_seconds: value(metric::ROLLOUT_S),
            update_seconds: value(metric::UPDATE_S),
            tokens: report.groups.iter().flat_map(|g| &g.trajectories).map(|t| t.tokens.len() as f64).sum(),
        });
        Ok(())
    }
}

/// Rewards that differ within a group for no reason but the text's bytes.
struct Parity {
    ids: Vec<String>,
}

struct ParityEpisode {
    number: usize,
}

impl EnvironmentSet for Parity {
    fn len(&self) -> usize {
        self.ids.len()
    }

    fn id(&self, index: usize) -> &str {
        &self.ids[index]
    }

    fn open(&self, index: usize) -> Box<dyn Environment + '_> {
        Box::new(ParityEpisode { number: index })
    }
}

impl Environment for ParityEpisode {
    fn observe(&self) -> Observation {
        let content = format!("Write a Python function that adds {} to every number of a list.", self.number);
        let messages = vec![Message { role: Role::User, content }];
        Observation { messages, answer_prefix: String::new(), stop: Vec::new() }
    }

    fn step(&mut self, action: &str) -> Result<Step, EnvironmentError> {
        let sum: u32 = action.bytes().map(u32::from).sum();
        Ok(Step { reward: f64::from(sum % 2), parts: Vec::new(), verdict: None, next: None })
    }
}

fn generate(arguments: &GenerateArguments, terminal: &Terminal) -> Result<()> {
    let mut model = endless(&arguments.model, terminal)?;
    let mut network = model.network(Trainable::Frozen, terminal.threads.unwrap_or(0), 0)?;
    let prompt =
        model.text.plain("Write a Python function that adds two numbers and explain how it works.")?;
    let mut generate = |batch: usize, max_new_tokens: usize| -> Result<GenerateResult> {
        let request = GenerateRequest {
            prompt: prompt.clone(),
            samples: batch,
            sampling: SamplingParams { max_new_tokens, ..SamplingParams::default() },
            stop: Vec::new(),
            stop_tokens: Vec::new(),
            seed: [0, 0, 0],
        };
        let mut tokens = 0;
        let mut count = |completion: hone_model::Completion| {
            tokens += completion.tokens.len();
            ControlFlow::Continue(())
        };
        let started = Instant::now();
        network.generate(&[request], batch, &|tokens| model.text.decode(tokens), &mut count)?;
        let seconds = started.elapsed().as_secs_f64();
        Ok(GenerateResult { batch, tokens, seconds, tokens_per_second: tokens as f64 / seconds })
    };
    let mut batches = Vec::new();
    for &batch in &arguments.batch {
        generate(batch, WARM_UP_TOKENS)?;
        batches.push(generate(batch, arguments.tokens)?);
    }
    let report = GenerateReport { batches, peak_rss_bytes: peak_rss_bytes() };
    if terminal.is_json {
        return terminal.json(&report);
    }
    for GenerateResult { batch, tokens, seconds, tokens_per_second } in &report.batches {
        terminal.result(&format!(
            "batch {batch}: {tokens} tokens in {seconds:.1} s, {tokens_per_second:.0} tokens/s"
        ));
    }
    terminal.result(&format!("peak memory {:.2} GB", report.peak_rss_bytes as f64 / 1e9));
    Ok(())
}

/// Most memory this process had resident, as Linux counts it; 0 where it does not say.
fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|rest| rest.split_whitespace().next()).and_then(|n| n.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
