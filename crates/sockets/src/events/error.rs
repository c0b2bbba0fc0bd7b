//! Why events cannot be had.

use std::fmt;
use std::io;

use rustix::thread::CapabilitySet;

/// What attaching does, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Reads which types the running kernel has (`/sys/kernel/btf/vmlinux`).
    Types,
    /// Makes the ring and the counters, and fits the programs to the kernel's types.
    Prepare,
    /// Finds the root of the unified cgroup hierarchy.
    Cgroups,
    /// Hands the named program to the kernel, which checks it.
    Load(&'static str),
    /// Attaches the named program.
    Attach(&'static str),
}

impl fmt::Display for Step {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Types => to.write_str("reading the kernel's types from /sys/kernel/btf/vmlinux"),
            Self::Prepare => to.write_str("making the ring of events"),
            Self::Cgroups => to.write_str("finding the root of the unified cgroup hierarchy"),
            Self::Load(program) => write!(to, "loading the program {program}"),
            Self::Attach(program) => write!(to, "attaching the program {program}"),
        }
    }
}

/// Why events cannot be had: the step that failed, what is missing for it, and the kernel's word.
#[derive(Debug, thiserror::Error)]
#[error("{step} failed: {}", self.needs())]
pub struct WatchError {
    /// What was being done.
    pub step: Step,
    /// Which of the capabilities that are needed the calling thread lacks: `CAP_BPF`,
    /// `CAP_PERFMON`, `CAP_NET_ADMIN`. Empty where it lacks none.
    pub missing: Vec<&'static str>,
    /// Whether the kernel refused it for want of permission.
    pub refused: bool,
    /// What failed.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl WatchError {
    pub(super) fn new<E: std::error::Error + Send + Sync + 'static>(step: Step, source: E) -> Self {
        Self {
            step,
            missing: missing(held()),
            refused: is_refusal(&source),
            source: Box::new(source),
        }
    }

    fn needs(&self) -> String {
        if !self.missing.is_empty() {
            return format!("it needs {}, or root", self.missing.join(" and "));
        }
        let needs = match (self.refused, self.step) {
            (true, _) => {
                "no capability is missing, so a user namespace, a seccomp filter, kernel lockdown or \
                 a configuration without this kind of program refuses it"
            }
            (false, Step::Cgroups) => {
                "it needs a mount of cgroup2 that shows the whole hierarchy, not the part of a container"
            }
            (false, _) => {
                "it needs Linux 5.12 or later with CONFIG_BPF_SYSCALL, CONFIG_BPF_EVENTS, \
                 CONFIG_CGROUP_BPF and CONFIG_DEBUG_INFO_BTF"
            }
        };
        needs.to_owned()
    }
}

/// What is needed, each with all that give it.
const NEEDED: [(&str, CapabilitySet); 3] = [
    (
        "CAP_BPF",
        CapabilitySet::BPF.union(CapabilitySet::SYS_ADMIN),
    ),
    (
        "CAP_PERFMON",
        CapabilitySet::PERFMON.union(CapabilitySet::SYS_ADMIN),
    ),
    ("CAP_NET_ADMIN", CapabilitySet::NET_ADMIN),
];

/// The effective capabilities of the calling thread, where they can be told.
fn held() -> Option<CapabilitySet> {
    Some(rustix::thread::capabilities(None).ok()?.effective)
}

/// What is needed and not held; nothing where it cannot be told what is held.
fn missing(held: Option<CapabilitySet>) -> Vec<&'static str> {
    let Some(held) = held else {
        return Vec::new();
    };
    let lacking = NEEDED.iter().filter(|(_, any)| !held.intersects(*any));
    lacking.map(|(name, _)| *name).collect()
}

/// Whether any error down to the first cause is `EPERM` or `EACCES`.
fn is_refusal(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source())
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_and_sys_admin_stands_for_two() {
        let none = CapabilitySet::empty();
        assert_eq!(
            missing(Some(none)),
            ["CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN"]
        );
        assert_eq!(missing(Some(CapabilitySet::SYS_ADMIN)), ["CAP_NET_ADMIN"]);
        let two = CapabilitySet::BPF | CapabilitySet::NET_ADMIN;
        assert_eq!(missing(Some(two)), ["CAP_PERFMON"]);
        assert!(missing(Some(CapabilitySet::all())).is_empty());
        assert!(missing(None).is_empty());
    }

    #[test]
    fn an_error_says_step_and_need() {
        let error = |missing, refused, step| WatchError {
            step,
            missing,
            refused,
            source: Box::new(io::Error::other("no")),
        };
        let said = error(vec!["CAP_BPF", "CAP_PERFMON"], true, Step::Prepare).to_string();
        assert_eq!(
            said,
            "making the ring of events failed: it needs CAP_BPF and CAP_PERFMON, or root"
        );
        let said = error(Vec::new(), true, Step::Load("tcp_state")).to_string();
        assert!(
            said.starts_with("loading the program tcp_state failed: no capability is missing"),
            "{said}"
        );
        let said = error(Vec::new(), false, Step::Types).to_string();
        assert!(said.contains("Linux 5.12"), "{said}");
        let said = error(Vec::new(), false, Step::Cgroups).to_string();
        assert!(said.contains("cgroup2"), "{said}");
    }
}
