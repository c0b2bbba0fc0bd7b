//! The counts of one moment, written down: one a day bounds how far a past moment is from one that
//! is known.
//!
//! A part holds rows of one group, an enterprise project's or the whole's, so that a question about
//! some reads only theirs. Name: project id and group, each behind its length, then the number of the
//! part. Value: version 1, then for each row its list, its distance from the row before, its count and
//! what of it is ignored, in postcard.

use portolan_census::{CountRow, Group, MomentCounts, Selection, State};
use portolan_wire::caps;
use serde::{Deserialize, Serialize};

use crate::{Checkpoint, CheckpointAt, Store, StoreError};

const VERSION: u8 = 1;

/// A row in few bytes: the keys of a list rise.
#[derive(Serialize, Deserialize)]
struct StoredRow {
    list: u8,
    /// The key, less that of the row before where that is of the same list.
    key_step: u32,
    num: u32,
    ignored: u32,
}

/// The counts of all projects of a state.
///
/// # Errors
/// A row does not encode, which no row does.
pub fn checkpoint(state: &State) -> Result<Checkpoint, StoreError> {
    let mut parts = Vec::new();
    for (project_id, project) in state.projects() {
        let counts = project.counts();
        for group in counts.groups() {
            let rows = counts.group_rows(&group);
            for (number, rows) in (0_u32..).zip(rows.chunks(caps::CHECKPOINT_PART_ROWS)) {
                let mut name = prefix(project_id.as_str(), &group);
                name.extend(number.to_be_bytes());
                parts.push((name, encode(rows)?));
            }
        }
    }
    let at = state.at();
    Ok(Checkpoint {
        at: CheckpointAt {
            day: at.day(),
            commit: state.commit(),
            at,
        },
        parts,
    })
}

/// What a checkpoint holds of a selection.
pub(super) fn read(
    store: &dyn Store,
    known: &CheckpointAt,
    project_id: &str,
    selection: &Selection,
) -> Result<MomentCounts, StoreError> {
    let mut counts = MomentCounts::empty(selection);
    for group in selection.groups() {
        let mut rows = Vec::new();
        let prefix = prefix(project_id, &group);
        store.checkpoint_parts(known.day, &prefix, &mut |_, part| {
            decode(part, &mut rows).ok_or_else(|| altered(known))
        })?;
        let set = counts.set_rows(&group, &rows);
        set.map_err(|_| altered(known))?;
    }
    Ok(counts)
}

fn altered(known: &CheckpointAt) -> StoreError {
    StoreError::Read {
        what: format!("the counts that were kept of {} do not decode", known.at),
    }
}

fn prefix(project_id: &str, group: &Group) -> Vec<u8> {
    // The whole has a length that no enterprise project's id has.
    let group = group.as_ref().map_or("", |id| id.as_str());
    let mut name = Vec::with_capacity(12 + project_id.len() + group.len());
    for text in [project_id, group] {
        name.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
        name.extend(text.as_bytes());
    }
    name
}

fn encode(rows: &[CountRow]) -> Result<Vec<u8>, StoreError> {
    let mut value = vec![VERSION];
    let (mut list, mut key) = (0, 0);
    for row in rows {
        let from = if row.list == list { key } else { 0 };
        (list, key) = (row.list, row.key);
        let stored = StoredRow {
            list,
            key_step: key.saturating_sub(from),
            num: row.num,
            ignored: row.ignored,
        };
        value = postcard::to_extend(&stored, value).map_err(|error| StoreError::Read {
            what: format!("a row of counts does not encode: {error}"),
        })?;
    }
    Ok(value)
}

/// Adds the rows of a part; `None` if it does not decode.
fn decode(part: &[u8], rows: &mut Vec<CountRow>) -> Option<()> {
    let (version, mut rest) = part.split_first()?;
    if *version != VERSION {
        return None;
    }
    let (mut list, mut key) = (0, 0_u32);
    while !rest.is_empty() {
        let (stored, after): (StoredRow, _) = postcard::take_from_bytes(rest).ok()?;
        let from = if stored.list == list { key } else { 0 };
        (list, key) = (stored.list, from.checked_add(stored.key_step)?);
        rows.push(CountRow {
            list,
            key,
            num: stored.num,
            ignored: stored.ignored,
        });
        rest = after;
    }
    Some(())
}
