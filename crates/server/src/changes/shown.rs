//! A change as clients see it: every field is there, `null` where there is nothing to tell.

use std::net::IpAddr;

use portolan_census::Selection;
use portolan_store::history::{Change, ChangeKind};
use portolan_wire::exposure::Exposure;
use portolan_wire::open_port::{Category, Transport};
use portolan_wire::time::UnixMicros;
use serde::Serialize;
use utoipa::ToSchema;

use super::ids::Epoch;

/// A change. The fields of an open port are `null` of what is about a host.
#[derive(Serialize, ToSchema)]
#[schema(as = Change)]
pub(crate) struct ShownChange {
    id: String,
    kind: &'static str,
    at: UnixMicros,
    observed_at: Option<UnixMicros>,
    host_id: String,
    host_name: Option<String>,
    enterprise_project_id: String,
    category: Option<Category>,
    #[serde(rename = "type")]
    transport: Option<Transport>,
    #[schema(value_type = Option<String>)]
    laddr: Option<IpAddr>,
    port: Option<u16>,
    path: Option<String>,
    pid: Option<u32>,
    before: Option<Side>,
    after: Option<Side>,
    exposure: Option<Exposure>,
    netns: Option<String>,
    container_id: Option<String>,
    container_name: Option<String>,
    opened_at: Option<UnixMicros>,
    closed_at: Option<UnixMicros>,
    open_ports: Option<u32>,
    count: Option<u32>,
    first_at: Option<UnixMicros>,
}

/// What was, or is, in the place of the other: the program of a port, or a host's enterprise project,
/// `null` where that is not granted.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = ChangeSide)]
pub(crate) enum Side {
    Program {
        path: Option<String>,
    },
    EnterpriseProject {
        enterprise_project_id: Option<String>,
    },
}

/// Many changes of a port that one stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Folded {
    pub(super) count: u32,
    pub(super) first_at: UnixMicros,
}

impl ShownChange {
    /// A change as a credential that is granted these enterprise projects sees it.
    pub(super) fn new(
        epoch: Epoch,
        granted: &Selection,
        change: &Change,
        folded: Option<Folded>,
    ) -> Self {
        let port = change.port.as_ref();
        let sides = Sides::of(granted, change);
        Self {
            id: epoch.id(change.position),
            kind: change.kind.as_str(),
            at: change.at,
            observed_at: change.observed_at.filter(|_| sides.is_shown_whole),
            host_id: change.key.host.to_string(),
            host_name: change.host_name.clone().filter(|_| sides.is_shown_whole),
            enterprise_project_id: sides.enterprise_project_id,
            category: port.map(|port| port.category()),
            transport: port.map(|port| port.transport),
            laddr: port.map(|port| port.laddr),
            port: port.map(|port| port.port),
            path: port.and_then(|port| port.path.clone()),
            pid: port.and_then(|port| port.pid),
            before: sides.before,
            after: sides.after,
            exposure: port.map(|port| port.exposure()),
            netns: port.and_then(|port| port.netns.clone()),
            container_id: port.and_then(|port| port.container_id.clone()),
            container_name: port.and_then(|port| port.container_name.clone()),
            opened_at: change.opened_at,
            closed_at: change.closed_at,
            open_ports: change.open_ports,
            count: folded.map(|folded| folded.count),
            first_at: folded.map(|folded| folded.first_at),
        }
    }
}

/// What a credential is told of where a change leads from and to.
struct Sides {
    before: Option<Side>,
    after: Option<Side>,
    enterprise_project_id: String,
    /// Whether what the host's report said is its to see. What is told of a host that left is that.
    is_shown_whole: bool,
}

impl Sides {
    fn of(granted: &Selection, change: &Change) -> Self {
        let now = &change.enterprise_project;
        match (&change.moved_from, change.kind) {
            (Some(left), ChangeKind::Moved) => {
                let side = |id| Side::EnterpriseProject {
                    enterprise_project_id: granted.holds(id).then(|| id.to_string()),
                };
                let is_in_new = granted.holds(now);
                Self {
                    before: Some(side(left)),
                    after: Some(side(now)),
                    enterprise_project_id: if is_in_new { now } else { left }.to_string(),
                    is_shown_whole: is_in_new,
                }
            }
            _ => Self {
                // Who held a port before the host came here is told to those whose it was.
                before: change
                    .before_path
                    .clone()
                    .filter(|_| {
                        change
                            .moved_from
                            .as_ref()
                            .is_none_or(|left| granted.holds(left))
                    })
                    .map(|path| Side::Program { path }),
                after: None,
                enterprise_project_id: now.to_string(),
                is_shown_whole: true,
            },
        }
    }
}

/// Whether all who may see a change see the same of it.
pub(super) fn is_one_for_all(change: &Change) -> bool {
    change.moved_from.is_none()
}
