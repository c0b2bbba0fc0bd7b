//! The stored form of what is ignored of a host: one record a host, which outlives its reports.
//!
//! Beside the host and not in its value, which each report replaces. The id of the record names host
//! and project, so that a record without its host can be told from one that has it.
//! Holds: decoding gives what was encoded; unknown versions and cut bytes are errors.

use portolan_census::{Choice, Commit, HostCommit, Ignored, State};
use portolan_wire::ids::HostKey;
use portolan_wire::open_port::Transport;
use serde::{Deserialize, Serialize};

use crate::record::{RecordChange, RecordKey, RecordKind};
use crate::{Store, StoreError, snapshot};

/// The version that this program writes: the first byte of a value.
const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct StoredChoice<'a> {
    #[serde(borrow)]
    container_asset: Option<&'a str>,
    udp: bool,
    port: u16,
}

/// The record of a host.
pub(crate) fn key(host: &HostKey) -> RecordKey {
    RecordKey {
        kind: RecordKind::Ignore,
        // No host id has the character between them.
        id: format!("{}/{}", host.host, host.project),
    }
}

/// The host that a record of that id is about.
pub(crate) fn host(id: &str) -> Option<HostKey> {
    let (host, project) = id.split_once('/')?;
    Some(HostKey {
        project: project.into(),
        host: host.into(),
    })
}

/// The change that makes these the choices of a host.
pub(crate) fn change(host: &HostKey, choices: &[Choice]) -> Result<RecordChange, StoreError> {
    let key = key(host);
    if choices.is_empty() {
        return Ok(RecordChange::remove(key));
    }
    let stored = choices.iter().map(|choice| StoredChoice {
        container_asset: choice.container_asset.as_deref(),
        udp: choice.transport == Transport::Udp,
        port: choice.port,
    });
    let stored: Vec<_> = stored.collect();
    let value = postcard::to_extend(&stored, vec![VERSION]).map_err(|e| unreadable(&key, &e))?;
    RecordChange::put(key.clone(), value).map_err(|e| unreadable(&key, &e))
}

fn decode(key: &RecordKey, value: &[u8]) -> Result<Vec<Choice>, StoreError> {
    let stored: Vec<StoredChoice<'_>> = match value.split_first() {
        Some((&VERSION, rest)) => postcard::from_bytes(rest).map_err(|e| unreadable(key, &e))?,
        other => {
            let version = other.map(|(version, _)| *version);
            let what = format!("it has version {version:?}; this program reads {VERSION}");
            return Err(unreadable(key, &what));
        }
    };
    let choices = stored.into_iter().map(|stored| Choice {
        container_asset: stored.container_asset.map(Into::into),
        port: stored.port,
        transport: if stored.udp {
            Transport::Udp
        } else {
            Transport::Tcp
        },
    });
    Ok(choices.collect())
}

fn unreadable(key: &RecordKey, why: &dyn std::fmt::Display) -> StoreError {
    StoreError::Read {
        what: format!("the {} of {}: {why}", key.kind.as_str(), key.id),
    }
}

/// What the store keeps as ignored of a host that has the stored value `value`.
pub(crate) fn stored(
    store: &dyn Store,
    host: &HostKey,
    value: &[u8],
) -> Result<Ignored, StoreError> {
    let key = key(host);
    match store.record(&key)? {
        Some(record) => Ok(snapshot::ignored(decode(&key, &record)?, value)?),
        None => Ok(Ignored::default()),
    }
}

/// Puts into a census that was built of the hosts alone what the records say is ignored of them. A
/// record whose host is not there or retired, as a repair may leave it, is about nothing that counts
/// and is passed over: a report that brings the host back removes it.
pub(crate) fn put_into(
    state: &mut State,
    store: &dyn Store,
    records: &[(RecordKey, Vec<u8>)],
) -> Result<(), StoreError> {
    let mut without_host = 0_u64;
    let choices = records
        .iter()
        .filter(|(key, _)| key.kind == RecordKind::Ignore);
    for (key, record) in choices {
        let host = host(&key.id);
        let held = host.and_then(|host| Some((state.host(&host)?.facts.clone(), host)));
        let Some((facts, host)) = held else {
            without_host += 1;
            continue;
        };
        let value = store
            .host(&host)?
            .ok_or_else(|| unreadable(key, &"its host is gone"))?;
        state.apply(Commit::Put(HostCommit {
            project: host.project,
            facts,
            ignored: snapshot::ignored(decode(key, record)?, &value)?,
        }));
    }
    if without_host > 0 {
        tracing::warn!(
            records = without_host,
            "what is ignored of hosts that are not there has no effect"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host_key() -> HostKey {
        HostKey {
            project: "a/b é".into(),
            host: "h-1.x:y_z".into(),
        }
    }

    #[test]
    fn choices_and_the_host_they_are_of_come_back_as_they_were() {
        let choice = |asset: Option<&str>, port, transport| Choice {
            container_asset: asset.map(Into::into),
            port,
            transport,
        };
        let choices = [
            choice(None, 1, Transport::Udp),
            choice(None, 65_535, Transport::Tcp),
            choice(Some("c é"), 6379, Transport::Tcp),
        ];
        let change = change(&host_key(), &choices).unwrap();
        let value = change.value.unwrap();
        assert_eq!(decode(&change.key, &value).unwrap(), choices);
        assert_eq!(host(&change.key.id), Some(host_key()));
        for cut in 0..value.len() {
            assert!(decode(&change.key, &value[..cut]).is_err(), "{cut} bytes");
        }
        let newer = [&[VERSION + 1], &value[1..]].concat();
        let told = decode(&change.key, &newer).unwrap_err().to_string();
        assert!(told.contains("version Some(2)"), "{told}");
    }

    #[test]
    fn a_host_without_choices_has_no_record() {
        assert_eq!(change(&host_key(), &[]).unwrap().value, None);
    }
}
