//! From the store to the census, at start: one thread reads, as many decode as there are cores, one
//! builds.
//!
//! Reading is the store's and ordered by it; decoding is most of the work and needs no order; the
//! builder takes hosts as they come, since a census made at once is the same in any order.
//! Limits: a few chunks of hosts are under way, so memory does not grow with the store.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use portolan_census::{Builder, HostCommit, Ignored, State};
use portolan_wire::ids::HostKey;

use crate::record::RecordKey;
use crate::store::{Entry, Loaded, Store};
use crate::{StoreError, ignoring, record_hash, snapshot};

/// Hosts of one message: large enough that passing it on costs nothing beside decoding it.
const CHUNK_HOSTS: usize = 256;
/// Chunks under way between two threads.
const CHUNKS_MAX: usize = 8;
/// How often progress is told, in hosts.
const TOLD_EVERY: u64 = 50_000;

type Values = Vec<(HostKey, Vec<u8>)>;
type Records = Vec<(RecordKey, Vec<u8>)>;
type Decoded = Result<Vec<HostCommit>, StoreError>;

/// What a store holds, in memory.
#[derive(Debug, Default)]
pub struct Rebuilt {
    /// The census of all hosts.
    pub state: State,
    /// All records beside the hosts, by ascending key.
    pub records: Vec<(RecordKey, Vec<u8>)>,
    /// Where the log stands.
    pub loaded: Loaded,
}

/// As [`rebuild_all`], for those who look at hosts only.
///
/// # Errors
/// Those of [`rebuild_all`].
pub fn rebuild(
    store: &dyn Store,
    progress: impl FnMut(u64),
) -> Result<(State, Loaded), StoreError> {
    rebuild_all(store, progress).map(|rebuilt| (rebuilt.state, rebuilt.loaded))
}

/// Replays the store into a new census, and hands out the records beside the hosts. `progress` is
/// told the hosts so far, now and then.
///
/// # Errors
/// The store refuses, or a value does not decode.
pub fn rebuild_all(store: &dyn Store, progress: impl FnMut(u64)) -> Result<Rebuilt, StoreError> {
    let (to_decode, values) = sync_channel(CHUNKS_MAX);
    let (to_build, decoded) = sync_channel(CHUNKS_MAX);
    let values = Arc::new(Mutex::new(values));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let builder = scope.spawn(|| build(decoded));
        for _ in 0..cores {
            let (values, to_build) = (Arc::clone(&values), to_build.clone());
            scope.spawn(move || decode(&values, &to_build));
        }
        // Only the threads hold their ends: when they have ended, so does who waits for them.
        drop((values, to_build));
        let read = read(store, to_decode, progress);
        match builder.join() {
            // A value that does not decode also ends the reading: the first cause is told.
            Ok(Err(error)) => Err(error),
            Ok(Ok(mut state)) => {
                let (records, loaded) = read?;
                ignoring::put_into(&mut state, store, &records)?;
                state.note_commit(loaded.commit, loaded.at);
                Ok(Rebuilt {
                    state,
                    records,
                    loaded,
                })
            }
            Err(_) => Err(StoreError::Read {
                what: "the thread that builds the census panicked".into(),
            }),
        }
    })
}

fn read(
    store: &dyn Store,
    to_decode: SyncSender<Values>,
    mut progress: impl FnMut(u64),
) -> Result<(Records, Loaded), StoreError> {
    let mut chunk = Vec::with_capacity(CHUNK_HOSTS);
    let mut records = Vec::new();
    let mut hosts = 0;
    let ended = |_| StoreError::Read {
        what: "decoding has ended".into(),
    };
    let loaded = store.load(&mut |entry| {
        match entry {
            Entry::Host(key, value) => chunk.push((key, value.to_vec())),
            Entry::Record(key, value) => {
                records.push((key, value.to_vec()));
                return Ok(());
            }
        }
        if chunk.len() == CHUNK_HOSTS {
            let full = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK_HOSTS));
            to_decode.send(full).map_err(ended)?;
        }
        hosts += 1;
        if hosts % TOLD_EVERY == 0 {
            progress(hosts);
        }
        Ok(())
    })?;
    to_decode.send(chunk).map_err(ended)?;
    records.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    Ok((records, loaded))
}

fn decode(values: &Mutex<Receiver<Values>>, to_build: &SyncSender<Decoded>) {
    loop {
        let next = values.lock().map(|values| values.recv());
        let Ok(Ok(chunk)) = next else { return };
        if to_build
            .send(chunk.into_iter().map(commit).collect())
            .is_err()
        {
            return;
        }
    }
}

fn commit((key, value): (HostKey, Vec<u8>)) -> Result<HostCommit, StoreError> {
    let hash = record_hash(&key, &value);
    let facts = snapshot::facts(key.host, &value, hash)?;
    Ok(HostCommit {
        project: key.project,
        facts,
        // Known only when all records are read.
        ignored: Ignored::default(),
    })
}

fn build(decoded: Receiver<Decoded>) -> Result<State, StoreError> {
    let mut builder = Builder::default();
    for chunk in decoded {
        chunk?.into_iter().for_each(|commit| builder.add(commit));
    }
    Ok(builder.finish())
}
