//! Log-ins: tokens that come from another credential, mostly a user, and end by themselves.
//!
//! A token of `POST /v3/auth/tokens` is a token like others to all that checks one. It is kept apart
//! because it is many and short: clients log in by themselves, an administrator makes tokens by hand.
//! Holds: a session ends at once when the credential that it comes from is gone, expired or another
//! than it was (its role, its projects, its password); it never grants more than that one.
//! Limits: `caps::SESSIONS_OF_A_CREDENTIAL_MAX`, `caps::SESSIONS_MAX`, `caps::SESSION_S_MAX`.

mod record;
mod table;

use std::sync::Arc;

use portolan_store::{RecordKey, RecordKind};
use portolan_wire::time::UnixMicros;
use sha2::{Digest as _, Sha256};

use crate::credentials::{Entry, Kind, Proof};

pub(crate) use record::{decode_session, encode_session};
pub(crate) use table::Sessions;

/// How somebody logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Password,
    Token,
}

impl Method {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Token => "token",
        }
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        [Self::Password, Self::Token]
            .into_iter()
            .find(|method| method.as_str() == text)
    }
}

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The project of its grant.
    Project,
    /// The domain of its holder: it grants no project.
    Domain,
    /// Nothing: it grants no project, and is there to be exchanged for one that does.
    None,
}

impl Scope {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Domain => "domain",
            Self::None => "none",
        }
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        [Self::Project, Self::Domain, Self::None]
            .into_iter()
            .find(|scope| scope.as_str() == text)
    }
}

/// The credential that a session comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Parent {
    pub(crate) kind: Kind,
    pub(crate) id: String,
}

impl Parent {
    pub(crate) fn of(entry: &Entry) -> Self {
        Self {
            kind: entry.proof.kind(),
            id: entry.id.clone(),
        }
    }
}

/// One log-in.
#[derive(Debug)]
pub(crate) struct Session {
    /// What checks of a token see: its hash, its grant, its end.
    pub(crate) entry: Arc<Entry>,
    pub(crate) parent: Parent,
    /// What the parent was at the log-in.
    pub(crate) mark: Mark,
    pub(crate) methods: Vec<Method>,
    pub(crate) scope: Scope,
    pub(crate) issued_at: UnixMicros,
}

impl Session {
    /// The key of its record in the store.
    pub(crate) fn key(&self) -> RecordKey {
        session_key(self.entry.id.clone())
    }

    /// Whether it is still good beside what its parent is now.
    pub(crate) fn holds(&self, parent: Option<&Entry>) -> bool {
        parent.is_some_and(|parent| Mark::of(parent) == self.mark)
    }
}

/// The key of a session's record in the store.
pub(crate) const fn session_key(id: String) -> RecordKey {
    RecordKey {
        kind: RecordKind::Session,
        id,
    }
}

/// A hash of all that a credential is: its proof, what it grants, when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark(pub(crate) [u8; 32]);

impl Mark {
    pub(crate) fn of(entry: &Entry) -> Self {
        let mut hash = Sha256::new();
        let mut add = |part: &[u8]| {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        };
        add(b"portolan-credential-mark");
        match &entry.proof {
            Proof::Token(token) => add(&token.0),
            Proof::AccessKey(key) => {
                let sealed = key.sealed.as_ref();
                add(sealed.map_or(&[], |sealed| &sealed.bytes));
                add(key.security_token.as_ref().map_or(&[], |token| &token.0));
            }
            Proof::User {
                domain,
                password_argon2,
            } => {
                add(domain.as_bytes());
                add(password_argon2.as_bytes());
            }
            Proof::EnrolKey(key) => add(&key.token.0),
        }
        let grant = &entry.grant;
        add(entry.name.as_bytes());
        add(grant.project_id.as_bytes());
        add(grant.role.as_str().as_bytes());
        let end = grant.expires_at.map(|end| end.0.to_be_bytes());
        add(end.as_ref().map_or(&[], |end| end.as_slice()));
        for id in grant.enterprise_project_ids() {
            add(id.as_bytes());
        }
        Self(hash.finalize().into())
    }
}
