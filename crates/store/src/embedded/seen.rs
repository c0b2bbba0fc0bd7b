//! When hosts were last heard: one record for each 65,536 hosts, all replaced at once.
//!
//! Blobs and not a record a host: a million records a minute would cost more than all reports.
//! They are written without a sync: the next commit's sync covers them, and a power loss before
//! costs freshness and no truth.

use super::engine::{Change, Durability, Engine, Order};
use super::kinds::{Kind, SEEN_PER_CHUNK, parse_seen_value, seen_key, seen_value};
use super::trouble::Trouble;
use crate::SeenAt;

/// Replaces all moments.
pub(crate) fn save(engine: &Engine, seen: &[SeenAt]) -> Result<(), Trouble> {
    let mut changes = Vec::new();
    let mut chunk = 0;
    for hosts in seen.chunks(SEEN_PER_CHUNK) {
        changes.push(Change::Put(seen_key(chunk).to_vec(), seen_value(hosts)));
        chunk += 1;
    }
    // Chunks have no gaps, so the first that is absent ends those of an earlier, larger save.
    while engine.records().has(&seen_key(chunk))? {
        changes.push(Change::Remove(seen_key(chunk).to_vec()));
        chunk += 1;
    }
    engine.write(changes, Durability::Buffered)
}

/// All moments, in the order in which they were saved.
pub(crate) fn load(engine: &Engine) -> Result<Vec<SeenAt>, Trouble> {
    let mut seen = Vec::new();
    engine
        .records()
        .scan(&[Kind::Seen as u8], Order::Ascending, |_, value| {
            parse_seen_value(value, &mut seen)
                .map_err(|unread| unread.of("a record of when hosts were heard"))
        })?;
    Ok(seen)
}
