//! `hone model`: fetch, show and export models.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hone_model::weights::{Export, GgufType, StorageType, WeightMap, save_gguf, save_huggingface, save_peft};
use hone_model::{ModelConfig, Trainable};
use serde::Serialize;

use crate::exit::Usage;
use crate::opened_model::{self, OpenedModel};
use crate::progress::bytes;
use crate::terminal::Terminal;

/// What is done with models.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Fetch a model by its name, once, with its checksum verified.
    Fetch(FetchArguments),
    /// Show what a model is: configuration, parameters, memory, tokenizer, chat template.
    Show(ShowArguments),
    /// Write a model or what a run trained for transformers, peft or llama.cpp.
    Export(ExportArguments),
}

const FETCH_EXAMPLES: &str = "\
Examples:
  hone model fetch
  hone model fetch smollm2-135m-instruct --json";

/// Which model.
#[derive(clap::Args)]
#[command(after_help = FETCH_EXAMPLES)]
pub(crate) struct FetchArguments {
    /// A known name.
    #[arg(default_value = hone_model::weights::DEFAULT_MODEL)]
    name: String,
}

const SHOW_EXAMPLES: &str = "\
Examples:
  hone model show smollm2-135m-instruct
  hone model show my-model/ --json
  hone model show runs/quickstart-20260131-120000";

/// Which model.
#[derive(clap::Args)]
#[command(after_help = SHOW_EXAMPLES)]
pub(crate) struct ShowArguments {
    /// A name, a folder, a GGUF file, a run, or a checkpoint of a run.
    model: String,
}

const EXPORT_EXAMPLES: &str = "\
Examples:
  hone model export runs/quickstart-20260131-120000 --format hf --out my-model
  hone model export runs/quickstart-20260131-120000 --format peft --out my-adapter
  hone model export smollm2-135m-instruct --format gguf --type q8_0 --out gguf";

/// Which model, and how it is written.
#[derive(clap::Args)]
#[command(after_help = EXPORT_EXAMPLES)]
pub(crate) struct ExportArguments {
    /// A run, a checkpoint of a run, a name, a folder, or a GGUF file.
    model: String,
    /// hf: a merged safetensors folder; peft: the adapter alone; gguf: one file for llama.cpp.
    #[arg(long)]
    format: Format,
    /// A new folder, or one that is replaced file by file.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How matrices are stored: f32, f16 or bf16 for hf (default f32); f32, f16 or q8_0 for gguf (default f16).
    #[arg(long = "type", value_name = "TYPE")]
    storage: Option<String>,
}

/// Formats that others read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Hugging Face safetensors folder.
    Hf,
    /// PEFT adapter.
    Peft,
    /// GGUF file.
    Gguf,
}

/// Does it.
pub(crate) fn run(command: &Command, terminal: &Terminal) -> Result<()> {
    match command {
        Command::Fetch(arguments) => fetch(arguments, terminal),
        Command::Show(arguments) => show(arguments, terminal),
        Command::Export(arguments) => export(arguments, terminal),
    }
}

fn fetch(arguments: &FetchArguments, terminal: &Terminal) -> Result<()> {
    let path = opened_model::locate(&arguments.name, terminal)?;
    if terminal.is_json {
        return terminal.json(&serde_json::json!({ "name": arguments.name, "path": path }));
    }
    terminal.result(&path.display().to_string());
    Ok(())
}

#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    source: &'a hone_model::weights::Source,
    parameters: u64,
    memory_bytes: u64,
    config: &'a ModelConfig,
    vocabulary: usize,
    chat_template: Option<&'a str>,
    trained: Option<ShownTraining<'a>>,
}

#[derive(Serialize)]
struct ShownTraining<'a> {
    run: &'a Path,
    step: u64,
    trainable: &'a Trainable,
}

fn show(arguments: &ShowArguments, terminal: &Terminal) -> Result<()> {
    let model = OpenedModel::open(&arguments.model, terminal)?;
    let shown = Shown {
        name: &model.name,
        source: &model.source,
        parameters: model.parameters,
        memory_bytes: model.parameters * size_of::<f32>() as u64,
        config: &model.config,
        vocabulary: model.text.tokenizer.vocab_size(),
        chat_template: model.text.chat_template.as_ref().map(|template| template.source()),
        trained: model.trained.as_ref().map(|trained| ShownTraining {
            run: &trained.run,
            step: trained.step,
            trainable: &trained.trainable,
        }),
    };
    if terminal.is_json {
        return terminal.json(&shown);
    }
    terminal.result(&shown_text(&shown));
    Ok(())
}

fn shown_text(shown: &Shown<'_>) -> String {
    let config = shown.config;
    let mut rows = vec![
        ("model", shown.name.to_string()),
        ("source", format!("{}, {}", shown.source.description, shown.source.path.display())),
        ("sha256", shown.source.sha256.clone()),
        ("parameters", format!("{:.1} M", shown.parameters as f64 / 1e6)),
        ("memory", format!("{} of weights in f32", bytes(shown.memory_bytes))),
        (
            "layers",
            format!(
                "{}, width {}, feed-forward {}, {} heads ({} for keys and values) of {}",
                config.num_hidden_layers,
                config.hidden_size,
                config.intermediate_size,
                config.num_attention_heads,
                config.num_key_value_heads,
                config.head_dim
            ),
        ),
        ("context", format!("{} tokens, rotary base {}", config.max_position_embeddings, config.rope_theta)),
        (
            "vocabulary",
            format!("{}{}", shown.vocabulary, if config.tie_word_embeddings { ", tied" } else { "" }),
        ),
        ("ends with", format!("{:?}", config.eos_token_ids)),
    ];
    if let Some(trained) = &shown.trained {
        rows.push(("trained", format!("{} steps, {}", trained.step, trained.run.display())));
    }
    let mut text: Vec<String> = rows.iter().map(|(name, value)| format!("{name:<11} {value}")).collect();
    text.push(match shown.chat_template {
        Some(template) => format!("chat template\n  {}", template.replace('\n', "\n  ")),
        None => "chat template none".to_string(),
    });
    text.join("\n")
}

fn export(arguments: &ExportArguments, terminal: &Terminal) -> Result<()> {
    let out = &arguments.out;
    std::fs::create_dir_all(out).with_context(|| {
        format!("failed to create {}\nhint: --out names a folder that can be written", out.display())
    })?;
    let mut model = OpenedModel::open(&arguments.model, terminal)?;
    terminal.note(&format!("writing to {}", out.display()));
    let written = match arguments.format {
        Format::Peft => {
            let Some(adapter) = model.adapter()? else {
                let message =
                    format!("{} has no adapter\nhint: --format hf writes whole models", arguments.model);
                return Err(Usage(message).into());
            };
            save_peft(out, &adapter)?;
            out.clone()
        }
        Format::Hf => {
            let storage: StorageType = storage(arguments)?;
            let weights = model.merged()?;
            save_huggingface(out, &parts(&model, &weights), storage)?;
            out.clone()
        }
        Format::Gguf => {
            let kind: GgufType = storage(arguments)?;
            let path = out.join("model.gguf");
            let weights = model.merged()?;
            let name =
                Path::new(&arguments.model).file_name().unwrap_or_default().to_string_lossy().into_owned();
            save_gguf(&path, &name, &parts(&model, &weights), kind)?;
            path
        }
    };
    if terminal.is_json {
        return terminal.json(&serde_json::json!({ "path": written }));
    }
    terminal.result(&written.display().to_string());
    Ok(())
}

fn parts<'a>(model: &'a OpenedModel, weights: &'a WeightMap) -> Export<'a> {
    Export {
        config: &model.config,
        weights,
        tokenizer: &model.text.tokenizer,
        chat_template: model.text.chat_template.as_ref(),
    }
}

/// The storage type named, in the words of the format.
fn storage<T: serde::de::DeserializeOwned + Default>(arguments: &ExportArguments) -> Result<T> {
    let Some(name) = &arguments.storage else { return Ok(T::default()) };
    serde_json::from_value(serde_json::Value::from(name.as_str())).map_err(|error| {
        let message = error.to_string();
        let expected = message.split_once(", expected ").map_or(message.as_str(), |(_, expected)| expected);
        Usage(format!("--type: expected {expected}, found {name:?}")).into()
    })
}
