//! kill -9 of a process with 64 concurrent writers, again and again on one store.

use crate::model::{long, names};
use crate::writers::{Told, Writers, assert_holds};

/// Invariants 1, 2 and 4: nothing acknowledged is lost, the census equals a replay, every count
/// equals a recount.
#[test]
fn kills_with_64_concurrent_writers_lose_nothing_that_was_acknowledged() {
    let rounds = if long() { 60 } else { 6 };
    let folder = tempfile::tempdir().unwrap();
    let mut told = Told::none();
    for round in 0..rounds {
        let before = told.total();
        let writers = Writers::start(folder.path(), &told);
        writers.wait_for(500 + (round * 397) % 3000, &mut told);
        // The child is in the middle of whatever its threads do now.
        writers.kill(&mut told);
        assert!(told.total() >= before + 500, "round {round}: {told:?}");
        // Every other child begins on a store that was closed cleanly.
        told = assert_holds(folder.path(), &told, round % 2 == 0);
        assert_eq!(
            names(folder.path()),
            ["commit.mark", "fjall", "lock", "store.json"]
        );
    }
}
