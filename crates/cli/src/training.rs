//! A run from its directory to its end: what `hone train` begins and `hone resume` continues, in one and the same way.
//!
//! ```text
//! evaluate before (if not done) → steps from the last checkpoint → evaluate after (if not done) → report
//! ```

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hone_environment::{CodeEnvironmentConfig, CodeEnvironmentSet, EnvironmentSet, RewardPart, Scanner};
use hone_eval::{Evaluation, Interval, Summary, comparison_table, paired_difference};
use hone_model::Network;
use hone_model::engine::Decoder;
use hone_rl::{Group, RunSummary, StopCause, TextCodec, TokenReward, Trainer};
use hone_runlog::{
    Finish, IsolationRecord, Manifest, ModelSource, RunDir, Switch, metric, read_metrics, read_trajectories,
    report, trajectory_files,
};
use hone_sandbox::{Limits, Sandbox, SandboxConfig, probe};
use hone_train::CheckpointStore;
use serde::Serialize;

use crate::evaluation::{KS, measure};
use crate::exit::{Interrupted, Lacking, Usage};
use crate::interrupt::Interrupt;
use crate::opened_model::{OpenedModel, Text};
use crate::preferences::preferred;
use crate::recipe::{Recipe, SandboxSection};
use crate::run_observer::RunObserver;
use crate::sandboxes::OpenedSandbox;
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
    /// How it went on from offline to online, where it did.
    switch: Option<Switch>,
    report: PathBuf,
    #[serde(skip)]
    table: Option<String>,
}

/// Both evaluations in few numbers; also what the report shows (`eval/summary.json`).
#[derive(Debug, Serialize)]
struct Comparison {
    before: Option<Summary>,
    after: Option<Summary>,
    /// Between offline and online steps, where there are both.
    #[serde(skip_serializing_if = "Option::is_none")]
    switch: Option<Summary>,
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
        let has_log = recipe.tasks.trajectories.is_some() || recipe.tasks.preferences.is_some();
        if recipe.algorithm.method().needs_log() && !has_log {
            let name = recipe.algorithm.name();
            let hint = "hint: --set tasks.trajectories=RUN names a run whose samples it learns from";
            return Err(Usage(format!("{name} learns from logged trajectories, found none\n{hint}")).into());
        }
        let interrupt = Interrupt::listen("ending after this step, with a checkpoint")?;
        let mut model = OpenedModel::open(&recipe.model.name, terminal)?;
        terminal.note(&model.describe());
        let SandboxSection { isolation, workers, endpoints } = &recipe.sandbox;
        let config = SandboxConfig { isolation: *isolation, workers: *workers, ..SandboxConfig::default() };
        let sandbox = OpenedSandbox::open(config, endpoints, terminal)?.sandbox;
        let isolation = isolation_record(recipe, &sandbox)?;
        let environments = |path: &Path, config: &CodeEnvironmentConfig| -> Result<CodeEnvironmentSet> {
            let tasks = load_checked(path, &sandbox, &config.limits(), terminal)?;
            Ok(CodeEnvironmentSet::new(tasks, sandbox.clone(), config.clone())?)
        };
        let train = environments(&recipe.tasks.train, &recipe.environment)?;
        if recipe.program_rewards().iter().any(|part| matches!(part, RewardPart::Security(_))) {
            Scanner::start().map_err(|error| Lacking(error.to_string()))?;
        }
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

    /// Takes the evaluation before training from another run, if it is one of the same tasks and settings.
    pub(crate) fn take_before(&self, run: &RunDir, path: &Path) -> Result<()> {
        let Some(heldout) = &self.heldout else { return Ok(()) };
        let text =
            std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
        let evaluation: Evaluation =
            serde_json::from_str(&text).with_context(|| format!("failed to read {}", path.display()))?;
        let has_tasks = evaluation.tasks.len() == heldout.len()
            && evaluation.tasks.iter().enumerate().all(|(index, task)| task.id == heldout.id(index));
        if !has_tasks || evaluation.config != self.recipe.eval {
            let message =
                format!("{}: expected an evaluation as this recipe makes it, found another", path.display());
            return Err(Usage(message).into());
        }
        run.write_eval("before", &evaluation)?;
        Ok(())
    }

    /// Goes from wherever the run stands to its end.
    pub(crate) fn finish(mut self, run: &RunDir) -> Result<TrainingResult> {
        let store = CheckpointStore::new(run.checkpoints_dir(), self.recipe.trainer.keep_checkpoints);
        let checkpoint = store.latest_valid()?;
        let step = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.step);
        run.truncate_after(step)?;
        let before = if step == 0 { self.evaluation(run, "before")? } else { stored(run, "before")? };
        compare(run, before.as_ref(), None)?;
        let summary = self.train_and_switch(run, &store, checkpoint)?;
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
        let switch = self.switch(run)?;
        let reason = match summary.cause {
            StopCause::TimeLimit => "time limit",
            StopCause::TokenLimit => "token limit",
            StopCause::Finished | StopCause::Stopped => "all steps done",
        };
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
            switch,
            report: report::write(run).context("failed to write the report")?,
            table,
        })
    }

    /// The step after which a run that begins offline goes on online.
    fn switch_step(&self) -> Option<u64> {
        let trainer = &self.recipe.trainer;
        (trainer.offline_steps > 0 && trainer.replay_fraction < 1.0).then_some(trainer.offline_steps)
    }

    /// Trains; between offline and online steps the held-out tasks are measured too.
    fn train_and_switch(
        &mut self,
        run: &RunDir,
        store: &CheckpointStore,
        checkpoint: Option<hone_train::Checkpoint>,
    ) -> Result<RunSummary> {
        let done = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.step);
        let Some(switch) = self.switch_step().filter(|switch| done <= *switch) else {
            return self.train(run, store, checkpoint, None);
        };
        let paused = self.train(run, store, checkpoint, Some(switch))?;
        if paused.steps < switch || self.interrupt.is_set() {
            return Ok(paused);
        }
        self.evaluation(run, "switch")?;
        self.train(run, store, store.latest_valid()?, None)
    }

    /// How the run went on from offline to online, also into the run directory.
    fn switch(&self, run: &RunDir) -> Result<Option<Switch>> {
        let Some(step) = self.switch_step() else { return Ok(None) };
        let switch = Switch::of(&read_metrics(run)?, step, metric::REWARD_MEAN);
        if let Some(switch) = &switch {
            run.write_eval("online", switch)?;
        }
        Ok(switch)
    }

    /// Trains from a checkpoint to the end, or to a step at which it pauses.
    fn train(
        &mut self,
        run: &RunDir,
        store: &CheckpointStore,
        checkpoint: Option<hone_train::Checkpoint>,
        pause_at: Option<u64>,
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
        if let Some(path) = &self.recipe.tasks.preferences {
            let groups = preferred(path, text)?;
            self.terminal.note(&format!(
                "learning from the answers to {} prompts of {}",
                groups.len(),
                path.display()
            ));
            trainer.learn_from_answers(groups)?;
        }
        if let Some(checkpoint) = checkpoint {
            trainer.resume_from(&checkpoint)?;
            self.terminal.note(&format!("continuing after step {}", trainer.steps_done()));
        }
        let mut observer = RunObserver::new(
            run,
            text,
            &self.train,
            &self.recipe.trainer,
            &self.recipe.monitor,
            trainer.steps_done(),
            &self.interrupt,
            self.terminal,
        )?;
        observer.pause_at(pause_at);
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
        if let Some(switch) = &self.switch {
            terminal.result(&format!(
                "\nafter {} offline steps the reward was {:.2}, fell by {:.2} at most, and ended at {:.2}",
                switch.offline_steps, switch.at_switch, -switch.dip, switch.end
            ));
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
    let switch = stored(run, "switch")?.as_ref().map(summary);
    let comparison =
        Comparison { before: before.map(summary), after: after.map(summary), switch, differences };
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
