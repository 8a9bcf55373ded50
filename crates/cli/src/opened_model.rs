//! MODEL on the command line: a name, a folder, a GGUF file, or a run with what it trained; opened and ready to run.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use hone_environment::{Observation, Role};
use hone_model::engine::Decoder;
use hone_model::text::{ChatTemplate, Tokenizer};
use hone_model::weights::{
    Checkpoint, DEFAULT_MODEL, FetchOptions, FetchProgress, PeftAdapter, Source, Tensor, WeightMap, cached,
    fetch, load_peft,
};
use hone_model::{ModelConfig, Network, Trainable, ValueHead};
use hone_rl::Algorithm;
use hone_rl::algorithms::BCoder;
use hone_runlog::RunDir;
use hone_train::CheckpointStore;

use crate::exit::Usage;
use crate::progress::{Lines, Progress, bytes};
use crate::recipe::Recipe;
use crate::terminal::Terminal;

/// A model with everything that is needed to run it.
pub(crate) struct OpenedModel {
    /// What the user named.
    pub(crate) name: String,
    /// The base model: the same, or what the run or the adapter builds on.
    base: String,
    /// Hyper-parameters.
    pub(crate) config: ModelConfig,
    /// Text to tokens and back.
    pub(crate) text: Text,
    /// Where the base came from.
    pub(crate) source: Source,
    /// What a run trained, if a run was named.
    pub(crate) trained: Option<Trained>,
    /// Number of parameters of the base.
    pub(crate) parameters: u64,
    weights: WeightMap,
}

/// Text to tokens and back.
pub(crate) struct Text {
    /// The tokenizer.
    pub(crate) tokenizer: Tokenizer,
    /// The chat template, if the model has one.
    pub(crate) chat_template: Option<ChatTemplate>,
    /// The token in front of a text, if the tokenizer puts one there.
    bos: Option<u32>,
    /// The token that ends an answer, if the model has one.
    pub(crate) end: Option<u32>,
}

/// What a run trained.
pub(crate) struct Trained {
    /// The run.
    pub(crate) run: PathBuf,
    /// Steps done.
    pub(crate) step: u64,
    /// What was trained.
    pub(crate) trainable: Trainable,
    /// By what.
    algorithm: Algorithm,
    /// The temperature it was sampled at: its log-probs are those of the logits over this.
    temperature: f32,
    tensors: BTreeMap<String, Tensor>,
}

impl OpenedModel {
    /// Opens MODEL: a run directory or one of its checkpoints, a folder, a GGUF file, or a name to fetch.
    pub(crate) fn open(name: &str, terminal: &Terminal) -> Result<OpenedModel> {
        let path = Path::new(name);
        if let Some((run, step)) = run_of(path) {
            return OpenedModel::open_run(&run, step.as_deref(), terminal);
        }
        if path.join("adapter_config.json").is_file() && !path.join("config.json").is_file() {
            return OpenedModel::open_adapter(path, terminal);
        }
        let path = locate(name, terminal)?;
        terminal.note(&format!("loading {name} …"));
        let checkpoint =
            Checkpoint::open(&path).with_context(|| format!("failed to open the model {name}"))?;
        Ok(OpenedModel::from_checkpoint(name, checkpoint))
    }

    fn from_checkpoint(name: &str, checkpoint: Checkpoint) -> OpenedModel {
        let Checkpoint { config, weights, tokenizer, chat_template, source } = checkpoint;
        let bos = config.bos_token_id.filter(|_| tokenizer.adds_bos(config.bos_token_id));
        let end = config.eos_token_ids.first().copied();
        let text = Text { tokenizer, chat_template, bos, end };
        let parameters = weights.values().map(|tensor| tensor.values.len() as u64).sum();
        OpenedModel {
            name: name.to_string(),
            base: name.to_string(),
            config,
            text,
            source,
            trained: None,
            parameters,
            weights,
        }
    }

    fn open_run(run: &Path, checkpoint: Option<&Path>, terminal: &Terminal) -> Result<OpenedModel> {
        let directory = RunDir::open(run)?;
        let recipe = Recipe::load(&directory.recipe_path(), &[])?;
        let found = match checkpoint {
            Some(path) => Some(CheckpointStore::load(path)?),
            None => CheckpointStore::new(directory.checkpoints_dir(), 1).latest_valid()?,
        };
        let Some(found) = found else {
            let hint = format!(
                "hint: `hone resume {}` continues it, `hone eval {}` takes its base",
                run.display(),
                recipe.model.name
            );
            return Err(Usage(format!("{} has no checkpoint yet\n{hint}", run.display())).into());
        };
        let mut opened = OpenedModel::open(&recipe.model.name, terminal)?;
        opened.name = checkpoint.unwrap_or(run).display().to_string();
        opened.trained = Some(Trained {
            run: run.to_path_buf(),
            step: found.step,
            trainable: recipe.model.trainable(),
            algorithm: recipe.algorithm,
            temperature: recipe.trainer.sampling.temperature,
            tensors: found.tensors,
        });
        Ok(opened)
    }

    /// A PEFT adapter on the base model it names.
    fn open_adapter(folder: &Path, terminal: &Terminal) -> Result<OpenedModel> {
        let adapter = load_peft(folder)?;
        let mut opened = OpenedModel::open(&adapter.base, terminal)
            .with_context(|| format!("failed to open the base model of the adapter {}", folder.display()))?;
        adapter.merge_into(&mut opened.weights)?;
        opened.name = folder.display().to_string();
        Ok(opened)
    }

    /// What a run trained, under the names and in the shapes that others use.
    fn trained_tensors(&mut self) -> Result<Option<(Trainable, WeightMap)>> {
        let Some(trainable) = self.trained.as_ref().map(|trained| trained.trainable.clone()) else {
            return Ok(None);
        };
        let weights = self.weights.clone();
        let tensors = self.policy(0)?.trained_tensors();
        self.weights = weights;
        Ok(Some((trainable, tensors)))
    }

    /// The adapter of a LoRA run.
    pub(crate) fn adapter(&mut self) -> Result<Option<PeftAdapter>> {
        let Some((Trainable::Lora(lora), tensors)) = self.trained_tensors()? else { return Ok(None) };
        let tensors =
            tensors.into_iter().map(|(name, tensor)| (format!("base_model.model.{name}"), tensor)).collect();
        Ok(Some(PeftAdapter { lora, tensors, base: self.base.clone() }))
    }

    /// All weights, with what a run trained in them. Takes the weights.
    pub(crate) fn merged(&mut self) -> Result<WeightMap> {
        let adapter = self.adapter()?;
        let all = if adapter.is_none() { self.trained_tensors()? } else { None };
        let mut weights = std::mem::take(&mut self.weights);
        if let Some(adapter) = adapter {
            adapter.merge_into(&mut weights)?;
        }
        weights.extend(all.map(|(_, tensors)| tensors).unwrap_or_default());
        Ok(weights)
    }

    /// One line: name, size, origin.
    pub(crate) fn describe(&self) -> String {
        let millions = self.parameters as f64 / 1e6;
        let step =
            self.trained.as_ref().map(|trained| format!(", step {}", trained.step)).unwrap_or_default();
        format!("model {}{step}: {millions:.0} M parameters, {}", self.name, self.source.description)
    }

    /// A network to train. Takes the weights.
    pub(crate) fn network(&mut self, trainable: Trainable, threads: usize, seed: u64) -> Result<Decoder> {
        let weights = std::mem::take(&mut self.weights);
        let decoder = Decoder::new(self.config.clone(), weights, trainable, threads, seed);
        decoder.with_context(|| format!("failed to build the network of {}", self.name))
    }

    /// Numbers a token of the value head that a run trained; 0 without one.
    pub(crate) fn critic_outputs(&self) -> usize {
        let bias = self.trained.as_ref().and_then(|trained| trained.tensors.get("parameter.value_head.bias"));
        bias.map_or(0, |bias| bias.values.len())
    }

    /// The method of a run of B-Coder, for log-probs at temperature 1.
    pub(crate) fn b_coder(&self) -> Option<BCoder> {
        match self.trained.as_ref()? {
            Trained { algorithm: Algorithm::BCoder(method), temperature, .. } => {
                Some(BCoder { alpha: method.alpha / f64::from(*temperature), ..method.clone() })
            }
            _ => None,
        }
    }

    /// A network to sample from: the base, or the run's policy. Takes the weights.
    pub(crate) fn policy(&mut self, threads: usize) -> Result<Decoder> {
        let Some(trained) = &self.trained else { return self.network(Trainable::Frozen, threads, 0) };
        let (run, tensors) = (trained.run.display().to_string(), trained.tensors.clone());
        let trainable = trained.trainable.clone();
        let outputs = self.critic_outputs();
        let mut decoder = self.network(trainable, threads, 0)?;
        if outputs > 0 {
            decoder.add_value_head(ValueHead { outputs, is_detached: true })?;
        }
        fill(&mut decoder, &run, &tensors)?;
        Ok(decoder)
    }

    /// The network of a run with the value head that it trained: a reward model, or the critic of a policy. Takes the
    /// weights.
    pub(crate) fn value_network(&mut self, threads: usize) -> Result<Decoder> {
        let head = self.trained.as_ref().and_then(|trained| trained.tensors.get(VALUE_HEAD));
        let Some((outputs, trained)) = head.map(|tensor| tensor.shape[0]).zip(self.trained.as_ref()) else {
            let hint = "hint: runs of reward-model, ppo, coderl, b-coder and the like train one";
            return Err(Usage(format!("{} has no value head\n{hint}", self.name)).into());
        };
        let (run, tensors) = (trained.run.display().to_string(), trained.tensors.clone());
        let mut decoder = self.network(trained.trainable.clone(), threads, 0)?;
        decoder.add_value_head(ValueHead { outputs, is_detached: false })?;
        fill(&mut decoder, &run, &tensors)?;
        Ok(decoder)
    }
}

/// The value head's weights in a checkpoint.
const VALUE_HEAD: &str = "parameter.value_head.weight";

/// Gives a network the parameters of a checkpoint.
fn fill(decoder: &mut Decoder, run: &str, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
    for parameter in decoder.parameters() {
        let Some(tensor) = tensors.get(&format!("parameter.{}", parameter.name)) else {
            bail!("the checkpoint of {run} lacks {}", parameter.name);
        };
        if tensor.values.len() != parameter.values.len() {
            let (found, expected) = (tensor.values.len(), parameter.values.len());
            bail!("the checkpoint of {run} has {found} values of {}, expected {expected}", parameter.name);
        }
        parameter.values.copy_from_slice(&tensor.values);
    }
    decoder.parameters_changed();
    Ok(())
}

impl Text {
    /// Tokens of an observation: the conversation by the chat template, then the beginning of the answer; without a
    /// conversation that beginning as it is.
    pub(crate) fn render(&self, observation: &Observation) -> Result<Vec<u32>, Box<dyn Error + Send + Sync>> {
        let messages: Vec<(&str, &str)> = observation
            .messages
            .iter()
            .map(|message| (role(message.role), message.content.as_str()))
            .collect();
        if messages.is_empty() {
            return Ok(self.plain(&observation.answer_prefix)?);
        }
        let Some(template) = &self.chat_template else {
            let texts: Vec<&str> = messages.iter().map(|(_, content)| *content).collect();
            return Ok(self.plain(&format!("{}\n\n{}", texts.join("\n\n"), observation.answer_prefix))?);
        };
        let mut text = template.render(&messages, true)?;
        text.push_str(&observation.answer_prefix);
        Ok(self.tokenizer.encode(&text, true)?)
    }

    /// Tokens of a text as it is, after the first token where the tokenizer adds one, as transformers and llama.cpp
    /// have it.
    pub(crate) fn plain(&self, text: &str) -> Result<Vec<u32>, hone_model::ModelError> {
        let mut tokens: Vec<u32> = self.bos.into_iter().collect();
        tokens.extend(self.tokenizer.encode(text, false)?);
        Ok(tokens)
    }

    /// Tokens of a text that goes on behind others.
    pub(crate) fn encode(&self, text: &str) -> Result<Vec<u32>, Box<dyn Error + Send + Sync>> {
        Ok(self.tokenizer.encode(text, false)?)
    }

    /// Text of tokens.
    pub(crate) fn decode(&self, tokens: &[u32]) -> String {
        self.tokenizer.decode(tokens)
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

/// The run (and the checkpoint in it) that a path names, if it names one.
fn run_of(path: &Path) -> Option<(PathBuf, Option<PathBuf>)> {
    if path.join("recipe.toml").is_file() && path.join("checkpoints").is_dir() {
        return Some((path.to_path_buf(), None));
    }
    if path.join("state.json").is_file() && path.join("tensors.safetensors").is_file() {
        let run = std::path::absolute(path).ok()?.parent()?.parent()?.to_path_buf();
        return run.join("recipe.toml").is_file().then(|| (run, Some(path.to_path_buf())));
    }
    None
}

/// The file or folder of a model; a known name is fetched once.
pub(crate) fn locate(name: &str, terminal: &Terminal) -> Result<PathBuf> {
    let path = Path::new(name);
    if path.exists() {
        return Ok(path.to_path_buf());
    }
    if name.ends_with(".gguf") || name.starts_with('.') || name.starts_with('/') {
        let expected = format!("a folder, a GGUF file, a run, or a name such as {DEFAULT_MODEL}");
        return Err(Usage(format!("model {name} does not exist\nhint: expected {expected}")).into());
    }
    let progress: RefCell<Option<Progress>> = RefCell::new(None);
    let show = |now: &FetchProgress| {
        let total = now.total_bytes.unwrap_or(0);
        let mut progress = progress.borrow_mut();
        let progress = progress.get_or_insert_with(|| {
            Progress::start(terminal, &format!("fetching {name}"), 0, total, Lines::Sparse)
        });
        progress.update(now.bytes, &format!("{} of {}", bytes(now.bytes), now.what));
    };
    let found = fetch(name, &FetchOptions { progress: Some(&show), ..FetchOptions::default() })?;
    if let Some(progress) = progress.take() {
        progress.finish("");
    }
    Ok(found)
}

/// Whether a model can be opened without fetching it.
pub(crate) fn is_at_hand(name: &str) -> bool {
    cached(name, &FetchOptions::default()).is_ok_and(|path| path.is_some())
}
