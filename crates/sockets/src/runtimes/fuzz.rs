//! The parsers of the runtimes' files: see [`crate::fuzz`].

use std::fs::File;
use std::io::Write;

use rustix::fs::{MemfdFlags, memfd_create};

use super::{bolt, docker, kubelet, libpod, oci, podman, port_files};
use crate::fuzz::Target;

pub(crate) const TARGETS: &[Target] = &[
    ("docker", |bytes| _ = docker::parse(bytes)),
    ("podman", |bytes| _ = podman::parse(bytes)),
    ("libpod", |bytes| _ = libpod::parse(bytes)),
    ("oci", |bytes| _ = oci::parse(bytes)),
    ("port_files", |bytes| _ = port_files::parse(bytes)),
    ("kubelet", |bytes| {
        _ = kubelet::parse(&String::from_utf8_lossy(bytes), "a1");
    }),
    ("bolt", database),
];

fn database(bytes: &[u8]) {
    let file = memfd_create("bolt", MemfdFlags::CLOEXEC).map(File::from);
    if let Ok(mut file) = file
        && file.write_all(bytes).is_ok()
    {
        _ = bolt::get(&file, &["ctr", "a1"], "config");
    }
}
