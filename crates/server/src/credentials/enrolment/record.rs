//! An enrolment as the store keeps it: JSON with a version. Tokens are there as their hashes.

use std::sync::Arc;

use portolan_store::{RecordKey, RecordKind};
use portolan_wire::time::UnixMicros;
use serde::{Deserialize, Serialize};

use crate::credentials::enrolment::{Enrolment, host_entry};
use crate::credentials::{Entry, Grant, Role, TokenHash, hex, selection};

const VERSION: u32 = 1;

/// A record that does not read as an enrolment.
#[derive(Debug, thiserror::Error)]
#[error("the enrolment {id} in the store cannot be read")]
pub(crate) struct EnrolmentError {
    id: String,
}

#[derive(Serialize, Deserialize)]
struct Record {
    version: u32,
    project_id: String,
    enterprise_projects: Vec<String>,
    host_id: String,
    enrolled_at: UnixMicros,
    enrolled_by: String,
    token: Token,
    next: Option<Token>,
    retry_sha256: Option<String>,
    /// Absent where it is not so.
    #[serde(default, skip_serializing_if = "is_not")]
    reported: bool,
}

fn is_not(told: &bool) -> bool {
    !told
}

#[derive(Serialize, Deserialize)]
struct Token {
    sha256: String,
    made_at: UnixMicros,
}

impl Token {
    fn of(entry: &Entry, or: UnixMicros) -> Self {
        let hash = entry.proof.token();
        Self {
            sha256: hash.map_or_else(String::new, |hash| hex::encode(&hash.0)),
            made_at: entry.created_at.unwrap_or(or),
        }
    }
}

/// The value of an enrolment's record.
pub(crate) fn encode_enrolment(enrolment: &Enrolment) -> Result<Vec<u8>, serde_json::Error> {
    let Enrolment { entry, next, .. } = enrolment;
    let token = |entry: &Arc<Entry>| Token::of(entry, enrolment.enrolled_at);
    serde_json::to_vec(&Record {
        version: VERSION,
        project_id: enrolment.project_id().to_owned(),
        enterprise_projects: entry.grant.enterprise_project_ids(),
        host_id: enrolment.host_id().to_owned(),
        enrolled_at: enrolment.enrolled_at,
        enrolled_by: enrolment.enrolled_by().to_owned(),
        token: token(entry),
        next: next.as_ref().map(token),
        retry_sha256: enrolment.retry.map(|hash| hex::encode(&hash.0)),
        reported: enrolment.reported,
    })
}

/// The enrolment of a record; `None` where the record is about something else.
pub(crate) fn decode_enrolment(
    key: &RecordKey,
    value: &[u8],
) -> Result<Option<Enrolment>, EnrolmentError> {
    if key.kind != RecordKind::Enrolment {
        return Ok(None);
    }
    // Nothing of the value is told: it is about a secret, and a parser quotes.
    let record = serde_json::from_slice(value).ok();
    let read = record.and_then(read).filter(|read| read.key() == *key);
    read.map(Some)
        .ok_or_else(|| EnrolmentError { id: key.id.clone() })
}

fn read(record: Record) -> Option<Enrolment> {
    if record.version != VERSION {
        return None;
    }
    let grant = Grant {
        project_id: record.project_id,
        enterprise_projects: selection(record.enterprise_projects).ok()?,
        role: Role::Agent,
        expires_at: None,
    };
    let hash = |text: &str| Some(TokenHash(hex::decode(text)?));
    let made = |token: Token| {
        let (host_id, by) = (record.host_id.clone(), record.enrolled_by.clone());
        let hash = hash(&token.sha256)?;
        Some(Arc::new(host_entry(
            grant.clone(),
            host_id,
            hash,
            token.made_at,
            by,
        )))
    };
    Some(Enrolment {
        entry: made(record.token)?,
        next: match record.next {
            Some(token) => Some(made(token)?),
            None => None,
        },
        retry: match record.retry_sha256 {
            Some(text) => Some(hash(&text)?),
            None => None,
        },
        enrolled_at: record.enrolled_at,
        reported: record.reported,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::enrolment::tests::enrolment;

    #[test]
    fn an_enrolment_comes_back_as_it_was_and_one_of_another_version_or_host_does_not() {
        let settled = enrolment("p", "h", "k");
        let open = Enrolment {
            retry: Some(TokenHash::of("r")),
            ..settled.rotated(TokenHash::of("new"), UnixMicros(1_764_000_000_000_007))
        };
        let long_gone = Enrolment {
            reported: true,
            ..settled.clone()
        };
        for enrolment in [settled, open, long_gone] {
            let (key, value) = (enrolment.key(), encode_enrolment(&enrolment).unwrap());
            let back = decode_enrolment(&key, &value).unwrap().unwrap();
            assert_eq!(format!("{back:?}"), format!("{enrolment:?}"));
            let text = String::from_utf8(value).unwrap();
            for (from, to) in [(":1,", ":2,"), ("\"h\"", "\"i\"")] {
                let other = text.replacen(from, to, 1);
                let error = decode_enrolment(&key, other.as_bytes()).unwrap_err();
                let told = format!("the enrolment {} in the store cannot be read", key.id);
                assert_eq!(error.to_string(), told);
            }
        }
    }
}
