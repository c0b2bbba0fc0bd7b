//! All credentials of a running server: what the operator wrote down, before what the store keeps.

use std::sync::Arc;

use arc_swap::ArcSwap;
use portolan_wire::caps;

use crate::credentials::{
    Credentials, Enrolments, Entry, Kind, Parent, Proof, Session, Sessions, TokenHash,
};

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
    /// Tokens of log-ins.
    pub(crate) sessions: Sessions,
    /// Tokens of enrolled hosts.
    pub(crate) enrolments: Enrolments,
}

impl Directory {
    /// With what the store keeps.
    pub(crate) fn new(made: Credentials) -> Self {
        Self {
            written: ArcSwap::default(),
            made: ArcSwap::from_pointee(made),
            sessions: Sessions::default(),
            enrolments: Enrolments::default(),
        }
    }

    /// The credential of a token.
    pub(crate) fn token(&self, token: &str) -> Option<Arc<Entry>> {
        let hash = TokenHash::of(token);
        let written = self.written.load();
        if let Some(entry) = written.token(&hash) {
            return Some(Arc::clone(entry));
        }
        let made = self.made.load().token(&hash).map(Arc::clone);
        made.or_else(|| self.enrolments.entry(&hash))
            .or_else(|| Some(Arc::clone(&self.sessions.token(&hash)?.entry)))
    }

    /// The log-in that a credential is the token of.
    pub(crate) fn session(&self, entry: &Entry) -> Option<Arc<Session>> {
        match &entry.proof {
            Proof::Token(hash) => self.sessions.token(hash),
            Proof::AccessKey(_) | Proof::User { .. } | Proof::EnrolKey(_) => None,
        }
    }

    /// The credential that something comes from, as it is now.
    pub(crate) fn parent(&self, parent: &Parent) -> Option<Arc<Entry>> {
        self.get(parent.kind, &parent.id)
    }

    /// Users of that name in a domain: one in each project at most, and one of the credentials file.
    pub(crate) fn users_named(&self, domain: &str, name: &str) -> Vec<Arc<Entry>> {
        self.list(Kind::User, |entry| {
            let theirs = match &entry.proof {
                Proof::User { domain, .. } => domain,
                Proof::Token(_) | Proof::AccessKey(_) | Proof::EnrolKey(_) => return false,
            };
            entry.name == name && theirs == domain
        })
    }

    /// Enters log-ins. One whose credential has changed meanwhile ends again at once.
    pub(crate) fn insert_sessions(&self, sessions: &[Arc<Session>]) {
        for session in sessions {
            self.sessions.insert(session);
        }
        self.end_stale_sessions();
    }

    /// Ends log-ins whose credential is not what it was.
    fn end_stale_sessions(&self) {
        self.sessions
            .retain(|session| session.holds(self.parent(&session.parent).as_deref()));
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
        self.end_stale_sessions();
    }

    /// The credential of that id.
    pub(crate) fn get(&self, kind: Kind, id: &str) -> Option<Arc<Entry>> {
        let written = self.written.load();
        if let Some(entry) = written.get(kind, id) {
            return Some(Arc::clone(entry));
        }
        self.made.load().get(kind, id).map(Arc::clone)
    }

    /// Whether a credential is still the one of its id.
    pub(crate) fn is_there(&self, entry: &Entry) -> bool {
        let now = self.get(entry.proof.kind(), &entry.id);
        now.is_some_and(|now| now.proof == entry.proof && now.grant == entry.grant)
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

    /// Whether the operator wrote down any.
    pub(crate) fn has_written(&self) -> bool {
        !self.written.load().is_empty()
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
            Proof::Token(_) | Proof::AccessKey(_) | Proof::EnrolKey(_) => false,
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
        self.end_stale_sessions();
    }

    fn change(&self, change: impl Fn(&mut Credentials)) {
        self.made.rcu(|made| {
            let mut changed = Credentials::clone(made);
            change(&mut changed);
            changed
        });
    }
}
