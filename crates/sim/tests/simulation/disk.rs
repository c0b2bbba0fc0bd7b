//! A disk that keeps what was synced, and of the rest what chance leaves.
//!
//! One file that only grows, as a journal does. After a loss of power the part that was written and
//! not synced is there up to some byte, and the last bytes of that may be zeroes (a page that was
//! allocated and not filled): a batch may be torn anywhere. Holds: bytes before the last sync stay;
//! what is left of the others is a prefix.

use portolan_store::{Checkpoint, SeenAt, StoreError};

use crate::dice::Die;
use crate::log_store::Held;

/// What errors call the place.
pub(crate) const PLACE: &str = "the simulated disk";

/// Where a commit is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Interruption {
    /// Power goes before anything is written.
    BeforeWrite,
    /// Power goes between write and sync.
    BeforeSync,
    /// The process is killed between write and sync: what was written stays in the page cache.
    KilledBeforeSync,
    /// The sync fails: the process must end, and nobody knows what is on the disk.
    SyncFails,
    /// Power goes after the sync, before anybody is answered.
    AfterSync,
}

impl Interruption {
    pub(crate) const ALL: [Self; 5] = [
        Self::BeforeWrite,
        Self::BeforeSync,
        Self::KilledBeforeSync,
        Self::SyncFails,
        Self::AfterSync,
    ];
}

/// The disk of one server.
#[derive(Default)]
pub(crate) struct Disk {
    /// What the store was made of, synced, before the first batch.
    pub(crate) base: Held,
    bytes: Vec<u8>,
    synced: usize,
    seen: Vec<SeenAt>,
    seen_written: Option<Vec<SeenAt>>,
    /// Counts that were written down, and whether a sync came since.
    checkpoints: Vec<(Checkpoint, bool)>,
    /// The first day of the history that is kept; it is durable at once.
    pub(crate) kept_from: u32,
    /// No room: writes are refused, before anything is written.
    pub(crate) full: bool,
    /// What happens to the next commit.
    pub(crate) interruption: Option<Interruption>,
    /// The interruption has happened: the process is dead, whatever its code still does.
    pub(crate) dead: bool,
}

impl Disk {
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Refuses where it is full.
    pub(crate) fn check_room(&self) -> Result<(), StoreError> {
        if self.full {
            return Err(StoreError::NoSpace {
                path: PLACE.into(),
                free: 0,
                needed: 1,
            });
        }
        Ok(())
    }

    pub(crate) fn sync(&mut self) {
        self.synced = self.bytes.len();
        for (_, is_synced) in &mut self.checkpoints {
            *is_synced = true;
        }
    }

    pub(crate) fn write_checkpoint(&mut self, checkpoint: &Checkpoint) {
        self.checkpoints.push((checkpoint.clone(), false));
    }

    /// Those that a process reads, in the order in which they were written.
    pub(crate) fn checkpoints(&self) -> impl Iterator<Item = &Checkpoint> {
        self.checkpoints.iter().map(|(checkpoint, _)| checkpoint)
    }

    /// What is durable, as another disk.
    pub(crate) fn durable_copy(&self) -> Self {
        let mut checkpoints = self.checkpoints.clone();
        checkpoints.retain(|(_, is_synced)| *is_synced);
        Self {
            base: self.base.clone(),
            bytes: self.durable().to_vec(),
            synced: self.synced,
            checkpoints,
            kept_from: self.kept_from,
            ..Self::default()
        }
    }

    /// What a process reads: what was written, synced or not.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What is there whatever happens.
    pub(crate) fn durable(&self) -> &[u8] {
        &self.bytes[..self.synced]
    }

    /// Cuts off what is no whole batch, when the store is opened.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
        self.synced = self.synced.min(len);
    }

    pub(crate) fn write_seen(&mut self, seen: &[SeenAt]) {
        self.seen_written = Some(seen.to_vec());
    }

    pub(crate) fn seen(&self) -> &[SeenAt] {
        self.seen_written.as_ref().unwrap_or(&self.seen)
    }

    /// Power goes and comes back. Says what was left of what was not synced.
    pub(crate) fn lose_power(&mut self, die: &mut Die) -> Left {
        let unsynced = self.bytes.len() - self.synced;
        let kept = match die.below(4) {
            0 => 0,
            1 => unsynced,
            _ => die.below(unsynced + 1),
        };
        self.bytes.truncate(self.synced + kept);
        let zeroed = if die.chance(300) { kept.min(16) } else { 0 };
        let from = self.bytes.len() - zeroed;
        self.bytes[from..].fill(0);
        if let Some(written) = self.seen_written.take()
            && die.chance(500)
        {
            self.seen = written;
        }
        // Each is there whole or not at all.
        self.checkpoints
            .retain(|(_, is_synced)| *is_synced || die.chance(500));
        self.synced = self.bytes.len();
        Left {
            unsynced,
            kept: kept - zeroed,
        }
    }
}

/// What a loss of power left, in bytes.
pub(crate) struct Left {
    /// Written and not synced.
    pub(crate) unsynced: usize,
    /// Of these, still there and unharmed.
    pub(crate) kept: usize,
}
