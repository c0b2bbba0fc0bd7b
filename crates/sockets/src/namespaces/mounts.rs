//! The mount table: namespaces that a mount keeps, and where the cgroups are.
//!
//! A namespace without a process is found only here: `ip netns add` and the container runtimes
//! mount it on a file. The table of pid 1 is read where it may be, as the collector's own mount
//! namespace need not have those mounts.
//! Holds: the table is read again only after the kernel said that it changed (poll on the open
//! file); on a node with a thousand mounts reading it each second would cost 0.1 % of a core.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::processes::bracketed;

/// One network namespace that is mounted on a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MountedNs {
    pub(crate) inode: u64,
    pub(crate) point: PathBuf,
}

/// The mount table, as it was when it last changed.
#[derive(Debug, Default)]
pub(crate) struct Mounts {
    table: Option<File>,
    /// In the order of the table: of two mounts on one file the later one is the visible one.
    pub(crate) namespaces: Vec<MountedNs>,
    /// Where the unified cgroup hierarchy is mounted.
    pub(crate) cgroups: Option<PathBuf>,
}

impl Mounts {
    /// Reads the table if it changed, and tells whether it did. Where it cannot be read, nothing is
    /// known to be mounted.
    pub(crate) fn refresh(&mut self, proc_root: &Path) -> bool {
        if let Some(table) = &self.table
            && !has_changed(table)
        {
            return false;
        }
        let mut bytes = Vec::new();
        if self.read(proc_root, &mut bytes).is_err() {
            self.table = None;
            bytes.clear();
        }
        (self.namespaces, self.cgroups) = parse(&bytes);
        true
    }

    fn read(&mut self, proc_root: &Path, bytes: &mut Vec<u8>) -> io::Result<()> {
        if let Some(table) = &mut self.table {
            table.rewind()?;
            table.read_to_end(bytes)?;
            return Ok(());
        }
        let first = File::open(proc_root.join("1/mountinfo"));
        let mut table = first.or_else(|_| File::open(proc_root.join("self/mountinfo")))?;
        table.read_to_end(bytes)?;
        self.table = Some(table);
        Ok(())
    }
}

fn has_changed(table: &File) -> bool {
    let mut polled = [PollFd::new(table, PollFlags::PRI)];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // When it cannot be told, reading once too often is the safe side.
    poll(&mut polled, Some(&at_once)).is_ok_and(|ready| ready > 0)
}

/// Reads proc_pid_mountinfo(5); lines that do not fit are passed over.
pub(crate) fn parse(bytes: &[u8]) -> (Vec<MountedNs>, Option<PathBuf>) {
    let mut namespaces = Vec::new();
    let mut cgroups = None;
    for line in bytes.split(|byte| *byte == b'\n') {
        let Some((root, point, kind)) = columns(line) else {
            continue;
        };
        if kind == b"cgroup2" && cgroups.is_none() {
            cgroups = Some(unescape(point));
        }
        if kind == b"nsfs"
            && let Some(inode) = bracketed(root, b"net:[")
        {
            namespaces.push(MountedNs {
                inode,
                point: unescape(point),
            });
        }
    }
    (namespaces, cgroups)
}

/// The root within its file system, the mount point and the type of the file system.
fn columns(line: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut columns = line.split(|byte| *byte == b' ');
    let root = columns.nth(3)?;
    let point = columns.next()?;
    // Options and any number of optional fields stand before the hyphen.
    columns.find(|column| *column == b"-")?;
    Some((root, point, columns.next()?))
}

/// Undoes the kernel's `\040` for space, tab, newline and backslash.
fn unescape(text: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        match (first, octal(after)) {
            (b'\\', Some(byte)) => {
                bytes.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

fn octal(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(str::from_utf8(digits.get(..3)?).ok()?, 8).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TABLE: &str = "\
22 27 0:21 / /proc rw,relatime - proc proc rw
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
42 27 0:4 net:[4026532177] /run/netns/blue rw shared:2 - nsfs nsfs rw
43 27 0:4 net:[4026532178] /run/netns/two\\040words rw shared:2 master:1 - nsfs nsfs rw
44 27 0:4 mnt:[4026532179] /run/other rw - nsfs nsfs rw
45 27 0:4 net:[x] /run/netns/bad rw - nsfs nsfs rw
46 27 0:9 net:[4026532180] /not/nsfs rw - tmpfs tmpfs rw
short line
";

    #[test]
    fn namespaces_and_the_cgroups_are_found_in_a_known_table() {
        let (namespaces, cgroups) = parse(TABLE.as_bytes());
        let mounted = |inode, point: &str| MountedNs {
            inode,
            point: point.into(),
        };
        let expected = [
            mounted(4_026_532_177, "/run/netns/blue"),
            mounted(4_026_532_178, "/run/netns/two words"),
        ];
        assert_eq!(namespaces, expected);
        assert_eq!(cgroups, Some("/sys/fs/cgroup/unified".into()));
    }

    #[test]
    fn an_escape_that_is_none_stays_as_it_is() {
        assert_eq!(unescape(b"a\\04"), PathBuf::from("a\\04"));
        assert_eq!(unescape(b"a\\999b"), PathBuf::from("a\\999b"));
        assert_eq!(unescape(b"a\\134\\040"), PathBuf::from("a\\ "));
    }

    /// A plain file never raises the mount table's event, so a second reading would be a bug.
    #[test]
    fn a_table_is_read_again_only_when_the_kernel_says_that_it_changed() {
        let root = tempfile::tempdir().unwrap();
        let table = root.path().join("self/mountinfo");
        std::fs::create_dir(root.path().join("self")).unwrap();
        std::fs::write(&table, TABLE).unwrap();
        let mut mounts = Mounts::default();
        mounts.refresh(root.path());
        assert_eq!(mounts.namespaces.len(), 2);
        std::fs::write(&table, "").unwrap();
        mounts.refresh(root.path());
        assert_eq!(mounts.namespaces.len(), 2);
    }

    proptest! {
        #[test]
        fn no_table_makes_the_parser_panic(
            junk in proptest::collection::vec(any::<u8>(), 0..300),
            lines in "[0-9 :/a-z\\[\\]\\\\\\n-]{0,200}",
        ) {
            let _whatever = parse(&junk);
            let _whatever = parse(lines.as_bytes());
        }

        #[test]
        fn every_mount_point_reads_back(name in "[ \t\\\\a-z0-9]{1,40}") {
            let escaped: String = name.chars().map(|c| match c {
                ' ' | '\t' | '\\' => format!("\\{:03o}", u32::from(c)),
                plain => plain.to_string(),
            }).collect();
            prop_assert_eq!(unescape(escaped.as_bytes()), PathBuf::from(name));
        }
    }
}
