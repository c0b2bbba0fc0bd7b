//! Which network namespaces there are, and which of them is the host's own.
//!
//! The host's own is that of pid 1: an agent in a container that sees the host's processes then
//! still tells the host's ports from its own. Where pid 1 shows nothing, the collector's own is
//! taken for it.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::PathBuf;

use super::{Mounts, NsKey};
use crate::processes::{Processes, netns_of, tables_of};

/// One network namespace.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The processes in it, oldest first.
    pub(crate) members: Vec<u32>,
    /// The files it is mounted on, in the order of the mount table.
    pub(crate) mounts: Vec<PathBuf>,
}

/// The network namespaces at one moment.
#[derive(Debug)]
pub(crate) struct Namespaces {
    /// The host's.
    pub(crate) host: NsKey,
    /// That of the thread that looked.
    pub(crate) own: NsKey,
    /// All of them.
    pub(crate) found: BTreeMap<NsKey, Found>,
    /// By their tables: the same namespaces, where both are known.
    aliases: HashMap<NsKey, NsKey>,
}

impl Namespaces {
    /// Sorts processes and mounts by namespace.
    ///
    /// # Errors
    /// The collector's own namespace cannot be told: this is no process file system of Linux.
    pub(crate) fn find(processes: &Processes, mounts: &Mounts) -> io::Result<Self> {
        let folder = processes.root().join("thread-self");
        let own = netns_of(&folder).0.ok_or(io::ErrorKind::NotFound)?;
        let mut by_key: BTreeMap<NsKey, Vec<(u64, u32)>> = BTreeMap::from([(own, Vec::new())]);
        for (pid, process) in processes.iter() {
            if let Some(key) = process.netns {
                by_key
                    .entry(key)
                    .or_default()
                    .push((process.start_ticks, pid));
            }
        }
        let aliases = aliases(processes, own, &by_key);
        let mut namespaces = Self {
            host: own,
            own,
            found: BTreeMap::new(),
            aliases,
        };
        let mut members: BTreeMap<NsKey, Vec<(u64, u32)>> = BTreeMap::new();
        for (key, of_key) in by_key {
            members
                .entry(namespaces.resolve(key))
                .or_default()
                .extend(of_key);
        }
        for (key, mut of_key) in members {
            of_key.sort_unstable();
            let members = of_key.into_iter().map(|(_, pid)| pid).collect();
            namespaces.found.insert(
                key,
                Found {
                    members,
                    mounts: Vec::new(),
                },
            );
        }
        for mounted in &mounts.namespaces {
            let key = NsKey::Inode(mounted.inode);
            namespaces
                .found
                .entry(key)
                .or_default()
                .mounts
                .push(mounted.point.clone());
        }
        namespaces.host = namespaces.of_process(processes, 1).unwrap_or(own);
        Ok(namespaces)
    }

    /// The namespace of a process.
    pub(crate) fn of_process(&self, processes: &Processes, pid: u32) -> Option<NsKey> {
        processes.get(pid)?.netns.map(|key| self.resolve(key))
    }

    fn resolve(&self, key: NsKey) -> NsKey {
        self.aliases.get(&key).copied().unwrap_or(key)
    }
}

/// For each namespace with a known inode, its tables; read only where a process shows no more than
/// its tables, which for the privileged is none.
fn aliases(
    processes: &Processes,
    own: NsKey,
    by_key: &BTreeMap<NsKey, Vec<(u64, u32)>>,
) -> HashMap<NsKey, NsKey> {
    let mut aliases = HashMap::new();
    if !by_key.keys().any(|key| matches!(key, NsKey::Tables(_))) {
        return aliases;
    }
    aliases.extend(tables_of(&processes.root().join("thread-self")).map(|tables| (tables, own)));
    if by_key
        .keys()
        .all(|key| matches!(key, NsKey::Inode(_)) || aliases.contains_key(key))
    {
        return aliases;
    }
    for (key, members) in by_key
        .iter()
        .filter(|(key, _)| matches!(key, NsKey::Inode(_)))
    {
        let tables = members
            .iter()
            .find_map(|(_, pid)| tables_of(&processes.folder(*pid)));
        aliases.extend(tables.map(|tables| (tables, *key)));
    }
    aliases
}
