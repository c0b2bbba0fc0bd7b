//! What happened to every host: written with each commit, and read back.
//!
//! A record for each commit that changes a host, in the same durable batch; in it an entry for each
//! version of a host, which tells how to get from that version to the one before. So the stored value
//! of a host leads back to any moment that is kept, and what is dropped breaks nothing newer. The rows
//! that are shown, and what each version did to the counts, stand in the same entries.
//! Holds: what an entry undoes is exactly what its commit did, attributes and moments included.

mod as_of;
mod back;
mod checkpoint;
pub(crate) mod compare;
pub(crate) mod detail;
mod error;
mod of_host;
mod read;
pub(crate) mod record;
mod rows;
mod sets;
#[cfg(test)]
mod tests;
pub(crate) mod waypoint;

pub use as_of::{counts_at, counts_at_while};
pub use back::{HostAt, host_at};
pub use checkpoint::checkpoint;
pub use error::HistoryError;
pub use of_host::{changes_of_host, steps_of_host};
pub use read::{
    EachChange, EachStep, Moments, Net, Step, changes, changes_within, commit_until, net_cells,
    steps,
};
pub use rows::{Change, ChangeKind, Position, changes_of};
