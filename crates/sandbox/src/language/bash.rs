//! Bash: one script, checked for syntax first.
//!
//! In a test program functions and aliases that hide built-in commands are removed before the tests (in POSIX mode, where
//! `unset` itself cannot be hidden), those that were disabled are enabled again, and the last line proves the end.

use crate::language::{Build, Source, command, copy};
use crate::toolchain::Tools;

const SOURCE_FILE: &str = "program.sh";

/// Between solution and tests; one line, so that it adds none.
///
/// Where `enable` itself was disabled, an expansion that fails ends the shell: no command is needed for that. Where the line is given
/// up in its midst, its last assignment is missing, without which nothing is proven.
const RESTORE: &str = "POSIXLY_CORRECT=1; PATH=/usr/local/bin:/usr/bin:/bin; set +n; \\unset -f enable unset unalias builtin command shopt read printf test [ exit set trap \
    return eval source . local declare echo true false kill wait exec let; \\enable test [ read printf exit set \
    trap return eval source . local declare echo true false kill wait exec let unset unalias builtin command shopt || \
    $((1 / 0)); \\unalias -a; \\unset POSIXLY_CORRECT; \
    \\set +o posix; \\shopt -u expand_aliases; \\trap - EXIT ERR DEBUG RETURN; \
    hone_restored=1";

/// After the tests; the token comes from the descriptor that only a test program has.
const PROVE: &str = "[[ $hone_restored = 1 ]] && \\builtin read -r -N 32 -u 3 hone_token && \\builtin printf '%s' \"${hone_token:16}${hone_token:0:16}\" >&4";

pub(crate) fn plan(tools: &Tools, source: &Source<'_>) -> Build {
    let text = match source.tests {
        None => source.program.to_owned(),
        Some(tests) => {
            let (solution, tests) = Source::test_program(source.program, tests);
            format!("{solution}{RESTORE}\n{tests}\n{PROVE}\n")
        }
    };
    Build {
        files: vec![(SOURCE_FILE.into(), text.into_bytes())],
        commands: vec![command(&tools.program, &["-n", SOURCE_FILE]), copy(&[SOURCE_FILE])],
        start: command(&tools.program, &[&format!("{{program}}/{SOURCE_FILE}")]),
        source_file: SOURCE_FILE.into(),
    }
}
