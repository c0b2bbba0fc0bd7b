//! What could not be seen: as numbers for the report, and as sentences for people.

use std::path::Path;

use portolan_wire::report::Coverage;
use rustix::thread::{CapabilitySet, capabilities};

/// What this process may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Privilege {
    /// To read which files other users' processes hold.
    pub(super) see_owners: bool,
    /// To enter other network namespaces.
    pub(super) enter_namespaces: bool,
    /// To read root's files.
    pub(super) read_records: bool,
}

impl Privilege {
    /// That of the calling thread. Capabilities in a user namespace of one's own open nothing of
    /// the host's.
    pub(super) fn now(proc_root: &Path) -> Self {
        let held = capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective);
        let initial = std::fs::read_to_string(proc_root.join("self/uid_map"))
            .is_ok_and(|map| map.split_ascii_whitespace().eq(["0", "0", "4294967295"]));
        let list = CapabilitySet::DAC_READ_SEARCH | CapabilitySet::DAC_OVERRIDE;
        Self {
            see_owners: initial
                && held.contains(CapabilitySet::SYS_PTRACE)
                && held.intersects(list),
            enter_namespaces: initial && held.contains(CapabilitySet::SYS_ADMIN),
            read_records: initial && held.intersects(list),
        }
    }
}

/// What remained hidden at the last look into each namespace.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    /// Namespaces that were looked into.
    pub(super) namespaces: u64,
    /// Namespaces that were not, and the first reason.
    pub(super) skipped: u64,
    pub(super) skipped_because: Option<String>,
    /// Open ports in them, shown as last seen.
    pub(super) kept: u64,
    /// Namespaces that were not entered but listed through a process in them.
    pub(super) by_tables: u64,
    /// Why netlink was refused.
    pub(super) netlink_refused: Option<String>,
    /// Open ports in all, and those without an owner.
    pub(super) sockets: u64,
    pub(super) unattributed: u64,
    /// Processes whose links the kernel refused to show.
    pub(super) processes_refused: u64,
    /// Containers with open ports that no record names.
    pub(super) containers_unnamed: u64,
}

impl Hidden {
    pub(super) fn coverage(&self, privilege: Privilege) -> Coverage {
        let privileged = privilege.see_owners
            && privilege.enter_namespaces
            && self.skipped == 0
            && self.by_tables == 0;
        Coverage {
            privileged,
            namespaces: Some(self.namespaces),
            namespaces_skipped: Some(self.skipped),
            sockets_unattributed: Some(self.unattributed),
            events_lost: None,
        }
    }

    pub(super) fn sentences(&self, privilege: Privilege) -> Vec<String> {
        let all = [
            self.owners(privilege),
            self.namespaces_skipped(privilege),
            self.namespaces_by_tables(),
            self.netlink(),
            self.containers(privilege),
        ];
        all.into_iter().flatten().collect()
    }

    fn owners(&self, privilege: Privilege) -> Option<String> {
        if self.unattributed == 0 {
            return None;
        }
        let ports = count(self.sockets, "open port");
        let what = format!(
            "The owner of {} of {ports} could not be told",
            self.unattributed
        );
        Some(if !privilege.see_owners {
            format!(
                "{what}: looking into the processes of other users needs CAP_SYS_PTRACE and \
                 CAP_DAC_READ_SEARCH, or root."
            )
        } else if self.processes_refused > 0 {
            let processes = count(self.processes_refused, "process");
            format!(
                "{what}: the kernel refused to show the files of {processes}, by a security \
                 module or because of more capabilities than this process has."
            )
        } else {
            format!(
                "{what}: no process that can be seen holds them, as with sockets of the kernel \
                 itself, of processes outside this pid namespace, or of some that just ended."
            )
        })
    }

    fn namespaces_skipped(&self, privilege: Privilege) -> Option<String> {
        let because = self.skipped_because.as_ref()?;
        let what = format!(
            "{} could not be looked into",
            count(self.skipped, "network namespace")
        );
        let needed = if privilege.enter_namespaces {
            because.clone()
        } else {
            "entering a namespace needs CAP_SYS_ADMIN, or root".to_owned()
        };
        let kept = match self.kept {
            0 => String::new(),
            kept => format!(" Shown as last seen: {}.", count(kept, "open port")),
        };
        Some(format!("{what}: {needed}.{kept}"))
    }

    fn namespaces_by_tables(&self) -> Option<String> {
        (self.by_tables > 0).then(|| {
            let namespaces = count(self.by_tables, "network namespace");
            format!(
                "{namespaces} could be listed only through /proc/PID/net, which does not tell \
                 v6only and interfaces: entering a namespace needs CAP_SYS_ADMIN, or root."
            )
        })
    }

    fn containers(&self, privilege: Privilege) -> Option<String> {
        if self.containers_unnamed == 0 {
            return None;
        }
        let containers = count(self.containers_unnamed, "container");
        let why = if privilege.read_records {
            "no record of docker, podman, containerd, CRI-O or Kubernetes that could be read names \
             them, as with containers of ordinary users."
        } else {
            "the records of container runtimes are root's; reading them needs \
             CAP_DAC_READ_SEARCH, or root."
        };
        Some(format!(
            "The names of {containers} could not be told: {why}"
        ))
    }

    fn netlink(&self) -> Option<String> {
        self.netlink_refused.as_ref().map(|error| {
            format!(
                "The kernel refused NETLINK_SOCK_DIAG ({error}), so /proc/net was read, which does \
                 not tell v6only and interfaces: a seccomp filter must let AF_NETLINK sockets pass."
            )
        })
    }
}

fn count(number: u64, what: &str) -> String {
    let plural = match what {
        "process" => "es",
        _ => "s",
    };
    format!("{number} {what}{}", if number == 1 { "" } else { plural })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Privilege = Privilege {
        see_owners: true,
        enter_namespaces: true,
        read_records: true,
    };
    const NONE: Privilege = Privilege {
        see_owners: false,
        enter_namespaces: false,
        read_records: false,
    };

    #[test]
    fn when_all_was_seen_nothing_is_said() {
        let hidden = Hidden {
            namespaces: 3,
            sockets: 9,
            ..Hidden::default()
        };
        assert_eq!(hidden.sentences(ALL), [""; 0]);
        assert_eq!(hidden.sentences(NONE), [""; 0]);
        assert!(hidden.coverage(ALL).privileged);
        assert!(!hidden.coverage(NONE).privileged, "it was luck");
        assert_eq!(hidden.coverage(ALL).namespaces, Some(3));
    }

    #[test]
    fn each_lack_names_the_capability_that_would_cure_it() {
        let hidden = Hidden {
            sockets: 9,
            unattributed: 4,
            skipped: 1,
            skipped_because: Some("permission denied".to_owned()),
            by_tables: 2,
            containers_unnamed: 1,
            ..Hidden::default()
        };
        let said = hidden.sentences(NONE);
        assert_eq!(said.len(), 4);
        assert!(said[3].starts_with("The names of 1 container could not be told: "));
        assert!(said[3].contains("CAP_DAC_READ_SEARCH"));
        assert!(hidden.sentences(ALL)[3].contains("no record of docker"));
        assert!(said[0].starts_with("The owner of 4 of 9 open ports could not be told: "));
        assert!(said[0].contains("CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH"));
        assert!(said[1].starts_with("1 network namespace could not be looked into: "));
        assert!(said[1].contains("CAP_SYS_ADMIN"));
        assert!(said[2].starts_with("2 network namespaces could be listed only through "));
        let coverage = hidden.coverage(ALL);
        assert!(!coverage.privileged);
        assert_eq!(coverage.namespaces_skipped, Some(1));
        assert_eq!(coverage.sockets_unattributed, Some(4));
    }

    #[test]
    fn with_every_capability_the_true_reason_is_told() {
        let mut hidden = Hidden {
            sockets: 2,
            unattributed: 1,
            ..Hidden::default()
        };
        assert!(hidden.sentences(ALL)[0].contains("no process that can be seen holds them"));
        hidden.processes_refused = 1;
        assert!(hidden.sentences(ALL)[0].contains("the files of 1 process,"));
        hidden.skipped = 1;
        hidden.kept = 5;
        hidden.skipped_because = Some("too many open files".to_owned());
        let said = &hidden.sentences(ALL)[1];
        assert!(
            said.ends_with("too many open files. Shown as last seen: 5 open ports."),
            "{said}"
        );
    }
}
