//! Which tokens an error is about (RLTF, arXiv 2307.04349): the failing line's, all, or none. And which are of lines that
//! no test executed (StepCoder, arXiv 2402.01391).

use std::ops::Range;

use hone_environment::Verdict;

use crate::trajectory::Trajectory;

/// Errors that no line of the program is to blame for, by a part of their message.
const BLAMELESS: [&str; 5] = [
    "inconsistent use of tabs",
    "unindent does not match",
    "unterminated triple-quoted string",
    "duplicate argument",
    "import * only allowed",
];

/// The tokens that the verdict's error is about: those of its line, where the line is the policy's own; all of them for
/// endless recursion, a limit, or code that ends too early; none where nothing can be said.
pub(crate) fn error_tokens(trajectory: &Trajectory, decode: &dyn Fn(&[u32]) -> String) -> Range<usize> {
    let (all, none) = (0..trajectory.tokens.len(), 0..0);
    let Some(verdict) = &trajectory.verdict else { return none };
    if matches!(trajectory.outcome().as_str(), "timeout" | "memory-limit" | "output-limit") {
        return all;
    }
    let Some(error) = &verdict.error else { return none };
    if error.kind == "RecursionError" || error.message.contains("unexpected EOF") {
        return all;
    }
    if BLAMELESS.iter().any(|part| error.message.contains(part)) {
        return none;
    }
    line_of(verdict, error.line).map_or(none, |line| tokens_of(line, &trajectory.tokens, decode))
}

/// Whether each token wrote a part of a line that could have been executed and was not; empty where nothing was measured.
/// What is no line of the program (prose, fences, the end) counts as executed.
pub(crate) fn missed_tokens(trajectory: &Trajectory, decode: &dyn Fn(&[u32]) -> String) -> Vec<bool> {
    let Some(verdict) = trajectory.verdict.as_ref().filter(|verdict| !verdict.missed_lines.is_empty()) else {
        return Vec::new();
    };
    let tokens = &trajectory.tokens;
    let text = decode(tokens);
    let lines: Vec<&str> = verdict.program.lines().collect();
    let mut missed_bytes = vec![false; text.len()];
    // The answer's lines stand in the program in their order, the first behind the end of what the prompt began.
    let (mut begin, mut next) = (0, 0);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let (own, range) = (line.trim(), begin..begin + line.len());
        begin += line.len();
        let is_same = |candidate: &str| candidate.trim() == own || (index == 0 && candidate.ends_with(own));
        let found = (next..lines.len()).find(|&at| !own.is_empty() && is_same(lines[at]));
        let Some(at) = found else { continue };
        next = at + 1;
        if verdict.missed_lines.contains(&(at as u32 + 1)) {
            missed_bytes[range].fill(true);
        }
    }
    let mut begin = 0;
    let mut is_missed = |end: usize| {
        // A token that ends one line and begins the next belongs to the next.
        let own = &missed_bytes[begin..end.max(begin)];
        begin = begin.max(end);
        own.last().copied().unwrap_or(false)
    };
    (1..=tokens.len()).map(|end| is_missed(decode(&tokens[..end]).len().min(text.len()))).collect()
}

fn line_of(verdict: &Verdict, number: Option<u32>) -> Option<&str> {
    let line = verdict.program.lines().nth(number?.checked_sub(1)? as usize)?.trim();
    (!line.is_empty()).then_some(line)
}

/// The tokens that hold the first line which is `line` but for its margin.
fn tokens_of(line: &str, tokens: &[u32], decode: &dyn Fn(&[u32]) -> String) -> Range<usize> {
    let text = decode(tokens);
    let mut begin = 0;
    let found = text.split_inclusive('\n').find_map(|candidate| {
        let first = begin + (candidate.len() - candidate.trim_start().len());
        begin += candidate.len();
        (candidate.trim() == line).then_some(first..first + line.len())
    });
    let Some(bytes) = found else { return 0..0 };
    // Token t wrote the bytes between the lengths of what is decoded before and after it.
    let ends: Vec<usize> = (1..=tokens.len()).map(|end| decode(&tokens[..end]).len()).collect();
    let first = ends.partition_point(|&end| end <= bytes.start);
    let last = ends.partition_point(|&end| end < bytes.end);
    first..(last + 1).min(tokens.len())
}

#[cfg(test)]
mod tests {
    use hone_environment::Verdict;
    use hone_model::FinishReason;

    use super::*;

    /// Token n is the n-th word.
    fn decode(tokens: &[u32]) -> String {
        let words = ["\n    x = ", "1 / ", "0\n", "    ret", "urn x\n", "    x = 1 / 0\n"];
        tokens.iter().map(|&token| words[token as usize]).collect()
    }

    /// The third line did not run: its tokens are out, whatever they begin with; prose after the program is no line of it.
    #[test]
    fn tokens_of_lines_that_did_not_run_are_missed() {
        let verdict = |missed_lines: &[u32]| -> Verdict {
            serde_json::from_value(serde_json::json!({
                "class": "passed", "tests_passed": 1, "tests_total": 1, "error": null, "mode": "split",
                "program": "def f(x):\n    x = 1 / 0\n    return x\n", "missed_lines": missed_lines,
            }))
            .unwrap()
        };
        let missed = |lines: &[u32], tokens: &[u32]| {
            let trajectory = Trajectory {
                sample: 0,
                prompt: None,
                tokens: tokens.to_vec(),
                logprobs: Vec::new(),
                text: String::new(),
                finish: FinishReason::StopText,
                reward: 0.0,
                turn_rewards: Vec::new(),
                turn_return: 0.0,
                parts: Vec::new(),
                verdict: Some(verdict(lines)),
                advantage: 0.0,
                is_trained: false,
            };
            missed_tokens(&trajectory, &decode)
        };
        assert_eq!(missed(&[3], &[0, 1, 2, 3, 4]), [false, false, false, true, true]);
        assert_eq!(missed(&[2], &[0, 1, 2, 3, 4, 5]), [true, true, true, false, false, false]);
        assert!(missed(&[], &[0, 1]).is_empty());
    }

    #[test]
    fn a_line_is_the_tokens_that_wrote_it() {
        let tokens = [0, 1, 2, 3, 4, 5];
        assert_eq!(tokens_of("x = 1 / 0", &tokens, &decode), 0..3);
        assert_eq!(tokens_of("return x", &tokens, &decode), 3..5);
        assert_eq!(tokens_of("x = 1 / 0", &tokens[3..], &decode), 2..3);
        assert_eq!(tokens_of("def f():", &tokens, &decode), 0..0);
    }
}
