//! What a page of hosts lists: hosts that have reported and hosts that are awaited, in one order.
//!
//! Both are of one published view, in which no id is in both.

use std::sync::Arc;

use portolan_census::{Host, HostPage as CensusPage, Selection, State};
use portolan_wire::ids::{EnterpriseProjectId, HostId};

use crate::native::freshness::Asked;

/// A host of a page.
pub(super) enum Listed {
    /// It has reported, and may be retired.
    Held(Arc<Host>),
    /// It is enrolled there, and has not.
    Awaited(HostId, EnterpriseProjectId),
}

impl Listed {
    pub(super) fn id(&self) -> &HostId {
        match self {
            Self::Held(host) => &host.facts.id,
            Self::Awaited(id, _) => id,
        }
    }
}

/// A page of hosts by ascending id.
pub(super) struct ListedPage {
    /// Hosts that match, before paging.
    pub(super) total: u64,
    pub(super) hosts: Vec<Listed>,
    /// Whether hosts follow.
    pub(super) more: bool,
}

impl ListedPage {
    /// `limit` hosts of a selection, those after `after` only.
    pub(super) fn of(
        state: &State,
        project_id: &str,
        selection: &Selection,
        asked: Asked,
        after: Option<&str>,
        limit: usize,
    ) -> Self {
        let project = state.project(project_id);
        let page = project.map(|project| match asked {
            Asked::Held(freshness) => project.host_page(selection, freshness, after, limit),
            Asked::Retired => project.retired_page(selection, after, limit),
            Asked::Never => CensusPage::default(),
        });
        let page = page.unwrap_or_default();
        let with_awaited = matches!(asked, Asked::Never | Asked::Held(None));
        let awaited = state.awaited(project_id).filter(|_| with_awaited);
        // One more than the page says whether there is another page.
        let more_hosts = awaited.map(|awaited| awaited.page(selection, after, limit + 1));
        let more_hosts = more_hosts.into_iter().flatten();
        let mut hosts: Vec<Listed> = (page.hosts.into_iter().map(Listed::Held))
            .chain(more_hosts.map(|(id, of)| Listed::Awaited(id, of)))
            .collect();
        hosts.sort_unstable_by(|a, b| a.id().cmp(b.id()));
        let more = page.more || hosts.len() > limit;
        hosts.truncate(limit);
        Self {
            total: page.total + awaited.map_or(0, |awaited| awaited.count(selection)),
            hosts,
            more,
        }
    }
}
