//! Rules about single files.

use super::TextFile;

const MOST_LINES: usize = 600;

/// Of an algorithm, with its tests.
const MOST_LINES_OF_AN_ALGORITHM: usize = 300;

/// A screen is what a mind holds; a file is a few screens.
pub(super) fn length(file: &TextFile) -> Option<String> {
    let lines = file.text.lines().count();
    (is_rust(file) && lines > MOST_LINES).then(|| {
        format!("{}: {lines} lines, at most {MOST_LINES}: split it where the thought splits", file.path)
    })
}

/// Each Rust file says first what it is.
pub(super) fn header(file: &TextFile) -> Option<String> {
    (is_rust(file) && !file.text.starts_with("//!"))
        .then(|| format!("{}: expected the file to open with `//!`, what it is and is not", file.path))
}

/// An algorithm's file is short, and opens with its paper and its formula.
pub(super) fn algorithm_header(file: &TextFile) -> Vec<String> {
    let Some(name) = file.path.strip_prefix("crates/rl/src/algorithms/") else { return Vec::new() };
    // What several algorithms share lies beside them; only an algorithm is a `Method`.
    if name == "mod.rs" || !is_rust(file) || !file.text.contains("impl Method for") {
        return Vec::new();
    }
    let header: String =
        file.text.lines().take_while(|line| line.starts_with("//!")).collect::<Vec<_>>().join("\n");
    let mut findings = Vec::new();
    let lines = file.text.lines().count();
    if lines > MOST_LINES_OF_AN_ALGORITHM {
        findings.push(format!("{}: {lines} lines, at most {MOST_LINES_OF_AN_ALGORITHM}", file.path));
    }
    if !header.contains("arXiv") && !header.contains("https://") {
        findings.push(format!("{}: the header names no paper (arXiv number or address)", file.path));
    }
    if !header.contains("```text") {
        findings.push(format!("{}: the header has no formula (a ```text block)", file.path));
    }
    findings
}

/// Nothing unfinished is committed, and no test is switched off.
pub(super) fn unfinished(file: &TextFile) -> Vec<String> {
    if !is_rust(file) {
        return Vec::new();
    }
    // Written in two pieces, so that this file does not find itself.
    let marks = [
        concat!("#[ign", "ore"),
        concat!("todo", "!("),
        concat!("unimple", "mented!("),
        concat!("FIX", "ME"),
    ];
    let found = |mark: &&str| file.text.contains(*mark);
    marks.iter().filter(|mark| found(mark)).map(|mark| format!("{}: contains `{mark}`", file.path)).collect()
}

/// No path of the machine it was written on.
pub(super) fn machine_paths(file: &TextFile) -> Vec<String> {
    let marks = [concat!("/wo", "rk/"), concat!("/tmp", "/t/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
    let mut findings = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        if let Some(mark) = marks.iter().find(|mark| starts_a_path(line, mark)) {
            findings.push(format!("{}:{}: contains a path of one machine, `{mark}`", file.path, number + 1));
        }
    }
    findings
}

/// Whether a line holds `mark` at the beginning of a path, not inside one as in `/proc/1` + `mark`.
fn starts_a_path(line: &str, mark: &str) -> bool {
    line.match_indices(mark).any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// A recipe is TOML and says in its first line what it is for.
pub(super) fn recipe(file: &TextFile) -> Vec<String> {
    if !file.path.starts_with("recipes/") || !file.path.ends_with(".toml") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    if !file.text.starts_with("# ") {
        findings.push(format!("{}: expected a first comment that says what the recipe is for", file.path));
    }
    if let Err(error) = file.text.parse::<toml::Table>() {
        findings.push(format!("{}: {}", file.path, error.message()));
    }
    findings
}

fn is_rust(file: &TextFile) -> bool {
    file.path.ends_with(".rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> TextFile {
        TextFile { path: path.into(), text: text.into() }
    }

    #[test]
    fn each_rule_finds_its_offence_and_passes_the_rest() {
        let long = "//! Long.\n".repeat(MOST_LINES + 1);
        assert!(length(&file("a.rs", &long)).is_some());
        assert!(length(&file("a.jsonl", &long)).is_none());
        assert!(header(&file("a.rs", "use x;")).is_some());
        assert!(header(&file("a.rs", "//! A.")).is_none());
        assert_eq!(
            algorithm_header(&file("crates/rl/src/algorithms/x.rs", "//! X.\nimpl Method for X {}\n")).len(),
            2
        );
        let good = "//! X, arXiv 2402.03300.\n//!\n//! ```text\n//! L = -A\n//! ```\nimpl Method for X {}\n";
        assert!(algorithm_header(&file("crates/rl/src/algorithms/x.rs", good)).is_empty());
        let longer = good.to_owned() + &"// More.\n".repeat(MOST_LINES_OF_AN_ALGORITHM);
        assert_eq!(algorithm_header(&file("crates/rl/src/algorithms/x.rs", &longer)).len(), 1);
        assert_eq!(unfinished(&file("a.rs", concat!("todo", "!()"))).len(), 1);
        assert_eq!(machine_paths(&file("a.md", concat!("see /ro", "ot/x"))).len(), 1);
        assert!(machine_paths(&file("a.md", concat!("see /proc/1/ro", "ot/x"))).is_empty());
        assert_eq!(recipe(&file("recipes/a.toml", "a = ")).len(), 2);
        assert!(recipe(&file("recipes/a.toml", "# What for.\na = 1\n")).is_empty());
    }
}
