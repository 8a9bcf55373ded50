//! The private root as a list of steps: which host directories a program may read, and nothing else.
//!
//! Pure planning; `spawn.rs` performs the steps in the new mount namespace. A program sees `/usr`, the libraries,
//! its interpreter, a handful of files in `/etc` and `/dev`, its own processes in `/proc`, and an empty `/tmp`.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// One system call's worth of building a root. Everything is allocated before the child exists.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// No mount event leaves or enters this namespace any more.
    MakePrivate,
    /// A directory; an existing one is fine.
    Directory(CString),
    /// A symbolic link at the second path.
    Link(CString, CString),
    /// A file with these bytes.
    File(CString, Vec<u8>),
    /// A new file system of a type, at a path, with options.
    Mount(&'static std::ffi::CStr, CString, CString),
    /// A new `/proc` that shows only own processes; where `Apart::has_proc` is not demanded, a run can do without.
    Proc(CString),
    /// A recursive bind mount.
    Bind(CString, CString),
    /// Read-only, no set-uid and (unless for device nodes) no devices, for the mount at a path and all below.
    Harden {
        /// The mount point.
        path: CString,
        /// Whether device nodes stay usable.
        keeps_devices: bool,
        /// Whether mounts below are included.
        is_recursive: bool,
    },
    /// Makes the first path the root, the old one appears at the second.
    Pivot(CString, CString),
    /// Makes a path the root and lets go of the old one for ever.
    PivotAway(CString),
}

/// Path as a C string; a path with a null byte cannot exist.
pub(crate) fn c_path(path: impl AsRef<Path>) -> CString {
    CString::new(path.as_ref().as_os_str().as_bytes()).unwrap_or_default()
}

/// Where a launched program's own files are; empty but in that run.
pub(crate) const PROGRAM: &str = "/program";

const OLD: &str = "/old";
const NEW: &str = "/new";

/// Files of the host's `/etc` that programs commonly need to start.
const ETC: [&str; 5] =
    ["/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/localtime", "/etc/alternatives", "/etc/mime.types"];

const WRITTEN: [(&str, &str); 4] = [
    ("/etc/passwd", "root:x:0:0:root:/:/bin/sh\nsandbox:x:1000:1000:sandbox:/tmp:/bin/sh\n"),
    ("/etc/group", "root:x:0:\nsandbox:x:1000:\n"),
    ("/etc/hosts", "127.0.0.1 localhost\n"),
    ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
];

/// Device nodes of the private root.
pub(crate) const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// The steps that build a root holding `/usr`, the library directories and `extra` directories, all read-only.
pub(crate) fn plan(extra: &[PathBuf]) -> Vec<Step> {
    let mut steps = vec![
        Step::MakePrivate,
        Step::Mount(c"tmpfs", c_path("/tmp"), c_path("mode=755,size=1m")),
        Step::Directory(c_path(format!("/tmp{OLD}"))),
        Step::Directory(c_path(format!("/tmp{NEW}"))),
        Step::Pivot(c_path("/tmp"), c_path(format!("/tmp{OLD}"))),
        Step::Mount(c"tmpfs", c_path(NEW), c_path("mode=755,size=1m")),
    ];
    for directory in ["/etc", "/dev", "/proc", "/tmp", PROGRAM] {
        steps.push(Step::Directory(c_path(format!("{NEW}{directory}"))));
    }
    let mut bound: Vec<PathBuf> = Vec::new();
    let system = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
    for path in system.iter().map(PathBuf::from).chain(extra.iter().cloned()) {
        add_directory(&mut steps, &mut bound, &path);
    }
    for path in ETC {
        add_file(&mut steps, path);
    }
    for (path, text) in WRITTEN {
        steps.push(Step::File(c_path(format!("{NEW}{path}")), text.as_bytes().to_vec()));
    }
    for path in DEVICES.iter().filter(|p| Path::new(p).exists()) {
        steps.push(Step::File(c_path(format!("{NEW}{path}")), Vec::new()));
        bind(&mut steps, path, path, true);
    }
    for (target, path) in [
        ("/proc/self/fd", "/dev/fd"),
        ("/proc/self/fd/0", "/dev/stdin"),
        ("/proc/self/fd/1", "/dev/stdout"),
        ("/proc/self/fd/2", "/dev/stderr"),
    ] {
        steps.push(Step::Link(c_path(target), c_path(format!("{NEW}{path}"))));
    }
    // POSIX shared memory and semaphores live in the run's own bounded /tmp.
    steps.push(Step::Link(c_path("/tmp"), c_path(format!("{NEW}/dev/shm"))));
    steps.push(Step::Proc(c_path(format!("{NEW}/proc"))));
    steps.push(Step::Harden { path: c_path(NEW), keeps_devices: false, is_recursive: false });
    steps.push(Step::PivotAway(c_path(NEW)));
    steps
}

fn add_directory(steps: &mut Vec<Step>, bound: &mut Vec<PathBuf>, path: &Path) {
    if bound.iter().any(|b| path.starts_with(b)) || path == Path::new("/") {
        return;
    }
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return };
    let inside = format!("{NEW}{}", path.display());
    if metadata.is_symlink() {
        if let Ok(target) = std::fs::read_link(path) {
            steps.push(Step::Link(c_path(target), c_path(inside)));
        }
    } else if metadata.is_dir() {
        for parent in path.ancestors().collect::<Vec<_>>().iter().rev().skip(1) {
            steps.push(Step::Directory(c_path(format!("{NEW}{}", parent.display()))));
        }
        bind(steps, path, path, false);
        bound.push(path.to_path_buf());
    }
}

fn add_file(steps: &mut Vec<Step>, path: &str) {
    let Ok(real) = std::fs::canonicalize(path) else { return };
    let inside = c_path(format!("{NEW}{path}"));
    steps.push(if real.is_dir() { Step::Directory(inside) } else { Step::File(inside, Vec::new()) });
    bind(steps, &real, path, false);
}

fn bind(steps: &mut Vec<Step>, from: impl AsRef<Path>, to: impl AsRef<Path>, keeps_devices: bool) {
    let to = c_path(format!("{NEW}{}", to.as_ref().display()));
    steps.push(Step::Bind(c_path(format!("{OLD}{}", from.as_ref().display())), to.clone()));
    steps.push(Step::Harden { path: to, keeps_devices, is_recursive: true });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bind_is_hardened_and_the_old_root_is_left() {
        let steps = plan(&[PathBuf::from("/usr/lib")]);
        for (index, step) in steps.iter().enumerate() {
            if let Step::Bind(_, to) = step {
                assert!(matches!(&steps[index + 1], Step::Harden { path, .. } if path == to), "{to:?}");
            }
        }
        assert!(matches!(steps.last(), Some(Step::PivotAway(_))));
        let usr_lib =
            steps.iter().filter(|s| matches!(s, Step::Bind(f, _) if f.to_bytes() == b"/old/usr/lib")).count();
        assert_eq!(usr_lib, 0, "a directory below a bound one is not bound again");
    }
}
