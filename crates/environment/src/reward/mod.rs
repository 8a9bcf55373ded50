//! Verdict → scalar, in declared parts: each `[[reward]]` table of a recipe is one, and the reward is the sum of their
//! values times their weights. Every part's value is kept beside the sum.
//!
//! ```text
//! R = Σ_k w_k v_k(task, answer, verdict)
//! ```
//!
//! Not here: what depends on tokens or log-probs (length, overlong answers, KL): `hone_rl::TokenReward`.

mod assessors;
mod efficiency;
mod grader;
mod security;

use hone_metrics::Language;
use hone_metrics::codebleu::{data_flow_match, syntax_match};
use hone_sandbox::{OutcomeClass, TestSuite};
use serde::{Deserialize, Serialize};

pub use assessors::Assessors;
pub use efficiency::{Efficiencies, Efficiency, EfficiencyError};
pub use grader::{Grader, GraderError, Graders};
pub use security::{Findings, NoScanner, Scanner, Security, SecurityFinding, Severity};

use crate::Verdict;

/// One part of the reward, by its type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum RewardPart {
    /// 1 if every hidden test passes, else 0.
    ///
    /// The vetted choice (DeepCoder, Agentica 2025): partial credit can be earned by special cases.
    AllPass(Plain),
    /// The share of hidden tests that pass.
    Fraction(Plain),
    /// One value for each of the four classes of CodeRL (arXiv 2207.01780, eq. 3).
    OutcomeClasses(OutcomeClasses),
    /// Whether the program can be parsed or built (PPOCoder, arXiv 2301.13816): 1, else −1.
    Compile(Plain),
    /// Share of the reference's sub-trees that the program has (PPOCoder; CodeBLEU's AST match).
    AstMatch(Plain),
    /// Share of the reference's data flow that the program has (PPOCoder; CodeBLEU's data-flow match). A reference
    /// without data flow gives 0 to every program.
    DataFlowMatch(Plain),
    /// 1 if the answer is the program and nothing else, 0 if text had to be dropped from it.
    Format(Plain),
    /// What bandit finds in the program: 0 if nothing, down to −1.
    Security(Security),
    /// How fast a right program is against the reference.
    Efficiency(Efficiency),
    /// A program of the user's says what the answer is worth.
    Program(Grader),
}

/// A part without settings of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Plain {
    /// w.
    pub weight: f64,
}

impl Default for Plain {
    fn default() -> Self {
        Plain { weight: 1.0 }
    }
}

/// One value for each of the four classes of CodeRL, its values by default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutcomeClasses {
    /// w.
    pub weight: f64,
    /// It cannot be parsed or built.
    pub compile_error: f64,
    /// It raised, crashed, or went past a limit.
    pub runtime_error: f64,
    /// It ran, and a test failed.
    pub failed_test: f64,
    /// Every test passed.
    pub passed: f64,
}

impl Default for OutcomeClasses {
    fn default() -> Self {
        OutcomeClasses {
            weight: 1.0,
            compile_error: -1.0,
            runtime_error: -0.6,
            failed_test: -0.3,
            passed: 1.0,
        }
    }
}

impl Default for RewardPart {
    fn default() -> Self {
        RewardPart::AllPass(Plain::default())
    }
}

/// What a part is worth for one answer, before its weight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RewardValue {
    /// The part's name.
    pub name: String,
    /// v.
    pub value: f64,
}

/// Everything that a part may look at.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    /// Task id.
    pub task: &'a str,
    /// What was asked.
    pub instruction: &'a str,
    /// A program that is right.
    pub reference: &'a str,
    /// The function that the tests call.
    pub entry_point: &'a str,
    /// The tests.
    pub tests: &'a TestSuite,
    /// What the policy wrote.
    pub answer: &'a str,
    /// Whether the answer is the program and nothing else.
    pub is_program_only: bool,
    /// What execution said.
    pub verdict: &'a Verdict,
}

impl RewardPart {
    /// Every type's name, in the order of the list.
    pub const TYPES: [&'static str; 10] = [
        "all-pass",
        "fraction",
        "outcome-classes",
        "compile",
        "ast-match",
        "data-flow-match",
        "format",
        "security",
        "efficiency",
        "program",
    ];

    /// CodeRL's four values: −1, −0.6, −0.3, +1.
    pub fn outcome_classes() -> RewardPart {
        RewardPart::OutcomeClasses(OutcomeClasses::default())
    }

    /// The share of hidden tests that pass.
    pub fn fraction() -> RewardPart {
        RewardPart::Fraction(Plain::default())
    }

    /// What its values are logged under: its type, or a grader's own name.
    pub fn name(&self) -> &str {
        match self {
            RewardPart::AllPass(_) => "all-pass",
            RewardPart::Fraction(_) => "fraction",
            RewardPart::OutcomeClasses(_) => "outcome-classes",
            RewardPart::Compile(_) => "compile",
            RewardPart::AstMatch(_) => "ast-match",
            RewardPart::DataFlowMatch(_) => "data-flow-match",
            RewardPart::Format(_) => "format",
            RewardPart::Security(_) => "security",
            RewardPart::Efficiency(_) => "efficiency",
            RewardPart::Program(grader) => &grader.name,
        }
    }

    /// w.
    pub fn weight(&self) -> f64 {
        match self {
            RewardPart::AllPass(plain)
            | RewardPart::Fraction(plain)
            | RewardPart::Compile(plain)
            | RewardPart::AstMatch(plain)
            | RewardPart::DataFlowMatch(plain)
            | RewardPart::Format(plain) => plain.weight,
            RewardPart::OutcomeClasses(classes) => classes.weight,
            RewardPart::Security(security) => security.weight,
            RewardPart::Efficiency(efficiency) => efficiency.weight,
            RewardPart::Program(grader) => grader.weight,
        }
    }

    /// v; `None` for what has to be asked: a grader, a scanner, the costs of programs.
    pub fn value(&self, judged: &Judged<'_>) -> Option<f64> {
        let Verdict { class, tests_passed, tests_total, program, .. } = judged.verdict;
        let is_passed = *class == OutcomeClass::Passed;
        let share = |found: hone_metrics::codebleu::Match| found.share().unwrap_or(0.0);
        Some(match self {
            RewardPart::AllPass(_) => f64::from(u8::from(is_passed)),
            RewardPart::Fraction(_) if is_passed => 1.0,
            // Whatever was counted, a program that did not pass is below 1.
            RewardPart::Fraction(_) => match *tests_total {
                0 => 0.0,
                total => f64::from((*tests_passed).min(total - 1)) / f64::from(total),
            },
            RewardPart::OutcomeClasses(classes) => classes.value(*class),
            RewardPart::Compile(_) if *class == OutcomeClass::CompileError => -1.0,
            RewardPart::Compile(_) => 1.0,
            RewardPart::AstMatch(_) => share(syntax_match(Language::Python, program, judged.reference)),
            RewardPart::DataFlowMatch(_) => {
                share(data_flow_match(Language::Python, program, judged.reference))
            }
            RewardPart::Format(_) => f64::from(u8::from(judged.is_program_only)),
            RewardPart::Security(_) | RewardPart::Efficiency(_) | RewardPart::Program(_) => return None,
        })
    }

    /// What makes no sense in its settings, if anything does.
    pub fn check(&self) -> Result<(), String> {
        let weight = self.weight();
        if !(weight.is_finite() && weight != 0.0) {
            return Err(format!("weight: expected a finite number other than 0, found {weight}"));
        }
        match self {
            RewardPart::OutcomeClasses(classes) => classes.check(),
            RewardPart::Security(security) => security.check(),
            RewardPart::Efficiency(efficiency) => efficiency.check(),
            RewardPart::Program(grader) => grader.check(),
            _ => Ok(()),
        }
    }
}

impl OutcomeClasses {
    fn value(&self, class: OutcomeClass) -> f64 {
        match class {
            OutcomeClass::CompileError => self.compile_error,
            OutcomeClass::Timeout
            | OutcomeClass::MemoryLimit
            | OutcomeClass::OutputLimit
            | OutcomeClass::RuntimeError => self.runtime_error,
            OutcomeClass::WrongAnswer => self.failed_test,
            OutcomeClass::Passed => self.passed,
        }
    }

    fn check(&self) -> Result<(), String> {
        let values = [self.compile_error, self.runtime_error, self.failed_test, self.passed];
        if values.iter().any(|value| !value.is_finite()) {
            return Err(format!("passed: expected finite values, found {values:?}"));
        }
        if values[..3].iter().any(|failure| *failure >= self.passed) {
            return Err(format!("passed: expected the highest of the values, found {values:?}"));
        }
        Ok(())
    }
}

/// Refuses a list that is empty, names a part twice, or holds an impossible part; the message begins with `[index]`.
pub fn check_rewards(parts: &[RewardPart]) -> Result<(), String> {
    if parts.is_empty() {
        return Err(": expected at least one part, found none".into());
    }
    for (index, part) in parts.iter().enumerate() {
        part.check().map_err(|message| format!("[{index}].{message}"))?;
        if parts[..index].iter().any(|other| other.name() == part.name()) {
            let key = if matches!(part, RewardPart::Program(_)) { "name" } else { "type" };
            return Err(format!("[{index}].{key}: expected each part once, found {} again", part.name()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
