//! The embedded store, behind gates that a test opens: what is slow becomes as slow as it likes. It can
//! also give a host another value than was written.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use portolan_server::credentials::Credentials;
use portolan_server::{Running, ServeError, Setup, serve};
use portolan_store::embedded::{EmbeddedOptions, EmbeddedStore};
use portolan_store::{
    Batch, Checkpoint, CheckpointAt, CopyOut, EachEntry, EachPart, EachRecord, HistoryOrder,
    HistorySpan, Loaded, RecordKey, SeenAt, Store, StoreError, SystemClock,
};
use portolan_wire::ids::HostKey;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// Keeps a gate shut until it is dropped.
pub(crate) struct Shut(Sender<()>);

/// Where the store waits.
struct Gate(Mutex<Receiver<()>>);

impl Gate {
    fn shut() -> (Shut, Self) {
        let (shut, gate) = channel();
        (Shut(shut), Self(Mutex::new(gate)))
    }

    fn pass(&self) {
        // Nothing is ever sent: it ends when the other end is gone, now and for all later ones.
        let _open = self.0.lock().unwrap().recv();
    }
}

impl Shut {
    pub(crate) fn open(self) {
        drop(self.0);
    }
}

/// The host that is read otherwise than it was written, where there is one.
pub(crate) type Altered = Arc<Mutex<Option<HostKey>>>;

struct Gated {
    store: EmbeddedStore,
    altered: Altered,
    load: Gate,
    commit: Gate,
}

impl Store for Gated {
    fn load(&self, each: EachEntry<'_>) -> Result<Loaded, StoreError> {
        self.load.pass();
        self.store.load(each)
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.commit.pass();
        self.store.commit(batch)
    }

    fn host(&self, key: &HostKey) -> Result<Option<Vec<u8>>, StoreError> {
        let mut value = self.store.host(key)?;
        if self.altered.lock().unwrap().as_ref() == Some(key) {
            *value.as_mut().unwrap().last_mut().unwrap() ^= 1;
        }
        Ok(value)
    }

    fn record(&self, key: &RecordKey) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.record(key)
    }

    fn copy_out(&self, to: &mut dyn CopyOut) -> Result<(), StoreError> {
        self.store.copy_out(to)
    }

    fn save_seen(&self, seen: &[SeenAt]) -> Result<(), StoreError> {
        self.store.save_seen(seen)
    }

    fn load_seen(&self) -> Result<Vec<SeenAt>, StoreError> {
        self.store.load_seen()
    }

    fn history_span(&self) -> Result<HistorySpan, StoreError> {
        self.store.history_span()
    }

    fn history(
        &self,
        commits: RangeInclusive<u64>,
        order: HistoryOrder,
        each: EachRecord<'_>,
    ) -> Result<(), StoreError> {
        self.store.history(commits, order, each)
    }

    fn history_record(&self, commit: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.history_record(commit)
    }

    fn save_checkpoint(&self, checkpoint: &Checkpoint) -> Result<(), StoreError> {
        self.store.save_checkpoint(checkpoint)
    }

    fn checkpoints(&self) -> Result<Vec<CheckpointAt>, StoreError> {
        self.store.checkpoints()
    }

    fn checkpoint_parts(
        &self,
        day: u32,
        prefix: &[u8],
        each: EachPart<'_>,
    ) -> Result<(), StoreError> {
        self.store.checkpoint_parts(day, prefix, each)
    }

    fn drop_history_before(&self, day: u32) -> Result<(), StoreError> {
        self.store.drop_history_before(day)
    }

    fn close(&self) -> Result<(), StoreError> {
        self.store.close()
    }
}

/// A server that is starting on such a store.
pub(crate) struct Starting {
    pub(crate) address: SocketAddr,
    pub(crate) load: Shut,
    pub(crate) commit: Shut,
    pub(crate) altered: Altered,
    pub(crate) serving: JoinHandle<Result<Running, ServeError>>,
}

/// Starts a server in a folder; it waits for the gate of loading first.
pub(crate) fn start(runtime: &Runtime, folder: &Path, credentials: Credentials) -> Starting {
    let ((load, at_load), (commit, at_commit)) = (Gate::shut(), Gate::shut());
    let altered = Altered::default();
    let store = Arc::new(Gated {
        store: EmbeddedStore::open(folder, EmbeddedOptions::default()).unwrap(),
        altered: Arc::clone(&altered),
        load: at_load,
        commit: at_commit,
    });
    let (address, serving) = runtime.block_on(async {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = tokio::net::TcpListener::bind(any).await.unwrap();
        let address = listener.local_addr().unwrap();
        let setup = Setup::new(folder.to_owned(), credentials);
        let clock = Arc::new(SystemClock);
        (address, tokio::spawn(serve(store, listener, setup, clock)))
    });
    Starting {
        address,
        load,
        commit,
        altered,
        serving,
    }
}
