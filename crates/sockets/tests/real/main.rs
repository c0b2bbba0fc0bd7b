//! The collector on real sockets, processes and network namespaces.
//!
//! Each test runs in a pid, network and mount namespace of its own (see [`scene`]), so that it
//! sees nothing but what it made, and disturbs nobody. Needs root and what `cargo xtask test`
//! installs; without either it fails.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

mod against_ss;
mod churn;
mod containers;
mod events;
mod incremental;
mod kinds;
mod namespaces;
mod owners;
mod partial;
mod privilege;
mod program;
mod runtimes;
mod scene;
mod ss;
