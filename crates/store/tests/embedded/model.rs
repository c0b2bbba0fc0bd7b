//! What the tests of the embedded store share: a model of it, and batches made from both.

use std::collections::BTreeMap;
use std::path::Path;

use portolan_store::embedded::{EmbeddedOptions, EmbeddedStore};
use portolan_store::{Batch, HostWrite, Loaded, Store, StoreError, record_hash};
use portolan_wire::ids::HostKey;
use portolan_wire::time::UnixMicros;

/// What a store must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Model {
    pub(crate) commit: u64,
    pub(crate) hosts: BTreeMap<HostKey, Vec<u8>>,
}

impl Model {
    /// The batch that makes these changes, which the model makes too.
    pub(crate) fn batch(&mut self, changes: &[(HostKey, Option<Vec<u8>>)]) -> Batch {
        self.commit += 1;
        // At most one write a host: the last one counts.
        let changes: BTreeMap<_, _> = changes.iter().cloned().collect();
        let mut hosts = Vec::new();
        for (key, value) in changes {
            let before = match &value {
                Some(value) => self.hosts.insert(key.clone(), value.clone()),
                None => self.hosts.remove(&key),
            };
            let replaces = before.map(|before| record_hash(&key, &before));
            let hash = value.as_ref().map_or(0, |value| record_hash(&key, value));
            hosts.push(HostWrite {
                key,
                value,
                hash,
                replaces,
            });
        }
        Batch {
            commit: self.commit,
            at: UnixMicros(self.commit as i64),
            hosts,
        }
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
        }
    }
}

pub(crate) fn key(host: &str) -> HostKey {
    HostKey {
        project: "p".into(),
        host: host.into(),
    }
}

pub(crate) fn open(folder: &Path) -> Result<EmbeddedStore, StoreError> {
    EmbeddedStore::open(folder, EmbeddedOptions::default())
}

/// All hosts of a store that was just opened, and where its log stands.
pub(crate) fn load(
    store: &EmbeddedStore,
) -> Result<(BTreeMap<HostKey, Vec<u8>>, Loaded), StoreError> {
    let mut hosts = BTreeMap::new();
    let loaded = store.load(&mut |key, value| {
        assert!(
            hosts.insert(key, value.to_vec()).is_none(),
            "a host was handed out twice"
        );
        Ok(())
    })?;
    Ok((hosts, loaded))
}

/// Opens and loads a store.
pub(crate) fn start(folder: &Path) -> Result<(EmbeddedStore, Model), StoreError> {
    let store = open(folder)?;
    let (hosts, loaded) = load(&store)?;
    let model = Model {
        commit: loaded.commit,
        hosts,
    };
    assert_eq!(loaded.hosts, model.hosts.len() as u64);
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
