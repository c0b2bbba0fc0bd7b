//! Goes into network namespaces, on a thread of its own; the caller's own is looked into on its own.
//!
//! The thread lives for one scan and then dies, so nobody ever has to find the way back. It opens
//! namespace and netlink socket anew each time (24 us of the 140 us that a look costs): a kept socket
//! would spare that, but it keeps the namespace and its devices alive after the container is gone.
//! Where entering is refused, the tables of a process in the namespace are read from outside.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::NsKey;
use super::list::{Listing, Means, Ports, ephemeral, list, list_from_outside};

/// How many processes of a namespace are tried as ways in, oldest first, before it counts as gone.
pub(crate) const MEMBERS_TRIED: usize = 8;

/// A namespace to look into, and the ways in.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) key: NsKey,
    /// The folders of [`MEMBERS_TRIED`] processes in it, oldest first.
    pub(crate) members: Vec<PathBuf>,
    /// Files it is mounted on.
    pub(crate) mounts: Vec<PathBuf>,
}

/// How a look into a namespace went.
#[derive(Debug)]
pub(crate) enum Seen {
    Listed(Listing),
    Refused(io::Error),
    /// It ceased to exist since it was found.
    Gone,
}

/// Looks into the namespace that this thread is in, where nothing is to be entered.
pub(crate) fn visit_own(key: NsKey, means: Means<'_>) -> Seen {
    list(key, means).map_or_else(Seen::Refused, Seen::Listed)
}

/// Looks into other namespaces. Must run on a thread that ends with it.
pub(crate) fn visit(places: &[Place], means: Means<'_>) -> Vec<(NsKey, Seen)> {
    // Told while this thread is still at home, for namespaces that it cannot enter.
    let home = ephemeral(means.proc_root);
    let look = |place: &Place| (place.key, look(place, means, &home));
    places.iter().map(look).collect()
}

fn look(place: &Place, means: Means<'_>, home: &Ports) -> Seen {
    let mut refusal = None;
    match enter(place, means.proc_root).and_then(|()| list(place.key, means)) {
        Ok(listing) => return Seen::Listed(listing),
        Err(error) => refusal = refusal.or(kept(error)),
    }
    for member in &place.members {
        match list_from_outside(&member.join("net"), home) {
            Ok(listing) => return Seen::Listed(listing),
            Err(error) => refusal = refusal.or(kept(error)),
        }
    }
    refusal.map_or(Seen::Gone, Seen::Refused)
}

/// An error that is told; that something is no longer there is none. `ESRCH` and `EINVAL` are what
/// the files of an ended process answer.
fn kept(error: io::Error) -> Option<io::Error> {
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    let gone =
        error.kind() == io::ErrorKind::NotFound || matches!(code, Some(Errno::SRCH | Errno::INVAL));
    (!gone).then_some(error)
}

/// Moves this thread into the place.
///
/// # Errors
/// `NotFound`: no way leads there any more. Otherwise the first refusal.
fn enter(place: &Place, proc_root: &Path) -> io::Result<()> {
    let links = place.members.iter().map(|member| member.join("ns/net"));
    // The mount table may be that of pid 1, whose files are then reached through its root.
    let mounts = place.mounts.iter().flat_map(|point| {
        let below = point.strip_prefix("/").unwrap_or(point);
        [point.clone(), proc_root.join("1/root").join(below)]
    });
    let mut refusal = None;
    for way in links.chain(mounts) {
        match enter_by(&way, place.key) {
            Ok(()) => return Ok(()),
            Err(error) => refusal = refusal.or(kept(error)),
        }
    }
    Err(refusal.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
}

fn enter_by(way: &Path, key: NsKey) -> io::Result<()> {
    let namespace = File::open(way)?;
    // A pid may be another process by now, and a mount may be covered by another one.
    if NsKey::Inode(namespace.metadata()?.ino()) != key {
        return Err(io::ErrorKind::NotFound.into());
    }
    let kind = Some(LinkNameSpaceType::Network);
    Ok(move_into_link_name_space(namespace.as_fd(), kind)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_no_refusal() {
        assert!(kept(io::ErrorKind::NotFound.into()).is_none());
        assert!(kept(Errno::SRCH.into()).is_none());
        assert!(kept(Errno::PERM.into()).is_some());
    }

    #[test]
    fn a_way_that_leads_to_another_namespace_is_not_taken() {
        let way = Path::new("/proc/self/ns/net");
        let error = enter_by(way, NsKey::Inode(1)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
