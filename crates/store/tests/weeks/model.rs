//! The naive history: every version of every host, in lists that are looked through from the front.

use std::collections::{BTreeMap, BTreeSet};

use portolan_census::{Choice, Filter, Sockets, knowledge};
use portolan_wire::hss::port_statistics::PortStatus;
use portolan_wire::open_port::{Category, OpenPort, Transport};
use portolan_wire::time::UnixMicros;

/// A host from one moment on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) at: UnixMicros,
    /// `None` while it is retired.
    pub(crate) enterprise_project: Option<String>,
    /// The set, with when each port was first seen; a retired host keeps it.
    pub(crate) ports: Vec<(OpenPort, UnixMicros)>,
    pub(crate) ignored: BTreeSet<Choice>,
    pub(crate) sequence: u64,
    pub(crate) host_name: Option<String>,
}

/// Host id -> its versions, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) hosts: BTreeMap<String, Vec<Version>>,
}

/// What a row counts, and its status.
pub(crate) type Rows = BTreeMap<(u16, Transport), (u64, PortStatus)>;

impl Model {
    pub(crate) fn newest(&self, host: &str) -> Option<&Version> {
        self.hosts.get(host)?.last()
    }

    /// A host as of a moment, if it was there.
    pub(crate) fn at(&self, host: &str, at: UnixMicros) -> Option<&Version> {
        let versions = self.hosts.get(host)?;
        let version = versions.iter().rfind(|version| version.at <= at)?;
        version.enterprise_project.is_some().then_some(version)
    }

    /// (port, type) -> distinct assets and status, as of a moment.
    pub(crate) fn rows(&self, at: UnixMicros, scope: Option<&[&str]>, filter: &Filter) -> Rows {
        let mut assets = BTreeMap::<(u16, Transport), BTreeSet<(&str, Option<&str>)>>::new();
        for id in self.hosts.keys() {
            let Some(version) = self.at(id, at) else {
                continue;
            };
            let enterprise_project = version.enterprise_project.as_deref().unwrap();
            if scope.is_some_and(|scope| !scope.contains(&enterprise_project)) {
                continue;
            }
            for (port, _) in &version.ports {
                if shown(port, filter) {
                    let asset = port.container_asset();
                    let row = assets.entry((port.port, port.transport)).or_default();
                    row.insert((id.as_str(), asset));
                }
            }
        }
        let rows = assets.into_iter().map(|(row, assets)| {
            let status = self.status(at, row, &assets);
            (row, (assets.len() as u64, status))
        });
        rows.filter(|(_, (_, status))| filter.status.is_none_or(|only| only == *status))
            .collect()
    }

    /// Danger by the table is normal where every asset that counts ignores it.
    fn status(
        &self,
        at: UnixMicros,
        (port, transport): (u16, Transport),
        assets: &BTreeSet<(&str, Option<&str>)>,
    ) -> PortStatus {
        let ignores = |(host, asset): &(&str, Option<&str>)| {
            let ignored = self.at(host, at).map(|version| &version.ignored);
            ignored.is_some_and(|choices| {
                choices.contains(&Choice {
                    container_asset: asset.map(Into::into),
                    port,
                    transport,
                })
            })
        };
        match knowledge::status(port, transport) {
            PortStatus::Danger if assets.iter().all(ignores) => PortStatus::Normal,
            status => status,
        }
    }
}

fn shown(port: &OpenPort, filter: &Filter) -> bool {
    let category = if port.netns.is_some() {
        Category::Container
    } else {
        Category::Host
    };
    let text = port.port.to_string();
    category == filter.category
        && filter.transport.is_none_or(|only| only == port.transport)
        && filter.port.is_none_or(|only| only == port.port)
        && filter
            .port_string
            .as_ref()
            .is_none_or(|part| text.contains(part))
        && match filter.sockets {
            Sockets::All => true,
            Sockets::V6 => port.laddr.is_ipv6(),
            Sockets::Exposed(exposure) => port.exposure() == exposure,
        }
}
