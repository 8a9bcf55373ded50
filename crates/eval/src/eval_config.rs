//! How an evaluation samples: how many completions, drawn how, and by how many workers they are judged.

use hone_model::SamplingParams;
use serde::{Deserialize, Serialize};

/// How an evaluation samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvalConfig {
    /// Completions of each task; pass@k needs k at least.
    pub samples: usize,
    /// How tokens are drawn; what is not given is as in `EvalConfig::default`.
    #[serde(deserialize_with = "sampling")]
    pub sampling: SamplingParams,
    /// Seed of the sampling.
    pub seed: u64,
    /// Sequences in flight at once; does not change the result.
    pub slots: usize,
    /// Threads that judge completions; the sandbox's workers. Does not change the result.
    pub workers: usize,
}

impl Default for EvalConfig {
    fn default() -> Self {
        EvalConfig { samples: 8, sampling: default_sampling(), seed: 0, slots: 32, workers: 2 }
    }
}

/// Temperature 0.8 and nucleus 0.95, as Chen et al. (arXiv 2107.03374) sample for larger k.
fn default_sampling() -> SamplingParams {
    SamplingParams { temperature: 0.8, top_p: 0.95, ..SamplingParams::default() }
}

/// Fills what is missing from the defaults of an evaluation, not from those of plain sampling.
fn sampling<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<SamplingParams, D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Given {
        temperature: Option<f32>,
        top_k: Option<usize>,
        top_p: Option<f32>,
        min_p: Option<f32>,
        max_new_tokens: Option<usize>,
        beams: Option<usize>,
        length_penalty: Option<f32>,
    }
    let given = Given::deserialize(deserializer)?;
    let default = default_sampling();
    Ok(SamplingParams {
        temperature: given.temperature.unwrap_or(default.temperature),
        top_k: given.top_k.unwrap_or(default.top_k),
        top_p: given.top_p.unwrap_or(default.top_p),
        min_p: given.min_p.unwrap_or(default.min_p),
        beams: given.beams.unwrap_or(default.beams),
        length_penalty: given.length_penalty.unwrap_or(default.length_penalty),
        max_new_tokens: given.max_new_tokens.unwrap_or(default.max_new_tokens),
    })
}

impl EvalConfig {
    /// What makes no sense in these settings, if anything does.
    pub fn check(&self) -> Result<(), String> {
        let SamplingParams { temperature, top_p, min_p, max_new_tokens, beams, length_penalty, .. } =
            self.sampling;
        for (key, value) in [
            ("samples", self.samples),
            ("slots", self.slots),
            ("workers", self.workers),
            ("sampling.max_new_tokens", max_new_tokens),
        ] {
            if value == 0 {
                return Err(format!("{key}: expected at least 1, found 0"));
            }
        }
        if !(temperature >= 0.0 && temperature.is_finite()) {
            return Err(format!("sampling.temperature: expected 0 or more, found {temperature}"));
        }
        if !(top_p > 0.0 && top_p <= 1.0) {
            return Err(format!("sampling.top_p: expected more than 0 and at most 1, found {top_p}"));
        }
        if !(0.0..=1.0).contains(&min_p) {
            return Err(format!("sampling.min_p: expected 0 to 1, found {min_p}"));
        }
        if !length_penalty.is_finite() {
            return Err(format!("sampling.length_penalty: expected a number, found {length_penalty}"));
        }
        if beams > 0 && self.samples > beams {
            return Err(format!(
                "samples: expected at most sampling.beams, {beams}, of a beam search, found {}",
                self.samples
            ));
        }
        if temperature == 0.0 && beams == 0 && self.samples > 1 {
            return Err(format!(
                "samples: expected 1 with temperature 0 (greedy samples are all the same), found {}",
                self.samples
            ));
        }
        Ok(())
    }
}
