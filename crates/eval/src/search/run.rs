//! A search over problems, some at a time: write, judge, write again, put in order.
//!
//! Problems are taken in batches that fill the places of the network; an interrupted search goes on with the first batch
//! that was not finished. What a problem's search does depends on the seed and the problem alone. Not here: what a critic decides
//! (`critic.rs`).

use std::collections::HashMap;
use std::time::Instant;

use hone_environment::{Message, Observation, Role, Verdict, describe_failure};
use hone_sandbox::OutcomeClass;

use super::proposer::{Ask, Proposal, Proposer};
use super::settings::{Candidates, FeedbackSource, Repair, SearchSettings};
use super::{Attempted, Chooser, SearchSet, Stage, order};
use crate::parallel::in_parallel;
use crate::{EvalConfig, EvalError, Measurements, Progress, SampleEvaluation, TaskEvaluation, id_hash};

/// Step of the random streams of searches: no training step and no plain evaluation gets there.
const SEARCH_STREAM: u64 = u64::MAX - 1;

/// An attempt while the search goes on.
pub(super) struct Attempt {
    pub(super) proposal: Proposal,
    pub(super) observation: Observation,
    pub(super) stage: Stage,
    pub(super) parent: Option<usize>,
    pub(super) turn: usize,
    pub(super) hidden: Verdict,
    pub(super) reward: f64,
    pub(super) examples: Option<Verdict>,
    pub(super) behaviour: String,
    pub(super) critic: Option<f64>,
}

impl Attempt {
    /// Whether, for all a user can see, it is right.
    pub(super) fn looks_right(&self) -> bool {
        match &self.examples {
            Some(verdict) => verdict.class == OutcomeClass::Passed,
            // Without examples all that shows is whether it can be parsed.
            None => self.hidden.class != OutcomeClass::CompileError,
        }
    }
}

/// A problem's attempts so far.
pub(super) struct Tree {
    pub(super) problem: usize,
    pub(super) attempts: Vec<Attempt>,
}

/// Something to write for a tree.
pub(super) struct Wish {
    pub(super) tree: usize,
    pub(super) ask: Ask,
    pub(super) stage: Stage,
    pub(super) parent: Option<usize>,
    pub(super) turn: usize,
}

/// Searches every problem that is not `done`; `on_task` is told of each one that is.
pub fn search(
    set: &SearchSet<'_>,
    proposer: &mut dyn Proposer,
    settings: &SearchSettings,
    config: &EvalConfig,
    done: Vec<TaskEvaluation>,
    on_task: &mut dyn FnMut(&TaskEvaluation),
    on_progress: &mut dyn FnMut(&Progress),
) -> Result<Vec<TaskEvaluation>, EvalError> {
    settings.check().map_err(|message| EvalError::Config { message })?;
    if settings.needs_critic() && !proposer.has_critic() {
        let message = "this search asks a critic, and the model has none\nhint: a run of coderl, ppo or ppocoder has one";
        return Err(EvalError::Config { message: message.into() });
    }
    let is_whole = |task: &TaskEvaluation| {
        let attempts = |sample: &SampleEvaluation| sample.search.as_ref().map(|it| it.attempts);
        !task.samples.is_empty()
            && task.samples.iter().all(|sample| attempts(sample) == Some(task.samples.len()))
    };
    let mut found: HashMap<String, TaskEvaluation> =
        done.into_iter().filter(is_whole).map(|task| (task.id.clone(), task)).collect();
    let open: Vec<usize> =
        (0..set.set.len()).filter(|index| !found.contains_key(set.set.id(*index))).collect();
    let mut progress = Progress { total: set.set.len(), ..Progress::default() };
    progress.judged = progress.total - open.len();
    let start = Instant::now();
    for batch in open.chunks((config.slots * 2).div_ceil(settings.first_samples()).max(1)) {
        let mut on_written = |tokens: usize| {
            progress.generated += 1;
            progress.tokens += tokens;
            progress.seconds = start.elapsed().as_secs_f64();
            on_progress(&progress);
        };
        let trees: Vec<Tree> =
            batch.iter().map(|problem| Tree { problem: *problem, attempts: Vec::new() }).collect();
        let mut search = Search { set, proposer, settings, config, on_written: &mut on_written, trees };
        search.run()?;
        for task in search.finish() {
            on_task(&task);
            progress.judged += 1;
            progress.passed += usize::from(task.is_choice_right());
            found.insert(task.id.clone(), task);
        }
        on_progress(&progress);
    }
    Ok((0..set.set.len()).filter_map(|index| found.remove(set.set.id(index))).collect())
}

/// A search among samples that were made elsewhere: they are compared, and the choice is made.
pub fn search_given(
    set: &SearchSet<'_>,
    tasks: &mut [TaskEvaluation],
    chooser: Chooser,
    workers: usize,
) -> Result<(), EvalError> {
    let index_of: HashMap<&str, usize> = (0..set.set.len()).map(|index| (set.set.id(index), index)).collect();
    for task in tasks.iter_mut() {
        let Some(index) = index_of.get(task.id.as_str()).copied() else { continue };
        let looked = in_parallel(&task.samples, workers, &|sample: &SampleEvaluation| {
            let Some(verdict) = &sample.verdict else { return Ok((None, String::new())) };
            observe_program(set, index, verdict)
        })?;
        let attempts = task.samples.len();
        for (sample, (examples, behaviour)) in task.samples.iter_mut().zip(looked) {
            sample.search = Some(Attempted {
                rank: 0,
                stage: Stage::Sampled,
                parent: None,
                turn: 1,
                passes_examples: examples.map(|verdict| verdict.class == OutcomeClass::Passed),
                behaviour,
                logprob: None,
                critic: None,
                attempts,
            });
        }
        rank(&mut task.samples, chooser, &|_| true);
    }
    Ok(())
}

/// What can be seen of a program without the hidden tests; one that cannot be parsed is not run.
fn observe_program(
    set: &SearchSet<'_>,
    index: usize,
    hidden: &Verdict,
) -> Result<(Option<Verdict>, String), EvalError> {
    let examples = set.examples(index, &hidden.program)?;
    let behaviour = if hidden.class == OutcomeClass::CompileError {
        "does not parse".to_owned()
    } else {
        set.behaviour(index, &hidden.program)?
    };
    Ok((examples, behaviour))
}

/// Gives every sample its place; those that are no candidates come last.
fn rank(samples: &mut [SampleEvaluation], chooser: Chooser, is_candidate: &dyn Fn(&Attempted) -> bool) {
    let known: Vec<SampleEvaluation> = samples.to_vec();
    let all: Vec<(&SampleEvaluation, &Attempted)> =
        known.iter().filter_map(|sample| Some((sample, sample.search.as_ref()?))).collect();
    let mut places = order(chooser, &all);
    // A stable sort: within both parts the order stays.
    places.sort_by_key(|index| !is_candidate(all[*index].1));
    for (place, index) in places.into_iter().enumerate() {
        if let Some(search) = &mut samples[index].search {
            search.rank = place;
        }
    }
}

pub(super) struct Search<'a, 'b> {
    pub(super) set: &'a SearchSet<'b>,
    pub(super) proposer: &'a mut dyn Proposer,
    pub(super) settings: &'a SearchSettings,
    pub(super) config: &'a EvalConfig,
    pub(super) on_written: &'a mut dyn FnMut(usize),
    pub(super) trees: Vec<Tree>,
}

impl Search<'_, '_> {
    fn run(&mut self) -> Result<(), EvalError> {
        let settings = self.settings;
        let first: Vec<Wish> = (0..self.trees.len())
            .map(|tree| {
                let observation = self.set.set.open(self.trees[tree].problem).observe();
                self.wish(tree, observation, settings.first_samples(), Stage::Sampled, None, 1)
            })
            .collect();
        self.write(first)?;
        match settings {
            SearchSettings::BestOfN(_) | SearchSettings::Beam(_) => {}
            SearchSettings::Critic(critic) => self.second_stage(critic)?,
            SearchSettings::Repair(repair) => {
                for turn in 2..=repair.turns {
                    self.repair_round(repair, turn)?;
                }
            }
        }
        if settings.needs_critic() { self.criticise_all() } else { Ok(()) }
    }

    pub(super) fn wish(
        &self,
        tree: usize,
        observation: Observation,
        samples: usize,
        stage: Stage,
        parent: Option<usize>,
        turn: usize,
    ) -> Wish {
        let mut sampling = self.config.sampling.clone();
        if let SearchSettings::Beam(beam) = self.settings {
            (sampling.beams, sampling.length_penalty) = (beam.width, beam.length_penalty);
        }
        let task = id_hash(self.set.set.id(self.trees[tree].problem));
        let place = parent.map_or(0, |parent| parent as u64 + 1);
        let seed = [self.config.seed, SEARCH_STREAM, task ^ (place << 8 | turn as u64).rotate_left(32)];
        let ask = Ask { observation, begun: Vec::new(), samples, sampling, seed };
        Wish { tree, ask, stage, parent, turn }
    }

    /// Writes and judges what is wished for.
    pub(super) fn write(&mut self, wishes: Vec<Wish>) -> Result<(), EvalError> {
        let asks: Vec<Ask> = wishes.iter().map(|wish| wish.ask.clone()).collect();
        let proposals = self.proposer.propose(&asks, self.on_written)?;
        let wanted: usize = asks.iter().map(|ask| ask.samples).sum();
        if proposals.len() != wanted {
            let message = format!("expected {wanted} attempts to be written, found {}", proposals.len());
            return Err(self.set.failure(self.trees[0].problem, message));
        }
        let (set, trees) = (self.set, &self.trees);
        let judged = in_parallel(&proposals, self.config.workers, &|proposal: &Proposal| {
            let index = trees[wishes[proposal.ask].tree].problem;
            let step = set.set.open(index).step(&proposal.text).map_err(|error| set.failure(index, error))?;
            let hidden = step
                .verdict
                .ok_or_else(|| set.failure(index, "expected a program that is executed, found none"))?;
            let (examples, behaviour) = observe_program(set, index, &hidden)?;
            Ok::<_, EvalError>((step.reward, hidden, examples, behaviour))
        })?;
        for (proposal, (reward, hidden, examples, behaviour)) in proposals.into_iter().zip(judged) {
            let Wish { tree, ask, stage, parent, turn } = &wishes[proposal.ask];
            self.trees[*tree].attempts.push(Attempt {
                observation: ask.observation.clone(),
                proposal,
                stage: *stage,
                parent: *parent,
                turn: *turn,
                hidden,
                reward,
                examples,
                behaviour,
                critic: None,
            });
        }
        Ok(())
    }

    /// Shows every program that failed in the round before with its error.
    fn repair_round(&mut self, repair: &Repair, turn: usize) -> Result<(), EvalError> {
        let mut wishes = Vec::new();
        for (tree, Tree { attempts, .. }) in self.trees.iter().enumerate() {
            for (index, attempt) in attempts.iter().enumerate().filter(|(_, it)| it.turn + 1 == turn) {
                let is_settled = match repair.feedback {
                    FeedbackSource::Examples => attempt.looks_right(),
                    FeedbackSource::Tests => attempt.hidden.class == OutcomeClass::Passed,
                };
                if !is_settled {
                    let shown = self.with_failure(tree, attempt, repair.feedback)?;
                    wishes.push(self.wish(tree, shown, repair.repairs, Stage::Repaired, Some(index), turn));
                }
            }
        }
        if wishes.is_empty() { Ok(()) } else { self.write(wishes) }
    }

    /// The dialogue so far, then what went wrong.
    pub(super) fn with_failure(
        &self,
        tree: usize,
        attempt: &Attempt,
        source: FeedbackSource,
    ) -> Result<Observation, EvalError> {
        let index = self.trees[tree].problem;
        let mut seen = attempt.observation.clone();
        if seen.messages.is_empty() {
            let message =
                "a repair is a dialogue, and the problem is shown as a text to continue\nhint: --prompt chat";
            return Err(self.set.failure(index, message));
        }
        let fence = if seen.answer_prefix.contains("```") { "\n```" } else { "" };
        let answer = format!("{}{}{fence}", seen.answer_prefix, attempt.proposal.text.trim_end());
        let verdict = match source {
            FeedbackSource::Examples => attempt.examples.as_ref().unwrap_or(&attempt.hidden),
            FeedbackSource::Tests => &attempt.hidden,
        };
        let examples = self.set.shown_examples(index);
        let examples = match source {
            FeedbackSource::Examples if !examples.is_empty() => {
                format!("\nIt must pass these:\n```\n{examples}\n```")
            }
            _ => String::new(),
        };
        let said = format!(
            "{}{examples}\n\nWrite the program again, corrected. Answer with the program only.",
            describe_failure(verdict)
        );
        seen.messages.push(Message { role: Role::Assistant, content: answer });
        seen.messages.push(Message { role: Role::User, content: said });
        Ok(seen)
    }

    /// The trees as evaluations, with the order of submission.
    fn finish(self) -> Vec<TaskEvaluation> {
        let is_second_only =
            matches!(self.settings, SearchSettings::Critic(it) if it.candidates == Candidates::New);
        let chooser = self.settings.chooser();
        let task = |tree: Tree| {
            let attempts = tree.attempts.len();
            let has_second = tree.attempts.iter().any(|attempt| attempt.turn > 1);
            let sample = |(sample, it): (usize, Attempt)| SampleEvaluation {
                sample,
                text: it.proposal.text,
                tokens: it.proposal.spent,
                finish: it.proposal.finish,
                reward: it.reward,
                verdict: Some(it.hidden),
                measurements: Measurements::default(),
                same_as: None,
                search: Some(Attempted {
                    rank: 0,
                    stage: it.stage,
                    parent: it.parent,
                    turn: it.turn,
                    passes_examples: it.examples.map(|verdict| verdict.class == OutcomeClass::Passed),
                    behaviour: it.behaviour,
                    logprob: it.proposal.logprob,
                    critic: it.critic,
                    attempts,
                }),
            };
            let mut samples: Vec<SampleEvaluation> =
                tree.attempts.into_iter().enumerate().map(sample).collect();
            rank(&mut samples, chooser, &|it| !(is_second_only && has_second) || it.turn > 1);
            TaskEvaluation {
                id: self.set.set.id(tree.problem).to_owned(),
                level: self.set.set.level(tree.problem),
                topic: self.set.set.topic(tree.problem).to_owned(),
                samples,
            }
        };
        self.trees.into_iter().map(task).collect()
    }
}
