//! Finds the holders of sockets, walking no more files than it must.
//!
//! Each process is walked at most once in a search, and tells of every wanted socket at once. The
//! search goes from the likely to the unlikely and ends when every socket has a holder; then it
//! looks at the relatives of the holders, as a server and its children share sockets.
//! Limits: once a holder is found, a stranger to whom the socket was passed is not sought; the
//! first search of a collector is thorough and finds it.

use std::collections::{HashMap, HashSet};

use super::Holder;
use crate::processes::{Processes, walk};

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
            // A process may hold a socket by several descriptors.
            if known.last().is_some_and(|last| last.pid == pid) {
                return;
            }
            *open -= usize::from(known.is_empty() && urgent.contains(&inode));
            known.push(Holder {
                pid,
                start_ticks,
                fd,
            });
        });
        self.processes.note_walk(pid, end);
    }

    /// Walks parents and children of the holders, and of those that turn out to be holders.
    pub(crate) fn walk_relatives(&mut self) {
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        for (pid, process) in self.processes.iter() {
            children.entry(process.parent).or_default().push(pid);
        }
        let mut visited: HashSet<u32> = HashSet::new();
        loop {
            let holders: Vec<u32> = self.holders.values().flatten().map(|it| it.pid).collect();
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
