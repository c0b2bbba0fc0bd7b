//! Many small commits while the database's one worker is busy merging tables: it must not be drowned
//! in requests that it then waits for itself to take.

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use portolan_store::Store;
use portolan_store::embedded::{EmbeddedOptions, EmbeddedStore};

use crate::model::{Model, key};

/// Longer than any commit waits while the worker does what it must.
const STUCK_AFTER: Duration = Duration::from_secs(60);
const LARGE_COMMITS: u64 = 48;
const HOSTS_A_LARGE_COMMIT: u64 = 1_000;
const SMALL_COMMITS: u64 = 20_000;

/// Bytes that do not pack, so that merging takes long.
fn value(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..1_500).map(|_| next()).collect()
}

/// In memory a sync takes no time, so that more commits come while the worker merges.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

#[test]
fn commits_go_on_while_tables_are_merged() {
    let folder = folder();
    let options = EmbeddedOptions {
        memtable_bytes: 1 << 20,
        free_bytes_min: 0,
        ..EmbeddedOptions::default()
    };
    let store = EmbeddedStore::open(folder.path(), options).unwrap();
    store.load(&mut |_| Ok(())).unwrap();
    let (told, progress) = channel();
    // Not joined where it is stuck: the test fails by its patience then.
    let writer = std::thread::spawn(move || {
        let mut model = Model::default();
        for commit in 0..LARGE_COMMITS + SMALL_COMMITS {
            let hosts = if commit < LARGE_COMMITS {
                HOSTS_A_LARGE_COMMIT
            } else {
                1
            };
            let host = |n: u64| {
                let number = (commit * HOSTS_A_LARGE_COMMIT + n) * 7_919 % 48_000;
                (key(&format!("h{number}")), Some(value(commit ^ n << 32)))
            };
            let changes: Vec<_> = (0..hosts).map(host).collect();
            store.commit(&model.batch(&changes)).unwrap();
            let _gone = told.send(());
        }
        store.close().unwrap();
    });
    loop {
        match progress.recv_timeout(STUCK_AFTER) {
            Ok(()) => {}
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => panic!("no commit for {STUCK_AFTER:?}"),
        }
    }
    writer.join().unwrap();
}
