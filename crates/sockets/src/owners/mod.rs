//! Whose a socket is: the processes that hold it, and which of them counts as the owner.

mod choose;
mod kernel;
mod search;

pub(crate) use choose::choose;
pub use kernel::{HolderSource, KernelHolder};
pub(crate) use search::Search;

/// A process that holds a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Holder {
    pub(crate) pid: u32,
    pub(crate) start_ticks: u64,
    /// The descriptor by which it holds it.
    pub(crate) fd: u32,
}
