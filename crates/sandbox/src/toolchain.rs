//! Which interpreters and compilers this machine has, where they really are, and which package brings them.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::language::{go, java};
use crate::{Language, SandboxError};

/// One toolchain, installed or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Toolchain {
    /// Language it serves, such as `python`.
    pub language: String,
    /// The program looked for.
    pub program: String,
    /// Its version, if it is there and works.
    pub version: Option<String>,
    /// Where it really is, past any shim.
    pub path: Option<PathBuf>,
    /// How to get it, if it is missing.
    pub hint: Option<String>,
}

/// The toolchains that programs can be run with, in the order of `Language::ALL`.
pub fn toolchains() -> Vec<Toolchain> {
    Language::ALL.into_iter().map(describe).collect()
}

fn describe(language: Language) -> Toolchain {
    let found = match language {
        Language::Python => find_python(None).map(|p| (p.version, p.path)),
        _ => find(language).map(|t| (t.version.clone(), t.program.clone())),
    };
    let hint = match &found {
        Err(SandboxError::MissingToolchain { hint, .. }) => Some(hint.clone()),
        Err(error) => Some(error.to_string()),
        Ok(_) => None,
    };
    let (version, path) = found.ok().unzip();
    Toolchain {
        language: language.name().into(),
        program: need(language).program.into(),
        version,
        path,
        hint,
    }
}

/// What a language needs, and the Debian package that brings it.
struct Need {
    program: &'static str,
    package: &'static str,
}

fn need(language: Language) -> Need {
    let (program, package) = match language {
        Language::Python => ("python3", "python3"),
        Language::C => ("gcc", "gcc libc6-dev"),
        Language::Cpp => ("g++", "g++"),
        Language::Rust => ("rustc", "rustc"),
        Language::JavaScript => ("node", "nodejs"),
        Language::Go => ("go", "golang-go"),
        Language::Java => ("javac", "default-jdk-headless"),
        Language::Bash => ("bash", "bash"),
    };
    Need { program, package }
}

/// A toolchain's compiler (or interpreter) and where it lives.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    /// The compiler or interpreter itself, past any shim.
    pub(crate) program: PathBuf,
    /// Its version.
    pub(crate) version: String,
    /// The toolchain's own directory.
    pub(crate) home: PathBuf,
    /// Directories that must be readable for it to work.
    pub(crate) directories: Vec<PathBuf>,
}

/// The toolchain of a language other than Python; looked for until it is found once.
pub(crate) fn find(language: Language) -> Result<&'static Tools, SandboxError> {
    static FOUND: [OnceLock<Tools>; Language::ALL.len()] = [const { OnceLock::new() }; Language::ALL.len()];
    let slot = &FOUND[language as usize];
    if let Some(tools) = slot.get() {
        return Ok(tools);
    }
    let need = need(language);
    let tools = candidates(need.program).iter().find_map(|path| locate(language, path)).ok_or_else(|| {
        SandboxError::MissingToolchain {
            tool: format!("{} (for {})", need.program, language.name()),
            hint: format!("on Debian or Ubuntu: apt-get install {}", need.package),
        }
    })?;
    Ok(slot.get_or_init(|| tools))
}

/// Where a program may be: the system's directories, then the path.
fn candidates(program: &str) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let standard = ["/usr/local/bin", "/usr/bin"].map(PathBuf::from);
    // A Rust of one's own is newer than the distribution's, and /usr/local/go is where Go's own archive goes.
    let own = matches!(program, "rustc" | "go" | "node");
    let (first, last) = if own { (Vec::new(), standard.to_vec()) } else { (standard.to_vec(), Vec::new()) };
    first
        .into_iter()
        .chain(std::env::split_paths(&path))
        .chain(last)
        .chain([PathBuf::from("/usr/local/go/bin")])
        .map(|d| d.join(program))
        .filter(|p| p.exists())
        .collect()
}

fn locate(language: Language, path: &Path) -> Option<Tools> {
    match language {
        Language::Go => go::locate(path),
        Language::Java => java::locate(path),
        Language::Rust => {
            // rustup's shim answers for the toolchain it would run.
            let mut query = Command::new(path);
            query.args(["--print", "sysroot"]);
            let home = PathBuf::from(output_within(query, QUERY_LIMIT)?.trim());
            let real = home.join("bin/rustc");
            let program = if real.exists() { real } else { path.to_path_buf() };
            let text = version_text(&program)?;
            let version = text.strip_prefix("rustc ")?.split_whitespace().next()?.to_owned();
            Some(Tools { program, version, directories: vec![home.clone()], home })
        }
        _ => {
            let program = std::fs::canonicalize(path).ok()?;
            if program.file_name()?.to_str()?.contains("ccache") {
                return None;
            }
            let version = first_number(&version_text(&program)?)?;
            let home = program.parent()?.parent()?.to_path_buf();
            let directories = if home == Path::new("/") { Vec::new() } else { vec![home.clone()] };
            Some(Tools { program, version, home, directories })
        }
    }
}

fn version_text(program: &Path) -> Option<String> {
    let mut query = Command::new(program);
    query.arg("--version");
    output_within(query, QUERY_LIMIT)
}

/// The last word of the first line that looks like a version: `12.2.0` of `gcc (Debian 12.2.0-14) 12.2.0`.
fn first_number(text: &str) -> Option<String> {
    let mut words = text.lines().next()?.split_whitespace();
    let is_version =
        |w: &&str| w.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit()) && w.contains('.');
    let word = words.rfind(is_version)?;
    Some(word.trim_start_matches('v').split('(').next()?.to_owned())
}

const HINT: &str = "install Python 3.10 or newer, on Debian or Ubuntu: apt-get install python3";

/// A Python interpreter and the directories it lives in.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Python {
    /// The interpreter itself.
    pub(crate) path: PathBuf,
    /// Such as `3.11.7`.
    pub(crate) version: String,
    /// Directories that must be readable for it to work.
    pub(crate) directories: Vec<PathBuf>,
    /// Where it looks for modules.
    pub(crate) module_path: Vec<PathBuf>,
}

const QUERY: &str = "
import json, os, sys, sysconfig
real = os.path.realpath(sys.executable)
dirs = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix, sysconfig.get_path('stdlib'),
        sysconfig.get_path('purelib'), sysconfig.get_path('platlib'), os.path.dirname(real)}
sys.version_info >= (3, 10) or sys.exit('too old')
import ctypes, resource, select
# A link from elsewhere leads nowhere where only these directories are.
is_inside = any(sys.executable.startswith(os.path.join(d, '')) for d in dirs if d)
print(json.dumps({'path': sys.executable if is_inside else real, 'version': '%d.%d.%d' % sys.version_info[:3],
    'directories': sorted(d for d in dirs if d and os.path.isdir(d) and d != '/'),
    'module_path': [os.path.realpath(p) for p in sys.path if p]}))
";

/// The interpreter asked for, or the first `python3` on the path that works and is new enough.
pub(crate) fn find_python(wanted: Option<&Path>) -> Result<Python, SandboxError> {
    let candidates: Vec<PathBuf> = match wanted {
        Some(path) => vec![path.to_path_buf()],
        None => {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let standard = ["/usr/local/bin", "/usr/bin"].map(PathBuf::from);
            std::env::split_paths(&path)
                .chain(standard)
                .map(|d| d.join("python3"))
                .filter(|p| p.exists())
                .collect()
        }
    };
    candidates.iter().find_map(|path| query(path)).ok_or_else(|| SandboxError::MissingToolchain {
        tool: wanted.map_or_else(|| "python3".into(), |p| p.display().to_string()),
        hint: HINT.into(),
    })
}

/// Asks an interpreter about itself.
fn query(path: &Path) -> Option<Python> {
    let mut query = Command::new(path);
    query
        .args(["-s", "-c", QUERY])
        .env_remove("PYTHONPATH")
        .env_remove("PYTHONHOME")
        .env_remove("PYTHONSTARTUP");
    serde_json::from_str(&output_within(query, QUERY_LIMIT)?).ok()
}

const QUERY_LIMIT: Duration = Duration::from_secs(120);

/// What a program of the host prints, if it ends well within `limit`; at most a mebibyte.
pub(crate) fn output_within(mut command: Command, limit: Duration) -> Option<String> {
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let mut stdout = child.stdout.take()?;
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        stdout.by_ref().take(1 << 20).read_to_string(&mut text).map(|_| text)
    });
    let until = Instant::now() + limit;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(2)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    };
    let text = reader.join().ok()?.ok()?;
    status.success().then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_programs_say_of_themselves() {
        for (text, version) in [
            ("gcc (Debian 12.2.0-14+deb12u1) 12.2.0\nCopyright", "12.2.0"),
            ("v20.20.2\n", "20.20.2"),
            ("GNU bash, version 5.2.15(1)-release (x86_64-pc-linux-gnu)\n", "5.2.15"),
        ] {
            assert_eq!(first_number(text).as_deref(), Some(version));
        }
        assert_eq!(first_number("no version"), None);
    }

    #[test]
    fn an_interpreter_that_is_linked_to_is_found_where_it_is() {
        let Ok(python) = find_python(None) else { return };
        let folder = std::env::temp_dir().join(format!("hone-link-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let link = folder.join("python3");
        std::os::unix::fs::symlink(&python.path, &link).unwrap();
        let linked = find_python(Some(&link));
        std::fs::remove_dir_all(&folder).unwrap();
        let linked = linked.unwrap();
        assert!(linked.directories.iter().any(|d| linked.path.starts_with(d)), "{linked:?}");
    }

    #[test]
    fn a_missing_toolchain_names_its_package() {
        for language in Language::ALL {
            assert!(!need(language).package.is_empty());
        }
        assert!(candidates("no-such-compiler").is_empty());
    }
}
