//! From a chat answer in another language to the program that a benchmark's tests continue.
//!
//! Answers bring what the tests bring too: a `main`, tests of their own, a package clause, the brace that MultiPL-E's tests
//! begin with. Those go, by the language's grammar; nothing within a function is touched.

use hone_metrics::Language as Grammar;
use hone_sandbox::{Language, TestSuite};
use tree_sitter::Node;

use super::translated::{go_imports, with_go_imports, without_comments};
use super::{Assembly, FunctionEnd, Problem};
use crate::extraction::{declared_name, defines, extract_code};

/// A completion up to its last closing brace, as HumanEval-X's harness cleans it.
pub(super) fn to_last_brace(completion: &str) -> &str {
    completion.rfind('}').map_or(completion, |at| &completion[..=at])
}

/// The program of an answer to a problem in another language: the head continued, or the answer's own program.
pub(super) fn program_of_answer(problem: &Problem, answer: &str) -> String {
    let Assembly::Translated { language, head, entry_point, end } = &problem.assembly else {
        return answer.to_owned();
    };
    let Some(grammar) = Grammar::named(language.name()) else { return format!("{head}{answer}") };
    let code = extract_code(answer, grammar, Some(entry_point)).code;
    if !defines(&code, grammar, entry_point) {
        return with_go_imports(*language, format!("{head}{code}"));
    }
    let code = without_tests(&code, grammar, entry_point);
    let code = match language {
        Language::Cpp => format!("{}{code}", preamble(head)),
        Language::Go => go_program(&code, &problem.tests),
        Language::Java => code.replace("public class", "class"),
        _ => code,
    };
    match (end, language) {
        (FunctionEnd::Tests, Language::Java) => without_brace(without_brace(&code)).to_owned(),
        (FunctionEnd::Tests, _) => without_brace(&code).to_owned(),
        (FunctionEnd::LastBrace | FunctionEnd::Stop, _) => code,
    }
}

/// Without the closing brace at the end, which the tests bring.
fn without_brace(code: &str) -> &str {
    let trimmed = code.trim_end().trim_end_matches(';').trim_end();
    trimmed.strip_suffix('}').unwrap_or(trimmed)
}

/// Includes and the like that the prompt begins with.
fn preamble(head: &str) -> String {
    let is_part = |line: &&str| ["#include", "using ", "typedef "].iter().any(|word| line.starts_with(word));
    head.lines().filter(is_part).flat_map(|line| [line, "\n"]).collect()
}

/// Package main, with imports of what is used; tests without a package clause become part of the same file.
fn go_program(code: &str, tests: &TestSuite) -> String {
    let mut used = without_comments(code);
    let mut testing = "";
    if let TestSuite::Program { code, .. } = tests
        && !code.trim_start().starts_with("package ")
    {
        used.push_str(code);
        testing = "import \"testing\"\n";
    }
    format!("package main\n{testing}{}{code}", go_imports(&used))
}

/// The program without the items at its top level (in Java: in its classes) that only run or test it.
fn without_tests(code: &str, grammar: Grammar, entry_point: &str) -> String {
    let Some(tree) = grammar.parse(code) else { return code.to_owned() };
    let mut ranges = Vec::new();
    find_tests(tree.root_node(), code, grammar, entry_point, &mut ranges);
    let mut kept = String::with_capacity(code.len());
    let mut at = 0;
    for (start, end) in ranges {
        kept.push_str(&code[at..start.max(at)]);
        at = end.max(at);
    }
    kept.push_str(&code[at..]);
    kept
}

/// Byte ranges of the items that go, in their order.
fn find_tests(
    node: Node<'_>,
    code: &str,
    grammar: Grammar,
    entry_point: &str,
    found: &mut Vec<(usize, usize)>,
) {
    let mut cursor = node.walk();
    let mut attributes_from = None;
    for child in node.children(&mut cursor) {
        let kind = child.kind();
        if kind == "attribute_item" {
            attributes_from.get_or_insert(child.start_byte());
            continue;
        }
        let name = declared_name(child).and_then(|name| code.get(name.byte_range())).unwrap_or_default();
        let goes = name != entry_point
            && match grammar {
                Grammar::Cpp | Grammar::C => kind == "function_definition" && name == "main",
                Grammar::Rust => {
                    kind == "function_item" && name == "main"
                        || kind == "mod_item" && name.starts_with("test")
                }
                Grammar::Go => match kind {
                    "package_clause" | "import_declaration" => true,
                    "function_declaration" => name == "main" || name.starts_with("Test"),
                    _ => false,
                },
                Grammar::Java => {
                    kind == "method_declaration" && name == "main"
                        || kind == "class_declaration"
                            && !defines(&code[child.byte_range()], grammar, entry_point)
                            && code[child.byte_range()].contains("void main(")
                }
                Grammar::JavaScript => kind == "expression_statement",
                _ => false,
            };
        if goes {
            found.push((attributes_from.unwrap_or(child.start_byte()), child.end_byte()));
        } else if matches!(kind, "class_declaration" | "class_body") && grammar == Grammar::Java {
            find_tests(child, code, grammar, entry_point, found);
        }
        attributes_from = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(language: Language, head: &str, end: FunctionEnd, tests: &str) -> Problem {
        Problem {
            id: "x".into(),
            topic: String::new(),
            date: String::new(),
            question: "?".into(),
            prompt: head.into(),
            stops: Vec::new(),
            assembly: Assembly::Translated { language, head: head.into(), entry_point: "twice".into(), end },
            tests: TestSuite::Program { language, code: tests.into() },
            reference: None,
            memory_bytes: None,
            base_tests: None,
        }
    }

    #[test]
    fn what_the_tests_bring_goes_from_an_answer() {
        for (language, head, end, answer, expected) in [
            (
                Language::Cpp,
                "#include<assert.h>\nint twice(int x) {\n",
                FunctionEnd::Tests,
                "```cpp\nint twice(int x) {\n    return 2 * x;\n}\n\nint main() { return twice(1); }\n```",
                "#include<assert.h>\nint twice(int x) {\n    return 2 * x;\n",
            ),
            (
                Language::Rust,
                "fn twice(x: i64) -> i64 {\n",
                FunctionEnd::Tests,
                "```rust\nfn twice(x: i64) -> i64 {\n    2 * x\n}\n#[cfg(test)]\nmod tests { }\nfn main() {}\n```",
                "fn twice(x: i64) -> i64 {\n    2 * x\n",
            ),
            (
                Language::Java,
                "class Problem {\n    public static long twice(long x) {\n",
                FunctionEnd::Tests,
                "```java\npublic class Problem {\n    public static long twice(long x) {\n        return 2 * x;\n    }\n    public static void main(String[] a) { }\n}\n```",
                "class Problem {\n    public static long twice(long x) {\n        return 2 * x;\n    ",
            ),
            (
                Language::JavaScript,
                "function twice(x){\n",
                FunctionEnd::Stop,
                "```js\nfunction twice(x) { return 2 * x; }\nmodule.exports = twice;\nconsole.log(twice(1));\n```",
                "function twice(x) { return 2 * x; }\n\n\n",
            ),
            (
                Language::Go,
                "package twice_test\nfunc twice(x int) int {\n",
                FunctionEnd::Stop,
                "```go\npackage twice\n\nimport \"sort\"\n\nfunc twice(x int) int { return int(math.Abs(2)) * x }\nfunc TestTwice(t *testing.T) {}\n```",
                "package main\nimport \"testing\"\nimport \"fmt\"\nimport \"math\"\n\n\n\n\nfunc twice(x int) int { return int(math.Abs(2)) * x }\n\n",
            ),
        ] {
            let problem = problem(language, head, end, "func TestX(t *testing.T) { fmt.Println() }\n");
            let found = problem.program_of_answer(answer);
            assert_eq!(found.trim_end(), expected.trim_end(), "{language:?}");
        }
    }

    #[test]
    fn an_answer_without_the_function_continues_the_head() {
        let problem =
            problem(Language::Cpp, "int twice(int x) {\n", FunctionEnd::LastBrace, "int main() {}\n");
        assert_eq!(
            problem.program_of_answer("    return 2 * x;\n}"),
            "int twice(int x) {\n    return 2 * x;\n}\n"
        );
        assert_eq!(
            problem.program_of_completion("    return x;\n}\nnot code"),
            "int twice(int x) {\n    return x;\n}"
        );
    }
}
