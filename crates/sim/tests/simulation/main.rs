//! Agents, committer, store and census in one deterministic process under a seed.
//!
//! Property tests of one part cannot show what the parts do to each other when messages are lost,
//! processes die and clocks jump. Here the program's own parts run together, and everything around
//! them comes from a seed, so that whatever breaks can be replayed to the last line.
//!
//! Run more seeds: `SIM_SEEDS=1000..20000 cargo test -p portolan-sim --test simulation`.
//! Replay one, with its trace: `SIM_SEED=17 cargo test -p portolan-sim --test simulation`.
//! For worlds of a cluster the same with `SIM_CLUSTER_SEEDS` and `SIM_CLUSTER_SEED`.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that panics has failed, and says where"
)]

mod broken;
mod checks;
mod cluster;
mod dice;
mod disk;
mod ingest;
mod journal;
mod log_store;
mod model;
mod odds;
mod past;
mod real_host;
mod server;
mod sweep;
mod timeline;
mod trace;
mod world;

use sweep::Worlds;

/// Invariants 1 to 5 and 8 of the design, and that the census shows the world once faults end.
#[test]
fn what_always_holds_does_under_every_seed() {
    let worlds = Worlds {
        live: world::live,
        seed: "SIM_SEED",
        seeds: "SIM_SEEDS",
        few: 0..1_000,
    };
    worlds.sweep();
}

/// The same of three servers on one log, and that they hold the same: one census and one history.
#[test]
fn what_always_holds_does_in_a_cluster_under_every_seed() {
    let worlds = Worlds {
        live: cluster::live,
        seed: "SIM_CLUSTER_SEED",
        seeds: "SIM_CLUSTER_SEEDS",
        few: 0..1_000,
    };
    worlds.sweep();
}
