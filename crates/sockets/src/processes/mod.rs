//! The processes of this machine, and what has been read of each.
//!
//! One listing of `/proc` a scan tells who came and who went; only newcomers are read. A reused pid
//! shows by the inode of its folder, which the listing tells for nothing: the kernel gives a new
//! process a new one. Where the inode changed (it may also do so under memory pressure), the start
//! time decides.
//! A process may change after it was read: it may exec, move to another cgroup, or enter another
//! namespace. So young ones are read again at each scan, and old ones one after another
//! ([`RECHECK_AFTER`], at most [`RECHECKS_MAX`] a scan).
//! Limits: sockets that only a thread with a file table of its own holds are not seen, nor those
//! of a process whose first thread has ended; both are shown without an owner.

mod arguments;
mod files;
mod program;
mod stat;
mod told;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) use arguments::Arguments;
pub(crate) use files::{Walk, bracketed, count, holds, walk};
pub(crate) use program::Program;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use stat::Stat;
use told::{command_line_of, placement_of, runs, stat_of};

use crate::cgroup::Placement;
use crate::namespaces::NsKey;

/// How long a process counts as young: about as long as a runtime takes from fork to exec.
pub(crate) const YOUNG: Duration = Duration::from_secs(2);
/// How old what is known of a process may get.
pub(crate) const RECHECK_AFTER: Duration = Duration::from_secs(30);
/// How many old processes are read again in one scan, at most.
const RECHECKS_MAX: usize = 32;

/// One process.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) parent: u32,
    pub(crate) start_ticks: u64,
    /// Its network namespace, where it may be told; a zombie has none.
    pub(crate) netns: Option<NsKey>,
    /// Whether the kernel refused to show its links.
    pub(crate) refused: bool,
    /// Whether its files were walked before.
    pub(crate) walked: bool,
    /// How many files it had open when that was last asked for; `None` is not known.
    pub(crate) files: Option<u64>,
    /// When the collector saw it first.
    pub(crate) first_seen: Instant,
    kernel_thread: bool,
    folder_inode: u64,
    checked: Instant,
    listing: u64,
    program: Option<Arc<Program>>,
    placement: Option<Arc<Placement>>,
    command_line: Option<Arc<str>>,
}

/// Each open port asks several times for its owner, and the kernel numbers processes one after the
/// other: mixing the bits of a pid is enough, where the hash of strings would cost 0.1 ms a scan.
type ByPid = HashMap<u32, Process, BuildHasherDefault<PidHasher>>;

#[derive(Default)]
struct PidHasher(u64);

impl Hasher for PidHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        // 2^64 over the golden ratio: neighbours go far apart, in the upper bits as well.
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// All processes, by pid.
#[derive(Debug)]
pub(crate) struct Processes {
    root: PathBuf,
    by_pid: ByPid,
    listing: u64,
    /// How many processes were read since the start.
    pub(crate) reads: u64,
}

impl Processes {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self {
            root,
            by_pid: ByPid::default(),
            listing: 0,
            reads: 0,
        }
    }

    /// The folder of a process.
    pub(crate) fn folder(&self, pid: u32) -> PathBuf {
        folder(&self.root, pid)
    }

    /// The process file system.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn get(&self, pid: u32) -> Option<&Process> {
        self.by_pid.get(&pid)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Process)> {
        self.by_pid.iter().map(|(pid, process)| (*pid, process))
    }

    /// Whether that very process still runs.
    pub(crate) fn is_same(&self, pid: u32, start_ticks: u64) -> bool {
        self.get(pid)
            .is_some_and(|process| process.start_ticks == start_ticks)
    }

    /// Notes how the walk over a process's files went.
    pub(crate) fn note_walk(&mut self, pid: u32, walk: Walk) {
        if let Some(process) = self.by_pid.get_mut(&pid) {
            process.walked = true;
            process.refused |= walk == Walk::Refused;
        }
    }

    /// Those of these processes that have opened or closed files since they were last asked.
    pub(crate) fn changed_files(&mut self, pids: &[u32]) -> Vec<u32> {
        let has_changed = |pid: &u32| {
            let folder = folder(&self.root, *pid);
            let Some(process) = self.by_pid.get_mut(pid).filter(|it| it.may_hold()) else {
                return false;
            };
            let now = count(&folder);
            std::mem::replace(&mut process.files, now) != now
        };
        pids.iter().copied().filter(has_changed).collect()
    }

    /// Notes that a process has closed a socket: as many files as before may be others.
    pub(crate) fn forget_files(&mut self, pid: u32) {
        if let Some(process) = self.by_pid.get_mut(&pid) {
            process.files = None;
        }
    }

    /// Notes that the kernel told what all processes hold.
    pub(crate) fn note_all_walked(&mut self) {
        for process in self.by_pid.values_mut() {
            process.walked = true;
        }
    }

    /// Lists the processes, reads newcomers and rechecks some of the others.
    ///
    /// # Errors
    /// The process file system cannot be listed.
    pub(crate) fn refresh(&mut self, now: Instant) -> io::Result<()> {
        self.listing += 1;
        let mut rechecks = 0;
        for entry in std::fs::read_dir(&self.root)? {
            let entry = entry?;
            let Some(pid) = pid_of(entry.file_name().as_bytes()) else {
                continue;
            };
            let inode = entry.ino();
            match self.by_pid.get_mut(&pid) {
                Some(process) if process.folder_inode == inode => {
                    process.listing = self.listing;
                    let young = now.duration_since(process.first_seen) < YOUNG;
                    let old = now.duration_since(process.checked) >= RECHECK_AFTER;
                    let stale = young && process.checked != now || old && rechecks < RECHECKS_MAX;
                    if stale && !process.kernel_thread {
                        rechecks += usize::from(old);
                        self.recheck(pid, now);
                    }
                }
                _ => self.meet(pid, inode, now),
            }
        }
        let listing = self.listing;
        self.by_pid.retain(|_, process| process.listing == listing);
        Ok(())
    }

    /// Reads a process that is new, or whose folder is.
    fn meet(&mut self, pid: u32, inode: u64, now: Instant) {
        let folder = self.folder(pid);
        self.reads += 1;
        // A process that ended since it was listed has no stat.
        let Some(stat) = stat_of(&folder) else {
            return;
        };
        if let Some(known) = self.by_pid.get_mut(&pid)
            && known.start_ticks == stat.start_ticks
        {
            known.folder_inode = inode;
            known.listing = self.listing;
            return;
        }
        let (netns, refused) = netns_of(&folder);
        let process = Process {
            parent: stat.parent,
            start_ticks: stat.start_ticks,
            netns,
            refused,
            walked: false,
            files: None,
            first_seen: now,
            kernel_thread: stat.kernel_thread,
            folder_inode: inode,
            checked: now,
            listing: self.listing,
            program: None,
            placement: None,
            command_line: None,
        };
        self.by_pid.insert(pid, process);
    }

    /// Reads again what may have changed, as far as it was asked for.
    fn recheck(&mut self, pid: u32, now: Instant) {
        let folder = self.folder(pid);
        let Some(process) = self.by_pid.get_mut(&pid) else {
            return;
        };
        self.reads += 1;
        process.checked = now;
        let (netns, refused) = netns_of(&folder);
        let program = process.program.is_some().then(|| Program::read(&folder));
        let placement = process.placement.is_some().then(|| placement_of(&folder));
        let command_line = process
            .command_line
            .is_some()
            .then(|| command_line_of(&folder));
        if netns.is_none() || !runs(&folder, process.start_ticks) {
            // It is ending: what was known of it is the best there is.
            return;
        }
        process.netns = netns;
        process.refused |= refused;
        process.program = program.map(Arc::new);
        process.placement = placement.map(Arc::new);
        process.command_line = command_line;
    }
}

fn folder(root: &Path, pid: u32) -> PathBuf {
    root.join(pid.to_string())
}

impl Process {
    /// Whether it can hold a socket that a walk would find.
    pub(crate) fn may_hold(&self) -> bool {
        !self.kernel_thread
    }
}

/// The network namespace of the process with that folder, and whether its links were refused.
pub(crate) fn netns_of(folder: &Path) -> (Option<NsKey>, bool) {
    match std::fs::read_link(folder.join("ns/net")) {
        Ok(link) => (
            bracketed(link.as_os_str().as_bytes(), b"net:[").map(NsKey::Inode),
            false,
        ),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => (tables_of(folder), true),
        Err(_) => (None, false),
    }
}

/// The namespace of the process with that folder, as [`NsKey::Tables`].
pub(crate) fn tables_of(folder: &Path) -> Option<NsKey> {
    std::fs::metadata(folder.join("net/tcp"))
        .ok()
        .map(|file| NsKey::Tables(file.ino()))
}

fn pid_of(name: &[u8]) -> Option<u32> {
    str::from_utf8(name).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
