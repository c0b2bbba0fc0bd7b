//! The HSS v5 compatibility surface: requests and answers (contract section 1, design decisions).

pub mod hosts;
pub mod overview;
pub mod parameters;
pub mod port_statistics;
