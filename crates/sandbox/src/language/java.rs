//! Java by javac, one source file named after its public class; annotation processors are off.
//!
//! A test program's class with `main` is called by a class of ours, which takes the token first and shows it when `main`
//! has returned. `assert` statements are on.

use std::path::{Path, PathBuf};

use crate::language::{Build, Source, command};
use crate::toolchain::Tools;

pub(crate) fn plan(tools: &Tools, source: &Source<'_>) -> Build {
    let text = match source.tests {
        None => source.program.to_owned(),
        Some(tests) => {
            let (solution, tests) = Source::test_program(source.program, tests);
            with_imports(&solution, tests) + tests
        }
    };
    let classes = classes(&text);
    // Under another name of file, javac says what is wrong with a name too long for one.
    let public =
        classes.iter().find(|c| c.is_public && c.name.len() <= MOST_NAME).map_or("Program", |c| c.name);
    let main = main_class(&classes, source.tests.is_some()).map_or(public, |c| c.name).to_owned();
    let file = format!("{public}.java");
    let mut arguments = vec![
        "-J-XX:TieredStopAtLevel=1",
        "-J-XX:+UseSerialGC",
        "-J-Xmx{heap_mb}m",
        "-g",
        "-nowarn",
        "-proc:none",
        "-encoding",
        "UTF-8",
        "-d",
        "{out}",
        &file,
    ];
    let mut files = vec![(file.clone(), text.clone().into_bytes())];
    let heap = "-Xmx{heap_mb}m";
    let java = tools.home.join("bin/java");
    let package = package(&text).map_or_else(String::new, |name| format!("{name}."));
    let main = format!("{package}{main}");
    let mut run = vec!["-XX:+UseSerialGC", "-Xshare:auto", heap, "-Xss16m", "-ea", "-cp", "{program}"];
    if source.tests.is_some() {
        files.push(("Proof.java".into(), include_str!("proof/Proof.java").into()));
        arguments.push("Proof.java");
        run.push("hone.Proof");
    }
    run.push(&main);
    Build {
        files,
        commands: vec![command(&tools.program, &arguments)],
        start: command(&java, &run),
        source_file: file,
    }
}

/// Longest name of a class that can be a file's, with the ending that javac adds, in bytes.
const MOST_NAME: usize = 200;

/// The class that is started: in a program the public one, if it has a `main`; with tests theirs, which come last.
fn main_class<'a, 'b>(classes: &'b [Class<'a>], has_tests: bool) -> Option<&'b Class<'a>> {
    let public = classes.iter().find(|c| c.is_public && c.has_main && !has_tests);
    public.or_else(|| classes.iter().rfind(|c| c.has_main)).or(classes.first())
}

/// Classes that tests judge by, and their packages.
const JUDGING: [(&str, &[&str]); 4] = [
    (
        "java.lang",
        &[
            "AssertionError",
            "Boolean",
            "Byte",
            "Character",
            "Comparable",
            "Double",
            "Error",
            "Exception",
            "Float",
            "Integer",
            "Iterable",
            "Long",
            "Math",
            "Number",
            "Object",
            "RuntimeException",
            "Short",
            "String",
            "StringBuilder",
            "System",
            "Throwable",
        ],
    ),
    (
        "java.util",
        &[
            "ArrayDeque",
            "ArrayList",
            "Arrays",
            "Collection",
            "Collections",
            "Comparator",
            "Deque",
            "HashMap",
            "HashSet",
            "Iterator",
            "LinkedHashMap",
            "LinkedHashSet",
            "LinkedList",
            "List",
            "Map",
            "Objects",
            "Optional",
            "OptionalInt",
            "Queue",
            "Random",
            "Set",
            "TreeMap",
            "TreeSet",
        ],
    ),
    ("java.util.stream", &["Collectors", "IntStream", "Stream"]),
    ("java.math", &["BigDecimal", "BigInteger"]),
];

/// The solution with an import, on its first line, of every standard class that the tests name: a class of the solution
/// with that name then is a compile error, instead of standing in for it.
fn with_imports(solution: &str, tests: &str) -> String {
    let used = words(tests);
    let imports: String = JUDGING
        .iter()
        .flat_map(|(package, names)| names.iter().map(move |name| (package, name)))
        .filter(|(_, name)| used.contains(name))
        .map(|(package, name)| format!("import {package}.{name}; "))
        .collect();
    let Some(name) = package(solution) else { return imports + solution };
    let line = format!("package {name};");
    solution.replacen(&line, &format!("{line} {imports}"), 1)
}

/// A class (or interface, enum, record) at the top level of a file.
#[derive(Debug, PartialEq, Eq)]
struct Class<'a> {
    name: &'a str,
    is_public: bool,
    has_main: bool,
}

/// The top-level classes, in order, by a look at words and braces outside of comments and literals.
fn classes(text: &str) -> Vec<Class<'_>> {
    let mut found: Vec<Class<'_>> = Vec::new();
    let (mut depth, mut before, mut is_public) = (0usize, "", false);
    for word in words(text) {
        match word {
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                is_public = false;
            }
            ";" if depth == 0 => is_public = false,
            "public" if depth == 0 => is_public = true,
            _ if depth == 0 && matches!(before, "class" | "interface" | "enum" | "record") => {
                found.push(Class { name: word, is_public, has_main: false });
            }
            "main" if depth == 1 && before == "void" => {
                if let Some(class) = found.last_mut() {
                    class.has_main = true;
                }
            }
            _ => {}
        }
        before = word;
    }
    found
}

/// Identifiers, braces and semicolons outside of comments, strings and characters.
fn words(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skip =
            |end: &str, from: usize| rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len());
        let step = if rest.starts_with("//") {
            skip("\n", 2)
        } else if rest.starts_with("/*") {
            skip("*/", 2)
        } else if rest.starts_with("\"\"\"") {
            skip("\"\"\"", 3)
        } else if first == '"' || first == '\'' {
            literal_end(rest, first)
        } else if first.is_alphabetic() || first == '_' || first == '$' {
            let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
            let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            found.push(&rest[..end]);
            end
        } else {
            if matches!(first, '{' | '}' | ';') {
                found.push(&rest[..1]);
            }
            first.len_utf8()
        };
        rest = &rest[step..];
    }
    found
}

/// Length of the literal that `text` begins with, escapes considered.
fn literal_end(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '\n' => return at,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn package(text: &str) -> Option<&str> {
    let line = text.lines().find_map(|l| l.trim().strip_prefix("package "))?;
    let name = line.split(';').next()?.trim();
    name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | '.')).then_some(name)
}

/// The JDK that a `javac` belongs to; its settings live in `/etc` on Debian.
pub(crate) fn locate(program: &Path) -> Option<Tools> {
    let real = std::fs::canonicalize(program).ok()?;
    let home = real.parent()?.parent()?.to_path_buf();
    let release = std::fs::read_to_string(home.join("release")).unwrap_or_default();
    let version = release
        .lines()
        .find_map(|l| l.strip_prefix("JAVA_VERSION="))
        .map(|v| v.trim_matches('"').to_owned())?;
    if !home.join("bin/java").exists() {
        return None;
    }
    let mut directories = vec![home.clone()];
    directories.extend(settings(&home));
    Some(Tools { program: real, version, home, directories })
}

/// Directories outside of the JDK that its own links lead to.
fn settings(home: &Path) -> Option<PathBuf> {
    let real = std::fs::canonicalize(home.join("lib/jvm.cfg")).ok()?;
    real.starts_with("/etc").then(|| real.parent().map(Path::to_path_buf)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_found_outside_of_comments_and_literals() {
        let text = "import java.util.*;\n/* class A { */ class Solution { String s = \"class B {\"; char c = '\"';\n  class Inner { void main() {} }\n}\n\
                    // class C {\npublic final class Main {\n  public static void main(String[] a) { int[] x = {1}; }\n}\n";
        let found = classes(text);
        assert_eq!(found.iter().map(|c| c.name).collect::<Vec<_>>(), ["Solution", "Main"]);
        assert_eq!(found.iter().map(|c| c.is_public).collect::<Vec<_>>(), [false, true]);
        assert_eq!(found.iter().map(|c| c.has_main).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn the_public_class_is_started_and_with_tests_the_last() {
        for (text, program, tests) in [
            ("public class A { void main() {} } class B { void main() {} }", "A", "B"),
            ("class A { void main() {} } class B { void main() {} }", "B", "B"),
            ("public class A { } class B { void main() {} }", "B", "B"),
            ("class A { } class B { }", "A", "A"),
        ] {
            let classes = classes(text);
            let started = |has_tests| main_class(&classes, has_tests).map(|c| c.name);
            assert_eq!((started(false), started(true)), (Some(program), Some(tests)), "{text}");
        }
    }

    #[test]
    fn standard_classes_that_tests_name_are_imported() {
        let imported =
            with_imports("package a;\nclass A {}\n", "List<A> a = Arrays.asList(/* Map */ s); \"Set\"");
        assert_eq!(imported, "package a; import java.util.Arrays; import java.util.List; \nclass A {}\n");
        assert_eq!(with_imports("class A {}", "f()"), "class A {}");
    }

    #[test]
    fn a_package_is_part_of_the_main_class() {
        assert_eq!(package("// x\npackage a.b;\nclass C {}"), Some("a.b"));
        assert_eq!(package("class C {}"), None);
    }
}
