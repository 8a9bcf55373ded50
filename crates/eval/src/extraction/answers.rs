//! Answers as chat models give them, in every form that was met or thought of, and the program that is judged of each.
//!
//! What EvalPlus 0.3.1 makes of the same answers (`sanitize`, then its tests) is in the comments where it differs.

use super::extract_code;
use hone_environment::program_of_code;
use hone_metrics::Language;

/// The program of an answer for a task whose prompt holds an import and a signature with its documentation.
fn program(answer: &str) -> String {
    let code = extract_code(answer, Language::Python, Some("total")).code;
    program_of_code(PROMPT.trim_end(), "total", &format!("\n{code}"))
}

const PROMPT: &str = "from typing import List\n\ndef total(xs: List[int]) -> int:\n    \"\"\"Sum.\"\"\"\n";
const IMPORT: &str = "from typing import List\n\n";
const BODY: &str = "    s = 0\n\n    for x in xs:\n        s += x\n    return s\n";
const CODE: &str = "def total(xs):\n    s = 0\n\n    for x in xs:\n        s += x\n    return s\n";
const WRONG: &str = "def total(xs):\n    return xs\n";

fn check_all(answers: &[String], expected: &str) {
    for answer in answers {
        assert_eq!(program(answer), expected, "{answer:?}");
    }
}

fn indented(text: &str, by: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".into() } else { format!("{by}{line}\n") }).collect()
}

#[test]
fn the_code_is_found_wherever_it_stands() {
    let whole = format!("{IMPORT}{CODE}");
    let fenced = format!("```python\n{CODE}```\n");
    let answers = [
        // Fences of every kind.
        format!("Sure:\n\n{fenced}Done."),
        format!("~~~python\n{CODE}~~~"),
        format!("```python title=\"total.py\"\n{CODE}```"),
        format!("``` {{.python .numberLines}}\n{CODE}```"),
        format!("```   Python3   \n{CODE}```"),
        format!("```\n{CODE}```"),
        format!("```text\n{CODE}```"),
        format!("`````python\n{CODE}`````"),
        // Inline code, formulas, markers of dialogues around it.
        format!("`total` has ```inline``` marks.\n{fenced}and `return s` ends it."),
        format!("\\[ s = \\sum x \\]\n- a\n{fenced}\\boxed{{total}}"),
        format!("<|im_start|>assistant\n```python\n{CODE}```<|im_end|>"),
        format!("\u{feff}{CODE}"),
        format!("\u{200b}{fenced}"),
        // Blocks of other things before and after.
        format!("```python\nprint(total([1]))\n```\nwhere\n{fenced}"),
        format!("{fenced}```bash\n$ python total.py\n```\n"),
        format!("{fenced}Tests:\n```python\nfrom total import total\nassert total([1]) == 1\n```\n"),
        // EvalPlus takes the longer block, whose import fails.
        format!("{fenced}Whole file:\n```python\n{CODE}import no_such_module\n```\n"),
        // Lists indent their blocks; EvalPlus reads neither.
        format!("1. So:\n\n{}\n2. Done", indented(&fenced, "   ")),
        indented(&fenced, "    "),
        // Thinking.
        format!("<think>```python\n{WRONG}```</think>\n{fenced}"),
        format!("<thinking>\n```python\n{WRONG}```\n</thinking>\n{fenced}"),
        format!("perhaps ```python\n{WRONG}```\n</think>\n{CODE}"),
        // Cut off, or never closed.
        format!("Here:\n```python\n{CODE}"),
        format!("```python\n{CODE}\ndef other(y):\n    return [y, ("),
        format!("```python\n{CODE}\nprint(total([1,"),
        // EvalPlus loses the line that the closing fence stands on.
        format!("```python\n{}```", CODE.trim_end()),
        format!("```python\n{}```\nA test:\n```python\nprint(total([1]))\n```\n", CODE.trim_end()),
        // What does not parse before the function.
        format!("```python\n%timeit 1\n{CODE}```"),
        // What a file does besides.
        format!("```python\n{CODE}\nassert total([1]) == 2\n```"),
        format!("```python\n{CODE}\nn = int(input())\nprint(total([n]))\n```"),
        // No fence.
        format!("Here is the function:\n\n{CODE}\nIt's O(n)."),
        format!("[BEGIN]\n{CODE}[DONE]"),
        format!("[PYTHON]\n{CODE}[/PYTHON]"),
        format!("Answer\n\n{CODE}\nThanks"),
        format!("Note: short\n\n{CODE}"),
        format!("<pre><code class=\"language-python\">\n{CODE}</code></pre>"),
    ];
    check_all(&answers, &whole);
}

#[test]
fn line_ends_and_tabs_stay_what_they_are() {
    let windows = CODE.replace('\n', "\r\n");
    check_all(
        &[format!("Sure:\r\n```python\r\n{windows}```\r\nDone.")],
        &format!("{IMPORT}{}\n", windows.trim_end()),
    );
    let tabs = CODE.replace("    ", "\t");
    check_all(&[format!("```python\n{tabs}```")], &format!("{IMPORT}{tabs}"));
}

#[test]
fn a_body_without_its_signature_continues_the_prompt() {
    // EvalPlus is given the answer alone here, and finds no function.
    check_all(&[BODY.to_owned(), format!("```python\n{BODY}```\n")], &format!("{PROMPT}{BODY}"));
    // The prompt said again.
    check_all(
        &[format!("```python\n{PROMPT}{BODY}```")],
        &format!("{PROMPT}{BODY}").replacen(IMPORT, &format!("{IMPORT}{IMPORT}"), 1),
    );
}

#[test]
fn what_the_function_needs_is_kept() {
    for code in [
        "import functools\n\n@functools.lru_cache\ndef helper(t):\n    return sum(t)\n\ndef total(xs):\n    return helper(tuple(xs))\n",
        "START = 0\n\ndef total(xs, s=START):\n    return sum(xs, s)\n",
        // EvalPlus drops what is tried, and with it the import.
        "try:\n    from math import fsum\nexcept ImportError:\n    fsum = sum\n\ndef total(xs):\n    return int(fsum(xs))\n",
        "total = lambda xs: sum(xs)\n",
        "class Sum:\n    def of(self, xs):\n        return sum(xs)\n\ndef total(xs):\n    return Sum().of(xs)\n",
        // Fences in documentation.
        "def total(xs):\n    \"\"\"Sum.\n\n    ```python\n    total([1])\n    ```\n    \"\"\"\n    return sum(xs)\n",
    ] {
        let found = program(&format!("Text.\n```python\n{code}```\nText."));
        assert!(found.ends_with(code), "{found}\nexpected {code}");
    }
    let code = "def total(xs):\n    \"\"\"Sum.\n```\ntotal([1])\n```\n    \"\"\"\n    return sum(xs)\n";
    assert_eq!(program(&format!("````python\n{code}````")), format!("{IMPORT}{code}"));
}

/// A wrong answer is judged as what it is: nothing is added to it.
#[test]
fn what_is_no_answer_stays_none() {
    for answer in [
        "",
        "```python\n```",
        "I'm sorry, I can't help with that.",
        ">>> def total(xs):\n...     return sum(xs)\n",
        "```diff\n+def total(xs):\n+    return sum(xs)\n```",
        // Cut off inside of the wanted function, after a blank line in it.
        "```python\ndef total(xs):\n    s = 0\n\n    return (s + sum(xs",
        "def total(xs):\n    s = 0\n\n    return (s + sum(xs",
        "1 def total(xs):\n2     return sum(xs)\n",
    ] {
        let found = program(answer);
        assert!(!Language::Python.is_well_formed(&found) || !found.contains("return"), "{answer:?}: {found}");
    }
    // Only inside of another function.
    let nested = "def outer():\n    def total(xs):\n        return xs\n    return total\n";
    assert!(!program(&format!("```python\n{nested}```")).contains("\ndef total(xs):\n    return"));
}
