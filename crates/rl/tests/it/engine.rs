//! The loop on the real engine with a tiny random model: it learns, exactly and repeatably.

use hone_environment::toy::ToyEnvironmentSet;
use hone_environment::{Environment, EnvironmentError, EnvironmentSet, Observation, Step};
use hone_model::engine::Decoder;
use hone_model::{
    Adapter, ForwardOptions, LoraConfig, ModelConfig, Network, PromptGroup, SamplingParams, Trainable,
};
use hone_rl::algorithms::{Coderl, Grpo, Ppo, RewardModel, Rlhf};
use hone_rl::{Algorithm, Group, RewardModelPart, TextCodec, TokenReward, Trainer, TrainerConfig};
use hone_train::{CheckpointStore, OptimizerConfig};

use crate::loop_checks::Recorder;

/// Token 0 ends an answer, 1 to 26 are letters, 27 is everything else.
fn render(observation: &Observation) -> Result<Vec<u32>, Box<dyn std::error::Error + Send + Sync>> {
    let token = |said: u8| if said.is_ascii_lowercase() { u32::from(said - b'a') + 1 } else { 27 };
    Ok(observation.messages[0].content.bytes().map(token).collect())
}

fn decode(tokens: &[u32]) -> String {
    let letter =
        |&token: &u32| char::from_u32('a' as u32 + token.wrapping_sub(1)).filter(char::is_ascii_lowercase);
    tokens.iter().filter_map(letter).collect()
}

/// Tokens of a text of letters.
fn encode(text: &str) -> Result<Vec<u32>, Box<dyn std::error::Error + Send + Sync>> {
    Ok(text.bytes().map(|said| u32::from(said - b'a') + 1).collect())
}

const CODEC: TextCodec<'_> =
    TextCodec { render: &render, decode: &decode, encode: &encode, stop_tokens: &[] };

fn tiny_model() -> ModelConfig {
    ModelConfig {
        hidden_size: 32,
        intermediate_size: 64,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 8,
        vocab_size: 28,
        max_position_embeddings: 64,
        rope_theta: 10_000.0,
        rms_norm_eps: 1e-5,
        tie_word_embeddings: false,
        bos_token_id: None,
        eos_token_ids: vec![0],
    }
}

fn config() -> TrainerConfig {
    TrainerConfig {
        steps: 50,
        prompts_per_step: 8,
        group_size: 16,
        micro_batch_tokens: 1024,
        generation_slots: 32,
        sampling: SamplingParams { max_new_tokens: 6, ..SamplingParams::default() },
        optimizer: OptimizerConfig { learning_rate: 5e-3, weight_decay: 0.0, ..OptimizerConfig::default() },
        seed: 5,
        ..TrainerConfig::default()
    }
}

fn run(
    config: &TrainerConfig,
    trainable: Trainable,
    threads: usize,
    store: Option<&CheckpointStore>,
) -> Recorder {
    run_algorithm(config, grpo(), trainable, threads, store)
}

/// The toy has no reference solutions.
fn coderl() -> Coderl {
    Coderl { imitation_coefficient: 0.0, ..Coderl::default() }
}

fn grpo() -> Grpo {
    Grpo { mask_truncated: false, ..Grpo::default() }
}

fn run_algorithm(
    config: &TrainerConfig,
    algorithm: impl Into<Algorithm>,
    trainable: Trainable,
    threads: usize,
    store: Option<&CheckpointStore>,
) -> Recorder {
    let mut network = Decoder::random(tiny_model(), trainable, threads, 1).unwrap();
    let environments = ToyEnvironmentSet::new("ab");
    let mut recorder = Recorder::default();
    let mut trainer =
        Trainer::new(config.clone(), algorithm.into(), &mut network, &environments, CODEC).unwrap();
    if let Some(checkpoint) = store.and_then(|store| store.latest_valid().unwrap()) {
        trainer.resume_from(&checkpoint).unwrap();
    }
    trainer.run(store, &mut recorder).unwrap();
    recorder
}

/// Chance is 0.2: one of 28 tokens, six times.
#[test]
fn a_random_model_learns_the_toy() {
    let recorder = run(&config(), Trainable::Full, 1, None);
    let rewards: Vec<f64> =
        recorder.reports.iter().map(|report| report.value("reward/mean").unwrap()).collect();
    assert!(rewards[0] < 0.4, "chance: {}", rewards[0]);
    let last = rewards[rewards.len() - 5..].iter().sum::<f64>() / 5.0;
    assert!(last > 0.9, "{rewards:?}");
}

#[test]
fn threads_change_no_bit_and_the_first_update_is_exactly_on_policy() {
    let config = TrainerConfig { steps: 4, ..config() };
    for trainable in [Trainable::Full, Trainable::Lora(LoraConfig::default())] {
        let (one, two) = (run(&config, trainable.clone(), 1, None), run(&config, trainable, 2, None));
        assert!(one.metrics() == two.metrics());
        assert!(one.reports.iter().all(|report| report.value("update/ratio_max") == Some(1.0)));
    }
}

/// With a value head in the engine: the first update is exactly on-policy, threads change no bit, and it learns.
#[test]
fn values_of_the_engine_teach_the_toy() {
    let ppo = Ppo { kl_coefficient: 0.0, ..Ppo::default() };
    let few = TrainerConfig { steps: 4, ..config() };
    let lora = || Trainable::Lora(LoraConfig::default());
    for algorithm in [Algorithm::Ppo(Ppo::default()), coderl().into()] {
        let one = run_algorithm(&few, algorithm.clone(), lora(), 1, None);
        assert!(one.metrics() == run_algorithm(&few, algorithm, lora(), 2, None).metrics());
        assert!(one.reports.iter().all(|report| report.value("update/ratio_max") == Some(1.0)));
    }
    let recorder = run_algorithm(&config(), ppo, Trainable::Full, 1, None);
    let rewards: Vec<f64> =
        recorder.reports.iter().map(|report| report.value("reward/mean").unwrap()).collect();
    let last = rewards[rewards.len() - 5..].iter().sum::<f64>() / 5.0;
    assert!(rewards[0] < 0.4 && last > 0.9, "{rewards:?}");
}

#[test]
fn a_lora_run_resumes_bit_for_bit() {
    let config = TrainerConfig { steps: 6, checkpoint_every: 3, reference_kl_every: 2, ..config() };
    let trainable = || Trainable::Lora(LoraConfig { rank: 4, ..LoraConfig::default() });
    let directory = tempfile::tempdir().unwrap();
    let store = CheckpointStore::new(directory.path(), 9);
    let whole = run(&config, trainable(), 2, Some(&store));
    std::fs::remove_dir_all(directory.path().join("step-000006")).unwrap();
    let resumed = run(&config, trainable(), 1, Some(&store));
    assert!(resumed.metrics()[..] == whole.metrics()[3..]);
}

/// While the critic learns alone, every bit of the policy stays, whatever the weight decay.
#[test]
fn a_critic_can_learn_alone_first() {
    let optimizer = OptimizerConfig { weight_decay: 0.5, ..config().optimizer };
    let config = TrainerConfig { steps: 8, optimizer, ..config() };
    for trainable in [Trainable::Full, Trainable::Lora(LoraConfig::default())] {
        let mut network = Decoder::random(tiny_model(), trainable, 1, 1).unwrap();
        let environments = ToyEnvironmentSet::new("ab");
        let policy = |network: &mut Decoder| -> Vec<Vec<f32>> {
            let all = network.parameters();
            let own = all.into_iter().filter(|one| !one.name.starts_with("value_head."));
            own.map(|one| one.values.to_vec()).collect()
        };
        let before = policy(&mut network);
        let method = Coderl { critic_warmup: 0.5, ..coderl() };
        let mut trainer =
            Trainer::new(config.clone(), method.into(), &mut network, &environments, CODEC).unwrap();
        for _ in 0..4 {
            trainer.step(&mut ()).unwrap();
        }
        drop(trainer);
        assert_eq!(policy(&mut network), before);
        let head = network.parameters().pop().unwrap();
        assert!(head.name == "value_head.bias" && head.values.iter().any(|value| *value != 0.0));
    }
    let whole = run_algorithm(&config, Coderl { critic_warmup: 0.5, ..coderl() }, Trainable::Full, 1, None);
    let entropy = |step: usize| whole.reports[step].value("update/entropy").unwrap();
    assert!((entropy(0) - entropy(7)).abs() > 1e-4, "then the policy learns");
}

/// The toy without its reward.
struct Unrewarded(ToyEnvironmentSet);

impl EnvironmentSet for Unrewarded {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn id(&self, index: usize) -> &str {
        self.0.id(index)
    }

    fn open(&self, index: usize) -> Box<dyn Environment + '_> {
        Box::new(UnrewardedEpisode(self.0.open(index)))
    }
}

struct UnrewardedEpisode<'a>(Box<dyn Environment + 'a>);

impl Environment for UnrewardedEpisode<'_> {
    fn observe(&self) -> Observation {
        self.0.observe()
    }

    fn step(&mut self, action: &str) -> Result<Step, EnvironmentError> {
        Ok(Step { reward: 0.0, ..self.0.step(action)? })
    }
}

/// Mean of what a judge says after six letters that hold an `a`, a `b` or neither, as an answer to the prompt of each task:
/// `[prompt][a, b, neither]`.
fn opinions(judge: &mut Decoder) -> [[f64; 3]; 2] {
    let environments = ToyEnvironmentSet::new("ab");
    let said = |prompt: usize, letter: Option<u32>, judge: &mut Decoder| {
        // Other letters in turn, and the letter in each of the six places.
        let answer = |index: u32| {
            let mut tokens: Vec<u32> = (0..6).map(|place| 3 + (7 * index + 5 * place) % 24).collect();
            if let Some(letter) = letter {
                tokens[index as usize % 6] = letter;
            }
            // One more place, in which the head speaks of all of them.
            [tokens, vec![0]].concat()
        };
        let completions: Vec<Vec<u32>> = (0..24).map(answer).collect();
        let prompt = render(&environments.open(prompt).observe()).unwrap();
        let options = ForwardOptions { temperature: 1.0, adapter: Adapter::On, keep_activations: false };
        let values = judge.forward(&[PromptGroup { prompt, completions }], options).unwrap().values.unwrap();
        values[0].iter().map(|row| f64::from(row[6])).sum::<f64>() / values[0].len() as f64
    };
    [0, 1].map(|prompt| [Some(1), Some(2), None].map(|letter| said(prompt, letter, judge)))
}

/// What a run said on its way from chance to the optimum, through the records of its directory.
fn log_of_a_run() -> Vec<Group> {
    let recorder = run(&TrainerConfig { steps: 30, seed: 9, ..config() }, Trainable::Full, 2, None);
    let records = recorder.reports.iter().flat_map(|report| {
        let groups = report.groups.iter().enumerate();
        groups.flat_map(|(index, group)| group.records(report.step, index, &decode)).collect::<Vec<_>>()
    });
    Group::from_records(&records.collect::<Vec<_>>())
}

/// A judge of the pairs in that log. From answers of chance alone it learns that an `a` or a `b` is good, and nothing of the prompt:
/// it says of (a, b, neither) asked for a [1.8, 1.7, −2.5] and for b [1.7, 1.6, −2.6], puts 0.92 of the pairs it never saw in order,
/// and the policy ends at 0.61 (docs/experiments.md). There are too few with the wrong letter and not the right one.
fn judge() -> Decoder {
    let environments = ToyEnvironmentSet::new("ab");
    let mut judge = Decoder::random(tiny_model(), Trainable::Full, 2, 1).unwrap();
    let config = TrainerConfig { steps: 200, ..config() };
    let mut recorder = Recorder::default();
    let model = Algorithm::RewardModel(RewardModel::default());
    let mut trainer = Trainer::new(config, model, &mut judge, &environments, CODEC).unwrap();
    trainer.learn_from(log_of_a_run()).unwrap();
    trainer.run(None, &mut recorder).unwrap();
    let accuracy: Vec<f64> =
        recorder.reports.iter().filter_map(|report| report.value("pairs/heldout_accuracy")).collect();
    eprintln!("held-out pairs in order: {accuracy:.2?}");
    assert!(accuracy[0] < 0.7 && accuracy[accuracy.len() - 1] >= 0.8, "{accuracy:.2?}");
    let opinions = opinions(&mut judge);
    eprintln!("what it says of a, b and neither, asked for a and for b: {opinions:.2?}");
    let [[right, wrong, neither], [other_wrong, other_right, other_neither]] = opinions;
    assert!(right > wrong + 0.3 && right > neither + 0.3, "{opinions:?}");
    assert!(other_right > other_wrong + 0.3 && other_right > other_neither + 0.3, "{opinions:?}");
    judge
}

/// From a log of pairs to a reward model that orders pairs it never saw and looks at what was asked, and from it alone to a policy
/// whose true reward, which nobody tells it, rises from chance to nine tenths of the optimum and stays there.
#[test]
fn a_reward_model_learns_pairs_and_teaches_a_policy() {
    let judge = judge();
    let rlhf = Rlhf { kl_coefficient: 0.0, ptx_coefficient: 0.0, ..Rlhf::default() };
    let mut policy = Decoder::random(tiny_model(), Trainable::Full, 2, 1).unwrap();
    let unrewarded = Unrewarded(ToyEnvironmentSet::new("ab"));
    let mut recorder = Recorder::default();
    let mut trainer = Trainer::new(config(), rlhf.into(), &mut policy, &unrewarded, CODEC).unwrap();
    let part = RewardModelPart { path: "judge".into(), weight: 1.0 };
    assert!(trainer.reward_tokens(vec![TokenReward::RewardModel(part.clone())], Vec::new()).is_err());
    trainer.reward_tokens(vec![TokenReward::RewardModel(part)], vec![Box::new(judge)]).unwrap();
    trainer.run(None, &mut recorder).unwrap();
    let truth = |step: usize| {
        let letter = |group: &Group| if group.task.ends_with('a') { 'a' } else { 'b' };
        let groups = recorder.reports[step].groups.iter();
        let all: Vec<bool> = groups
            .flat_map(|group| group.trajectories.iter().map(move |one| one.text.contains(letter(group))))
            .collect();
        all.iter().filter(|is_right| **is_right).count() as f64 / all.len() as f64
    };
    let truths: Vec<f64> = (0..50).map(truth).collect();
    eprintln!("true reward: {truths:.2?}");
    assert!(truths[0] < 0.25 && truths[40..].iter().all(|truth| *truth >= 0.9), "{truths:.2?}");
    assert!(recorder.reports[49].value("reward/part/reward-model").is_some());
}

/// Answers that fill the model's context leave no place behind them: they are judged all the same, learned from by none, and the
/// others' log-probs are the sampler's to the bit.
#[test]
fn a_critic_lives_with_answers_that_fill_the_context() {
    let environments = ToyEnvironmentSet::new("ab");
    let prompt = render(&environments.open(0).observe()).unwrap().len();
    let model = ModelConfig { max_position_embeddings: prompt + 6, ..tiny_model() };
    let mut network = Decoder::random(model, Trainable::Full, 1, 1).unwrap();
    let mut recorder = Recorder::default();
    let config = TrainerConfig { steps: 3, ..config() };
    let mut trainer = Trainer::new(config, coderl().into(), &mut network, &environments, CODEC).unwrap();
    trainer.run(None, &mut recorder).unwrap();
    for report in &recorder.reports {
        let all = || report.groups.iter().flat_map(|group| &group.trajectories).map(|one| one.tokens.len());
        let (short, full) = (all().filter(|tokens| *tokens < 6).sum::<usize>(), all().filter(|t| *t == 6));
        assert!(short > 0 && full.count() > 0);
        assert_eq!(report.value("update/tokens"), Some(short as f64));
        assert_eq!(report.value("update/ratio_max"), Some(1.0));
    }
}

/// An answer that the length limit ended is judged with its last letter, which is all that tells these apart.
#[test]
fn a_reward_model_reads_the_last_token() {
    let answer = |last: u32, score: f64| (vec![7, 7, last], score);
    let prompt = render(&ToyEnvironmentSet::new("a").open(0).observe()).unwrap();
    let pairs = (0..12).map(|place| {
        let answers = vec![answer(1, 1.0), answer(2 + place as u32 % 5, 0.0)];
        Group::from_answers("toy/contains-a", place, prompt.clone(), answers)
    });
    let environments = ToyEnvironmentSet::new("a");
    let mut judge = Decoder::random(tiny_model(), Trainable::Full, 1, 1).unwrap();
    let mut recorder = Recorder::default();
    let model = Algorithm::RewardModel(RewardModel { held_out: 0.25, ..RewardModel::default() });
    let config = TrainerConfig { steps: 20, ..config() };
    let mut trainer = Trainer::new(config, model, &mut judge, &environments, CODEC).unwrap();
    trainer.learn_from_answers(pairs.collect()).unwrap();
    trainer.run(None, &mut recorder).unwrap();
    assert_eq!(recorder.reports[19].value("pairs/heldout_accuracy"), Some(1.0));
}
