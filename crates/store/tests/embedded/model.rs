//! What the tests of the embedded store share: a model of it, and batches made from both.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use portolan_store::embedded::{EmbeddedOptions, EmbeddedStore};
use portolan_store::{
    Batch, Entry, HistoryOrder, HistoryWrite, HostWrite, Loaded, RecordKey, RecordKind,
    RecordWrite, Store, StoreError, Write, record_hash,
};
use portolan_wire::ids::HostKey;
use portolan_wire::time::UnixMicros;

/// What a store must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Model {
    pub(crate) commit: u64,
    pub(crate) hosts: BTreeMap<HostKey, Vec<u8>>,
    pub(crate) records: BTreeMap<RecordKey, Vec<u8>>,
    /// By commit.
    pub(crate) history: BTreeMap<u64, Vec<u8>>,
}

/// A new value of a host or record, or its removal.
pub(crate) type Change<K> = (K, Option<Vec<u8>>);

impl Model {
    /// The batch that makes these changes, which the model makes too.
    pub(crate) fn batch(&mut self, hosts: &[Change<HostKey>]) -> Batch {
        self.batch_of(hosts, &[])
    }

    /// The same with records.
    pub(crate) fn batch_of(
        &mut self,
        hosts: &[Change<HostKey>],
        records: &[Change<RecordKey>],
    ) -> Batch {
        self.commit += 1;
        let hosts: Vec<HostWrite> = writes(hosts, &mut self.hosts, record_hash);
        let records: Vec<RecordWrite> = writes(records, &mut self.records, RecordKey::hash_with);
        Batch {
            commit: self.commit,
            at: UnixMicros(self.commit as i64),
            hosts,
            records,
            history: Some(self.history_of(self.commit)),
        }
    }

    /// What each commit of the model adds to the history, which the model adds too.
    fn history_of(&mut self, commit: u64) -> HistoryWrite {
        let value = history_value(commit);
        self.history.insert(commit, value.clone());
        HistoryWrite { day: 0, value }
    }

    /// Commits a batch of one changed host.
    pub(crate) fn put(&mut self, store: &EmbeddedStore, host: &str, value: &[u8]) {
        let batch = self.batch(&[(key(host), Some(value.to_vec()))]);
        store.commit(&batch).unwrap();
    }

    /// What loading it must say.
    pub(crate) fn loaded(&self) -> Loaded {
        Loaded {
            commit: self.commit,
            at: UnixMicros(self.commit as i64),
            hosts: self.hosts.len() as u64,
            records: self.records.len() as u64,
        }
    }
}

/// The record of the history that a commit of a model adds.
pub(crate) fn history_value(commit: u64) -> Vec<u8> {
    format!("<history of commit {commit:03}>").into_bytes()
}

fn writes<K: Clone + Ord>(
    changes: &[Change<K>],
    held: &mut BTreeMap<K, Vec<u8>>,
    hash: impl Fn(&K, &[u8]) -> u128,
) -> Vec<Write<K>> {
    // At most one write a key: the last one counts.
    let changes: BTreeMap<_, _> = changes.iter().cloned().collect();
    let mut writes = Vec::new();
    for (key, value) in changes {
        let before = match &value {
            Some(value) => held.insert(key.clone(), value.clone()),
            None => held.remove(&key),
        };
        let replaces = before.map(|before| hash(&key, &before));
        let hash = value.as_ref().map_or(0, |value| hash(&key, value));
        writes.push(Write {
            key,
            value,
            hash,
            replaces,
        });
    }
    writes
}

pub(crate) fn key(host: &str) -> HostKey {
    HostKey {
        project: "p".into(),
        host: host.into(),
    }
}

/// Whether the long forms of the tests are wanted: `PORTOLAN_LONG=1`.
pub(crate) fn long() -> bool {
    std::env::var_os("PORTOLAN_LONG").is_some_and(|value| value == "1")
}

/// The key of a token.
pub(crate) fn token(id: &str) -> RecordKey {
    RecordKey {
        kind: RecordKind::Token,
        id: id.into(),
    }
}

pub(crate) fn open(folder: &Path) -> Result<EmbeddedStore, StoreError> {
    EmbeddedStore::open(folder, EmbeddedOptions::default())
}

/// All that a store holds that was just opened, and where its log stands.
pub(crate) fn load(store: &EmbeddedStore) -> Result<(Model, Loaded), StoreError> {
    let mut model = Model::default();
    let loaded = store.load(&mut |entry| {
        let before = match entry {
            Entry::Host(key, value) => model.hosts.insert(key, value.to_vec()),
            Entry::Record(key, value) => model.records.insert(key, value.to_vec()),
        };
        assert!(before.is_none(), "an entry was handed out twice");
        Ok(())
    })?;
    model.commit = loaded.commit;
    model.history = history(store)?;
    Ok((model, loaded))
}

/// The whole history of a store, by commit.
pub(crate) fn history(store: &dyn Store) -> Result<BTreeMap<u64, Vec<u8>>, StoreError> {
    let mut history = BTreeMap::new();
    store.history(
        0..=u64::MAX,
        HistoryOrder::Ascending,
        &mut |commit, value| {
            history.insert(commit, value.to_vec());
            Ok(ControlFlow::Continue(()))
        },
    )?;
    Ok(history)
}

/// Opens and loads a store.
pub(crate) fn start(folder: &Path) -> Result<(EmbeddedStore, Model), StoreError> {
    let store = open(folder)?;
    let (model, loaded) = load(&store)?;
    let counts = (loaded.hosts, loaded.records);
    assert_eq!(
        counts,
        (model.hosts.len() as u64, model.records.len() as u64)
    );
    Ok((store, model))
}

/// The names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.unwrap().file_name().into_string().unwrap()
    };
    let mut names: Vec<String> = std::fs::read_dir(folder).unwrap().map(name).collect();
    names.sort();
    names
}
