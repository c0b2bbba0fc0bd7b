//! The keyspaces of the history: one a day, so that a day goes as a whole.
//!
//! Holds: a new one is durable, names and all, before [`Engine::make_day`] returns.

use fjall::KeyspaceCreateOptions;
use fjall::config::BlockSizePolicy;

use super::keyspace::Keyspace;
use super::{BLOCK_BYTES, Engine};
use crate::embedded::EmbeddedOptions;
use crate::embedded::layout::{sync_folder, sync_folders_below};
use crate::embedded::trouble::{Trouble, guarded};

/// Days are told apart by what follows.
const PREFIX: &str = "history-";

/// A commit adds less to the history than to the hosts, so a smaller part of the memory does.
pub(super) const MEMTABLE_PART: u64 = 4;

impl Engine {
    /// The days that have a keyspace, ascending.
    pub(crate) fn days(&self) -> Vec<u32> {
        let names = self.db.list_keyspace_names();
        let mut days: Vec<u32> = names
            .iter()
            .filter_map(|name| name.strip_prefix(PREFIX)?.parse().ok())
            .collect();
        days.sort_unstable();
        days
    }

    /// The keyspace of a day, if there is one.
    pub(crate) fn day(&self, day: u32) -> Result<Option<Keyspace>, Trouble> {
        let name = name(day);
        if !self.db.keyspace_exists(&name) {
            return Ok(None);
        }
        guarded("opening a day of the history", || {
            let keyspace = self.db.keyspace(&name, KeyspaceCreateOptions::default)?;
            Ok(Some(Keyspace(keyspace)))
        })
    }

    /// Makes the keyspace of a day that has none.
    pub(crate) fn make_day(
        &self,
        day: u32,
        options: &EmbeddedOptions,
    ) -> Result<Keyspace, Trouble> {
        guarded("making a day of the history", || {
            let keyspace = self.db.keyspace(&name(day), || {
                KeyspaceCreateOptions::default()
                    .max_memtable_size(options.memtable_bytes / MEMTABLE_PART)
                    .data_block_size_policy(BlockSizePolicy::all(BLOCK_BYTES))
                    .expect_point_read_hits(true)
            })?;
            if let Some(all) = keyspace.path().parent() {
                sync_folders_below(keyspace.path())?;
                // The list of keyspaces is itself one, always with number 0.
                sync_folders_below(&all.join("0"))?;
                sync_folder(all)?;
            }
            Ok(Keyspace(keyspace))
        })
    }

    /// Removes the keyspace of a day. Its files go when nobody reads them any more.
    pub(crate) fn remove_day(&self, day: Keyspace) -> Result<(), Trouble> {
        guarded("removing a day of the history", || {
            self.db.delete_keyspace(day.0)
        })
    }

    /// Has a keyspace that gets no more writes become a table, so that no journal is kept for it.
    pub(crate) fn flush(&self, keyspace: &Keyspace) -> Result<(), Trouble> {
        guarded("ending a day of the history", || {
            keyspace.0.rotate_memtable().map(|_| ())
        })
    }
}

fn name(day: u32) -> String {
    format!("{PREFIX}{day}")
}
