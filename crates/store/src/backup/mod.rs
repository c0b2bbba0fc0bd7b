//! A backup: one file with everything that a store holds at one moment, in a format of our own.
//!
//! Not a copy of the data folder: the database under it changes its files all the time and has
//! changed its format between versions without a migration. This format knows nothing of it, so a
//! backup is also the way from one version or kind of store to another.
//!
//! Numbers are big-endian. The file is header, body, trailer:
//!
//! ```text
//! header  76 bytes   "PORTOLAN BACKUP\n", format (u16) = 2, codec (u8): 0 plain, 1 zstd; 0 (u8),
//!                    store id (u128), commit (u64), its moment (i64, microseconds),
//!                    hosts (u64), records (u64), xxh3-64 of all before (u64)
//! body               by the codec; entry after entry, and then one byte 0
//!   host             1, project id, host id, value, hash (u128)
//!   record           2, kind (u8), id, value, hash (u128)
//!   heard            3, value: for each host its hash (u64) and the second (u32); xxh3-128 (u128)
//!   history          4, from (i64, microseconds), commits of the last record before and of the last
//!                    that follows (u64 each)
//!   history record   5, day (u32), commit (u64), value, xxh3-128 of the value (u128)
//!   checkpoint       6, day (u32), commit (u64), its moment (i64)
//!   part of it       7, name (an id of any bytes), value, xxh3-128 of the value (u128)
//!                    ids: length (u16), bytes; values: length (u32), bytes
//! trailer 56 bytes   "END BACK", hosts (u64), records (u64), sum of all hashes of hosts and
//!                    records (u128), xxh3-128 of all bytes of the file before (u128)
//! ```
//!
//! 4 to 7 come in that order, each part behind its checkpoint. Format 1 has none of them; it is read.
//!
//! Holds: a file that was cut or altered anywhere is refused before anything is made of it.
//! Limits: writing and reading take a few MiB whatever the size of the store;
//! `caps::BACKUP_VALUE_BYTES_MAX` bytes a value. The checksums find damage, not attackers, and
//! nothing is encrypted: a backup is as secret as the data folder.

mod entries;
mod error;
mod head;
mod read;
mod write;

pub use error::BackupError;
pub use read::{Backup, check};
pub use write::write;

use crate::Loaded;

/// What a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The store that it was made of.
    pub store_id: u128,
    /// Where the log stood, and how much there is.
    pub at: Loaded,
    /// The size of the file in bytes.
    pub bytes: u64,
}
