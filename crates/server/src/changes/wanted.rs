//! Which changes a caller wants and may be shown.

use portolan_census::Selection;
use portolan_store::history::{Change, ChangeKind};
use portolan_wire::changes::ChangesQuery;
use portolan_wire::ids::{EnterpriseProjectId, HostKey, ProjectId};
use portolan_wire::time::UnixMicros;

/// The changes of a call.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) project: ProjectId,
    /// The enterprise projects that the call is about; all are granted.
    pub(crate) selection: Selection,
    /// Those that the credential is granted.
    pub(crate) granted: Selection,
    pub(crate) query: ChangesQuery,
}

impl Wanted {
    /// The one host that the changes are of, where they are.
    pub(super) fn host(&self) -> Option<HostKey> {
        let host = self.query.host_id.as_deref()?;
        Some(HostKey {
            project: self.project.clone(),
            host: host.into(),
        })
    }

    /// Whether a change is one of them. It is its own enterprise project's at that time; that a host
    /// moved is also the one's that it left, and what closed by that was the other's alone.
    pub(super) fn shows(&self, change: &Change) -> bool {
        change.key.project == self.project
            && (self.selection.holds(&change.enterprise_project)
                || left(change).is_some_and(|id| self.selection.holds(id)))
            && !self.was_anothers(change)
            && self.is_asked_for(change)
    }

    /// Whether it is of a port that was open only while the host was in one that is not granted.
    fn was_anothers(&self, change: &Change) -> bool {
        let left = change.moved_from.as_ref();
        change.kind == ChangeKind::Closed && left.is_some_and(|left| !self.granted.holds(left))
    }

    fn is_asked_for(&self, change: &Change) -> bool {
        let query = &self.query;
        let of_port = query.port.is_some()
            || query.kind.is_some()
            || query.exposures.is_some()
            || query.category.is_some();
        let host = query.host_id.as_deref();
        let kinds = query.kinds.as_ref();
        self.in_time(change.at)
            && host.is_none_or(|id| id == change.key.host.as_str())
            && kinds.is_none_or(|kinds| kinds.contains(&change.kind.as_str()))
            && (!of_port || self.is_of_port(change))
    }

    fn is_of_port(&self, change: &Change) -> bool {
        let (query, Some(open)) = (&self.query, &change.port) else {
            return false;
        };
        let exposures = query.exposures.as_ref();
        query.port.is_none_or(|port| port == open.port)
            && query.kind.is_none_or(|kind| {
                kind.transport == open.transport && (!kind.v6 || open.laddr.is_ipv6())
            })
            && query
                .category
                .is_none_or(|category| category == open.category())
            && exposures.is_none_or(|exposures| exposures.contains(&open.exposure().as_str()))
    }

    fn in_time(&self, at: UnixMicros) -> bool {
        self.query.since.is_none_or(|since| at >= since) && !self.is_over(at)
    }

    /// Whether all from that moment on is too late.
    pub(super) fn is_over(&self, at: UnixMicros) -> bool {
        self.query.until.is_some_and(|until| at >= until)
    }

    /// Whether all up to that moment is too early.
    pub(super) fn is_before(&self, at: UnixMicros) -> bool {
        self.query.since.is_some_and(|since| at < since)
    }
}

/// The enterprise project that a host left by moving.
fn left(change: &Change) -> Option<&EnterpriseProjectId> {
    let moved = change.kind == ChangeKind::Moved;
    change.moved_from.as_ref().filter(|_| moved)
}
