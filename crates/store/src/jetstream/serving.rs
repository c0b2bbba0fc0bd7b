//! The store that a server of a cluster works on.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use parking_lot::Mutex;
use portolan_wire::ids::HostKey;

use super::base::BaseMade;
use super::joined::Epoch;
use super::log::Log;
use super::place::{Patience, Place, lost, not_answered, trimmed, unpacked};
use super::seen;
use crate::store::{Shared, Wake};
use crate::totals::Totals;
use crate::{
    Batch, Checkpoint, CheckpointAt, CopyOut, EachEntry, EachPart, EachRecord, HistoryOrder,
    HistorySpan, Loaded, RecordKey, SeenAt, Store, StoreError,
};

/// One server's store of a cluster: the log, and a checkpoint of it.
pub struct JetStreamStore {
    pub(super) log: Arc<dyn Log>,
    pub(super) local: Box<dyn Store>,
    pub(super) epoch: Epoch,
    pub(super) writer: u64,
    /// Tells this server from the others, at each start alike.
    server: u64,
    place: Mutex<Place>,
}

impl JetStreamStore {
    /// A server's store over a log, which goes on from a checkpoint of that log's `epoch`. `writer`
    /// tells this start of this server from all others.
    pub fn new(log: Arc<dyn Log>, local: Box<dyn Store>, epoch: Epoch, writer: u64) -> Self {
        Self {
            log,
            local,
            epoch,
            writer,
            server: writer,
            place: Mutex::new(Place {
                patience: Patience::default(),
                commit: 0,
                totals: Totals::default(),
                tries: 0,
                must_take: false,
            }),
        }
    }

    /// The same of a server that has this number at each start.
    #[must_use]
    pub fn of_server(self, server: u64) -> Self {
        Self { server, ..self }
    }

    /// The same with another patience.
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Self {
        self.place.lock().patience = patience;
        self
    }

    /// The last commit that this server holds.
    pub fn commit_held(&self) -> u64 {
        self.place.lock().commit
    }

    /// A number that no other try of this server has.
    pub(super) fn next_try(&self) -> u64 {
        let mut place = self.place.lock();
        place.tries += 1;
        place.tries
    }

    /// The log.
    pub fn log(&self) -> &Arc<dyn Log> {
        &self.log
    }

    /// Compares the checkpoint with the log, as far as the log still holds its last commit.
    fn check(&self, held: &Loaded, totals: &Totals) -> Result<(), StoreError> {
        let ends = self.log.ends().map_err(not_answered)?;
        if ends.last < held.commit {
            return Err(lost(ends.last, held.commit));
        }
        if held.commit + 1 < ends.first {
            return Err(trimmed(ends.first, held.commit));
        }
        if held.commit < ends.first {
            return Ok(());
        }
        let Some(message) = self.log.message(held.commit).map_err(not_answered)? else {
            return Ok(());
        };
        let message = unpacked(&*self.log, held.commit, &message)?;
        if message.after == *totals && message.batch.at == held.at {
            return Ok(());
        }
        Err(StoreError::AnotherLog {
            what: format!(
                "commit {} in the cluster's log is not the one that this server holds: the cluster has lost commits and made others. Start this server again with an empty data folder, or, if it holds what was lost, stop all and run `portolan reseed` on it",
                held.commit
            ),
        })
    }
}

impl Shared for JetStreamStore {
    fn next(&self) -> Result<Option<Batch>, StoreError> {
        self.place.lock().next(&*self.log, &*self.local)
    }

    fn on_arrival(&self, wake: Wake) {
        let next = self.commit_held() + 1;
        if let Err(error) = self.log.follow(next, wake) {
            tracing::error!(%error, "what other servers commit does not come in");
        }
    }

    fn end(&self) -> Result<u64, StoreError> {
        Ok(self.log.ends().map_err(not_answered)?.last)
    }

    fn tell_seen(&self, seen: &[SeenAt], now_s: u32) -> Result<(), StoreError> {
        seen::tell(&*self.log, self.server, seen, now_s)
    }

    fn seen_elsewhere(&self, now_s: u32) -> Result<HashMap<u64, u32>, StoreError> {
        seen::elsewhere(&*self.log, self.server, now_s)
    }

    fn keep_up(&self) -> Result<(), StoreError> {
        if let Some(BaseMade { commit, bytes }) = self.make_base_if_due()? {
            tracing::info!(
                commit,
                bytes,
                "a base for new servers is made, and the log is trimmed"
            );
        }
        Ok(())
    }
}

impl Store for JetStreamStore {
    fn load(&self, each: EachEntry<'_>) -> Result<Loaded, StoreError> {
        let mut totals = Totals::default();
        let loaded = self.local.load(&mut |entry| {
            totals.add(&entry);
            each(entry)
        })?;
        self.check(&loaded, &totals)?;
        let mut place = self.place.lock();
        (place.commit, place.totals) = (loaded.commit, totals);
        Ok(loaded)
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut place = self.place.lock();
        place.commit(&*self.log, &*self.local, self.writer, batch)
    }

    fn check_room(&self, batch: &Batch) -> Result<(), StoreError> {
        self.local.check_room(batch)
    }

    fn host(&self, key: &HostKey) -> Result<Option<Vec<u8>>, StoreError> {
        self.local.host(key)
    }

    fn record(&self, key: &RecordKey) -> Result<Option<Vec<u8>>, StoreError> {
        self.local.record(key)
    }

    fn copy_out(&self, to: &mut dyn CopyOut) -> Result<(), StoreError> {
        self.local.copy_out(to)
    }

    fn save_seen(&self, seen: &[SeenAt]) -> Result<(), StoreError> {
        self.local.save_seen(seen)
    }

    fn load_seen(&self) -> Result<Vec<SeenAt>, StoreError> {
        self.local.load_seen()
    }

    fn epoch(&self) -> u64 {
        self.epoch.id
    }

    fn history_span(&self) -> Result<HistorySpan, StoreError> {
        self.local.history_span()
    }

    fn history(
        &self,
        commits: RangeInclusive<u64>,
        order: HistoryOrder,
        each: EachRecord<'_>,
    ) -> Result<(), StoreError> {
        self.local.history(commits, order, each)
    }

    fn history_record(&self, commit: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.local.history_record(commit)
    }

    fn save_checkpoint(&self, checkpoint: &Checkpoint) -> Result<(), StoreError> {
        self.local.save_checkpoint(checkpoint)
    }

    fn checkpoints(&self) -> Result<Vec<CheckpointAt>, StoreError> {
        self.local.checkpoints()
    }

    fn checkpoint_parts(
        &self,
        day: u32,
        prefix: &[u8],
        each: EachPart<'_>,
    ) -> Result<(), StoreError> {
        self.local.checkpoint_parts(day, prefix, each)
    }

    fn drop_history_before(&self, day: u32) -> Result<(), StoreError> {
        self.local.drop_history_before(day)
    }

    fn shared(&self) -> Option<&dyn Shared> {
        Some(self)
    }

    fn close(&self) -> Result<(), StoreError> {
        self.local.close()
    }
}
