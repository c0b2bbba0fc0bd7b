//! The census: the in-memory index that answers every query.
//!
//! [`State`] is one persistent value: cloning it is cheap, a commit copies only the nodes it
//! touches, and a published clone never changes, so that readers need no lock.
//! Holds: no clock, no I/O, no randomness, no async; `now` is an argument; the same commits give
//! the same answers; every count equals a recount from the hosts' cells.
#![forbid(unsafe_code)]

mod adds;
mod awaited;
mod build;
mod cells;
mod counts;
mod diff;
mod exposures;
mod group;
mod host;
mod host_page;
mod ignored;
pub mod knowledge;
mod listeners;
mod listing;
mod liveness;
mod moment;
mod number;
mod page;
mod port_assets;
mod posting;
mod project;
mod recount;
mod recount_postings;
mod rows;
mod scope;
mod slots;
mod state;
mod surplus;
mod tally;
mod top;
mod weighted;

pub use awaited::Awaited;
pub use build::Builder;
pub use cells::{Cells, Counted};
pub use counts::{CountRow, Counts};
pub use diff::{RowDifference, differences};
pub use exposures::{ExposureCount, ExposureFilter};
pub use host::{Agents, Host, HostFacts, Pair};
pub use host_page::HostPage;
pub use ignored::{Choice, Ignored};
pub use listeners::{ListenerFilter, ListenerPage, ListenerShare};
pub use liveness::{Freshness, Liveness, Silent};
pub use moment::{BadRow, Group, MomentCounts, TooFew};
pub use number::Sockets;
pub use page::{Cursor, Filter, Page, PageRequest, PageRow, Start};
pub use port_assets::{AssetPage, AssetRow, AssetsOf};
pub use project::{Edition, Editions, Project, Selection};
pub use recount::{Difference, Recount};
pub use state::{Commit, HostCommit, Retired, State};
pub use top::TopPort;
