//! A Python file of tests as people keep it beside their program: it imports from the program's file, and its tests may be
//! functions that a test runner would call. Here it becomes a suite, whose names are the program's without an import.
//!
//! Not here: `import program` without `from`, fixtures and marks of pytest.

use hone_sandbox::TestSuite;

/// The name that programs have in the sandbox.
const SOLUTION: &str = "solution";

/// The suite of `text`, tests of a program in the file `module`.py.
pub(super) fn python_suite(text: &str, module: &str) -> TestSuite {
    let code = without_imports(text, &[module, SOLUTION]);
    if code.contains("TestCase") {
        return TestSuite::Unittest { code };
    }
    let calls: String = uncalled_tests(&code).iter().map(|name| format!("\n{name}()")).collect();
    TestSuite::Script { code: code + &calls + "\n" }
}

/// The same lines, but those that import from one of `modules`: they only give new names, or do nothing.
fn without_imports(text: &str, modules: &[&str]) -> String {
    let mut lines = text.lines();
    let mut kept: Vec<String> = Vec::new();
    while let Some(line) = lines.next() {
        let Some(mut names) = imported(line, modules).map(str::to_owned) else {
            kept.push(line.to_owned());
            continue;
        };
        let mut following = 0;
        while (names.contains('(') && !names.contains(')')) || names.ends_with('\\') {
            let Some(next) = lines.next() else { break };
            names = format!("{} {}", names.trim_end_matches('\\'), without_comment(next).trim());
            following += 1;
        }
        let indent = &line[..line.len() - line.trim_start().len()];
        kept.push(format!("{indent}{}", renamed(&names)));
        kept.extend(std::iter::repeat_n(String::new(), following));
    }
    kept.join("\n")
}

/// What a line imports from one of `modules`, as it stands there.
fn imported<'a>(line: &'a str, modules: &[&str]) -> Option<&'a str> {
    let (module, names) = without_comment(line).trim().strip_prefix("from ")?.split_once(" import ")?;
    modules.contains(&module.trim().trim_start_matches('.')).then_some(names.trim())
}

fn without_comment(line: &str) -> &str {
    line.split_once('#').map_or(line, |(code, _)| code)
}

/// One statement that gives `names` their new names: `a as b, c` is `b = a`.
fn renamed(names: &str) -> String {
    let names = names.trim_matches(|c: char| c.is_whitespace() || "()".contains(c));
    let pairs: Vec<String> = names
        .split(',')
        .filter_map(|name| name.trim().split_once(" as "))
        .map(|(old, new)| format!("{} = {}", new.trim(), old.trim()))
        .collect();
    if pairs.is_empty() { "pass".to_owned() } else { pairs.join("; ") }
}

/// The functions `test…` at the top level that the text itself never calls, but perhaps where it is a program.
fn uncalled_tests(text: &str) -> Vec<&str> {
    let text = text.split("\nif __name__").next().unwrap_or(text);
    text.lines()
        .filter_map(|line| line.strip_prefix("def ")?.split_once('('))
        .map(|(name, _)| name.trim())
        .filter(|name| name.starts_with("test"))
        .filter(|name| text.matches(&format!("{name}(")).count() == 1)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_from_the_program_become_names() {
        let text = "import math\nfrom add import add, sub as minus  # both\nfrom .solution import (\n    mul,  # x\n    \
                    div as over,\n)\ntry:\n    from add import *\nexcept ImportError:\n    pass\nfrom added import x\n";
        let expected = "import math\nminus = sub\nover = div\n\n\n\ntry:\n    pass\nexcept ImportError:\n    pass\nfrom added import x";
        assert_eq!(without_imports(text, &["add", SOLUTION]), expected);
    }

    #[test]
    fn test_functions_are_called_once() {
        let text = "def test_one():\n    assert add(1, 2) == 3\ndef test_two(): assert add(1, 1) == 2\ndef helper():\n    \
                    def test_inner(): pass\ntest_two()\nif __name__ == '__main__':\n    test_one()";
        let TestSuite::Script { code } = python_suite(text, "add") else { panic!("expected a script") };
        assert_eq!(code, format!("{text}\ntest_one()\n"));
    }

    #[test]
    fn test_cases_are_a_unittest_suite() {
        let text = "from add import add\nclass T(unittest.TestCase):\n    def test_one(self): pass";
        let expected = text.replace("from add import add", "pass");
        assert!(matches!(python_suite(text, "add"), TestSuite::Unittest { code } if code == expected));
    }
}
