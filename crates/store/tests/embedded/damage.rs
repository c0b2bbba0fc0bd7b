//! Damage on disk is refused with its name, refused again, and never served.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use portolan_store::{Store, StoreError};

use crate::files::{
    BOTH, Records, content, copy_of, current_manifest, flip, journal, place_of, store, value,
    written_end, zero,
};
use crate::model::{key, names, start};

/// Starts the damaged store three times: each must refuse, name `expected`, and change nothing.
fn assert_refused(folder: &Path, expected: &str) {
    let damaged = content(folder);
    for attempt in 1..=3 {
        let refused = start(folder)
            .err()
            .unwrap_or_else(|| panic!("served, attempt {attempt}"));
        assert!(
            matches!(refused, StoreError::Damaged { .. }),
            "attempt {attempt}: {refused}"
        );
        let refused = refused.to_string();
        assert!(
            refused.contains(expected),
            "attempt {attempt}: {refused:?} lacks {expected:?}"
        );
        assert!(refused.contains("portolan store repair"), "{refused}");
        for ((before, old), (after, new)) in damaged.iter().zip(content(folder)) {
            assert_eq!(*before, after, "attempt {attempt}: the files differ");
            assert!(
                *old == new,
                "attempt {attempt}: {} was changed",
                before.display()
            );
        }
    }
    let copies = folder.join("journal-copies");
    if copies.exists() {
        assert_eq!(
            names(&copies).len(),
            1,
            "one copy of the journals is enough"
        );
    }
}

#[test]
fn an_undamaged_store_starts() {
    for records in BOTH {
        let (folder, model) = store(records);
        let (_, _) = place_of(folder.path(), records, 15);
        assert_eq!(start(folder.path()).unwrap().1, model, "{records:?}");
    }
}

#[test]
fn a_flipped_byte_in_a_value_is_refused() {
    for records in BOTH {
        for host in [0, 15, 29] {
            let (folder, _) = store(records);
            let (path, at) = place_of(folder.path(), records, host);
            flip(&path, at + 1000);
            let expected = match (records, host) {
                (Records::InTables, _) => "FjallError: Storage(ChecksumMismatch",
                // Taken for the torn end of a crash, which the mark contradicts.
                (Records::InJournal, 29) => "commits 30 to 30 are gone",
                (Records::InJournal, _) => "the journal fjall/0.jnl is damaged at byte",
            };
            assert_refused(folder.path(), expected);
        }
    }
}

/// A journal record of one host: tag, kind of value, compression, keyspace (8 bytes), length of the
/// key (2), of the value (4), and of the value as stored (4), then key and value.
const ITEM_HEADER: u64 = 21;

#[test]
fn a_flipped_byte_in_a_tag_or_length_of_a_journal_record_is_refused() {
    let key_len = 1 + 2 + 1 + 4;
    // The tag; the length of the key, of the value, and of the value as stored, lowest and highest byte.
    for field in [0, 11, 12, 13, 16, 17, 20] {
        for host in [0, 15, 29] {
            let (folder, _) = store(Records::InJournal);
            let (path, at) = place_of(folder.path(), Records::InJournal, host);
            // The version byte stands before the value.
            let item = at - 1 - key_len - ITEM_HEADER;
            flip(&path, item + field);
            let expected = match host {
                29 => "commits 30 to 30 are gone",
                _ => "the journal fjall/0.jnl is damaged at byte",
            };
            assert_refused(folder.path(), expected);
        }
    }
}

#[test]
fn a_zeroed_page_is_refused() {
    for records in BOTH {
        for host in [0, 15] {
            let (folder, _) = store(records);
            let (path, at) = place_of(folder.path(), records, host);
            zero(&path, at / 4096 * 4096, 4096);
            let expected = match records {
                Records::InTables => "reading all records: FjallError: Storage(",
                Records::InJournal => "the journal fjall/0.jnl is damaged at byte",
            };
            assert_refused(folder.path(), expected);
        }
    }
    // The last page of the journal: the journal looks as if it simply ended earlier.
    let (folder, _) = store(Records::InJournal);
    let (path, at) = place_of(folder.path(), Records::InJournal, 29);
    zero(&path, at / 4096 * 4096, 3 * 4096);
    assert_refused(folder.path(), "to 30 are gone");
}

#[test]
fn a_deleted_journal_is_refused() {
    for records in BOTH {
        let (folder, _) = store(records);
        fs::remove_file(journal(folder.path())).unwrap();
        assert_refused(folder.path(), "the journal is missing");
    }
    // An empty one in its place.
    let (folder, _) = store(Records::InJournal);
    File::create(journal(folder.path())).unwrap();
    assert_refused(folder.path(), "the commit record is missing");
}

#[test]
fn a_deleted_keyspace_manifest_is_refused() {
    for records in BOTH {
        for keyspace in ["0", "1"] {
            let current = format!("fjall/keyspaces/{keyspace}/current");
            let (folder, _) = store(records);
            fs::remove_file(folder.path().join(&current)).unwrap();
            assert_refused(folder.path(), &format!("{current} is missing"));

            let (folder, _) = store(records);
            let keyspace = folder.path().join(format!("fjall/keyspaces/{keyspace}"));
            fs::remove_file(current_manifest(&keyspace).unwrap()).unwrap();
            assert_refused(folder.path(), "the manifest v");
        }
    }
}

#[test]
fn an_altered_manifest_is_refused_at_each_of_its_bytes() {
    let (folder, _) = store(Records::InTables);
    let keyspace = folder.path().join("fjall/keyspaces/1");
    let manifests = [
        keyspace.join("current"),
        current_manifest(&keyspace).unwrap(),
    ];
    for path in manifests {
        for at in (0..fs::metadata(&path).unwrap().len()).step_by(7) {
            flip(&path, at);
            let refused = start(folder.path()).err().expect("served");
            assert!(refused.to_string().contains("manifest"), "{at}: {refused}");
            flip(&path, at);
        }
    }
    start(folder.path()).unwrap();
}

#[test]
fn a_deleted_keyspace_folder_is_refused() {
    for records in BOTH {
        for keyspace in [
            "fjall/keyspaces/0",
            "fjall/keyspaces/1",
            "fjall/keyspaces",
            "fjall",
        ] {
            let (folder, _) = store(records);
            fs::remove_dir_all(folder.path().join(keyspace)).unwrap();
            assert_refused(folder.path(), " is missing");
        }
    }
}

#[test]
fn a_deleted_table_is_refused() {
    let (folder, _) = store(Records::InTables);
    let (path, _) = place_of(folder.path(), Records::InTables, 0);
    fs::remove_file(path).unwrap();
    assert_refused(folder.path(), "the table fjall/keyspaces/1/tables/");
}

#[test]
fn deleted_files_beside_the_database_are_refused() {
    for records in BOTH {
        for (name, expected) in [
            ("store.json", "store.json is missing beside commit.mark"),
            ("commit.mark", "commit.mark is missing"),
            ("fjall/version", "fjall/version is missing"),
        ] {
            let (folder, _) = store(records);
            fs::remove_file(folder.path().join(name)).unwrap();
            assert_refused(folder.path(), expected);
        }
    }
    let (folder, _) = store(Records::InTables);
    fs::remove_file(folder.path().join("store.json")).unwrap();
    fs::remove_file(folder.path().join("commit.mark")).unwrap();
    assert_refused(folder.path(), "store.json is missing beside fjall");
}

#[test]
fn altered_files_beside_the_database_are_refused() {
    for (name, expected) in [
        ("commit.mark", "commit.mark is altered"),
        ("store.json", "store.json is not readable"),
        ("fjall/version", "InvalidVersion"),
    ] {
        let (folder, _) = store(Records::InTables);
        flip(&folder.path().join(name), 0);
        assert_refused(folder.path(), expected);
    }
}

#[test]
fn parts_of_another_store_are_refused() {
    let (folder, _) = store(Records::InTables);
    let (other, _) = store(Records::InTables);
    fs::copy(
        other.path().join("commit.mark"),
        folder.path().join("commit.mark"),
    )
    .unwrap();
    assert_refused(folder.path(), "commit.mark belongs to store");
    fs::copy(
        other.path().join("store.json"),
        folder.path().join("store.json"),
    )
    .unwrap();
    assert_refused(folder.path(), "the commit record belongs to store");
}

#[test]
fn an_older_copy_of_the_database_is_refused() {
    let (folder, mut model) = store(Records::InTables);
    let older = copy_of(folder.path());
    let (store, _) = start(folder.path()).unwrap();
    model.put(&store, "h003", b"newer");
    drop(store);
    fs::remove_dir_all(folder.path().join("fjall")).unwrap();
    fs::rename(older.path().join("fjall"), folder.path().join("fjall")).unwrap();
    assert_refused(folder.path(), "commits 31 to 31 are gone");
}

#[test]
fn damage_is_refused_after_a_start_that_was_killed_while_looking() {
    let (folder, _) = store(Records::InJournal);
    let (path, at) = place_of(folder.path(), Records::InJournal, 15);
    flip(&path, at - 1 - 8 - ITEM_HEADER);
    // What such a start leaves: a copy of the journals, and journals that were cut.
    let copy = folder.path().join("journal-copies/30-1");
    fs::create_dir_all(&copy).unwrap();
    fs::copy(&path, copy.join("0.jnl")).unwrap();
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(at)
        .unwrap();
    assert_refused(folder.path(), "commits 16 to 30 are gone");
    assert_eq!(names(&copy), ["0.jnl"], "the first copy is kept");
}

#[test]
fn what_a_kill_tears_beyond_the_acknowledged_end_is_dropped() {
    // A whole batch, as the journal holds it, to tear.
    let (other, _) = store(Records::InJournal);
    let bytes = fs::read(journal(other.path())).unwrap();
    let end = written_end(&journal(other.path())) as usize;
    let starts: Vec<usize> = (0..30)
        .map(|host| place_of(other.path(), Records::InJournal, host).1 as usize)
        .collect();
    let batch_len = starts[29] - starts[28];
    let batch = &bytes[end - batch_len..end];
    for torn in [
        1,
        5,
        13,
        20,
        40,
        1000,
        batch_len - 13,
        batch_len - 4,
        batch_len - 1,
    ] {
        let (folder, model) = store(Records::InJournal);
        let path = journal(folder.path());
        let end = written_end(&path);
        let file = File::options().write(true).open(&path).unwrap();
        file.write_all_at(&batch[..torn], end).unwrap();
        let (store, found) = start(folder.path()).unwrap();
        assert_eq!(found, model, "torn after {torn} bytes");
        store
            .commit(&model.clone().batch(&[(key("h"), Some(vec![1]))]))
            .unwrap();
        drop(store);
        assert_eq!(start(folder.path()).unwrap().1.hosts.len(), 31);

        // The same on a journal that ends with its last record, as after a restart.
        let (folder, model) = self::store(Records::InJournal);
        let path = journal(folder.path());
        let end = written_end(&path);
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(end).unwrap();
        file.write_all_at(&batch[..torn], end).unwrap();
        assert_eq!(
            start(folder.path()).unwrap().1,
            model,
            "torn after {torn} bytes, no zeros"
        );
    }
}

#[test]
fn a_byte_flipped_anywhere_is_refused_or_changes_nothing_that_is_served() {
    for records in BOTH {
        let (folder, model) = store(records);
        let (mut refused, mut flips) = (0, 0);
        for (path, _) in content(folder.path()) {
            let len = match path.ends_with("0.jnl") {
                true => written_end(&path),
                false => fs::metadata(&path).unwrap().len(),
            };
            let path = path.strip_prefix(folder.path()).unwrap();
            for at in (0..5).map(|step| len * step / 5).filter(|at| *at < len) {
                let damaged = copy_of(folder.path());
                flip(&damaged.path().join(path), at);
                flips += 1;
                match start(damaged.path()) {
                    Ok((_, found)) => assert_eq!(found, model, "{} at {at}", path.display()),
                    Err(StoreError::Damaged { .. }) => refused += 1,
                    Err(error) => panic!("{} at {at}: {error}", path.display()),
                }
            }
        }
        // Some bytes of a table are covered by no sum and needed by nobody.
        assert!(
            refused * 10 >= flips * 9,
            "{refused} of {flips}, {records:?}"
        );
    }
}

#[test]
fn a_last_batch_torn_in_its_middle_is_dropped_only_if_it_was_not_acknowledged() {
    for was_acknowledged in [false, true] {
        let (folder, model) = store(Records::InJournal);
        let mark = folder.path().join("commit.mark");
        let (store, _) = start(folder.path()).unwrap();
        let before = fs::read(&mark).unwrap();
        model.clone().put(&store, "h030", &value(30));
        drop(store);
        // A power loss kept the end of the batch and lost what is before, and the mark.
        let (path, at) = place_of(folder.path(), Records::InJournal, 30);
        zero(&path, at + 512, 512);
        if was_acknowledged {
            assert_refused(folder.path(), "commits 31 to 31 are gone");
        } else {
            fs::write(&mark, before).unwrap();
            assert_eq!(start(folder.path()).unwrap().1, model);
        }
    }
}

#[test]
fn a_table_whose_list_of_sections_is_altered_is_refused_before_it_is_believed() {
    let (folder, _) = store(Records::InTables);
    let (path, _) = place_of(folder.path(), Records::InTables, 0);
    let bytes = fs::read(&path).unwrap();
    // The magic before the number of sections; its highest byte asks for 86 GB of memory.
    let list = bytes
        .windows(4)
        .rposition(|window| window == b"TOC!")
        .unwrap();
    for at in list..bytes.len() {
        let mut altered = bytes.clone();
        altered[at] ^= 0x80;
        fs::write(&path, altered).unwrap();
        let refused = start(folder.path()).err().expect("served").to_string();
        assert!(
            refused.contains("the list of its sections"),
            "{at}: {refused}"
        );
    }
    fs::write(&path, &bytes[..20]).unwrap();
    assert_refused(folder.path(), "the list of its sections");
    fs::write(&path, bytes).unwrap();
    start(folder.path()).unwrap();
}
