//! A run from its directory to its end: what `hone train` begins and `hone resume` continues, in one and the same way.
//!
//! ```text
//! evaluate before (if not done) → steps from the last checkpoint → evaluate after (if not done) → report
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use hone_environment::{CodeEnvironmentConfig, CodeEnvironmentSet};
use hone_eval::{Evaluation, Interval, Summary, comparison_table, paired_difference};
use hone_model::Network;
use hone_model::engine::Decoder;
use hone_rl::{Group, RunSummary, StopCause, TextCodec, TokenReward, Trainer};
use hone_runlog::{
    Finish, IsolationRecord, Manifest, ModelSource, RunDir, read_trajectories, report, trajectory_files,
};
use hone_sandbox::{Limits, Sandbox, SandboxConfig, probe};
use hone_train::CheckpointStore;
use serde::Serialize;

use crate::evaluation::{KS, measure};
use crate::exit::{Interrupted, Usage};
use crate::interrupt::Interrupt;
use crate::opened_model::{OpenedModel, Text};
use crate::recipe::Recipe;
use crate::run_observer::RunObserver;
use crate::tasks::load_checked;
use crate::terminal::Terminal;

/// Everything a run needs, opened.
pub(crate) struct Training<'a> {
    recipe: &'a Recipe,
    terminal: &'a Terminal,
    interrupt: Interrupt,
    model: OpenedModel,
    decoder: Decoder,
    train: CodeEnvironmentSet,
    heldout: Option<CodeEnvironmentSet>,
    /// The reward models, in the order of their parts.
    judges: Vec<Box<dyn Network>>,
    isolation: IsolationRecord,
}

/// How a run ended, for people and machines.
#[derive(Debug, Serialize)]
pub(crate) struct TrainingResult {
    run: PathBuf,
    steps: u64,
    reason: &'static str,
    wall_seconds: f64,
    evaluation: Comparison,
    report: PathBuf,
    #[serde(skip)]
    table: Option<String>,
}

/// Both evaluations in few numbers; also what the report shows (`eval/summary.json`).
#[derive(Debug, Serialize)]
struct Comparison {
    before: Option<Summary>,
    after: Option<Summary>,
    differences: Vec<Difference>,
}

/// Paired difference of pass@k, after minus before.
#[derive(Debug, Serialize)]
struct Difference {
    k: usize,
    value: f64,
    low: f64,
    high: f64,
}

impl<'a> Training<'a> {
    /// Opens model, sandbox and tasks. Everything that can be refused is refused here.
    pub(crate) fn open(recipe: &'a Recipe, terminal: &'a Terminal) -> Result<Training<'a>> {
        if recipe.algorithm.method().needs_log() && recipe.tasks.trajectories.is_none() {
            let name = recipe.algorithm.name();
            let hint = "hint: --set tasks.trajectories=RUN names a run whose samples it learns from";
            return Err(Usage(format!("{name} learns from logged trajectories, found none\n{hint}")).into());
        }
        let interrupt = Interrupt::listen("ending after this step, with a checkpoint")?;
        let mut model = OpenedModel::open(&recipe.model.name, terminal)?;
        terminal.note(&model.describe());
        let config = SandboxConfig {
            isolation: recipe.sandbox.isolation,
            workers: recipe.sandbox.workers,
            ..SandboxConfig::default()
        };
        let sandbox = Arc::new(Sandbox::start(config).context("failed to start the sandbox")?);
        let isolation = isolation_record(recipe, &sandbox)?;
        let environments = |path: &Path, config: &CodeEnvironmentConfig| -> Result<CodeEnvironmentSet> {
            let tasks = load_checked(path, &sandbox, &config.limits(), terminal)?;
            Ok(CodeEnvironmentSet::new(tasks, sandbox.clone(), config.clone())?)
        };
        let train = environments(&recipe.tasks.train, &recipe.environment)?;
        let train = match recipe.program_rewards() {
            parts if parts.is_empty() => train.without_rewards(),
            parts => train.with_rewards(parts)?,
        };
        let train = train.with_coverage(recipe.algorithm.method().needs_coverage());
        // Held-out tasks are measured by the first answer.
        let first_answers = CodeEnvironmentConfig { turns: 1, ..recipe.environment.clone() };
        let heldout =
            recipe.tasks.heldout.as_deref().map(|path| environments(path, &first_answers)).transpose()?;
        let threads = terminal.threads.unwrap_or(recipe.model.threads);
        let judges = reward_models(recipe, &model, threads, terminal)?;
        let mut decoder = model.network(recipe.model.trainable(), threads, recipe.trainer.seed)?;
        decoder.set_checkpointing(recipe.model.activation_checkpointing);
        Ok(Training { recipe, terminal, interrupt, model, decoder, train, heldout, judges, isolation })
    }

    /// What the run directory says of its origin.
    pub(crate) fn manifest(&mut self, title: &str) -> Manifest {
        let trained = self.decoder.parameters().iter().map(|parameter| parameter.values.len() as u64).sum();
        let source = &self.model.source;
        let file = source.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Manifest {
            title: title.to_string(),
            planned_steps: Some(self.recipe.trainer.steps),
            isolation: self.isolation.clone(),
            model: ModelSource {
                source: format!("{} ({})", self.recipe.model.name, source.description),
                sha256: [(file, source.sha256.clone())].into(),
                architecture: "llama".into(),
                parameters: self.model.parameters,
                trained_parameters: trained,
            },
            ..Manifest::detect(self.recipe.trainer.seed, std::env::args().collect())
        }
    }

    /// Goes from wherever the run stands to its end.
    pub(crate) fn finish(mut self, run: &RunDir) -> Result<TrainingResult> {
        let store = CheckpointStore::new(run.checkpoints_dir(), self.recipe.trainer.keep_checkpoints);
        let checkpoint = store.latest_valid()?;
        let step = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.step);
        run.truncate_after(step)?;
        let before = if step == 0 { self.evaluation(run, "before")? } else { stored(run, "before")? };
        compare(run, before.as_ref(), None)?;
        let summary = self.train(run, &store, checkpoint)?;
        if summary.cause == StopCause::Stopped {
            report::write(run)?;
            let (done, steps) = (summary.steps, self.recipe.trainer.steps);
            let message = format!(
                "ended by Ctrl-C after step {done} of {steps}; everything is saved\nhint: hone resume {}",
                run.path().display()
            );
            return Err(Interrupted(message).into());
        }
        let after = self.evaluation(run, "after")?;
        let evaluation = compare(run, before.as_ref(), after.as_ref())?;
        let reason = if summary.cause == StopCause::TimeLimit { "time limit" } else { "all steps done" };
        run.finish(&Finish {
            steps: summary.steps,
            wall_s: summary.elapsed_s,
            reason: reason.into(),
            ..Finish::default()
        })?;
        let table = match (&before, &after) {
            (Some(before), Some(after)) => Some(comparison_table(before, after, KS)?),
            _ => None,
        };
        Ok(TrainingResult {
            run: run.path().to_path_buf(),
            steps: summary.steps,
            reason,
            wall_seconds: summary.elapsed_s,
            evaluation,
            report: report::write(run).context("failed to write the report")?,
            table,
        })
    }

    fn train(
        &mut self,
        run: &RunDir,
        store: &CheckpointStore,
        checkpoint: Option<hone_train::Checkpoint>,
    ) -> Result<RunSummary> {
        let text = &self.model.text;
        let render = |seen: &hone_environment::Observation| text.render(seen);
        let decode = |tokens: &[u32]| text.decode(tokens);
        let encode = |said: &str| text.encode(said);
        let codec = TextCodec { render: &render, decode: &decode, encode: &encode, stop_tokens: &[] };
        let (config, algorithm) = (self.recipe.trainer.clone(), self.recipe.algorithm.clone());
        let mut trainer = Trainer::new(config, algorithm, &mut self.decoder, &self.train, codec)?;
        trainer.reward_tokens(self.recipe.token_rewards(), std::mem::take(&mut self.judges))?;
        if let Some(path) = &self.recipe.tasks.trajectories {
            let groups = logged_groups(path)?;
            self.terminal.note(&format!(
                "learning from {} logged groups of {}",
                groups.len(),
                path.display()
            ));
            trainer.learn_from(groups)?;
        }
        if let Some(checkpoint) = checkpoint {
            trainer.resume_from(&checkpoint)?;
            self.terminal.note(&format!("continuing after step {}", trainer.steps_done()));
        }
        let mut observer = RunObserver::new(
            run,
            text,
            &self.recipe.trainer,
            trainer.steps_done(),
            &self.interrupt,
            self.terminal,
        )?;
        let summary = trainer.run(Some(store), &mut observer);
        observer.finish();
        if summary.is_err() {
            let run = run.path().display();
            self.terminal
                .note(&format!("the run stopped; `hone resume {run}` continues from its last checkpoint"));
        }
        summary.context("failed to train")
    }

    /// Evaluates on the held-out tasks, unless there are none or it was done before the run was interrupted.
    fn evaluation(&mut self, run: &RunDir, name: &str) -> Result<Option<Evaluation>> {
        if let Some(done) = stored(run, name)? {
            return Ok(Some(done));
        }
        let Some(heldout) = &self.heldout else { return Ok(None) };
        let text: &Text = &self.model.text;
        let stage = format!("evaluating {name}");
        let evaluation = measure(
            &mut self.decoder,
            text,
            heldout,
            &self.recipe.eval,
            &stage,
            &self.interrupt,
            self.terminal,
        )
        .map_err(|error| match error.is::<Interrupted>() {
            true => Interrupted(format!("{error}\nhint: hone resume {}", run.path().display())).into(),
            false => error,
        })?;
        run.write_eval(name, &evaluation)?;
        Ok(Some(evaluation))
    }
}

impl TrainingResult {
    /// Prints the table, the report's path, and what to try next.
    pub(crate) fn print(&self, recipe: &Recipe, terminal: &Terminal) -> Result<()> {
        if terminal.is_json {
            return terminal.json(self);
        }
        if let Some(table) = &self.table {
            let tasks = self.evaluation.after.as_ref().map_or(0, |after| after.all.tasks);
            terminal
                .result(&format!("\n{}", terminal.bold(&format!("held-out tasks ({tasks}), 95% intervals"))));
            terminal.result(table.trim_end());
        }
        let run = self.run.display();
        terminal.result(&format!("\nrun     {run} ({} steps, {})", self.steps, self.reason));
        terminal.result(&format!("report  {}", self.report.display()));
        let next = match &recipe.tasks.heldout {
            Some(heldout) if self.evaluation.after.is_none() => {
                format!("hone eval {run} {}", heldout.display())
            }
            _ => format!("hone generate {run} \"Write a Python function that adds two numbers.\""),
        };
        terminal.result(&format!("next    {next}"));
        terminal.result(&format!("        hone model export {run} --format hf --out my-model"));
        Ok(())
    }
}

/// The networks of the reward models among the parts of the reward.
fn reward_models(
    recipe: &Recipe,
    policy: &OpenedModel,
    threads: usize,
    terminal: &Terminal,
) -> Result<Vec<Box<dyn Network>>> {
    let mut networks: Vec<Box<dyn Network>> = Vec::new();
    for part in recipe.token_rewards() {
        let TokenReward::RewardModel(part) = part else { continue };
        let path = part.path.display();
        let mut model = OpenedModel::open(&path.to_string(), terminal)
            .with_context(|| format!("failed to open the reward model {path}"))?;
        // Both read the same tokens, so they must mean the same by them.
        let probe = "def f(x):\n    return [x, 1_000] if x else \"é\"\n";
        let is_same = model.config.vocab_size == policy.config.vocab_size
            && model.text.plain(probe)? == policy.text.plain(probe)?;
        if !is_same {
            let hint = "hint: a reward model reads the policy's tokens; train one on a model with the same tokenizer";
            return Err(Usage(format!(
                "the reward model {path} has another tokenizer than the policy\n{hint}"
            ))
            .into());
        }
        terminal.note(&format!("reward {}", model.describe()));
        networks.push(Box::new(model.value_network(threads)?));
    }
    Ok(networks)
}

/// The groups that a run sampled, or those of one file of it.
fn logged_groups(path: &Path) -> Result<Vec<Group>> {
    let files = match path.is_dir() {
        true => trajectory_files(&RunDir::open(path)?)?.into_iter().map(|(_, file)| file).collect(),
        false => vec![path.to_path_buf()],
    };
    let mut records = Vec::new();
    for file in files {
        records.extend(read_trajectories(&file)?);
    }
    Ok(Group::from_records(&records))
}

/// Puts both evaluations side by side, also into the run directory.
fn compare(run: &RunDir, before: Option<&Evaluation>, after: Option<&Evaluation>) -> Result<Comparison> {
    let mut differences = Vec::new();
    if let (Some(before), Some(after)) = (before, after) {
        for &k in KS.iter().filter(|&&k| k <= before.config.samples.min(after.config.samples)) {
            let Interval { value, low, high } = paired_difference(before, after, k)?;
            differences.push(Difference { k, value, low, high });
        }
    }
    let summary = |evaluation: &Evaluation| evaluation.summary(KS);
    let comparison = Comparison { before: before.map(summary), after: after.map(summary), differences };
    if before.is_some() || after.is_some() {
        run.write_eval("summary", &comparison)?;
    }
    Ok(comparison)
}

/// An evaluation that the run already has.
fn stored(run: &RunDir, name: &str) -> Result<Option<Evaluation>> {
    let path = run.eval_dir().join(format!("{name}.json"));
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok(None) };
    let evaluation = serde_json::from_str(&text)
        .with_context(|| format!("failed to read {} (hint: remove it to evaluate again)", path.display()))?;
    Ok(Some(evaluation))
}

/// The layers in force, as one trivial program finds them.
fn isolation_record(recipe: &Recipe, sandbox: &Sandbox) -> Result<IsolationRecord> {
    let outcome = sandbox.run("pass\n", b"", &Limits::default()).context("failed to try the sandbox")?;
    let level = serde_json::to_value(recipe.sandbox.isolation)?;
    Ok(IsolationRecord {
        level: level.as_str().unwrap_or_default().to_string(),
        missing: probe()
            .into_iter()
            .filter(|layer| layer.is_required && !outcome.isolation.contains(&layer.layer))
            .map(|layer| layer.layer)
            .collect(),
        layers: outcome.isolation,
    })
}
