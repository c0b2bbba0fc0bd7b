//! The walk over `/proc/PID/fd`: which sockets a process holds.
//!
//! This is what a full collection spends its time on (5 us a file, 99 % of all), so it is done only
//! for sockets whose owner is not known, and counted.

use std::mem::MaybeUninit;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, RawDir, openat, readlinkat_raw};
use rustix::io::Errno;

/// Bytes that hold every `socket:[INODE]`; longer links are cut and are no sockets.
const LINK_BYTES: usize = 32;

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Walk {
    /// All of it was read.
    Whole,
    /// The kernel refused it.
    Refused,
    /// The process is gone.
    Gone,
}

/// Hands each socket that the process holds to `each`, as inode and file descriptor. `folder` is
/// the process's; `links` counts the links that were read.
pub(crate) fn walk(folder: &Path, links: &mut u64, mut each: impl FnMut(u64, u32)) -> Walk {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let files = match openat(CWD, folder.join("fd"), flags, Mode::empty()) {
        Ok(files) => files,
        Err(error) => return ending(error),
    };
    let mut buffer = [const { MaybeUninit::uninit() }; 8 << 10];
    let mut entries = RawDir::new(&files, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => return ending(error),
        };
        let Some(fd) = number(entry.file_name().to_bytes()) else {
            continue;
        };
        let mut link = [MaybeUninit::uninit(); LINK_BYTES];
        *links += 1;
        match readlinkat_raw(&files, entry.file_name(), &mut link) {
            Ok((link, _)) => {
                if let Some(inode) = socket_inode(link) {
                    each(inode, fd);
                }
            }
            // Closed since it was listed.
            Err(Errno::NOENT) => {}
            // All links of a process are refused alike: the rest would be asked for in vain.
            Err(error) => return ending(error),
        }
    }
    Walk::Whole
}

/// How many files a process has open, without looking at them: the size of the folder, which the
/// kernel tells since 6.2 and calls 0 before.
pub(crate) fn count(folder: &Path) -> Option<u64> {
    let files = std::fs::metadata(folder.join("fd")).ok()?;
    Some(files.size()).filter(|count| *count > 0)
}

fn ending(error: Errno) -> Walk {
    match error {
        Errno::ACCESS | Errno::PERM => Walk::Refused,
        _ => Walk::Gone,
    }
}

/// Whether the process still holds that socket by that descriptor. `None`: may not be told.
pub(crate) fn holds(folder: &Path, fd: u32, inode: u64) -> Option<bool> {
    let mut link = [MaybeUninit::uninit(); LINK_BYTES];
    match readlinkat_raw(CWD, folder.join("fd").join(fd.to_string()), &mut link) {
        Ok((link, _)) => Some(socket_inode(link) == Some(inode)),
        Err(Errno::NOENT | Errno::SRCH) => Some(false),
        Err(_) => None,
    }
}

/// Reads `socket:[INODE]`.
fn socket_inode(link: &[u8]) -> Option<u64> {
    bracketed(link, b"socket:[")
}

/// Reads a number between `prefix` and `]`.
pub(crate) fn bracketed(link: &[u8], prefix: &[u8]) -> Option<u64> {
    str::from_utf8(link.strip_prefix(prefix)?.strip_suffix(b"]")?)
        .ok()?
        .parse()
        .ok()
}

fn number(name: &[u8]) -> Option<u32> {
    str::from_utf8(name).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn only_whole_socket_links_are_sockets() {
        assert_eq!(socket_inode(b"socket:[4242]"), Some(4242));
        for other in [
            &b"socket:[4242"[..],
            b"socket:[]",
            b"socket:[x]",
            b"pipe:[4242]",
            b"",
            b"\xff",
        ] {
            assert_eq!(socket_inode(other), None);
        }
        assert_eq!(
            bracketed(b"net:[4026531840]", b"net:["),
            Some(4_026_531_840)
        );
    }

    #[test]
    fn the_walk_over_this_process_finds_its_listener_once_and_the_check_knows_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let fd = u32::try_from(listener.as_raw_fd()).unwrap();
        let folder = Path::new("/proc/self");
        let inode = std::fs::metadata(folder.join(format!("fd/{fd}")))
            .unwrap()
            .ino();
        let (mut links, mut found) = (0, Vec::new());
        let end = walk(folder, &mut links, |inode, fd| found.push((inode, fd)));
        assert_eq!(end, Walk::Whole);
        assert!(links >= 4);
        assert_eq!(found.iter().filter(|it| **it == (inode, fd)).count(), 1);
        assert_eq!(holds(folder, fd, inode), Some(true));
        assert_eq!(holds(folder, fd, inode + 1), Some(false));
        assert_eq!(holds(folder, u32::MAX, inode), Some(false));
    }

    #[test]
    fn a_process_that_is_not_there_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            walk(folder.path(), &mut 0, |_, _| panic!("a socket of nobody")),
            Walk::Gone
        );
    }
}
