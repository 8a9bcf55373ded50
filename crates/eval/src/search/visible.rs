//! The tests that a problem's own text shows: what a person would try before handing in an answer.
//!
//! A task's example; asserts in the prompt (MBPP); doctests (HumanEval); `Input: … Output: …` of a function (LeetCode), or of
//! a program (APPS, AtCoder). Never the hidden tests.

use hone_dataset::Task;
use hone_sandbox::{StdioCase, TestSuite};

use super::SearchProblem;
use crate::benchmark::{Assembly, Problem};

/// Visible tests at most.
const AT_MOST: usize = 8;

/// What a task of a user's file shows.
pub fn examples_of_task(task: &Task) -> SearchProblem {
    let mut asserts: Vec<String> = Vec::new();
    if !task.example.trim().is_empty() {
        asserts.push(format!("assert {}", task.example.trim()));
    }
    asserts.extend(doctests(&format!("{}\n{}", task.instruction, task.signature), &task.entry_point));
    SearchProblem { examples: asserts_suite(asserts), entry_point: task.entry_point.clone() }
}

/// What a benchmark's problem shows.
pub fn examples_of_problem(problem: &Problem) -> SearchProblem {
    let entry_point = match (&problem.tests, &problem.assembly) {
        (TestSuite::Check { entry_point, .. } | TestSuite::Calls { entry_point, .. }, _)
        | (_, Assembly::Continuation { entry_point, .. }) => entry_point.clone(),
        (_, Assembly::Program { entry_point, .. }) => entry_point.clone().unwrap_or_default(),
        _ => String::new(),
    };
    let text = format!("{}\n{}", problem.prompt, problem.question);
    let examples = match &problem.tests {
        TestSuite::Stdio { compare, language, .. } => {
            let cases = stdio_examples(&problem.question);
            (!cases.is_empty()).then_some(TestSuite::Stdio { cases, compare: *compare, language: *language })
        }
        _ => {
            let shown = text.lines().filter(|line| line.starts_with("assert ")).map(str::to_owned);
            let mut asserts = distinct(shown.collect());
            asserts.extend(doctests(&text, &entry_point));
            asserts_suite(asserts).or_else(|| check_suite(&text, &entry_point))
        }
    };
    SearchProblem { examples, entry_point }
}

fn distinct(mut texts: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    texts.retain(|text| seen.insert(text.clone()));
    texts
}

fn asserts_suite(asserts: Vec<String>) -> Option<TestSuite> {
    let mut asserts = distinct(asserts);
    asserts.truncate(AT_MOST);
    (!asserts.is_empty()).then(|| TestSuite::Asserts { setup: String::new(), asserts })
}

/// `>>> f(1)` with its answer on the next line, as an assert.
fn doctests(text: &str, entry_point: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let test = |(index, line): (usize, &&str)| {
        let call = line.strip_prefix(">>>")?.trim();
        let answer = *lines.get(index + 1)?;
        let is_value = !answer.is_empty()
            && !answer.starts_with(">>>")
            && !answer.starts_with("Traceback")
            && !answer.contains("\"\"\"")
            && !answer.contains("'''");
        let is_call = call.contains(&format!("{entry_point}(")) && !call.starts_with("print");
        // Some write the answer into the call: `f(1) == 2` or `f(1) ➞ 2`.
        (is_call && is_value && !entry_point.is_empty()).then(|| format!("assert ({call}) == ({answer})"))
    };
    lines.iter().enumerate().filter_map(test).collect()
}

/// `Input: a = 1, b = [2]` with `Output: 3` on a line after it, as calls with named arguments.
fn check_suite(text: &str, entry_point: &str) -> Option<TestSuite> {
    let plain = text.replace("**", "");
    let mut asserts = Vec::new();
    let mut input: Option<String> = None;
    for line in plain.lines().map(str::trim) {
        if let Some(arguments) = line.strip_prefix("Input:") {
            input = Some(arguments.trim().to_owned()).filter(|arguments| arguments.contains('='));
        } else if let Some(answer) = line.strip_prefix("Output:") {
            let answer = python_value(answer.trim());
            if let Some(arguments) = input.take().filter(|_| !answer.is_empty()) {
                let arguments = python_value(&arguments);
                asserts.push(format!("    assert candidate({arguments}) == {answer}"));
            }
        }
    }
    let mut asserts = distinct(asserts);
    asserts.truncate(AT_MOST);
    let code = format!("def check(candidate):\n{}\n", asserts.join("\n"));
    (!asserts.is_empty() && !entry_point.is_empty())
        .then(|| TestSuite::Check { code, entry_point: entry_point.to_owned() })
}

/// JSON's `true`, `false` and `null` outside of quotes, as Python has them.
fn python_value(text: &str) -> String {
    let mut out = String::new();
    let mut quoted: Option<char> = None;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let is_word_start = !out.ends_with(|before: char| before.is_alphanumeric() || before == '_');
        let word = [("true", "True"), ("false", "False"), ("null", "None")]
            .into_iter()
            .find(|(json, _)| quoted.is_none() && is_word_start && rest.starts_with(json));
        if let Some((json, python)) = word {
            out.push_str(python);
            rest = &rest[json.len()..];
            continue;
        }
        match quoted {
            Some(mark) if mark == c => quoted = None,
            None if c == '"' || c == '\'' => quoted = Some(c),
            _ => {}
        }
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// Blocks headed `Input` and `Output` (Codeforces, APPS) or `Sample Input 1` and `Sample Output 1` (AtCoder).
fn stdio_examples(text: &str) -> Vec<StdioCase> {
    #[derive(Clone, Copy, PartialEq)]
    enum Part {
        None,
        Input,
        Output,
    }
    let heading = |line: &str| -> Option<Part> {
        let bare = line.trim().trim_matches(['-', '#', '*', ':', ' ']).to_lowercase();
        let bare = bare.trim_end_matches(|c: char| c.is_ascii_digit() || c == ' ');
        // `-----Input-----` describes the format; the examples' own heads have no dashes.
        let is_dashed = line.trim().starts_with("--");
        match bare {
            "sample input" | "example input" => Some(Part::Input),
            "sample output" | "example output" => Some(Part::Output),
            "input" if !is_dashed => Some(Part::Input),
            "output" if !is_dashed => Some(Part::Output),
            _ if is_dashed || bare == "note" || bare == "explanation" || line.trim().starts_with("###") => {
                Some(Part::None)
            }
            _ => None,
        }
    };
    let (mut part, mut cases) = (Part::None, Vec::new());
    let (mut input, mut output) = (String::new(), String::new());
    let mut keep = |input: &mut String, output: &mut String| {
        if !input.trim().is_empty() && !output.trim().is_empty() {
            let text = |text: &str| format!("{}\n", text.trim_matches('\n').trim_end());
            cases.push(StdioCase { stdin: text(input), stdout: text(output) });
        }
        input.clear();
        output.clear();
    };
    for line in text.lines().filter(|line| !line.trim_start().starts_with("```")) {
        match heading(line) {
            Some(next) => {
                if next != Part::Output {
                    keep(&mut input, &mut output);
                }
                part = next;
            }
            None => match part {
                Part::Input => input.push_str(&format!("{line}\n")),
                // An empty line ends an answer.
                Part::Output if line.trim().is_empty() && !output.trim().is_empty() => part = Part::None,
                Part::Output => output.push_str(&format!("{line}\n")),
                Part::None => {}
            },
        }
    }
    keep(&mut input, &mut output);
    cases.truncate(AT_MOST);
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doctests_become_asserts() {
        let prompt = "def f(x):\n    \"\"\" Doubles.\n    >>> f(1)\n    2\n    >>> f([])\n    >>> g(1)\n    3\n    \"\"\"\n";
        assert_eq!(doctests(prompt, "f"), ["assert (f(1)) == (2)"]);
    }

    #[test]
    fn inputs_and_outputs_of_a_function_become_calls() {
        let text = "**Example 1:**\n\n**Input:** nums = [1, null], is_true = true\n**Output:** \"true\"\n**Explanation:** x";
        let Some(TestSuite::Check { code, entry_point }) = check_suite(text, "Solution().f") else {
            panic!("expected a check")
        };
        assert_eq!(
            (code.as_str(), entry_point.as_str()),
            (
                "def check(candidate):\n    assert candidate(nums = [1, None], is_true = True) == \"true\"\n",
                "Solution().f"
            )
        );
        assert_eq!(check_suite("Input: 5\nOutput: 6", "f"), None);
    }

    #[test]
    fn blocks_of_input_and_output_become_runs() {
        let apps = "Add.\n\n-----Input-----\n\nTwo numbers.\n\n-----Output-----\n\nTheir sum.\n\n-----Examples-----\nInput\n1 2\n\nOutput\n3\n\nInput\n4\n5\n\nOutput\n9\n\n-----Note-----\nEasy.";
        let case = |stdin: &str, stdout: &str| StdioCase { stdin: stdin.into(), stdout: stdout.into() };
        assert_eq!(stdio_examples(apps), [case("1 2\n", "3\n"), case("4\n5\n", "9\n")]);
        let atcoder = "Sample Input 1\n\n3\n\nSample Output 1\n\nYes\n\nWhy it is so.\n\nSample Input 2\n\n4\n\nSample Output 2\n\nNo\n";
        assert_eq!(stdio_examples(atcoder), [case("3\n", "Yes\n"), case("4\n", "No\n")]);
    }
}
