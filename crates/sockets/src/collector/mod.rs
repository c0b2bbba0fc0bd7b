//! One scan from the list of processes to the list of open ports.
//!
//! The order matters: processes and mounts tell which namespaces there are, the kernel tells the
//! sockets in each, and only for sockets whose owner is not known yet are files walked.

mod assemble;
mod attribute;
mod containers;
mod knowledge;
mod known;
mod look;
mod share;
mod unseen;
mod visits;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::cgroup::Tree;
use crate::clock::{BootClock, thread_cpu};
use crate::namespaces::{Mounts, Names, Namespaces, NsKey, Seen};
use crate::owners::HolderSource;
use crate::processes::Processes;
use crate::runtimes::Runtimes;
use crate::users::Users;
use crate::{Options, Scan, ScanError, Statistics};
pub use knowledge::Namespace;
use known::Sockets;
use look::Looked;
use share::Share;
use unseen::Privilege;
use visits::{Visits, Which};

/// Lists the open ports of this machine, again and again; what it keeps between two scans makes an
/// unchanged one cheap.
#[derive(Debug)]
pub struct Collector {
    options: Options,
    processes: Processes,
    mounts: Mounts,
    names: Names,
    sockets: Sockets,
    visits: Visits,
    share: Share,
    holders: Holders,
    tree: Tree,
    users: Users,
    runtimes: Runtimes,
    clock: BootClock,
    boot_id: String,
    scans: u64,
    /// The host's namespace, once found.
    host: Option<NsKey>,
}

impl Collector {
    /// A collector that has seen nothing yet.
    pub fn new(options: Options) -> Self {
        let boot_id = std::fs::read_to_string(options.proc_root.join("sys/kernel/random/boot_id"));
        Self {
            processes: Processes::new(options.proc_root.clone()),
            mounts: Mounts::default(),
            names: Names::default(),
            sockets: Sockets::default(),
            visits: Visits::default(),
            share: Share::default(),
            holders: Holders::default(),
            tree: Tree::default(),
            users: Users::new(options.passwd.clone()),
            runtimes: Runtimes::new(options.host_root.clone()),
            clock: BootClock::new(),
            boot_id: boot_id.unwrap_or_else(|_| "unknown".to_owned()),
            scans: 0,
            host: None,
            options,
        }
    }

    /// Asks `source` who holds a socket before all files are walked; what it does not tell is walked
    /// for as without it. A source that fails is asked again in the next search.
    pub fn set_holders(&mut self, source: Box<dyn HolderSource>) {
        self.holders.0 = Some(source);
    }

    /// Looks at the machine once, and into every network namespace.
    ///
    /// Missing privilege is no error: the scan then holds what could be seen, and says what could
    /// not.
    ///
    /// # Errors
    /// [`ScanError`]: nothing can be told at all. What was known stays known.
    pub fn scan(&mut self) -> Result<Scan, ScanError> {
        self.scan_of(Which::All)
    }

    /// The same, but of the namespaces that are known only those with these inodes are looked into;
    /// the open ports of the others are told as they were at their last look.
    ///
    /// A namespace that is new, or may have become another one with the same inode, is looked into
    /// as well. Owners are brought up to date in all of them.
    ///
    /// # Errors
    /// As [`scan`](Self::scan).
    pub fn look_into(&mut self, netns: &BTreeSet<u64>) -> Result<Scan, ScanError> {
        self.scan_of(Which::These(netns))
    }

    /// The same, but beside the host's namespace and the collector's own only as many of the known
    /// ones are looked into as `cpu` is enough for, by what the last looks cost: those whose last
    /// look is the longest ago, at least one, and each whose last look is 30 s ago.
    ///
    /// So with N others each has its turn within N calls and within 30 s; see
    /// [`oldest_look`](Statistics::oldest_look). It is an aim and no limit: what is new, and owners
    /// to be sought, may cost more.
    ///
    /// # Errors
    /// As [`scan`](Self::scan).
    pub fn scan_within(&mut self, cpu: Duration) -> Result<Scan, ScanError> {
        self.scan_of(Which::Turn(self.share.others_max(cpu)))
    }

    fn scan_of(&mut self, which: Which<'_>) -> Result<Scan, ScanError> {
        let cpu_before = thread_cpu();
        let now = Instant::now();
        let reads_before = self.processes.reads;
        self.clock.refresh();
        self.users.refresh();
        let Looked {
            namespaces,
            seen,
            cpu: cpu_of_others,
            dumps_discarded,
        } = self.find_and_look(which, now)?;
        let others = seen.iter().filter(|(netns, _)| *netns != namespaces.own);
        let others = u32::try_from(others.count()).unwrap_or(u32::MAX);
        let mut statistics = Statistics {
            netlink_dumps: dumps_discarded,
            retries: dumps_discarded,
            ..Statistics::default()
        };
        self.host = Some(namespaces.host);
        self.note(seen, &namespaces, now, &mut statistics)?;
        self.attribute(&namespaces, now, &mut statistics)
            .map_err(|error| self.processes_unreadable(error))?;
        let mut sockets = self.assemble(&namespaces, now);
        let mut hidden = self.visits.hidden(&self.sockets);
        hidden.containers_unnamed = self.describe_containers(&mut sockets, now);
        hidden.sockets = sockets.len() as u64;
        hidden.unattributed = sockets.iter().filter(|it| it.port.pid.is_none()).count() as u64;
        hidden.processes_refused = self
            .processes
            .iter()
            .filter(|(_, process)| process.refused)
            .count() as u64;
        let privilege = Privilege::now(&self.options.proc_root);
        self.scans += 1;
        let cpu = thread_cpu().saturating_sub(cpu_before);
        let sought = statistics.sockets_searched > 0;
        self.share.note(others, cpu_of_others, cpu, sought);
        statistics.oldest_look = self.visits.oldest(now);
        statistics.sockets = hidden.sockets;
        statistics.pids_looked_at = self.processes.reads - reads_before;
        statistics.cpu = cpu + cpu_of_others;
        Ok(Scan {
            sockets,
            coverage: hidden.coverage(privilege),
            unseen: hidden.sentences(privilege),
            statistics,
        })
    }

    /// Notes what was found in each namespace.
    fn note(
        &mut self,
        seen: Vec<(NsKey, Seen)>,
        namespaces: &Namespaces,
        now: Instant,
        statistics: &mut Statistics,
    ) -> Result<(), ScanError> {
        for (netns, seen) in seen {
            match seen {
                Seen::Listed(listing) => {
                    statistics.namespaces += 1;
                    statistics.netlink_dumps += listing.effort.dumps;
                    statistics.retries += listing.effort.retries;
                    statistics.proc_net_fallbacks += listing.tables_read;
                    self.visits.note_listing(netns, &listing, now);
                    for owner in self.sockets.note(netns, listing, now) {
                        self.processes.forget_files(owner.pid);
                    }
                }
                Seen::Refused(source) if netns == namespaces.own => {
                    let tables = self.options.proc_root.join("thread-self/net");
                    return Err(ScanError::Sockets { tables, source });
                }
                Seen::Refused(error) => self.visits.note_refusal(netns, &error, now),
                Seen::Gone => {
                    self.visits.retain(|it| it != netns);
                    self.sockets.retain(|it| it != netns);
                }
            }
        }
        self.sockets
            .retain(|netns| namespaces.found.contains_key(&netns));
        Ok(())
    }

    fn processes_unreadable(&self, source: io::Error) -> ScanError {
        let path: PathBuf = Path::new(&self.options.proc_root).to_owned();
        ScanError::Processes { path, source }
    }
}

/// What is asked for holders before files are walked, if anything.
#[derive(Default)]
pub(super) struct Holders(Option<Box<dyn HolderSource>>);

impl std::fmt::Debug for Holders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Holders").field(&self.0.is_some()).finish()
    }
}
