//! The history of the embedded store: what it keeps by days, what it refuses, what a crash leaves.

mod checkpoints;
mod copies;
mod crash;
mod damage;
mod days;
mod journals;
mod killed;
mod random;
mod records;
mod salvaged;

use std::ops::{ControlFlow, RangeInclusive};
use std::path::Path;

use fjall::{Database, KeyspaceCreateOptions};
use portolan_store::embedded::EmbeddedStore;
use portolan_store::{Batch, HistoryOrder, HistoryWrite, MemoryHistory, Store, StoreError};
use portolan_wire::time::UnixMicros;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::model::{history_value, start};

pub(crate) const BOTH: [HistoryOrder; 2] = [HistoryOrder::Ascending, HistoryOrder::Descending];

/// The days of the store of [`three_days`].
const DAYS: [u32; 3] = [10, 11, 14];

/// Commits a record of the history, which the model keeps too.
fn add(store: &EmbeddedStore, model: &mut MemoryHistory, commit: u64, day: u32) {
    let batch = batch(commit, day);
    store.commit(&batch).unwrap();
    model.add(commit, &batch.history.unwrap());
}

fn batch(commit: u64, day: u32) -> Batch {
    Batch {
        commit,
        at: UnixMicros::midnight(day).plus_micros(commit as i64),
        history: Some(HistoryWrite {
            day,
            value: history_value(commit),
        }),
        ..Batch::default()
    }
}

/// A commit without a record.
fn plain(store: &EmbeddedStore, commit: u64, day: u32) {
    let batch = Batch {
        history: None,
        ..batch(commit, day)
    };
    store.commit(&batch).unwrap();
}

/// Where the history of [`three_days`] begins.
const FROM: UnixMicros = UnixMicros::midnight(9);

/// A store of 30 commits on three days, ten on each; every third commit has no record. It was made
/// before the first of these days.
fn three_days() -> (tempfile::TempDir, MemoryHistory) {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = start(folder.path()).unwrap();
    let mut model = MemoryHistory::new(FROM);
    let days = DAYS.iter().flat_map(|day| [*day; 10]);
    for (commit, day) in (1..).zip(days) {
        match commit % 3 {
            0 => plain(&store, commit, day),
            _ => add(&store, &mut model, commit, day),
        }
    }
    store.close().unwrap();
    drop(store);
    let mut json = StoreJson::read(folder.path());
    json.history.from = FROM.0;
    json.write(folder.path());
    (folder, model)
}

/// Opens and loads a store that has no hosts.
fn opened(folder: &Path) -> EmbeddedStore {
    try_open(folder).unwrap()
}

fn try_open(folder: &Path) -> Result<EmbeddedStore, StoreError> {
    let store = crate::model::open(folder)?;
    let loaded = store.load(&mut |_| Ok(()))?;
    assert_eq!((loaded.hosts, loaded.records), (0, 0));
    Ok(store)
}

type Records = Vec<(u64, Vec<u8>)>;

fn read(
    store: &dyn Store,
    commits: RangeInclusive<u64>,
    order: HistoryOrder,
) -> Result<Records, StoreError> {
    let mut found = Vec::new();
    store.history(commits, order, &mut |commit, value| {
        found.push((commit, value.to_vec()));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}

fn read_model(model: &MemoryHistory, commits: RangeInclusive<u64>, order: HistoryOrder) -> Records {
    let mut found = Vec::new();
    let read = model.read(commits, order, &mut |commit, value| {
        found.push((commit, value.to_vec()));
        Ok(ControlFlow::Continue(()))
    });
    read.unwrap();
    found
}

/// Compares all that can be asked of the history up to commit `last`.
fn assert_equals(store: &EmbeddedStore, model: &MemoryHistory, last: u64) {
    let (mut found, mut expected) = (store.history_span().unwrap(), model.span());
    // How large a table is, is the database's to know.
    found.days.iter_mut().for_each(|day| day.bytes = 0);
    expected.days.iter_mut().for_each(|day| day.bytes = 0);
    assert_eq!(found, expected);
    for commit in 0..=last + 1 {
        let found = store.history_record(commit).unwrap();
        assert_eq!(found, model.record(commit), "commit {commit}");
    }
    let spots = [0, 1, 2, last / 3, last / 2, last, last + 1, u64::MAX];
    for first in spots {
        for end in spots {
            for order in BOTH {
                let found = read(store, first..=end, order).unwrap();
                let expected = read_model(model, first..=end, order);
                assert_eq!(found, expected, "{first} to {end}, {order:?}");
            }
        }
    }
    assert_eq!(store.checkpoints().unwrap(), model.checkpoints());
}

/// Works on the keyspace of a day past the store.
fn behind_the_back(folder: &Path, day: u32, change: impl FnOnce(&Database, &fjall::Keyspace)) {
    let db = Database::builder(folder.join("fjall")).open().unwrap();
    let keyspace = db
        .keyspace(&format!("history-{day}"), KeyspaceCreateOptions::default)
        .unwrap();
    change(&db, &keyspace);
    db.persist(fjall::PersistMode::SyncAll).unwrap();
}

/// The key of a record, as `history/record.rs` lays it out.
fn record_key(commit: u64) -> Vec<u8> {
    [&[1], commit.to_be_bytes().as_slice()].concat()
}

/// `store.json`, to be changed past the store.
#[derive(Serialize, Deserialize)]
struct StoreJson {
    format: u32,
    store_id: String,
    parts: Vec<String>,
    history: HistoryJson,
    sum: String,
}

#[derive(Serialize, Deserialize)]
struct HistoryJson {
    from: i64,
    days: Vec<DayJson>,
}

#[derive(Serialize, Deserialize)]
struct DayJson {
    day: u32,
    after: u64,
}

impl StoreJson {
    fn read(folder: &Path) -> Self {
        let text = std::fs::read(folder.join("store.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    fn write(mut self, folder: &Path) {
        let all = (self.format, &self.store_id, &self.parts, &self.history);
        self.sum = format!("{:016x}", xxh3_64(&serde_json::to_vec(&all).unwrap()));
        let text = serde_json::to_vec(&self).unwrap();
        std::fs::write(folder.join("store.json"), text).unwrap();
    }
}
