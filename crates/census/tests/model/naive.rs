//! The naive model: sets of ports in maps, counted anew at each question.

use std::collections::{BTreeMap, BTreeSet};

use portolan_census::{Choice, Counted, Filter, Ignored, Sockets, knowledge};
use portolan_wire::hss::port_statistics::{PortStatus, SortDir};
use portolan_wire::open_port::{Category, OpenPort, Transport};

/// Host id -> (enterprise project, its open ports), and the choices of hosts that are there and which
/// of them are stale.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) hosts: BTreeMap<String, (String, Vec<OpenPort>)>,
    pub(crate) ignored: BTreeMap<String, BTreeSet<Choice>>,
    pub(crate) stale: BTreeSet<String>,
}

/// A row: port, type, distinct assets, status.
pub(crate) type Row = (u16, Transport, u64, PortStatus);

/// Whether it is one of these sockets, by the words of the design alone.
pub(crate) fn shows(sockets: Sockets, port: &OpenPort) -> bool {
    match sockets {
        Sockets::All => true,
        Sockets::V6 => port.laddr.is_ipv6(),
        Sockets::Exposed(exposure) => port.exposure() == exposure,
    }
}

impl Model {
    /// (port, type) -> distinct assets and status, by the words of the design alone.
    pub(crate) fn counts(
        &self,
        scope: Option<&[&str]>,
        filter: &Filter,
    ) -> BTreeMap<(u16, Transport), (u64, PortStatus)> {
        let mut assets = BTreeMap::<(u16, Transport), BTreeSet<(String, String)>>::new();
        for (id, (enterprise_project, ports)) in &self.hosts {
            if scope.is_some_and(|scope| !scope.contains(&enterprise_project.as_str())) {
                continue;
            }
            for port in ports {
                let category = if port.netns.is_some() {
                    Category::Container
                } else {
                    Category::Host
                };
                let shown = category == filter.category
                    && shows(filter.sockets, port)
                    && filter.transport.is_none_or(|t| t == port.transport)
                    && filter.port.is_none_or(|p| p == port.port)
                    && filter
                        .port_string
                        .as_ref()
                        .is_none_or(|s| port.port.to_string().contains(s));
                if shown {
                    let asset = match category {
                        Category::Host => String::new(),
                        Category::Container => port
                            .container_id
                            .clone()
                            .or_else(|| port.netns.clone())
                            .unwrap(),
                    };
                    assets
                        .entry((port.port, port.transport))
                        .or_default()
                        .insert((id.clone(), asset));
                }
            }
        }
        assets
            .into_iter()
            .map(|(row, assets)| (row, (assets.len() as u64, self.status(row, &assets))))
            .filter(|(_, (_, status))| filter.status.is_none_or(|only| only == *status))
            .collect()
    }

    /// Danger by the table is normal where every asset that counts ignores it.
    pub(crate) fn status(
        &self,
        row: (u16, Transport),
        assets: &BTreeSet<(String, String)>,
    ) -> PortStatus {
        let ignores = |(host, asset): &(String, String)| {
            self.ignored.get(host).is_some_and(|choices| {
                choices.iter().any(|choice| {
                    (choice.port, choice.transport) == row
                        && choice.container_asset.as_deref().unwrap_or("") == asset
                })
            })
        };
        match knowledge::status(row.0, row.1) {
            PortStatus::Danger if assets.iter().all(ignores) => PortStatus::Normal,
            status => status,
        }
    }

    /// What is ignored of a host, as a commit says it.
    pub(crate) fn ignored_of(&self, host: &str) -> Ignored {
        let (_, ports) = self.hosts.get(host).unwrap();
        let choices = self.ignored.get(host).into_iter().flatten().cloned();
        Ignored::of(choices, ports.iter().map(Counted::from))
    }

    pub(crate) fn rows(&self, scope: Option<&[&str]>, filter: &Filter, dir: SortDir) -> Vec<Row> {
        let mut rows: Vec<_> = self
            .counts(scope, filter)
            .into_iter()
            .map(|((port, transport), (num, status))| (port, transport, num, status))
            .collect();
        if dir == SortDir::Desc {
            rows.sort_by_key(|(port, transport, ..)| (std::cmp::Reverse(*port), *transport));
        }
        rows
    }
}
