//! The network namespaces of this machine: which there are, what they are called, and how to look
//! into them.
//!
//! A namespace is found through a process in it ([`crate::processes`]) or through a mount that
//! keeps it ([`mounts`]). One thread of its own enters them all ([`mod@visit`]): setns moves a thread,
//! and a thread that came back late would leave the caller in a stranger's namespace.
//! Limits: without the right to see which namespace a process is in, one that is also mounted is
//! found twice: listed through the process, and counted as skipped by its mount.

mod find;
mod list;
mod mounts;
mod names;
mod visit;
mod witnesses;

pub(crate) use find::{Found, Namespaces};
pub(crate) use list::{Listing, Means, Ports, is_candidate};
pub(crate) use mounts::Mounts;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use mounts::parse as parse_mounts;
pub(crate) use names::{Names, name_of_inode};
pub(crate) use visit::{MEMBERS_TRIED, Place, Seen, visit, visit_own};

/// What tells one network namespace from another while both exist. Afterwards it is given to
/// another one; see [`witnesses`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum NsKey {
    /// The inode of the namespace in nsfs, which `readlink /proc/PID/ns/net` tells.
    Inode(u64),
    /// The inode of its `/proc/PID/net/tcp`: also one a namespace, and readable without the right
    /// to look into the process.
    Tables(u64),
}
