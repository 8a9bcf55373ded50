//! What a critic decides in a search: CodeRL's critic sampling (arXiv 2207.01780, §3.4).
//!
//! What passes the visible examples is cut where the critic is surest and resumed; if nothing passes, what it thinks most
//! of is repaired. Not here: the search itself (`run.rs`).

use super::Stage;
use super::run::Search;
use super::settings::{CriticSampling, Cut, FeedbackSource};
use crate::EvalError;

impl Search<'_, '_> {
    /// CodeRL's second stage: refine what passes the examples, or repair the best of what fails.
    pub(super) fn second_stage(&mut self, settings: &CriticSampling) -> Result<(), EvalError> {
        self.criticise_all()?;
        let mut wishes = Vec::new();
        for tree in 0..self.trees.len() {
            let attempts = &self.trees[tree].attempts;
            let passing: Vec<usize> =
                (0..attempts.len()).filter(|index| attempts[*index].looks_right()).collect();
            let is_refined = !passing.is_empty();
            let chosen = if is_refined { passing } else { self.most_promising(tree, settings.repaired) };
            for (place, index) in chosen.iter().enumerate() {
                // N in all: the first get one more where N cannot be divided.
                let share =
                    settings.samples / chosen.len() + usize::from(place < settings.samples % chosen.len());
                if share == 0 {
                    continue;
                }
                let attempt = &self.trees[tree].attempts[*index];
                if is_refined {
                    let begun = self.beginning(tree, *index, settings.cut)?;
                    let seen = self.trees[tree].attempts[*index].observation.clone();
                    let mut wish = self.wish(tree, seen, share, Stage::Refined, Some(*index), 2);
                    wish.ask.begun = begun;
                    wishes.push(wish);
                } else {
                    let shown = self.with_failure(tree, attempt, FeedbackSource::Examples)?;
                    wishes.push(self.wish(tree, shown, share, Stage::Repaired, Some(*index), 2));
                }
            }
        }
        if wishes.is_empty() { Ok(()) } else { self.write(wishes) }
    }

    /// The failing attempts the critic thinks most of.
    fn most_promising(&self, tree: usize, count: usize) -> Vec<usize> {
        let attempts = &self.trees[tree].attempts;
        let mut order: Vec<usize> = (0..attempts.len()).collect();
        let opinion = |index: usize| attempts[index].critic.unwrap_or(f64::NEG_INFINITY);
        order.sort_by(|a, b| opinion(*b).total_cmp(&opinion(*a)));
        order.truncate(count);
        order
    }

    /// The tokens of an attempt up to where it is cut.
    fn beginning(&mut self, tree: usize, index: usize, cut: Cut) -> Result<Vec<u32>, EvalError> {
        let attempt = &self.trees[tree].attempts[index];
        let tokens = attempt.proposal.tokens.clone();
        let view = self.proposer.criticise(&attempt.observation, &[&tokens])?.swap_remove(0);
        let mut length = cut_after(&view.passes, &view.fails, cut);
        // What ended the answer is no beginning of another.
        length = length.min(tokens.len().saturating_sub(1));
        Ok(tokens[..length].to_vec())
    }

    /// Asks the critic of every attempt it was not asked of.
    pub(super) fn criticise_all(&mut self) -> Result<(), EvalError> {
        for tree in &mut self.trees {
            for attempt in tree.attempts.iter_mut().filter(|attempt| attempt.critic.is_none()) {
                let views = self.proposer.criticise(&attempt.observation, &[&attempt.proposal.tokens])?;
                attempt.critic = views.first().map(|view| view.whole);
            }
        }
        Ok(())
    }
}

/// Tokens that are kept: up to the highest p(pass), of equals the earliest.
fn cut_after(passes: &[f64], fails: &[f64], cut: Cut) -> usize {
    let doubt = passes.iter().zip(fails).position(|(pass, fail)| fail > pass);
    let end = match cut {
        Cut::BestPrefix => passes.len(),
        Cut::BeforeDoubt => doubt.unwrap_or(passes.len()),
    };
    let best = (0..end).fold(None, |best: Option<usize>, t| match best {
        Some(best) if passes[best] >= passes[t] => Some(best),
        _ => Some(t),
    });
    best.map_or(0, |t| t + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_cut_after_the_token_the_critic_is_surest_of() {
        let (passes, fails) = ([0.1, 0.5, 0.2, 0.9, 0.9], [0.0, 0.1, 0.6, 0.0, 0.0]);
        assert_eq!(cut_after(&passes, &fails, Cut::BestPrefix), 4);
        assert_eq!(cut_after(&passes, &fails, Cut::BeforeDoubt), 2);
        assert_eq!(cut_after(&passes, &[], Cut::BeforeDoubt), 4);
        assert_eq!(cut_after(&[0.1], &[0.5], Cut::BeforeDoubt), 0);
    }
}
