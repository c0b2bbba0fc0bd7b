//! A process file system of plain files, for what no real one shows at will: a pid that is reused
//! between two readings, a process that starts at just the wrong moment.

use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;

/// The inode of the one network namespace of a [`FakeProc`].
pub(crate) const NETNS: u64 = 5;

/// A folder laid out like `/proc`.
pub(crate) struct FakeProc(TempDir);

impl FakeProc {
    /// One in which the collector itself is in [`NETNS`].
    pub(crate) fn new() -> Self {
        let fake = Self(tempfile::tempdir().unwrap());
        fake.write("thread-self", 0, 0, &[]);
        fake
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    /// Adds a process, or puts a new one in the place of the last one with that pid. Its files are
    /// sockets, by descriptor and inode.
    pub(crate) fn start(&self, pid: u32, parent: u32, start_ticks: u64, sockets: &[(u32, u64)]) {
        // Written beside the old one and then renamed, so that its folder has another inode.
        let new = format!("new-{pid}");
        self.write(&new, parent, start_ticks, sockets);
        self.end(pid);
        std::fs::rename(self.root().join(new), self.root().join(pid.to_string())).unwrap();
    }

    pub(crate) fn end(&self, pid: u32) {
        // There may be none.
        let _none = std::fs::remove_dir_all(self.root().join(pid.to_string()));
    }

    /// Puts a process into another network namespace and into a cgroup.
    pub(crate) fn contain(&self, pid: u32, netns: u64, cgroup: &str) {
        let folder = self.root().join(pid.to_string());
        std::fs::remove_file(folder.join("ns/net")).unwrap();
        symlink(format!("net:[{netns}]"), folder.join("ns/net")).unwrap();
        std::fs::write(folder.join("cgroup"), format!("0::{cgroup}\n")).unwrap();
    }

    /// Lets a process end without its parent noticing.
    pub(crate) fn become_zombie(&self, pid: u32) {
        let path = self.root().join(pid.to_string()).join("stat");
        let living = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, living.replace(" S ", " Z ")).unwrap();
    }

    /// Changes the start time in place, which no real process does.
    pub(crate) fn falsify_start(&self, pid: u32, start_ticks: u64) {
        let path = self.root().join(pid.to_string()).join("stat");
        std::fs::write(path, stat(1, start_ticks)).unwrap();
    }

    fn write(&self, name: &str, parent: u32, start_ticks: u64, sockets: &[(u32, u64)]) {
        let folder = self.root().join(name);
        std::fs::create_dir_all(folder.join("ns")).unwrap();
        std::fs::create_dir_all(folder.join("fd")).unwrap();
        std::fs::write(folder.join("stat"), stat(parent, start_ticks)).unwrap();
        symlink(format!("net:[{NETNS}]"), folder.join("ns/net")).unwrap();
        for (fd, inode) in sockets {
            symlink(format!("socket:[{inode}]"), folder.join(format!("fd/{fd}"))).unwrap();
        }
    }
}

fn stat(parent: u32, start_ticks: u64) -> String {
    format!("1 (fake) S {parent} 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1 0 {start_ticks} 0\n")
}
