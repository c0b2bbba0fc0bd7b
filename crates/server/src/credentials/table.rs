//! A table of credentials, by id and, for tokens, by hash.

use std::collections::HashMap;
use std::sync::Arc;

use crate::credentials::{
    EnrolKey, Entry, Grant, Kind, Proof, SealKey, Sealed, SecretKeyError, Source, TokenHash,
    user_id,
};

/// Credentials that belong together: an operator's, or the store's.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    by_id: HashMap<(Kind, String), Arc<Entry>>,
    by_token: HashMap<TokenHash, Arc<Entry>>,
    by_ak: HashMap<String, Arc<Entry>>,
}

impl Credentials {
    /// Adds a token that an operator wrote down; says `false`, and changes nothing, where it is
    /// known already.
    pub fn add(&mut self, token: TokenHash, grant: Grant) -> bool {
        self.add_from(Source::File, token, grant)
    }

    pub(super) fn add_from(&mut self, source: Source, token: TokenHash, grant: Grant) -> bool {
        let entry = Entry::new(
            token.id(),
            String::new(),
            grant,
            source,
            Proof::Token(token),
        );
        self.insert(Arc::new(entry))
    }

    /// Adds an enrol key that an operator wrote down; says `false`, and changes nothing, where its token
    /// is known already.
    pub(super) fn add_enrol_key(&mut self, key: EnrolKey, name: String, grant: Grant) -> bool {
        let proof = Proof::EnrolKey(key);
        let entry = Entry::new(key.token.id(), name, grant, Source::File, proof);
        self.insert(Arc::new(entry))
    }

    /// Adds a user of the credentials file; says `false`, and changes nothing, where the name is known
    /// already in its domain.
    pub(super) fn add_user(
        &mut self,
        name: String,
        domain: String,
        password_argon2: String,
        grant: Grant,
    ) -> bool {
        let id = user_id(&domain, &name);
        let proof = Proof::User {
            domain,
            password_argon2,
        };
        self.insert(Arc::new(Entry::new(id, name, grant, Source::File, proof)))
    }

    /// Adds all of `other`; a credential that both know stays as it is here.
    pub fn merge(&mut self, other: Self) {
        for entry in other.by_id.into_values() {
            self.insert(entry);
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Adds an entry; says `false`, and changes nothing, where its id or token is known already.
    pub(crate) fn insert(&mut self, entry: Arc<Entry>) -> bool {
        let key = (entry.proof.kind(), entry.id.clone());
        if self.by_id.contains_key(&key) {
            return false;
        }
        if let Some(hash) = entry.proof.token() {
            if self.by_token.contains_key(&hash) {
                return false;
            }
            self.by_token.insert(hash, Arc::clone(&entry));
        }
        if let Proof::AccessKey(_) = entry.proof {
            self.by_ak.insert(entry.id.clone(), Arc::clone(&entry));
        }
        self.by_id.insert(key, entry);
        true
    }

    pub(super) fn remove(&mut self, kind: Kind, id: &str) {
        let removed = self.by_id.remove(&(kind, id.to_owned()));
        if let Some(hash) = removed.and_then(|entry| entry.proof.token()) {
            self.by_token.remove(&hash);
        }
        if kind == Kind::AccessKey {
            self.by_ak.remove(id);
        }
    }

    pub(super) fn token(&self, hash: &TokenHash) -> Option<&Arc<Entry>> {
        self.by_token.get(hash)
    }

    /// The access key of that name. Not [`Self::get`], which makes a key of its own to look up: every
    /// signed request comes here.
    pub(super) fn access_key(&self, ak: &str) -> Option<&Arc<Entry>> {
        self.by_ak.get(ak)
    }

    /// Opens every sealed secret key.
    ///
    /// # Errors
    /// One is sealed under another key, or was altered.
    pub(crate) fn unseal(&self, seal_key: &SealKey) -> Result<(), SecretKeyError> {
        self.by_ak
            .values()
            .try_for_each(|entry| entry.unseal(seal_key))
    }

    pub(super) fn get(&self, kind: Kind, id: &str) -> Option<&Arc<Entry>> {
        self.by_id.get(&(kind, id.to_owned()))
    }

    /// The sealed secret keys, by `ak`.
    pub(crate) fn sealed(&self) -> Vec<(&str, &Sealed)> {
        let entries = self.by_ak.values();
        entries
            .filter_map(|entry| match &entry.proof {
                Proof::AccessKey(key) => Some((entry.id.as_str(), key.sealed.as_ref()?)),
                Proof::Token(_) | Proof::User { .. } | Proof::EnrolKey(_) => None,
            })
            .collect()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.by_id.values()
    }
}
