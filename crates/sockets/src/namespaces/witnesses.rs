//! Whether a namespace is still the one that it was at the last scan.
//!
//! The kernel gives the inode of a namespace that is gone to the next one, often at once: a
//! container that is replaced gets the inode of its predecessor. So the inode alone tells two
//! namespaces apart only while both exist. A process or a mount that was there before and still is
//! bears witness that the namespace is the same.

use std::path::PathBuf;

use super::{Found, Namespaces, NsKey};
use crate::processes::Processes;

/// Who was in a namespace, and where it was mounted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Witnesses {
    /// Pid and start.
    processes: Vec<(u32, u64)>,
    mounts: Vec<PathBuf>,
}

impl Witnesses {
    /// Those of a namespace as it is now.
    pub(super) fn of(found: &Found, processes: &Processes) -> Self {
        let members = found.members.iter().copied();
        let started = |pid| Some((pid, processes.get(pid)?.start_ticks));
        Self {
            processes: members.filter_map(started).collect(),
            mounts: found.mounts.clone(),
        }
    }

    /// Whether a process that was in it still is.
    pub(super) fn has_stayed(
        &self,
        key: NsKey,
        namespaces: &Namespaces,
        processes: &Processes,
    ) -> bool {
        self.processes.iter().any(|(pid, start_ticks)| {
            processes.is_same(*pid, *start_ticks)
                && namespaces.of_process(processes, *pid) == Some(key)
        })
    }

    /// Whether a file on which it was mounted has a namespace of that inode still. Weaker than a
    /// process: another namespace may have been mounted there.
    pub(super) fn is_mounted(&self, found: &Found) -> bool {
        self.mounts.iter().any(|point| found.mounts.contains(point))
    }
}
