//! What a collector may be told.

use std::path::PathBuf;

/// Where and how a collector looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The process file system. Default `/proc`; an agent in a container that shares the host's
    /// process namespace may find the host's at `/host/proc`.
    pub proc_root: PathBuf,
    /// The file that names users by uid, passwd(5). Default `/etc/passwd`.
    pub passwd: PathBuf,
    /// Whether to ask the kernel over netlink. Default `true`; `false` reads the tables of
    /// `/proc/net` alone, as is done anyway where netlink is refused: for a machine whose
    /// netlink is known to be broken.
    pub netlink: bool,
    /// Where the file system of the host is, for the records that container runtimes keep. Default
    /// `/`; an agent in a container may find it at `/host`.
    pub host_root: PathBuf,
    /// Whether to tell the command line of each owner, with what looks like a secret masked. Default
    /// `false`: no rule finds every secret.
    pub command_lines: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            proc_root: "/proc".into(),
            passwd: "/etc/passwd".into(),
            netlink: true,
            host_root: "/".into(),
            command_lines: false,
        }
    }
}
