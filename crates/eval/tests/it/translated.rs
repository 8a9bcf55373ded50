//! Benchmarks in other languages than Python: rows of our own in HumanEval-X's and MultiPL-E's formats, judged.
//!
//! A toolchain that is not there fails the test that needs it, with the package's name.

use hone_environment::EnvironmentSet;
use hone_eval::benchmark::{BenchmarkSet, PromptStyle, find_benchmark};
use hone_sandbox::OutcomeClass::{CompileError, Passed, RuntimeError, WrongAnswer};
use serde_json::{Value, json};

use crate::benchmarks::{judged, read, sandbox};

#[test]
fn human_eval_x_cpp() {
    judged(
        "humaneval-x-cpp",
        json!({"task_id": "CPP/0", "prompt": "/* Doubles x. */\n#include<stdio.h>\nusing namespace std;\nint twice(int x){\n",
               "canonical_solution": "    return 2 * x;\n}\n", "declaration": "",
               "test": "#undef NDEBUG\n#include<assert.h>\nint main(){\n    assert (twice(2)==4);\n    assert (twice(0)==0);\n}\n"}),
        &[
            ("    return x + x;\n}\nsome text", Passed),
            ("    return abs(x) + abs(x) - 1;\n}\n", WrongAnswer),
            ("    return 2 * (x;\n}\n", CompileError),
            ("    _Exit(0);\n}\n", RuntimeError),
        ],
    );
}

#[test]
fn human_eval_x_go() {
    let test = "func TestTwice(t *testing.T) {\n    assert := assert.New(t)\n    assert.Equal(4, Twice(2))\n    assert.Equal(0, Twice(0))\n}\n";
    judged(
        "humaneval-x-go",
        json!({"task_id": "Go/0", "import": "import (\n    \"math\"\n)\n", "declaration": "\nfunc Twice(x int) int {\n",
               "prompt": "import (\n    \"math\"\n)\n\n// Twice doubles x.\nfunc Twice(x int) int {\n",
               "canonical_solution": "    return int(math.Round(2 * float64(x)))\n}\n", "test": test}),
        &[
            ("    return x + x\n}\n\nfunc main() {}", Passed),
            ("    return x\n}", WrongAnswer),
            ("    return y\n}", CompileError),
        ],
    );
}

#[test]
fn human_eval_x_java_javascript_and_rust() {
    judged(
        "humaneval-x-java",
        json!({"task_id": "Java/0", "prompt": "import java.util.*;\n\nclass Solution {\n    public int twice(int x) {\n",
               "canonical_solution": "        return 2 * x;\n    }\n}",
               "test": "public class Main {\n    public static void main(String[] args) {\n        Solution s = new Solution();\n        List<Boolean> correct = Arrays.asList(s.twice(2) == 4, s.twice(0) == 0);\n        if (correct.contains(false)) { throw new AssertionError(); }\n    }\n}\n"}),
        &[("        return x + x;\n    }\n}", Passed), ("        return x;\n    }\n}", WrongAnswer)],
    );
    judged(
        "humaneval-x-js",
        json!({"task_id": "JavaScript/0", "prompt": "/* Doubles x. */\nconst twice = (x) => {\n", "canonical_solution": "  return 2 * x;\n}\n",
               "test": "const testTwice = () => {\n  console.assert(twice(2) === 4)\n  console.assert(twice(0) === 0)\n}\n\ntestTwice()\n"}),
        &[("  return x + x;\n}\n", Passed), ("  return x;\n}\n", WrongAnswer)],
    );
    judged(
        "humaneval-x-rust",
        json!({"task_id": "Rust/0", "prompt": "\n/*\n Doubles x.\n*/\n",
               "declaration": "\nuse rand::Rng;\nuse regex::Regex;\nuse md5;\nuse std::cmp::max;\n\nfn twice(x: i32) -> i32{\n",
               "canonical_solution": "    return max(2 * x, 2 * x);\n}\n",
               "test": "#[cfg(test)]\nmod tests {\n    use super::*;\n\n    #[test]\n    fn test_twice() {\n        assert_eq!(twice(2), 4);\n        assert_eq!(twice(0), 0);\n    }\n}\n"}),
        // What a failed `#[test]` says stays in Rust's test harness: a runtime error, not told apart further.
        &[("    x + x\n}\n", Passed), ("    x\n}\n", RuntimeError)],
    );
}

/// Judges completions and one chat answer of a MultiPL-E row, which has no reference.
fn multipl_e(name: &str, row: Value, right: &str, wrong: &str, chat: &str) {
    let rules = find_benchmark(name).expect("known").rules;
    let problems = read(name, &[row]).expect("a problem");
    for (style, answer, expected) in [
        (PromptStyle::Completion, right, Passed),
        (PromptStyle::Completion, wrong, WrongAnswer),
        (PromptStyle::Chat, chat, Passed),
    ] {
        let set = BenchmarkSet::new(problems.clone(), sandbox(), rules, style);
        let verdict = set.open(0).step(answer).expect("judged").verdict.expect("a verdict");
        assert_eq!(verdict.class, expected, "{name}: {answer:?}: {verdict:?}");
    }
}

#[test]
fn multipl_e_in_five_languages() {
    multipl_e(
        "multipl-e-humaneval-cpp",
        json!({"name": "T_0", "language": "cpp", "stop_tokens": ["\n}"],
               "prompt": "#include<assert.h>\n#include<bits/stdc++.h>\n// Doubles x.\nlong twice(long x) {\n",
               "tests": "}\nint main() {\n    auto candidate = twice;\n    assert(candidate((2)) == (4));\n}\n"}),
        "    return 2 * x;\n}\nint f() {",
        "    return x;\n}",
        "```cpp\n#include <vector>\nlong twice(long x) {\n    return 2 * x;\n}\nint main() {}\n```",
    );
    multipl_e(
        "multipl-e-humaneval-rs",
        json!({"name": "T_0", "language": "rs", "stop_tokens": ["\n}"], "prompt": "/// Doubles x.\nfn twice(x: isize) -> isize {\n",
               "tests": "}\n\nfn main() {\n    let candidate = twice;\n    assert_eq!(candidate(2), 4);\n}\n"}),
        "    2 * x\n}\n",
        "    x\n}\n",
        "```rust\nfn twice(x: isize) -> isize {\n    2 * x\n}\n\nfn main() {\n    println!(\"{}\", twice(2));\n}\n```",
    );
    multipl_e(
        "multipl-e-humaneval-java",
        json!({"name": "T_0", "language": "java", "stop_tokens": ["\n    }\n"],
               "prompt": "import java.util.*;\nimport org.javatuples.*;\nclass Problem {\n    public static Pair<Long, Long> twice(long x) {\n",
               "tests": "    }\n    public static void main(String[] args) {\n    assert(twice((2l)).equals((Pair.with(4l, 2l))));\n    }\n\n}\n"}),
        "        return Pair.with(2 * x, x);\n    }\n",
        "        return Pair.with(x, x);\n    }\n",
        "```java\npublic class Problem {\n    public static Pair<Long, Long> twice(long x) {\n        return new Pair<>(x, x).setAt0(2 * x);\n    }\n}\n```",
    );
    multipl_e(
        "multipl-e-humaneval-js",
        json!({"name": "T_0", "language": "js", "stop_tokens": ["\nfunction ", "\n//"], "prompt": "//Doubles x.\nfunction twice(x){\n",
               "tests": "const assert = require('node:assert');\n\n\nfunction test() {\n  let candidate = twice;\n  assert.deepEqual(candidate(2),4);\n}\n\ntest();"}),
        "  return 2 * x;\n}\n",
        "  return x;\n}\n",
        "```js\nfunction twice(x) { return 2 * x; }\nmodule.exports = { twice };\n```",
    );
    multipl_e(
        "multipl-e-humaneval-go",
        json!({"name": "T_0", "language": "go_test.go", "stop_tokens": ["\nfunc", "struct", "\n// "],
               "prompt": "package twice_test\n\nimport (\n    \"testing\"\n    \"fmt\"\n)\n\n// Doubles x.\nfunc twice(x int) int {\n",
               "tests": "func TestTwice(t *testing.T) {\n  candidate := twice\n\ttype test struct {\n\t\tactual   interface{}\n\t\texpected interface{}\n\t}\n   tests := []test{\n     { actual: candidate(2), expected: 4 },\n   }\n\n\tfor i, tc := range tests {\n\t\tt.Run(fmt.Sprintf(\"test num % d\", i), func(t *testing.T) {\n\t\t\tif fmt.Sprintf(\"%v\", tc.actual) != fmt.Sprintf(\"%v\", tc.expected) {\n\t\t\t\tt.Errorf(\"expected '%s', got '%s'\", tc.expected, tc.actual)\n\t\t\t}\n\t\t})\n\t}\n}\n"}),
        "    return 2 * x\n}\n",
        "    return x\n}\n",
        "```go\npackage main\n\nimport \"math\"\n\nfunc twice(x int) int {\n    return int(math.Abs(2)) * x\n}\n\nfunc main() {}\n```",
    );
}

#[test]
fn a_language_the_sandbox_does_not_run_is_named() {
    let row = json!({"name": "T_0", "language": "lua", "prompt": "local function f(x)", "tests": "x", "stop_tokens": []});
    let message = read("multipl-e-humaneval-js", &[row]).expect_err("must fail");
    assert!(message.contains("found \"lua\", which the sandbox does not run"), "{message}");
}
