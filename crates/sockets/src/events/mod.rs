//! Learns from the kernel, the moment it happens, that a port opens or closes.
//!
//! Looking each second misses what lives a millisecond and costs where nothing happens. So programs
//! in the kernel (`bpf/portolan.bpf.c`) tell each listen, each bind of UDP and their ends through a
//! ring, with all that is known of the process, which may be gone before anybody reads. Rejected:
//! netlink's notices (closes alone, every connection among them) and the process connector (no
//! sockets). [`Collector`](crate::Collector) stays the truth: what the kernel does not show here
//! (docs/EVENTS.md) is found by looking, and what the ring could not hold is counted as lost.
//!
//! Holds: bytes of the ring that are no event are counted as lost, never taken for one.
//! Limits: Linux 5.12 or later with BTF, `CAP_BPF`, `CAP_PERFMON` and `CAP_NET_ADMIN`; a ring of
//! [`RING_BYTES`](watch::RING_BYTES).

mod attach;
mod cost;
mod error;
mod event;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod holders;
mod memory;
mod path;
mod record;
mod watch;
mod window;

pub use cost::{KernelCost, ProgramCost};
pub use error::{Step, WatchError};
pub use event::{Event, EventKind};
pub use holders::HolderWalk;
pub use watch::Watch;

/// The records that the program writes, as the tests see them.
#[cfg(test)]
mod record_tests;
