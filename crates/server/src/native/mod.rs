//! The native API's reads, under `/portolan/v1/projects/{project_id}`.

mod assets;
mod backup;
mod credential;
mod diff;
mod export;
mod exposures;
pub(crate) mod freshness;
mod hosts;
mod listed;
pub(crate) mod paging;
mod recount;
mod shown;
mod statistics;

pub(crate) use assets::{AssetList, assets};
pub(crate) use backup::backup;
pub(crate) use credential::{Credential, credential};
pub(crate) use diff::{FROM, NOT_TAKEN, StatisticsDiff, TO, diff};
pub(crate) use export::{CONTENT_TYPES, FORMAT, ROWS, export};
pub(crate) use exposures::{EXPOSURE, Exposures, TRANSPORT, exposures};
pub(crate) use hosts::{HostList, HostPage, host, hosts, stored};
pub(crate) use recount::{Recounted, recount};
pub(crate) use statistics::{STATUS_FIELD, Statistics, statistics};
