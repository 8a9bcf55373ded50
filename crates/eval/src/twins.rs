//! Samples that are the same program: they are judged once.
//!
//! Models repeat themselves, the more the lower the temperature, and a verdict depends on nothing but tests and program. The
//! same text has the same verdict. Python programs that differ in comments and blank lines only, and that have no way to
//! look at their own text, share it where it is a pass; a failure names a line, so there each is judged for itself.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use hone_dataset::python::{Token, TokenKind, tokens};
use hone_environment::Verdict;
use hone_sandbox::{Language, OutcomeClass, TestSuite};

use crate::collect::{Job, Produced};

/// Which problem, and the program's text or what is left of it without comments.
type Key = (usize, String);

/// What is known of the programs so far.
#[derive(Debug, Default)]
pub(crate) struct Twins(Mutex<HashMap<Key, State>>);

#[derive(Debug)]
enum State {
    /// The first of them is being judged; these wait for what becomes of it.
    InWork(Vec<(Job, Produced)>),
    /// What became of sample `usize`.
    Judged(usize, Verdict),
}

/// What is to be done with a sample.
pub(crate) enum Admitted {
    /// It is the first of its kind; `Twins::settle` is to be told what becomes of it.
    First(Key, Produced),
    /// It will be handed out by the one who judges the first.
    Waiting,
    /// A sample like it has this verdict.
    Known(Produced, usize, Verdict),
}

impl Twins {
    /// Takes a sample in.
    pub(crate) fn admit(&self, job: Job, produced: Produced, tests: &TestSuite) -> Admitted {
        let key = (job.problem, normal_form(&produced.program, tests));
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get_mut(&key) {
            None => {
                known.insert(key.clone(), State::InWork(Vec::new()));
                Admitted::First(key, produced)
            }
            Some(State::InWork(waiting)) => {
                waiting.push((job, produced));
                Admitted::Waiting
            }
            Some(State::Judged(sample, verdict)) => Admitted::Known(produced, *sample, verdict.clone()),
        }
    }

    /// Remembers a first one's verdict; the samples that waited for it.
    pub(crate) fn settle(&self, key: Key, sample: usize, verdict: &Verdict) -> Vec<(Job, Produced)> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match known.insert(key, State::Judged(sample, verdict.clone())) {
            Some(State::InWork(waiting)) => waiting,
            _ => Vec::new(),
        }
    }
}

/// The verdict of `program`, if that of a twin is one.
pub(crate) fn shared(verdict: Verdict, program: &str) -> Option<Verdict> {
    let is_same = verdict.program == program || verdict.class == OutcomeClass::Passed;
    is_same.then(|| Verdict { program: program.to_owned(), ..verdict })
}

/// What two programs have in common if they are the same; the text itself where anything is in doubt.
fn normal_form(program: &str, tests: &TestSuite) -> String {
    let found = tokens(program);
    match is_python(tests) && found.iter().all(is_plain) && !may_see_itself(program, &found) {
        true => without_comments(program, &found),
        false => program.to_owned(),
    }
}

fn is_python(tests: &TestSuite) -> bool {
    match tests {
        TestSuite::Stdio { language, .. } | TestSuite::Program { language, .. } => {
            *language == Language::Python
        }
        TestSuite::Joint { .. } => false,
        _ => true,
    }
}

/// Whether a token is surely what it looks like: a literal that is closed, and holds no expressions.
fn is_plain(token: &Token<'_>) -> bool {
    if token.kind != TokenKind::Text {
        return token.text != "\\";
    }
    let quotes = token.text.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let prefix = &token.text[..token.text.len() - quotes.len()];
    let quote = &quotes[..if quotes.starts_with("\"\"\"") || quotes.starts_with("'''") { 3 } else { 1 }];
    let is_closed = quotes.len() >= 2 * quote.len() && quotes.ends_with(quote);
    is_closed && prefix.chars().all(|c| "rbuRBU".contains(c))
}

/// Whether a program could behave by its own text or line numbers. What leads there is refused, whether or not it does.
fn may_see_itself(program: &str, found: &[Token<'_>]) -> bool {
    // Parts of words, also within literals: `"{0.__code__}".format(f)`.
    const PARTS: [&str; 9] = ["lineno", "co_", "tb_", "trace", "frame", "inspect", "warn", "sys", "__code__"];
    const WORDS: [&str; 16] = [
        "getattr",
        "attrgetter",
        "methodcaller",
        "vars",
        "dir",
        "eval",
        "exec",
        "compile",
        "open",
        "globals",
        "locals",
        "format",
        "format_map",
        "Formatter",
        "help",
        "breakpoint",
    ];
    let is_hidden = |word: &str| {
        word.len() > 1 && word.starts_with('_') && !matches!(word, "__init__" | "__name__" | "__main__")
    };
    PARTS.iter().any(|part| program.contains(part))
        || found.iter().any(|token| {
            token.kind == TokenKind::Word && (WORDS.contains(&token.text) || is_hidden(token.text))
        })
        || !imports(program, found).all(|module| SIMPLE_MODULES.contains(&module))
}

/// Modules that offer computations and nothing of the interpreter.
const SIMPLE_MODULES: [&str; 24] = [
    "abc",
    "array",
    "bisect",
    "cmath",
    "collections",
    "copy",
    "datetime",
    "decimal",
    "enum",
    "fractions",
    "functools",
    "hashlib",
    "heapq",
    "itertools",
    "json",
    "math",
    "numbers",
    "numpy",
    "operator",
    "random",
    "re",
    "statistics",
    "string",
    "typing",
];

/// The modules that are imported, each part of a dotted name by itself.
fn imports<'a>(program: &'a str, found: &'a [Token<'a>]) -> impl Iterator<Item = &'a str> {
    let (mut is_module, mut is_alias) = (false, false);
    let mut end = 0;
    found.iter().filter_map(move |token| {
        if program[end..token.start].contains('\n') || token.text == ";" {
            (is_module, is_alias) = (false, false);
        }
        end = token.start + token.text.len();
        match token.text {
            "from" => is_module = true,
            // The names after `from x import` are no modules; those after `import` alone are.
            "import" => is_module = !is_module,
            "as" => is_alias = true,
            _ if std::mem::take(&mut is_alias) => {}
            text if is_module && token.kind == TokenKind::Word => return Some(text),
            _ => {}
        }
        None
    })
}

/// The tokens but comments, with one blank where there was any, and each line's own indent.
fn without_comments(program: &str, found: &[Token<'_>]) -> String {
    let mut kept = String::with_capacity(program.len());
    let mut end = 0;
    // Between two tokens that are kept, comments included.
    let mut has_gap = false;
    let mut has_break = true;
    for token in found {
        let gap = &program[end..token.start];
        (has_gap, has_break) = (has_gap || !gap.is_empty(), has_break || gap.contains('\n'));
        end = token.start + token.text.len();
        if token.kind == TokenKind::Comment {
            continue;
        }
        if has_break && token.depth == 0 {
            let line = program[..token.start].rfind('\n').map_or(0, |at| at + 1);
            kept.push('\n');
            kept.push_str(&program[line..token.start]);
        } else if has_gap {
            kept.push(' ');
        }
        kept.push_str(token.text);
        (has_gap, has_break) = (false, false);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(program: &str) -> String {
        let tests = TestSuite::Script { code: "assert f(1) == 1".into() };
        normal_form(program, &tests)
    }

    #[test]
    fn comments_and_blank_lines_make_no_other_program() {
        let plain = "def f(x):\n    y = [1, 2]\n    return x  + y[0]\n";
        for other in [
            "def f(x):\n    y = [1, 2]\n    return x + y[0]\n# end",
            "# first\n\ndef f(x):  # here\n\n    y = [1,  # one\n 2]\n  # there\n    return x + y[0]",
        ] {
            assert_eq!(form(other), form(plain), "{other}");
        }
        for other in [
            "def f(x):\n    y = [1, 2]\n    return x - y[0]\n",
            "def f(x):\n    y = [1, 2]\n  return x + y[0]\n",
            "def f(x):\n    y = [1, 2]\n    return x + y [0]\n",
            "def f(x):\n    y = [1, 2]; return x + y[0]\n",
        ] {
            assert_ne!(form(other), form(plain), "{other}");
        }
    }

    /// Where a hash may be part of a literal, or the program may see its own text, only the same text is the same.
    #[test]
    fn what_is_in_doubt_stays_as_it_is() {
        for program in [
            "def f(x):\n    return f\"{x['a']}\" # c\n",
            "def f(x):\n    return 'a # b\n",
            "def f(x):\n    return 1 + \\\n 2 # c\n",
            "import sys\ndef f(x):\n    return sys._getframe().f_lineno # c\n",
            "def f(x):\n    return '{0.__co' 'de__}'.format(f) # c\n",
            "def f(x):\n    return getattr(f, x) # c\n",
            "def f(x):\n    return f.__dict__ # c\n",
            "import os\ndef f(x):\n    return x # c\n",
            "from os import path\ndef f(x):\n    return x # c\n",
            "import math as m, io\ndef f(x):\n    return x # c\n",
            "import math, io\ndef f(x):\n    return x # c\n",
            "import random\ndef f(x):\n    return random._os # c\n",
        ] {
            assert_eq!(form(program), program);
        }
        let joint = TestSuite::Joint { tests: Box::new(TestSuite::Script { code: "assert f(1)".into() }) };
        assert_eq!(normal_form("x = 1 # c", &joint), "x = 1 # c");
        let simple =
            "from collections import deque, Counter\nimport math as m, heapq\ndef f(x):\n    return x\n";
        assert_eq!(form(&format!("{simple}# c")), form(simple));
        // A hash in a closed literal is no comment.
        assert_ne!(form("def f(x):\n    return '#a'\n"), form("def f(x):\n    return '#b'\n"));
    }

    #[test]
    fn a_failure_is_shared_by_the_same_text_only() {
        let verdict = |class| Verdict {
            class,
            tests_passed: 0,
            tests_total: 1,
            error: None,
            program: "x".into(),
            mode: hone_sandbox::JudgeMode::Split,
            missed_lines: Vec::new(),
        };
        assert!(shared(verdict(OutcomeClass::Timeout), "x").is_some());
        assert!(shared(verdict(OutcomeClass::Timeout), "x # c").is_none());
        let passed = shared(verdict(OutcomeClass::Passed), "x # c").expect("the same program");
        assert_eq!(passed.program, "x # c");
    }
}
