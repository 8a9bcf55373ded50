//! `hone generate`: completions of a prompt, as text.

use std::ops::ControlFlow;

use anyhow::{Context, Result};
use hone_environment::{Message, Observation, Role};
use hone_model::engine::Decoder;
use hone_model::{Completion, FinishReason, GenerateRequest, Network, SamplingParams};
use serde::Serialize;

use crate::exit::Usage;
use crate::opened_model::{OpenedModel, Text};
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  hone generate smollm2-135m-instruct \"Write a Python function that reverses a string.\"
  hone generate runs/quickstart-20260131-120000 \"Write a Python function that adds two numbers.\" --temperature 0
  hone generate smollm2-135m-instruct --raw \"def add(a, b):\" -n 4 --seed 7
  hone generate smollm2-135m-instruct \"Say hello.\" --json

MODEL is a name, a Hugging Face folder, a GGUF file, a run, or a checkpoint of a run.";

/// Tokens made before the first look; each further piece is twice as long, up to `LONGEST_PIECE`.
const FIRST_PIECE: usize = 2;
const LONGEST_PIECE: usize = 16;

/// Which model, which prompt, and how it samples.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// A name, a folder, a GGUF file, a run, or a checkpoint of a run.
    model: String,
    /// The prompt; - reads it from stdin.
    prompt: String,
    /// Put the prompt through the chat template (the default where the model has one).
    #[arg(long, conflicts_with = "raw")]
    chat: bool,
    /// Continue the prompt as it is.
    #[arg(long)]
    raw: bool,
    /// Sampling temperature; 0 is greedy.
    #[arg(long, default_value_t = 0.7)]
    temperature: f32,
    /// Keep the likeliest tokens that make up this probability.
    #[arg(long, default_value_t = 0.95)]
    top_p: f32,
    /// Keep the N likeliest tokens; 0 keeps all.
    #[arg(long, default_value_t = 0, value_name = "N")]
    top_k: usize,
    /// Longest completion, in tokens.
    #[arg(long, default_value_t = 256, value_name = "N")]
    max_new_tokens: usize,
    /// Completions.
    #[arg(short, long, default_value_t = 1, value_name = "N")]
    n: usize,
    /// Seed of the sampling.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[derive(Serialize)]
struct Sample {
    text: String,
    tokens: usize,
    finish: FinishReason,
}

/// Generates and prints.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<()> {
    check(arguments)?;
    let prompt = match arguments.prompt.as_str() {
        "-" => std::io::read_to_string(std::io::stdin()).context("failed to read the prompt from stdin")?,
        text => text.to_string(),
    };
    let mut model = OpenedModel::open(&arguments.model, terminal)?;
    let tokens = prompt_tokens(arguments, &prompt, &model.text)?;
    if tokens.is_empty() {
        return Err(Usage("the prompt is empty".into()).into());
    }
    let mut network = model.policy(terminal.threads.unwrap_or(0))?;
    if arguments.n == 1 && !terminal.is_json {
        return stream(arguments, &mut network, &model.text, tokens, terminal);
    }
    let samples = samples(arguments, &mut network, &model.text, tokens)?;
    if terminal.is_json {
        return terminal.json(&samples);
    }
    for (index, sample) in samples.iter().enumerate() {
        terminal.result(&format!("{}\n{}", terminal.bold(&format!("--- {}", index + 1)), sample.text));
    }
    Ok(())
}

fn check(arguments: &Arguments) -> Result<()> {
    let Arguments { temperature, top_p, n, max_new_tokens, .. } = arguments;
    let problem = if !(temperature.is_finite() && *temperature >= 0.0) {
        format!("--temperature: expected at least 0, found {temperature}")
    } else if !(*top_p > 0.0 && *top_p <= 1.0) {
        format!("--top-p: expected above 0 and at most 1, found {top_p}")
    } else if *n == 0 || *max_new_tokens == 0 {
        "-n and --max-new-tokens: expected at least 1, found 0".to_string()
    } else {
        return Ok(());
    };
    Err(Usage(problem).into())
}

fn prompt_tokens(arguments: &Arguments, prompt: &str, text: &Text) -> Result<Vec<u32>> {
    if arguments.chat && text.chat_template.is_none() {
        return Err(Usage("this model has no chat template\nhint: use --raw".into()).into());
    }
    if arguments.raw || text.chat_template.is_none() {
        return Ok(text.plain(prompt)?);
    }
    let message = Message { role: Role::User, content: prompt.to_string() };
    let observation = Observation { messages: vec![message], answer_prefix: String::new(), stop: Vec::new() };
    text.render(&observation).map_err(|error| anyhow::anyhow!("failed to render the prompt: {error}"))
}

fn request(
    arguments: &Arguments,
    prompt: Vec<u32>,
    samples: usize,
    length: usize,
    piece: u64,
) -> GenerateRequest {
    let Arguments { temperature, top_k, top_p, seed, .. } = *arguments;
    let sampling = SamplingParams { temperature, top_k, top_p, max_new_tokens: length };
    GenerateRequest {
        prompt,
        samples,
        sampling,
        stop: Vec::new(),
        stop_tokens: Vec::new(),
        seed: [seed, 0, piece],
    }
}

fn samples(
    arguments: &Arguments,
    network: &mut Decoder,
    text: &Text,
    prompt: Vec<u32>,
) -> Result<Vec<Sample>> {
    let request = request(arguments, prompt, arguments.n, arguments.max_new_tokens, 0);
    let mut completions: Vec<Completion> = Vec::new();
    network.generate(&[request], 32, &|tokens| text.decode(tokens), &mut |completion| {
        completions.push(completion);
        ControlFlow::Continue(())
    })?;
    completions.sort_by_key(|completion| completion.sample);
    let sample = |one: Completion| Sample { text: one.text, tokens: one.tokens.len(), finish: one.finish };
    Ok(completions.into_iter().map(sample).collect())
}

/// Prints the completion piece by piece. Each piece continues the text so far, so that whoever waits sees it grow.
fn stream(
    arguments: &Arguments,
    network: &mut Decoder,
    text: &Text,
    prompt: Vec<u32>,
    terminal: &Terminal,
) -> Result<()> {
    let started = std::time::Instant::now();
    let (mut tokens, mut printed, mut length, mut piece) = (Vec::new(), 0, FIRST_PIECE, 0);
    let prompt_length = prompt.len();
    let mut so_far = prompt;
    while tokens.len() < arguments.max_new_tokens && so_far.len() < network.config().max_position_embeddings {
        let wanted = length.min(arguments.max_new_tokens - tokens.len());
        let request = request(arguments, so_far.clone(), 1, wanted, piece);
        let mut made = None;
        network.generate(&[request], 1, &|tokens| text.decode(tokens), &mut |completion| {
            made = Some(completion);
            ControlFlow::Continue(())
        })?;
        let Some(completion) = made else { break };
        let is_ended = completion.finish != FinishReason::Length;
        let kept = completion.tokens.len() - usize::from(is_ended);
        tokens.extend(&completion.tokens[..kept]);
        so_far.truncate(prompt_length);
        so_far.extend(&tokens);
        let all = text.decode(&tokens);
        // Half a character at the end waits for its other half.
        let whole = if is_ended { all.len() } else { all.trim_end_matches('\u{fffd}').len() };
        terminal.piece(all.get(printed..whole).unwrap_or_default());
        printed = printed.max(whole);
        if is_ended {
            break;
        }
        (length, piece) = ((length * 2).min(LONGEST_PIECE), piece + 1);
    }
    terminal.result("");
    let seconds = started.elapsed().as_secs_f64();
    terminal.note(&format!(
        "{} tokens, {:.1} tokens/s",
        tokens.len(),
        tokens.len() as f64 / seconds.max(1e-9)
    ));
    Ok(())
}
