//! Help, version and completions.

use crate::hone;

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let help = hone(&["--help"]).code(0).stdout;
    for word in [
        "train",
        "resume",
        "eval",
        "explain",
        "compare",
        "generate",
        "run",
        "report",
        "model",
        "data",
        "audit",
        "doctor",
        "completions",
        "--json",
        "--quiet",
        "--threads",
        "--color",
        "Examples:",
        "Exit codes:",
    ] {
        assert!(help.contains(word), "{word:?} not in:\n{help}");
    }
}

#[test]
fn help_of_a_command_goes_to_stdout_with_examples() {
    let help = hone(&["train", "--help"]).code(0).stdout;
    for word in
        ["--set <KEY=VALUE>", "--run-dir <DIR>", "--no-eval", "--dry-run", "Examples:\n  hone train recipes/"]
    {
        assert!(help.contains(word), "{word:?} not in:\n{help}");
    }
}

#[test]
fn a_wrong_command_is_a_usage_error_with_a_suggestion() {
    hone(&["trian"]).code(2).says(&["unrecognized subcommand 'trian'", "'train'"]);
    hone(&[]).code(2).says(&["Usage: hone"]);
}

#[test]
fn completions_for_three_shells() {
    for (shell, word) in [("bash", "_hone()"), ("zsh", "#compdef hone"), ("fish", "complete -c hone")] {
        let script = hone(&["completions", shell]).code(0).stdout;
        assert!(
            script.contains(word) && script.contains("quickstart") || script.contains("doctor"),
            "{shell}:\n{script}"
        );
    }
    hone(&["completions", "tcsh"]).code(2).says(&["invalid value 'tcsh'"]);
}

#[test]
fn every_algorithm_is_explained() {
    let list = hone(&["explain", "--json"]).code(0).json();
    let list = list.as_array().unwrap();
    assert!(list.len() > 10);
    for algorithm in list {
        let name = algorithm["type"].as_str().unwrap();
        let text = hone(&["explain", name]).code(0).stdout;
        assert!(text.contains("arXiv") && text.contains(&format!("type = \"{name}\"")), "{text}");
        assert!(text.contains(&format!("recipes/{name}.toml")), "{text}");
    }
    hone(&["explain", "gprr"]).code(2).says(&["grpo, ppo, dr-grpo", "found \"gprr\"", "hint:"]);
}
