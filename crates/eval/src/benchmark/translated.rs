//! HumanEval and MBPP in other languages: HumanEval-X (Zheng et al., arXiv 2303.17568) and MultiPL-E (Cassano et al.,
//! arXiv 2208.08227), for the languages the sandbox runs.
//!
//! The program is continued by tests of its own language in one process (`JudgeMode::Joint`, recorded with the verdict).
//! HumanEval-X: includes (C++) and imports (Go) that its harness adds are added; the three crates that every Rust row
//! imports are left out, since no crate is here: rows that use one cannot pass. MultiPL-E has no references.

use hone_sandbox::{Language, TestSuite};

use super::rows::Row;
use super::{Assembly, FunctionEnd, Problem};

/// What HumanEval-X's harness puts before every C++ program.
const CPP_INCLUDES: [&str; 9] = [
    "#include<stdlib.h>",
    "#include<algorithm>",
    "#include<math.h>",
    "#include<stdio.h>",
    "#include<vector>",
    "#include<string>",
    "#include<climits>",
    "#include<cstring>",
    "#include<iostream>",
];
/// Go packages that are imported where a program uses them.
const GO_PACKAGES: [&str; 21] = [
    "bytes",
    "container/heap",
    "container/list",
    "crypto/md5",
    "encoding/hex",
    "errors",
    "fmt",
    "math",
    "math/big",
    "math/bits",
    "math/cmplx",
    "math/rand",
    "os",
    "reflect",
    "regexp",
    "sort",
    "strconv",
    "strings",
    "time",
    "unicode",
    "unicode/utf8",
];
/// Imports of every Rust row, whether it uses them or not.
const RUST_CRATES: [&str; 3] = ["use rand::Rng;", "use regex::Regex;", "use md5;"];

/// A row of HumanEval-X in any language but Python, by its id's prefix.
pub(super) fn human_eval_x(row: &Row) -> Result<Problem, String> {
    let id = row.id("task_id")?;
    let language = match id.split('/').next() {
        Some("CPP") => Language::Cpp,
        Some("Go") => Language::Go,
        Some("Java") => Language::Java,
        Some("JavaScript") => Language::JavaScript,
        Some("Rust") => Language::Rust,
        _ => return Err(format!("key `task_id`: expected CPP, Go, Java, JavaScript or Rust, found {id:?}")),
    };
    let (prompt, test) = (row.text("prompt")?, row.text("test")?);
    let (head, tests) = match language {
        Language::Cpp => {
            let absent = CPP_INCLUDES.iter().filter(|line| !prompt.contains(**line));
            (absent.map(|line| format!("{line}\n")).collect::<String>() + &prompt, test)
        }
        Language::Go => {
            let head = prompt.replacen(&row.text_or_empty("import"), "", 1);
            let setup = "package main\nimport \"testing\"\nimport \"github.com/stretchr/testify/assert\"\n";
            (format!("package main\n\n{}", head.trim_start()), format!("{setup}{}{test}", go_imports(&test)))
        }
        Language::Rust => {
            let declaration = row.text("declaration")?;
            let kept = declaration.lines().filter(|line| !RUST_CRATES.contains(&line.trim()));
            (prompt.clone() + &kept.flat_map(|line| [line, "\n"]).collect::<String>(), test)
        }
        _ => (prompt.clone(), test),
    };
    let shown = if language == Language::Rust { head.trim_start().to_owned() } else { prompt };
    let translated = Translated {
        language,
        entry_point: entry_point(language, &head)?,
        head,
        end: FunctionEnd::LastBrace,
    };
    let reference = translated.program(&row.text("canonical_solution")?);
    Ok(translated.problem(id, shown, stops_of(language), tests, Some(reference)))
}

/// A row of MultiPL-E, by its key `language`. Its tests may begin with the brace that ends the tested function.
pub(super) fn multipl_e(row: &Row) -> Result<Problem, String> {
    let language = match row.text("language")?.as_str() {
        "cpp" => Language::Cpp,
        "go_test.go" | "go" => Language::Go,
        "java" => Language::Java,
        "js" => Language::JavaScript,
        "rs" => Language::Rust,
        "sh" => Language::Bash,
        other => {
            return Err(format!(
                "key `language`: expected cpp, go_test.go, java, js, rs or sh, found {other:?}, which the sandbox does not run"
            ));
        }
    };
    let (prompt, mut tests) = (row.text("prompt")?, row.text("tests")?);
    let stops = row.texts("stop_tokens")?;
    let is_open = tests.trim_start().starts_with('}');
    let end = if is_open { FunctionEnd::Tests } else { FunctionEnd::Stop };
    let entry_point = entry_point(language, &prompt)?;
    if language == Language::Java {
        tests.push_str(&java_tuples());
    }
    let head = prompt.replacen("import org.javatuples.*;\n", "", 1);
    let translated = Translated { language, entry_point, head, end };
    Ok(translated.problem(row.id("name")?, prompt, stops, tests, None))
}

/// A program to complete in another language.
struct Translated {
    language: Language,
    entry_point: String,
    head: String,
    end: FunctionEnd,
}

impl Translated {
    fn program(&self, completion: &str) -> String {
        with_go_imports(self.language, format!("{}{completion}", self.head))
    }

    fn problem(
        self,
        id: String,
        prompt: String,
        stops: Vec<String>,
        code: String,
        reference: Option<String>,
    ) -> Problem {
        let Translated { language, entry_point, head, end } = self;
        Problem {
            memory_bytes: None,
            base_tests: None,
            id,
            topic: String::new(),
            date: String::new(),
            question: format!(
                "Please complete the following {} program, and answer with the whole of it in a markdown code block:\n```{}\n{}\n```\n",
                title(language),
                language.name(),
                prompt.trim()
            ),
            prompt,
            stops,
            assembly: Assembly::Translated { language, head, entry_point, end },
            tests: TestSuite::Program { language, code },
            reference,
        }
    }
}

fn title(language: Language) -> &'static str {
    match language {
        Language::Cpp => "C++",
        Language::JavaScript => "JavaScript",
        Language::Java => "Java",
        Language::Rust => "Rust",
        Language::Go => "Go",
        Language::C => "C",
        Language::Bash => "Bash",
        Language::Python => "Python",
    }
}

/// Where a base model's function surely has ended; HumanEval-X's harness then cuts at the last closing brace.
fn stops_of(language: Language) -> Vec<String> {
    let stops: &[&str] = match language {
        Language::Cpp => &["\nint main", "\n#include", "\n/*", "\n//"],
        Language::Go => &["\n//", "\nfunc main(", "\nfunc Test"],
        Language::Java => &["public static void main", "\npublic class", "\nclass ", "\nimport "],
        Language::JavaScript => &["\nconsole.log", "\n//", "\n/*", "\nconst test"],
        _ => &["\nfn main", "\n#[cfg(test)]", "\n//", "\n/*"],
    };
    stops.iter().map(|stop| (*stop).to_owned()).collect()
}

/// The function that a prompt leaves open: the name before the last line's first parameter list.
fn entry_point(language: Language, head: &str) -> Result<String, String> {
    let is_comment = |line: &str| line.trim_start().starts_with(['/', '*', '#']);
    let line = head.lines().rfind(|line| line.contains('(') && !is_comment(line));
    let line = line.ok_or("key `prompt`: expected a function's head at its end, found none")?;
    let declared = match language {
        // `const f = (x) => {`
        Language::JavaScript if line.contains('=') => line.split('=').next(),
        // `fn f<T>(x: T)`
        Language::Rust => line.split(['(', '<']).next(),
        _ => line.split('(').next(),
    };
    let name = declared.unwrap_or_default().trim_end();
    let name = name.rsplit(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default();
    if name.is_empty() {
        return Err(format!("key `prompt`: expected a function's name in {line:?}, found none"));
    }
    Ok(name.to_owned())
}

/// An import of every known standard package that `code` uses.
pub(super) fn go_imports(code: &str) -> String {
    let is_used = |path: &&&str| {
        let name = format!("{}.", path.rsplit('/').next().unwrap_or(path));
        code.match_indices(&name).any(|(at, _)| {
            let is_whole =
                !code[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '"' | '/'));
            is_whole && code[at + name.len()..].starts_with(|c: char| c.is_ascii_uppercase())
        })
    };
    GO_PACKAGES.iter().filter(is_used).map(|path| format!("import {path:?}\n")).collect()
}

/// A Go program of HumanEval-X (whose head has no imports) with those it uses; any other program as it is.
pub(super) fn with_go_imports(language: Language, program: String) -> String {
    let has_imports = program.lines().any(|line| line.starts_with("import"));
    match program.strip_prefix("package main\n") {
        Some(rest) if language == Language::Go && !has_imports => {
            format!("package main\n{}{rest}", go_imports(&without_comments(rest)))
        }
        _ => program,
    }
}

/// Lines that are comments name packages without using them.
pub(super) fn without_comments(code: &str) -> String {
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// Classes in place of `org.javatuples`, which MultiPL-E's Java rows use and no plain toolchain brings: what its tests and
/// answers need of it (`with`, `getValue0`…, `setAt0`…, equality).
fn java_tuples() -> String {
    let names = ["Unit", "Pair", "Triplet", "Quartet", "Quintet"];
    names.iter().enumerate().map(|(index, name)| java_tuple(name, index + 1)).collect()
}

fn java_tuple(name: &str, size: usize) -> String {
    let each = |part: &dyn Fn(usize) -> String, between: &str| {
        (0..size).map(part).collect::<Vec<String>>().join(between)
    };
    let types = each(&|i| format!("T{i}"), ", ");
    let parameters = each(&|i| format!("T{i} v{i}"), ", ");
    let values = each(&|i| format!("v{i}"), ", ");
    let stored = each(&|i| format!("this.v{i} = v{i};"), " ");
    let members = each(
        &|i| {
            let changed = each(&|j| if i == j { "X".into() } else { format!("T{j}") }, ", ");
            format!(
                "private final T{i} v{i};\n    public T{i} getValue{i}() {{ return v{i}; }}\n    public <X> {name}<{changed}> setAt{i}(X v{i}) {{ return new {name}<{changed}>({values}); }}\n    "
            )
        },
        "",
    );
    format!(
        "\nfinal class {name}<{types}> {{\n    {members}public {name}({parameters}) {{ {stored} }}\n    public static <{types}> {name}<{types}> with({parameters}) {{ return new {name}<{types}>({values}); }}\n    public java.util.List<Object> toList() {{ return java.util.Arrays.asList({values}); }}\n    public boolean contains(Object o) {{ return toList().contains(o); }}\n    public Object getValue(int i) {{ return toList().get(i); }}\n    public int getSize() {{ return {size}; }}\n    public int hashCode() {{ return toList().hashCode(); }}\n    public String toString() {{ return toList().toString(); }}\n    public boolean equals(Object o) {{ return o instanceof {name} && toList().equals((({name}<{wild}>) o).toList()); }}\n}}\n",
        wild = each(&|_| "?".into(), ", "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_open_function_is_named() {
        for (language, head, expected) in [
            (
                Language::Cpp,
                "// f({1})\nstd::vector<std::string> split_words(std::string txt, int n) {\n",
                "split_words",
            ),
            (Language::Cpp, "bool below_zero(vector<int> operations){\n", "below_zero"),
            (
                Language::Java,
                "class P {\n    public static ArrayList<Long> filter(ArrayList<Object> v) {\n",
                "filter",
            ),
            (Language::JavaScript, "const hasClose = (numbers, threshold) => {\n", "hasClose"),
            (Language::JavaScript, "function has_close(numbers, threshold){\n", "has_close"),
            (Language::Rust, "fn has_close(numbers:Vec<f32>, threshold: f32) -> bool{\n", "has_close"),
            (Language::Rust, "fn largest<T: Ord>(items: Vec<T>) -> T {\n", "largest"),
            (Language::Go, "func Separate(s string) []string {\n", "Separate"),
        ] {
            assert_eq!(entry_point(language, head).as_deref(), Ok(expected), "{head}");
        }
        assert!(entry_point(Language::Go, "// nothing").is_err());
    }

    #[test]
    fn go_programs_import_what_they_use() {
        let program = "package main\n\n// math.Abs\nfunc F(s string) string { return strings.ToUpper(s) }\n";
        let expected = format!("package main\nimport \"strings\"\n{}", &program["package main\n".len()..]);
        assert_eq!(with_go_imports(Language::Go, program.into()), expected);
        assert_eq!(go_imports("xmath.Abs(1); a.sort.Ints; rand.Intn(3)"), "import \"math/rand\"\n");
        let own = "package main\nimport \"os\"\nvar x = math.Pi\n";
        assert_eq!(with_go_imports(Language::Go, own.into()), own);
    }
}
