//! What parts of a reward ask beyond a verdict: graders' sources, a scanner, costs. Started once a run.

use hone_sandbox::Sandbox;

use super::{Efficiencies, Graders, Judged, RewardPart, RewardValue, Scanner, check_rewards};

/// The parts of a reward, with what they ask.
#[derive(Debug)]
pub struct Assessors {
    parts: Vec<RewardPart>,
    graders: Graders,
    /// There if a part asks it.
    scanner: Option<Scanner>,
    efficiencies: Efficiencies,
}

impl Assessors {
    /// Checks the parts, reads the sources of graders, and starts the scanner if it is asked.
    pub fn start(parts: Vec<RewardPart>) -> Result<Assessors, String> {
        check_rewards(&parts)?;
        let graders = Graders::read(&parts)?;
        let is_scanned = parts.iter().any(|part| matches!(part, RewardPart::Security(_)));
        let scanner = is_scanned.then(Scanner::start).transpose().map_err(|error| error.to_string())?;
        Ok(Assessors { parts, graders, scanner, efficiencies: Efficiencies::default() })
    }

    /// No part at all: what an answer is worth is said elsewhere.
    pub fn none() -> Assessors {
        let (graders, efficiencies) = (Graders::default(), Efficiencies::default());
        Assessors { parts: Vec::new(), graders, scanner: None, efficiencies }
    }

    /// The value of every part, and their weighted sum.
    pub fn reward(&self, judged: &Judged<'_>, sandbox: &Sandbox) -> Result<(f64, Vec<RewardValue>), String> {
        let mut sum = 0.0;
        let mut values = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let value = self.value(part, judged, sandbox)?;
            sum += part.weight() * value;
            values.push(RewardValue { name: part.name().to_string(), value });
        }
        Ok((sum, values))
    }

    fn value(&self, part: &RewardPart, judged: &Judged<'_>, sandbox: &Sandbox) -> Result<f64, String> {
        match (part, &self.scanner) {
            (RewardPart::Program(grader), _) => {
                self.graders.grade(grader, judged, sandbox).map_err(|error| error.to_string())
            }
            (RewardPart::Security(security), Some(scanner)) => {
                let findings = scanner.scan(&judged.verdict.program).map_err(|error| error.to_string())?;
                Ok(security.value(&findings))
            }
            (RewardPart::Efficiency(efficiency), _) => {
                self.efficiencies.value(efficiency, judged, sandbox).map_err(|error| error.to_string())
            }
            _ => Ok(part.value(judged).unwrap_or(0.0)),
        }
    }
}
