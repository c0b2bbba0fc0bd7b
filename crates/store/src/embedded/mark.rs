//! `commit.mark`: the number of the last acknowledged commit, kept outside the database.
//!
//! The database cuts its journal at a damaged record and opens as if nothing had been after it. A
//! number inside of it would be cut with the rest; this one stays and contradicts. It is written in
//! place after each durable batch and before the answer: one write of 46 bytes within one sector.
//! Syncing each would double the syncs of a commit, so a thread syncs it at the latest a second after
//! it was written. Doing that at the next commit instead would leave the last mark of a burst in
//! memory for as long as nothing comes.
//!
//! Holds: the mark never names a commit that was not durable before. Behind the mark means lost.
//! After the end of the process alone the mark is exact; after a power loss it may be up to a second
//! old, and a loss within that second of commits goes unnoticed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::identity::StoreId;
use super::kinds::{Unread, VERSION};
use super::layout::{DataDir, cannot_read, cannot_write, private_file, write_whole};
use crate::StoreError;
use crate::bytes::Fields;

/// How old a mark may be before it is on disk.
const SYNC_WITHIN: Duration = Duration::from_secs(1);

const CLEAN: u8 = 1;
const BODY_BYTES: usize = 1 + 1 + 16 + 8 + 8 + 8;
const MARK_BYTES: usize = BODY_BYTES + 4;

/// What `commit.mark` says. On disk, numbers big-endian: version 1, flags (1 = cleanly closed),
/// store id, commit, lowest and highest journal at a clean close, CRC-32 of all before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Whose it is.
    pub(crate) store: StoreId,
    /// The last acknowledged commit.
    pub(crate) commit: u64,
    /// Set by a clean close alone: which journals there are. The first start after it clears it.
    pub(crate) closed_with: Option<(u64, u64)>,
}

impl Mark {
    fn encode(&self) -> Vec<u8> {
        let (lowest, highest) = self.closed_with.unwrap_or_default();
        let flags = if self.closed_with.is_some() { CLEAN } else { 0 };
        let mut bytes = Vec::with_capacity(MARK_BYTES);
        bytes.extend([VERSION, flags]);
        bytes.extend(self.store.0.to_be_bytes());
        bytes.extend(self.commit.to_be_bytes());
        bytes.extend(lowest.to_be_bytes());
        bytes.extend(highest.to_be_bytes());
        bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, Unread> {
        // The sum is last in every version, so that a damaged one is not taken for another's.
        match bytes.split_last_chunk() {
            Some((body, sum)) if *sum == crc32fast::hash(body).to_be_bytes() => {
                Self::fields(Unread::unless_version(body)?).ok_or(Unread::Altered)
            }
            _ => Err(Unread::Altered),
        }
    }

    fn fields(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let flags = fields.u8()?;
        let store = StoreId(fields.u128()?);
        let commit = fields.u64()?;
        let journals = (fields.u64()?, fields.u64()?);
        let closed_with = (flags & CLEAN != 0).then_some(journals);
        fields.0.is_empty().then_some(Self {
            store,
            commit,
            closed_with,
        })
    }

    /// Reads the mark of a folder; one that is missing or altered is damage.
    pub(crate) fn read(dir: &DataDir) -> Result<Self, StoreError> {
        let path = dir.mark();
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                return Err(dir.damaged("commit.mark is missing"));
            }
            Err(cause) => return Err(cannot_read(&path)(cause)),
        };
        Self::decode(&bytes).map_err(|unread| match unread {
            Unread::Altered => {
                dir.damaged("commit.mark is altered: its checksum does not fit its content")
            }
            other => other.of("commit.mark").not_read(dir),
        })
    }

    /// Writes a mark whole and durable, where none is being kept.
    pub(crate) fn write(&self, dir: &DataDir) -> Result<(), StoreError> {
        let path = dir.mark();
        write_whole(&path, &self.encode()).map_err(cannot_write(&path))
    }
}

/// Writes marks while a store is served.
#[derive(Debug)]
pub(crate) struct MarkKeeper {
    shared: Arc<Shared>,
    syncer: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    file: File,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    unsynced: bool,
    stop: bool,
    failed: Option<String>,
}

impl MarkKeeper {
    /// Writes the first mark, durable, and starts the thread that syncs the next ones.
    pub(crate) fn start(dir: &DataDir, mark: &Mark) -> Result<Self, StoreError> {
        let path = dir.mark();
        let started = || {
            let file = private_file().open(&path)?;
            file.write_all_at(&mark.encode(), 0)?;
            file.sync_all()?;
            let state = Mutex::new(State::default());
            let shared = Arc::new(Shared {
                file,
                state,
                changed: Condvar::new(),
            });
            let syncer = std::thread::Builder::new()
                .name("commit-mark".into())
                .spawn({
                    let shared = Arc::clone(&shared);
                    move || shared.sync_until_stopped()
                })?;
            Ok(Self {
                shared,
                syncer: Some(syncer),
            })
        };
        started().map_err(cannot_write(&path))
    }

    /// Writes the mark: the kernel has it on return, the disk within a second.
    ///
    /// # Errors
    /// This write failed, or an earlier sync did; nothing may be acknowledged any more.
    pub(crate) fn set(&self, mark: &Mark) -> io::Result<()> {
        self.shared.file.write_all_at(&mark.encode(), 0)?;
        let mut state = self.shared.state.lock();
        if let Some(cause) = &state.failed {
            return Err(io::Error::other(cause.clone()));
        }
        if !state.unsynced {
            state.unsynced = true;
            self.shared.changed.notify_one();
        }
        Ok(())
    }

    /// Writes the last mark, durable, and ends the thread.
    pub(crate) fn finish(mut self, mark: &Mark) -> io::Result<()> {
        self.stop();
        self.set(mark)?;
        self.shared.file.sync_all()
    }

    fn stop(&mut self) {
        self.shared.state.lock().stop = true;
        self.shared.changed.notify_one();
        if let Some(syncer) = self.syncer.take()
            && syncer.join().is_err()
        {
            tracing::error!("the thread that syncs commit.mark has panicked");
        }
    }
}

impl Drop for MarkKeeper {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn sync_until_stopped(&self) {
        loop {
            {
                let mut state = self.state.lock();
                self.changed
                    .wait_while(&mut state, |state| !state.unsynced && !state.stop);
                // The marks of a whole second share one sync.
                self.changed
                    .wait_while_for(&mut state, |state| !state.stop, SYNC_WITHIN);
                if state.stop {
                    return;
                }
                state.unsynced = false;
            }
            if let Err(cause) = self.file.sync_data() {
                self.state.lock().failed = Some(format!("an earlier sync failed: {cause}"));
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_mark_reads_back(
            store: u128,
            commit: u64,
            closed_with: Option<(u64, u64)>,
        ) {
            let mark = Mark { store: StoreId(store), commit, closed_with };
            prop_assert_eq!(Mark::decode(&mark.encode()), Ok(mark));
        }

        #[test]
        fn a_mark_with_any_bit_flipped_or_any_end_cut_is_no_mark(
            commit: u64,
            bit in 0..MARK_BYTES * 8,
        ) {
            let mark = Mark { store: StoreId(7), commit, closed_with: Some((0, 3)) };
            let mut bytes = mark.encode();
            prop_assert_eq!(Mark::decode(&bytes[..bit / 8]), Err(Unread::Altered));
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Mark::decode(&bytes), Err(Unread::Altered));
        }
    }

    #[test]
    fn the_kept_mark_is_the_last_one_set() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::new(folder.path());
        let mark = |commit| Mark {
            store: StoreId(1),
            commit,
            closed_with: None,
        };
        mark(0).write(&dir).unwrap();
        let keeper = MarkKeeper::start(&dir, &mark(3)).unwrap();
        assert_eq!(Mark::read(&dir).unwrap(), mark(3));
        keeper.set(&mark(4)).unwrap();
        assert_eq!(Mark::read(&dir).unwrap(), mark(4));
        let closed = Mark {
            closed_with: Some((2, 5)),
            ..mark(4)
        };
        keeper.finish(&closed).unwrap();
        assert_eq!(Mark::read(&dir).unwrap(), closed);
    }
}
