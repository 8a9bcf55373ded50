//! The languages that programs are written in, and for each: its toolchain, how a program is built, how it is run.
//!
//! One file a language, each a few facts as data. Not here: doing any of it (`program.rs`), reading what compilers
//! and crashed programs say (`diagnosis.rs`). Python has its own fork server (`run.rs`) and needs no build.

pub(crate) mod bash;
pub(crate) mod c;
pub(crate) mod diagnosis;
pub(crate) mod go;
pub(crate) mod java;
pub(crate) mod javascript;
pub(crate) mod rust;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::toolchain::{self, Tools};
use crate::{Limits, SandboxError};

/// A language that programs are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// CPython 3.10 or newer.
    #[default]
    Python,
    /// C, as gcc's `gnu17`.
    C,
    /// C++, as g++'s `gnu++17`, or `gnu++23` where that refuses it.
    Cpp,
    /// Rust, edition 2021, one file without dependencies.
    Rust,
    /// JavaScript, as node runs it.
    JavaScript,
    /// Go with its standard library.
    Go,
    /// Java with its standard library.
    Java,
    /// GNU Bash.
    Bash,
}

impl Language {
    /// All of them, in the order they are shown.
    pub const ALL: [Language; 8] = [
        Language::Python,
        Language::C,
        Language::Cpp,
        Language::Rust,
        Language::JavaScript,
        Language::Go,
        Language::Java,
        Language::Bash,
    ];

    /// Its name in settings and reports.
    pub fn name(self) -> &'static str {
        match self {
            Language::Python => "python",
            Language::C => "c",
            Language::Cpp => "cpp",
            Language::Rust => "rust",
            Language::JavaScript => "javascript",
            Language::Go => "go",
            Language::Java => "java",
            Language::Bash => "bash",
        }
    }

    /// The language of that name, of a usual other name, or of a file's extension.
    pub fn from_name(name: &str) -> Option<Language> {
        Some(match name.to_ascii_lowercase().as_str() {
            "python" | "python3" | "py" => Language::Python,
            "c" => Language::C,
            "cpp" | "c++" | "cc" | "cxx" => Language::Cpp,
            "rust" | "rs" => Language::Rust,
            "javascript" | "js" | "node" | "mjs" | "cjs" => Language::JavaScript,
            "go" | "golang" => Language::Go,
            "java" => Language::Java,
            "bash" | "sh" | "shell" => Language::Bash,
            _ => return None,
        })
    }

    /// The language that a file's extension tells.
    pub fn from_path(path: &Path) -> Option<Language> {
        Language::from_name(path.extension()?.to_str()?)
    }

    /// Whether its runtime reserves far more address space than it uses.
    pub(crate) fn reserves_address_space(self) -> bool {
        matches!(self, Language::JavaScript | Language::Go | Language::Java)
    }

    /// How `source` is built and started, with the tools that were found.
    pub(crate) fn plan(self, tools: &Tools, source: &Source<'_>) -> Result<Build, SandboxError> {
        match self {
            Language::C => Ok(c::plan(tools, &c::C, source)),
            Language::Cpp => Ok(c::plan(tools, &c::CPP, source)),
            Language::Rust => {
                let compiler = toolchain::find(Language::C)?;
                Ok(rust::plan(tools, &compiler.program, source))
            }
            Language::JavaScript => Ok(javascript::plan(tools, source)),
            Language::Go => go::plan(tools, source),
            Language::Java => Ok(java::plan(tools, source)),
            Language::Bash => Ok(bash::plan(tools, source)),
            Language::Python => {
                Err(SandboxError::BadSubmission("a Python program is not built, but run as it is".into()))
            }
        }
    }

    /// How `source` is built once more where the compiler refused it, if there is another way.
    pub(crate) fn second_plan(self, tools: &Tools, source: &Source<'_>) -> Option<Build> {
        match self {
            Language::Cpp => c::plan_newer(tools, &c::CPP, source),
            _ => None,
        }
    }

    /// The stack limit that its programs start with, if it is not the usual one: what their threads' stacks have, in bytes.
    pub(crate) fn first_stack_bytes(self, limits: &Limits) -> Option<u64> {
        // As many as are allowed by default then fit into the memory, as they are where 8 MiB are usual.
        matches!(self, Language::C | Language::Cpp)
            .then(|| (limits.memory_bytes / 64).clamp(64 << 10, 8 << 20))
    }
}

/// What is to be built.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    /// The program, or the solution of a test program.
    pub(crate) program: &'a str,
    /// The rest of a test program, whose end must be proven.
    pub(crate) tests: Option<&'a str>,
}

impl<'a> Source<'a> {
    /// Solution and tests, where a brace that closes the solution's last function moves to it (MultiPL-E's tests begin so).
    pub(crate) fn test_program(solution: &'a str, tests: &'a str) -> (String, &'a str) {
        match tests.trim_start().strip_prefix('}') {
            Some(rest) => (format!("{}\n}}\n", solution.trim_end_matches('\n')), rest),
            None => (format!("{solution}\n"), tests),
        }
    }
}

/// The steps of a build. All of it, with the compiler's version, is the key of the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Build {
    /// Files in `{program}`, where the compilers run.
    pub(crate) files: Vec<(String, Vec<u8>)>,
    /// Compilers, one after the other; what they leave in `{out}` is the program.
    pub(crate) commands: Vec<Vec<String>>,
    /// The command that runs it from `{program}`, within `{heap_mb}` of garbage-collected memory and `{stack_kb}` of stack.
    pub(crate) start: Vec<String>,
    /// The file whose lines are the program's.
    pub(crate) source_file: String,
}

/// A command line from its parts.
pub(crate) fn command(program: &Path, arguments: &[&str]) -> Vec<String> {
    let first = program.display().to_string();
    std::iter::once(first).chain(arguments.iter().map(|a| (*a).to_owned())).collect()
}

/// Copies files of `{program}` to `{out}`: the build of what is run as it is written.
pub(crate) fn copy(names: &[&str]) -> Vec<String> {
    let mut line = command(Path::new("/bin/cp"), &[]);
    line.extend(names.iter().map(|n| (*n).to_owned()));
    line.push("{out}/".into());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_extensions_lead_to_languages() {
        for language in Language::ALL {
            assert_eq!(Language::from_name(language.name()), Some(language));
            assert_eq!(serde_json::to_value(language).unwrap(), language.name());
        }
        assert_eq!(Language::from_path(Path::new("a/b.rs")), Some(Language::Rust));
        assert_eq!(Language::from_path(Path::new("Main.java")), Some(Language::Java));
        assert_eq!(Language::from_path(Path::new("Makefile")), None);
    }

    #[test]
    fn a_brace_that_closes_the_solution_moves_to_it() {
        let (solution, tests) = Source::test_program("int f() {\n  return 1;\n", "}\nint main() {}\n");
        assert_eq!((solution.as_str(), tests), ("int f() {\n  return 1;\n}\n", "\nint main() {}\n"));
        let (solution, tests) = Source::test_program("f()", "g()");
        assert_eq!((solution.as_str(), tests), ("f()\n", "g()"));
    }
}
