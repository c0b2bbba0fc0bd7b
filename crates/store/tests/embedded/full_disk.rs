//! A disk that is full or read-only: nothing that was acknowledged is lost, and what can go on by
//! itself does.

use std::path::Path;
use std::process::Command;

use portolan_store::embedded::{EmbeddedOptions, EmbeddedStore};
use portolan_store::{Batch, SeenAt, Store, StoreError};

use crate::model::{Model, key, load, start, token};

/// Set for the child process alone: a folder on a file system of its own, 48 MB large.
const DISK: &str = "PORTOLAN_TEST_FULL_DISK";

/// Runs the test `child` of this binary, with a small file system that lives, and is seen, in the
/// child's own mount namespace alone.
fn on_a_small_disk(child: &str) {
    let disk = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=48m tmpfs \"$1\" && exec \"$0\" --exact \"$2\"";
    let ended = Command::new("unshare")
        .args(["--mount", "sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .arg(disk.path())
        .arg(format!("full_disk::{child}"))
        .env(DISK, disk.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&ended.stdout);
    assert!(
        ended.status.success(),
        "{told}{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    assert!(told.contains("1 passed"), "{told}");
}

fn options(free_bytes_min: u64) -> EmbeddedOptions {
    EmbeddedOptions {
        free_bytes_min,
        ..EmbeddedOptions::default()
    }
}

/// What the tests leave free.
const RESERVE: u64 = 12 << 20;

/// The next batch: 300 kB, of values that the journal keeps as they are.
fn next(model: &Model) -> (Model, Batch) {
    let value = vec![model.commit as u8; 3000];
    let changes: Vec<_> = (0..100)
        .map(|host| (key(&format!("h{host}")), Some(value.clone())))
        .collect();
    let record = (token("t"), Some(vec![model.commit as u8]));
    let mut next = model.clone();
    let batch = next.batch_of(&changes, &[record]);
    (next, batch)
}

/// Commits until the store refuses.
fn fill(store: &EmbeddedStore, model: &mut Model) -> StoreError {
    loop {
        let (after, batch) = next(model);
        match store.commit(&batch) {
            Ok(()) => *model = after,
            Err(error) => return error,
        }
        assert!(model.commit < 1000, "the disk never was full");
    }
}

/// The child: fills the disk up to the reserve, and goes on when there is room.
#[test]
fn child_runs_out_of_space() {
    let Some(disk) = std::env::var_os(DISK) else {
        return;
    };
    let (disk, folder) = (Path::new(&disk), Path::new(&disk).join("data"));
    let ballast = |bytes: usize| std::fs::write(disk.join("ballast"), vec![1; bytes]).unwrap();
    let store = EmbeddedStore::open(&folder, options(RESERVE)).unwrap();
    let (mut model, _) = load(&store).unwrap();
    for taken in [24 << 20, 20 << 20] {
        ballast(taken);
        let error = fill(&store, &mut model);
        let StoreError::NoSpace { free, needed, .. } = error else {
            panic!("{error}")
        };
        assert!(!error.is_fatal());
        assert!(free < needed && needed > RESERVE, "{free} of {needed}");
        // Still full: refused again, and reads go on.
        assert!(store.commit(&next(&model).1).is_err());
        let held = store.host(&key("h0")).unwrap();
        assert_eq!(held.as_ref(), model.hosts.get(&key("h0")));
        // What is heard is refused for the same reason, not half-written.
        ballast(taken + (free - RESERVE) as usize + (1 << 20));
        let seen = store.save_seen(&[SeenAt { host: 1, second: 1 }]);
        assert!(matches!(seen, Err(StoreError::NoSpace { .. })), "{seen:?}");
        // There is room again, and the very same commit is taken.
        ballast(0);
        let (after, batch) = next(&model);
        store.commit(&batch).unwrap();
        model = after;
    }
    drop(store);
    let store = EmbeddedStore::open(&folder, options(RESERVE)).unwrap();
    assert_eq!(load(&store).unwrap().0, model);
}

#[test]
fn without_space_commits_are_refused_before_they_begin_and_go_on_when_there_is_room() {
    on_a_small_disk("child_runs_out_of_space");
}

/// The child: fills the disk without a reserve, and starts again when there is room.
#[test]
fn child_fills_the_disk() {
    let Some(disk) = std::env::var_os(DISK) else {
        return;
    };
    let (disk, folder) = (Path::new(&disk), Path::new(&disk).join("data"));
    std::fs::write(disk.join("ballast"), vec![1; 42 << 20]).unwrap();
    let store = EmbeddedStore::open(&folder, options(0)).unwrap();
    let (mut model, _) = load(&store).unwrap();
    let error = fill(&store, &mut model);
    assert!(error.is_fatal(), "{error}");
    assert!(model.commit > 3, "full after {} commits", model.commit);
    // There is room again, and still nothing is taken: what the disk holds is not known.
    std::fs::remove_file(disk.join("ballast")).unwrap();
    let (after, batch) = next(&model);
    let again = store.commit(&batch).unwrap_err();
    assert!(
        again.to_string().contains("an earlier write failed"),
        "{again}"
    );
    assert!(store.close().is_err(), "such a store is not closed cleanly");
    drop(store);
    let store = EmbeddedStore::open(&folder, options(0)).unwrap();
    assert_eq!(load(&store).unwrap().0, model);
    store.commit(&batch).unwrap();
    drop(store);
    let store = EmbeddedStore::open(&folder, options(0)).unwrap();
    assert_eq!(load(&store).unwrap().0, after);
}

#[test]
fn a_write_that_fails_all_the_same_ends_the_commits_and_loses_none() {
    on_a_small_disk("child_fills_the_disk");
}

/// The child: fills the disk while tables are written and merged all the time, with no reserve.
#[test]
fn child_fills_the_disk_with_tables() {
    let Some(disk) = std::env::var_os(DISK) else {
        return;
    };
    let (disk, folder) = (Path::new(&disk), Path::new(&disk).join("data"));
    let small = EmbeddedOptions {
        memtable_bytes: 256 << 10,
        ..options(0)
    };
    for ballast in (0..8).map(|n| (28 + n) << 20) {
        let _absent = std::fs::remove_dir_all(&folder);
        std::fs::write(disk.join("ballast"), vec![1; ballast]).unwrap();
        let store = EmbeddedStore::open(&folder, small).unwrap();
        let (mut model, _) = load(&store).unwrap();
        let error = fill(&store, &mut model);
        assert!(error.is_fatal(), "{error}");
        drop(store);
        std::fs::write(disk.join("ballast"), b"").unwrap();
        let store = EmbeddedStore::open(&folder, small).unwrap();
        // The last batch may be there, though nobody was told so.
        let found = load(&store).unwrap().0;
        let after = next(&model).0;
        assert!(found == model || found == after, "{}", found.commit);
    }
}

/// A worker of the database that fails must not leave a commit waiting for it for ever.
#[test]
fn a_disk_that_fills_up_under_the_tables_ends_the_commits_and_loses_none() {
    on_a_small_disk("child_fills_the_disk_with_tables");
}

/// The child: a store whose file system is mounted read-only, as Linux does after an error.
#[test]
fn child_is_read_only() {
    let Some(disk) = std::env::var_os(DISK) else {
        return;
    };
    let (disk, folder) = (Path::new(&disk), Path::new(&disk).join("data"));
    let store = EmbeddedStore::open(&folder, options(0)).unwrap();
    let (mut model, _) = load(&store).unwrap();
    model.put(&store, "h", b"1");
    store.close().unwrap();
    drop(store);
    let remount = |how: &str| {
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-o", how]).arg(disk).status().unwrap();
        assert!(mounted.success());
    };
    remount("remount,ro");
    for path in [folder.clone(), disk.join("new")] {
        let refused = start(&path).err().unwrap();
        let StoreError::NotWritable { path: told, .. } = &refused else {
            panic!("{refused}")
        };
        assert_eq!(*told, path);
        assert!(
            refused.to_string().contains("Read-only file system"),
            "{refused}"
        );
    }
    remount("remount,rw");
    let store = EmbeddedStore::open(&folder, options(0)).unwrap();
    assert_eq!(load(&store).unwrap().0, model);
}

#[test]
fn a_read_only_disk_is_named_as_such_and_costs_nothing() {
    on_a_small_disk("child_is_read_only");
}
