//! A session as the store keeps it: JSON with a version. The token is there as its hash.

use std::sync::Arc;

use portolan_store::{RecordKey, RecordKind};
use portolan_wire::time::UnixMicros;
use serde::{Deserialize, Serialize};

use crate::credentials::session::{Mark, Method, Parent, Scope, Session};
use crate::credentials::{Entry, Grant, Kind, Proof, Role, Source, TokenHash, hex, selection};

const VERSION: u32 = 1;

/// A record that does not read as a session.
#[derive(Debug, thiserror::Error)]
#[error("the log-in {id} in the store cannot be read")]
pub(crate) struct SessionError {
    id: String,
}

#[derive(Serialize, Deserialize)]
struct Record {
    version: u32,
    sha256: String,
    name: String,
    project_id: String,
    enterprise_projects: Vec<String>,
    role: String,
    parent_kind: String,
    parent_id: String,
    mark: String,
    methods: Vec<String>,
    scope: String,
    issued_at: UnixMicros,
    expires_at: UnixMicros,
}

/// The value of a session's record.
pub(crate) fn encode_session(session: &Session) -> Result<Vec<u8>, serde_json::Error> {
    let Session { entry, parent, .. } = session;
    let sha256 = match &entry.proof {
        Proof::Token(hash) => hex::encode(&hash.0),
        Proof::AccessKey(_) | Proof::User { .. } | Proof::EnrolKey(_) => String::new(),
    };
    serde_json::to_vec(&Record {
        version: VERSION,
        sha256,
        name: entry.name.clone(),
        project_id: entry.grant.project_id.clone(),
        enterprise_projects: entry.grant.enterprise_project_ids(),
        role: entry.grant.role.as_str().to_owned(),
        parent_kind: parent.kind.as_str().to_owned(),
        parent_id: parent.id.clone(),
        mark: hex::encode(&session.mark.0),
        methods: session.methods.iter().map(|m| m.as_str().into()).collect(),
        scope: session.scope.as_str().to_owned(),
        issued_at: session.issued_at,
        expires_at: entry.grant.expires_at.unwrap_or(session.issued_at),
    })
}

/// The session of a record; `None` where the record is about something else.
pub(crate) fn decode_session(
    key: &RecordKey,
    value: &[u8],
) -> Result<Option<Session>, SessionError> {
    if key.kind != RecordKind::Session {
        return Ok(None);
    }
    let id = || key.id.clone();
    // Nothing of the value is told: it is about a secret, and a parser quotes.
    let record = serde_json::from_slice(value).ok();
    let read = record.and_then(|record: Record| read(id(), record));
    read.map(Some).ok_or_else(|| SessionError { id: id() })
}

fn read(id: String, record: Record) -> Option<Session> {
    if record.version != VERSION {
        return None;
    }
    let grant = Grant {
        project_id: record.project_id,
        enterprise_projects: selection(record.enterprise_projects).ok()?,
        role: Role::read(&record.role)?,
        expires_at: Some(record.expires_at),
    };
    let proof = Proof::Token(TokenHash(hex::decode(&record.sha256)?));
    let entry = Entry::new(id, record.name, grant, Source::Store, proof);
    let methods = record.methods.iter().map(|text| Method::read(text));
    Some(Session {
        entry: Arc::new(entry),
        parent: Parent {
            kind: Kind::read(&record.parent_kind)?,
            id: record.parent_id,
        },
        mark: Mark(hex::decode(&record.mark)?),
        methods: methods.collect::<Option<_>>()?,
        scope: Scope::read(&record.scope)?,
        issued_at: record.issued_at,
    })
}

#[cfg(test)]
mod tests {
    use portolan_census::Selection;

    use super::*;

    #[test]
    fn a_session_comes_back_as_it_was_and_one_of_another_version_does_not() {
        let grant = Grant {
            project_id: "p".into(),
            enterprise_projects: Selection::of(["a".into()]),
            role: Role::Agent,
            expires_at: Some(UnixMicros(1_800_000_000_000_000)),
        };
        let proof = Proof::Token(TokenHash::of("t"));
        let session = Session {
            entry: Arc::new(Entry::new(
                "i".into(),
                "n".into(),
                grant,
                Source::Store,
                proof,
            )),
            parent: Parent {
                kind: Kind::User,
                id: "u".into(),
            },
            mark: Mark([7; 32]),
            methods: vec![Method::Password, Method::Token],
            scope: Scope::Domain,
            issued_at: UnixMicros(1_764_000_000_123_456),
        };
        let value = encode_session(&session).unwrap();
        let key = session.key();
        let back = decode_session(&key, &value).unwrap().unwrap();
        assert_eq!(format!("{back:?}"), format!("{session:?}"));
        let newer = String::from_utf8(value).unwrap().replace(":1,", ":2,");
        let error = decode_session(&key, newer.as_bytes()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the log-in i in the store cannot be read"
        );
    }
}
