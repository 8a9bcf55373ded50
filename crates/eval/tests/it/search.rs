//! Searches with a scripted writer and a real sandbox.

use std::sync::Arc;

use hone_dataset::Task;
use hone_environment::{CodeEnvironmentConfig, CodeEnvironmentSet, Observation};
use hone_eval::search::{
    Ask, CriticView, Proposal, Proposer, SearchSet, SearchSettings, SearchSummary, Stage, examples_of_task,
    search,
};
use hone_eval::{EvalConfig, EvalError, TaskEvaluation};
use hone_model::FinishReason;
use hone_sandbox::{Sandbox, SandboxConfig, TestSuite};
use serde_json::json;

const WRONG: &str = "\n    return x + 2";
const RIGHT: &str = "\n    return 2 * x";
/// Passes the example, and no more.
const LUCKY: &str = "\n    return x + 1 if x == 1 else 0";
const BROKEN: &str = "\n    return (x";

fn tasks() -> Vec<Task> {
    let task = |id: &str| Task {
        id: id.into(),
        instruction: "Return twice x.".into(),
        signature: "def double(x):".into(),
        entry_point: "double".into(),
        example: "double(1) == 2".into(),
        tests: TestSuite::Asserts {
            setup: String::new(),
            asserts: vec!["assert double(5) == 10".into(), "assert double(0) == 0".into()],
        },
        reference: "def double(x):\n    return 2 * x\n".into(),
        level: 1,
        topic: "numbers".into(),
    };
    vec![task("a"), task("b")]
}

/// Says what it was told to say, in turn; a repair and a resumed beginning have their own texts.
struct Script {
    first: Vec<&'static str>,
    then: &'static str,
    asked: Vec<Ask>,
}

impl Proposer for Script {
    fn propose(
        &mut self,
        asks: &[Ask],
        on_written: &mut dyn FnMut(usize),
    ) -> Result<Vec<Proposal>, EvalError> {
        self.asked.extend(asks.iter().cloned());
        let mut all = Vec::new();
        for (ask, wish) in asks.iter().enumerate() {
            for sample in 0..wish.samples {
                let is_first = wish.observation.messages.len() == 1 && wish.begun.is_empty();
                let text = if is_first { self.first[sample % self.first.len()] } else { self.then };
                on_written(10);
                all.push(Proposal {
                    ask,
                    sample,
                    text: text.into(),
                    tokens: vec![1, 2, 3, 4],
                    spent: 10,
                    logprob: Some(-(sample as f64)),
                    finish: FinishReason::StopText,
                });
            }
        }
        Ok(all)
    }

    fn criticise(&mut self, _: &Observation, answers: &[&[u32]]) -> Result<Vec<CriticView>, EvalError> {
        let view = CriticView { passes: vec![0.2, 0.8, 0.3, 0.1], fails: vec![0.1; 4], whole: 0.5 };
        Ok(vec![view; answers.len()])
    }

    fn has_critic(&self) -> bool {
        true
    }
}

/// What a search finds, and what was asked; `None` where there is no sandbox.
fn run(
    first: &[&'static str],
    then: &'static str,
    settings: &SearchSettings,
    done: Vec<TaskEvaluation>,
) -> Option<(Vec<TaskEvaluation>, Vec<Ask>)> {
    let sandbox = match Sandbox::start(SandboxConfig { workers: 1, ..SandboxConfig::default() }) {
        Ok(sandbox) => Arc::new(sandbox),
        Err(error) => {
            eprintln!("skipped: the sandbox is not available here: {error}");
            return None;
        }
    };
    let config = CodeEnvironmentConfig::default();
    let limits = config.limits();
    let set = CodeEnvironmentSet::new(tasks(), Arc::clone(&sandbox), config).expect("a set");
    let problems = tasks().iter().map(examples_of_task).collect();
    let set = SearchSet::new(&set, problems, sandbox, limits);
    let mut script = Script { first: first.to_vec(), then, asked: Vec::new() };
    let mut told = 0;
    let found = search(
        &set,
        &mut script,
        settings,
        &EvalConfig { workers: 2, ..EvalConfig::default() },
        done,
        &mut |_| told += 1,
        &mut |_| {},
    )
    .expect("searched");
    assert!(told <= found.len());
    Some((found, script.asked))
}

fn named(name: &str, settings: &[(&str, serde_json::Value)]) -> SearchSettings {
    let settings: Vec<_> = settings.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    SearchSettings::named(name, &settings).expect("a search")
}

#[test]
fn the_best_of_n_by_examples_and_by_behaviour() {
    let settings = named("best-of-n", &[("samples", json!(5))]);
    let samples = [WRONG, LUCKY, RIGHT, BROKEN, RIGHT];
    let Some((found, _)) = run(&samples, "", &settings, Vec::new()) else { return };
    let summary = SearchSummary::of(&found, &settings).expect("attempts");
    // The first that passes the example is the lucky one; two right ones behave alike, and are the largest group.
    assert_eq!((summary.chosen.value, summary.oracle.value, summary.oracle_gap.value), (0.0, 1.0, 1.0));
    assert_eq!((summary.random.value, summary.tokens, summary.attempts), (0.4, 50.0, 5.0));
    let chosen = |name: &str| summary.choosers[name].value;
    assert_eq!((chosen("clusters"), chosen("majority"), chosen("first")), (1.0, 1.0, 0.0));
    assert_eq!((summary.n_at_k["1@5"].value, summary.maj_at_k.expect("maj@5").1.value), (1.0, 1.0));
    let behaviours: Vec<&str> = found[0]
        .samples
        .iter()
        .map(|one| one.search.as_ref().expect("searched").behaviour.as_str())
        .collect();
    assert_eq!(behaviours[2], behaviours[4]);
    assert!(
        behaviours[1] != behaviours[2] && behaviours[0] != behaviours[2] && behaviours[3] != behaviours[0]
    );
}

#[test]
fn a_program_that_fails_is_repaired_and_its_tokens_are_counted() {
    let settings = named("repair", &[("initial", json!(2)), ("turns", json!(3))]);
    let Some((found, asked)) = run(&[WRONG, BROKEN], RIGHT, &settings, Vec::new()) else { return };
    let summary = SearchSummary::of(&found, &settings).expect("attempts");
    assert_eq!((summary.chosen.value, summary.random.value), (1.0, 0.0));
    let turns: Vec<(usize, f64)> = summary.pass_at_turns.iter().map(|(turn, it)| (*turn, it.value)).collect();
    assert_eq!(turns, [(1, 0.0), (2, 1.0)], "what passes the examples is not repaired again");
    let point = |initial: usize, repairs: usize| {
        let point = summary.pass_at_t.iter().find(|it| (it.initial, it.repairs) == (initial, repairs));
        point.map(|it| (it.pass.value, it.tokens)).expect("a point")
    };
    assert_eq!((point(1, 0), point(1, 1), point(2, 1)), ((0.0, 10.0), (1.0, 20.0), (1.0, 40.0)));
    // The error is shown, and the example; the hidden tests are not.
    let said = &asked.iter().find(|ask| ask.observation.messages.len() == 3).expect("a repair").observation;
    let said = &said.messages[2].content;
    assert!(said.contains("tests failed") && said.contains("double(1) == 2"), "{said}");
    assert!(!asked.iter().any(|ask| format!("{ask:?}").contains("double(5)")));
    // What is done is not done again, unless attempts are missing.
    let mut done = found.clone();
    done[1].samples.pop();
    let Some((again, asked)) = run(&[WRONG, BROKEN], RIGHT, &settings, done) else { return };
    assert_eq!(again, found);
    assert_eq!(asked.len(), 3, "one task anew: its samples, and two repairs");
}

#[test]
fn a_critic_cuts_what_passes_and_repairs_what_fails() {
    let settings = named("critic", &[("samples", json!(3))]);
    let Some((found, asked)) = run(&[LUCKY, WRONG], RIGHT, &settings, Vec::new()) else { return };
    // Two of three samples pass the example: three resumed programs are shared among them, cut after the second token.
    let refined: Vec<&Ask> = asked.iter().filter(|ask| !ask.begun.is_empty()).collect();
    assert_eq!(refined.len(), 4);
    assert!(refined.iter().all(|ask| ask.begun == [1, 2]));
    assert_eq!(refined.iter().map(|ask| ask.samples).sum::<usize>(), 6);
    assert!(found[0].samples[3..].iter().all(|one| one.search.as_ref().expect("it").stage == Stage::Refined));
    let Some((found, _)) = run(&[WRONG], RIGHT, &settings, Vec::new()) else { return };
    let stages: Vec<Stage> =
        found[0].samples.iter().map(|one| one.search.as_ref().expect("it").stage).collect();
    assert_eq!(stages[3..], [Stage::Repaired; 3]);
    assert!(found.iter().all(TaskEvaluation::is_choice_right));
}
