//! What a network namespace other than the host's is called.
//!
//! The container or sandbox that owns it, else its name under /run/netns, else
//! `netns:<inode>@<boot id, 8 characters>`. The owner is the container of the oldest process in it:
//! in a pod the sandbox, which starts first; with `--network container:NAME` that container.
//! Holds: a name is part of the identity of every port in the namespace, so it changes only for a
//! better kind (a namespace made before its container), or when its container now fills another
//! one, never because its first process ended; no two namespaces have one name at a time; and a
//! namespace does not inherit the name of the one whose inode it got.

use std::collections::{HashMap, VecDeque};
use std::path::Path;

use portolan_wire::caps::NETNS_CHARS_MAX;

use super::witnesses::Witnesses;
use super::{Found, Namespaces, NsKey};
use crate::cgroup::Placement;
use crate::processes::Processes;

/// Of how many processes of a namespace the cgroups are read, oldest first.
const MEMBERS_MAX: usize = 64;

/// How good a name is; later is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Inode,
    Mount,
    Container,
}

/// A namespace's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    kind: Kind,
    /// At most [`NETNS_CHARS_MAX`] characters.
    pub(crate) text: String,
    /// The container whose processes fill it.
    pub(crate) container: Option<String>,
    /// Who was in it when it last was looked at.
    witnesses: Witnesses,
}

/// The names of the namespaces that exist.
#[derive(Debug, Default)]
pub(crate) struct Names {
    by_key: HashMap<NsKey, Name>,
}

impl Names {
    /// The name of a namespace; the host's has none.
    pub(crate) fn get(&self, key: NsKey) -> Option<&Name> {
        self.by_key.get(&key)
    }

    /// What a namespace is called; the host's is called nothing.
    pub(crate) fn text(&self, key: NsKey) -> Option<&str> {
        self.get(key).map(|name| name.text.as_str())
    }

    /// Whether the namespace surely is the one that it was at the last update. The host's is. A
    /// mount proves it only while no mount has changed: another one may be at that place.
    pub(crate) fn is_the_same(
        &self,
        key: NsKey,
        namespaces: &Namespaces,
        processes: &Processes,
        mounts_changed: bool,
    ) -> bool {
        let Some(here) = namespaces.found.get(&key) else {
            return false;
        };
        key == namespaces.host
            || self.get(key).is_some_and(|name| {
                name.witnesses.has_stayed(key, namespaces, processes)
                    || !mounts_changed && name.witnesses.is_mounted(here)
            })
    }

    /// Names newcomers, improves names, forgets what is gone.
    pub(crate) fn update(
        &mut self,
        namespaces: &Namespaces,
        processes: &mut Processes,
        boot_id: &str,
    ) {
        let Namespaces { found, host, .. } = namespaces;
        self.by_key.retain(|key, name| {
            let here = found.get(key).filter(|_| key != host);
            here.is_some_and(|here| name.lasts(*key, here, namespaces, processes))
        });
        let mut waiting: Vec<NsKey> = found.keys().copied().filter(|key| key != host).collect();
        waiting.retain(|key| {
            self.get(*key)
                .is_none_or(|name| name.kind < Kind::Container)
        });
        // A container's sandboxed child may have a namespace of its own: the older one is first.
        waiting.sort_by_key(|key| found.get(key).map(|it| oldest(it, processes)));
        let mut waiting = VecDeque::from(waiting);
        while let Some(key) = waiting.pop_front() {
            let Some(here) = found.get(&key) else {
                continue;
            };
            let container = container_of(here, processes);
            if let Some(id) = &container
                && let Some(left) = self.left_by(id, namespaces, processes)
            {
                self.by_key.remove(&left);
                waiting.push_back(left);
            }
            self.improve(key, here, container, boot_id);
        }
        for (key, name) in &mut self.by_key {
            if let Some(here) = found.get(key) {
                name.witnesses = Witnesses::of(here, processes);
            }
        }
    }

    /// The namespace that is called by a container which is no longer in it: a container that was
    /// started again is in a new one, while another container may have stayed in the old one.
    fn left_by(
        &self,
        id: &str,
        namespaces: &Namespaces,
        processes: &mut Processes,
    ) -> Option<NsKey> {
        let (key, _) = self.by_key.iter().find(|(_, name)| name.text == id)?;
        let here = namespaces.found.get(key)?;
        // One that ended since it was listed is no longer in it.
        let stayed = here.members.iter().take(MEMBERS_MAX).any(|pid| {
            let is_of = |it: &Placement| it.container.as_deref() == Some(id);
            processes.runs(*pid) && processes.placement(*pid).is_some_and(|it| is_of(&it))
        });
        (!stayed).then_some(*key)
    }

    fn improve(&mut self, key: NsKey, here: &Found, container: Option<String>, boot_id: &str) {
        let best = match (&container, here.mounts.is_empty()) {
            (Some(_), _) => Kind::Container,
            (None, false) => Kind::Mount,
            (None, true) => Kind::Inode,
        };
        if self.get(key).is_some_and(|known| known.kind >= best) {
            return;
        }
        let taken = |text: &str| {
            self.by_key
                .iter()
                .any(|(of, it)| *of != key && it.text == text)
        };
        let name = choose(key, here, container, boot_id, taken);
        match self.by_key.get_mut(&key) {
            Some(known) if known.kind >= name.kind => known.container = name.container,
            _ => {
                self.by_key.insert(key, name);
            }
        }
    }
}

impl Name {
    /// Whether it still is the name of the namespace with that key.
    fn lasts(
        &self,
        key: NsKey,
        here: &Found,
        namespaces: &Namespaces,
        processes: &mut Processes,
    ) -> bool {
        if self.witnesses.has_stayed(key, namespaces, processes) {
            return true;
        }
        // Its container may have ended before its mount was taken down.
        let container = container_of(here, processes);
        self.witnesses.is_mounted(here) && (container.is_none() || container == self.container)
    }
}

fn oldest(found: &Found, processes: &Processes) -> u64 {
    let first = found.members.first().and_then(|pid| processes.get(*pid));
    first.map_or(u64::MAX, |process| process.start_ticks)
}

/// The containers of the processes of a namespace, that of the oldest first.
fn containers(found: &Found, processes: &mut Processes) -> impl Iterator<Item = String> {
    let members = found.members.iter().take(MEMBERS_MAX);
    members.filter_map(|pid| processes.placement(*pid)?.container.clone())
}

fn container_of(found: &Found, processes: &mut Processes) -> Option<String> {
    containers(found, processes).next()
}

fn choose(
    key: NsKey,
    found: &Found,
    container: Option<String>,
    boot_id: &str,
    taken: impl Fn(&str) -> bool,
) -> Name {
    let by_container = container.clone().map(|text| (Kind::Container, text));
    let mounts = found.mounts.iter().rev();
    let by_mount = mounts
        .filter_map(|point| name_of_mount(point))
        .map(|text| (Kind::Mount, text));
    let mut named = by_container.into_iter().chain(by_mount);
    let (kind, text) = named
        .find(|(_, text)| !taken(text))
        .unwrap_or_else(|| (Kind::Inode, name_of_inode(key, boot_id)));
    Name {
        kind,
        text,
        container,
        witnesses: Witnesses::default(),
    }
}

/// Inodes are used again after a restart, so the boot id is part of the name.
pub(crate) fn name_of_inode(key: NsKey, boot_id: &str) -> String {
    let boot: String = boot_id.chars().take(8).collect();
    match key {
        NsKey::Inode(inode) => format!("netns:{inode}@{boot}"),
        // Another number space: without the right to see the inode the name differs, too.
        NsKey::Tables(inode) => format!("netns:tables-{inode}@{boot}"),
    }
}

/// The name under /run/netns, where people and CNI plug-ins give names.
fn name_of_mount(point: &Path) -> Option<String> {
    let in_run = ["/run/netns", "/var/run/netns"]
        .iter()
        .any(|run| point.parent() == Some(Path::new(run)));
    let name = point.file_name()?.to_str()?;
    let sound = name.chars().count() <= NETNS_CHARS_MAX && !name.contains(char::is_control);
    (in_run && sound).then(|| name.to_owned())
}

#[cfg(test)]
#[path = "names_tests.rs"]
mod tests;
