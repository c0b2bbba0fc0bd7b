//! A credential as the store keeps it: JSON with a version, so that a later program reads it and an
//! earlier one says that it cannot.

use portolan_store::{RecordKey, StoreError};
use portolan_wire::time::UnixMicros;
use serde::{Deserialize, Serialize};

use crate::credentials::{
    AccessKey, EnrolKey, Entry, Grant, Kind, Proof, Role, Sealed, Source, TokenHash, hex, selection,
};

const VERSION: u32 = 1;

/// A record that does not read as a credential.
#[derive(Debug, thiserror::Error)]
#[error("the {} {} in the store cannot be read: {why}", kind.as_str(), id)]
pub(crate) struct RecordError {
    kind: Kind,
    id: String,
    why: String,
}

#[derive(Serialize, Deserialize)]
struct Record {
    version: u32,
    name: String,
    project_id: String,
    enterprise_projects: Vec<String>,
    role: String,
    created_at: Option<UnixMicros>,
    created_by: Option<String>,
    expires_at: Option<UnixMicros>,
    proof: RecordProof,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RecordProof {
    Sha256(String),
    Sealed {
        key_id: String,
        nonce: String,
        bytes: String,
    },
    /// A variant of its own: who does not know of security tokens must not pass over one.
    Temporary {
        key_id: String,
        nonce: String,
        bytes: String,
        security_token_sha256: String,
    },
    Password {
        domain: String,
        argon2: String,
    },
    EnrolKey {
        sha256: String,
        hosts_max: Option<u32>,
    },
}

/// The key and value of a credential.
pub(crate) fn encode(entry: &Entry) -> Result<(RecordKey, Vec<u8>), serde_json::Error> {
    let key = RecordKey {
        kind: entry.proof.kind().record(),
        id: entry.id.clone(),
    };
    let record = Record {
        version: VERSION,
        name: entry.name.clone(),
        project_id: entry.grant.project_id.clone(),
        enterprise_projects: entry.grant.enterprise_project_ids(),
        role: entry.grant.role.as_str().to_owned(),
        created_at: entry.created_at,
        created_by: entry.created_by.clone(),
        expires_at: entry.grant.expires_at,
        proof: match &entry.proof {
            Proof::Token(hash) => RecordProof::Sha256(hex::encode(&hash.0)),
            Proof::AccessKey(key) => access_key(key)?,
            Proof::User {
                domain,
                password_argon2,
            } => RecordProof::Password {
                domain: domain.clone(),
                argon2: password_argon2.clone(),
            },
            Proof::EnrolKey(EnrolKey { token, hosts_max }) => RecordProof::EnrolKey {
                sha256: hex::encode(&token.0),
                hosts_max: *hosts_max,
            },
        },
    };
    Ok((key, serde_json::to_vec(&record)?))
}

fn access_key(key: &AccessKey) -> Result<RecordProof, serde_json::Error> {
    use serde::ser::Error as _;

    let sealed = key.sealed.as_ref();
    let sealed = sealed.ok_or_else(|| serde_json::Error::custom("its secret key is not sealed"))?;
    let (nonce, bytes) = (hex::encode(&sealed.nonce), hex::encode(&sealed.bytes));
    let key_id = sealed.key_id.clone();
    Ok(match &key.security_token {
        None => RecordProof::Sealed {
            key_id,
            nonce,
            bytes,
        },
        Some(hash) => RecordProof::Temporary {
            key_id,
            nonce,
            bytes,
            security_token_sha256: hex::encode(&hash.0),
        },
    })
}

/// The credential of a record; `None` where the record is about something else.
pub(crate) fn decode(key: &RecordKey, value: &[u8]) -> Result<Option<Entry>, RecordError> {
    let Some(kind) = Kind::of_record(key.kind) else {
        return Ok(None);
    };
    let read = read(&key.id, value).and_then(|entry| {
        let fits = entry.proof.kind() == kind;
        fits.then_some(entry)
            .ok_or_else(|| "it is of another kind".to_owned())
    });
    read.map(Some).map_err(|why| RecordError {
        kind,
        id: key.id.clone(),
        why,
    })
}

fn read(id: &str, value: &[u8]) -> Result<Entry, String> {
    #[derive(Deserialize)]
    struct Head {
        version: u32,
    }
    // A value may hold a secret, and the parser quotes: only the place is told.
    let place = |error: serde_json::Error| format!("column {} is wrong", error.column());
    let head: Head = serde_json::from_slice(value).map_err(place)?;
    if head.version != VERSION {
        let what = format!(
            "it has version {}, and this program reads version {VERSION}",
            head.version
        );
        return Err(StoreError::OtherVersion { what }.to_string());
    }
    let record: Record = serde_json::from_slice(value).map_err(place)?;
    let proof = proof(record.proof).ok_or("its secret is not hexadecimal")?;
    let grant = Grant {
        project_id: record.project_id,
        enterprise_projects: selection(record.enterprise_projects)?,
        role: Role::read(&record.role).ok_or("its role is unknown")?,
        expires_at: record.expires_at,
    };
    let mut entry = Entry::new(id.to_owned(), record.name, grant, Source::Store, proof);
    entry.created_at = record.created_at;
    entry.created_by = record.created_by;
    Ok(entry)
}

fn proof(proof: RecordProof) -> Option<Proof> {
    let sealed = |key_id, nonce: &str, bytes: &str| {
        Some(Sealed {
            key_id,
            nonce: hex::decode(nonce)?,
            bytes: hex::decode_all(bytes)?,
        })
    };
    Some(match proof {
        RecordProof::Sha256(hash) => Proof::Token(TokenHash(hex::decode(&hash)?)),
        RecordProof::Sealed {
            key_id,
            nonce,
            bytes,
        } => Proof::AccessKey(AccessKey {
            sealed: Some(sealed(key_id, &nonce, &bytes)?),
            security_token: None,
        }),
        RecordProof::Temporary {
            key_id,
            nonce,
            bytes,
            security_token_sha256,
        } => Proof::AccessKey(AccessKey {
            sealed: Some(sealed(key_id, &nonce, &bytes)?),
            security_token: Some(TokenHash(hex::decode(&security_token_sha256)?)),
        }),
        RecordProof::Password { domain, argon2 } => Proof::User {
            domain,
            password_argon2: argon2,
        },
        RecordProof::EnrolKey { sha256, hosts_max } => Proof::EnrolKey(EnrolKey {
            token: TokenHash(hex::decode(&sha256)?),
            hosts_max,
        }),
    })
}

#[cfg(test)]
mod tests {
    use portolan_census::Selection;

    use super::*;

    fn entries() -> Vec<Entry> {
        let sealed = Sealed {
            key_id: "k".into(),
            nonce: [7; 12],
            bytes: vec![1, 2, 255],
        };
        let user = Proof::User {
            domain: "d".into(),
            password_argon2: "$argon2id$".into(),
        };
        let access_key = |security_token| {
            Proof::AccessKey(AccessKey {
                sealed: Some(sealed.clone()),
                security_token,
            })
        };
        let proofs = [
            Proof::Token(TokenHash::of("t")),
            access_key(None),
            access_key(Some(TokenHash::of("s"))),
            user,
            Proof::EnrolKey(EnrolKey {
                token: TokenHash::of("e"),
                hosts_max: Some(3),
            }),
        ];
        let grant = Grant {
            project_id: "p".into(),
            enterprise_projects: Selection::of(["a".into(), "b".into()]),
            role: Role::Reader,
            expires_at: Some(UnixMicros(1_800_000_000_000_000)),
        };
        let of = |proof| {
            Entry::new(
                "id".into(),
                "name".into(),
                grant.clone(),
                Source::Store,
                proof,
            )
            .made(UnixMicros(1_764_000_000_000_000), "maker".into())
        };
        proofs.into_iter().map(of).collect()
    }

    #[test]
    fn every_kind_of_credential_comes_back_as_it_was() {
        for entry in entries() {
            let (key, value) = encode(&entry).unwrap();
            let back = decode(&key, &value).unwrap().unwrap();
            assert_eq!(format!("{back:?}"), format!("{entry:?}"));
            assert_eq!(back.proof, entry.proof);
        }
    }

    #[test]
    fn a_value_of_another_version_or_kind_is_refused_without_its_words() {
        let entry = &entries()[0];
        let (mut key, value) = encode(entry).unwrap();
        let text = String::from_utf8(value.clone()).unwrap();
        let newer = text.replace("\"version\":1", "\"version\":2");
        let error = decode(&key, newer.as_bytes()).unwrap_err().to_string();
        for part in ["version 2", "portolan backup FILE", "portolan restore FILE"] {
            assert!(error.contains(part), "{error}");
        }
        let broken = text.replace("\"sha256\":\"", "\"sha256\":5,\"");
        let error = decode(&key, broken.as_bytes()).unwrap_err().to_string();
        assert!(!error.contains("sha256"), "{error}");
        key.kind = portolan_store::RecordKind::User;
        assert!(decode(&key, &value).is_err());
        key.kind = portolan_store::RecordKind::Ignore;
        assert!(decode(&key, &value).unwrap().is_none());
    }
}
