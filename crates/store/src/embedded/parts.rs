//! Checks what must exist and be whole before the database is opened.
//!
//! Opening deletes: a keyspace folder whose manifest is gone, a folder that the list of keyspaces
//! does not name, a table that the manifest does not name. And it reads manifests without comparing
//! the checksum that it keeps for them. So what it would trust is checked here, by reading alone.
//!
//! Layout relied on, of fjall 3.1.13 with lsm-tree 3.1.10: in each keyspace folder `current` holds
//! the number of the manifest (u64, little-endian), its xxh3-128 (u128, little-endian) and a 0; the
//! manifest is the file `v<number>`.

use std::fs;
use std::io;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_128;

use super::layout::{DataDir, ENGINE, MARK, cannot_read};
use super::tables;
use crate::StoreError;

/// The parts of a store whose records are in the keyspace folder `records`.
pub(crate) fn of_store(records: &Path) -> Vec<String> {
    let mut parts = of_engine(records);
    parts.push(MARK.to_owned());
    parts
}

/// The parts of a database whose records are in the keyspace folder `records`.
pub(crate) fn of_engine(records: &Path) -> Vec<String> {
    let records = records.file_name().unwrap_or_default().to_string_lossy();
    vec![
        format!("{ENGINE}/version"),
        format!("{ENGINE}/lock"),
        // The list of keyspaces is itself one, always with number 0.
        format!("{ENGINE}/keyspaces/0/current"),
        format!("{ENGINE}/keyspaces/{records}/current"),
    ]
}

/// The part that is the day of the history in the keyspace folder `day`.
pub(crate) fn of_day(day: &Path) -> String {
    let day = day.file_name().unwrap_or_default().to_string_lossy();
    format!("{ENGINE}/keyspaces/{day}/current")
}

/// Refuses a folder in which a part is missing, a manifest altered, or a table missing or altered
/// where that can be seen without reading it.
pub(crate) fn check(dir: &DataDir, parts: &[String]) -> Result<(), StoreError> {
    for part in parts {
        check_one(dir, part)?;
    }
    check_keyspace_names(dir)
}

/// The same for one part.
pub(crate) fn check_one(dir: &DataDir, part: &str) -> Result<(), StoreError> {
    let path = dir.path().join(part);
    if !path.try_exists().map_err(cannot_read(&path))? {
        return Err(dir.damaged(format!("{part} is missing")));
    }
    if part.ends_with("/current") {
        check_manifest(dir, part)?;
    }
    Ok(())
}

fn check_manifest(dir: &DataDir, part: &str) -> Result<(), StoreError> {
    let pointer = dir.path().join(part);
    let pointed = fs::read(&pointer).map_err(cannot_read(&pointer))?;
    let Some((number, checksum)) = parse_pointer(&pointed) else {
        return Err(dir.damaged(format!("{part} is altered: it names no manifest")));
    };
    let manifest = pointer.with_file_name(format!("v{number}"));
    match fs::read(&manifest) {
        Ok(content) if xxh3_128(&content) == checksum => tables::check(dir, part, &content),
        Ok(_) => Err(dir.damaged(format!(
            "the manifest v{number} beside {part} is altered: its checksum does not fit its content"
        ))),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Err(dir.damaged(format!(
            "the manifest v{number} is missing, which {part} names"
        ))),
        Err(cause) => Err(cannot_read(&manifest)(cause)),
    }
}

fn parse_pointer(bytes: &[u8]) -> Option<(u64, u128)> {
    let (number, rest) = bytes.split_first_chunk()?;
    let (checksum, rest) = rest.split_first_chunk()?;
    (rest == [0]).then(|| (u64::from_le_bytes(*number), u128::from_le_bytes(*checksum)))
}

/// fjall panics on a keyspace folder that is not named by a number.
fn check_keyspace_names(dir: &DataDir) -> Result<(), StoreError> {
    let folder = dir.engine().join("keyspaces");
    let entries = || fs::read_dir(&folder)?.collect::<io::Result<Vec<_>>>();
    for entry in entries().map_err(cannot_read(&folder))? {
        let name = entry.file_name();
        if entry.path().is_dir() && name.to_string_lossy().parse::<u64>().is_err() {
            let name = name.to_string_lossy();
            return Err(dir.damaged(format!("fjall/keyspaces/{name} is not part of a store")));
        }
    }
    Ok(())
}
