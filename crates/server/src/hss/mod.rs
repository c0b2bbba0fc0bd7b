//! The HSS v5 compatibility surface.

mod batch_modify_port_status;
mod common_port_info;
mod host_ports;
mod hosts;
mod listeners;
mod overview;
mod port_hosts;
mod port_statistics;
mod shared;

pub(crate) use batch_modify_port_status::batch_modify_port_status;
pub(crate) use common_port_info::common_port_info;
pub(crate) use host_ports::host_ports;
pub(crate) use hosts::hosts;
pub(crate) use overview::{asset_statistics, top_ports};
pub(crate) use port_hosts::port_hosts;
pub(crate) use port_statistics::{filter, page_request, port_statistics, row, sockets};
pub(crate) use shared::{counted, dated, decoded, encoded, json, selected};
