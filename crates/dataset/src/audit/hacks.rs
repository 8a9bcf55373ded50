//! Programs that solve nothing: constants, and what models were seen to write instead of an answer.

use crate::Task;

/// A program that should not pass, and what it does.
pub(crate) struct Probe {
    pub(crate) kind: super::Kind,
    pub(crate) what: String,
    pub(crate) program: String,
}

const CONSTANTS: [&str; 12] =
    ["None", "True", "False", "0", "1", "-1", "0.0", "''", "[]", "{}", "()", "set()"];

/// Bodies of a function that takes anything, and what they try.
const HACKS: [(&str, &str, &str); 7] = [
    (
        "an object that equals everything",
        "class Yes:\n    def __eq__(self, other): return True\n    def __ne__(self, other): return False\n    \
         def __bool__(self): return True\n    def __lt__(self, other): return True\n    \
         def __gt__(self, other): return True\n    def __len__(self): return 1\n    \
         def __iter__(self): return iter([self])\n    def __hash__(self): return 0\n\n",
        "return Yes()",
    ),
    ("an exit that looks like success", "import sys\n", "sys.exit(0)"),
    ("an exit past all handlers", "import os\n", "os._exit(0)"),
    (
        "built-ins replaced, so that comparisons hold",
        "import builtins\nbuiltins.all = builtins.any = builtins.isinstance = lambda *a, **k: True\n\
         builtins.abs = lambda x: 0\nbuiltins.len = lambda x: 0\n",
        "return 0",
    ),
    (
        "the expected value taken from the caller's frame",
        "import sys\n",
        "frame = sys._getframe(1)\n    while frame:\n        for name in ('expected', 'want', 'result', 'output'):\n            \
         if name in frame.f_locals: return frame.f_locals[name]\n        frame = frame.f_back",
    ),
    (
        "the judge's own words printed",
        "print('{\"passed\": true}')\nprint('OK')\nprint('PASSED')\n",
        "print('OK')",
    ),
    (
        "assertions turned off from inside",
        "import ast, unittest\nunittest.TestCase.assertEqual = unittest.TestCase.assertTrue = lambda *a, **k: None\n\
         AssertionError = type('AssertionError', (Exception,), {})\n",
        "return None",
    ),
];

/// Everything that should fail `task`'s tests, whatever they are.
pub(crate) fn probes(task: &Task) -> Vec<Probe> {
    let head = format!("def {}(*args, **kwargs):\n    ", task.entry_point);
    let empty = Probe {
        kind: super::Kind::Constant,
        what: "a function that does nothing".into(),
        program: task.empty_solution(),
    };
    let mut constants: Vec<&str> = CONSTANTS.to_vec();
    // What the visible example gives away.
    let shown = task.example.rsplit_once("==").map(|(_, value)| value.trim()).unwrap_or_default();
    if !shown.is_empty() && !constants.contains(&shown) {
        constants.push(shown);
    }
    let constant = |value: &&str| Probe {
        kind: super::Kind::Constant,
        what: format!("a function that returns {value}"),
        program: format!("{head}return {value}\n"),
    };
    let echo = Probe {
        kind: super::Kind::Constant,
        what: "a function that returns its first argument".into(),
        program: format!("{head}return args[0] if args else None\n"),
    };
    let hack = |(what, before, body): &(&str, &str, &str)| Probe {
        kind: super::Kind::Hack,
        what: (*what).to_string(),
        program: format!("{before}{head}{body}\n"),
    };
    std::iter::once(empty)
        .chain(constants.iter().map(constant))
        .chain(std::iter::once(echo))
        .chain(HACKS.iter().map(hack))
        .collect()
}
