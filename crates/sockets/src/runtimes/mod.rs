//! Names, images, pods and published ports of containers, from the files that their runtimes keep.
//!
//! Files and no sockets of the runtimes: asking a runtime needs its permission to do anything at
//! all, a client for each, and the runtime running; its records are there for whoever may read
//! them. docs/COLLECTOR.md has the table of what is told from which file.
//!
//! A name is part of the digest of a set, so one that comes and goes would be reported as a change
//! of owner each time. What always holds:
//! * Once a container has been named, it is for as long as it is asked for: a record that is gone,
//!   cannot be read or is damaged changes nothing. A name changes only for another one that the
//!   same record tells (a rename).
//! * Runtimes write their records before they start a container, so it is named from its first scan
//!   on. Where no record is found, it is looked for in each scan while the container is young
//!   ([`YOUNG_CONTAINER`]), then each [`RETRY_AFTER`]; it then changes once, from no name to one.
//! * Only ids of 64 hex digits, which are never used again, are looked for. Those of `ctr` and the
//!   like are the names that people gave.
//!
//! Limits: [`KNOWN_MAX`] containers; the rest has no names. [`LOOKS_MAX`] of them are looked for in
//! one scan. Every file has a longest length that is read.

mod bolt;
mod docker;
mod files;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod index;
mod kubelet;
mod libpod;
mod mappings;
mod oci;
mod podman;
mod port_files;
mod record;
mod roots;
mod sources;

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use portolan_wire::open_port::{OpenPort, Published};

use crate::cgroup::is_hex_id;
use crate::processes::Processes;
use mappings::Mappings;
use port_files::Read;
pub(crate) use record::Record;
use sources::{Sources, Told};

/// How long a container is looked at in each scan: what dockerd published stands in its record a
/// moment after the start.
const YOUNG_CONTAINER: Duration = Duration::from_secs(10);
/// How often a record is looked at that was found.
const LOOK_AFTER: Duration = Duration::from_secs(15);
/// How often one is looked for that was not.
const RETRY_AFTER: Duration = Duration::from_secs(30);
/// How often processes are asked where records may be, at most (about 8 us each).
const SEEK_AFTER: Duration = Duration::from_secs(1);
/// How long a container is remembered that has no open port.
const FORGET_AFTER: Duration = Duration::from_secs(600);
/// Most containers that are remembered.
const KNOWN_MAX: usize = 16_384;
/// Most containers that are looked for in one scan (about 10 us each).
const LOOKS_MAX: usize = 1_024;

/// What is known of one container.
#[derive(Debug)]
struct Known {
    told: Option<Told>,
    port_files: Read,
    /// What podman's database says, once it was read.
    libpod: Option<Mappings>,
    first_asked: Instant,
    asked: Instant,
    looked: Option<Instant>,
}

impl Known {
    fn new(now: Instant) -> Self {
        Self {
            told: None,
            port_files: Read::new(),
            libpod: None,
            first_asked: now,
            asked: now,
            looked: None,
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        let Some(looked) = self.looked else {
            return true;
        };
        let young = now.duration_since(self.first_asked) < YOUNG_CONTAINER;
        let pause = match (&self.told, self.port_files.is_empty()) {
            _ if young => Duration::ZERO,
            (None, true) => RETRY_AFTER,
            _ => LOOK_AFTER,
        };
        now.duration_since(looked) >= pause
    }

    fn look(&mut self, id: &str, sources: &Sources, now: Instant) {
        self.looked = Some(now);
        match &mut self.told {
            Some(told) => {
                if let Some(again) = sources.find_again(id, told) {
                    told.replace(again);
                }
            }
            None => self.told = sources.find(id),
        }
        if let (Some(told), None) = (&self.told, &self.libpod) {
            self.libpod = sources.libpod(id, told);
        }
        sources
            .port_files
            .look(&sources.files, id, &mut self.port_files);
    }
}

impl Told {
    /// Takes over what is told now. It still has a name if it had one.
    fn replace(&mut self, again: Self) {
        if again.record.name.is_some() || self.record.name.is_none() {
            *self = again;
        }
    }
}

/// The containers that were asked for, and their records.
#[derive(Debug)]
pub(crate) struct Runtimes {
    sources: Sources,
    known: HashMap<String, Known>,
    sought: Option<Instant>,
}

impl Runtimes {
    /// `host_root`: where the file system of the host is.
    pub(crate) fn new(host_root: PathBuf) -> Self {
        Self {
            sources: Sources::new(host_root),
            known: HashMap::new(),
            sought: None,
        }
    }

    /// Brings up to date what is known of the containers with these ids, and of the sandboxes of
    /// their pods.
    pub(crate) fn refresh(&mut self, ids: BTreeSet<&str>, processes: &mut Processes, now: Instant) {
        self.known.retain(|id, it| {
            ids.contains(id.as_str()) || now.duration_since(it.asked) < FORGET_AFTER
        });
        let sandboxes = |runtimes: &Self| -> BTreeSet<String> {
            let records = ids.iter().filter_map(|id| runtimes.get(id));
            records
                .filter_map(|record| record.sandbox.clone())
                .collect()
        };
        let mut is_fresh = false;
        self.look(&ids, &mut is_fresh, processes, now);
        let sandboxes = sandboxes(self);
        let sandboxes: BTreeSet<&str> = sandboxes.iter().map(String::as_str).collect();
        let sandboxes: BTreeSet<&str> = sandboxes.difference(&ids).copied().collect();
        self.look(&sandboxes, &mut is_fresh, processes, now);
    }

    fn look(
        &mut self,
        ids: &BTreeSet<&str>,
        is_fresh: &mut bool,
        processes: &mut Processes,
        now: Instant,
    ) {
        let due = self.due(ids, now);
        if due.is_empty() {
            return;
        }
        if !*is_fresh {
            self.sources.refresh();
            *is_fresh = true;
        }
        self.look_for(&due, now);
        let unknown: Vec<&str> = due
            .into_iter()
            .filter(|id| self.get(id).is_none())
            .collect();
        let rested = self
            .sought
            .is_none_or(|at| now.duration_since(at) >= SEEK_AFTER);
        if !unknown.is_empty() && rested {
            self.sought = Some(now);
            self.sources.seek_roots(processes);
            self.look_for(&unknown, now);
        }
    }

    fn due<'a>(&mut self, ids: &BTreeSet<&'a str>, now: Instant) -> Vec<&'a str> {
        let mut due = Vec::new();
        for id in ids.iter().filter(|id| is_hex_id(id)) {
            if !self.known.contains_key(*id) && self.known.len() >= KNOWN_MAX {
                continue;
            }
            let known = self
                .known
                .entry((*id).to_owned())
                .or_insert_with(|| Known::new(now));
            known.asked = now;
            if due.len() < LOOKS_MAX && known.is_due(now) {
                due.push(*id);
            }
        }
        due
    }

    fn look_for(&mut self, ids: &[&str], now: Instant) {
        for id in ids {
            if let Some(known) = self.known.get_mut(*id) {
                known.look(id, &self.sources, now);
            }
        }
    }

    /// What is told of a container.
    pub(crate) fn get(&self, id: &str) -> Option<&Record> {
        Some(&self.known.get(id)?.told.as_ref()?.record)
    }

    /// Adds to an open port what is told of its container, and where it is published. That stands in
    /// the records of the container whose network namespace it is, and of that one's pod.
    pub(crate) fn describe(&self, port: &mut OpenPort) {
        if let Some(record) = port.container_id.as_deref().and_then(|id| self.get(id)) {
            port.container_name.clone_from(&record.name);
            port.container_image.clone_from(&record.image);
            port.pod_name.clone_from(&record.pod_name);
            port.pod_namespace.clone_from(&record.pod_namespace);
        }
        let Some(owner) = port.netns.as_deref() else {
            return;
        };
        let mut published = Vec::new();
        let sandbox = self.get(owner).and_then(|record| record.sandbox.as_deref());
        for id in std::iter::once(owner).chain(sandbox) {
            self.add_published(id, port, &mut published);
        }
        mappings::settle(&mut published);
        port.published = published;
    }

    fn add_published(&self, id: &str, port: &OpenPort, published: &mut Vec<Published>) {
        let Some(known) = self.known.get(id) else {
            return;
        };
        let told = known.told.as_ref().map(|told| &told.record.published);
        for mappings in told.into_iter().chain(&known.libpod) {
            mappings.add_to(port, published);
        }
        for (_, mappings) in known.port_files.values() {
            mappings.add_to(port, published);
        }
    }
}

#[cfg(test)]
#[path = "runtimes_tests.rs"]
mod tests;
