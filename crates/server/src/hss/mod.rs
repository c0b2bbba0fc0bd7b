//! The HSS v5 compatibility surface.

mod batch_modify_port_status;
mod common_port_info;
mod port_statistics;

pub(crate) use batch_modify_port_status::batch_modify_port_status;
pub(crate) use common_port_info::common_port_info;
pub(crate) use port_statistics::{
    decoded, filter, json, page_request, port_statistics, row, selected,
};
