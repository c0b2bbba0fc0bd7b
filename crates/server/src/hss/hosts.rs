//! `GET /v5/{project_id}/host-management/hosts`: the hosts of a fleet as the HSS calls list them.
//!
//! The census knows which hosts there are and how fresh; names and addresses come from the store. A
//! filter by one of them reads every host that the other filters leave, one after the other.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use portolan_census::{Freshness, Host, Project, Selection};
use portolan_store::Snapshot;
use portolan_wire::hss::hosts::{AgentFilter, HostField, HostFilter, HostRow, Hosts, HostsQuery};

use crate::app::{App, Asker};
use crate::credentials::{Api, Call, Caller};
use crate::error::ApiError;
use crate::hss::{counted, decoded, encoded, selected};
use crate::native::stored;

pub(crate) async fn hosts(
    State(app): State<Arc<App>>,
    Path(project_id): Path<String>,
    RawQuery(raw_query): RawQuery,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::HssHosts)?;
    let query = decoded(raw_query.as_deref())?;
    let selection = selected(&query, &caller)?;
    let asked = HostsQuery::read(&query)?;
    let from_store = asked.filters.iter().any(|f| f.field != HostField::Id);
    if from_store && !asked.none {
        let list = move |app: &App, asker: &Asker| {
            list(app, Some(asker), &project_id, &caller, &selection, &asked)
        };
        return app.scanning(list).await;
    }
    let list = move |app: &App| list(app, None, &project_id, &caller, &selection, &asked);
    app.reading(list).await
}

/// The list. For an asker every host is read, since a filter may be about what only the store knows.
fn list(
    app: &App,
    asker: Option<&Asker>,
    project_id: &str,
    caller: &Caller,
    selection: &Selection,
    asked: &HostsQuery,
) -> Result<Response, ApiError> {
    let as_of = app.as_of();
    // Held for long: a thread has few guards.
    let state = app.published.state.load_full();
    let mut hosts = Hosts {
        total_num: 0,
        data_list: Vec::new(),
    };
    let Some(project) = state.project(project_id) else {
        return counted(encoded(&hosts)?, as_of, (0, 0));
    };
    let page = asked.range.offset..asked.range.offset + asked.range.limit;
    for host in candidates(project, selection, asked) {
        let in_page = u32::try_from(hosts.total_num).is_ok_and(|at| page.contains(&at));
        if asker.is_some_and(Asker::is_gone) {
            break;
        }
        if asker.is_none() && !in_page {
            hosts.total_num += 1;
            continue;
        }
        // A host that was removed or moved away since the view was published is not told of.
        let Some(snapshot) = stored(app, project_id, caller.granted(), host)? else {
            continue;
        };
        if asked.filters.iter().all(|filter| holds(filter, &snapshot)) {
            hosts.total_num += 1;
            if in_page {
                hosts.data_list.push(row(host, snapshot));
            }
        }
    }
    counted(encoded(&hosts)?, as_of, project.fresh_and_stale(selection))
}

/// The hosts that the census leaves, in the order of their ids.
fn candidates<'a>(
    project: &'a Project,
    selection: &'a Selection,
    asked: &'a HostsQuery,
) -> Box<dyn Iterator<Item = &'a Arc<Host>> + 'a> {
    let ids = asked.filters.iter().find(|f| f.field == HostField::Id);
    let hosts: Box<dyn Iterator<Item = &'a Arc<Host>>> = match ids {
        _ if asked.none => Box::new(std::iter::empty()),
        Some(filter) => {
            let mut ids: Vec<&str> = filter.any_of.iter().map(String::as_str).collect();
            ids.sort_unstable();
            ids.dedup();
            Box::new(ids.into_iter().filter_map(|id| project.host(id)))
        }
        None => Box::new(project.hosts_after(None)),
    };
    Box::new(hosts.filter(|host| {
        selection.holds(&host.facts.enterprise_project)
            && asked.agent.is_none_or(|agent| agent == agent_of(host))
            && asked.filters.iter().all(|filter| {
                filter.field != HostField::Id
                    || filter.any_of.iter().any(|id| id == host.facts.id.as_str())
            })
    }))
}

fn agent_of(host: &Host) -> AgentFilter {
    match host.freshness().0 {
        Freshness::Fresh => AgentFilter::Online,
        Freshness::Stale => AgentFilter::Offline,
    }
}

fn holds(filter: &HostFilter, snapshot: &Snapshot) -> bool {
    let is = |value: &str| filter.any_of.iter().any(|one| one == value);
    let host = &snapshot.host;
    match filter.field {
        HostField::Id => is(&host.host_id),
        HostField::Name => host.host_name.as_deref().is_some_and(is),
        HostField::OsType => host.os_type.as_deref().is_some_and(is),
        HostField::AnyIp => addresses(snapshot).any(is),
        HostField::PrivateIp => addresses(snapshot).any(|ip| !is_public(ip) && is(ip)),
        HostField::PublicIp => addresses(snapshot).any(|ip| is_public(ip) && is(ip)),
    }
}

/// The addresses of a host: the one it is known by first.
fn addresses(snapshot: &Snapshot) -> impl Iterator<Item = &str> {
    let known_by = snapshot.host.host_ip.iter();
    known_by.chain(&snapshot.host.host_ips).map(String::as_str)
}

/// Whether an address can be reached from everywhere, by the registries of special-purpose
/// addresses (RFC 6890): all but this host's, the link's, private, shared and unspecified ones.
fn is_public(text: &str) -> bool {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => {
            let shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64;
            !(ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_unspecified()
                || shared)
        }
        Ok(IpAddr::V6(ip)) => {
            !(ip.is_unique_local()
                || ip.is_loopback()
                || ip.is_unicast_link_local()
                || ip.is_unspecified())
        }
        Err(_) => false,
    }
}

fn row(host: &Host, snapshot: Snapshot) -> HostRow {
    let first = |public: bool| {
        let ip = addresses(&snapshot).find(|ip| !ip.is_empty() && is_public(ip) == public);
        ip.map(str::to_owned)
    };
    let (private_ip, public_ip) = (first(false), first(true));
    let online = agent_of(host) == AgentFilter::Online;
    let told = snapshot.host;
    HostRow {
        host_name: told.host_name,
        host_id: told.host_id,
        agent_id: told.agent_id,
        private_ip,
        public_ip,
        enterprise_project_id: told.enterprise_project_id,
        os_type: told.os_type,
        os_name: told.os_name,
        kernel_version: told.kernel_version,
        host_status: online.then_some("ACTIVE"),
        agent_status: if online { "online" } else { "offline" },
        agent_version: snapshot.agent.and_then(|agent| agent.version),
        version: "hss.version.null",
        protect_status: "closed",
        detect_result: "undetected",
        asset_value: "common",
        outside_host: true,
        host_sources: "outside",
    }
}
