//! Random commits on random days, with checkpoints, drops and restarts between them, against a map.

use portolan_store::{Checkpoint, CheckpointAt, MemoryHistory, Store};
use portolan_wire::time::UnixMicros;
use proptest::prelude::*;

use super::{add, assert_equals, opened, plain};
use crate::model::{long, start};

#[derive(Clone, Debug)]
enum Step {
    /// A commit with a record, so many days later.
    Record {
        days_later: u32,
    },
    /// One without.
    Plain,
    /// A checkpoint for a day so many back, with so many parts.
    Checkpoint {
        days_back: u32,
        parts: u8,
    },
    /// Drops what is before a day so many back.
    Drop {
        days_back: u32,
    },
    Close,
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => prop_oneof![4 => Just(0_u32), 2 => Just(1), 1 => 2..5_u32]
            .prop_map(|days_later| Step::Record { days_later }),
        4 => Just(Step::Plain),
        2 => (0..4_u32, 0..5_u8)
            .prop_map(|(days_back, parts)| Step::Checkpoint { days_back, parts }),
        2 => (0..6_u32).prop_map(|days_back| Step::Drop { days_back }),
        1 => Just(Step::Close),
        1 => Just(Step::Kill),
    ]
}

fn checkpoint(day: u32, commit: u64, parts: u8) -> Checkpoint {
    let at = UnixMicros::midnight(day);
    let part = |n| (vec![n], vec![n; usize::from(n) * 10]);
    Checkpoint {
        at: CheckpointAt { day, commit, at },
        parts: (0..parts).map(part).collect(),
    }
}

fn assert_random(steps: Vec<Step>) {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = start(folder.path()).unwrap();
    let mut model = MemoryHistory::new(store.history_span().unwrap().from);
    let (mut commit, mut day) = (0, 20_000);
    for step in steps {
        match step {
            Step::Record { days_later } => {
                (commit, day) = (commit + 1, day + days_later);
                add(&store, &mut model, commit, day);
            }
            Step::Plain => {
                commit += 1;
                plain(&store, commit, day);
            }
            Step::Checkpoint { days_back, parts } => {
                let checkpoint = checkpoint(day - days_back, commit, parts);
                store.save_checkpoint(&checkpoint).unwrap();
                model.save_checkpoint(&checkpoint);
            }
            Step::Drop { days_back } => {
                store.drop_history_before(day - days_back).unwrap();
                model.drop_before(day - days_back);
            }
            Step::Close | Step::Kill => {
                assert_equals(&store, &model, commit);
                if matches!(step, Step::Close) {
                    store.close().unwrap();
                }
                drop(store);
                store = opened(folder.path());
            }
        }
    }
    assert_equals(&store, &model, commit);
    for at in model.checkpoints() {
        let mut found = Vec::new();
        let mut each = |name: &[u8], bytes: &[u8]| {
            found.push((name.to_vec(), bytes.to_vec()));
            Ok(())
        };
        store.checkpoint_parts(at.day, b"", &mut each).unwrap();
        let parts = u8::try_from(found.len()).unwrap();
        assert_eq!(found, checkpoint(at.day, at.commit, parts).parts);
    }
    drop(store);
    portolan_store::embedded::verify(folder.path()).unwrap();
}

#[test]
fn any_sequence_of_days_drops_checkpoints_and_restarts_equals_a_map() {
    let config = ProptestConfig::with_cases(if long() { 300 } else { 12 });
    let steps = prop::collection::vec(step(), 1..50);
    proptest!(config, |(steps in steps)| assert_random(steps));
}
