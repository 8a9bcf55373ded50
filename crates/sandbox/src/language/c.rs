//! C and C++ by gcc, and the proof that a test program reached its end, for everything that links C.
//!
//! Tests follow the solution in one translation unit, as MultiPL-E (arXiv 2208.08227) and HumanEval-X (arXiv
//! 2303.17568) have it. Before them all macros of the solution are undefined, and `assert` is one that calls into
//! `proof.c`, so that a solution cannot redefine it or the function it calls.
//!
//! A C++ program that is none by the usual standard is built once more by a newer one: most programs are built faster by
//! the older, and some that are right by it are not by the newer.

use crate::language::{Build, Source, command};
use crate::toolchain::Tools;

/// What differs between C and C++.
pub(crate) struct Dialect {
    source_file: &'static str,
    standard: &'static str,
    /// What is tried where `standard` refuses a program.
    newer_standard: Option<&'static str>,
    linkage: &'static str,
}

/// C.
pub(crate) const C: Dialect =
    Dialect { source_file: "program.c", standard: "-std=gnu17", newer_standard: None, linkage: "" };
/// C++.
pub(crate) const CPP: Dialect = Dialect {
    source_file: "program.cpp",
    standard: "-std=gnu++17",
    newer_standard: Some("-std=gnu++23"),
    linkage: "extern \"C\" ",
};

/// The header that comes before every program: its name, and what it says.
const STACK: (&str, &str) = ("hone/stack.h", include_str!("stack.h"));

/// The object file that proves the end of a test program: its source and how it is compiled.
pub(crate) const PROOF: (&str, &str) = ("proof.c", include_str!("proof/proof.c"));
/// Flags that compile `PROOF`.
pub(crate) const PROOF_FLAGS: [&str; 7] =
    ["-O1", "-fno-builtin", "-fno-stack-protector", "-c", "proof.c", "-o", "{scratch}/proof.o"];

pub(crate) fn plan(tools: &Tools, dialect: &Dialect, source: &Source<'_>) -> Build {
    plan_by(tools, dialect, dialect.standard, source)
}

/// The build by the newer standard, if there is one.
pub(crate) fn plan_newer(tools: &Tools, dialect: &Dialect, source: &Source<'_>) -> Option<Build> {
    dialect.newer_standard.map(|standard| plan_by(tools, dialect, standard, source))
}

fn plan_by(tools: &Tools, dialect: &Dialect, standard: &str, source: &Source<'_>) -> Build {
    let compiler = &tools.program;
    let mut arguments = vec![standard, "-O2", "-w", "-pipe", "-fmax-errors=20", "-include", STACK.0];
    let mut files = vec![(STACK.0.into(), STACK.1.into())];
    let mut commands = Vec::new();
    let text = match source.tests {
        None => source.program.to_owned(),
        Some(tests) => {
            let (name, proof) = PROOF;
            files.push((name.into(), proof.into()));
            let header = include_str!("proof/assert.h").replace("LINKAGE ", dialect.linkage);
            files.push(("include/assert.h".into(), header.into_bytes()));
            let language = ["-x", "c"];
            commands.push(command(compiler, &[&language[..], &PROOF_FLAGS].concat()));
            arguments.extend(["-Iinclude", "-include", "assert.h", "-Wl,--wrap=main"]);
            let (solution, tests) = Source::test_program(source.program, tests);
            let undefined: String = macros(&solution).iter().map(|name| format!("#undef {name}\n")).collect();
            format!("{solution}\n{undefined}#undef NDEBUG\n#include <assert.h>\n#line 1 \"tests\"\n{tests}\n")
        }
    };
    files.push((dialect.source_file.into(), text.into_bytes()));
    // The proof comes first, so that its start-up code runs before any other.
    let inputs: &[&str] = if source.tests.is_some() { &["{scratch}/proof.o"] } else { &[] };
    arguments.extend(inputs);
    arguments.extend([dialect.source_file, "-o", "{out}/program", "-s", "-lm", "-pthread"]);
    commands.push(command(compiler, &arguments));
    Build {
        files,
        commands,
        start: vec!["{program}/program".into()],
        source_file: dialect.source_file.into(),
    }
}

/// Names that the text may define as macros: every word that follows `define`, once comments and spliced lines are gone.
fn macros(text: &str) -> Vec<String> {
    let text = text.replace("\r\n", "\n").replace("\\\n", "");
    let plain = without_comments(&text);
    let words: Vec<&str> =
        plain.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|w| !w.is_empty()).collect();
    let mut names: Vec<String> = words
        .windows(2)
        .filter(|pair| pair[0] == "define" && !pair[1].starts_with(|c: char| c.is_ascii_digit()))
        .map(|pair| pair[1].to_owned())
        .filter(|name| name != "defined")
        .collect();
    names.sort();
    names.dedup();
    names
}

fn without_comments(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("/*") {
        plain.push_str(&rest[..at]);
        plain.push(' ');
        rest = rest[at + 2..].split_once("*/").map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macros_are_found_however_they_are_written() {
        let text =
            "#define assert(x)\n  #  define A 1\n%:define B\n#/* c */define /* d */ C 2\n#defi\\\nne D\n";
        assert_eq!(macros(text), ["A", "B", "C", "D", "assert"]);
        assert!(macros("int undefined; // nothing\n").is_empty());
    }
}
