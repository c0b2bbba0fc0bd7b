//! Checkpoints beside the records of a day.

use portolan_store::{Checkpoint, CheckpointAt, MemoryHistory, Store, StoreError};
use portolan_wire::time::UnixMicros;

use super::{DAYS, assert_equals, behind_the_back, opened, three_days};

fn checkpoint(day: u32, commit: u64, parts: &[(&[u8], &[u8])]) -> Checkpoint {
    let at = CheckpointAt {
        day,
        commit,
        at: UnixMicros(commit as i64),
    };
    let parts = parts
        .iter()
        .map(|(name, bytes)| (name.to_vec(), bytes.to_vec()));
    Checkpoint {
        at,
        parts: parts.collect(),
    }
}

type Parts = Vec<(Vec<u8>, Vec<u8>)>;

fn parts(store: &dyn Store, day: u32, prefix: &[u8]) -> Result<Parts, StoreError> {
    let mut found = Vec::new();
    store.checkpoint_parts(day, prefix, &mut |name, bytes| {
        found.push((name.to_vec(), bytes.to_vec()));
        Ok(())
    })?;
    Ok(found)
}

fn parts_of(model: &MemoryHistory, day: u32, prefix: &[u8]) -> Parts {
    let mut found = Vec::new();
    let read = model.checkpoint_parts(day, prefix, &mut |name, bytes| {
        found.push((name.to_vec(), bytes.to_vec()));
        Ok(())
    });
    read.unwrap();
    found
}

/// All prefixes that tell parts apart.
const PREFIXES: [&[u8]; 8] = [b"", b"a", b"ab", b"abc", b"b", b"c", b"z", b"\xff"];

fn assert_parts(store: &dyn Store, model: &MemoryHistory) {
    for day in DAYS {
        for prefix in PREFIXES {
            let found = parts(store, day, prefix).unwrap();
            assert_eq!(found, parts_of(model, day, prefix), "{day}, {prefix:?}");
        }
    }
}

#[test]
fn a_checkpoint_replaces_that_of_its_day_and_its_parts_read_by_prefix() {
    let (folder, mut model) = three_days();
    let store = opened(folder.path());
    let large = vec![7; 1 << 20];
    let many: Vec<(Vec<u8>, Vec<u8>)> = (0..2500_u32)
        .map(|n| (n.to_be_bytes().to_vec(), vec![1]))
        .collect();
    let many: Vec<_> = many
        .iter()
        .map(|(a, b)| (a.as_slice(), b.as_slice()))
        .collect();
    for checkpoint in [
        checkpoint(
            10,
            4,
            &[(b"b", b"2"), (b"ab", b"1"), (b"abc", b""), (b"\xff", b"3")],
        ),
        checkpoint(14, 24, &[]),
        checkpoint(
            14,
            25,
            &[(b"", b"nameless"), (b"c", &large), (b"a", &large)],
        ),
        // More than are removed at once, and then fewer.
        checkpoint(10, 5, &many),
        checkpoint(10, 6, &[(b"c", b"4")]),
        // No such day.
        checkpoint(12, 22, &[(b"a", b"1")]),
    ] {
        store.save_checkpoint(&checkpoint).unwrap();
        model.save_checkpoint(&checkpoint);
        assert_parts(&store, &model);
        assert_eq!(store.checkpoints().unwrap(), model.checkpoints());
    }
    store.close().unwrap();
    drop(store);
    let store = opened(folder.path());
    assert_parts(&store, &model);
    assert_equals(&store, &model, 30);
    store.drop_history_before(14).unwrap();
    model.drop_before(14);
    assert_equals(&store, &model, 30);
}

#[test]
fn a_part_that_is_too_long_is_refused() {
    let (folder, _) = three_days();
    let store = opened(folder.path());
    let (long, name) = (vec![0; (1 << 20) + 1], vec![0; 4097]);
    for part in [(b"a".as_slice(), long.as_slice()), (&name, b"1")] {
        let refused = store.save_checkpoint(&checkpoint(14, 25, &[part]));
        assert!(refused.unwrap_err().to_string().contains("too long"));
    }
    assert_eq!(store.checkpoints().unwrap(), []);
}

#[test]
fn one_that_was_killed_before_its_end_leaves_the_one_before() {
    let (folder, mut model) = three_days();
    let store = opened(folder.path());
    let whole = checkpoint(14, 25, &[(b"a", b"1"), (b"b", b"2")]);
    store.save_checkpoint(&whole).unwrap();
    model.save_checkpoint(&whole);
    store.close().unwrap();
    drop(store);
    // Parts of the next generation, and no head.
    behind_the_back(folder.path(), 14, |_, day| {
        day.insert(b"\x02\0\0\0\x01a", b"half").unwrap();
        day.insert(b"\x02\0\0\0\x01z", b"half").unwrap();
    });
    let store = opened(folder.path());
    assert_parts(&store, &model);
    let next = checkpoint(14, 26, &[(b"b", b"3")]);
    store.save_checkpoint(&next).unwrap();
    model.save_checkpoint(&next);
    assert_parts(&store, &model);
}

#[test]
fn a_part_that_is_missing_or_altered_is_never_passed_over() {
    let saved = || {
        let (folder, _) = three_days();
        let store = opened(folder.path());
        let parts: [(&[u8], &[u8]); 4] = [(b"a", b"1"), (b"ab", b"2"), (b"ac", b"3"), (b"b", b"4")];
        store.save_checkpoint(&checkpoint(14, 25, &parts)).unwrap();
        store.close().unwrap();
        folder
    };
    for (name, prefixes) in [
        (b"a".as_slice(), [b"a".as_slice(), b""]),
        (b"ab", [b"ab", b"a"]),
        (b"ac", [b"ac", b"a"]),
        (b"b", [b"b", b""]),
    ] {
        let folder = saved();
        let key = [b"\x02\0\0\0\0", name].concat();
        behind_the_back(folder.path(), 14, |_, day| day.remove(&key).unwrap());
        let store = opened(folder.path());
        for prefix in prefixes {
            let refused = parts(&store, 14, prefix).unwrap_err().to_string();
            let expected = "of the checkpoint of day 14 is missing";
            assert!(
                refused.contains(expected),
                "{name:?}, {prefix:?}: {refused}"
            );
        }
        drop(store);
        let refused = portolan_store::embedded::verify(folder.path()).unwrap_err();
        assert!(refused.to_string().contains("is missing"), "{refused}");
    }
    for (key, expected) in [
        (
            b"\x02\0\0\0\0ab".as_slice(),
            "a part of the checkpoint of day 14 is altered",
        ),
        (b"\x03", "the checkpoint of day 14 is altered"),
    ] {
        let folder = saved();
        behind_the_back(folder.path(), 14, |_, day| {
            let mut value = day.get(key).unwrap().unwrap().to_vec();
            let last = value.len() - 1;
            value[last] ^= 1;
            day.insert(key, value).unwrap();
        });
        let store = opened(folder.path());
        let refused = parts(&store, 14, b"a").unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
    }
}
