//! Rules about crates: the arrows between them, and that ARCHITECTURE.md names each.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::subdirectories;

/// Which of our crates each may use. `cli` uses all; a crate not named here is a finding.
const ARROWS: &[(&str, &[&str])] = &[
    ("sandbox", &[]),
    ("model", &[]),
    ("runlog", &[]),
    ("metrics", &[]),
    ("fleet", &["sandbox"]),
    ("dataset", &["sandbox"]),
    ("environment", &["dataset", "sandbox", "metrics"]),
    ("train", &["model", "dataset", "runlog"]),
    ("rl", &["train", "model", "environment", "runlog"]),
    ("eval", &["environment", "model", "sandbox", "dataset", "metrics"]),
];

/// Arrows point one way. Tests may use more (`dev-dependencies`).
pub(super) fn arrows(root: &Path) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for folder in subdirectories(&root.join("crates"))? {
        let name = file_name(&folder);
        let path = folder.join("Cargo.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
        findings.extend(arrows_of(&name, &text)?);
    }
    Ok(findings)
}

fn arrows_of(name: &str, manifest: &str) -> Result<Vec<String>> {
    if name == "cli" {
        return Ok(Vec::new());
    }
    let manifest: toml::Table =
        manifest.parse().with_context(|| format!("failed to parse crates/{name}/Cargo.toml"))?;
    let Some((_, allowed)) = ARROWS.iter().find(|(crate_name, _)| *crate_name == name) else {
        return Ok(vec![format!(
            "crates/{name}: no arrows are set for this crate (xtask/src/tidy/crates.rs)"
        )]);
    };
    let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
    let ours =
        dependencies.into_iter().flat_map(|table| table.keys()).filter_map(|key| key.strip_prefix("hone-"));
    Ok(ours
        .filter(|target| !allowed.contains(target))
        .map(|target| {
            format!("crates/{name}/Cargo.toml: {name} → {target} is against the design; allowed: {allowed:?}")
        })
        .collect())
}

/// The code map of ARCHITECTURE.md names every crate, and no crate that is not there.
pub(super) fn code_map(root: &Path) -> Result<Vec<String>> {
    let Ok(text) = fs::read_to_string(root.join("ARCHITECTURE.md")) else {
        return Ok(vec!["ARCHITECTURE.md: missing; expected a code map that names every crate".to_string()]);
    };
    let names: Vec<String> =
        subdirectories(&root.join("crates"))?.iter().map(|folder| file_name(folder)).collect();
    Ok(code_map_of(&text, &names))
}

fn code_map_of(text: &str, names: &[String]) -> Vec<String> {
    let mut mapped: Vec<&str> = Vec::new();
    for piece in text.split("crates/").skip(1) {
        let end = piece.find(|c: char| !c.is_ascii_lowercase() && c != '-').unwrap_or(piece.len());
        if end > 0 {
            mapped.push(&piece[..end]);
        }
    }
    let missing = names
        .iter()
        .filter(|name| !mapped.contains(&name.as_str()))
        .map(|name| format!("ARCHITECTURE.md: the code map lacks `crates/{name}`"));
    let mut unknown: Vec<&str> =
        mapped.iter().copied().filter(|name| !names.iter().any(|known| known == name)).collect();
    unknown.sort_unstable();
    unknown.dedup();
    let unknown = unknown.into_iter().map(|name| format!("ARCHITECTURE.md: `crates/{name}` does not exist"));
    missing.chain(unknown).collect()
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrow_against_the_design_is_found() {
        let manifest = "[dependencies]\nhone-rl.workspace = true\nhone-sandbox.workspace = true\n";
        let findings = arrows_of("environment", manifest).unwrap();
        assert_eq!(findings.len(), 1);
        assert!(findings[0].contains("environment → rl"), "{findings:?}");
        assert!(arrows_of("cli", manifest).unwrap().is_empty());
        assert_eq!(arrows_of("new-room", "").unwrap().len(), 1);
    }

    #[test]
    fn the_code_map_must_equal_the_folders() {
        let names = ["rl".to_string(), "model".to_string()];
        assert!(code_map_of("see `crates/rl` and crates/model/src/lib.rs", &names).is_empty());
        let findings = code_map_of("`crates/rl`, `crates/serve`", &names);
        assert_eq!(findings.len(), 2, "{findings:?}");
    }
}
