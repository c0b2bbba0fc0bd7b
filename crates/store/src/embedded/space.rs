//! Whether there is space enough to write, asked before anything is written.
//!
//! A write that fails half-way ends the process, since nobody knows what is on disk then. A disk
//! that fills up is no such mystery: it is seen coming, the batch is refused, and the server goes on
//! by itself when there is room again. One `statvfs` a commit takes about a microsecond.
//!
//! Holds: what is refused was not begun.
//! Limits: quotas and file systems that promise more than they have are not seen; there a write
//! fails, and that ends the process.

use rustix::fs::statvfs;

use super::EmbeddedOptions;
use super::layout::DataDir;
use crate::{Batch, StoreError, Write};
use portolan_wire::caps;

/// What a key and its framing take in a journal, in bytes; more than they do.
const KEY_BYTES: u64 = 512;

/// Refuses if less would be left than `needed` bytes and what the options and the merging of
/// `table_bytes` of tables ask for.
pub(crate) fn check(
    dir: &DataDir,
    options: &EmbeddedOptions,
    table_bytes: u64,
    written: u64,
) -> Result<(), StoreError> {
    let Ok(found) = statvfs(dir.path()) else {
        // Whatever is wrong there, the write itself will tell.
        return Ok(());
    };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let merge = table_bytes.min(caps::STORE_MERGE_BYTES_MAX);
    let needed = options
        .free_bytes_min
        .saturating_add(merge)
        .saturating_add(written);
    if options.free_bytes_min == 0 || free >= needed {
        return Ok(());
    }
    Err(StoreError::NoSpace {
        path: dir.path().to_path_buf(),
        free,
        needed,
    })
}

/// About how many bytes a batch takes in the journal.
pub(crate) fn bytes_of(batch: &Batch) -> u64 {
    let history = batch.history.as_ref();
    let history = history.map_or(0, |write| KEY_BYTES + write.value.len() as u64);
    bytes(&batch.hosts) + bytes(&batch.records) + history
}

fn bytes<K>(writes: &[Write<K>]) -> u64 {
    let value = |write: &Write<K>| write.value.as_ref().map_or(0, |value| value.len() as u64);
    writes.iter().map(|write| KEY_BYTES + value(write)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HistoryWrite;

    #[test]
    fn what_a_commit_adds_to_the_history_counts_with_it() {
        let mut batch = Batch::default();
        assert_eq!(bytes_of(&batch), 0);
        batch.history = Some(HistoryWrite {
            day: 1,
            value: vec![0; 1000],
        });
        assert_eq!(bytes_of(&batch), KEY_BYTES + 1000);
    }
}
