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
  hone generate smollm2-135m-instruct --raw \"def add(a, b):\" --stop $'\\ndef' --temperature 0
  hone generate smollm2-135m-instruct --raw \"def add(a, b):\" --beams 4 -n 2     the likeliest, not drawn ones
  hone generate smollm2-135m-instruct \"Say hello.\" --json

MODEL is a name, a Hugging Face folder, a GGUF file, a run, or a checkpoint of a run.";

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
    /// Keep tokens at least this likely relative to the likeliest; 0 keeps all.
    #[arg(long, default_value_t = 0.0)]
    min_p: f32,
    /// Beam search of this width instead of drawing; the best -n completions are shown.
    #[arg(long, default_value_t = 0, value_name = "WIDTH")]
    beams: usize,
    /// α of a beam's score, Σ ln p / length^α.
    #[arg(long, default_value_t = 1.0, value_name = "ALPHA")]
    length_penalty: f32,
    /// Longest completion, in tokens.
    #[arg(long, default_value_t = 256, value_name = "N")]
    max_new_tokens: usize,
    /// A text that ends the completion and is not part of it; may be given several times.
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
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
    if arguments.n == 1 && arguments.beams == 0 && !terminal.is_json {
        return stream(arguments, &mut network, &model.text, tokens, terminal);
    }
    let samples = samples(arguments, &mut network, &model.text, tokens)?;
    if terminal.is_json {
        return terminal.json(&samples);
    }
    if let [only] = samples.as_slice() {
        terminal.result(&only.text);
        return Ok(());
    }
    for (index, sample) in samples.iter().enumerate() {
        terminal.result(&format!("{}\n{}", terminal.bold(&format!("--- {}", index + 1)), sample.text));
    }
    Ok(())
}

fn check(arguments: &Arguments) -> Result<()> {
    let Arguments { temperature, top_p, min_p, beams, length_penalty, n, max_new_tokens, .. } = arguments;
    let problem = if !(temperature.is_finite() && *temperature >= 0.0) {
        format!("--temperature: expected at least 0, found {temperature}")
    } else if !(*top_p > 0.0 && *top_p <= 1.0) {
        format!("--top-p: expected above 0 and at most 1, found {top_p}")
    } else if !(0.0..=1.0).contains(min_p) {
        format!("--min-p: expected 0 to 1, found {min_p}")
    } else if !length_penalty.is_finite() {
        format!("--length-penalty: expected a number, found {length_penalty}")
    } else if *beams > 0 && n > beams {
        format!("-n: expected at most --beams, {beams}, found {n}")
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

fn request(arguments: &Arguments, prompt: Vec<u32>, samples: usize) -> GenerateRequest {
    let Arguments { temperature, top_k, top_p, min_p, beams, length_penalty, max_new_tokens, seed, .. } =
        *arguments;
    let sampling = SamplingParams { temperature, top_k, top_p, min_p, max_new_tokens, beams, length_penalty };
    let stop = arguments.stop.clone();
    GenerateRequest { prompt, samples, sampling, stop, stop_tokens: Vec::new(), seed: [seed, 0, 0] }
}

fn samples(
    arguments: &Arguments,
    network: &mut Decoder,
    text: &Text,
    prompt: Vec<u32>,
) -> Result<Vec<Sample>> {
    let request = request(arguments, prompt, arguments.n);
    let mut completions: Vec<Completion> = Vec::new();
    network.generate(&[request], 32, &|tokens| text.decode(tokens), &mut |completion| {
        completions.push(completion);
        ControlFlow::Continue(())
    })?;
    completions.sort_by_key(|completion| completion.sample);
    let sample = |one: Completion| Sample { text: one.text, tokens: one.tokens.len(), finish: one.finish };
    Ok(completions.into_iter().map(sample).collect())
}

/// Prints the completion as it grows.
fn stream(
    arguments: &Arguments,
    network: &mut Decoder,
    text: &Text,
    prompt: Vec<u32>,
    terminal: &Terminal,
) -> Result<()> {
    let started = std::time::Instant::now();
    let request = request(arguments, prompt, 1);
    let mut shown = Shown::new(&arguments.stop);
    let completion = network.generate_streaming(&request, &|tokens| text.decode(tokens), &mut |tokens| {
        terminal.piece(&shown.grow(&text.decode(tokens)));
    })?;
    terminal.piece(shown.rest(&completion.text));
    terminal.result("");
    let seconds = started.elapsed().as_secs_f64();
    let tokens = completion.tokens.len();
    terminal.note(&format!("{tokens} tokens, {:.1} tokens/s", tokens as f64 / seconds.max(1e-9)));
    Ok(())
}

/// How much of a growing text was printed.
struct Shown {
    bytes: usize,
    /// Bytes at the end that may be the beginning of a stop text and wait until they are known not to be.
    held_back: usize,
}

impl Shown {
    fn new(stop: &[String]) -> Shown {
        let longest = stop.iter().map(String::len).max().unwrap_or(0);
        Shown { bytes: 0, held_back: longest.saturating_sub(1) }
    }

    /// What can be printed now that the text is `all`. Half a character at its end waits for its other half.
    fn grow(&mut self, all: &str) -> String {
        let whole = all.trim_end_matches('\u{fffd}');
        let mut end = whole.len().saturating_sub(self.held_back);
        while !whole.is_char_boundary(end) {
            end -= 1;
        }
        let piece = whole.get(self.bytes..end).unwrap_or_default().to_string();
        self.bytes = self.bytes.max(end);
        piece
    }

    /// What is left of the text that it ended with.
    fn rest<'t>(&self, all: &'t str) -> &'t str {
        all.get(self.bytes..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::Shown;

    #[test]
    fn pieces_add_up_and_half_characters_wait() {
        let mut shown = Shown::new(&[]);
        assert_eq!(shown.grow("caf\u{fffd}"), "caf");
        assert_eq!(shown.grow("café "), "é ");
        assert_eq!(shown.rest("café au"), "au");
    }

    #[test]
    fn the_beginning_of_a_stop_text_is_never_shown() {
        let mut shown = Shown::new(&["\ndef".into()]);
        assert_eq!(shown.grow("return é\nd"), "return ");
        assert_eq!(shown.grow("return é\nde"), "é");
        assert_eq!(shown.rest("return é"), "");
    }
}
