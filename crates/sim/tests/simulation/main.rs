//! Agents, committer, store and census in one deterministic process under a seed.
//!
//! Property tests of one part cannot show what the parts do to each other when messages are lost,
//! processes die and clocks jump. Here the program's own parts run together, and everything around
//! them comes from a seed, so that whatever breaks can be replayed to the last line.
//!
//! Run more seeds: `SIM_SEEDS=1000..20000 cargo test -p portolan-sim --test simulation`.
//! Replay one, with its trace: `SIM_SEED=17 cargo test -p portolan-sim --test simulation`.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that panics has failed, and says where"
)]

mod broken;
mod checks;
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

/// First of all: a failure that cannot be replayed cannot be understood.
fn the_same_seed_gives_the_same_trace() {
    for seed in [1, 2, 3] {
        let (one, other) = (sweep::live(seed), sweep::live(seed));
        let parted = one
            .lines
            .iter()
            .zip(&other.lines)
            .position(|(one, other)| one != other);
        if let Some(line) = parted {
            panic!(
                "seed {seed} parts at line {line}:\n{}\n{}",
                one.lines[line], other.lines[line]
            );
        }
        assert_eq!(one.hash, other.hash, "seed {seed}: one trace is longer");
        assert!(
            one.broken.is_some() || one.lines.len() > 100,
            "seed {seed}: hardly anything happened"
        );
    }
    assert_ne!(
        sweep::live(1).hash,
        sweep::live(2).hash,
        "every seed is the same world"
    );
}

/// Invariants 1 to 5 and 8 of the design, and that the census shows the world once faults end.
#[test]
fn what_always_holds_does_under_every_seed() {
    the_same_seed_gives_the_same_trace();
    if let Some(seed) = sweep::seed_to_replay() {
        sweep::replay(seed);
        return;
    }
    let seeds = sweep::seeds();
    let happened = sweep::all(seeds.clone());
    if seeds.end - seeds.start >= 1_000 {
        happened.assert_everything_happened();
    }
}
