//! The HSS v5 compatibility surface: requests and answers (contract section 1, design decisions).

pub mod batch_modify_port_status;
pub mod common_port_info;
pub mod port_statistics;
