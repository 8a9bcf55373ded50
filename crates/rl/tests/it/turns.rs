//! Episodes of several turns: prompts of their own, credit across turns, what is said to the policy never in a loss.

use hone_environment::{Environment, EnvironmentError, EnvironmentSet, Message, Observation, Role, Step};
use hone_model::SamplingParams;
use hone_rl::algorithms::{Corgi, Grpo, GrpoProcess, Remax};
use hone_rl::{Algorithm, Group, StepReport, Trainer, TrainerConfig, Trajectory};
use hone_train::{CheckpointStore, OptimizerConfig};

use crate::loop_checks::{CODEC, LETTERS, Recorder};
use crate::tabular::TabularNetwork;

/// After the prompt `a`, say `b`; who says something else is told `c` and may say `d` instead, then `e` after `d`, …: each
/// turn has a right answer of one letter, and a hint that a network of the last letter can learn from.
struct SecondChance {
    turns: usize,
    ids: [String; 1],
}

impl SecondChance {
    fn new(turns: usize) -> SecondChance {
        SecondChance { turns, ids: ["chance/a".into()] }
    }
}

impl EnvironmentSet for SecondChance {
    fn len(&self) -> usize {
        1
    }

    fn id(&self, index: usize) -> &str {
        &self.ids[index]
    }

    fn open(&self, _index: usize) -> Box<dyn Environment + '_> {
        Box::new(Episode { turn: 0, turns: self.turns, said: "a".into() })
    }
}

struct Episode {
    turn: usize,
    turns: usize,
    said: String,
}

impl Episode {
    fn observation(&self) -> Observation {
        let message = Message { role: Role::User, content: self.said.clone() };
        Observation { messages: vec![message], answer_prefix: String::new(), stop: Vec::new() }
    }
}

impl Environment for Episode {
    fn observe(&self) -> Observation {
        self.observation()
    }

    fn step(&mut self, action: &str) -> Result<Step, EnvironmentError> {
        let right = ["b", "d", "e"][self.turn.min(2)];
        let is_right = action == right;
        self.turn += 1;
        self.said.push_str(action);
        self.said.push('c');
        let next = (!is_right && self.turn < self.turns).then(|| self.observation());
        Ok(Step { reward: f64::from(u8::from(is_right)), parts: Vec::new(), verdict: None, next })
    }
}

fn config(steps: u64) -> TrainerConfig {
    TrainerConfig {
        steps,
        prompts_per_step: 2,
        group_size: 8,
        micro_batch_tokens: 20,
        checkpoint_every: 3,
        sampling: SamplingParams { max_new_tokens: 1, ..SamplingParams::default() },
        optimizer: OptimizerConfig { learning_rate: 0.2, weight_decay: 0.0, ..OptimizerConfig::default() },
        ..TrainerConfig::default()
    }
}

fn grpo() -> Algorithm {
    Algorithm::Grpo(Grpo { mask_truncated: false, ..Grpo::default() })
}

fn run(
    algorithm: Algorithm,
    turns: usize,
    config: TrainerConfig,
    store: Option<&CheckpointStore>,
    resumes: bool,
) -> (Vec<f32>, Vec<StepReport>) {
    let mut network = TabularNetwork::adapter(LETTERS + 1);
    let environments = SecondChance::new(turns);
    let mut recorder = Recorder::default();
    let mut trainer = Trainer::new(config, algorithm, &mut network, &environments, CODEC).unwrap();
    if resumes {
        let store = store.unwrap();
        trainer.resume_from(&store.latest_valid().unwrap().unwrap()).unwrap();
    }
    trainer.run(store, &mut recorder).unwrap();
    (network.logits, recorder.reports)
}

fn later(report: &StepReport) -> impl Iterator<Item = &Group> {
    report.groups.iter().filter(|group| group.turn > 0)
}

/// Step by step the trainer asserts that these sequences' log-probs are the sampler's, each after its own prompt.
#[test]
fn a_later_turn_has_its_own_prompt_and_group() {
    let (_, reports) = run(grpo(), 3, config(4), None, false);
    let report = &reports[0];
    assert!(later(report).count() >= 2);
    for group in later(report) {
        for one in &group.trajectories {
            let prompt = group.prompt_of(one);
            // The first letter, then what was said, at most a letter, and answered.
            assert!((1 + group.turn..=1 + 2 * group.turn).contains(&prompt.len()), "{prompt:?}");
            let first =
                report.groups.iter().find(|first| first.draw == group.draw && first.turn == group.turn - 1);
            let before =
                first.unwrap().trajectories.iter().find(|before| before.sample == one.sample).unwrap();
            assert!(before.reward < 1.0, "a right answer ends the episode");
            assert!(prompt.starts_with(first.unwrap().prompt_of(before)));
            let said = CODEC.decode;
            assert_eq!(said(&prompt[prompt.len() - 1..]), "c");
        }
    }
    let value = |name: &str| report.value(name).unwrap();
    assert!(value("turn/mean") > 1.0 && value("turn/pass_rate_any") >= value("turn/pass_rate_first"));
}

/// r₁ + γ r₂ + γ² r₃, by hand for γ = 0.4: (0, 0, 1) are worth 0.16, 0.4 and 1; CORGI's are the best from there on.
#[test]
fn credit_crosses_turns() {
    let expected = |algorithm: Algorithm, worth: &dyn Fn(&[f64]) -> f64| {
        let (_, reports) = run(algorithm, 3, config(6), None, false);
        let mut seen = 0;
        for one in reports.iter().flat_map(|report| &report.groups).flat_map(|group| &group.trajectories) {
            assert!((one.turn_return - worth(&one.turn_rewards)).abs() < 1e-12, "{one:?}");
            assert_eq!(one.turn_rewards[0], one.reward);
            seen += usize::from(one.turn_rewards == [0.0, 0.0, 1.0]);
        }
        assert!(seen > 0, "no episode was solved at its third turn");
    };
    expected(grpo(), &|rewards| rewards.iter().rev().fold(0.0, |after, reward| reward + 0.4 * after));
    let best = |rewards: &[f64]| rewards.iter().copied().fold(0.0, f64::max);
    expected(Algorithm::Corgi(Corgi::default()), &best);
}

/// Every way of credit learns the turns: the first answer is right in the end, and what is said changes what is answered.
#[test]
fn it_learns_from_every_turn() {
    for algorithm in [
        grpo(),
        Algorithm::Corgi(Corgi::default()),
        Algorithm::GrpoProcess(GrpoProcess {
            kl_coefficient: 0.0,
            reference_every: 5,
            ..GrpoProcess::default()
        }),
        Algorithm::Remax(Remax::default()),
    ] {
        let name = algorithm.name();
        let (_, reports) = run(algorithm, 2, config(60), None, false);
        let mean = |reports: &[StepReport], turn: usize| {
            let all: Vec<f64> = reports
                .iter()
                .flat_map(|report| report.groups.iter().filter(|group| group.turn == turn))
                .flat_map(|group| group.trajectories.iter().map(|one| one.reward))
                .collect();
            all.iter().sum::<f64>() / all.len().max(1) as f64
        };
        let (first, last) = (mean(&reports[..3], 0), mean(&reports[50..], 0));
        // CORGI is content with a right second answer.
        let enough = if name == "corgi" { 0.7 } else { 0.9 };
        assert!(first < 0.5 && last > enough, "{name}: {first:.2} → {last:.2}");
        let rewarded = |one: &Trajectory| one.turn_rewards.contains(&1.0);
        let episodes =
            reports[50..].iter().flat_map(|report| report.groups.iter().filter(|group| group.turn == 0));
        let episodes: Vec<&Trajectory> = episodes.flat_map(|group| &group.trajectories).collect();
        let solved = episodes.iter().filter(|one| rewarded(one)).count();
        assert!(solved as f64 > 0.95 * episodes.len() as f64, "{name}: {solved} of {}", episodes.len());
        // While first answers were still wrong, second ones got better.
        assert!(mean(&reports[5..30], 1) > mean(&reports[..3], 1) + 0.1, "{name}");
    }
}

#[test]
fn turns_threads_and_kills_change_no_number() {
    let whole = run(grpo(), 3, config(9), None, false);
    let single = TrainerConfig { execution_threads: 1, generation_slots: 1, ..config(9) };
    assert_eq!(run(grpo(), 3, single, None, false).0, whole.0);
    // A reference that moves is part of a checkpoint.
    let moving = GrpoProcess { kl_coefficient: 0.1, reference_every: 2, ..GrpoProcess::default() };
    let moving = Algorithm::GrpoProcess(moving);
    let expected = run(moving.clone(), 3, config(9), None, false);
    let still = GrpoProcess { kl_coefficient: 0.1, reference_every: 0, ..GrpoProcess::default() };
    assert_ne!(run(Algorithm::GrpoProcess(still), 3, config(9), None, false).0, expected.0);
    let folder = tempfile::tempdir().unwrap();
    let store = CheckpointStore::new(folder.path(), 2);
    let mut network = TabularNetwork::adapter(LETTERS + 1);
    let environments = SecondChance::new(3);
    let mut trainer = Trainer::new(config(9), moving.clone(), &mut network, &environments, CODEC).unwrap();
    let mut recorder = Recorder { stop_after: Some(5), ..Recorder::default() };
    trainer.run(Some(&store), &mut recorder).unwrap();
    assert_eq!(run(moving, 3, config(9), Some(&store), true).0, expected.0);
}

/// A log of such a run keeps turns, prompts and what each answer was worth.
#[test]
fn a_log_keeps_the_turns() {
    let (_, reports) = run(grpo(), 3, config(2), None, false);
    let report = &reports[0];
    let records: Vec<_> = report
        .groups
        .iter()
        .enumerate()
        .flat_map(|(index, group)| group.records(report.step, index, CODEC.decode))
        .collect();
    let groups = Group::from_records(&records);
    assert_eq!(groups.len(), report.groups.len());
    for (read, written) in groups.iter().zip(&report.groups) {
        assert_eq!(read.turn, written.turn);
        for (a, b) in read.trajectories.iter().zip(&written.trajectories) {
            assert_eq!((a.turn_return, read.prompt_of(a)), (b.turn_return, written.prompt_of(b)));
        }
    }
}
