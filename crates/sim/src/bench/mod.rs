//! What the benches share: figures as a table, their spread, and what the kernel tells of processes.

pub mod machine;
pub mod spread;
pub mod table;
