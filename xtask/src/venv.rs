//! Virtual environments under cargo's target folder with pinned Python packages: what Hone is compared with.

use anyhow::Result;

use crate::{install, shell};

/// The Python of the venv NAME that has `pins` (`package==version`, and options of pip), installing what is missing.
pub(crate) fn python(name: &str, pins: &[&str]) -> Result<String> {
    install::venv()?;
    let folder = shell::target().join(name);
    let python = folder.join("bin/python").display().to_string();
    if shell::succeeds(&python, &["-c", &check(pins)]) {
        return Ok(python);
    }
    eprintln!("installing into {}: {}", folder.display(), pins.join(" "));
    if !shell::succeeds(&python, &["--version"]) {
        shell::run("python3", &["-m", "venv", &folder.display().to_string()])?;
    }
    shell::run(&python, &[&["-m", "pip", "install", "--quiet", "--retries", "10"][..], pins].concat())?;
    Ok(python)
}

/// A Python program that fails unless every pinned version is installed.
fn check(pins: &[&str]) -> String {
    let asserts: Vec<String> = pins
        .iter()
        .filter_map(|pin| pin.split_once("=="))
        .map(|(name, version)| format!("assert version('{name}') == '{version}'"))
        .collect();
    format!("from importlib.metadata import version; {}", asserts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn every_pin_is_asserted() {
        let program = check(&["torch==2.15.0", "peft==0.21.2"]);
        assert!(
            program.ends_with("; assert version('torch') == '2.15.0'; assert version('peft') == '0.21.2'")
        );
    }
}
