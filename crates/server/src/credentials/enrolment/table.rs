//! All enrolments of a running server, by the hash of their tokens and by host.
//!
//! Persistent maps behind one swap, as readers never lock; a change copies the paths it touches.

use std::sync::Arc;

use arc_swap::ArcSwap;
use imbl::{HashMap, OrdMap};

use crate::credentials::enrolment::Enrolment;
use crate::credentials::{Entry, TokenHash};

/// Project and host id.
type Host = (Arc<str>, Arc<str>);

#[derive(Clone, Default)]
struct Table {
    by_token: HashMap<TokenHash, Arc<Enrolment>>,
    by_host: OrdMap<Host, Arc<Enrolment>>,
    /// By the id of its record.
    by_id: HashMap<String, Host>,
    /// How many there are of each credential that enrolled some.
    by_key: HashMap<String, usize>,
}

/// The enrolments of a running server.
#[derive(Default)]
pub(crate) struct Enrolments {
    table: ArcSwap<Table>,
}

impl std::fmt::Debug for Enrolments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Enrolments({})", self.len())
    }
}

impl Enrolments {
    pub(crate) fn token(&self, hash: &TokenHash) -> Option<Arc<Enrolment>> {
        self.table.load().by_token.get(hash).map(Arc::clone)
    }

    /// The credential of a token.
    pub(crate) fn entry(&self, hash: &TokenHash) -> Option<Arc<Entry>> {
        let enrolment = self.token(hash)?;
        let next = enrolment.next.as_ref();
        let next = next.filter(|next| next.proof.token() == Some(*hash));
        Some(Arc::clone(next.unwrap_or(&enrolment.entry)))
    }

    pub(crate) fn of_host(&self, project_id: &str, host_id: &str) -> Option<Arc<Enrolment>> {
        let host = (project_id.into(), host_id.into());
        self.table.load().by_host.get(&host).map(Arc::clone)
    }

    /// How many hosts a credential has enrolled that are still so.
    pub(crate) fn enrolled_by(&self, id: &str) -> usize {
        self.table.load().by_key.get(id).copied().unwrap_or(0)
    }

    pub(crate) fn len(&self) -> usize {
        self.table.load().by_host.len()
    }

    /// Those of a project that `wanted` wants, by host id: how many there are, and as many as
    /// `limit` of those after a host.
    pub(crate) fn page(
        &self,
        project_id: &str,
        after: Option<&str>,
        limit: usize,
        wanted: impl Fn(&Enrolment) -> bool,
    ) -> (usize, Vec<Arc<Enrolment>>) {
        let table = self.table.load();
        let first: Host = (project_id.into(), "".into());
        let of_project = table.by_host.range(first..);
        let of_project = of_project
            .take_while(|((project, _), _)| &**project == project_id)
            .map(|(_, enrolment)| enrolment)
            .filter(|enrolment| wanted(enrolment));
        let (mut total, mut page) = (0, Vec::with_capacity(limit));
        for enrolment in of_project {
            total += 1;
            let is_after = after.is_none_or(|after| enrolment.host_id() > after);
            if is_after && page.len() < limit {
                page.push(Arc::clone(enrolment));
            }
        }
        (total, page)
    }

    /// Enters what has become durable, in place of what was of that host.
    pub(crate) fn put(&self, enrolment: &Arc<Enrolment>) {
        self.change(|table| table.put(enrolment));
    }

    /// The same of all that the store keeps, at the start.
    pub(crate) fn put_all(&self, enrolments: &[Arc<Enrolment>]) {
        self.change(|table| enrolments.iter().for_each(|one| table.put(one)));
    }

    /// Takes out what is durably gone.
    pub(crate) fn remove(&self, enrolment: &Enrolment) {
        let host = host(enrolment);
        self.change(|table| table.remove(&host));
    }

    /// Takes out that of a record, if it is there; says which one it was.
    pub(crate) fn remove_id(&self, id: &str) -> Option<Arc<Enrolment>> {
        let table = self.table.load();
        let gone = table.by_host.get(table.by_id.get(id)?).map(Arc::clone)?;
        self.remove(&gone);
        Some(gone)
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
    fn put(&mut self, enrolment: &Arc<Enrolment>) {
        let host = host(enrolment);
        self.remove(&host);
        for token in enrolment.tokens() {
            self.by_token.insert(token, Arc::clone(enrolment));
        }
        let by = enrolment.enrolled_by().to_owned();
        *self.by_key.entry(by).or_insert(0) += 1;
        self.by_id.insert(enrolment.entry.id.clone(), host.clone());
        self.by_host.insert(host, Arc::clone(enrolment));
    }

    fn remove(&mut self, host: &Host) {
        let Some(gone) = self.by_host.remove(host) else {
            return;
        };
        self.by_id.remove(&gone.entry.id);
        for token in gone.tokens() {
            self.by_token.remove(&token);
        }
        let by = gone.enrolled_by();
        match self.by_key.get(by).copied() {
            Some(2..) => *self.by_key.entry(by.to_owned()).or_insert(1) -= 1,
            Some(_) | None => {
                self.by_key.remove(by);
            }
        }
    }
}

fn host(enrolment: &Enrolment) -> Host {
    (enrolment.project_id().into(), enrolment.host_id().into())
}

#[cfg(test)]
mod tests {
    use portolan_wire::time::UnixMicros;

    use super::*;
    use crate::credentials::enrolment::tests::enrolment;

    fn table(hosts: &[(&str, &str, &str)]) -> Enrolments {
        let enrolments = Enrolments::default();
        for (project, host, key) in hosts {
            enrolments.put(&Arc::new(enrolment(project, host, key)));
        }
        enrolments
    }

    #[test]
    fn a_token_is_found_until_another_one_was_used_and_no_longer() {
        let enrolments = table(&[("p", "h", "k")]);
        let (old, new) = (TokenHash::of("p h"), TokenHash::of("new"));
        let first = enrolments.token(&old).unwrap();
        let rotated = Arc::new(first.rotated(new, UnixMicros(7)));
        enrolments.put(&rotated);
        for (token, made_at) in [(old, first.enrolled_at), (new, UnixMicros(7))] {
            let entry = enrolments.entry(&token).unwrap();
            assert_eq!(entry.created_at, Some(made_at));
            assert_eq!(entry.host_id.as_deref(), Some("h"));
        }
        enrolments.put(&Arc::new(rotated.used(new).unwrap()));
        assert!(enrolments.entry(&old).is_none());
        assert!(enrolments.entry(&new).is_some());
        enrolments.remove(&enrolments.of_host("p", "h").unwrap());
        assert!(enrolments.entry(&new).is_none() && enrolments.len() == 0);
    }

    #[test]
    fn those_of_a_key_are_counted_and_a_released_one_makes_room() {
        let enrolments = table(&[("p", "h", "k"), ("p", "i", "k"), ("q", "h", "l")]);
        enrolments.put(&Arc::new(enrolment("p", "h", "k")));
        assert_eq!((enrolments.enrolled_by("k"), enrolments.len()), (2, 3));
        for left in [1, 0] {
            let (_, page) = enrolments.page("p", None, 1, |_| true);
            enrolments.remove(&page[0]);
            assert_eq!(enrolments.enrolled_by("k"), left);
        }
        assert_eq!(enrolments.enrolled_by("l"), 1);
    }

    #[test]
    fn a_page_has_one_project_in_order_from_a_host_on() {
        let enrolments = table(&[
            ("o", "z", "k"),
            ("p", "c", "k"),
            ("p", "a", "k"),
            ("p", "b", "l"),
            ("pa", "a", "k"),
        ]);
        let ids = |after, limit, key: &str| {
            let by_key = |one: &Enrolment| one.enrolled_by() == key || key.is_empty();
            let (total, page) = enrolments.page("p", after, limit, by_key);
            let ids = page.iter().map(|one| one.host_id().to_owned());
            (total, ids.collect::<Vec<_>>().join(" "))
        };
        assert_eq!(ids(None, 2, ""), (3, "a b".to_owned()));
        assert_eq!(ids(Some("b"), 2, ""), (3, "c".to_owned()));
        assert_eq!(ids(None, 9, "k"), (2, "a c".to_owned()));
    }
}
