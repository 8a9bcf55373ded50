//! From an answer to the program that is judged, as the benchmark has it.
//!
//! A *completion* (a base model's text, or a samples file's) is used as the original harness uses it: cut at the first
//! stop, put in its place, nothing else. A *chat answer* has its code extracted first (`extraction.rs`).

use hone_environment::program_of_code;
use hone_metrics::Language;

use super::{Assembly, FunctionEnd, Problem, translated, translated_answer};
use crate::extraction::{Extracted, defines, extract_code};

impl Problem {
    /// The program of a base model's continuation, which ends at the first stop.
    pub fn program_of_completion(&self, completion: &str) -> String {
        let end = self.stops.iter().filter_map(|stop| completion.find(stop.as_str())).min();
        let completion = &completion[..end.unwrap_or(completion.len())];
        match &self.assembly {
            Assembly::Translated { end: FunctionEnd::LastBrace, .. } => {
                self.program_of_whole_completion(translated_answer::to_last_brace(completion))
            }
            _ => self.program_of_whole_completion(completion),
        }
    }

    /// The program of a completion as a samples file has it: no stops.
    pub fn program_of_whole_completion(&self, completion: &str) -> String {
        match &self.assembly {
            Assembly::Continuation { head, .. } => format!("{head}{completion}"),
            Assembly::Program { preamble, .. } => joined(preamble, completion),
            Assembly::Middle { head, tail } => format!("{head}{completion}{tail}"),
            Assembly::Translated { language, head, .. } => {
                translated::with_go_imports(*language, format!("{head}{completion}"))
            }
            Assembly::Expression { .. } => self.expression(completion),
        }
    }

    /// The program of a chat answer.
    pub fn program_of_answer(&self, answer: &str) -> String {
        let code = |entry: Option<&str>| -> Extracted { extract_code(answer, Language::Python, entry) };
        match &self.assembly {
            Assembly::Continuation { head, entry_point } => {
                let code = code(Some(entry_point)).code;
                program_of_code(head.trim_end(), entry_point, &format!("\n{code}"))
            }
            Assembly::Program { preamble, entry_point } => {
                let entry = entry_point.as_deref().map(|entry| entry.rsplit('.').next().unwrap_or(entry));
                let code = code(entry).code;
                match entry_point {
                    Some(entry) if !entry.contains('.') && defines(&code, Language::Python, entry) => {
                        joined(preamble, &program_of_code("", entry, &code))
                    }
                    _ => joined(preamble, &code),
                }
            }
            Assembly::Middle { head, tail } => format!("{head}{}{tail}", code(None).code),
            Assembly::Translated { .. } => translated_answer::program_of_answer(self, answer),
            Assembly::Expression { .. } => self.expression(answer),
        }
    }

    /// A program whose function `answer` gives the value of the expression; one that fails if it is not allowed.
    fn expression(&self, answer: &str) -> String {
        let Assembly::Expression { code, forbidden, required } = &self.assembly else {
            return answer.to_owned();
        };
        let expression = expression_of(answer, required.is_some());
        let is_refused = forbidden.as_ref().is_some_and(|text| expression.contains(text.as_str()))
            || required.as_ref().is_some_and(|text| !expression.contains(text.as_str()));
        if is_refused || expression.is_empty() {
            return "def answer():\n    raise ValueError('not an answer of the form that was asked for')\n"
                .into();
        }
        format!("{code}\n\ndef answer():\n    return ({expression}\n    )\n")
    }
}

fn joined(preamble: &str, code: &str) -> String {
    if preamble.is_empty() { code.to_owned() } else { format!("{preamble}\n{code}") }
}

/// CRUXEval's rule: what is between `[ANSWER]` marks if there are any, its first line, without `assert`; of an equation
/// with `f(…)` on the left the side that is asked for.
fn expression_of(answer: &str, asks_for_call: bool) -> String {
    let marked = answer.rsplit_once("[ANSWER]").map_or(answer, |(_, rest)| rest);
    let text = marked.split("[/ANSWER]").next().unwrap_or_default();
    let line = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with("```"))
        .unwrap_or_default();
    let line = line.trim_matches('`');
    let statement = line.strip_prefix("assert ").unwrap_or(line).trim();
    match statement.rsplit_once(" == ") {
        Some((call, value)) if statement.starts_with("f(") => {
            if asks_for_call { call } else { value }.to_owned()
        }
        _ => statement.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hone_sandbox::TestSuite;

    fn problem(assembly: Assembly) -> Problem {
        Problem {
            memory_bytes: None,
            base_tests: None,
            id: "x".into(),
            topic: String::new(),
            date: String::new(),
            question: "?".into(),
            prompt: String::new(),
            stops: vec!["\ndef".into(), "\nprint".into()],
            assembly,
            tests: TestSuite::Asserts { setup: String::new(), asserts: vec!["assert f(1) == 1".into()] },
            reference: None,
        }
    }

    #[test]
    fn a_completion_is_cut_at_its_stop_and_put_in_place() {
        let head = "import math\n\ndef f(x):\n    \"\"\"Doc.\"\"\"\n";
        let continuation = problem(Assembly::Continuation { head: head.into(), entry_point: "f".into() });
        assert_eq!(
            continuation.program_of_completion("    return x\n\nprint(1)\ndef g():"),
            format!("{head}    return x\n")
        );
        let middle = problem(Assembly::Middle { head: "a = [".into(), tail: "]\n".into() });
        assert_eq!(middle.program_of_completion("1, 2"), "a = [1, 2]\n");
        let whole = problem(Assembly::Program { preamble: "import os".into(), entry_point: None });
        assert_eq!(whole.program_of_completion("x = 1"), "import os\nx = 1");
    }

    #[test]
    fn an_answers_code_is_extracted_first() {
        let head = "import math\n\ndef f(x):\n    \"\"\"Doc.\"\"\"\n";
        let continuation = problem(Assembly::Continuation { head: head.into(), entry_point: "f".into() });
        let answer = "Here:\n```python\ndef f(x):\n    return math.pi\n\nprint(f(1))\n```\nDone.";
        assert_eq!(continuation.program_of_answer(answer), "import math\n\ndef f(x):\n    return math.pi\n");
        assert_eq!(
            continuation.program_of_answer("    return x"),
            format!("{}\n    return x\n", head.trim_end())
        );
        let solution = problem(Assembly::Program {
            preamble: "from typing import *".into(),
            entry_point: Some("Solution().f".into()),
        });
        let class = "```python\nclass Solution:\n    def f(self, x):\n        return x\n```";
        assert_eq!(
            solution.program_of_answer(class),
            "from typing import *\nclass Solution:\n    def f(self, x):\n        return x\n"
        );
    }

    #[test]
    fn the_asked_side_of_an_equation_is_taken() {
        for (answer, asks_for_call, expected) in [
            ("[1, 2]", false, "[1, 2]"),
            ("[ANSWER]\nassert f(3) == [1, 2]\n[/ANSWER]", false, "[1, 2]"),
            ("thinking [ANSWER]assert f('a') == 7[/ANSWER] more", true, "f('a')"),
            ("f(1, 2)", true, "f(1, 2)"),
            ("```python\n'x'\n```", false, "'x'"),
            ("", false, ""),
        ] {
            assert_eq!(expression_of(answer, asks_for_call), expected, "{answer:?}");
        }
        let output = Assembly::Expression {
            code: "def f(x): return x".into(),
            forbidden: Some("f(1)".into()),
            required: None,
        };
        assert!(problem(output.clone()).program_of_completion("f(1)").contains("raise ValueError"));
        assert!(problem(output).program_of_completion("1").ends_with("return (1\n    )\n"));
    }
}
