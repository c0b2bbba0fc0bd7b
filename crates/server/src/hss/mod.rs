//! The HSS v5 compatibility surface.

mod hosts;
mod overview;
mod port_statistics;
mod shared;

pub(crate) use hosts::hosts;
pub(crate) use overview::{asset_statistics, top_ports};
pub(crate) use port_statistics::{filter, page_request, port_statistics, row};
pub(crate) use shared::{counted, decoded, json, selected};
