//! Ratings of programs by a model, as UltraFeedback makes them (arXiv 2310.01377): four aspects from 1 to 5, and, asked
//! separately, a critique with an overall score from 1 to 10. Here: what is asked, how an answer is read, and where ratings
//! contradict themselves or the executed tests.
//!
//! The paper's data holds answers whose overall score contradicts their aspects (a 1 read as a 10 among them); so the two are
//! asked apart and compared. Not here: who is asked ([`crate::endpoint`]), or what is made of it.

use std::collections::BTreeMap;

use hone_environment::{Message, Observation, Role};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The aspects and what is asked of each, in the words of programs.
pub const ASPECTS: [(&str, &str); 4] = [
    (
        "instruction-following",
        "Does the program do what was asked, all of it, with the name and the parameters that were asked for?",
    ),
    ("truthfulness", "Is the program correct? Would it give the right result for every allowed input?"),
    (
        "honesty",
        "Does it really compute its result, or does it only look as if it did (special cases, constants, hidden failures)?",
    ),
    ("helpfulness", "Is it clear, simple and efficient, so that a colleague could use it as it is?"),
];

/// What a model said of one program.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Rating {
    /// Each aspect, 1 to 5; `None` where the model said it does not apply.
    pub aspects: BTreeMap<String, Option<u8>>,
    /// The overall score, 1 to 10.
    pub overall: u8,
    /// The critique, in words.
    pub critique: String,
}

impl Rating {
    /// Mean of the aspects, 0 (all 1) to 1 (all 5); `None` if none applies.
    pub fn mean(&self) -> Option<f64> {
        let given: Vec<f64> =
            self.aspects.values().flatten().map(|&one| (f64::from(one) - 1.0) / 4.0).collect();
        (!given.is_empty()).then(|| given.iter().sum::<f64>() / given.len() as f64)
    }

    /// The overall score, 0 (1) to 1 (10).
    pub fn overall_share(&self) -> f64 {
        (f64::from(self.overall) - 1.0) / 9.0
    }

    /// Whether the overall score is farther than `tolerance` from the mean of the aspects.
    pub fn contradicts_itself(&self, tolerance: f64) -> bool {
        self.mean().is_none_or(|mean| (mean - self.overall_share()).abs() > tolerance)
    }
}

/// Of one task's programs, (mean rating, whether all tests passed): which failing ones are rated at least as high as one that
/// passes. Execution is right and the rating is not.
pub fn contradicts_execution(programs: &[(f64, Option<bool>)]) -> Vec<bool> {
    let passing = programs.iter().filter(|(_, passed)| *passed == Some(true)).map(|(rating, _)| *rating);
    let least = passing.fold(f64::INFINITY, f64::min);
    programs.iter().map(|(rating, passed)| *passed == Some(false) && *rating >= least).collect()
}

/// Of all pairs of a passing and a failing program of a task: (how many are rated in the right order, how many there are).
pub fn agreement(programs: &[(f64, Option<bool>)]) -> (usize, usize) {
    let of = |wanted: bool| {
        programs.iter().filter(move |(_, passed)| *passed == Some(wanted)).map(|(rating, _)| *rating)
    };
    let pairs: Vec<bool> = of(true).flat_map(|good| of(false).map(move |bad| good > bad)).collect();
    (pairs.iter().filter(|right| **right).count(), pairs.len())
}

fn ask(instruction: &str, program: &str, question: &str) -> Observation {
    let content = format!(
        "You judge programs. A programmer was asked:\n\n{}\n\nThis was written:\n\n```python\n{}\n```\n\n{question}",
        instruction.trim(),
        program.trim_end()
    );
    Observation {
        messages: vec![Message { role: Role::User, content }],
        answer_prefix: String::new(),
        stop: Vec::new(),
    }
}

/// Asks for the aspects.
pub fn ask_aspects(instruction: &str, program: &str) -> Observation {
    let list: String = ASPECTS.iter().map(|(name, question)| format!("- {name}: {question}\n")).collect();
    let example: Vec<String> = ASPECTS.iter().map(|(name, _)| format!("\"{name}\": 3")).collect();
    let question = format!(
        "Rate each aspect with a whole number from 1 (worst) to 5 (best), or null where it does not apply:\n{list}\n\
         Answer with one JSON object and nothing else, such as {{{}}}.",
        example.join(", ")
    );
    ask(instruction, program, &question)
}

/// Asks for the critique and the overall score.
pub fn ask_overall(instruction: &str, program: &str) -> Observation {
    let question = "Say in a few sentences what is good and what is wrong, then give an overall score, a whole number from 1 \
        (useless) to 10 (perfect).\nAnswer with one JSON object and nothing else: {\"critique\": \"…\", \"overall\": N}.";
    ask(instruction, program, question)
}

/// Reads an answer to [`ask_aspects`].
pub fn read_aspects(answer: &str) -> Result<BTreeMap<String, Option<u8>>, String> {
    let object = object(answer)?;
    let read = |name: &str| match object.get(name) {
        None => Err(format!("expected the aspect {name}, found none in {}", short(answer))),
        Some(Value::Null) => Ok(None),
        Some(value) => whole(value, 5).map(Some).map_err(|found| format!("{name}: {found}")),
    };
    ASPECTS.iter().map(|(name, _)| Ok((name.to_string(), read(name)?))).collect()
}

/// Reads an answer to [`ask_overall`]: the critique and the score.
pub fn read_overall(answer: &str) -> Result<(String, u8), String> {
    let object = object(answer)?;
    let overall = whole(object.get("overall").unwrap_or(&Value::Null), 10);
    let critique = object.get("critique").and_then(Value::as_str).unwrap_or_default();
    Ok((critique.to_owned(), overall.map_err(|found| format!("overall: {found}"))?))
}

/// The last JSON object of an answer, with or without a fence or words around it.
fn object(answer: &str) -> Result<serde_json::Map<String, Value>, String> {
    let end = answer.rfind('}').map(|at| at + 1).unwrap_or(0);
    let starts = answer[..end].match_indices('{').map(|(at, _)| at);
    let read = |at: usize| match serde_json::from_str(&answer[at..end]) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    };
    starts
        .into_iter()
        .find_map(read)
        .ok_or_else(|| format!("expected a JSON object, found {}", short(answer)))
}

/// A whole number from 1 to `most`; a text that is one, and nothing more, counts.
fn whole(value: &Value, most: u64) -> Result<u8, String> {
    let number = match value {
        Value::String(text) => text.trim().parse::<u64>().ok(),
        Value::Number(number) => {
            number.as_u64().or_else(|| number.as_f64().filter(|one| one.fract() == 0.0).map(|one| one as u64))
        }
        _ => None,
    };
    let valid = number.filter(|number| (1..=most).contains(number));
    let number = valid.ok_or_else(|| format!("expected a whole number from 1 to {most}, found {value}"))?;
    u8::try_from(number).map_err(|error| error.to_string())
}

fn short(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rating(aspects: [u8; 4], overall: u8) -> Rating {
        let names = ASPECTS.iter().map(|(name, _)| name.to_string());
        Rating { aspects: names.zip(aspects.map(Some)).collect(), overall, critique: String::new() }
    }

    #[test]
    fn answers_are_read_with_and_without_words_around_them() {
        let json =
            r#"{"instruction-following": 5, "truthfulness": "4", "honesty": null, "helpfulness": 3.0}"#;
        for answer in
            [json.to_string(), format!("```json\n{json}\n```"), format!("I think {{so}}: {json} Done.")]
        {
            let found = read_aspects(&answer).unwrap();
            let values: Vec<Option<u8>> = ASPECTS.iter().map(|(name, _)| found[*name]).collect();
            assert_eq!(values, [Some(5), Some(4), None, Some(3)]);
        }
        let (critique, overall) = read_overall("{\"critique\": \"fine {almost}\", \"overall\": 10}").unwrap();
        assert_eq!((critique.as_str(), overall), ("fine {almost}", 10));
    }

    #[test]
    fn what_is_no_rating_is_named() {
        let all = |value: &str| {
            ASPECTS.iter().map(|(name, _)| format!("\"{name}\": {value}")).collect::<Vec<_>>().join(", ")
        };
        for (answer, part) in [
            ("no idea".to_string(), "expected a JSON object"),
            ("{\"honesty\": 3}".into(), "expected the aspect instruction-following"),
            (format!("{{{}}}", all("6")), "from 1 to 5, found 6"),
            (format!("{{{}}}", all("\"3/5\"")), "from 1 to 5, found \"3/5\""),
        ] {
            let message = read_aspects(&answer).unwrap_err();
            assert!(message.contains(part), "{message}");
        }
        assert!(read_overall("{\"overall\": 0}").unwrap_err().contains("from 1 to 10"));
        assert!(read_overall("{\"critique\": \"x\"}").unwrap_err().contains("overall"));
    }

    #[test]
    fn contradictions() {
        assert_eq!(rating([5, 5, 5, 5], 10).mean(), Some(1.0));
        assert!(!rating([5, 4, 5, 4], 9).contradicts_itself(0.4));
        // A 1 that was read as a 10.
        assert!(rating([1, 1, 2, 1], 10).contradicts_itself(0.4));
        assert!(Rating { aspects: BTreeMap::new(), ..rating([1; 4], 5) }.contradicts_itself(0.4));
        let programs = [(0.9, Some(false)), (0.8, Some(true)), (0.5, Some(false)), (0.95, None)];
        assert_eq!(contradicts_execution(&programs), [true, false, false, false]);
        assert_eq!(agreement(&programs), (1, 2));
        assert_eq!(contradicts_execution(&[(0.9, Some(false)), (0.1, Some(false))]), [false, false]);
    }

    #[test]
    fn the_question_shows_task_and_program_and_every_aspect() {
        let text = &ask_aspects("Double x.", "def f(x): pass").messages[0].content;
        assert!(text.contains("Double x.") && text.contains("def f(x): pass"));
        assert!(ASPECTS.iter().all(|(name, question)| text.contains(name) && text.contains(question)));
        assert!(ask_overall("Double x.", "def f(x): pass").messages[0].content.contains("overall"));
    }
}
