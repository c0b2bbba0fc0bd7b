//! Asks one kind of record after the other for a container.
//!
//! Holds: which record a container was found in decides for as long as it lives; another kind would
//! call it by another name.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{HostFiles, Look, Stamp};
use super::index::Index;
use super::mappings::Mappings;
use super::port_files::PortFiles;
use super::record::Record;
use super::roots::Roots;
use super::{docker, kubelet, libpod, oci, podman};
use crate::processes::Processes;

/// Most bytes of a record of one container; they have some kilobytes, with large environments more.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// Most bytes of a list of all containers, of about 700 bytes each.
const LIST_BYTES_MAX: u64 = 16 << 20;

/// A record and where it is from.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) record: Arc<Record>,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    /// A file of its own, by its path.
    File(PathBuf, Parse, Stamp),
    /// A list, by its path.
    List(PathBuf),
    /// The names of logs.
    Logs,
}

type Parse = fn(&[u8]) -> Option<Record>;

/// A list of containers as it was when last read.
#[derive(Debug, Default)]
struct List {
    stamp: Option<Stamp>,
    by_id: HashMap<String, Arc<Record>>,
}

/// All records of the host.
#[derive(Debug)]
pub(super) struct Sources {
    pub(super) files: HostFiles,
    pub(super) port_files: PortFiles,
    roots: Roots,
    lists: HashMap<PathBuf, List>,
    logs: Index,
}

impl Sources {
    pub(super) fn new(host_root: PathBuf) -> Self {
        let files = HostFiles::new(host_root);
        Self {
            roots: Roots::usual(&files),
            port_files: PortFiles::new(),
            lists: HashMap::new(),
            logs: Index::new(kubelet::LOGS),
            files,
        }
    }

    /// Brings up to date what is about many containers.
    pub(super) fn refresh(&mut self) {
        for path in self.roots.podman.iter().map(|it| podman::file(it)) {
            let list = self.lists.entry(path.clone()).or_default();
            // One that cannot be read, or is being written, stays as it was.
            if let Look::New(stamp, bytes) = self.files.read(&path, list.stamp, LIST_BYTES_MAX)
                && let Some(records) = podman::parse(&bytes)
            {
                let records = records.into_iter();
                list.by_id = records.map(|(id, it)| (id, Arc::new(it))).collect();
                list.stamp = Some(stamp);
            }
        }
        self.logs.refresh(&self.files);
        self.port_files.refresh(&self.files);
    }

    /// Looks for runtimes that keep their records elsewhere.
    pub(super) fn seek_roots(&mut self, processes: &mut Processes) {
        self.roots.seek(processes, &self.files);
        self.refresh();
    }

    /// The first record that names the container. `id` is an id of 64 hex digits.
    pub(super) fn find(&self, id: &str) -> Option<Told> {
        let Roots {
            docker,
            containerd,
            crio,
            ..
        } = &self.roots;
        let docker = docker
            .iter()
            .map(|root| (docker::file(root, id), docker::parse as Parse));
        let containerd = containerd.iter().map(|it| oci::containerd_file(it, id));
        let oci = containerd.chain(crio.iter().map(|it| oci::crio_file(it, id)));
        docker
            .chain(oci.map(|path| (path, oci::parse as Parse)))
            .find_map(|(path, parse)| self.read(path, parse))
            .or_else(|| self.listed(id))
            .or_else(|| self.logged(id))
    }

    /// The record again, if it has changed. One that is gone or damaged has not: its runtime may be
    /// taking it down, or writing it.
    pub(super) fn find_again(&self, id: &str, told: &Told) -> Option<Told> {
        match &told.source {
            Source::File(path, parse, stamp) => self.reread(path, *parse, Some(*stamp)),
            Source::List(path) => {
                let record = self.lists.get(path)?.by_id.get(id)?;
                Some(Told {
                    record: Arc::clone(record),
                    source: told.source.clone(),
                })
            }
            Source::Logs => None,
        }
    }

    /// What podman's database says of the ports of a container that is in podman's list.
    pub(super) fn libpod(&self, id: &str, told: &Told) -> Option<Mappings> {
        match &told.source {
            Source::List(path) => libpod::read(&self.files, path.parent()?, id),
            Source::File(..) | Source::Logs => None,
        }
    }

    fn read(&self, path: PathBuf, parse: Parse) -> Option<Told> {
        self.reread(&path, parse, None)
            .filter(|told| told.record.tells())
    }

    fn reread(&self, path: &Path, parse: Parse, known: Option<Stamp>) -> Option<Told> {
        match self.files.read(path, known, FILE_BYTES_MAX) {
            Look::New(stamp, bytes) => Some(Told {
                record: Arc::new(parse(&bytes)?),
                source: Source::File(path.to_owned(), parse, stamp),
            }),
            Look::Same | Look::Missing | Look::Unreadable => None,
        }
    }

    fn listed(&self, id: &str) -> Option<Told> {
        self.lists.iter().find_map(|(path, list)| {
            let record = list.by_id.get(id).filter(|record| record.tells())?;
            Some(Told {
                record: Arc::clone(record),
                source: Source::List(path.clone()),
            })
        })
    }

    fn logged(&self, id: &str) -> Option<Told> {
        let record = self
            .logs
            .names(id)
            .find_map(|name| kubelet::parse(name, id))?;
        Some(Told {
            record: Arc::new(record),
            source: Source::Logs,
        })
    }
}
