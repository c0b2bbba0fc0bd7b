//! All credentials of a running server: what the operator wrote down, before what the store keeps.

use std::sync::Arc;

use arc_swap::ArcSwap;
use portolan_wire::caps;

use crate::credentials::{Credentials, Entry, Kind, Proof, TokenHash};

/// Why one more credential cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotMade {
    /// There are too many.
    #[error(
        "the server keeps at most {} credentials: revoke some",
        caps::CREDENTIALS_MAX
    )]
    TooMany,
    /// The name of a user is taken within its domain and project.
    #[error("a user of that name is in the domain already")]
    NameTaken,
}

/// The credentials of a running server.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    written: ArcSwap<Credentials>,
    made: ArcSwap<Credentials>,
}

impl Directory {
    /// With what the store keeps.
    pub(crate) fn new(made: Credentials) -> Self {
        Self {
            written: ArcSwap::default(),
            made: ArcSwap::from_pointee(made),
        }
    }

    /// The credential of a token.
    pub(crate) fn token(&self, token: &str) -> Option<Arc<Entry>> {
        let hash = TokenHash::of(token);
        let written = self.written.load();
        if let Some(entry) = written.token(&hash) {
            return Some(Arc::clone(entry));
        }
        self.made.load().token(&hash).map(Arc::clone)
    }

    /// The access key of that name.
    pub(crate) fn access_key(&self, ak: &str) -> Option<Arc<Entry>> {
        let written = self.written.load();
        if let Some(entry) = written.access_key(ak) {
            return Some(Arc::clone(entry));
        }
        self.made.load().access_key(ak).map(Arc::clone)
    }

    /// Takes other written credentials from now on.
    pub(crate) fn replace_written(&self, written: Credentials) {
        let before = self.written.load();
        for entry in written.entries() {
            if let Some(earlier) = before.get(entry.proof.kind(), &entry.id) {
                entry.take_over_use(earlier);
            }
        }
        self.written.store(Arc::new(written));
    }

    /// The credential of that id.
    pub(crate) fn get(&self, kind: Kind, id: &str) -> Option<Arc<Entry>> {
        let written = self.written.load();
        if let Some(entry) = written.get(kind, id) {
            return Some(Arc::clone(entry));
        }
        self.made.load().get(kind, id).map(Arc::clone)
    }

    /// All of a kind that `wanted` wants, by ascending id.
    pub(crate) fn list(&self, kind: Kind, wanted: impl Fn(&Entry) -> bool) -> Vec<Arc<Entry>> {
        let (written, made) = (self.written.load(), self.made.load());
        let all = written.entries().chain(made.entries());
        let mut list: Vec<_> = all
            .filter(|entry| entry.proof.kind() == kind && wanted(entry))
            .map(Arc::clone)
            .collect();
        list.sort_by(|a, b| a.id.cmp(&b.id));
        list
    }

    /// Whether the store keeps an administrator of the whole server.
    pub(crate) fn has_made_administrator(&self) -> bool {
        let made = self.made.load();
        made.entries()
            .any(|entry| matches!(entry.proof, Proof::Token(_)) && entry.grant.is_whole_server())
    }

    /// Whether one more such credential may be made.
    pub(crate) fn may_make(&self, entry: &Entry) -> Result<(), NotMade> {
        let made = self.made.load();
        if made.len() >= caps::CREDENTIALS_MAX {
            return Err(NotMade::TooMany);
        }
        let Proof::User { domain, .. } = &entry.proof else {
            return Ok(());
        };
        let taken = made.entries().any(|other| match &other.proof {
            Proof::User { domain: theirs, .. } => {
                theirs == domain
                    && other.name == entry.name
                    && other.grant.project_id == entry.grant.project_id
            }
            Proof::Token(_) | Proof::AccessKey(_) => false,
        });
        if taken {
            Err(NotMade::NameTaken)
        } else {
            Ok(())
        }
    }

    /// Enters what has become durable.
    pub(crate) fn insert_made(&self, entry: &Arc<Entry>) {
        self.change(|made| {
            made.insert(Arc::clone(entry));
        });
    }

    /// Takes out what is durably gone.
    pub(crate) fn remove_made(&self, kind: Kind, id: &str) {
        self.change(|made| made.remove(kind, id));
    }

    fn change(&self, change: impl Fn(&mut Credentials)) {
        self.made.rcu(|made| {
            let mut changed = Credentials::clone(made);
            change(&mut changed);
            changed
        });
    }
}
