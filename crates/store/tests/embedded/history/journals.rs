//! Journals are freed although most keyspaces get little.

use std::path::Path;
use std::time::{Duration, Instant};

use portolan_store::{HistoryOrder, Store};

use super::{batch, read};
use crate::model::{names, start};

fn journals(folder: &Path) -> usize {
    let names = names(&folder.join("fjall"));
    names.iter().filter(|name| name.ends_with(".jnl")).count()
}

/// A journal goes when no keyspace that it has something of still needs it. With the database's own
/// limit there are eight here.
#[test]
fn days_with_little_history_keep_no_more_than_a_few_journals() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = start(folder.path()).unwrap();
    for commit in 1..=600_u64 {
        // Some days, and then one that gets little for long.
        let day = 10 + u32::try_from(commit / 20).unwrap().min(4);
        let mut batch = batch(commit, day);
        let value: Vec<u8> = noise(commit).take(1 << 20).collect();
        batch.hosts = vec![portolan_store::HostWrite {
            key: crate::model::key(&format!("h{}", commit)),
            hash: 0,
            value: Some(value),
            replaces: None,
        }];
        store.commit(&batch).unwrap();
    }
    let until = Instant::now() + Duration::from_secs(60);
    while journals(folder.path()) > 4 {
        assert!(
            Instant::now() < until,
            "{} journals",
            journals(folder.path())
        );
        std::thread::yield_now();
    }
    assert_eq!(
        read(&store, 0..=u64::MAX, HistoryOrder::Ascending)
            .unwrap()
            .len(),
        600
    );
}

/// Bytes that do not get smaller when they are packed.
fn noise(seed: u64) -> impl Iterator<Item = u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[0]
    })
}
