//! Which isolation layers this machine offers, found by trying, and which of them a sandbox puts in force.

use std::path::Path;

use serde::Serialize;

use crate::cgroup::Cgroup;
use crate::root::{Step, plan};
use crate::spawn::{
    Apart, Launch, LaunchError, MAPPING_USERS, MOUNTING_PROC, is_root, landlock_version, launch,
};
use crate::{Isolation, SandboxError};

/// What one isolation layer is on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LayerReport {
    /// Its name, as it appears in `Outcome::isolation`.
    pub layer: String,
    /// Whether it can be put in force here.
    pub is_available: bool,
    /// Whether `strict` isolation refuses to run without it.
    pub is_required: bool,
    /// What the probe saw.
    pub detail: String,
    /// How to get it, if it is missing.
    pub hint: Option<String>,
}

/// Tries every layer on this machine. Costs a few milliseconds.
pub fn probe() -> Vec<LayerReport> {
    let steps = plan(&[]);
    let report = |layer: &str, is_required, found: Result<String, (String, &str)>| LayerReport {
        layer: layer.into(),
        is_available: found.is_ok(),
        is_required,
        detail: match &found {
            Ok(detail) | Err((detail, _)) => detail.clone(),
        },
        hint: found.err().map(|(_, hint)| hint.to_owned()),
    };
    let apart = choose_apart(&steps, true);
    let proc = match &apart {
        Ok(_) => Ok("own processes only; a run is watched by it".to_owned()),
        Err(error) => Err(why_not(error)),
    };
    let apart = match apart {
        Err(error) if error.doing == MOUNTING_PROC => choose_apart(&steps, false),
        other => other,
    };
    let namespaces = match &apart {
        Ok(apart) if apart.has_user_namespace => {
            Ok("mount, pid, net, ipc, uts, cgroup in a user namespace".to_owned())
        }
        Ok(_) => Ok("mount, pid, net, ipc, uts, cgroup, made by root".to_owned()),
        Err(error) => Err(why_not(error)),
    };
    let root = apart.map(|_| "read-only /usr, own /tmp and /dev".to_owned());
    let landlock = match landlock_version() {
        0 => Err(("the kernel offers no Landlock".to_owned(), LANDLOCK_HINT)),
        version => Ok(format!("version {version}")),
    };
    let cgroup = Cgroup::create().map(|g| g.layers()).unwrap_or_default();
    let limits = |kind: &str| match cgroup.iter().find(|l| l.ends_with(kind)) {
        Some(layer) => Ok(layer.clone()),
        None => Err((
            "no control group that this user may write; limits hold per process, and sums are watched"
                .to_owned(),
            "run as root, or in a delegated cgroup: systemd-run --user --scope -p Delegate=yes …",
        )),
    };
    vec![
        report("namespaces", true, namespaces),
        report("private-root", true, root.map_err(|e| why_not(&e))),
        report("private-proc", true, proc),
        report("no-new-privileges", true, Ok("prctl".into())),
        report(
            "plain-user",
            true,
            Ok(if is_root() { "root drops to a plain uid" } else { "already one" }.into()),
        ),
        report("seccomp", true, seccomp()),
        report("landlock", true, landlock),
        report("rlimits", true, Ok("cpu, memory, processes, files, file size, stack, core".into())),
        report("cgroup-memory", false, limits("memory")),
        report("cgroup-pids", false, limits("pids")),
    ]
}

const NAMESPACE_HINT: &str = "allow user namespaces (sysctl user.max_user_namespaces=15000, \
    kernel.apparmor_restrict_unprivileged_userns=0); a chroot forbids them; in a container, start it with --privileged or \
    --security-opt seccomp=unconfined --security-opt systempaths=unconfined; or set isolation = \"standard\"";
const LANDLOCK_HINT: &str = "use Linux 5.13 or newer with landlock in the lsm= list of the kernel command line; or set isolation = \"standard\"";

const PROC_HINT: &str = "start the container with --security-opt systempaths=unconfined (podman: unmask=ALL), outside of one use \
    Linux 5.8 or newer; or set isolation = \"standard\"";
const USERS_HINT: &str = "run hone as an ordinary user, or add those capabilities to the container; or set isolation = \"standard\"";

const CHROOT_HINT: &str = "run hone outside of it, or enter the folder by a container's tools or bwrap, which use pivot_root; or set \
    isolation = \"standard\"";

/// Whether the root folder is not that of the first process, or not even a mount; not everybody can tell.
fn is_chroot() -> bool {
    let place = |path: &str| {
        std::fs::metadata(path)
            .ok()
            .map(|m| (std::os::unix::fs::MetadataExt::dev(&m), std::os::unix::fs::MetadataExt::ino(&m)))
    };
    let is_mount = |text: String| text.lines().any(|line| line.split(' ').nth(4) == Some("/"));
    let is_moved = place("/proc/1/root").is_some_and(|first| Some(first) != place("/"));
    is_moved || std::fs::read_to_string("/proc/self/mountinfo").is_ok_and(|text| !is_mount(text))
}

/// Why this machine does not offer what failed, in one sentence, and how to get it.
fn why_not(error: &LaunchError) -> (String, &'static str) {
    if error.doing == MOUNTING_PROC {
        let reason = format!(
            "a /proc of its own cannot be mounted, as where a container masks parts of its own ({})",
            error.error
        );
        return (reason, PROC_HINT);
    }
    if error.doing == MAPPING_USERS && is_root() {
        let reason = "root may not become another user here, as in a container without the capabilities SETUID and SETGID";
        return (format!("{reason} ({})", error.error), USERS_HINT);
    }
    if is_chroot() {
        return (format!("user namespaces are forbidden within a chroot ({error})"), CHROOT_HINT);
    }
    (why_no_namespaces(error), NAMESPACE_HINT)
}

/// Why this machine offers no namespaces, in one sentence, as far as it can be told.
fn why_no_namespaces(error: &LaunchError) -> String {
    let setting = |path: &str| std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let is_container = ["/.dockerenv", "/run/.containerenv"].iter().any(|path| Path::new(path).exists())
        || std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
        || setting("/proc/1/environ")
            .is_some_and(|text| text.split('\0').any(|v| v.starts_with("container=")));
    if setting("/proc/sys/user/max_user_namespaces").as_deref() == Some("0") {
        return "user namespaces are switched off here (user.max_user_namespaces is 0)".into();
    }
    if is_container {
        return format!("this container does not allow user namespaces ({error})");
    }
    if setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").as_deref() == Some("1") && !is_root()
    {
        return format!("AppArmor forbids user namespaces to ordinary users here ({error})");
    }
    if setting("/proc/sys/kernel/unprivileged_userns_clone").as_deref() == Some("0") && !is_root() {
        return "the kernel forbids user namespaces to ordinary users here (kernel.unprivileged_userns_clone is 0)".into();
    }
    error.to_string()
}

fn seccomp() -> Result<String, (String, &'static str)> {
    match std::fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail") {
        Ok(actions) if actions.contains("errno") => Ok("filter mode".into()),
        _ => Err(("the kernel offers no seccomp filters".into(), "use a kernel with CONFIG_SECCOMP_FILTER")),
    }
}

/// What a sandbox puts in force.
#[derive(Debug, Clone)]
pub(crate) struct Layers {
    /// Namespaces.
    pub(crate) apart: Apart,
    /// The seccomp filter.
    pub(crate) has_seccomp: bool,
    /// Landlock.
    pub(crate) has_landlock: bool,
    /// Control groups, where they can be had.
    pub(crate) has_cgroup: bool,
}

impl Layers {
    /// Chooses what `isolation` demands and this machine offers; an error if a demanded layer is missing.
    pub(crate) fn choose(isolation: Isolation, steps: &[Step]) -> Result<Layers, SandboxError> {
        let none = Apart { has_namespaces: false, has_user_namespace: false, has_proc: false };
        if isolation == Isolation::None {
            return Ok(Layers { apart: none, has_seccomp: false, has_landlock: false, has_cgroup: false });
        }
        let is_strict = isolation == Isolation::Strict;
        let missing = |layer: &str, reason: String, hint: &str| SandboxError::MissingLayer {
            layer: layer.into(),
            reason,
            hint: hint.into(),
        };
        let apart = match choose_apart(steps, true) {
            Ok(apart) => apart,
            Err(error) if is_strict => {
                let layer = if error.doing == MOUNTING_PROC { "private-proc" } else { "namespaces" };
                let (reason, hint) = why_not(&error);
                return Err(missing(layer, reason, hint));
            }
            Err(error) if error.doing == MOUNTING_PROC => {
                tracing::warn!(reason = why_not(&error).0, "processes that programs start are not watched");
                choose_apart(steps, false).unwrap_or(none)
            }
            Err(error) => {
                tracing::warn!(reason = why_not(&error).0, "programs run without namespaces");
                none
            }
        };
        let seccomp = seccomp();
        let has_landlock = landlock_version() > 0;
        if is_strict {
            if let Err((reason, hint)) = &seccomp {
                return Err(missing("seccomp", reason.clone(), hint));
            }
            if !has_landlock {
                return Err(missing("landlock", "the kernel offers none".into(), LANDLOCK_HINT));
            }
        }
        Ok(Layers {
            apart,
            has_seccomp: seccomp.is_ok(),
            has_landlock,
            has_cgroup: Cgroup::create().is_some(),
        })
    }

    /// Names of the layers in force.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names = vec!["separate-process", "rlimits", "no-new-privileges", "plain-user"];
        if self.apart.has_namespaces {
            names.extend(["namespaces", "private-root"]);
        }
        if self.apart.has_proc {
            names.push("private-proc");
        }
        if self.apart.has_user_namespace {
            names.push("user-namespace");
        }
        if self.has_seccomp {
            names.push("seccomp");
        }
        if self.has_landlock {
            names.push("landlock");
        }
        names.into_iter().map(str::to_owned).collect()
    }
}

/// The strongest namespaces that a real attempt succeeds with: in a user namespace, else (root only) without.
fn choose_apart(steps: &[Step], has_proc: bool) -> Result<Apart, LaunchError> {
    let attempt = |has_user_namespace: bool| {
        let apart = Apart { has_namespaces: true, has_user_namespace, has_proc };
        let null = std::fs::File::open("/dev/null")
            .map_err(|error| LaunchError { doing: "opening /dev/null".into(), error })?;
        let fd = std::os::fd::AsFd::as_fd(&null);
        let trial = Launch {
            apart,
            root: steps,
            command: &[],
            environment: &[],
            control: fd,
            errors: fd,
            machine: None,
            plain_uid: plain_uid(0),
        };
        launch(&trial, |_| ()).map(|_| apart)
    };
    attempt(true).or_else(|error| if is_root() { attempt(false).map_err(|_| error) } else { Err(error) })
}

/// A uid that nobody else has, for the programs of zygote `number`; within what this user namespace maps.
pub(crate) fn plain_uid(number: u32) -> u32 {
    let far = 1_000_000_000 + (std::process::id() & 0xf_ffff) * 64 + number % 64;
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let is_mapped = map.lines().any(|line| {
        let mut numbers = line.split_whitespace().filter_map(|n| n.parse::<u64>().ok());
        let (first, _, count) = (numbers.next(), numbers.next(), numbers.next());
        matches!((first, count), (Some(first), Some(count)) if (first..first + count).contains(&u64::from(far)))
    });
    if is_mapped { far } else { 64_000 + number % 1_000 }
}
