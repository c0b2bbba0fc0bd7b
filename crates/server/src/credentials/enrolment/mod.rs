//! Enrolled hosts: credentials that speak for one host and no other.
//!
//! Kept apart from the tokens that administrators make: there is one a host, and hosts enrol by
//! themselves. Holds: a host id has one enrolment in its project, which only its own token or an
//! administrator ends; a token that was replaced is good until the new one was used for the first time,
//! since the answer that held the new one may have been lost, and not after it.
//! Limits: `caps::ENROLMENTS_MAX`.

mod record;
mod table;

use std::sync::Arc;

use portolan_store::{RecordKey, RecordKind};
use portolan_wire::ids::{EnterpriseProjectId, HostKey};
use portolan_wire::time::UnixMicros;
use sha2::{Digest as _, Sha256};

use crate::credentials::{Entry, Grant, Proof, Source, TokenHash, hex};

pub(crate) use record::{decode_enrolment, encode_enrolment};
pub(crate) use table::Enrolments;

/// One enrolled host.
#[derive(Clone, Debug)]
pub(crate) struct Enrolment {
    /// Its token, as checks see it: made when and by whom, and for which host.
    pub(crate) entry: Arc<Entry>,
    /// The token that replaces it once it is used.
    pub(crate) next: Option<Arc<Entry>>,
    /// By what the same host asks again for a token that it has not used yet.
    pub(crate) retry: Option<TokenHash>,
    pub(crate) enrolled_at: UnixMicros,
    /// Whether it reported, and nothing else tells so any more: its retirement is forgotten. Else the
    /// census knows.
    pub(crate) reported: bool,
}

impl Enrolment {
    pub(crate) fn project_id(&self) -> &str {
        &self.entry.grant.project_id
    }

    pub(crate) fn host_id(&self) -> &str {
        self.entry.host_id.as_deref().unwrap_or_default()
    }

    /// The enterprise project that its token is for.
    pub(crate) fn enterprise_project(&self) -> EnterpriseProjectId {
        self.entry.grant.enterprise_project_ids().concat().into()
    }

    pub(crate) fn host(&self) -> HostKey {
        HostKey {
            project: self.project_id().into(),
            host: self.host_id().into(),
        }
    }

    /// The enrol key, or the administrator, by whom it was enrolled.
    pub(crate) fn enrolled_by(&self) -> &str {
        self.entry.created_by.as_deref().unwrap_or_default()
    }

    /// The key of its record in the store: the same for the same host, so that there is one.
    pub(crate) fn key(&self) -> RecordKey {
        RecordKey {
            kind: RecordKind::Enrolment,
            id: self.entry.id.clone(),
        }
    }

    /// The same, once one of its tokens was used: that one stays, alone. `None` where that changes
    /// nothing.
    pub(crate) fn used(&self, token: TokenHash) -> Option<Self> {
        let next = self.next.as_ref();
        let replaces = next.filter(|next| next.proof.token() == Some(token));
        if replaces.is_none() && self.retry.is_none() {
            return None;
        }
        Some(Self {
            entry: Arc::clone(replaces.unwrap_or(&self.entry)),
            next: if replaces.is_some() {
                None
            } else {
                self.next.clone()
            },
            retry: None,
            enrolled_at: self.enrolled_at,
            reported: self.reported,
        })
    }

    /// The same with another token on its way.
    pub(crate) fn rotated(&self, token: TokenHash, at: UnixMicros) -> Self {
        let grant = self.entry.grant.clone();
        let host_id = self.host_id().to_owned();
        let next = host_entry(grant, host_id, token, at, self.enrolled_by().to_owned());
        next.take_over_use(&self.entry);
        Self {
            next: Some(Arc::new(next)),
            ..self.clone()
        }
    }

    /// The hashes of its tokens.
    fn tokens(&self) -> impl Iterator<Item = TokenHash> {
        let next = self.next.as_ref().and_then(|next| next.proof.token());
        self.entry.proof.token().into_iter().chain(next)
    }
}

/// A host's token.
pub(crate) fn host_entry(
    grant: Grant,
    host_id: String,
    token: TokenHash,
    at: UnixMicros,
    by: String,
) -> Entry {
    let id = id(&grant.project_id, &host_id);
    let proof = Proof::Token(token);
    Entry::new(id, String::new(), grant, Source::Store, proof)
        .of_host(host_id)
        .made(at, by)
}

/// Names the enrolment of a host, in the audit log and in the store.
fn id(project_id: &str, host_id: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(b"portolan-enrolment-id\n");
    hash.update((project_id.len() as u64).to_be_bytes());
    hash.update(project_id);
    hash.update(host_id);
    hex::encode(&hash.finalize()).chars().take(32).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use portolan_census::Selection;

    use super::*;
    use crate::credentials::Role;

    pub(crate) fn enrolment(project: &str, host: &str, key: &str) -> Enrolment {
        let grant = Grant {
            project_id: project.into(),
            enterprise_projects: Selection::of(["red".into()]),
            role: Role::Agent,
            expires_at: None,
        };
        let at = UnixMicros(1_764_000_000_000_000);
        let token = TokenHash::of(&format!("{project} {host}"));
        Enrolment {
            entry: Arc::new(host_entry(grant, host.into(), token, at, key.into())),
            next: None,
            retry: None,
            enrolled_at: at,
            reported: false,
        }
    }

    #[test]
    fn the_first_use_of_a_token_ends_the_one_before_and_the_way_to_ask_again() {
        let (old, new) = (TokenHash::of("p h"), TokenHash::of("new"));
        let settled = enrolment("p", "h", "k");
        assert!(settled.used(old).is_none(), "nothing is to be written");
        let asked_again = Enrolment {
            retry: Some(TokenHash::of("r")),
            ..settled.clone()
        };
        assert!(asked_again.used(old).unwrap().retry.is_none());
        let rotated = settled.rotated(new, UnixMicros(7));
        assert!(rotated.used(old).is_none(), "the new one may be lost");
        let used = rotated.used(new).unwrap();
        assert_eq!(used.tokens().collect::<Vec<_>>(), [new]);
        assert_eq!(used.entry.created_at, Some(UnixMicros(7)));
        assert_eq!(used.host_id(), "h");
    }

    #[test]
    fn an_id_is_one_hosts_of_one_project() {
        let ids = [("p", "h"), ("p", "i"), ("ph", ""), ("", "ph")].map(|(p, h)| id(p, h));
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), 4);
        assert_eq!(ids[0], id("p", "h"));
    }
}
