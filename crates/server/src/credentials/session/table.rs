//! All sessions of a running server, by the hash of their token.
//!
//! Persistent maps behind one swap, as readers never lock; a change copies the paths it touches.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use imbl::{HashMap, OrdMap};
use portolan_wire::caps;
use portolan_wire::time::UnixMicros;
use tokio::sync::Notify;

use crate::credentials::session::{Parent, Session};
use crate::credentials::{Proof, TokenHash};

/// By age, and of one age by id.
type Age = (UnixMicros, String);

#[derive(Clone, Default)]
struct Table {
    by_token: HashMap<TokenHash, Arc<Session>>,
    by_parent: OrdMap<(Parent, Age), TokenHash>,
    by_age: OrdMap<Age, TokenHash>,
    by_id: HashMap<String, TokenHash>,
}

/// The sessions of a running server.
#[derive(Default)]
pub(crate) struct Sessions {
    table: ArcSwap<Table>,
    /// Ids of those that have ended, whose records are still in the store: no more than there were.
    to_forget: Mutex<Vec<String>>,
    /// Told when there is another one of those.
    ended: Notify,
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

    /// Takes out the one of that id, if it is there.
    pub(crate) fn remove_id(&self, id: &str) {
        self.change(|table| {
            let hash = table.by_id.get(id);
            if let Some(session) = hash.and_then(|hash| table.by_token.get(hash)).cloned() {
                table.remove(&session);
            }
        });
    }

    /// Ends, at once, those that `good` does not want; their records go with the sweep that follows.
    pub(crate) fn retain(&self, good: impl Fn(&Session) -> bool) {
        let table = self.table.load_full();
        let all = table.by_token.values();
        let ended: Vec<_> = all.filter(|session| !good(session)).cloned().collect();
        if ended.is_empty() {
            return;
        }
        self.remove(&ended);
        self.forget(ended.iter().map(|session| session.entry.id.clone()));
        self.ended.notify_one();
    }

    /// Notes records that are to be removed from the store.
    pub(crate) fn forget(&self, ids: impl IntoIterator<Item = String>) {
        let mut list = self
            .to_forget
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        list.extend(ids);
    }

    /// Waits until there is something to remove from the store.
    pub(crate) async fn ended(&self) {
        self.ended.notified().await;
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
            self.by_id.insert(session.entry.id.clone(), hash);
        }
    }

    fn remove(&mut self, session: &Session) {
        if let Proof::Token(hash) = &session.entry.proof {
            let age = age(session);
            self.by_token.remove(hash);
            self.by_age.remove(&age);
            self.by_id.remove(&session.entry.id);
            self.by_parent.remove(&(session.parent.clone(), age));
        }
    }
}

fn age(session: &Session) -> Age {
    (session.issued_at, session.entry.id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::{Entry, Grant, Kind, Mark, Method, Scope, Source};

    fn session(parent: usize, number: usize) -> Arc<Session> {
        let proof = Proof::Token(TokenHash::of(&number.to_string()));
        let grant = Grant::whole_server();
        let id = number.to_string();
        Arc::new(Session {
            entry: Arc::new(Entry::new(id, String::new(), grant, Source::Store, proof)),
            parent: parent_of(parent),
            mark: Mark([0; 32]),
            methods: vec![Method::Password],
            scope: Scope::Project,
            issued_at: UnixMicros(number as i64),
        })
    }

    fn parent_of(number: usize) -> Parent {
        Parent {
            kind: Kind::User,
            id: number.to_string(),
        }
    }

    fn ids(sessions: &[Arc<Session>]) -> Vec<&str> {
        sessions.iter().map(|one| one.entry.id.as_str()).collect()
    }

    /// Invariant 7: of one parent and of all together there are so many, and the oldest go first.
    #[test]
    fn the_oldest_of_a_parent_and_of_all_are_in_the_way() {
        let sessions = Sessions::default();
        for number in 0..caps::SESSIONS_MAX {
            // The first parent is full when the server is.
            let parent = match number < caps::SESSIONS_OF_A_CREDENTIAL_MAX {
                true => 0,
                false => number,
            };
            sessions.insert(&session(parent, number));
        }
        assert_eq!(sessions.len(), caps::SESSIONS_MAX);
        // One goes for both.
        let for_the_first = sessions.in_the_way_of(&parent_of(0));
        assert_eq!(ids(&for_the_first), ["0"]);
        assert_eq!(ids(&sessions.in_the_way_of(&parent_of(1))), ["0"]);
        sessions.remove(&for_the_first);
        assert!(sessions.in_the_way_of(&parent_of(0)).is_empty());
        assert_eq!(
            sessions.of(&parent_of(0)).len(),
            caps::SESSIONS_OF_A_CREDENTIAL_MAX - 1
        );
        sessions.retain(|one| one.parent != parent_of(0));
        assert_eq!(
            sessions.take_to_forget().len(),
            caps::SESSIONS_OF_A_CREDENTIAL_MAX - 1
        );
        assert!(sessions.of(&parent_of(0)).is_empty() && sessions.take_to_forget().is_empty());
    }
}
