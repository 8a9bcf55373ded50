//! JavaScript by node: CommonJS, or a module where the text imports or exports.
//!
//! A test program is run by `proof.js`: first the solution, then the tests, as two scripts of one realm. It ends well
//! only if both ran through, the event loop emptied by itself, `console.assert` never failed, and no built-in was changed.

use crate::language::{Build, Source, command, copy};
use crate::toolchain::Tools;

pub(crate) fn plan(tools: &Tools, source: &Source<'_>) -> Build {
    let heap = "--max-old-space-size={heap_mb}";
    let stack = "--stack-size={stack_kb}";
    let Some(tests) = source.tests else {
        let name = if is_module(source.program) { "program.mjs" } else { "program.js" };
        return Build {
            files: vec![(name.into(), source.program.into())],
            commands: vec![command(&tools.program, &["--check", name]), copy(&[name])],
            start: command(&tools.program, &[heap, stack, &format!("{{program}}/{name}")]),
            source_file: name.into(),
        };
    };
    let (solution, tests) = Source::test_program(source.program, tests);
    let names = ["program.js", "tests.js", "proof.js"];
    Build {
        files: vec![
            (names[0].into(), solution.into_bytes()),
            (names[1].into(), tests.into()),
            (names[2].into(), include_str!("proof/proof.js").into()),
        ],
        commands: vec![
            command(&tools.program, &["--check", names[0]]),
            command(&tools.program, &["--check", names[1]]),
            copy(&names),
        ],
        start: command(&tools.program, &[heap, stack, "{program}/proof.js"]),
        source_file: names[0].into(),
    }
}

/// Whether a line imports or exports as only a module may.
fn is_module(text: &str) -> bool {
    text.lines().any(|line| {
        let has = |word: &str| {
            line.strip_prefix(word).is_some_and(|rest| rest.starts_with([' ', '{', '*', '"', '\'']))
        };
        has("import") || has("export")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_told_from_scripts() {
        assert!(is_module("import fs from 'fs'\n"));
        assert!(is_module("let a\nexport { a }\n"));
        assert!(!is_module("const importance = 1\nimportance\n// import x\nimport('fs')\n"));
    }
}
