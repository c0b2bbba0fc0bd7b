//! Files of the host, read as data of strangers.
//!
//! Every path is below a root (`/`, or where a container has the host's file system), and links on
//! the way are followed as the host itself would follow them, never out of it (openat2 with
//! `RESOLVE_IN_ROOT`; before Linux 5.6 they lead where they lead). The last part of a path is no
//! link but a plain file: a pipe would block, a device has no end.
//! Holds: a file that has not changed is not read again; what is longer than its limit is not read
//! at all.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat, openat2};
use rustix::io::Errno;

/// How plain files are opened: without waiting, should it be a pipe.
const PLAIN: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK);

/// What tells that a file is another: device, inode, size and modification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: i64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size,
            modified: (stat.st_mtime, stat.st_mtime_nsec.try_into().unwrap_or(0)),
        }
    }
}

/// What a look at a file or folder gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look<T> {
    /// It is as it was.
    Same,
    /// It is new, or has changed.
    New(Stamp, T),
    /// It is not there.
    Missing,
    /// It is there and cannot be read: refused, of another kind, or too long.
    Unreadable,
}

/// The file system of the host.
#[derive(Debug)]
pub(super) struct HostFiles {
    root: PathBuf,
}

impl HostFiles {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Reads a plain file of at most `bytes_max` bytes, unless it still is the one of `known`.
    pub(super) fn read(&self, path: &Path, known: Option<Stamp>, bytes_max: u64) -> Look<Vec<u8>> {
        self.look(path, PLAIN, FileType::RegularFile, known, |fd, stat| {
            read_whole(fd, stat, bytes_max)
        })
    }

    /// Opens a plain file, to read parts of it.
    pub(super) fn open_plain(&self, path: &Path) -> Option<File> {
        let file = self.open(path, PLAIN).ok()?;
        let kind = FileType::from_raw_mode(fstat(&file).ok()?.st_mode);
        (kind == FileType::RegularFile).then(|| File::from(file))
    }

    /// Whether there is a folder.
    pub(super) fn has_folder(&self, path: &Path) -> bool {
        self.open(path, OFlags::PATH | OFlags::DIRECTORY).is_ok()
    }

    /// Lists the names in a folder, unless it still is the one of `known`. Names that are no UTF-8
    /// are passed over, and those beyond `names_max`.
    pub(super) fn list(
        &self,
        path: &Path,
        known: Option<Stamp>,
        names_max: usize,
    ) -> Look<Vec<String>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        self.look(path, flags, FileType::Directory, known, |fd, _| {
            let names = Dir::new(fd).ok()?;
            let names =
                names.filter_map(|entry| entry.ok()?.file_name().to_str().ok().map(str::to_owned));
            Some(names.take(names_max).collect())
        })
    }

    fn look<T>(
        &self,
        path: &Path,
        flags: OFlags,
        kind: FileType,
        known: Option<Stamp>,
        read: impl FnOnce(OwnedFd, &Stat) -> Option<T>,
    ) -> Look<T> {
        let opened = self.open(path, flags).and_then(|fd| Ok((fstat(&fd)?, fd)));
        let (stat, fd) = match opened {
            Ok(opened) => opened,
            Err(Errno::NOENT | Errno::NOTDIR) => return Look::Missing,
            Err(_) => return Look::Unreadable,
        };
        let stamp = Stamp::of(&stat);
        if FileType::from_raw_mode(stat.st_mode) != kind {
            return Look::Unreadable;
        }
        if known == Some(stamp) {
            return Look::Same;
        }
        read(fd, &stat).map_or(Look::Unreadable, |read| Look::New(stamp, read))
    }

    fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::CLOEXEC;
        let below = path.strip_prefix("/").unwrap_or(path);
        let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, &self.root, folder, Mode::empty())?;
        let within = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        match openat2(&root, below, flags, Mode::empty(), within) {
            // EPERM is what a filter of system calls answers that does not know it.
            Err(Errno::NOSYS | Errno::PERM) => openat(&root, below, flags, Mode::empty()),
            result => result,
        }
    }
}

fn read_whole(fd: OwnedFd, stat: &Stat, bytes_max: u64) -> Option<Vec<u8>> {
    if u64::try_from(stat.st_size).ok()? > bytes_max {
        return None;
    }
    let mut bytes = Vec::new();
    let read: io::Result<usize> = File::from(fd).take(bytes_max + 1).read_to_end(&mut bytes);
    let fits = read.ok()? as u64 <= bytes_max;
    fits.then_some(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A host's root with one file below `etc`, and a file beside that root.
    fn host() -> (tempfile::TempDir, HostFiles) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("host/etc")).unwrap();
        std::fs::write(folder.path().join("host/etc/file"), "inside").unwrap();
        std::fs::write(folder.path().join("secret"), "outside").unwrap();
        let files = HostFiles::new(folder.path().join("host"));
        (folder, files)
    }

    fn read(files: &HostFiles, path: &str) -> Option<String> {
        match files.read(Path::new(path), None, 100) {
            Look::New(_, bytes) => Some(String::from_utf8(bytes).unwrap()),
            Look::Same | Look::Missing | Look::Unreadable => None,
        }
    }

    #[test]
    fn links_lead_nowhere_out_of_the_host() {
        let (folder, files) = host();
        let host = folder.path().join("host");
        assert_eq!(read(&files, "/etc/file").as_deref(), Some("inside"));
        for (name, to) in [
            ("absolute", folder.path().join("secret")),
            ("relative", PathBuf::from("../../secret")),
            ("last", PathBuf::from("/etc/file")),
        ] {
            symlink(to, host.join("etc").join(name)).unwrap();
            assert_eq!(read(&files, &format!("/etc/{name}")), None, "{name}");
        }
        assert_eq!(read(&files, "/etc/../../secret"), None);
        // A folder may be one, as /var/run is; an absolute one is absolute in the host.
        symlink("/etc", host.join("folder")).unwrap();
        assert_eq!(read(&files, "/folder/file").as_deref(), Some("inside"));
        symlink(folder.path(), host.join("out")).unwrap();
        assert_eq!(read(&files, "/out/secret"), None);
    }

    #[test]
    fn only_plain_files_within_their_limit_are_read() {
        let (folder, files) = host();
        let path = folder.path().join("host/etc/long");
        std::fs::write(&path, "x".repeat(100)).unwrap();
        assert_eq!(read(&files, "/etc/long").map(|it| it.len()), Some(100));
        std::fs::write(&path, "x".repeat(101)).unwrap();
        assert_eq!(
            files.read(Path::new("/etc/long"), None, 100),
            Look::Unreadable
        );
        assert_eq!(files.read(Path::new("/etc"), None, 100), Look::Unreadable);
        assert_eq!(files.read(Path::new("/etc/none"), None, 100), Look::Missing);
        assert_eq!(
            files.read(Path::new("/etc/file/none"), None, 100),
            Look::Missing
        );
        let pipe = folder.path().join("host/etc/pipe");
        rustix::fs::mknodat(CWD, pipe, FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert_eq!(
            files.read(Path::new("/etc/pipe"), None, 100),
            Look::Unreadable
        );
    }

    #[test]
    fn a_file_is_read_again_only_when_it_has_changed() {
        let (folder, files) = host();
        let path = Path::new("/etc/file");
        let Look::New(stamp, _) = files.read(path, None, 100) else {
            panic!("it is there");
        };
        assert_eq!(files.read(path, Some(stamp), 100), Look::Same);
        // As runtimes write: beside it, then renamed.
        let new = folder.path().join("host/etc/new");
        std::fs::write(&new, "INSIDE").unwrap();
        std::fs::rename(&new, folder.path().join("host/etc/file")).unwrap();
        let look = files.read(path, Some(stamp), 100);
        assert!(matches!(look, Look::New(_, bytes) if bytes == b"INSIDE"));
    }

    #[test]
    fn a_folder_is_listed_up_to_its_limit() {
        let (folder, files) = host();
        std::fs::write(folder.path().join("host/etc/other"), "").unwrap();
        let Look::New(stamp, mut names) = files.list(Path::new("/etc"), None, 100) else {
            panic!("it is there");
        };
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        assert_eq!(names, ["file", "other"]);
        assert_eq!(files.list(Path::new("/etc"), Some(stamp), 100), Look::Same);
        let Look::New(_, names) = files.list(Path::new("/etc"), None, 2) else {
            panic!("it is there");
        };
        assert_eq!(names.len(), 2);
    }
}
