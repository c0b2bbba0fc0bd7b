//! Lists the open ports of this machine: those of the host and of every other network namespace,
//! each with its process, program, user, unit and container.
//!
//! Why this way: asking the kernel for its sockets (NETLINK_SOCK_DIAG) costs under a millisecond
//! for a thousand of them; finding out whose they are (walking `/proc/PID/fd`) costs a hundred
//! times as much. So a [`Collector`] remembers sockets by their namespace and kernel cookie, and
//! walks only for those that are new or have lost their owner.
//!
//! What always holds:
//! * The kernel's list decides what is open; a socket whose owner cannot be told is listed without
//!   one and counted in the coverage, never left out.
//! * What could not be seen is said, as numbers and as sentences that name the capability needed.
//! * The caller's thread never changes its network namespace.
//! * Nothing that another program or container can influence makes a scan panic.
//!
//! Limits: Linux. TCP in LISTEN, MPTCP among it, and bound, unconnected UDP; UDP-Lite, SCTP and raw
//! sockets are out of scope. docs/COLLECTOR.md compares with `ss`. Memory grows with the number of sockets and processes, by about
//! 500 bytes each.
//!
//! ```no_run
//! let mut collector = portolan_sockets::Collector::new(portolan_sockets::Options::default());
//! for socket in collector.scan()?.sockets {
//!     println!("{} {}:{}", socket.port.transport.as_str(), socket.port.laddr, socket.port.port);
//! }
//! # Ok::<(), portolan_sockets::ScanError>(())
//! ```

mod cgroup;
mod clock;
mod collector;
mod command_line;
mod diag;
mod events;
#[cfg(test)]
mod fake_proc;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzz;
mod kernel_socket;
mod namespaces;
mod options;
mod owners;
mod proc_net;
mod processes;
mod runtimes;
mod scan;
mod users;

pub use collector::{Collector, Namespace};
pub use events::{Event, EventKind, HolderWalk, KernelCost, ProgramCost, Step, Watch, WatchError};
pub use options::Options;
pub use owners::{HolderSource, KernelHolder};
pub use scan::{Scan, ScanError, Socket, Statistics};

/// An agent moves its collector to the thread that scans, and its watch to the one that waits.
const _: fn() = || {
    fn must_be_send<T: Send>() {}
    must_be_send::<Collector>();
    must_be_send::<Watch>();
    must_be_send::<HolderWalk>();
};
