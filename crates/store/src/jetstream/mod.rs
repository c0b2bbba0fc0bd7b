//! The store of several servers: one log in a JetStream cluster, and on each server a checkpoint of it.
//!
//! A commit is a message of the log, and its number the message's: it is durable once a majority of
//! the cluster has it synced, and only who has taken in all before it can append it. So every server
//! makes the same versions, changes and counts of the same log, in one order, and a race leaves
//! nothing behind. The checkpoint is an embedded store that holds the log up to its last commit; a
//! start goes on from there. Bases, copies of the whole store beside the log, let the log be trimmed
//! and new servers begin.
//!
//! Holds: [`Store::commit`](crate::Store::commit) is `Ok` only when a majority has the commit synced and the checkpoint
//! holds it; a commit of another server is handed out only when the checkpoint holds it; what a server
//! holds after each commit is compared with what its writer held.
//! Limits: one commit at a time is under way in the whole cluster. The history, the moments of last
//! hearing and the counts of days are each server's own, made of the same log.

mod base;
mod joined;
mod log;
mod message;
#[cfg(feature = "test-util")]
mod model;
mod nats;
mod open;
mod place;
mod reseed;
mod seen;
mod serving;

pub use base::{BaseMade, MAKE_BASE_AFTER_BYTES};
pub use joined::{Epoch, joined};
pub use log::{Appended, Ends, Log, LogError, Named};
#[cfg(feature = "test-util")]
pub use model::{Fault, Model, ModelLog};
#[cfg(feature = "test-util")]
pub use nats::{ClusterOptions, NatsCluster};
pub use nats::{
    Facts, Finding, Judged, Monitored, NatsGiven, NatsLog, NatsSettings, StreamFacts, Varz, judge,
    read_varz,
};
pub use open::{Fetch, Folder, check_alone, open, open_in};
pub use place::Patience;
pub use reseed::{Reseeded, reseed};
pub use serving::JetStreamStore;
