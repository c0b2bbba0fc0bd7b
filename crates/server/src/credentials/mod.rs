//! Who may call, and for what.
//!
//! A table from the SHA-256 of a token to what it grants: the look-up is by the hash, so no secret
//! is kept and no comparison leaks one. Beside it access keys, whose holders sign their requests
//! (`signature`, `signed`). Two layers: what the operator wrote down (the credentials
//! file, the first start's token) and what was made over HTTP, which the store keeps.
//! Holds: reads never lock, a change swaps a table; nothing secret has a readable `Debug`.

mod api;
mod call;
mod caller;
mod directory;
mod enrolment;
mod entry;
mod external;
mod file;
mod first_start;
mod first_token;
mod follow;
mod hex;
mod pace;
mod record;
mod seal;
mod secret;
mod session;
mod signature;
mod signed;
mod table;

use portolan_census::Selection;
pub use portolan_wire::credential::Role;
use portolan_wire::ids::EnterpriseProjectId;
use portolan_wire::time::UnixMicros;
use sha2::{Digest, Sha256};

pub(crate) use api::{Api, Need};
pub(crate) use call::{Call, Standing, in_pace, is_signed_request};
pub(crate) use caller::Caller;
pub(crate) use directory::Directory;
pub(crate) use enrolment::{Enrolment, Enrolments, decode_enrolment, encode_enrolment, host_entry};
pub(crate) use entry::{AccessKey, EnrolKey, Entry, Kind, Proof, Source};
pub(crate) use external::{External, Known, unavailable};
pub use external::{
    ExternalKeystone, ExternalRoles, KeystonePassword, ServiceUser, SettingsMistake,
};
pub(crate) use file::selection;
pub use file::{FileError, check_file, read_file};
pub use first_start::{FirstStartError, admin_token};
pub(crate) use first_token::first_token;
pub(crate) use follow::{change_records, entering};
pub(crate) use record::{decode, encode};
pub use seal::SecretKeyError;
pub(crate) use seal::{SealKey, Sealed};
pub use secret::random_token;
pub(crate) use secret::{Secret, password_hash, password_holds, random_ak, random_id, random_sk};
pub(crate) use session::{
    Mark, Method, Parent, Scope, Session, Sessions, decode_session, encode_session, session_key,
};
pub(crate) use signature::SigningKey;
pub(crate) use signed::Signatures;
pub use table::Credentials;

/// What a credential grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The project, or `*` for every one of the server.
    pub project_id: String,
    /// The enterprise projects.
    pub enterprise_projects: Selection,
    /// The role.
    pub role: Role,
    /// When it ends.
    pub expires_at: Option<UnixMicros>,
}

impl Grant {
    /// Everything of every project, without end.
    pub fn whole_server() -> Self {
        Self {
            project_id: Self::EVERY_PROJECT.to_owned(),
            enterprise_projects: Selection::Whole,
            role: Role::Admin,
            expires_at: None,
        }
    }

    pub(crate) const EVERY_PROJECT: &str = "*";

    /// The project of a log-in that is for none. No route has an empty project.
    pub(crate) const NO_PROJECT: &str = "";

    pub(crate) fn is_for(&self, project_id: &str) -> bool {
        self.project_id == Self::EVERY_PROJECT || self.project_id == project_id
    }

    /// Whether it is an administrator's of the whole server.
    pub(crate) fn is_whole_server(&self) -> bool {
        self.project_id == Self::EVERY_PROJECT
            && self.enterprise_projects == Selection::Whole
            && self.role == Role::Admin
    }

    /// The enterprise projects as clients see them.
    pub(crate) fn enterprise_project_ids(&self) -> Vec<String> {
        match &self.enterprise_projects {
            Selection::Whole => vec![EnterpriseProjectId::ALL_GRANTED.to_owned()],
            Selection::Of(list) => list.iter().map(ToString::to_string).collect(),
        }
    }
}

/// Whether every host of `inner` is one of `outer`.
pub(crate) fn within(inner: &Selection, outer: &Selection) -> bool {
    match (inner, outer) {
        (_, Selection::Whole) => true,
        (Selection::Whole, Selection::Of(_)) => false,
        (Selection::Of(inner), Selection::Of(_)) => inner.iter().all(|id| outer.holds(id)),
    }
}

/// The id of a user of the credentials file, where none stands: the same as long as the name is.
fn user_id(domain: &str, name: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(b"portolan-user-id\n");
    hash.update((domain.len() as u64).to_be_bytes());
    hash.update(domain);
    hash.update(name);
    hex::encode(&hash.finalize()).chars().take(32).collect()
}

/// The SHA-256 of a token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of a token.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// A name for the token that tells nothing of it: for lists and the audit log.
    fn id(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(b"portolan-credential-id\n");
        hash.update(self.0);
        hex::encode(&hash.finalize()).chars().take(16).collect()
    }
}

impl std::fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenHash({})", self.id())
    }
}
