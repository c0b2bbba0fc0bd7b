//! A disk that is full: the commit fails for good, and nothing that was acknowledged is lost.

use std::path::Path;
use std::process::Command;

use portolan_store::Store;

use crate::model::{key, start};

/// Set for the child process alone: a folder on a file system of its own, 16 MB large.
const DISK: &str = "PORTOLAN_TEST_FULL_DISK";

/// The child: fills the disk, and starts again when there is room.
#[test]
fn child_fills_the_disk() {
    let Some(disk) = std::env::var_os(DISK) else {
        return;
    };
    let (disk, folder) = (Path::new(&disk), Path::new(&disk).join("data"));
    std::fs::write(disk.join("ballast"), vec![1; 10 << 20]).unwrap();
    let (store, mut model) = start(&folder).unwrap();
    let error = loop {
        // 300 kB, of values that the journal keeps as they are.
        let value = vec![model.commit as u8; 3000];
        let changes: Vec<_> = (0..100)
            .map(|host| (key(&format!("h{host}")), Some(value.clone())))
            .collect();
        let mut next = model.clone();
        match store.commit(&next.batch(&changes)) {
            Ok(()) => model = next,
            Err(error) => break error,
        }
        assert!(model.commit < 100, "the disk never was full");
    };
    assert!(error.is_fatal(), "{error}");
    assert!(model.commit > 3, "full after {} commits", model.commit);
    // There is room again, and still nothing is taken: what the disk holds is not known.
    std::fs::remove_file(disk.join("ballast")).unwrap();
    let next = model.clone().batch(&[(key("next"), Some(vec![1]))]);
    let again = store.commit(&next).unwrap_err();
    assert!(
        again.to_string().contains("an earlier write failed"),
        "{again}"
    );
    assert!(store.close().is_err(), "such a store is not closed cleanly");
    drop(store);
    let (store, found) = start(&folder).unwrap();
    assert_eq!(found, model);
    store.commit(&next).unwrap();
}

#[test]
fn a_full_disk_ends_the_commits_and_loses_none() {
    let disk = tempfile::tempdir().unwrap();
    // The mount is seen, and lives, in the child's own mount namespace alone.
    let child = "mount -t tmpfs -o size=16m tmpfs \"$1\" && exec \"$0\" --exact full_disk::child_fills_the_disk";
    let ended = Command::new("unshare")
        .args(["--mount", "sh", "-c", child])
        .arg(std::env::current_exe().unwrap())
        .arg(disk.path())
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
