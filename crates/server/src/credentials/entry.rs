//! One credential: what it grants, how its holder proves it, and where it comes from.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use portolan_store::RecordKind;
use portolan_wire::time::UnixMicros;

use crate::credentials::pace::Pace;
use crate::credentials::{Grant, SealKey, Sealed, SecretKeyError, SigningKey, TokenHash};

/// How coarse it is kept when a credential was last used, in seconds: a busy one is written to once
/// in that time, so that cores do not wait for each other.
const LAST_USED_STEP_S: u32 = 60;

/// The kinds of credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Token,
    AccessKey,
    User,
    EnrolKey,
}

impl Kind {
    /// The kind as the routes and the audit log name it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::AccessKey => "access-key",
            Self::User => "user",
            Self::EnrolKey => "enrol-key",
        }
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        [Self::Token, Self::AccessKey, Self::User, Self::EnrolKey]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }

    /// The kind of its record in the store.
    pub(crate) const fn record(self) -> RecordKind {
        match self {
            Self::Token => RecordKind::Token,
            Self::AccessKey => RecordKind::AccessKey,
            Self::User => RecordKind::User,
            Self::EnrolKey => RecordKind::EnrolKey,
        }
    }

    pub(crate) const fn of_record(kind: RecordKind) -> Option<Self> {
        match kind {
            RecordKind::Token => Some(Self::Token),
            RecordKind::AccessKey => Some(Self::AccessKey),
            RecordKind::User => Some(Self::User),
            RecordKind::EnrolKey => Some(Self::EnrolKey),
            RecordKind::Ignore | RecordKind::Session | RecordKind::Enrolment => None,
        }
    }
}

/// Where a credential comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The credentials file.
    File,
    /// Made over HTTP, kept by the store.
    Store,
    /// `DATA/admin-token`.
    FirstStart,
    /// A Keystone elsewhere.
    Keystone,
}

impl Source {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Store => "store",
            Self::FirstStart => "first_start",
            Self::Keystone => "keystone",
        }
    }
}

/// How a holder proves that a credential is theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// By a token of that hash.
    Token(TokenHash),
    /// By signing with a secret key.
    AccessKey(AccessKey),
    /// By a password, at `POST /v3/auth/tokens`.
    User {
        domain: String,
        password_argon2: String,
    },
    /// By a token of that hash, which enrols hosts and does nothing else.
    EnrolKey(EnrolKey),
}

/// What an enrol key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EnrolKey {
    pub(crate) token: TokenHash,
    /// How many hosts that it enrolled there may be at a time.
    pub(crate) hosts_max: Option<u32>,
}

/// How the holder of an access key proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccessKey {
    /// The secret key, where the store keeps it.
    pub(crate) sealed: Option<Sealed>,
    /// Of a temporary one: what must come with every request.
    pub(crate) security_token: Option<TokenHash>,
}

impl Proof {
    pub(crate) const fn kind(&self) -> Kind {
        match self {
            Self::Token(_) => Kind::Token,
            Self::AccessKey(_) => Kind::AccessKey,
            Self::User { .. } => Kind::User,
            Self::EnrolKey(_) => Kind::EnrolKey,
        }
    }

    /// The hash by which it is looked up, of what stands in `X-Auth-Token`.
    pub(crate) const fn token(&self) -> Option<TokenHash> {
        match self {
            Self::Token(token) | Self::EnrolKey(EnrolKey { token, .. }) => Some(*token),
            Self::AccessKey(_) | Self::User { .. } => None,
        }
    }
}

/// One credential.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its name in lists and in the audit log; of an access key its `ak`. Never a secret.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) grant: Grant,
    pub(crate) source: Source,
    pub(crate) proof: Proof,
    /// The only host that it speaks for, where it is one host's.
    pub(crate) host_id: Option<String>,
    /// Unknown of what the operator wrote down.
    pub(crate) created_at: Option<UnixMicros>,
    /// The id of the credential that made it.
    pub(crate) created_by: Option<String>,
    /// What it has called lately.
    pub(crate) pace: Pace,
    /// Of an access key, once its secret key is known.
    signing_key: OnceLock<SigningKey>,
    /// Seconds since 1970; 0 for never since the start of the server.
    last_used_s: AtomicU32,
}

impl Entry {
    pub(crate) fn new(
        id: String,
        name: String,
        grant: Grant,
        source: Source,
        proof: Proof,
    ) -> Self {
        Self {
            id,
            name,
            grant,
            source,
            proof,
            host_id: None,
            created_at: None,
            created_by: None,
            pace: Pace::default(),
            signing_key: OnceLock::new(),
            last_used_s: AtomicU32::new(0),
        }
    }

    /// The same, made then and by that credential.
    pub(crate) fn made(self, at: UnixMicros, by: String) -> Self {
        Self {
            created_at: Some(at),
            created_by: Some(by),
            ..self
        }
    }

    /// The same, which speaks for that host and no other.
    pub(crate) fn of_host(self, host_id: String) -> Self {
        Self {
            host_id: Some(host_id),
            ..self
        }
    }

    /// The same, an access key whose holder signs with this.
    pub(crate) fn signing_with(self, key: SigningKey) -> Self {
        Self {
            signing_key: OnceLock::from(key),
            ..self
        }
    }

    /// Opens the sealed secret key of an access key.
    ///
    /// # Errors
    /// It is sealed under another key, or was altered.
    pub(crate) fn unseal(&self, seal_key: &SealKey) -> Result<(), SecretKeyError> {
        if let Proof::AccessKey(AccessKey {
            sealed: Some(sealed),
            ..
        }) = &self.proof
        {
            let key = SigningKey::new(seal_key.unseal(&self.id, sealed)?.expose());
            // A second time it would be the same.
            let _first = self.signing_key.set(key);
        }
        Ok(())
    }

    pub(crate) fn signing_key(&self) -> Option<&SigningKey> {
        self.signing_key.get()
    }

    /// Whether a request signed with it may come with that security token, or without one. One that
    /// needs none minds none: clients send what they were once given.
    pub(crate) fn takes(&self, security_token: Option<TokenHash>) -> bool {
        match &self.proof {
            Proof::AccessKey(key) => {
                key.security_token.is_none() || key.security_token == security_token
            }
            Proof::Token(_) | Proof::User { .. } | Proof::EnrolKey(_) => false,
        }
    }

    pub(crate) fn is_expired(&self, now: UnixMicros) -> bool {
        self.grant.expires_at.is_some_and(|end| end <= now)
    }

    pub(crate) fn used(&self, now: UnixMicros) {
        let now_s = u32::try_from(now.seconds()).unwrap_or(0);
        let last = self.last_used_s.load(Ordering::Relaxed);
        if now_s.saturating_sub(last) >= LAST_USED_STEP_S {
            self.last_used_s.store(now_s, Ordering::Relaxed);
        }
    }

    /// When it was last used since the start of the server, to the minute.
    pub(crate) fn last_used(&self) -> Option<UnixMicros> {
        let seconds = self.last_used_s.load(Ordering::Relaxed);
        (seconds > 0).then(|| UnixMicros(i64::from(seconds) * 1_000_000))
    }

    pub(crate) fn take_over_use(&self, earlier: &Self) {
        let last = earlier.last_used_s.load(Ordering::Relaxed);
        self.last_used_s.store(last, Ordering::Relaxed);
    }
}
