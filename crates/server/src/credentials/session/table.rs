//! All sessions of a running server, by the hash of their token.
//!
//! Persistent maps behind one swap, as readers never lock; a change copies the paths it touches.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use imbl::{HashMap, OrdMap};
use portolan_wire::caps;
use portolan_wire::time::UnixMicros;

use crate::credentials::session::{Parent, Session};
use crate::credentials::{Proof, TokenHash};

/// By age, and of one age by id.
type Age = (UnixMicros, String);

#[derive(Clone, Default)]
struct Table {
    by_token: HashMap<TokenHash, Arc<Session>>,
    by_parent: OrdMap<(Parent, Age), TokenHash>,
    by_age: OrdMap<Age, TokenHash>,
}

/// The sessions of a running server.
#[derive(Default)]
pub(crate) struct Sessions {
    table: ArcSwap<Table>,
    /// Ids of those that have ended, whose records are still in the store: no more than there were.
    to_forget: Mutex<Vec<String>>,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sessions({})", self.len())
    }
}

impl Sessions {
    pub(crate) fn token(&self, hash: &TokenHash) -> Option<Arc<Session>> {
        self.table.load().by_token.get(hash).map(Arc::clone)
    }

    pub(crate) fn len(&self) -> usize {
        self.table.load().by_token.len()
    }

    /// Those of a parent, the oldest first.
    pub(crate) fn of(&self, parent: &Parent) -> Vec<Arc<Session>> {
        self.table.load().of(parent)
    }

    /// Which must end so that one more of that parent fits.
    pub(crate) fn in_the_way_of(&self, parent: &Parent) -> Vec<Arc<Session>> {
        let table = self.table.load();
        let theirs = table.of(parent);
        let beyond = (theirs.len() + 1).saturating_sub(caps::SESSIONS_OF_A_CREDENTIAL_MAX);
        let mut ended: Vec<_> = theirs.into_iter().take(beyond).collect();
        let left = table.by_token.len() - ended.len();
        let beyond = (left + 1).saturating_sub(caps::SESSIONS_MAX);
        let by_age = table.by_age.values();
        let oldest = by_age.filter_map(|hash| table.by_token.get(hash).map(Arc::clone));
        let is_among = |one: &Arc<Session>| ended.iter().any(|other| Arc::ptr_eq(one, other));
        let oldest: Vec<_> = oldest.filter(|one| !is_among(one)).take(beyond).collect();
        ended.extend(oldest);
        ended
    }

    /// Enters what has become durable.
    pub(crate) fn insert(&self, session: &Arc<Session>) {
        self.change(|table| table.insert(session));
    }

    /// Takes out what is durably gone.
    pub(crate) fn remove(&self, sessions: &[Arc<Session>]) {
        self.change(|table| sessions.iter().for_each(|session| table.remove(session)));
    }

    /// Ends, at once, those that `good` does not want; their records go with the next sweep.
    pub(crate) fn retain(&self, good: impl Fn(&Session) -> bool) {
        let table = self.table.load_full();
        let all = table.by_token.values();
        let ended: Vec<_> = all.filter(|session| !good(session)).cloned().collect();
        if ended.is_empty() {
            return;
        }
        self.remove(&ended);
        self.forget(ended.iter().map(|session| session.entry.id.clone()));
    }

    /// Notes records that are to be removed from the store.
    pub(crate) fn forget(&self, ids: impl IntoIterator<Item = String>) {
        let mut list = self
            .to_forget
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        list.extend(ids);
    }

    /// The records that are to be removed from the store.
    pub(crate) fn take_to_forget(&self) -> Vec<String> {
        let mut list = self
            .to_forget
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *list)
    }

    fn change(&self, change: impl Fn(&mut Table)) {
        self.table.rcu(|table| {
            let mut changed = Table::clone(table);
            change(&mut changed);
            changed
        });
    }
}

impl Table {
    fn of(&self, parent: &Parent) -> Vec<Arc<Session>> {
        let first = (parent.clone(), (UnixMicros(i64::MIN), String::new()));
        self.by_parent
            .range(first..)
            .take_while(|((theirs, _), _)| theirs == parent)
            .filter_map(|(_, hash)| self.by_token.get(hash).map(Arc::clone))
            .collect()
    }

    fn insert(&mut self, session: &Arc<Session>) {
        if let Proof::Token(hash) = session.entry.proof {
            let age = age(session);
            self.by_token.insert(hash, Arc::clone(session));
            self.by_parent
                .insert((session.parent.clone(), age.clone()), hash);
            self.by_age.insert(age, hash);
        }
    }

    fn remove(&mut self, session: &Session) {
        if let Proof::Token(hash) = &session.entry.proof {
            let age = age(session);
            self.by_token.remove(hash);
            self.by_age.remove(&age);
            self.by_parent.remove(&(session.parent.clone(), age));
        }
    }
}

fn age(session: &Session) -> Age {
    (session.issued_at, session.entry.id.clone())
}
