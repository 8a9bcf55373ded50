//! Wrong, truncated and hostile variants of reference solutions must fail.
//!
//! Made from the project's own tasks, and from some of HumanEval and MBPP where they are at hand. Variants whose result is
//! wrong by construction must fail, all of them. Small edits of the source (an operator, a number) can leave a program
//! right, or wrong only where no test looks: of those nearly all must fail.

use std::path::Path;

use hone_dataset::Task;
use hone_eval::benchmark::{BenchmarkSet, Problem, PromptStyle, Rules, TASK_RULES, find_benchmark};
use hone_sandbox::OutcomeClass;

use crate::benchmarks::{public_files, sandbox};

/// What follows a reference: its function, bound anew to one that gives something else.
const CHANGED: &str = "
def _changed(value):
    if type(value) is bool: return not value
    if type(value) in (int, float, complex): return value + 1
    if type(value) is str: return value + 'x'
    if type(value) is list: return value + [None]
    if type(value) is tuple: return value + (None,)
    if type(value) is set: return value | {'no such item'}
    if type(value) is dict: return {**value, 'no such key': None}
    return 'another' if value is None else None

def _wrapped(function):
    return lambda *arguments, **named: _changed(function(*arguments, **named))

NAME = _wrapped(NAME)
";

/// Programs that try to pass without the function; each stands after or instead of a reference.
const HOSTILE: &[&str] = &[
    "import os\nos._exit(0)\n",
    "raise SystemExit(0)\n",
    "import sys\ndef NAME(*a, **k):\n    sys.exit(0)\n",
    "def NAME(*a, **k):\n    import os\n    os._exit(0)\n",
    "class Always:\n    def __eq__(self, other): return True\n    def __ne__(self, other): return False\n    def __bool__(self): return True\n    def __hash__(self): return 0\n    def __len__(self): return 1\n    def __iter__(self): return iter(())\ndef NAME(*a, **k):\n    return Always()\n",
    "class Always(list):\n    def __eq__(self, other): return True\n    def __ne__(self, other): return False\ndef NAME(*a, **k):\n    return Always(['no such item'])\n",
    "import builtins\nclass Quiet(Exception): pass\nbuiltins.AssertionError = Quiet\nbuiltins.all = builtins.any = builtins.isinstance = lambda *a: True\ndef NAME(*a, **k):\n    return 'no such answer'\n",
    "import sys, types\ndef trace(frame, event, argument):\n    return trace\nsys.settrace(trace)\nfor name in ('unittest', 'math', 'json'):\n    sys.modules[name] = types.ModuleType(name)\ndef NAME(*a, **k):\n    return 'no such answer'\n",
    "import os, sys\nfor number in range(1, 64):\n    try: os.write(number, b'{\"passed\": true}\\nOK\\n')\n    except OSError: pass\nprint('all tests passed'); sys.stdout.flush()\ndef NAME(*a, **k):\n    return 'no such answer'\n",
    "import threading, os\nthreading.Thread(target=lambda: os._exit(0)).start()\ndef NAME(*a, **k):\n    return 'no such answer'\n",
    "def NAME(*a, **k):\n    raise AssertionError('passed')\n",
    "def NAME(*a, **k):\n    raise StopIteration\n",
];

/// Small edits: what is replaced by what, once, at its first place within the body.
const EDITS: &[(&str, &str)] = &[
    (" < ", " >= "),
    (" > ", " <= "),
    (" == ", " != "),
    (" + ", " - "),
    (" * ", " + "),
    (" and ", " or "),
    (" in ", " not in "),
    ("if not ", "if "),
    ("True", "False"),
    ("return ", "return not "),
    ("return ", "return None and "),
    ("[0]", "[-1]"),
    ("1", "2"),
];

#[derive(Default)]
struct Tally {
    wrong: usize,
    edited: usize,
    survived: Vec<String>,
    passed: Vec<String>,
}

impl Tally {
    fn judge(
        &mut self,
        set: &BenchmarkSet,
        index: usize,
        kind: &str,
        program: String,
        is_surely_wrong: bool,
    ) {
        let verdict = set.judge(index, program.clone()).expect("the sandbox itself works");
        let has_passed = verdict.class == OutcomeClass::Passed;
        let id = &set.problems()[index].id;
        if is_surely_wrong {
            self.wrong += 1;
            self.passed.extend(has_passed.then(|| format!("{id}, {kind}:\n{program}")));
        } else {
            self.edited += 1;
            self.survived.extend(has_passed.then(|| format!("{id}, {kind}")));
        }
    }
}

/// The name that the tests call, for a plain function at the top level.
fn entry_point(problem: &Problem) -> Option<String> {
    use hone_eval::benchmark::Assembly;
    let name = match &problem.assembly {
        Assembly::Continuation { entry_point, .. } => Some(entry_point.clone()),
        Assembly::Program { entry_point, .. } => entry_point.clone(),
        _ => None,
    };
    name.filter(|name| !name.contains('.'))
}

fn tally(problems: Vec<Problem>, rules: Rules) -> Tally {
    // Endless variants end soon; references of these problems take a fraction of it.
    let rules = Rules { cpu_ms: 2_000, ..rules };
    let set = BenchmarkSet::new(problems, sandbox(), rules, PromptStyle::Completion);
    let mut tally = Tally::default();
    for (index, problem) in set.problems().iter().enumerate() {
        let (Some(name), Some(reference)) = (entry_point(problem), &problem.reference) else { continue };
        let right = set.judge(index, reference.clone()).expect("the sandbox itself works");
        assert_eq!(right.class, OutcomeClass::Passed, "{}: {right:?}", problem.id);
        let changed = format!("{reference}\n{}", CHANGED.replace("NAME", &name));
        tally.judge(&set, index, "another result", changed, true);
        tally.judge(&set, index, "nothing", String::new(), true);
        let body = reference.rfind("return ").unwrap_or(reference.len());
        tally.judge(&set, index, "truncated before the result", reference[..body].to_owned(), true);
        for (number, hostile) in HOSTILE.iter().enumerate() {
            let hostile = hostile.replace("NAME", &name);
            tally.judge(&set, index, &format!("hostile {number}"), format!("{reference}\n{hostile}"), true);
        }
        let head = reference.find(&format!("def {name}")).unwrap_or(0);
        let head = head + reference[head..].find(":\n").unwrap_or(0);
        for (old, new) in EDITS {
            // After the docstring, where examples stand.
            let from = reference.rfind("\"\"\"").map_or(head, |at| at.max(head));
            if let Some(at) = reference[from..].find(old) {
                let (before, after) = reference.split_at(from + at);
                let program = format!("{before}{new}{}", &after[old.len()..]);
                tally.judge(&set, index, &format!("{old:?} for {new:?}"), program, false);
            }
        }
    }
    tally
}

fn check(what: &str, problems: Vec<Problem>, rules: Rules) {
    let tally = tally(problems, rules);
    let Tally { wrong, edited, survived, passed } = &tally;
    eprintln!(
        "{what}: {wrong} wrong variants, {} passed; {edited} edits, {} survived",
        passed.len(),
        survived.len()
    );
    assert!(passed.is_empty(), "{what}: wrong variants passed:\n{}", passed.join("\n---\n"));
    assert!(*wrong >= 60 && *edited >= 10, "{what}: {wrong} wrong variants and {edited} edits are too few");
    assert!(
        survived.len() * 5 <= *edited,
        "{what}: {} of {edited} edits survived: {survived:#?}",
        survived.len()
    );
}

#[test]
fn variants_of_our_own_tasks_fail() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tasks/heldout.jsonl");
    let tasks = Task::load(&path).expect("our own tasks");
    let stride = (tasks.len() / 10).max(1);
    check("heldout", tasks.iter().step_by(stride).map(Problem::of_task).collect(), TASK_RULES);
}

#[test]
fn variants_of_public_problems_fail() {
    for name in ["humaneval", "mbpp-sanitized"] {
        let benchmark = find_benchmark(name).expect("known");
        let Some(path) = benchmark.find(&[public_files()]) else {
            eprintln!("skipped: {} is not at hand", benchmark.file);
            continue;
        };
        let problems = benchmark.read(&path).expect("readable");
        let stride = problems.len() / 8;
        check(name, problems.into_iter().step_by(stride).collect(), benchmark.rules);
    }
}
