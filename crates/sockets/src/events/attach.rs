//! Loads the programs and attaches them.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use aya::programs::cgroup_sock::CgroupSockLink;
use aya::programs::tp_btf::BtfTracePointLink;
use aya::programs::{BtfTracePoint, CgroupAttachMode, CgroupSock, Iter, Program, ProgramError};
use aya::{Btf, Ebpf, EbpfLoader, Endianness};

use super::error::{Step, WatchError};
use crate::namespaces::Mounts;

/// What `cargo xtask bpf` builds from `bpf/portolan.bpf.c`.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../bpf/portolan.bpf.o");

/// The program on all changes of TCP's states.
pub(super) const TCP_STATE: &str = "tcp_state";
/// The programs on binds, and the one on the ends of sockets.
pub(super) const UDP: [&str; 3] = ["udp_released", "udp_bound4", "udp_bound6"];
/// The program that runs when holders are asked for.
pub(super) const HOLDERS: &str = "holders";

/// The cgroup that all others are below: the inode of the hierarchy's root.
const ROOT_CGROUP: u64 = 1;

/// What keeps the programs attached: they run until it is dropped, whoever else has them loaded.
pub(super) struct Links {
    _cgroups: Vec<CgroupSockLink>,
    _states: BtfTracePointLink,
}

/// Loads everything with a ring of that many bytes, a power of two and whole pages, and attaches.
pub(super) fn attach(ring_bytes: u32) -> Result<(Ebpf, Links), WatchError> {
    let types = Btf::parse_file("/sys/kernel/btf/vmlinux", Endianness::default())
        .map_err(|error| WatchError::new(Step::Types, error))?;
    let mut ebpf = prepare(&types, ring_bytes)?;
    let cgroups = cgroup_root().map_err(|error| WatchError::new(Step::Cgroups, error))?;
    // Ends first: what opens while the programs are being attached then has its end told, too.
    let mut links = Vec::with_capacity(UDP.len());
    for name in UDP {
        links.push(attach_to_cgroups(
            name,
            program(&mut ebpf, name)?,
            &cgroups,
        )?);
    }
    let links = Links {
        _cgroups: links,
        _states: attach_to_states(program(&mut ebpf, TCP_STATE)?, &types)?,
    };
    let holders: &mut Iter = program(&mut ebpf, HOLDERS)?;
    holders
        .load("task_file", &types)
        .map_err(|error| WatchError::new(Step::Load(HOLDERS), error))?;
    Ok((ebpf, links))
}

fn prepare(types: &Btf, ring_bytes: u32) -> Result<Ebpf, WatchError> {
    let failed = |error| WatchError::new(Step::Prepare, error);
    let namespace = pid_namespace().map_err(failed)?;
    EbpfLoader::new()
        .btf(Some(types))
        .override_global("pid_namespace", &namespace, true)
        .map_max_entries("events", ring_bytes)
        .load(OBJECT)
        .map_err(|error| WatchError::new(Step::Prepare, error))
}

/// The inode of this process's process namespace.
fn pid_namespace() -> io::Result<u32> {
    let inode = std::fs::metadata("/proc/self/ns/pid")?.ino();
    u32::try_from(inode).map_err(io::Error::other)
}

fn attach_to_cgroups(
    name: &'static str,
    program: &mut CgroupSock,
    cgroups: &File,
) -> Result<CgroupSockLink, WatchError> {
    program
        .load()
        .map_err(|error| WatchError::new(Step::Load(name), error))?;
    // A link of a cgroup always allows others beside it, and refuses the flag that would say so.
    program
        .attach(cgroups, CgroupAttachMode::Single)
        .and_then(|id| program.take_link(id))
        .map_err(|error| WatchError::new(Step::Attach(name), error))
}

fn attach_to_states(
    program: &mut BtfTracePoint,
    types: &Btf,
) -> Result<BtfTracePointLink, WatchError> {
    program
        .load("inet_sock_set_state", types)
        .map_err(|error| WatchError::new(Step::Load(TCP_STATE), error))?;
    program
        .attach()
        .and_then(|id| program.take_link(id))
        .map_err(|error| WatchError::new(Step::Attach(TCP_STATE), error))
}

/// A program of the object, by its name and kind.
pub(super) fn program<'a, P>(
    ebpf: &'a mut Ebpf,
    name: &'static str,
) -> Result<&'a mut P, WatchError>
where
    &'a mut P: TryFrom<&'a mut Program, Error = ProgramError>,
{
    let found = ebpf.program_mut(name).ok_or(ProgramError::NotLoaded);
    found
        .and_then(TryFrom::try_from)
        .map_err(|error| WatchError::new(Step::Prepare, error))
}

/// Opens the folder that all cgroups are below. A container's own view of the hierarchy begins at
/// the container, and what is attached there sees nothing of the others.
fn cgroup_root() -> io::Result<File> {
    let mut mounts = Mounts::default();
    mounts.refresh(Path::new("/proc"));
    let point = mounts.cgroups.ok_or(io::ErrorKind::NotFound)?;
    // The mount table may be that of pid 1, whose files are then reached through its root.
    let below = point.strip_prefix("/").unwrap_or(&point);
    let ways: [PathBuf; 2] = [point.clone(), Path::new("/proc/1/root").join(below)];
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    for way in ways {
        match File::open(way).and_then(|folder| Ok((folder.metadata()?.ino(), folder))) {
            Ok((ROOT_CGROUP, folder)) => return Ok(folder),
            Ok(_) => {}
            Err(error) => failure = error,
        }
    }
    Err(failure)
}
