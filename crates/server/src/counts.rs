//! The counts that a statistics query is answered with.
//!
//! A page of one scope, or of the whole project, is read in a microsecond. A credential with a part
//! of the enterprise projects asks for a union, which costs milliseconds with hundreds of them: its
//! pages are kept until a count that they are of changes, as the project's editions tell.
//! Holds: a kept page is what the published view would give; readers never lock; whatever a
//! credential asks, it takes the pages of another from it with its first one at most.
//! Limits: `caps::UNION_PAGES_MAX`, `caps::UNION_PAGES_OF_A_CREDENTIAL_MAX` pages.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use portolan_census::{Edition, Editions, Filter, Page, PageRequest, Project, Selection};
use portolan_wire::caps;
use portolan_wire::ids::EnterpriseProjectId;

/// What a query is answered with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) page: Page,
    /// Hosts of the selection, whatever the filter.
    pub(crate) fresh: u64,
    pub(crate) stale: u64,
}

/// Pages of unions, and how often they served.
#[derive(Debug, Default)]
pub(crate) struct UnionPages {
    kept: ArcSwap<HashMap<Asked, Arc<Kept>>>,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// Which rows are asked for, and whether only those of fresh hosts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    pub(crate) only_fresh: bool,
    pub(crate) filter: Filter,
    pub(crate) request: PageRequest,
}

impl Question {
    fn page(&self, project: &Project, selection: &Selection) -> Page {
        if self.only_fresh {
            let counts = project.fresh_counts();
            counts.page(selection, &self.filter, &self.request)
        } else {
            project.page(selection, &self.filter, &self.request)
        }
    }

    /// What its page is of.
    fn edition(&self, editions: Editions) -> Edition {
        if self.only_fresh {
            editions.fresh_counts
        } else {
            editions.counts
        }
    }
}

/// A query as far as its page depends on it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Asked {
    project_id: String,
    scopes: Scopes,
    question: Question,
}

/// A credential's list of enterprise projects. The list that is the same one is equal; comparing
/// hundreds of names would cost what is to be saved.
#[derive(Clone, Debug)]
struct Scopes(Arc<[EnterpriseProjectId]>);

impl PartialEq for Scopes {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Scopes {}

impl Hash for Scopes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).cast::<()>().hash(state);
    }
}

#[derive(Debug)]
struct Kept {
    edition: Edition,
    page: Page,
    /// When the hosts last changed that it was asked of, and how many of them were fresh and stale.
    hosts: (Edition, (u64, u64)),
}

impl Kept {
    fn counts(&self, project: &Project, selection: &Selection) -> Counts {
        let (edition, told) = self.hosts;
        let (fresh, stale) = if edition == project.editions().hosts {
            told
        } else {
            project.fresh_and_stale(selection)
        };
        Counts {
            page: self.page.clone(),
            fresh,
            stale,
        }
    }
}

impl UnionPages {
    /// The counts of a selection of the project.
    pub(crate) fn counts(
        &self,
        project_id: &str,
        project: &Project,
        selection: &Selection,
        question: Question,
    ) -> Counts {
        let scopes = match selection {
            Selection::Of(scopes) if scopes.len() > 1 => Scopes(Arc::clone(scopes)),
            Selection::Of(_) | Selection::Whole => {
                let (fresh, stale) = project.fresh_and_stale(selection);
                let page = question.page(project, selection);
                return Counts { page, fresh, stale };
            }
        };
        let asked = Asked {
            project_id: project_id.to_owned(),
            scopes,
            question,
        };
        let editions = project.editions();
        let edition = asked.question.edition(editions);
        let kept = self.kept.load().get(&asked).map(Arc::clone);
        if let Some(kept) = kept.filter(|kept| kept.edition == edition) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return kept.counts(project, selection);
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let made = Arc::new(Kept {
            edition,
            page: asked.question.page(project, selection),
            hosts: (editions.hosts, project.fresh_and_stale(selection)),
        });
        let counts = made.counts(project, selection);
        self.keep(asked, &made);
        counts
    }

    fn keep(&self, asked: Asked, made: &Arc<Kept>) {
        self.kept.rcu(|kept| {
            let mut kept = HashMap::clone(kept);
            if !kept.contains_key(&asked) {
                make_room(&mut kept, &asked.scopes);
            }
            kept.insert(asked.clone(), Arc::clone(made));
            kept
        });
    }

    /// How often a kept page served, and how often one was made.
    pub(crate) fn hits_and_misses(&self) -> [u64; 2] {
        [&self.hits, &self.misses].map(|count| count.load(Ordering::Relaxed))
    }
}

/// Makes room for one more page of a credential.
fn make_room(kept: &mut HashMap<Asked, Arc<Kept>>, scopes: &Scopes) {
    let mut pages: HashMap<Scopes, usize> = HashMap::new();
    for asked in kept.keys() {
        *pages.entry(asked.scopes.clone()).or_insert(0) += 1;
    }
    let own = pages.get(scopes).copied().unwrap_or(0);
    if own < caps::UNION_PAGES_OF_A_CREDENTIAL_MAX && kept.len() < caps::UNION_PAGES_MAX {
        return;
    }
    let most = || pages.iter().max_by_key(|(_, pages)| **pages);
    let loser = if own > 0 {
        Some(scopes)
    } else {
        most().map(|(scopes, _)| scopes)
    };
    kept.retain(|asked, _| Some(&asked.scopes) != loser);
}

#[cfg(test)]
mod tests {
    use portolan_census::{
        Agents, Cells, Choice, Commit, HostCommit, HostFacts, Ignored, Pair, Retired, Sockets,
        Start, State,
    };
    use portolan_wire::digest::Digest;
    use portolan_wire::hss::port_statistics::SortDir;
    use portolan_wire::ids::HostKey;
    use portolan_wire::open_port::{Category, OpenPort, Transport};
    use portolan_wire::time::UnixMicros;

    use super::*;

    fn put(host: &str, enterprise_project: &str, ports: &[u16]) -> Commit {
        let ports: Vec<OpenPort> = ports
            .iter()
            .map(|port| OpenPort::new(Transport::Tcp, [0, 0, 0, 0].into(), *port))
            .collect();
        Commit::Put(HostCommit {
            project: "p".into(),
            facts: HostFacts {
                id: host.into(),
                enterprise_project: enterprise_project.into(),
                pair: Pair::default(),
                at: UnixMicros(0),
                digest: Digest::default(),
                record_hash: 0,
                agents: Agents::default(),
                heartbeat_interval_s: 30,
                open_ports: 0,
                cells: Cells::of(ports.iter().map(Into::into)),
                history_at: 0,
                retired_at: None,
            },
            ignored: Ignored::default(),
        })
    }

    /// The host as [`put`] makes it, with its danger on port 23 ignored.
    fn ignoring(host: &str, enterprise_project: &str, ports: &[u16]) -> Commit {
        let Commit::Put(mut commit) = put(host, enterprise_project, ports) else {
            unreachable!("it puts");
        };
        let choice = Choice {
            container_asset: None,
            port: 23,
            transport: Transport::Tcp,
        };
        let open = OpenPort::new(Transport::Tcp, [0, 0, 0, 0].into(), 23);
        commit.ignored = Ignored::of([choice], [(&open).into()]);
        Commit::Put(commit)
    }

    fn remove(host: &str) -> Commit {
        let Commit::Put(HostCommit { project, facts, .. }) = put(host, "0", &[]) else {
            unreachable!("it puts");
        };
        Commit::Retire(Retired { project, facts })
    }

    fn fresh(host: &str, fresh: bool) -> Commit {
        let key = HostKey {
            project: "p".into(),
            host: host.into(),
        };
        Commit::Fresh(vec![(key, fresh)])
    }

    fn forget(host: &str) -> Commit {
        Commit::Forget(HostKey {
            project: "p".into(),
            host: host.into(),
        })
    }

    fn question(offset: usize) -> Question {
        let filter = Filter {
            category: Category::Host,
            sockets: Sockets::All,
            transport: None,
            port: None,
            port_string: None,
            status: None,
        };
        let request = PageRequest {
            sort_dir: SortDir::Asc,
            start: Start::Offset(offset),
            limit: 10,
        };
        Question {
            only_fresh: false,
            filter,
            request,
        }
    }

    /// Each commit changes what is told in another way; after each the kept page must be as fresh as
    /// one that is made anew, and asking again must not make it anew.
    #[test]
    fn a_kept_page_is_what_the_view_gives_after_every_commit() {
        let unions = UnionPages::default();
        let granted = Selection::of(["a".into(), "b".into()]);
        let mut state = State::default();
        let commits = [
            put("h1", "a", &[22]),
            put("h2", "b", &[22, 80]),
            put("h2", "c", &[22, 80]),
            put("h2", "b", &[80]),
            put("h3", "b", &[]),
            put("h2", "b", &[23]),
            ignoring("h2", "b", &[23]),
            put("h2", "b", &[23]),
            fresh("h2", false),
            fresh("h2", true),
            remove("h1"),
            remove("h3"),
            // The project is gone, and comes back with as many commits of its own.
            remove("h2"),
            forget("h1"),
            forget("h2"),
            forget("h3"),
            put("h1", "a", &[443]),
            put("h2", "b", &[8443]),
        ];
        for (step, commit) in commits.into_iter().enumerate() {
            let of_freshness = matches!(commit, Commit::Fresh(_));
            let of_none = matches!(commit, Commit::Forget(_));
            state.apply(commit);
            let Some(project) = state.project("p") else {
                continue;
            };
            for only_fresh in [false, true] {
                let question = Question {
                    only_fresh,
                    ..question(0)
                };
                let (fresh, stale) = project.fresh_and_stale(&granted);
                let page = question.page(project, &granted);
                let anew = Counts { page, fresh, stale };
                let [_, misses] = unions.hits_and_misses();
                for _ in 0..2 {
                    let told = unions.counts("p", project, &granted, question.clone());
                    assert_eq!(told, anew, "step {step}");
                }
                // Freshness changes no count of all hosts, and the number of hosts is told anew. A
                // retired host that is forgotten changes none at all.
                let made = u64::from(!of_none && (only_fresh || !of_freshness));
                let misses = misses + made;
                assert_eq!(unions.hits_and_misses()[1], misses, "step {step}");
            }
        }
    }

    #[test]
    fn a_commit_that_changes_no_count_leaves_the_pages_and_another_credential_has_its_own() {
        let unions = UnionPages::default();
        let mut state = State::default();
        state.apply(put("h1", "a", &[22]));
        state.apply(put("h2", "b", &[22]));
        let both = Selection::of(["a".into(), "b".into()]);
        let other = Selection::of(["a".into(), "c".into()]);
        let num = |state: &State, selection: &Selection| {
            let project = state.project("p").unwrap();
            let counts = unions.counts("p", project, selection, question(0));
            counts.page.rows[0].num
        };
        assert_eq!((num(&state, &both), num(&state, &other)), (2, 1));
        state.apply(put("h1", "a", &[22]));
        assert_eq!((num(&state, &both), num(&state, &other)), (2, 1));
        assert_eq!(unions.hits_and_misses(), [2, 2]);
    }

    /// The pages that a credential has, after it asked for those from `offsets` on.
    fn ask(
        unions: &UnionPages,
        granted: &Selection,
        offsets: std::ops::Range<usize>,
    ) -> (usize, usize) {
        let mut state = State::default();
        state.apply(put("h1", "a", &[22]));
        let project = state.project("p").unwrap();
        for offset in offsets {
            unions.counts("p", project, granted, question(offset));
            assert!(unions.kept.load().len() <= caps::UNION_PAGES_MAX);
        }
        (own(unions, granted), unions.kept.load().len())
    }

    fn own(unions: &UnionPages, granted: &Selection) -> usize {
        let Selection::Of(scopes) = granted else {
            panic!("{granted:?} is no union")
        };
        let scopes = Scopes(Arc::clone(scopes));
        let kept = unions.kept.load();
        kept.keys().filter(|asked| asked.scopes == scopes).count()
    }

    fn credential() -> Selection {
        Selection::of(["a".into(), "b".into()])
    }

    #[test]
    fn a_credential_that_asks_for_too_many_pages_lets_its_own_go_and_no_others() {
        const OF_ONE: usize = caps::UNION_PAGES_OF_A_CREDENTIAL_MAX;
        let unions = UnionPages::default();
        let (quiet, busy) = (credential(), credential());
        ask(&unions, &quiet, 0..3);
        assert_eq!(ask(&unions, &busy, 0..OF_ONE), (OF_ONE, OF_ONE + 3));
        // Asking for what it has lets nothing go, not even when that must be made anew.
        unions.kept.store(Arc::new(
            unions
                .kept
                .load()
                .iter()
                .map(|(asked, kept)| {
                    let edition = Edition::default();
                    let (page, hosts) = (kept.page.clone(), kept.hosts);
                    let stale = Kept {
                        edition,
                        page,
                        hosts,
                    };
                    (asked.clone(), Arc::new(stale))
                })
                .collect(),
        ));
        assert_eq!(ask(&unions, &busy, 0..OF_ONE), (OF_ONE, OF_ONE + 3));
        assert_eq!(ask(&unions, &busy, OF_ONE..OF_ONE + 1), (1, 4));
        assert_eq!(
            ask(&unions, &busy, 0..10 * OF_ONE).1,
            own(&unions, &busy) + 3
        );
        assert_eq!(own(&unions, &quiet), 3);
    }

    #[test]
    fn when_all_pages_are_taken_who_has_some_gives_its_own_and_who_has_none_those_of_the_largest() {
        let unions = UnionPages::default();
        let quiet = credential();
        ask(&unions, &quiet, 0..3);
        let others = [64, 63, 63, 60].map(|pages| {
            let other = credential();
            assert_eq!(ask(&unions, &other, 0..pages).0, pages);
            other
        });
        let kept = |unions: &UnionPages| others.each_ref().map(|other| own(unions, other));
        assert_eq!(unions.kept.load().len(), 253);
        let late = credential();
        assert_eq!(ask(&unions, &late, 0..3), (3, caps::UNION_PAGES_MAX));
        assert_eq!(ask(&unions, &late, 3..4), (1, 254));
        assert_eq!(kept(&unions), [64, 63, 63, 60]);
        ask(&unions, &late, 4..6);
        assert_eq!(ask(&unions, &credential(), 0..1), (1, 193));
        assert_eq!(kept(&unions), [0, 63, 63, 60]);
        assert_eq!((own(&unions, &quiet), own(&unions, &late)), (3, 3));
    }
}
