//! The HSS v5 compatibility surface: requests and answers (contract sections 1 and 2, design
//! decisions).

pub mod batch_modify_port_status;
pub mod common_port_info;
pub mod host_ports;
pub mod hosts;
pub mod overview;
pub mod parameters;
pub mod port_hosts;
pub mod port_statistics;
