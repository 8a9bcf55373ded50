//! The rules a compiler does not check. Each returns findings, `where: what`; none means tidy.
//!
//! That every recipe is accepted is a test of the `hone` binary (`crates/cli/tests/it/recipes.rs`), which knows the keys.

mod crates;
mod files;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::shell;

/// A text file of the repository.
struct TextFile {
    /// Relative to the root, with `/`.
    path: String,
    text: String,
}

/// All findings, sorted by rule.
pub(crate) fn findings(root: &Path) -> Result<Vec<String>> {
    let files = text_files(root)?;
    let mut findings = crates::arrows(root)?;
    findings.extend(crates::code_map(root)?);
    findings.extend(files.iter().flat_map(files::length));
    findings.extend(files.iter().flat_map(files::header));
    findings.extend(files.iter().flat_map(files::algorithm_header));
    findings.extend(files.iter().flat_map(files::unfinished));
    findings.extend(files.iter().flat_map(files::machine_paths));
    findings.extend(files.iter().flat_map(files::recipe));
    Ok(findings)
}

/// Files git tracks or would track; binary ones are left out.
fn text_files(root: &Path) -> Result<Vec<TextFile>> {
    let listing = shell::output("git", &["ls-files", "--cached", "--others", "--exclude-standard"])?;
    let mut paths: Vec<&str> = listing.lines().collect();
    paths.sort_unstable();
    paths.dedup();
    let mut files = Vec::new();
    for path in paths {
        let full = root.join(path);
        // A file deleted but still in the index has nothing to check.
        let Ok(bytes) = fs::read(&full) else { continue };
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(TextFile { path: path.to_string(), text });
        }
    }
    Ok(files)
}

fn subdirectories(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("failed to list {}", folder.display()))?;
    let mut folders: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        let findings = findings(&shell::root()).unwrap();
        assert!(findings.is_empty(), "{}", findings.join("\n"));
    }
}
