//! The native API's reads, under `/portolan/v1/projects/{project_id}`.

mod assets;
mod backup;
mod credential;
mod hosts;
pub(crate) mod paging;
mod recount;
mod shown;
mod statistics;

pub(crate) use assets::assets;
pub(crate) use backup::backup;
pub(crate) use credential::credential;
pub(crate) use hosts::{host, hosts};
pub(crate) use recount::recount;
pub(crate) use statistics::statistics;
