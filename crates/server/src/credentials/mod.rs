//! Who may call, and for what.
//!
//! A table from the SHA-256 of a token to what it grants: the look-up is by the hash, so no secret
//! is kept and no comparison leaks one. Reads never lock: a reload swaps the table.

mod caller;
mod file;
mod first_start;

use std::collections::HashMap;

use portolan_census::Selection;
use portolan_wire::time::UnixMicros;
use sha2::{Digest, Sha256};

pub(crate) use caller::{Caller, Need, authenticate};
pub use file::{FileError, read_file};
pub use first_start::{FirstStartError, admin_token, random_token};

/// What a credential's holder may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Reads.
    Reader,
    /// Reports and heartbeats of its enterprise projects, nothing else.
    Agent,
    /// Everything of its project.
    Admin,
}

/// What a token grants.
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

    const EVERY_PROJECT: &str = "*";

    fn is_for(&self, project_id: &str) -> bool {
        self.project_id == Self::EVERY_PROJECT || self.project_id == project_id
    }
}

/// The SHA-256 of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of a token.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

/// Every token that the server knows.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    tokens: HashMap<TokenHash, Grant>,
}

impl Credentials {
    /// Adds a token; says `false`, and changes nothing, where it is known already.
    pub fn add(&mut self, token: TokenHash, grant: Grant) -> bool {
        if self.tokens.contains_key(&token) {
            return false;
        }
        self.tokens.insert(token, grant);
        true
    }

    /// Adds all of `other`; a token that both know keeps the grant it has here.
    pub fn merge(&mut self, other: Self) {
        for (token, grant) in other.tokens {
            self.add(token, grant);
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    fn grant(&self, token: &str) -> Option<&Grant> {
        self.tokens.get(&TokenHash::of(token))
    }
}
