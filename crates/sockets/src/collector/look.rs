//! Finds the namespaces and looks into those that were asked for.

use std::collections::HashSet;
use std::io;
use std::time::{Duration, Instant};

use super::Collector;
use super::visits::Which;
use crate::ScanError;
use crate::clock::thread_cpu;
use crate::namespaces::{
    Found, MEMBERS_TRIED, Means, Namespaces, NsKey, Place, Seen, visit, visit_own,
};

/// How often the machine is looked at in one scan, at most.
const LOOKS_MAX: u32 = 2;

/// The namespaces, and what was seen in those that were looked into.
pub(super) struct Looked {
    pub(super) namespaces: Namespaces,
    pub(super) seen: Vec<(NsKey, Seen)>,
    /// CPU time of the threads that looked.
    pub(super) cpu: Duration,
    /// Dumps of looks that were not whole, and so were taken again.
    pub(super) dumps_discarded: u64,
}

impl Looked {
    fn dumps(&self) -> u64 {
        let listings = self.seen.iter().filter_map(|(_, seen)| match seen {
            Seen::Listed(listing) => Some(listing.effort.dumps),
            Seen::Refused(_) | Seen::Gone => None,
        });
        listings.sum()
    }
}

impl Collector {
    /// Looks into namespaces, and again where one went missing.
    ///
    /// A namespace is entered through a process in it. When that one ends in between, others may
    /// have started there since processes were listed; its open ports must not be shown as closed.
    pub(super) fn find_and_look(
        &mut self,
        which: Which<'_>,
        now: Instant,
    ) -> Result<Looked, ScanError> {
        let mut looked = self.look_once(which, now)?;
        for _ in 1..LOOKS_MAX {
            if !self.misses_any(&looked) {
                break;
            }
            let again = self.look_once(which, now)?;
            looked = Looked {
                cpu: looked.cpu + again.cpu,
                dumps_discarded: looked.dumps_discarded + looked.dumps(),
                ..again
            };
        }
        Ok(looked)
    }

    fn look_once(&mut self, which: Which<'_>, now: Instant) -> Result<Looked, ScanError> {
        self.processes
            .refresh(now)
            .map_err(|error| self.processes_unreadable(error))?;
        let mounts_changed = self.mounts.refresh(&self.options.proc_root);
        let namespaces = Namespaces::find(&self.processes, &self.mounts)
            .map_err(|error| self.processes_unreadable(error))?;
        let (names, processes) = (&self.names, &self.processes);
        self.visits
            .retain(|key| names.is_the_same(key, &namespaces, processes, mounts_changed));
        // At once, while those who tell the names still live.
        self.names
            .update(&namespaces, &mut self.processes, &self.boot_id);
        let (seen, cpu) = self.look(which, &namespaces, now)?;
        Ok(Looked {
            namespaces,
            seen,
            cpu,
            dumps_discarded: 0,
        })
    }

    /// Whether a namespace ended while it was looked for, or one with open ports is no longer
    /// there.
    fn misses_any(&self, looked: &Looked) -> bool {
        let there = &looked.namespaces.found;
        looked
            .seen
            .iter()
            .any(|(_, seen)| matches!(seen, Seen::Gone))
            || self.sockets.namespaces().any(|it| !there.contains_key(&it))
    }

    /// Looks into namespaces, those of others on a thread of its own; also tells that thread's CPU
    /// time.
    fn look(
        &self,
        which: Which<'_>,
        namespaces: &Namespaces,
        now: Instant,
    ) -> Result<(Vec<(NsKey, Seen)>, Duration), ScanError> {
        let found = namespaces.found.keys().copied();
        let own = namespaces.own;
        let mut chosen = self
            .visits
            .choose(which, found, [namespaces.host, own], now);
        let sockets = &self.sockets;
        let missing = |netns, transport, found: &[_]| sockets.is_missing(netns, transport, found);
        let means = Means {
            proc_root: &self.options.proc_root,
            netlink: self.options.netlink,
            missing: &missing,
        };
        let seen = chosen.remove(&own).then(|| (own, visit_own(own, means)));
        let mut seen: Vec<(NsKey, Seen)> = seen.into_iter().collect();
        if chosen.is_empty() {
            return Ok((seen, Duration::ZERO));
        }
        let places = self.places(&chosen, namespaces);
        let thread = |source| ScanError::Thread { source };
        let (of_others, cpu) = std::thread::scope(|scope| {
            let looking = std::thread::Builder::new()
                .name("portolan-netns".to_owned())
                .spawn_scoped(scope, || (visit(&places, means), thread_cpu()))
                .map_err(thread)?;
            looking
                .join()
                .map_err(|_| thread(io::Error::other("it panicked")))
        })?;
        seen.extend(of_others);
        Ok((seen, cpu))
    }

    /// The namespaces to enter, and the ways in.
    fn places(&self, chosen: &HashSet<NsKey>, namespaces: &Namespaces) -> Vec<Place> {
        let members = |found: &Found| {
            let pids = found.members.iter().take(MEMBERS_TRIED);
            pids.map(|pid| self.processes.folder(*pid)).collect()
        };
        let found = namespaces.found.iter();
        found
            .filter(|(key, _)| chosen.contains(key))
            .map(|(key, found)| Place {
                key: *key,
                members: members(found),
                mounts: found.mounts.clone(),
            })
            .collect()
    }
}
