//! One scan from the list of processes to the list of open ports.
//!
//! The order matters: processes and mounts tell which namespaces there are, the kernel tells the
//! sockets in each, and only for sockets whose owner is not known yet are files walked.

mod assemble;
mod attribute;
mod containers;
mod known;
mod look;
mod unseen;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::cgroup::Tree;
use crate::clock::{BootClock, thread_cpu};
use crate::namespaces::{Listing, Mounts, Names, Namespaces, NsKey, Seen};
use crate::processes::Processes;
use crate::runtimes::Runtimes;
use crate::users::Users;
use crate::{Options, Scan, ScanError, Statistics};
use known::Sockets;
use look::Looked;
use unseen::{Hidden, Privilege};

/// Lists the open ports of this machine, again and again; what it keeps between two scans makes an
/// unchanged one cheap.
#[derive(Debug)]
pub struct Collector {
    options: Options,
    processes: Processes,
    mounts: Mounts,
    names: Names,
    sockets: Sockets,
    tree: Tree,
    users: Users,
    runtimes: Runtimes,
    clock: BootClock,
    boot_id: String,
    scans: u64,
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
            tree: Tree::default(),
            users: Users::new(options.passwd.clone()),
            runtimes: Runtimes::new(options.host_root.clone()),
            clock: BootClock::new(),
            boot_id: boot_id.unwrap_or_else(|_| "unknown".to_owned()),
            scans: 0,
            options,
        }
    }

    /// Looks at the machine once.
    ///
    /// Missing privilege is no error: the scan then holds what could be seen, and says what could
    /// not.
    ///
    /// # Errors
    /// [`ScanError`]: nothing can be told at all. What was known stays known.
    pub fn scan(&mut self) -> Result<Scan, ScanError> {
        let cpu_before = thread_cpu();
        let now = Instant::now();
        let reads_before = self.processes.reads;
        self.clock.refresh();
        self.users.refresh();
        let Looked {
            namespaces,
            seen,
            mut cpu,
            dumps_discarded,
        } = self.find_and_look(now)?;
        let mut statistics = Statistics {
            netlink_dumps: dumps_discarded,
            retries: dumps_discarded,
            ..Statistics::default()
        };
        let mut hidden = self.note(seen, &namespaces, now, &mut statistics)?;
        let (sockets, processes) = (&mut self.sockets, &mut self.processes);
        attribute::attribute(
            sockets,
            processes,
            &namespaces,
            self.scans == 0,
            now,
            &mut statistics,
        )
        .map_err(|error| self.processes_unreadable(error))?;
        let mut sockets = self.assemble(&namespaces, now);
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
        cpu += thread_cpu().saturating_sub(cpu_before);
        statistics.namespaces = hidden.namespaces;
        statistics.sockets = hidden.sockets;
        statistics.pids_looked_at = self.processes.reads - reads_before;
        statistics.cpu = cpu;
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
    ) -> Result<Hidden, ScanError> {
        let mut hidden = Hidden::default();
        self.sockets.begin();
        for (netns, seen) in seen {
            match seen {
                Seen::Listed(listing) => {
                    self.note_listing(netns, listing, now, &mut hidden, statistics);
                }
                Seen::Refused(source) if netns == namespaces.own => {
                    let tables = self.options.proc_root.join("thread-self/net");
                    return Err(ScanError::Sockets { tables, source });
                }
                Seen::Refused(error) => {
                    hidden.skipped += 1;
                    hidden.kept += self.sockets.keep(netns);
                    hidden.skipped_because = hidden.skipped_because.or(Some(error));
                }
                Seen::Gone => {}
            }
        }
        self.sockets.end();
        Ok(hidden)
    }

    fn note_listing(
        &mut self,
        netns: NsKey,
        mut listing: Listing,
        now: Instant,
        hidden: &mut Hidden,
        statistics: &mut Statistics,
    ) {
        hidden.namespaces += 1;
        hidden.by_tables += u64::from(!listing.entered);
        statistics.netlink_dumps += listing.effort.dumps;
        statistics.retries += listing.effort.retries;
        statistics.proc_net_fallbacks += listing.tables_read;
        let refused = listing.netlink_refused.take();
        hidden.netlink_refused = hidden.netlink_refused.take().or(refused);
        self.sockets.note(netns, listing, now);
    }

    fn processes_unreadable(&self, source: io::Error) -> ScanError {
        let path: PathBuf = Path::new(&self.options.proc_root).to_owned();
        ScanError::Processes { path, source }
    }
}
