//! Backups and restores carry the history.

use std::fs::File;

use portolan_store::embedded::{restore, verify};
use portolan_store::{Checkpoint, CheckpointAt, MemoryHistory, Store, backup};
use portolan_wire::time::UnixMicros;

use super::{DAYS, add, assert_equals, opened, three_days};

fn checkpoint(day: u32, parts: u8) -> Checkpoint {
    let part = |n: u8| (vec![n], vec![n; 70_000]);
    Checkpoint {
        at: CheckpointAt {
            day,
            commit: u64::from(day),
            at: UnixMicros(5),
        },
        parts: (0..parts).map(part).collect(),
    }
}

fn assert_same_parts(store: &dyn Store, model: &MemoryHistory) {
    for day in DAYS {
        let (mut found, mut expected) = (Vec::new(), Vec::new());
        let mut each = |name: &[u8], bytes: &[u8]| {
            found.push((name.to_vec(), bytes.to_vec()));
            Ok(())
        };
        store.checkpoint_parts(day, b"", &mut each).unwrap();
        let mut each = |name: &[u8], bytes: &[u8]| {
            expected.push((name.to_vec(), bytes.to_vec()));
            Ok(())
        };
        model.checkpoint_parts(day, b"", &mut each).unwrap();
        assert_eq!(found, expected);
    }
}

#[test]
fn a_restored_history_equals_the_one_backed_up_and_goes_on() {
    for dropped in [0, DAYS[1], DAYS[2]] {
        let (folder, mut model) = three_days();
        let store = opened(folder.path());
        for checkpoint in [checkpoint(DAYS[1], 3), checkpoint(DAYS[2], 100)] {
            store.save_checkpoint(&checkpoint).unwrap();
            model.save_checkpoint(&checkpoint);
        }
        store.drop_history_before(dropped).unwrap();
        model.drop_before(dropped);
        let beside = tempfile::tempdir().unwrap();
        let file = beside.path().join("backup");
        backup::write(&store, &mut File::create(&file).unwrap()).unwrap();
        backup::check(&file).unwrap();
        let restored = beside.path().join("restored");
        let report = restore(&file, &restored).unwrap();
        assert_eq!(
            report.history,
            super::read_model(&model, 0..=99, super::BOTH[0]).len() as u64
        );
        let store = opened(&restored);
        assert_equals(&store, &model, 30);
        assert_same_parts(&store, &model);
        add(&store, &mut model, 31, DAYS[2]);
        add(&store, &mut model, 32, 15);
        store.close().unwrap();
        drop(store);
        let store = opened(&restored);
        assert_equals(&store, &model, 32);
        drop(store);
        verify(&restored).unwrap();
    }
}
