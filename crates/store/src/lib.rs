//! The durable, ordered truth: the `Store` trait, its embedded implementation, and the committer.
//!
//! Holds: nothing is acknowledged before it is durable; the census equals a replay of the store.
//! Knows no HTTP, and nothing of how open ports are found.
#![forbid(unsafe_code)]

mod agents;
mod answers;
pub mod backup;
mod bytes;
mod clock;
mod committer;
mod counters;
pub mod embedded;
mod error;
pub mod history;
mod ignoring;
pub mod jetstream;
mod kept;
#[cfg(feature = "test-util")]
mod memory_history;
mod record;
mod recount;
mod replay;
mod retention;
mod snapshot;
mod store;
mod totals;

pub use agents::hosts_of_agents;
pub use answers::{Asked, confirm, decided};
pub use clock::{Clock, SystemClock};
pub use committer::{
    Checked, Committer, Decision, Handle, Ignoring, IgnoringDone, OnHistory, OnHistorySlot,
    OnRecords, Prepared, Published, Queue, QueueFull, Recent, RecentCommit, Retirement, Submission,
    Turns, start,
};
pub use counters::Counters;
pub use error::StoreError;
pub use kept::{restore_liveness, seen, seen_here, snapshot_of, stored_snapshot_of, take_in_seen};
#[cfg(feature = "test-util")]
pub use memory_history::MemoryHistory;
pub use record::{RecordChange, RecordKey, RecordKind, RecordTooLarge, record_hash};
pub use recount::{RecountedHosts, recount, recount_hosts};
pub use replay::{Rebuilt, rebuild, rebuild_all};
pub use retention::history_to_drop;
pub use snapshot::{Snapshot, SnapshotError};
pub use store::{
    Batch, Checkpoint, CheckpointAt, CopyOut, EachEntry, EachHistoryPart, EachPart, EachRecord,
    Entry, HistoryDay, HistoryOrder, HistoryPart, HistorySpan, HistoryWrite, HostWrite, Loaded,
    RecordWrite, SeenAt, Shared, Store, Wake, Write,
};
