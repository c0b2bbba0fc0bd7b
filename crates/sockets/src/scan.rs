//! What a scan gives.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use portolan_wire::open_port::OpenPort;
use portolan_wire::report::Coverage;

/// What one look at the machine found.
#[derive(Clone, Debug)]
pub struct Scan {
    /// Every open port, one entry a kernel socket, ordered by namespace, transport, address, port
    /// and pid. `SO_REUSEPORT` twins stay apart here;
    /// [`canonicalise`](portolan_wire::open_port::canonicalise) folds them.
    pub sockets: Vec<Socket>,
    /// What could not be seen, as numbers for the report.
    pub coverage: Coverage,
    /// What could not be seen and what would be needed, one sentence each, for people. Empty when
    /// nothing was hidden.
    pub unseen: Vec<String>,
    /// What the scan cost.
    pub statistics: Statistics,
}

/// One kernel socket that is an open port.
#[derive(Clone, Debug)]
pub struct Socket {
    /// The open port.
    pub port: OpenPort,
    /// The kernel's cookie of the socket, never used twice in one boot; none where only `/proc/net` told
    /// of it.
    pub cookie: Option<u64>,
    /// Whether it looks like a UDP client: bound to no address, on a port of its namespace's
    /// ephemeral range. The kernel does not tell a client's port from a server's; how long it
    /// lives does.
    pub client_udp: bool,
    /// When this collector saw the socket first. The socket is the same as long as its network
    /// namespace and its kernel cookie are.
    pub first_seen: Instant,
    /// How many processes were found to hold it when its owner was sought; 0 is unknown.
    pub holders: u32,
}

/// What one scan cost, and how it was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Network namespaces that were looked into in this scan.
    pub namespaces: u64,
    /// How long ago that namespace was looked into whose last look is the longest ago; zero when
    /// all were looked into now.
    pub oldest_look: Duration,
    /// Open ports that were found.
    pub sockets: u64,
    /// Sockets whose owner was sought: new ones, those whose owner went, and now and then those
    /// whose owner was not found before.
    pub sockets_searched: u64,
    /// Dumps asked of the kernel, repeated ones included.
    pub netlink_dumps: u64,
    /// Dumps that were repeated, because the kernel said or the result showed that one was not
    /// whole.
    pub retries: u64,
    /// Times that `/proc/net` stood in for netlink or for entering a namespace.
    pub proc_net_fallbacks: u64,
    /// Processes of which something was read; an unchanged, old process is only listed.
    pub pids_looked_at: u64,
    /// Folders `/proc/PID/fd` that were walked. 0 when nothing changed.
    pub fd_dirs_walked: u64,
    /// Links in those folders that were read.
    pub fds_read: u64,
    /// Passes over all open files that a [`HolderSource`](crate::HolderSource) made.
    pub holder_passes: u64,
    /// Such passes that failed, so that files were walked.
    pub holder_passes_failed: u64,
    /// Known owners that were asked whether they still hold their socket.
    pub owners_verified: u64,
    /// CPU time of the scan, user and system, on all its threads.
    pub cpu: Duration,
}

/// Why a scan gave nothing. Missing privilege is no error but [`Scan::coverage`].
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The process file system cannot be read.
    #[error(
        "cannot list the processes in {}; it must be a mounted process file system of Linux",
        path.display()
    )]
    Processes {
        /// The folder that was read.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// Neither netlink nor the tables in the process file system list the sockets of the
    /// collector's own namespace.
    #[error("the kernel refuses to list sockets, both over netlink and in {}", tables.display())]
    Sockets {
        /// The tables that were read.
        tables: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The thread that looks into namespaces could not be started, or broke.
    #[error("cannot run the thread that looks into network namespaces")]
    Thread {
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}
