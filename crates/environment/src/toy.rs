//! The smallest environment: say something with a given letter in it. No sandbox, no tests, no files.
//!
//! Used by learning tests and documentation. Not a benchmark: its only virtue is that any policy meets success by
//! chance, and that it is solved when the reward is 1.

use crate::{Environment, EnvironmentError, EnvironmentSet, Message, Observation, Role, Step};

/// One task a letter: the answer must contain it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToyEnvironmentSet {
    letters: Vec<char>,
    ids: Vec<String>,
}

impl ToyEnvironmentSet {
    /// A task for every character of `letters`.
    pub fn new(letters: &str) -> ToyEnvironmentSet {
        let ids = letters.chars().map(|letter| format!("toy/contains-{letter}")).collect();
        ToyEnvironmentSet { letters: letters.chars().collect(), ids }
    }
}

impl EnvironmentSet for ToyEnvironmentSet {
    fn len(&self) -> usize {
        self.letters.len()
    }

    fn id(&self, index: usize) -> &str {
        &self.ids[index]
    }

    fn open(&self, index: usize) -> Box<dyn Environment + '_> {
        Box::new(ToyEnvironment { letter: self.letters[index], id: &self.ids[index], is_over: false })
    }
}

struct ToyEnvironment<'a> {
    letter: char,
    id: &'a str,
    is_over: bool,
}

impl Environment for ToyEnvironment<'_> {
    fn observe(&self) -> Observation {
        let content = format!("Say a word with the letter {}.", self.letter);
        Observation {
            messages: vec![Message { role: Role::User, content }],
            answer_prefix: String::new(),
            stop: Vec::new(),
        }
    }

    fn step(&mut self, action: &str) -> Result<Step, EnvironmentError> {
        if std::mem::replace(&mut self.is_over, true) {
            return Err(EnvironmentError {
                id: self.id.into(),
                message: "the episode is over after one step".into(),
            });
        }
        let reward = f64::from(u8::from(action.contains(self.letter)));
        Ok(Step { reward, parts: Vec::new(), verdict: None, next: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_with_the_letter_is_rewarded_once() {
        let set = ToyEnvironmentSet::new("ez");
        assert_eq!((set.len(), set.id(1), set.is_empty()), (2, "toy/contains-z", false));
        for (index, action, expected) in [(0, "tree", 1.0), (0, "cat", 0.0), (1, "zoo", 1.0), (1, "", 0.0)] {
            let mut episode = set.open(index);
            let step = episode.step(action).expect("judged");
            assert_eq!((step.reward, step.next), (expected, None), "{action}");
            assert!(episode.step(action).is_err(), "an episode is single-use");
        }
        assert!(set.open(0).observe().messages[0].content.ends_with("letter e."));
    }
}
