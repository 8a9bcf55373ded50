//! `hone metrics`: settings, signatures, what is refused.

use serde_json::json;

use crate::evaluation::Folder;
use crate::hone_with;

#[test]
fn settings_of_single_metrics_are_in_their_signatures() {
    let folder = Folder::new();
    let path = folder.write("p.jsonl", &[json!({"prediction": "The tests", "reference": "a test"})]);
    let scored = |arguments: &[&str]| hone_with(&[&["metrics", &path][..], arguments].concat(), "", &[]);
    for (arguments, expected) in [
        (
            &["--metric", "bleu", "--lowercase", "--smoothing", "floor", "--smoothing-value", "0.5"][..],
            "case:lc|eff:no|tok:13a|smooth:floor[0.50]",
        ),
        (&["--metric", "bleu", "--effective-order", "yes", "--tokenizer", "char"], "eff:yes|tok:char"),
        (
            &[
                "--metric",
                "chrf",
                "--chrf-char-order",
                "4",
                "--chrf-word-order",
                "1",
                "--chrf-beta",
                "3",
                "--chrf-whitespace",
                "--chrf-eps-smoothing",
            ],
            "eff:no|nc:4|nw:1|beta:3|space:yes",
        ),
        (
            &[
                "--metric",
                "ter",
                "--ter-case-sensitive",
                "--ter-no-punct",
                "--ter-normalized",
                "--ter-asian-support",
            ],
            "case:mixed|tok:tercom|norm:yes|punct:no|asian:yes",
        ),
        (&["--metric", "rouge", "--rouge-stemmer"], "stem:yes"),
        (&["--metric", "meteor", "--meteor-tokenizer", "none"], "tok:none"),
        (&["--metric", "crystalbleu", "--trivial-ngrams", "1"], "trivial:1|"),
        (&["--metric", "edit-ratio"], "ratio:2-common/sum"),
    ] {
        let said = scored(arguments).code(0).stdout;
        assert!(said.contains(expected), "{said}");
    }
    for (arguments, expected) in [
        (&["--tokenizer", "ja-mecab"][..], "this one needs a dictionary or a model"),
        (&["--smoothing", "exp", "--smoothing-value", "1"], "expected --smoothing floor or add-k, found exp"),
        (&["--effective-order", "maybe"], "expected auto, yes or no"),
        (&["--metric", "chrf", "--chrf-beta", "0"], "expected a number above 0"),
        (&["--metric", "meteor", "--meteor-tokenizer", "13a"], "expected code or none"),
        (&["--metric", "codebleu", "--language", "cobol"], "one of python, "),
    ] {
        scored(arguments).code(2).says(&[expected]);
    }
}

#[test]
fn metrics_of_a_file() {
    let folder = Folder::new();
    let path = folder.write(
        "p.jsonl",
        &[
            json!({"prediction": "x = 1\n", "reference": "x = 1\n"}),
            json!({"prediction": "y = f(2)\n", "references": ["y = f(3)\n", "z = g(2)\n"]}),
        ],
    );
    let scored = |arguments: &[&str]| hone_with(&[&["metrics", &path][..], arguments].concat(), "", &[]);
    let all = scored(&["--json"]).code(0).json();
    let find = |name: &str| all.as_array().unwrap().iter().find(|one| one["metric"] == name).unwrap().clone();
    assert_eq!(find("exact")["mean"]["value"], 0.5);
    assert!(
        find("bleu")["signature"]
            .as_str()
            .unwrap()
            .starts_with("nrefs:2|case:mixed|eff:no|tok:13a|smooth:exp|")
    );
    let codebleu = scored(&["--metric", "codebleu", "--language", "python"]).code(0).stdout;
    assert!(codebleu.contains("mode:strict") && codebleu.contains("codebleu data flow"), "{codebleu}");
    scored(&["--metric", "codebleu"]).code(2).says(&["expected --language"]);
    scored(&["--metric", "bleurt"]).code(2).says(&["expected bleu, chrf"]);
}
