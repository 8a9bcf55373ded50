//! Settings of the searches, with their defaults and what makes no sense.

use serde::{Deserialize, Serialize};

use super::Chooser;

/// Which search, and its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum SearchSettings {
    /// Sample and choose.
    BestOfN(BestOfN),
    /// The likeliest completions.
    Beam(Beam),
    /// Critic sampling.
    Critic(CriticSampling),
    /// Self-repair trees.
    Repair(Repair),
}

/// Settings of best-of-n.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BestOfN {
    /// n, samples of a problem.
    pub samples: usize,
    /// What decides.
    pub choose: Chooser,
}

/// Settings of a beam search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Beam {
    /// Hypotheses kept.
    pub width: usize,
    /// α of the score Σ ln p / length^α.
    pub length_penalty: f32,
    /// What decides among the hypotheses: `first` takes the best score.
    pub choose: Chooser,
}

/// Settings of critic sampling; the paper's N is 200 and M is 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CriticSampling {
    /// N, samples of each of the two stages.
    pub samples: usize,
    /// M, failing programs that are repaired if none passes the examples.
    pub repaired: usize,
    /// Where a passing program is cut.
    pub cut: Cut,
    /// Among which attempts the answer is chosen.
    pub candidates: Candidates,
}

/// Where a program is cut to be resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cut {
    /// After the token with the highest p(pass | beginning).
    BestPrefix,
    /// The same, among the tokens before p(failed test) first exceeds p(pass).
    BeforeDoubt,
}

/// Among which attempts the answer is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Candidates {
    /// All of them.
    All,
    /// Those of the second stage, as in the paper.
    New,
}

/// Settings of self-repair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Repair {
    /// n_p, programs the tree begins with.
    pub initial: usize,
    /// n_fr, repairs of each program that failed.
    pub repairs: usize,
    /// Rounds in all: 2 repairs once, 3 repairs repairs.
    pub turns: usize,
    /// What a program's failure is read off.
    pub feedback: FeedbackSource,
    /// What decides which attempt is given.
    pub choose: Chooser,
}

/// What a program's failure is read off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeedbackSource {
    /// The visible examples.
    Examples,
    /// The hidden tests' error message: what the paper does, and more than a user has.
    Tests,
}

impl Default for BestOfN {
    fn default() -> Self {
        BestOfN { samples: 8, choose: Chooser::Examples }
    }
}

impl Default for Beam {
    fn default() -> Self {
        Beam { width: 4, length_penalty: 1.0, choose: Chooser::First }
    }
}

impl Default for CriticSampling {
    fn default() -> Self {
        CriticSampling { samples: 8, repaired: 1, cut: Cut::BestPrefix, candidates: Candidates::All }
    }
}

impl Default for Repair {
    fn default() -> Self {
        Repair {
            initial: 4,
            repairs: 1,
            turns: 2,
            feedback: FeedbackSource::Examples,
            choose: Chooser::Examples,
        }
    }
}

impl SearchSettings {
    /// Names that `named` knows.
    pub const NAMES: [&str; 5] = ["best-of-n", "rerank", "beam", "critic", "repair"];

    /// A search by its name, with settings such as `("samples", "16")`.
    ///
    /// # Errors
    /// A name or a setting that does not exist, or that makes no sense.
    pub fn named(name: &str, settings: &[(String, serde_json::Value)]) -> Result<SearchSettings, String> {
        if !SearchSettings::NAMES.contains(&name) {
            let known = SearchSettings::NAMES.join(", ");
            return Err(format!("expected a search, one of {known}, found {name:?}"));
        }
        let mut table = serde_json::Map::new();
        if name == "rerank" {
            table.insert("choose".into(), "mean-logprob".into());
        }
        let kind = if name == "rerank" { "best-of-n" } else { name };
        table.insert("type".into(), kind.into());
        table.extend(settings.iter().cloned());
        let search: SearchSettings =
            serde_json::from_value(table.into()).map_err(|error| format!("search {name}: {error}"))?;
        search.check()?;
        Ok(search)
    }

    /// What makes no sense in these settings, if anything does.
    pub fn check(&self) -> Result<(), String> {
        let counts: Vec<(&str, usize, usize)> = match self {
            SearchSettings::BestOfN(it) => vec![("samples", it.samples, 1)],
            SearchSettings::Beam(it) => vec![("width", it.width, 1)],
            SearchSettings::Critic(it) => vec![("samples", it.samples, 1), ("repaired", it.repaired, 1)],
            SearchSettings::Repair(it) => {
                vec![("initial", it.initial, 1), ("repairs", it.repairs, 1), ("turns", it.turns, 2)]
            }
        };
        for (key, value, least) in counts {
            if value < least {
                return Err(format!("{key}: expected at least {least}, found {value}"));
            }
        }
        match self {
            SearchSettings::Beam(it) if !it.length_penalty.is_finite() => {
                Err(format!("length_penalty: expected a number, found {}", it.length_penalty))
            }
            _ => Ok(()),
        }
    }

    /// Settings in one line, for the record.
    pub fn signature(&self) -> String {
        signature_of(&serde_json::to_value(self).unwrap_or_default())
    }

    /// The same where samples were given, from the `fewest` to the `most` of a problem: what a default says of their
    /// number is not what was used.
    pub fn signature_among(&self, fewest: usize, most: usize) -> String {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if matches!(self, SearchSettings::BestOfN(_)) {
            value["samples"] = if fewest == most { most.into() } else { format!("{fewest}..{most}").into() };
        }
        signature_of(&value)
    }

    /// What decides which attempt is given.
    pub fn chooser(&self) -> Chooser {
        match self {
            SearchSettings::BestOfN(it) => it.choose,
            SearchSettings::Beam(it) => it.choose,
            SearchSettings::Critic(_) => Chooser::ExamplesThenCritic,
            SearchSettings::Repair(it) => it.choose,
        }
    }

    /// Whether a critic is asked.
    pub fn needs_critic(&self) -> bool {
        matches!(self, SearchSettings::Critic(_))
            || matches!(self.chooser(), Chooser::Critic | Chooser::ExamplesThenCritic)
    }

    /// Most samples of one problem that are written at one time.
    pub fn first_samples(&self) -> usize {
        match self {
            SearchSettings::BestOfN(it) => it.samples,
            SearchSettings::Beam(it) => it.width,
            SearchSettings::Critic(it) => it.samples,
            SearchSettings::Repair(it) => it.initial,
        }
    }
}

fn signature_of(value: &serde_json::Value) -> String {
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let settings = value.as_object().into_iter().flatten().filter(|(key, _)| *key != "type");
    let mut settings: Vec<String> = settings.map(|(key, value)| format!("{key}:{}", text(value))).collect();
    settings.sort_unstable();
    format!("{}|{}", text(&value["type"]), settings.join("|"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn searches_are_named_and_set() {
        let set = |key: &str, value: serde_json::Value| vec![(key.to_owned(), value)];
        let best = SearchSettings::named("best-of-n", &set("samples", json!(16))).unwrap();
        assert_eq!(best, SearchSettings::BestOfN(BestOfN { samples: 16, ..BestOfN::default() }));
        let rerank = SearchSettings::named("rerank", &[]).unwrap();
        assert_eq!(rerank.chooser(), Chooser::MeanLogprob);
        let repair = SearchSettings::named("repair", &set("feedback", json!("tests"))).unwrap();
        assert_eq!(repair.signature(), "repair|choose:examples|feedback:tests|initial:4|repairs:1|turns:2");
        assert!(SearchSettings::named("critic", &[]).unwrap().needs_critic());
        for (name, key, value, expected) in [
            ("annealing", "n", json!(1), "expected a search, one of best-of-n, rerank"),
            ("repair", "turn", json!(1), "unknown field `turn`"),
            ("repair", "turns", json!(1), "turns: expected at least 2, found 1"),
            ("beam", "width", json!(0), "width: expected at least 1"),
            ("best-of-n", "choose", json!("luck"), "unknown variant `luck`"),
        ] {
            let message = SearchSettings::named(name, &set(key, value)).unwrap_err();
            assert!(message.contains(expected), "{message:?} lacks {expected:?}");
        }
    }
}
