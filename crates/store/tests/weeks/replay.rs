//! The changes, applied one after the other to what was at the beginning of the history.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::ControlFlow;

use portolan_store::HistoryOrder;
use portolan_store::history::{Change, ChangeKind, HostAt, changes, host_at};
use portolan_wire::open_port::{OpenPort, Transport};
use portolan_wire::time::UnixMicros;

use crate::steps::HOSTS;
use crate::world::{World, key};

/// A port as far as changes tell it: a container's next life is not told.
type Port = (Option<String>, Transport, IpAddr, u16);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Told {
    /// `None` while it is not there.
    enterprise_project: Option<String>,
    ports: BTreeMap<Port, Option<String>>,
}

fn told(port: &OpenPort) -> (Port, Option<String>) {
    let container = port.container_name.clone();
    let identity = (container, port.transport, port.laddr, port.port);
    (identity, port.path.clone())
}

/// All changes of the history, which must come in order, each once.
fn all_changes(world: &World) -> Vec<Change> {
    let mut all: Vec<Change> = Vec::new();
    changes(&*world.store, .., HistoryOrder::Ascending, &mut |change| {
        all.push(change);
        ControlFlow::Continue(())
    })
    .unwrap();
    let follows = |a: &Change, b: &Change| a.position < b.position && a.at <= b.at;
    assert!(all.is_sorted_by(follows));
    let commits: BTreeSet<u64> = all.iter().map(|change| change.position.commit).collect();
    for commit in commits {
        let of_commit = all.iter().filter(|change| change.position.commit == commit);
        let numbers = of_commit.map(|change| change.position.n);
        assert!(numbers.eq(
            0..u32::try_from(all.iter().filter(|c| c.position.commit == commit).count()).unwrap()
        ));
    }
    all
}

fn begin(world: &World, from: UnixMicros) -> BTreeMap<String, Told> {
    let mut hosts = BTreeMap::new();
    for host in HOSTS {
        let (snapshot, is_there) = match host_at(&*world.store, &key(host), from).unwrap() {
            HostAt::Present(snapshot) => (snapshot, true),
            HostAt::Retired(snapshot) => (snapshot, false),
            HostAt::Absent | HostAt::NotKept => continue,
        };
        let enterprise_project = snapshot.host.enterprise_project_id.clone();
        let told = Told {
            enterprise_project: is_there.then_some(enterprise_project),
            ports: snapshot.open_ports.iter().map(told).collect(),
        };
        hosts.insert(host.to_owned(), told);
    }
    hosts
}

fn apply(world: &World, host: &mut Told, change: &Change) {
    let port = change.port.as_ref().map(told);
    match (change.kind, port) {
        (ChangeKind::Baseline, None) => {
            // Its set is told by the host's page of that moment.
            let HostAt::Present(snapshot) = host_at(&*world.store, &change.key, change.at).unwrap()
            else {
                panic!("{change:?} is of a host that is there");
            };
            assert_eq!(
                Some(snapshot.open_ports.len()),
                change.open_ports.map(|n| n as usize)
            );
            host.ports = snapshot.open_ports.iter().map(told).collect();
        }
        (ChangeKind::Opened, Some((port, path))) => {
            assert_eq!(host.ports.insert(port, path), None, "{change:?}");
        }
        (ChangeKind::Closed, Some((port, path))) => {
            assert_eq!(host.ports.remove(&port), Some(path), "{change:?}");
        }
        (ChangeKind::OwnerChanged, Some((port, path))) => {
            let before = host.ports.insert(port, path);
            assert_eq!(before, change.before_path, "{change:?}");
        }
        (ChangeKind::Moved | ChangeKind::Returned | ChangeKind::Retired, None) => {}
        _ => panic!("no change is like {change:?}"),
    }
    host.enterprise_project = match change.kind {
        ChangeKind::Retired => None,
        _ => Some(change.enterprise_project.as_str().to_owned()),
    };
}

/// Replays up to a moment, and compares with the model.
pub(crate) fn check(world: &World, at: UnixMicros) {
    let (from, _) = world.kept();
    let mut hosts = begin(world, from);
    for change in all_changes(world) {
        if change.at > from && change.at <= at {
            let host = hosts.entry(change.key.host.to_string()).or_default();
            apply(world, host, &change);
        }
    }
    for host in HOSTS {
        let replayed = hosts.remove(host).unwrap_or_default();
        let replayed = replayed.enterprise_project.clone().map(|_| replayed);
        let expected = world.model.at(host, at).map(|version| Told {
            enterprise_project: version.enterprise_project.clone(),
            ports: version.ports.iter().map(|(port, _)| told(port)).collect(),
        });
        assert_eq!(replayed, expected, "{host} at {at}");
    }
}
