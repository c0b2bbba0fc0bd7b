//! The embedded store as its users see it: what was committed is there, whatever the last end was.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use portolan_store::embedded::{EmbeddedOptions, EmbeddedStore};
use portolan_store::{
    Batch, HostWrite, RecordKey, RecordKind, SeenAt, Store, StoreError, record_hash,
};
use portolan_wire::ids::HostKey;
use portolan_wire::time::UnixMicros;
use proptest::prelude::*;

use crate::model::{Change, Model, key, load, names, open, start, token};

#[test]
fn a_new_store_is_private_and_leaves_the_files_of_others_alone() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("made/by/the/store");
    let store = open(&folder).unwrap();
    let (model, loaded) = load(&store).unwrap();
    assert_eq!(model, Model::default());
    assert_eq!(loaded, Model::default().loaded());
    assert_eq!(
        std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777,
        0o700
    );
    assert_eq!(
        names(&folder),
        ["commit.mark", "fjall", "lock", "store.json"]
    );
    drop(store);

    let beside = tempfile::tempdir().unwrap();
    std::fs::write(beside.path().join("admin-token"), "secret").unwrap();
    start(beside.path()).unwrap().0.close().unwrap();
    assert_eq!(
        std::fs::read(beside.path().join("admin-token")).unwrap(),
        b"secret"
    );
}

#[test]
fn a_second_server_is_told_that_the_folder_is_in_use_until_the_first_ends() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path()).unwrap();
    let refused = open(folder.path()).err().unwrap();
    assert!(matches!(refused, StoreError::Locked { .. }), "{refused}");
    assert!(!refused.is_fatal());
    load(&first).unwrap();
    assert!(matches!(
        open(folder.path()).err().unwrap(),
        StoreError::Locked { .. }
    ));
    drop(first);
    open(folder.path()).unwrap();
}

#[test]
fn a_store_of_another_format_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).unwrap());
    let path = folder.path().join("store.json");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("\"format\": 2"), "{text}");
    std::fs::write(&path, text.replace("\"format\": 2", "\"format\": 7")).unwrap();
    let refused = open(folder.path()).err().unwrap();
    assert!(
        matches!(
            refused,
            StoreError::Format {
                found: 7,
                supported: 2,
                ..
            }
        ),
        "{refused}"
    );
}

#[test]
fn a_host_reads_back_alone_and_an_absent_one_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let (store, mut model) = start(folder.path()).unwrap();
    model.put(&store, "h1", b"");
    model.put(&store, "h2", &[0, 1, 2]);
    assert_eq!(
        store.host(&key("h1")).unwrap().as_deref(),
        Some([].as_slice())
    );
    assert_eq!(
        store.host(&key("h2")).unwrap().as_deref(),
        Some([0, 1, 2].as_slice())
    );
    assert_eq!(store.host(&key("h3")).unwrap(), None);
    let batch = model.batch(&[(key("h2"), None)]);
    store.commit(&batch).unwrap();
    assert_eq!(store.host(&key("h2")).unwrap(), None);
}

#[test]
fn a_record_reads_back_alone_and_is_no_host_and_no_record_of_another_kind() {
    let folder = tempfile::tempdir().unwrap();
    let (store, mut model) = start(folder.path()).unwrap();
    let user = RecordKey {
        kind: RecordKind::User,
        ..token("t1")
    };
    let records = [(token("t1"), Some(vec![1])), (token("t2"), Some(vec![2]))];
    let batch = model.batch_of(&[(key("t1"), Some(vec![3]))], &records);
    store.commit(&batch).unwrap();
    assert_eq!(store.record(&token("t1")).unwrap(), Some(vec![1]));
    assert_eq!(store.record(&user).unwrap(), None);
    assert_eq!(store.host(&key("t2")).unwrap(), None);
    let batch = model.batch_of(&[], &[(token("t1"), None)]);
    store.commit(&batch).unwrap();
    assert_eq!(store.record(&token("t1")).unwrap(), None);
    drop(store);
    let (store, found) = start(folder.path()).unwrap();
    assert_eq!(found, model);
    assert_eq!((found.hosts.len(), found.records.len()), (1, 1));
    assert_eq!(store.record(&token("t2")).unwrap(), Some(vec![2]));
}

#[test]
fn a_commit_that_does_not_follow_the_last_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (store, mut model) = start(folder.path()).unwrap();
    model.put(&store, "h1", b"1");
    for commit in [0, 1, 3] {
        let batch = Batch {
            commit,
            at: UnixMicros(9),
            ..Batch::default()
        };
        let refused = store.commit(&batch).unwrap_err();
        assert!(refused.is_fatal());
        let expected = format!("commit {commit} does not follow commit 1");
        assert!(refused.to_string().contains(&expected), "{refused}");
    }
    let absent = HostWrite {
        key: key("h2"),
        value: None,
        hash: 0,
        replaces: Some(1),
    };
    let twice = HostWrite {
        key: key("h1"),
        value: None,
        hash: 0,
        replaces: Some(1),
    };
    let batch = Batch {
        commit: 2,
        at: UnixMicros(9),
        hosts: vec![absent, twice],
        records: Vec::new(),
        history: None,
    };
    let refused = store.commit(&batch).unwrap_err().to_string();
    assert!(
        refused.contains("takes away more than there is"),
        "{refused}"
    );
    drop(store);
    assert_eq!(start(folder.path()).unwrap().1, model);
}

#[test]
fn nothing_is_committed_before_loading_or_after_closing_and_loading_is_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let batch = Model::default().batch(&[(key("h"), Some(vec![1]))]);
    assert!(
        store
            .commit(&batch)
            .unwrap_err()
            .to_string()
            .contains("not loaded yet")
    );
    assert!(store.save_seen(&[]).is_err());
    load(&store).unwrap();
    assert!(load(&store).unwrap_err().to_string().contains("only once"));
    store.commit(&batch).unwrap();
    store.close().unwrap();
    store.close().unwrap();
    assert!(
        store
            .commit(&batch)
            .unwrap_err()
            .to_string()
            .contains("closed")
    );
    assert!(
        store
            .host(&key("h"))
            .unwrap_err()
            .to_string()
            .contains("closed")
    );
}

#[test]
fn an_error_of_the_one_who_loads_is_handed_on_and_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (store, mut model) = start(folder.path()).unwrap();
    model.put(&store, "h", b"1");
    drop(store);
    let store = open(folder.path()).unwrap();
    let own = || StoreError::Read {
        what: "of the loader".into(),
    };
    let error = store.load(&mut |_| Err(own())).unwrap_err();
    assert_eq!(error.to_string(), own().to_string());
    drop(store);
    assert_eq!(
        names(folder.path()),
        ["commit.mark", "fjall", "lock", "store.json"]
    );
    assert_eq!(start(folder.path()).unwrap().1, model);
}

#[test]
fn the_last_moments_saved_are_the_ones_loaded_whatever_their_number() {
    let folder = tempfile::tempdir().unwrap();
    let seen = |hosts: u64, second| -> Vec<SeenAt> {
        (0..hosts).map(|host| SeenAt { host, second }).collect()
    };
    let (store, mut model) = start(folder.path()).unwrap();
    assert_eq!(store.load_seen().unwrap(), []);
    // More than two records of 65,536 hosts, exactly one, a part of one, none.
    for (hosts, second) in [(140_000, 1), (65_536, 2), (3, 3), (0, 4), (65_537, 5)] {
        store.save_seen(&seen(hosts, second)).unwrap();
        assert_eq!(
            store.load_seen().unwrap(),
            seen(hosts, second),
            "{hosts} hosts"
        );
    }
    model.put(&store, "h", b"beside them");
    store.close().unwrap();
    drop(store);
    let store = open(folder.path()).unwrap();
    assert_eq!(store.load_seen().unwrap(), seen(65_537, 5));
    assert_eq!(load(&store).unwrap().0, model);
    assert_eq!(store.load_seen().unwrap(), seen(65_537, 5));
}

#[test]
fn a_store_larger_than_its_memory_is_whole_after_a_clean_and_an_unclean_end() {
    let folder = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions {
        cache_bytes: 1 << 20,
        memtable_bytes: 1 << 20,
        ..EmbeddedOptions::default()
    };
    let mut model = Model::default();
    for round in 0..3_u8 {
        let store = EmbeddedStore::open(folder.path(), options).unwrap();
        assert_eq!(load(&store).unwrap(), (model.clone(), model.loaded()));
        // 12 batches of 300 kB: the memtable is flushed several times.
        for batch in 0..12_u8 {
            let value = |host: u32| -> Vec<u8> {
                (0..1500)
                    .map(|at| (host as u8) ^ round ^ batch ^ (at as u8))
                    .collect()
            };
            let changes: Vec<_> = (0..200_u32)
                .map(|host| (key(&format!("h{host}")), Some(value(host))))
                .collect();
            store.commit(&model.batch(&changes)).unwrap();
        }
        if round == 1 {
            store.close().unwrap();
        }
    }
    assert_eq!(start(folder.path()).unwrap().1, model);
}

#[test]
fn a_full_journal_is_followed_by_the_next_and_nothing_is_lost_between_them() {
    let folder = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions {
        cache_bytes: 1 << 20,
        memtable_bytes: 1 << 20,
        ..EmbeddedOptions::default()
    };
    let mut model = Model::default();
    let store = EmbeddedStore::open(folder.path(), options).unwrap();
    load(&store).unwrap();
    // The next journal begins after 64 MB; values of this size are kept as they are.
    let journals = || {
        let names = names(&folder.path().join("fjall")).into_iter();
        names
            .filter(|name| name.ends_with(".jnl"))
            .collect::<Vec<_>>()
    };
    while journals() == ["0.jnl"] {
        let value = vec![model.commit as u8; 4000];
        let changes: Vec<_> = (0..500_u32)
            .map(|host| (key(&format!("h{host}")), Some(value.clone())))
            .collect();
        store.commit(&model.batch(&changes)).unwrap();
        assert!(model.commit < 200, "still the first journal after 400 MB");
    }
    for commit in 0..3 {
        model.put(&store, "after", &[commit]);
    }
    drop(store);
    let (store, found) = start(folder.path()).unwrap();
    assert_eq!(found, model);
    store.close().unwrap();
    drop(store);
    assert_eq!(start(folder.path()).unwrap().1, model);
}

/// One thing that a server does to its store.
#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<Change<HostKey>>, Vec<Change<RecordKey>>),
    SaveSeen(u8),
    CloseAndStart,
    DropAndStart,
}

fn step() -> impl Strategy<Value = Step> {
    let host = ("[a\u{0}é]{1,2}", "[a-c]").prop_map(|(project, host)| HostKey {
        project: project.as_str().into(),
        host: host.as_str().into(),
    });
    let record = (0..RecordKind::ALL.len(), "[a-cé]").prop_map(|(kind, id)| RecordKey {
        kind: RecordKind::ALL[kind],
        id,
    });
    let value = || {
        prop_oneof![
            1 => Just(None),
            3 => proptest::collection::vec(any::<u8>(), 0..40).prop_map(Some),
            // Values from 4,096 bytes are stored compressed.
            1 => (any::<u8>(), 4000..5000_usize).prop_map(|(byte, len)| Some(vec![byte; len])),
        ]
    };
    let hosts = proptest::collection::vec((host, value()), 0..6);
    let records = proptest::collection::vec((record, value()), 0..3);
    prop_oneof![
        8 => (hosts, records).prop_map(|(hosts, records)| Step::Commit(hosts, records)),
        1 => any::<u8>().prop_map(Step::SaveSeen),
        1 => Just(Step::CloseAndStart),
        1 => Just(Step::DropAndStart),
    ]
}

fn take_step(folder: &Path, store: EmbeddedStore, model: &mut Model, step: &Step) -> EmbeddedStore {
    match step {
        Step::Commit(hosts, records) => {
            store.commit(&model.batch_of(hosts, records)).unwrap();
        }
        Step::SaveSeen(hosts) => {
            let seen: Vec<_> = (0..*hosts)
                .map(|host| SeenAt {
                    host: host.into(),
                    second: 1,
                })
                .collect();
            store.save_seen(&seen).unwrap();
        }
        Step::CloseAndStart => store.close().unwrap(),
        Step::DropAndStart => {}
    }
    if let Step::CloseAndStart | Step::DropAndStart = step {
        drop(store);
        let (store, found) = start(folder).unwrap();
        assert_eq!(&found, model);
        return store;
    }
    store
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_sequence_of_commits_and_restarts_equals_a_map(
        steps in proptest::collection::vec(step(), 0..25),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (mut store, mut model) = start(folder.path()).unwrap();
        for step in &steps {
            store = take_step(folder.path(), store, &mut model, step);
        }
        for (key, value) in &model.hosts {
            prop_assert_eq!(store.host(key).unwrap(), Some(value.clone()));
        }
        for (key, value) in &model.records {
            prop_assert_eq!(store.record(key).unwrap(), Some(value.clone()));
        }
        drop(store);
        let (_store, found) = start(folder.path()).unwrap();
        prop_assert_eq!(found, model);
    }
}

#[test]
fn the_hash_of_a_record_depends_on_each_part_and_its_place() {
    let hash = |project: &str, host: &str, value: &[u8]| {
        record_hash(
            &HostKey {
                project: project.into(),
                host: host.into(),
            },
            value,
        )
    };
    let one = hash("ab", "c", b"d");
    assert_eq!(one, hash("ab", "c", b"d"));
    for other in [
        hash("a", "bc", b"d"),
        hash("ab", "cd", b""),
        hash("ab", "c", b"e"),
    ] {
        assert_ne!(one, other);
    }
}
