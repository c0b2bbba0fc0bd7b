//! Checks the tables that a manifest names before the database reads them: that each is there, and
//! that the list of its sections fits its checksum.
//!
//! Opening compares that checksum too, but only after it has taken the memory that the number of
//! sections asks for: one flipped bit there asks for 86 GB, which ends the process where a refusal
//! that names the table should be. All else in a table is read in blocks whose headers are summed
//! before their lengths are believed. Tables that no manifest names are what a crash left: they may be
//! half-written, and the database removes them unread.
//!
//! Layout relied on, of sfa 1.0.0 under lsm-tree 3.1.10, numbers little-endian. A file ends with the
//! list of its sections and a trailer of 38 bytes: `SFA!`, version 1, kind of checksum 0, xxh3-128 of the
//! list (u128), its place (u64) and length (u64). The list: `TOC!`, number of sections (u32), of each place
//! (u64), length (u64), length of the name (u16), name. The section `tables` of a manifest: number of levels
//! (u8), of each the number of runs (u8), of each the number of tables (u32), of each its id (u64), kind
//! of checksum (u8), checksum (u128) and a sequence number (u64).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_128;

use super::layout::{DataDir, cannot_read};
use crate::StoreError;
use crate::bytes::Fields;

const TRAILER_BYTES: usize = 38;
const TRAILER_MAGIC: [u8; 6] = *b"SFA!\x01\x00";
const LIST_MAGIC: [u8; 4] = *b"TOC!";
/// A table has about ten sections of some 40 bytes each.
const LIST_BYTES_MAX: u64 = 64 * 1024;

/// Checks the tables that a manifest, whose content fits its own checksum, names. `part` is where the
/// keyspace's `current` stands below the data folder.
pub(crate) fn check(dir: &DataDir, part: &str, manifest: &[u8]) -> Result<(), StoreError> {
    let Some(ids) = named(manifest) else {
        return Err(dir.damaged(format!(
            "the manifest beside {part} has no list of tables that this program can read"
        )));
    };
    let tables = part.trim_end_matches("current");
    for id in ids {
        let table = format!("{tables}tables/{id}");
        let path = dir.path().join(&table);
        match has_intact_list(&path) {
            Ok(true) => {}
            Ok(false) => {
                return Err(dir.damaged(format!(
                    "the table {table} is altered: the list of its sections does not fit its checksum"
                )));
            }
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                return Err(dir.damaged(format!("the table {table} is missing")));
            }
            Err(cause) => return Err(cannot_read(&path)(cause)),
        }
    }
    Ok(())
}

/// Where a list of sections is, and its checksum.
struct Trailer {
    checksum: u128,
    at: u64,
    len: u64,
}

/// Reads the trailer of a file of `bytes` bytes; `None` if it cannot be one.
fn parse_trailer(trailer: &[u8], bytes: u64) -> Option<Trailer> {
    let mut fields = Fields(trailer);
    let magic = fields.fixed()?;
    let checksum = u128::from_le_bytes(fields.fixed()?);
    let at = u64::from_le_bytes(fields.fixed()?);
    let len = u64::from_le_bytes(fields.fixed()?);
    let fits =
        len <= LIST_BYTES_MAX && at.checked_add(len)?.checked_add(TRAILER_BYTES as u64)? == bytes;
    (magic == TRAILER_MAGIC && fits).then_some(Trailer { checksum, at, len })
}

fn has_intact_list(table: &Path) -> io::Result<bool> {
    let file = File::open(table)?;
    let bytes = file.metadata()?.len();
    let mut trailer = [0; TRAILER_BYTES];
    let Some(end) = bytes.checked_sub(TRAILER_BYTES as u64) else {
        return Ok(false);
    };
    file.read_exact_at(&mut trailer, end)?;
    let Some(Trailer { checksum, at, len }) = parse_trailer(&trailer, bytes) else {
        return Ok(false);
    };
    let mut list = vec![0; usize::try_from(len).unwrap_or(0)];
    file.read_exact_at(&mut list, at)?;
    Ok(xxh3_128(&list) == checksum)
}

/// The ids of the tables that a manifest names.
fn named(manifest: &[u8]) -> Option<Vec<u64>> {
    let trailer = manifest.get(manifest.len().checked_sub(TRAILER_BYTES)?..)?;
    let Trailer { at, len, .. } = parse_trailer(trailer, manifest.len() as u64)?;
    let list = slice(manifest, at, len)?;
    let (at, len) = section(list, b"tables")?;
    let mut fields = Fields(slice(manifest, at, len)?);
    let mut ids = Vec::new();
    for _level in 0..fields.u8()? {
        for _run in 0..fields.u8()? {
            for _table in 0..u32::from_le_bytes(fields.fixed()?) {
                ids.push(u64::from_le_bytes(fields.fixed()?));
                let _checksum_and_sequence: [u8; 1 + 16 + 8] = fields.fixed()?;
            }
        }
    }
    fields.0.is_empty().then_some(ids)
}

/// Place and length of a section.
fn section(list: &[u8], wanted: &[u8]) -> Option<(u64, u64)> {
    let mut fields = Fields(list);
    if fields.fixed()? != LIST_MAGIC {
        return None;
    }
    for _section in 0..u32::from_le_bytes(fields.fixed()?) {
        let at = u64::from_le_bytes(fields.fixed()?);
        let len = u64::from_le_bytes(fields.fixed()?);
        let name_len = u16::from_le_bytes(fields.fixed()?);
        if fields.bytes(name_len.into())? == wanted {
            return Some((at, len));
        }
    }
    None
}

fn slice(bytes: &[u8], at: u64, len: u64) -> Option<&[u8]> {
    let at = usize::try_from(at).ok()?;
    let len = usize::try_from(len).ok()?;
    bytes.get(at..at.checked_add(len)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::embedded::EmbeddedOptions;
    use crate::embedded::engine::{Change, Durability, Engine, Mode};

    /// A database with some tables; gives its folder, with its name as `part` has it, and the manifest.
    fn database() -> (tempfile::TempDir, DataDir, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::new(folder.path());
        let options = EmbeddedOptions::default();
        let engine = Engine::open(&dir.engine(), &options, Mode::Serving).unwrap();
        for n in 0..3_u8 {
            let change = Change::Put(vec![n], vec![n; 100]);
            engine.write(vec![change], Durability::Synced).unwrap();
            engine.settle().unwrap();
        }
        drop(engine);
        let records = dir.path().join(PART).with_file_name("");
        let current = std::fs::read(records.join("current")).unwrap();
        let number = u64::from_le_bytes(*current.first_chunk().unwrap());
        let manifest = std::fs::read(records.join(format!("v{number}"))).unwrap();
        (folder, dir, manifest)
    }

    const PART: &str = "fjall/keyspaces/1/current";

    #[test]
    fn the_manifest_of_the_pinned_database_names_the_tables_that_are_there() {
        let (_folder, dir, manifest) = database();
        let mut ids = named(&manifest).unwrap();
        ids.sort_unstable();
        let tables = dir.path().join("fjall/keyspaces/1/tables");
        let mut found: Vec<u64> = std::fs::read_dir(&tables)
            .unwrap()
            .map(|entry| {
                entry
                    .unwrap()
                    .file_name()
                    .to_str()
                    .unwrap()
                    .parse()
                    .unwrap()
            })
            .collect();
        found.sort_unstable();
        assert_eq!(ids, found);
        assert!(!ids.is_empty());
        check(&dir, PART, &manifest).unwrap();
        // What a crash left half-written is nobody's.
        std::fs::write(tables.join("4711"), b"half a table").unwrap();
        check(&dir, PART, &manifest).unwrap();
        std::fs::remove_file(tables.join(ids[0].to_string())).unwrap();
        let refused = check(&dir, PART, &manifest).unwrap_err().to_string();
        let expected = format!("the table fjall/keyspaces/1/tables/{} is missing", ids[0]);
        assert!(refused.contains(&expected), "{refused}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, at in 0..400_usize) {
            static MANIFEST: std::sync::LazyLock<Vec<u8>> =
                std::sync::LazyLock::new(|| database().2);
            named(&bytes);
            let mut manifest = MANIFEST.clone();
            let at = at.min(manifest.len());
            manifest.splice(at..at, bytes);
            named(&manifest);
        }
    }
}
