//! Finds the holders of sockets, walking no more files than it must.
//!
//! Each process is walked at most once in a search, and tells of every wanted socket at once. The
//! search goes from the likely to the unlikely and ends when every socket has a holder; then it
//! looks at the relatives of the holders, as a server and its children share sockets. Of a socket
//! whose holders the kernel told in one pass ([`Search::ask`]) all are known without that.
//! Limits: once a holder is found, a stranger to whom the socket was passed is not sought; the
//! first search of a collector is thorough and finds it.

use std::collections::{HashMap, HashSet};
use std::io;

use super::{Holder, HolderSource, KernelHolder};
use crate::processes::{Processes, holds, walk};

/// What a search cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Folders `/proc/PID/fd` that were opened.
    pub(crate) folders: u64,
    /// Links in them that were read.
    pub(crate) links: u64,
}

/// One search for the holders of some sockets.
#[derive(Debug)]
pub(crate) struct Search<'a> {
    processes: &'a mut Processes,
    /// By inode.
    holders: HashMap<u64, Vec<Holder>>,
    /// How many sockets without a holder must still be found.
    open: usize,
    urgent: HashSet<u64>,
    walked: HashSet<u32>,
    /// Sockets whose holders the kernel told, by inode.
    told: HashSet<u64>,
    cost: Cost,
}

impl<'a> Search<'a> {
    /// A search for the holders of sockets by inode. It ends when the `urgent` ones are found; the
    /// others are noted on the way.
    pub(crate) fn new(
        processes: &'a mut Processes,
        urgent: impl IntoIterator<Item = u64>,
        others: impl IntoIterator<Item = u64>,
    ) -> Self {
        let urgent: HashSet<u64> = urgent.into_iter().collect();
        let all = urgent.iter().copied().chain(others);
        let holders = all.map(|inode| (inode, Vec::new())).collect();
        let open = urgent.len();
        Self {
            processes,
            holders,
            open,
            urgent,
            walked: HashSet::new(),
            told: HashSet::new(),
            cost: Cost::default(),
        }
    }

    /// Whether every urgent socket has a holder.
    pub(crate) fn is_done(&self) -> bool {
        self.open == 0
    }

    /// Walks processes, in that order, until every urgent socket is found.
    pub(crate) fn walk_until_done(&mut self, pids: &[u32]) {
        for pid in pids {
            if self.is_done() {
                break;
            }
            self.walk(*pid);
        }
    }

    /// Those of these processes that have opened or closed files since they were last asked.
    pub(crate) fn changed_files(&mut self, pids: &[u32]) -> Vec<u32> {
        self.processes.changed_files(pids)
    }

    /// Walks all of these processes.
    pub(crate) fn walk_all(&mut self, pids: &[u32]) {
        for pid in pids {
            self.walk(*pid);
        }
    }

    fn walk(&mut self, pid: u32) {
        let Some(process) = self.processes.get(pid).filter(|process| process.may_hold()) else {
            return;
        };
        if !self.walked.insert(pid) {
            return;
        }
        let start_ticks = process.start_ticks;
        self.cost.folders += 1;
        let (holders, open, urgent) = (&mut self.holders, &mut self.open, &self.urgent);
        let folder = self.processes.folder(pid);
        let end = walk(&folder, &mut self.cost.links, |inode, fd| {
            let Some(known) = holders.get_mut(&inode) else {
                return;
            };
            let holder = Holder {
                pid,
                start_ticks,
                fd,
            };
            *open -= usize::from(add(known, holder) && urgent.contains(&inode));
        });
        self.processes.note_walk(pid, end);
    }

    /// Notes the holders that the kernel lists in one pass over all files.
    ///
    /// # Errors
    /// The pass failed, and nothing of it is noted.
    pub(crate) fn ask(&mut self, source: &mut dyn HolderSource) -> io::Result<()> {
        let mut listed: Vec<KernelHolder> = Vec::new();
        source.holders(&mut |holder| {
            if self.holders.contains_key(&holder.inode) {
                listed.push(holder);
            }
        })?;
        // The lowest descriptor first, as a walk meets it.
        listed.sort_unstable_by_key(|it| (it.pid, it.fd));
        for of_process in listed.chunk_by(|one, other| one.pid == other.pid) {
            self.believe(of_process);
        }
        self.processes.note_all_walked();
        Ok(())
    }

    /// Notes what the kernel told of one process, if it holds the first of these sockets indeed: the
    /// pid may be another process's by now, or one of another pid namespace.
    fn believe(&mut self, listed: &[KernelHolder]) {
        let Some(first) = listed.first() else { return };
        let Some(process) = self.processes.get(first.pid) else {
            return;
        };
        let folder = self.processes.folder(first.pid);
        if holds(&folder, first.fd, first.inode) != Some(true) {
            return;
        }
        for it in listed {
            let Some(known) = self.holders.get_mut(&it.inode) else {
                continue;
            };
            let holder = Holder {
                pid: it.pid,
                start_ticks: process.start_ticks,
                fd: it.fd,
            };
            self.told.insert(it.inode);
            self.open -= usize::from(add(known, holder) && self.urgent.contains(&it.inode));
        }
    }

    /// Walks parents and children of the holders, and of those that turn out to be holders.
    pub(crate) fn walk_relatives(&mut self) {
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        for (pid, process) in self.processes.iter() {
            children.entry(process.parent).or_default().push(pid);
        }
        let mut visited: HashSet<u32> = HashSet::new();
        loop {
            let walked_for = self
                .holders
                .iter()
                .filter(|(it, _)| !self.told.contains(it));
            let holders: Vec<u32> = walked_for
                .flat_map(|(_, of_socket)| of_socket)
                .map(|it| it.pid)
                .collect();
            let fresh: Vec<u32> = holders
                .into_iter()
                .filter(|pid| visited.insert(*pid))
                .collect();
            if fresh.is_empty() {
                return;
            }
            for pid in fresh {
                let parent = self.processes.get(pid).map(|process| process.parent);
                self.walk_all(parent.as_slice());
                self.walk_all(children.get(&pid).map_or(&[], Vec::as_slice));
            }
        }
    }

    /// The holders by inode of the socket, and what finding them cost.
    pub(crate) fn finish(self) -> (HashMap<u64, Vec<Holder>>, Cost) {
        (self.holders, self.cost)
    }
}

/// Adds a holder, once a process: it may hold a socket by several descriptors. Tells whether it is
/// the first.
fn add(known: &mut Vec<Holder>, holder: Holder) -> bool {
    let first = known.is_empty();
    if known.iter().all(|it| it.pid != holder.pid) {
        known.push(holder);
    }
    first
}
