//! The history: one record a commit that changed a host, in one keyspace a day.
//!
//! A day goes as a whole when it is too old, and takes no room that has to be merged away. Each
//! record names the one before it, the commit record names the newest, and `store.json` names for
//! each day the last one before it: so a record that is missing anywhere shows, at the ends of each
//! day when the store is opened, in between when they are read. Counts of a moment, a checkpoint,
//! stand beside the records of a day.
//!
//! Order of a new day: the keyspace is made, its names are made durable, `store.json` names it, and
//! only then a batch is written to it. Of a dropped day: `store.json` forgets it, then its keyspace
//! goes. So a keyspace that `store.json` does not name is what a crash left, and the next start
//! removes it.
//!
//! Holds: a record is in the same durable batch as what it tells of; what is missing or altered
//! within the kept days is an error and never passed over.
//! Limit: a checkpoint is not synced; after a power loss it may be the one before it, or none.

mod aside;
mod checkpoint;
mod copy;
mod days;
mod fill;
mod read;
mod record;
pub(crate) mod salvage;
mod serving;

pub(crate) use aside::DaysAside;
pub(crate) use days::Days;
pub(crate) use fill::{Filled, HistoryFilling};
pub(crate) use record::{Link, record_key};
pub(crate) use serving::{History, begin};
