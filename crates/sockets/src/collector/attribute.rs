//! Gives sockets their owners, and finds out when an owner is one no longer.
//!
//! An owner may end, close the socket or hand it on while the socket lives on. Its end shows in the
//! list of processes at once; whether it still holds the socket is asked while the socket is young
//! and then from time to time, one socket after another.

use std::collections::HashSet;
use std::io;
use std::time::Instant;

use super::Collector;
use super::known::{Known, Sockets};
use crate::Statistics;
use crate::namespaces::{Namespaces, NsKey};
use crate::owners::{HolderSource, Search, choose};
use crate::processes::{Processes, RECHECK_AFTER, YOUNG, holds};

/// How many owners are verified in one scan, at most (about 4 us each).
const VERIFIED_MAX: usize = 64;

/// How many newcomers, and how many that have opened or closed files, are walked before the kernel is
/// asked for all holders: a pass over all files costs as much as walking some thousand.
const WALKED_FIRST_MAX: usize = 8;

impl Collector {
    /// Brings the owners up to date; in the first scan every process is looked at.
    ///
    /// # Errors
    /// The process file system cannot be listed.
    pub(super) fn attribute(
        &mut self,
        namespaces: &Namespaces,
        now: Instant,
        statistics: &mut Statistics,
    ) -> io::Result<()> {
        let source: Option<&mut dyn HolderSource> = match &mut self.holders.0 {
            Some(source) => Some(source.as_mut()),
            None => None,
        };
        attribute(
            &mut self.sockets,
            &mut self.processes,
            namespaces,
            source,
            self.scans == 0,
            now,
            statistics,
        )
    }
}

/// Brings the owners up to date. `thorough` looks at every process: for the first scan.
fn attribute(
    sockets: &mut Sockets,
    processes: &mut Processes,
    namespaces: &Namespaces,
    source: Option<&mut dyn HolderSource>,
    thorough: bool,
    now: Instant,
    statistics: &mut Statistics,
) -> io::Result<()> {
    statistics.owners_verified = verify(sockets, processes, now);
    let due: Vec<(NsKey, u64)> = sockets
        .iter()
        .filter(|(_, known)| known.is_due(now))
        .map(|(netns, known)| (netns, known.socket.inode))
        .collect();
    if due.is_empty() {
        return Ok(());
    }
    statistics.sockets_searched = due.len() as u64;
    // A holder may have started after the processes were listed and before the sockets were.
    processes.refresh(now)?;
    let candidates = Candidates::of(sockets, processes, namespaces, &due, now);
    let others = sockets.iter().filter(|(_, known)| is_unowned(known));
    let others: Vec<u64> = others.map(|(_, known)| known.socket.inode).collect();
    let mut search = Search::new(processes, due.iter().map(|(_, inode)| *inode), others);
    search.walk_all(&candidates.former);
    if thorough {
        // Before the walk: what is opened during it shows next time.
        search.changed_files(&candidates.all);
        if !source.is_some_and(|source| ask(&mut search, source, statistics)) {
            search.walk_all(&candidates.all);
        }
    } else {
        search_the_likely(&mut search, &candidates, source.is_some());
        if let Some(source) = source
            && !search.is_done()
        {
            ask(&mut search, source, statistics);
        }
    }
    search.walk_until_done(&candidates.unwalked);
    search.walk_until_done(&candidates.neighbours);
    search.walk_until_done(&candidates.all);
    search.walk_relatives();
    let (mut holders, cost) = search.finish();
    statistics.fd_dirs_walked = cost.folders;
    statistics.fds_read = cost.links;
    let parent = |pid: u32| {
        let above = processes.get(pid)?.parent;
        Some((above, processes.get(above)?.start_ticks))
    };
    for (_, known) in sockets.iter_mut().filter(|(_, known)| is_unowned(known)) {
        let found = holders
            .get_mut(&known.socket.inode)
            .map(std::mem::take)
            .unwrap_or_default();
        // What was not due and not met on the way keeps its place in the queue.
        if known.is_due(now) || !found.is_empty() {
            known.settle(choose(&found, parent), found, now);
        }
    }
    Ok(())
}

/// Walks newcomers, and processes that have opened or closed files. `few`: only where that is less
/// than a pass over all files.
fn search_the_likely(search: &mut Search<'_>, candidates: &Candidates, few: bool) {
    let walk = |search: &mut Search<'_>, pids: &[u32]| {
        if !few || pids.len() <= WALKED_FIRST_MAX {
            search.walk_until_done(pids);
        }
    };
    walk(search, &candidates.unwalked);
    if !search.is_done() {
        let changed = search.changed_files(&candidates.neighbours);
        walk(search, &changed);
    }
}

/// Asks the kernel for all holders. Returns whether it told them.
fn ask(
    search: &mut Search<'_>,
    source: &mut dyn HolderSource,
    statistics: &mut Statistics,
) -> bool {
    let told = search.ask(source).is_ok();
    statistics.holder_passes += u64::from(told);
    statistics.holder_passes_failed += u64::from(!told);
    told
}

fn is_unowned(known: &Known) -> bool {
    known.owner.is_none() && known.socket.inode != 0
}

/// Drops owners that ended or no longer hold their socket. Returns how many were asked.
fn verify(sockets: &mut Sockets, processes: &Processes, now: Instant) -> u64 {
    let mut asked = 0;
    for (_, known) in sockets.iter_mut() {
        let Some(owner) = known.owner else { continue };
        if !processes.is_same(owner.pid, owner.start_ticks) {
            known.lose_owner(now);
            continue;
        }
        let young = now.duration_since(known.first_seen) < YOUNG;
        let old = now.duration_since(known.verified) >= RECHECK_AFTER;
        if !(young || old) || asked >= VERIFIED_MAX {
            continue;
        }
        asked += 1;
        match holds(&processes.folder(owner.pid), owner.fd, known.socket.inode) {
            Some(false) => known.lose_owner(now),
            Some(true) | None => known.verified = now,
        }
    }
    asked as u64
}

/// The processes to walk, from the likely to the unlikely.
struct Candidates {
    /// Those that held a wanted socket when it was last searched for.
    former: Vec<u32>,
    /// Those that were never walked: newcomers.
    unwalked: Vec<u32>,
    /// Those in the namespaces of the wanted sockets, owners of other sockets first.
    neighbours: Vec<u32>,
    /// Everybody.
    all: Vec<u32>,
}

impl Candidates {
    fn of(
        sockets: &Sockets,
        processes: &Processes,
        namespaces: &Namespaces,
        due: &[(NsKey, u64)],
        now: Instant,
    ) -> Self {
        let wanted = sockets.iter().filter(|(_, known)| known.is_due(now));
        let former = wanted.flat_map(|(_, known)| &known.holders);
        let former = former.filter(|it| processes.is_same(it.pid, it.start_ticks));
        let former: HashSet<u32> = former.map(|it| it.pid).collect();

        // The youngest first: sockets mostly are opened early in a process's life.
        let mut all: Vec<u32> = processes.iter().map(|(pid, _)| pid).collect();
        let age = |pid: &u32| processes.get(*pid).map(|process| process.start_ticks);
        all.sort_unstable_by_key(|pid| std::cmp::Reverse((age(pid), *pid)));
        let is_new = |pid: &u32| processes.get(*pid).is_some_and(|process| !process.walked);
        let unwalked = all.iter().copied().filter(is_new).collect();

        let owners = sockets.iter().filter_map(|(_, known)| known.owner);
        let owners: HashSet<u32> = owners.map(|owner| owner.pid).collect();
        let places: HashSet<NsKey> = due.iter().map(|(netns, _)| *netns).collect();
        let is_near = |pid: &u32| {
            namespaces
                .of_process(processes, *pid)
                .is_some_and(|netns| places.contains(&netns))
        };
        let mut neighbours: Vec<u32> = all.iter().copied().filter(is_near).collect();
        neighbours.sort_by_key(|pid| !owners.contains(pid));
        Self {
            former: former.into_iter().collect(),
            unwalked,
            neighbours,
            all,
        }
    }
}

#[cfg(test)]
#[path = "attribute_tests.rs"]
mod tests;
