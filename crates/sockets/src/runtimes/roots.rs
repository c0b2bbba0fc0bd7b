//! Where the runtimes of this host keep their records.
//!
//! The usual folders, and those that running processes of the runtimes tell: dockerd by
//! `--data-root` or its configuration, containerd's shims by the folder they are in and by the root
//! of a container of docker, conmon by the bundle it was given. Shims and conmon outlive the
//! runtime's server, so a runtime that is being restarted is found, too.
//! Holds: only processes of root that are in no container are believed; what a process in a
//! container is called is its own choice. The usual folders come first.
//! Limits: [`FOLDERS_MAX`] folders of each kind. Runtimes of ordinary users are not known.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::files::{HostFiles, Look};
use super::{docker, oci, podman};
use crate::processes::{Arguments, Processes};

/// Most folders of one kind.
const FOLDERS_MAX: usize = 16;
/// Most bytes of dockerd's configuration.
const CONFIG_BYTES_MAX: u64 = 1 << 20;
/// Most bytes of a bundle's `config.json`.
const BUNDLE_BYTES_MAX: u64 = 4 << 20;
/// How far above the root of a container its data root may be: `<data root>/overlay2/<id>/merged`.
const ABOVE_MAX: usize = 4;
/// docker's namespace of containerd.
const DOCKERS: &str = "moby";
const DOCKER_CONFIG: &str = "/etc/docker/daemon.json";

/// The folders, in the order in which they are asked.
#[derive(Debug)]
pub(super) struct Roots {
    /// Data roots of dockerd.
    pub(super) docker: Vec<PathBuf>,
    /// Bundles of one namespace of a containerd.
    pub(super) containerd: Vec<PathBuf>,
    /// Bundles of CRI-O.
    pub(super) crio: Vec<PathBuf>,
    /// Containers of podman.
    pub(super) podman: Vec<PathBuf>,
}

impl Roots {
    /// The usual ones.
    pub(super) fn usual(files: &HostFiles) -> Self {
        let mut roots = Self {
            docker: vec![docker::DATA_ROOT.into()],
            containerd: oci::CONTAINERD.map(PathBuf::from).to_vec(),
            crio: vec![oci::CRIO.into()],
            podman: vec![podman::CONTAINERS.into()],
        };
        add(&mut roots.docker, data_root_of(files, DOCKER_CONFIG));
        roots
    }

    /// Asks the processes.
    pub(super) fn seek(&mut self, processes: &mut Processes, files: &HostFiles) {
        let pids: Vec<u32> = processes
            .iter()
            .filter(|(_, process)| process.may_hold())
            .map(|(pid, _)| pid)
            .collect();
        for pid in pids {
            let folder = processes.folder(pid);
            let name = std::fs::read(folder.join("comm")).unwrap_or_default();
            let name = name.strip_suffix(b"\n").unwrap_or(&name);
            if is_runtime(name) && is_believed(pid, &folder, processes) {
                self.add(name, &folder, files);
            }
        }
    }

    fn add(&mut self, name: &[u8], folder: &Path, files: &HostFiles) {
        match name {
            b"dockerd" => {
                let told = Arguments::read(folder);
                let given = told.option("--data-root").or(told.option("--graph"));
                let config = told.option("--config-file").unwrap_or(DOCKER_CONFIG);
                let root = given.map(PathBuf::from);
                add(
                    &mut self.docker,
                    root.or_else(|| data_root_of(files, config)),
                );
            }
            b"conmon" => {
                let told = Arguments::read(folder);
                // <containers>/<id>/userdata
                let bundle = told.option("-b").or(told.option("--bundle"));
                let containers = bundle.map(Path::new).and_then(|it| it.parent()?.parent());
                add(&mut self.crio, containers.map(Path::to_owned));
                add(&mut self.podman, containers.map(Path::to_owned));
            }
            // A shim's folder is the bundle of its first container.
            _ => {
                if let Ok(bundle) = std::fs::read_link(folder.join("cwd")) {
                    self.add_bundle(&bundle, files);
                }
            }
        }
    }

    fn add_bundle(&mut self, bundle: &Path, files: &HostFiles) {
        let Some(bundles) = bundle.parent().map(Path::to_owned) else {
            return;
        };
        if self.containerd.contains(&bundles) {
            return;
        }
        if bundles.ends_with(DOCKERS) {
            add(&mut self.docker, data_root_of_bundle(files, bundle));
        }
        add(&mut self.containerd, Some(bundles));
    }
}

/// A dockerd that is down is known by where its containers have their root: the folder above that
/// has the records of containers in it.
fn data_root_of_bundle(files: &HostFiles, bundle: &Path) -> Option<PathBuf> {
    let config = bundle.join("config.json");
    let Look::New(_, bytes) = files.read(&config, None, BUNDLE_BYTES_MAX) else {
        return None;
    };
    let root = serde_json::from_slice::<Bundle>(&bytes).ok()?.root.path;
    let mut above = root.ancestors().skip(1).take(ABOVE_MAX);
    let found = above.find(|it| files.has_folder(&it.join("containers")))?;
    Some(found.to_owned())
}

#[derive(Deserialize)]
struct Bundle {
    root: Root,
}

#[derive(Deserialize)]
struct Root {
    path: PathBuf,
}

/// The kernel cuts names at 15 bytes: this is `containerd-shim-runc-v2`.
fn is_runtime(name: &[u8]) -> bool {
    matches!(name, b"dockerd" | b"conmon" | b"containerd-shim")
}

fn is_believed(pid: u32, folder: &Path, processes: &mut Processes) -> bool {
    // The folder's owner is root also where a process of somebody else hides from its user.
    let status = std::fs::read_to_string(folder.join("status")).unwrap_or_default();
    let mut uids = status.lines().filter_map(|line| line.strip_prefix("Uid:"));
    let of_root = uids
        .next()
        .is_some_and(|it| it.split_whitespace().all(|uid| uid == "0"));
    // conmon may be in a cgroup beside or below its container's, which counts as none.
    of_root
        && processes
            .placement(pid)
            .is_some_and(|it| it.container.is_none())
}

fn add(folders: &mut Vec<PathBuf>, folder: Option<PathBuf>) {
    let new =
        folder.filter(|it| it.is_absolute() && it.parent().is_some() && !folders.contains(it));
    if folders.len() < FOLDERS_MAX {
        folders.extend(new);
    }
}

#[derive(Deserialize)]
struct DockerConfig {
    #[serde(rename = "data-root", alias = "graph")]
    data_root: Option<PathBuf>,
}

fn data_root_of(files: &HostFiles, config: &str) -> Option<PathBuf> {
    match files.read(Path::new(config), None, CONFIG_BYTES_MAX) {
        Look::New(_, bytes) => {
            serde_json::from_slice::<DockerConfig>(&bytes)
                .ok()?
                .data_root
        }
        Look::Same | Look::Missing | Look::Unreadable => None,
    }
}

#[cfg(test)]
#[path = "roots_tests.rs"]
mod tests;
