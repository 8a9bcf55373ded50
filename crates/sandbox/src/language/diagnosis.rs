//! What compilers and crashed programs say of themselves, as an error type with a line and column in the program.
//!
//! Advice for rewards and feedback (RLTF, arXiv 2307.04349), never a verdict: a program can print whatever it likes.

use crate::{Language, ProgramError};

/// The file whose lines are the program's, and how many of them are (the rest are tests').
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: String,
    pub(crate) lines: u32,
    pub(crate) has_tests: bool,
}

/// Error kinds that mean that memory ran out.
pub(crate) const OUT_OF_MEMORY: &str = "OutOfMemory";

/// Why a build failed.
pub(crate) fn of_build(language: Language, said: &str, place: &Place) -> ProgramError {
    let line_of_error = said.lines().find(|l| is_error_line(language, l));
    let text = line_of_error.or_else(|| said.lines().find(|l| !l.trim().is_empty())).unwrap_or_default();
    let (kind, message) = match language {
        Language::Rust => rust_error(text),
        Language::JavaScript => exception(said).unwrap_or(("SyntaxError".into(), text.to_owned())),
        Language::Bash => ("SyntaxError".into(), after_last_place(text)),
        _ if text.contains("undefined reference") => ("LinkError".into(), text.to_owned()),
        _ if text.contains("multiple definition") => ("LinkError".into(), text.to_owned()),
        _ => ("CompileError".into(), after_last_place(text)),
    };
    // javac and gcc point after the message, node before it.
    let is_after = language != Language::JavaScript;
    let from = line_of_error.filter(|_| is_after).and_then(|l| said.find(l)).unwrap_or(0);
    let (line, column) = first_place(language, &said[from..], place)
        .or_else(|| first_place(language, said, place))
        .unwrap_or((None, None));
    let column = column.or_else(|| caret_column(&said[from..]));
    // A shell counts one line more at the end.
    let is_at_end = language == Language::Bash && message.contains("unexpected end of file");
    let line = line.or_else(|| (is_at_end && !place.has_tests).then_some(place.lines));
    ProgramError { kind, message: bounded(&message), line, column: line.and(column) }
}

/// How a program that did not end well failed, as far as its stderr tells.
pub(crate) fn of_run(
    language: Language,
    said: &str,
    signal: Option<i32>,
    place: &Place,
) -> Option<ProgramError> {
    let found = match language {
        Language::Rust => rust_panic(said),
        Language::Go => go_panic(said),
        Language::Java => java_exception(said),
        Language::JavaScript => exception(said),
        Language::C | Language::Cpp => c_failure(said),
        Language::Bash => bash_error(said),
        Language::Python => None,
    };
    let (kind, message) = match (found, signal) {
        (Some(found), _) => found,
        (None, Some(signal)) => (signal_name(signal), format!("ended by signal {signal}")),
        (None, None) => return None,
    };
    let out_of_memory = [
        "heap out of memory",
        "OutOfMemoryError",
        "std::bad_alloc",
        "memory allocation of ",
        "runtime: out of memory",
        "runtime: cannot allocate memory",
    ];
    // Java calls a thread too many an OutOfMemoryError.
    let is_out_of_memory = !said.contains("unable to create native thread")
        && out_of_memory.iter().any(|mark| said.contains(mark) || kind.contains(mark));
    let kind = if is_out_of_memory { OUT_OF_MEMORY.to_owned() } else { kind };
    let (line, column) = first_place(language, said, place).unwrap_or((None, None));
    Some(ProgramError { kind, message: bounded(&message), line, column })
}

fn bounded(text: &str) -> String {
    text.trim().chars().take(2_000).collect()
}

fn is_error_line(language: Language, line: &str) -> bool {
    match language {
        Language::Rust => line.starts_with("error"),
        Language::Bash => line.contains("syntax error") || line.contains("unexpected"),
        Language::JavaScript => line.contains("SyntaxError"),
        Language::Go => line.split(':').nth(1).is_some_and(|n| n.parse::<u32>().is_ok()),
        _ => {
            line.contains(" error: ")
                || line.contains("undefined reference")
                || line.contains("multiple definition")
        }
    }
}

/// `error[E0382]: use of moved value` or `error: expected …`.
fn rust_error(line: &str) -> (String, String) {
    let (head, message) = line.split_once(": ").unwrap_or(("error", line));
    let code = head.split_once('[').map(|(_, code)| code.trim_end_matches(']'));
    (code.unwrap_or("CompileError").to_owned(), message.to_owned())
}

/// What follows `file:line:column: error:`.
fn after_last_place(line: &str) -> String {
    for mark in ["fatal error: ", "error: "] {
        if let Some((_, message)) = line.split_once(mark) {
            return message.to_owned();
        }
    }
    line.splitn(4, ':').last().unwrap_or(line).trim().to_owned()
}

/// The first line (and column) that is the program's own.
fn first_place(language: Language, said: &str, place: &Place) -> Option<(Option<u32>, Option<u32>)> {
    let marks = match language {
        Language::Bash => vec![format!("{}: line ", place.file)],
        _ => vec![format!("{}:", place.file)],
    };
    marks.iter().find_map(|mark| {
        said.match_indices(mark.as_str()).find_map(|(at, _)| {
            let rest = &said[at + mark.len()..];
            let (line, rest) = number(rest)?;
            let column = rest.strip_prefix(':').and_then(number).map(|(column, _)| column);
            let column = column.or_else(|| later_column(rest, &format!("{mark}{line}:")));
            (1..=place.lines).contains(&line).then_some((Some(line), column))
        })
    })
}

/// The column of a place that is named again with one, as node does in the trace.
fn later_column(said: &str, place: &str) -> Option<u32> {
    said.match_indices(place).find_map(|(at, _)| number(&said[at + place.len()..])).map(|(column, _)| column)
}

fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

/// Column of a line that holds nothing but a caret, as javac and node point.
fn caret_column(said: &str) -> Option<u32> {
    let line =
        said.lines().find(|l| l.trim_start().starts_with('^') && l.trim().chars().all(|c| c == '^'))?;
    Some(line.find('^')? as u32 + 1)
}

/// `thread 'main' panicked at program.rs:3:5:` and the message, on the next line since Rust 1.73.
fn rust_panic(said: &str) -> Option<(String, String)> {
    if let Some(line) = said.lines().find(|l| l.starts_with("memory allocation of ")) {
        return Some((OUT_OF_MEMORY.into(), line.to_owned()));
    }
    if said.contains("has overflowed its stack") {
        return Some(("StackOverflow".into(), "the stack overflowed".into()));
    }
    let mut lines = said.lines().skip_while(|l| !l.contains("panicked at "));
    let Some(first) = lines.next() else {
        // What `main` returned.
        let message = said.lines().rev().find_map(|l| l.strip_prefix("Error: "))?;
        return Some(("Error".into(), message.to_owned()));
    };
    let quoted = first.split_once("panicked at '").and_then(|(_, rest)| rest.rsplit_once("',"));
    let message = quoted.map(|(message, _)| message.to_owned()).or_else(|| lines.next().map(str::to_owned));
    Some(("panic".into(), message.unwrap_or_default()))
}

/// `panic: runtime error: index out of range [5] with length 3` or `fatal error: …`.
fn go_panic(said: &str) -> Option<(String, String)> {
    for (mark, kind) in
        [("panic: runtime error: ", "runtime error"), ("panic: ", "panic"), ("fatal error: ", "fatal error")]
    {
        if let Some(rest) = said.lines().find_map(|l| l.trim_start().strip_prefix(mark)) {
            return Some((kind.into(), rest.to_owned()));
        }
    }
    said.contains("--- FAIL").then(|| ("TestFailure".into(), first_line_with(said, "--- FAIL")))
}

/// `Exception in thread "main" java.lang.ArithmeticException: / by zero`.
fn java_exception(said: &str) -> Option<(String, String)> {
    let uncaught = said.lines().find_map(|l| l.strip_prefix("Exception in thread ")?.split_once("\" "));
    let Some((_, line)) = uncaught else {
        // The launcher's own, as where there is no `main`.
        let message = said.lines().find_map(|l| l.strip_prefix("Error: ").or(l.strip_prefix("error: ")))?;
        return Some(("Error".into(), message.to_owned()));
    };
    let (kind, message) = line.split_once(": ").unwrap_or((line, ""));
    Some((kind.trim().to_owned(), message.to_owned()))
}

/// The line of an uncaught JavaScript exception: `TypeError: x is not a function`.
fn exception(said: &str) -> Option<(String, String)> {
    if let Some(line) = said.lines().find(|l| l.starts_with("FATAL ERROR: ")) {
        let is_memory = line.contains("out of memory");
        return Some((if is_memory { OUT_OF_MEMORY } else { "FatalError" }.into(), line.to_owned()));
    }
    let named = |line: &str| {
        let (kind, message) = line.strip_prefix("Uncaught ").unwrap_or(line).split_once(": ")?;
        let kind = kind.split_once(" [").map_or(kind, |(name, _)| name);
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '.');
        (!kind.is_empty() && kind.chars().all(is_name)).then(|| (kind.to_owned(), message.to_owned()))
    };
    let thrown = thrown(said);
    thrown
        .and_then(named)
        .or_else(|| {
            thrown.filter(|line| line.ends_with("Error")).map(|line| (line.to_owned(), String::new()))
        })
        .or_else(|| said.lines().find_map(|line| named(line).filter(|(kind, _)| kind.ends_with("Error"))))
        // Anything can be thrown, also a text or a number.
        .or_else(|| thrown.map(|line| ("Uncaught".to_owned(), line.to_owned())))
}

/// The line in which node shows what was thrown: the first after those that point at the place.
fn thrown(said: &str) -> Option<&str> {
    let is_pointer = |l: &str| l.trim_start().starts_with('^') && l.trim().chars().all(|c| c == '^');
    let mut lines = said.lines().skip_while(|l| !is_pointer(l)).skip(1);
    lines.find(|l| !l.trim().is_empty()).map(|l| l.trim_start_matches('['))
}

/// An assertion, or an exception that nobody caught.
fn c_failure(said: &str) -> Option<(String, String)> {
    if let Some((_, rest)) = said.split_once("terminate called after throwing an instance of '") {
        let kind = rest.split('\'').next().unwrap_or_default().to_owned();
        let message = rest.lines().find_map(|l| l.trim_start().strip_prefix("what():")).unwrap_or_default();
        return Some((kind, message.to_owned()));
    }
    let line = said.lines().find(|l| l.contains("Assertion `"))?;
    let message = line.split_once("Assertion `").map_or(line, |(_, rest)| rest);
    Some(("AssertionError".into(), message.trim_end_matches("' failed.").to_owned()))
}

/// `program.sh: line 3: foo: command not found`.
fn bash_error(said: &str) -> Option<(String, String)> {
    let line = said.lines().rfind(|l| l.contains(".sh: line "))?;
    let message = line.split_once(".sh: line ")?.1.split_once(": ")?.1;
    let kind = if message.ends_with("command not found") { "CommandNotFound" } else { "ShellError" };
    Some((kind.into(), message.to_owned()))
}

fn first_line_with(said: &str, mark: &str) -> String {
    said.lines().find(|l| l.contains(mark)).unwrap_or_default().trim().to_owned()
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGILL => "SIGILL",
        libc::SIGKILL => "SIGKILL",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGSYS => "SIGSYS",
        libc::SIGTERM => "SIGTERM",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGXFSZ => "SIGXFSZ",
        _ => return format!("signal {signal}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(file: &str) -> Place {
        Place { file: file.into(), lines: 10, has_tests: false }
    }

    #[test]
    fn compilers_errors_have_kind_and_place() {
        for (language, file, said, kind, line, column) in [
            (
                Language::C,
                "program.c",
                "program.c: In function 'main':\nprogram.c:3:5: error: 'x' undeclared\n    3 |     x = 1;\n      |     ^\n",
                "CompileError",
                Some(3),
                Some(5),
            ),
            (
                Language::Cpp,
                "program.cpp",
                "/usr/bin/ld: /tmp/x.o: in function `main':\nprogram.cpp:(.text+0x5): undefined reference to `f()'\n",
                "LinkError",
                None,
                None,
            ),
            (
                Language::Rust,
                "program.rs",
                "warning: unused\n --> program.rs:1:1\nerror[E0382]: use of moved value: `v`\n --> program.rs:4:7\n",
                "E0382",
                Some(4),
                Some(7),
            ),
            (
                Language::Java,
                "Main.java",
                "Main.java:3: error: ';' expected\n    int x = 1\n             ^\n1 error\n",
                "CompileError",
                Some(3),
                Some(14),
            ),
            (Language::Go, "program.go", "program.go:4:2: undefined: x\n", "CompileError", Some(4), Some(2)),
            (
                Language::JavaScript,
                "program.js",
                "/program/program.js:2\nlet x = ;\n        ^\n\nSyntaxError: Unexpected token ';'\n    at wrapSafe\n",
                "SyntaxError",
                Some(2),
                Some(9),
            ),
            (
                Language::Bash,
                "program.sh",
                "program.sh: line 3: syntax error near unexpected token `fi'\nprogram.sh: line 3: `fi'\n",
                "SyntaxError",
                Some(3),
                None,
            ),
            (Language::C, "program.c", "tests:1:5: error: 'y' undeclared\n", "CompileError", None, None),
        ] {
            let error = of_build(language, said, &place(file));
            assert_eq!((error.kind.as_str(), error.line, error.column), (kind, line, column), "{error:?}");
        }
    }

    #[test]
    fn crashes_have_kind_and_place() {
        for (language, file, said, kind, line) in [
            (
                Language::Cpp,
                "program.cpp",
                "terminate called after throwing an instance of 'std::out_of_range'\n  what():  vector::_M_range_check\n",
                "std::out_of_range",
                None,
            ),
            (
                Language::C,
                "program.c",
                "program: program.c:4: main: Assertion `0' failed.\n",
                "AssertionError",
                Some(4),
            ),
            (
                Language::Rust,
                "program.rs",
                "\nthread 'main' (7) panicked at program.rs:3:5:\nindex out of bounds\nnote: run with\n",
                "panic",
                Some(3),
            ),
            (
                Language::Rust,
                "program.rs",
                "thread 'main' panicked at 'boom', program.rs:2:9\n",
                "panic",
                Some(2),
            ),
            (
                Language::Go,
                "program.go",
                "panic: runtime error: index out of range [5] with length 3\n\ngoroutine 1 [running]:\nmain.main()\n\tprogram.go:6 +0x1d\n",
                "runtime error",
                Some(6),
            ),
            (
                Language::Java,
                "Main.java",
                "Exception in thread \"main\" java.lang.ArithmeticException: / by zero\n\tat Main.f(Main.java:5)\n",
                "java.lang.ArithmeticException",
                Some(5),
            ),
            (
                Language::JavaScript,
                "program.js",
                "/program/program.js:3\n  throw new TypeError('x')\n  ^\n\nTypeError: x\n    at f (/program/program.js:3:9)\n",
                "TypeError",
                Some(3),
            ),
            (
                Language::JavaScript,
                "program.js",
                "/program/program.js:3\n    throw new MyFault('boo');\n    ^\n\nMyFault: boo\n    at f (/program/program.js:3:11)\n",
                "MyFault",
                Some(3),
            ),
            (
                Language::JavaScript,
                "program.js",
                "\n/program/program.js:1\nthrow 'a text';\n^\na text\n(Use `node --trace-uncaught ...` to show)\n\nNode.js v20\n",
                "Uncaught",
                Some(1),
            ),
            (
                Language::JavaScript,
                "program.js",
                "/program/program.js:1\nthrow new Error()\n^\n\nError\n    at Object.<anonymous> (/program/program.js:1:7)\n",
                "Error",
                Some(1),
            ),
            (Language::Rust, "program.rs", "Error: ParseIntError { kind: InvalidDigit }\n", "Error", None),
            (Language::Java, "A.java", "Error: Main method not found in class A, please\n", "Error", None),
            (
                Language::Bash,
                "program.sh",
                "/program/program.sh: line 3: foo: command not found\n",
                "CommandNotFound",
                Some(3),
            ),
            (
                Language::JavaScript,
                "program.js",
                "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n",
                OUT_OF_MEMORY,
                None,
            ),
        ] {
            let error = of_run(language, said, None, &place(file)).expect("an error");
            assert_eq!((error.kind.as_str(), error.line), (kind, line), "{error:?}");
        }
        let killed = of_run(Language::C, "", Some(libc::SIGSEGV), &place("program.c")).expect("an error");
        assert_eq!(killed.kind, "SIGSEGV");
        assert_eq!(of_run(Language::C, "", None, &place("program.c")), None);
    }
}
