//! The counts of fresh hosts only, against those of a model that has no others.

use portolan_census::{Freshness, Page, PageRequest, Project, Start};
use portolan_wire::hss::port_statistics::SortDir;

use crate::naive::{Model, Row};
use crate::{filters, selection};

impl Model {
    /// The hosts that are fresh, and what is ignored of them.
    fn only_fresh(&self) -> Self {
        let mut fresh = self.clone();
        fresh.hosts.retain(|id, _| !self.stale.contains(id));
        fresh
    }
}

pub(crate) fn check(project: Option<&Project>, scopes: &[Option<&[&str]>], model: &Model) {
    let Some(project) = project else { return };
    let (counts, fresh) = (project.fresh_counts(), model.only_fresh());
    for &scope in scopes {
        for filter in filters() {
            let request = PageRequest {
                sort_dir: SortDir::Asc,
                start: Start::Offset(0),
                limit: 1_000,
            };
            let page = counts.page(&selection(scope), &filter, &request);
            let rows = fresh.rows(scope, &filter, SortDir::Asc);
            assert_eq!(shown(&page), rows, "{scope:?} {filter:?}");
            assert_eq!(page.total, rows.len() as u64);
        }
        let hosts = |model: &Model| {
            let within = |of: &&str| scope.is_none_or(|scope| scope.contains(of));
            let hosts = model.hosts.values();
            hosts.filter(|(of, _)| within(&&**of)).count() as u64
        };
        let (all, fresh) = (hosts(model), hosts(&fresh));
        let told = project.fresh_and_stale(&selection(scope));
        assert_eq!(told, (fresh, all - fresh), "{scope:?}");
    }
    for host in project.hosts_after(None) {
        let is_fresh = host.freshness().0 == Freshness::Fresh;
        assert_eq!(is_fresh, !model.stale.contains(host.facts.id.as_str()));
    }
}

fn shown(page: &Page) -> Vec<Row> {
    let rows = page.rows.iter();
    rows.map(|r| (r.port, r.transport, r.num, r.status))
        .collect()
}
