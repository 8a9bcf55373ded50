//! Environments of letters that can be checked by hand, and their codec: token 0 ends an answer, 1, 2, … are `a`, `b`, ….

use hone_environment::{Environment, EnvironmentError, EnvironmentSet, Message, Observation, Role, Step};

/// Task `i`: after the prompt letter `i`, say the letter that follows it in the alphabet. The reward is the fraction
/// of right letters, in words as long as they may be.
pub(crate) struct NextLetter {
    pub(crate) letters: usize,
    pub(crate) length: usize,
    /// This task's environment fails.
    pub(crate) broken: Option<usize>,
    ids: Vec<String>,
}

impl NextLetter {
    pub(crate) fn new(letters: usize, length: usize) -> NextLetter {
        let ids = (0..letters).map(|letter| format!("next/{letter}")).collect();
        NextLetter { letters, length, broken: None, ids }
    }
}

impl EnvironmentSet for NextLetter {
    fn len(&self) -> usize {
        self.letters
    }

    fn id(&self, index: usize) -> &str {
        &self.ids[index]
    }

    fn open(&self, index: usize) -> Box<dyn Environment + '_> {
        Box::new(Episode { set: self, index })
    }
}

struct Episode<'a> {
    set: &'a NextLetter,
    index: usize,
}

impl Environment for Episode<'_> {
    fn observe(&self) -> Observation {
        let content = letter(self.index as u32 + 1).to_string();
        Observation {
            messages: vec![Message { role: Role::User, content }],
            answer_prefix: String::new(),
            stop: Vec::new(),
        }
    }

    fn step(&mut self, action: &str) -> Result<Step, EnvironmentError> {
        if self.set.broken == Some(self.index) {
            return Err(EnvironmentError {
                id: self.set.id(self.index).into(),
                message: "no sandbox".into(),
            });
        }
        let mut expected = self.index;
        let right = action.chars().take(self.set.length).filter(|&said| {
            expected = (expected + 1) % self.set.letters;
            said == letter(expected as u32 + 1)
        });
        Ok(Step {
            reward: right.count() as f64 / self.set.length as f64,
            parts: Vec::new(),
            verdict: None,
            next: None,
        })
    }
}

/// Task `i`: after the prompt letter `i`, say the rest of the alphabet and stop. The reward is the fraction of right letters
/// before the first wrong one, of the letters due or said, whichever are more. A policy that only knows the last token
/// can solve it, and has to learn to stop.
pub(crate) struct RestOfAlphabet {
    letters: usize,
    ids: Vec<String>,
}

impl RestOfAlphabet {
    pub(crate) fn new(letters: usize) -> RestOfAlphabet {
        RestOfAlphabet { letters, ids: (0..letters).map(|letter| format!("rest/{letter}")).collect() }
    }
}

impl EnvironmentSet for RestOfAlphabet {
    fn len(&self) -> usize {
        self.letters
    }

    fn id(&self, index: usize) -> &str {
        &self.ids[index]
    }

    fn solution(&self, index: usize) -> Option<String> {
        Some((index + 1..self.letters).map(|next| letter(next as u32 + 1)).collect())
    }

    fn open(&self, index: usize) -> Box<dyn Environment + '_> {
        Box::new(RestEpisode { letters: self.letters, index })
    }

    fn open_part_way(&self, index: usize, given: f64) -> Box<dyn Environment + '_> {
        let due = (self.letters - 1 - index) as f64;
        Box::new(RestEpisode { letters: self.letters, index: index + (given * due).round() as usize })
    }
}

struct RestEpisode {
    letters: usize,
    index: usize,
}

impl Environment for RestEpisode {
    fn observe(&self) -> Observation {
        Observation {
            messages: vec![Message { role: Role::User, content: letter(self.index as u32 + 1).to_string() }],
            answer_prefix: String::new(),
            stop: Vec::new(),
        }
    }

    fn step(&mut self, action: &str) -> Result<Step, EnvironmentError> {
        let due: Vec<char> = (self.index + 1..self.letters).map(|next| letter(next as u32 + 1)).collect();
        let right = action.chars().zip(&due).take_while(|(said, due)| said == *due).count();
        let most = due.len().max(action.chars().count());
        let reward = if most == 0 { 1.0 } else { right as f64 / most as f64 };
        Ok(Step { reward, parts: Vec::new(), verdict: None, next: None })
    }
}

fn letter(token: u32) -> char {
    char::from_u32('a' as u32 + token - 1).unwrap()
}

/// Text of tokens, without the end token.
pub(crate) fn decode(tokens: &[u32]) -> String {
    tokens.iter().filter(|&&token| token > 0).map(|&token| letter(token)).collect()
}

/// Tokens of a text of letters.
pub(crate) fn encode(text: &str) -> Result<Vec<u32>, Box<dyn std::error::Error + Send + Sync>> {
    Ok(text.chars().map(|said| said as u32 - 'a' as u32 + 1).collect())
}

/// Tokens of an observation.
pub(crate) fn render(
    observation: &Observation,
) -> Result<Vec<u32>, Box<dyn std::error::Error + Send + Sync>> {
    encode(&observation.messages[0].content)
}
