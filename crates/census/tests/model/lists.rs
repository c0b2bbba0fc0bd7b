//! Listeners and the hosts of a port, against the sets of the model.

use std::collections::BTreeMap;

use portolan_census::{AssetsOf, ExposureCount, ExposureFilter, ListenerFilter, Project, Sockets};
use portolan_wire::exposure::Exposure;
use portolan_wire::open_port::{Category, OpenPort, Transport};

use crate::naive::Model;
use crate::{Filter, selection};

const CATEGORIES: [Category; 2] = [Category::Host, Category::Container];
const TRANSPORTS: [Option<Transport>; 3] = [None, Some(Transport::Tcp), Some(Transport::Udp)];
/// Two that are mostly open, one that mostly is not, one that never is.
const PORTS: [u16; 4] = [22, 53, 60_001, 40_000];

pub(crate) fn check(project: Option<&Project>, scopes: &[Option<&[&str]>], model: &Model) {
    let Some(project) = project else { return };
    for &scope in scopes {
        check_exposures(project, scope, model);
        for category in CATEGORIES {
            for transport in TRANSPORTS {
                let of_each = Sockets::ALL.into_iter().flat_map(|s| PORTS.map(|p| (s, p)));
                for (sockets, port) in of_each {
                    for fresh in [false, true] {
                        let of = AssetsOf {
                            category,
                            sockets,
                            port,
                            transport,
                            fresh,
                        };
                        check_assets(project, scope, of, model);
                    }
                }
                for v6 in [false, true] {
                    for port in PORTS.map(Some).into_iter().chain([None]) {
                        let filter = ListenerFilter {
                            category,
                            v6,
                            transport,
                            port,
                        };
                        check_listeners(project, scope, &filter, model);
                    }
                }
            }
        }
    }
}

/// How much there is of each exposure, against the rows of the model.
fn check_exposures(project: &Project, scope: Option<&[&str]>, model: &Model) {
    for (category, transport) in CATEGORIES
        .into_iter()
        .flat_map(|c| TRANSPORTS.map(|t| (c, t)))
    {
        for port in [None, Some(22), Some(40_000)] {
            let filter = ExposureFilter {
                category,
                transport,
                port,
            };
            let told = project.counts().exposures(&selection(scope), &filter);
            let expected = Exposure::ALL.map(|exposure| {
                let filter = Filter {
                    category,
                    sockets: Sockets::Exposed(exposure),
                    transport,
                    port,
                    port_string: None,
                    status: None,
                };
                let rows = model.counts(scope, &filter);
                ExposureCount {
                    exposure,
                    rows: rows.len() as u64,
                    open: rows.values().map(|(num, _)| num).sum(),
                }
            });
            assert_eq!(told, expected, "{scope:?} {filter:?}");
        }
    }
}

fn check_assets(project: &Project, scope: Option<&[&str]>, of: AssetsOf, model: &Model) {
    let filter = Filter {
        category: of.category,
        sockets: of.sockets,
        transport: of.transport,
        port: Some(of.port),
        port_string: None,
        status: None,
    };
    let mut rows: Vec<(&str, Transport, u64)> = Vec::new();
    for (id, entry) in &model.hosts {
        if of.fresh && model.stale.contains(id) {
            continue;
        }
        let alone = Model {
            hosts: [(id.clone(), entry.clone())].into(),
            ..Model::default()
        };
        let counts = alone.counts(scope, &filter);
        rows.extend(
            counts
                .into_iter()
                .map(|((_, transport), (num, _))| (&**id, transport, num)),
        );
    }
    let cursors = rows.iter().map(|row| Some((row.0, row.1)));
    // Also some whose rows are not there.
    let others = [
        None,
        Some(("", Transport::Udp)),
        Some(("bb", Transport::Tcp)),
    ];
    for after in cursors.chain(others) {
        for limit in [1, 2, 200] {
            let page = project.port_assets(&selection(scope), of, after, limit);
            let got: Vec<_> = page
                .rows
                .iter()
                .map(|row| {
                    (
                        row.host.facts.id.as_str(),
                        row.transport,
                        u64::from(row.num),
                    )
                })
                .collect();
            let rest = rows
                .iter()
                .filter(|row| after.is_none_or(|after| (row.0, row.1) > after));
            let rest: Vec<_> = rest.copied().collect();
            let expected: Vec<_> = rest.iter().take(limit).copied().collect();
            assert_eq!(got, expected, "{scope:?} {of:?} after {after:?}");
            assert_eq!(page.total, rows.len() as u64);
            assert_eq!(page.more, rest.len() > limit);
        }
    }
}

fn lets(filter: &ListenerFilter, port: &OpenPort) -> bool {
    port.category() == filter.category
        && (!filter.v6 || port.laddr.is_ipv6())
        && filter.transport.is_none_or(|only| only == port.transport)
        && filter.port.is_none_or(|only| only == port.port)
}

fn check_listeners(
    project: &Project,
    scope: Option<&[&str]>,
    filter: &ListenerFilter,
    model: &Model,
) {
    let mut listeners = BTreeMap::<&str, usize>::new();
    for (id, (enterprise_project, ports)) in &model.hosts {
        let asked = scope.is_none_or(|scope| scope.contains(&enterprise_project.as_str()));
        let count = ports
            .iter()
            .filter(|port| asked && lets(filter, port))
            .count();
        if count > 0 {
            listeners.insert(id, count);
        }
    }
    let selection = selection(scope);
    let hosts: Vec<(&str, usize)> = project
        .hosts_listening(&selection, filter)
        .map(|(host, count)| (host.facts.id.as_str(), usize::try_from(count).unwrap()))
        .collect();
    let told: BTreeMap<&str, usize> = hosts.iter().copied().collect();
    assert_eq!(told, listeners, "{scope:?} {filter:?}");
    assert_eq!(hosts.len(), listeners.len(), "each host once");
    // A row is a host and which of its listeners.
    let rows: Vec<(&str, usize)> = hosts
        .iter()
        .flat_map(|&(id, count)| (0..count).map(move |nth| (id, nth)))
        .collect();
    for limit in [1, 3, 200] {
        for offset in [0, 1, 2, 7, rows.len(), rows.len() + 3] {
            let page = project.listeners(&selection, filter, offset, limit);
            assert_eq!(page.total, rows.len() as u64);
            let got: Vec<(&str, usize)> = page
                .shares
                .iter()
                .flat_map(|share| {
                    let nths = share.skip..share.skip + share.take;
                    nths.map(|nth| (share.host.facts.id.as_str(), nth))
                })
                .collect();
            let expected: Vec<_> = rows.iter().skip(offset).take(limit).copied().collect();
            assert_eq!(got, expected, "{scope:?} {filter:?} {offset} {limit}");
        }
    }
}
