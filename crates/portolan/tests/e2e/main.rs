//! The programs as people run them: real processes, sockets, namespaces and signals.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

mod audit_log;
mod backup;
mod changes;
mod clients;
mod cluster;
mod commands;
mod crash;
mod credentials;
mod enrolment;
mod events;
mod exports;
mod full_disk;
mod harness;
mod identity;
mod ignored_ports;
mod machine;
mod service_manager;
mod small_disk;
mod starting;
mod tls;
mod unprivileged;
