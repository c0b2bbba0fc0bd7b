//! The HSS v5 compatibility surface.

mod port_statistics;

pub(crate) use port_statistics::{
    decoded, filter, json, page_request, port_statistics, row, selected,
};
