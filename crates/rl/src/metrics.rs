//! The numbers of a step, from what was sampled and what was trained. Names and meanings: `hone_runlog::metric`.

use std::borrow::Cow;

use hone_runlog::metric;

use crate::rollout::RolloutCost;
use crate::trajectory::{Group, Trajectory};
use crate::update::UpdateSums;

/// The fraction of completions in each class of outcome.
const OUTCOMES: [&str; 7] = [
    "outcome/compile-error",
    "outcome/timeout",
    "outcome/memory-limit",
    "outcome/output-limit",
    "outcome/runtime-error",
    "outcome/wrong-answer",
    "outcome/passed",
];

/// What happened in a step.
pub(crate) struct StepFacts<'a> {
    /// Everything sampled.
    pub(crate) groups: &'a [Group],
    /// Groups without signal.
    pub(crate) groups_dropped: usize,
    /// Samplings that were made to fill the batch.
    pub(crate) sampling_rounds: usize,
    /// `None` if there was nothing to train on.
    pub(crate) update: Option<UpdateSums>,
    /// KL to the base model, where it was measured.
    pub(crate) reference_divergence: Option<f64>,
    /// β where the algorithm steers it, after the step.
    pub(crate) kl_coefficient: Option<f64>,
    /// Share of the solution that a curriculum gives, after the step.
    pub(crate) given: Option<f64>,
    /// Pairs in order, and pairs, of a log's groups that were kept aside.
    pub(crate) ranking: Option<(usize, usize)>,
}

/// Numbers that depend on recipe and seed only.
pub(crate) fn metrics(facts: &StepFacts<'_>) -> Vec<(Cow<'static, str>, f64)> {
    // What was replayed says nothing of the policy, unless there is nothing else.
    let has_sampled = facts.groups.iter().any(|group| !group.is_logged);
    let is_shown = |group: &&Group| !(group.is_logged && has_sampled);
    let all: Vec<&Trajectory> =
        facts.groups.iter().filter(is_shown).flat_map(|group| &group.trajectories).collect();
    let count = all.len().max(1) as f64;
    let mean = |value: &dyn Fn(&Trajectory) -> f64| all.iter().map(|one| value(one)).sum::<f64>() / count;
    let reward = mean(&|one| one.reward);
    let groups = facts.groups.len();
    let mut rows = vec![
        (metric::REWARD_MEAN, reward),
        ("reward/std", mean(&|one| (one.reward - reward).powi(2)).sqrt()),
        (metric::PASS_RATE, mean(&|one| f64::from(one.is_passed()))),
        ("reward/groups_with_signal", fraction(groups - facts.groups_dropped, groups)),
        (metric::LENGTH_TOKENS, mean(&|one| one.tokens.len() as f64)),
        ("rollout/truncated_fraction", mean(&|one| f64::from(one.is_truncated()))),
        ("rollout/tokens", all.iter().map(|one| one.tokens.len()).sum::<usize>() as f64),
        ("rollout/groups", groups as f64),
        ("rollout/groups_dropped", facts.groups_dropped as f64),
        ("rollout/rounds", facts.sampling_rounds as f64),
    ];
    if all.iter().any(|one| one.verdict.is_some()) {
        let outcomes: Vec<String> = all.iter().map(|one| one.outcome()).collect();
        rows.extend(OUTCOMES.map(|name| {
            let class = name.strip_prefix(metric::OUTCOME_PREFIX).unwrap_or(name);
            (name, outcomes.iter().filter(|outcome| *outcome == class).count() as f64 / count)
        }));
    }
    if let Some(sums) = &facts.update {
        let (tokens, updates) = (sums.tokens.max(1) as f64, sums.updates.max(1) as f64);
        rows.extend([
            ("update/loss", sums.loss / updates),
            (metric::KL, sums.divergence / tokens),
            (metric::ENTROPY, sums.entropy / tokens),
            (metric::CLIP_FRACTION, sums.clipped_tokens as f64 / tokens),
            ("update/ratio_max", sums.ratio_max),
            (metric::GRADIENT_NORM, sums.gradient_norm / updates),
            ("update/learning_rate", sums.learning_rate),
            ("update/tokens", sums.tokens as f64),
        ]);
    }
    rows.extend(turns(facts.groups));
    rows.extend(replay(facts));
    rows.extend(facts.reference_divergence.map(|divergence| ("update/reference_kl", divergence)));
    rows.extend(facts.kl_coefficient.map(|coefficient| ("update/kl_coefficient", coefficient)));
    rows.extend(facts.given.map(|given| ("curriculum/given", given)));
    rows.extend(facts.ranking.map(|(right, pairs)| ("pairs/heldout_accuracy", fraction(right, pairs))));
    let mut rows: Vec<_> = rows.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect();
    rows.extend(parts(&all));
    rows
}

/// How far the logged groups of a step are from the policy; nothing where there are none.
fn replay(facts: &StepFacts<'_>) -> Vec<(&'static str, f64)> {
    let logged = || facts.groups.iter().filter(|group| group.is_logged);
    let trajectories: Vec<&Trajectory> = logged().flat_map(|group| &group.trajectories).collect();
    if trajectories.is_empty() {
        return Vec::new();
    }
    let reward = trajectories.iter().map(|one| one.reward).sum::<f64>() / trajectories.len() as f64;
    let mut rows = vec![
        ("replay/fraction", fraction(logged().count(), facts.groups.len())),
        ("replay/reward_mean", reward),
    ];
    if let Some(sums) = facts.update.map(|update| update.replay).filter(|sums| sums.tokens > 0) {
        let tokens = sums.tokens as f64;
        let effective = sums.ratio * sums.ratio / (tokens * sums.ratio_squared).max(f64::MIN_POSITIVE);
        rows.extend([("replay/kl", sums.divergence / tokens), ("replay/effective_share", effective)]);
    }
    rows
}

/// How episodes of several turns went; nothing where all had one.
fn turns(groups: &[Group]) -> Vec<(&'static str, f64)> {
    if groups.iter().all(|group| group.turn == 0) {
        return Vec::new();
    }
    let first = || groups.iter().filter(|group| group.turn == 0).flat_map(|group| &group.trajectories);
    let all = || groups.iter().flat_map(|group| &group.trajectories);
    let episodes = first().count().max(1) as f64;
    let passed = |count: usize| count as f64 / episodes;
    vec![
        ("turn/mean", all().count() as f64 / episodes),
        ("turn/pass_rate_first", passed(first().filter(|one| one.is_passed()).count())),
        ("turn/pass_rate_any", passed(all().filter(|one| one.is_passed()).count())),
    ]
}

/// The mean of each part of the reward, before its weight.
fn parts(all: &[&Trajectory]) -> Vec<(Cow<'static, str>, f64)> {
    let names = all.first().map_or(&[][..], |first| &first.parts);
    let mean = |name: &str| {
        let values = all.iter().flat_map(|one| &one.parts).filter(|part| part.name == name);
        values.map(|part| part.value).sum::<f64>() / all.len() as f64
    };
    let row = |name: &str| (Cow::Owned(format!("{}{name}", metric::REWARD_PART_PREFIX)), mean(name));
    names.iter().map(|part| row(&part.name)).collect()
}

/// Numbers that depend on the clock.
pub(crate) fn timings(cost: &RolloutCost, update_s: f64, step_s: f64) -> Vec<(Cow<'static, str>, f64)> {
    let rows = [
        (metric::ROLLOUT_S, cost.sampling_s),
        (metric::EXECUTION_S, cost.execution_wait_s),
        (metric::UPDATE_S, update_s),
        (metric::STEP_S, step_s),
        (metric::TOKENS_PER_S, cost.tokens as f64 / cost.sampling_s.max(1e-9)),
    ];
    rows.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect()
}

fn fraction(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}
