//! The HSS v5 compatibility surface.

mod port_statistics;
mod shared;

pub(crate) use port_statistics::{filter, page_request, port_statistics, row};
pub(crate) use shared::{counted, decoded, json, selected};
