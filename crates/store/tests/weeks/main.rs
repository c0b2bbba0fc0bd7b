//! Simulated weeks of reports, silences, moves, retirements and returns, on a real store: whatever is
//! asked of a past moment is what the naive model held then.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod model;
mod replay;
mod steps;
mod world;

use std::collections::BTreeMap;

use portolan_census::{
    Filter, PageRequest, PageRow, RowDifference, Selection, Sockets, Start, differences,
};
use portolan_store::history::{HostAt, counts_at, host_at};
use portolan_wire::exposure::Exposure;
use portolan_wire::hss::port_statistics::{PortStatus, SortDir};
use portolan_wire::ids::EnterpriseProjectId;
use portolan_wire::open_port::{Category, Transport};
use portolan_wire::time::UnixMicros;
use proptest::prelude::*;

use crate::model::Rows;
use crate::steps::{HOSTS, steps};
use crate::world::{PROJECT, World, key};

const SCOPES: [Option<&[&str]>; 4] = [None, Some(&["0"]), Some(&["x", "y"]), Some(&["nowhere"])];

fn filters() -> Vec<Filter> {
    let every = |category| Filter {
        category,
        sockets: Sockets::All,
        transport: None,
        port: None,
        port_string: None,
        status: None,
    };
    let mut filters = Vec::new();
    for category in [Category::Host, Category::Container] {
        let every = every(category);
        filters.push(Filter {
            status: Some(PortStatus::Danger),
            ..every.clone()
        });
        filters.push(Filter {
            sockets: Sockets::Exposed(Exposure::Any),
            ..every.clone()
        });
        filters.push(Filter {
            sockets: Sockets::V6,
            transport: Some(Transport::Tcp),
            ..every.clone()
        });
        filters.push(Filter {
            port: Some(6379),
            ..every.clone()
        });
        filters.push(every);
    }
    filters
}

fn selection(scope: Option<&[&str]>) -> Selection {
    scope.map_or(Selection::Whole, |scope| {
        Selection::of(scope.iter().map(|id| EnterpriseProjectId::from(*id)))
    })
}

/// All rows of a moment, as the history has them.
fn rows_at(world: &World, at: UnixMicros, scope: Option<&[&str]>, filter: &Filter) -> Vec<PageRow> {
    let (store, state) = (&*world.store, world.state());
    let counts = counts_at(store, &state, PROJECT, &selection(scope), at).unwrap();
    let all = PageRequest {
        sort_dir: SortDir::Asc,
        start: Start::Offset(0),
        limit: usize::MAX,
    };
    let page = counts.page(filter, &all);
    assert_eq!(page.total, page.rows.len() as u64);
    page.rows
}

fn as_rows(page: &[PageRow]) -> Rows {
    let rows = page.iter();
    rows.map(|row| ((row.port, row.transport), (row.num, row.status)))
        .collect()
}

fn check_counts(world: &World, at: UnixMicros) {
    for scope in SCOPES {
        for filter in filters() {
            let rows = as_rows(&rows_at(world, at, scope, &filter));
            let expected = world.model.rows(at, scope, &filter);
            assert_eq!(rows, expected, "{at} {scope:?} {filter:?}");
        }
    }
}

fn check_hosts(world: &World, at: UnixMicros) {
    for host in HOSTS {
        let expected = world.model.at(host, at);
        let snapshot = match host_at(&*world.store, &key(host), at).unwrap() {
            HostAt::Present(snapshot) => snapshot,
            HostAt::Retired(_) | HostAt::Absent => {
                assert!(expected.is_none(), "{host} was there at {at}");
                continue;
            }
            HostAt::NotKept => panic!("{at} of {host} is kept"),
        };
        let expected = expected.unwrap_or_else(|| panic!("{host} was not there at {at}"));
        let ports = snapshot.open_ports.iter().cloned();
        let ports: Vec<_> = ports.zip(snapshot.first_seen.iter().copied()).collect();
        assert_eq!(ports, expected.ports, "{host} at {at}");
        let told = (
            snapshot.host.host_name,
            Some(snapshot.host.enterprise_project_id),
            snapshot.pair.sequence,
        );
        let held = (
            expected.host_name.clone(),
            expected.enterprise_project.clone(),
            expected.sequence,
        );
        assert_eq!(told, held, "{host} at {at}");
    }
}

fn check_difference(world: &World, from: UnixMicros, to: UnixMicros) {
    for filter in filters() {
        let rows = |at| rows_at(world, at, None, &filter);
        let found = differences(&rows(from), &rows(to));
        let (old, new) = (
            world.model.rows(from, None, &filter),
            world.model.rows(to, None, &filter),
        );
        let mut expected = BTreeMap::new();
        for row in old.keys().chain(new.keys()) {
            let num = |rows: &Rows| rows.get(row).map_or(0, |(num, _)| *num);
            if num(&old) != num(&new) {
                expected.insert(*row, (num(&old), num(&new)));
            }
        }
        let row = |row: &RowDifference| ((row.port, row.transport), (row.before, row.after));
        assert_eq!(found.iter().map(row).collect::<BTreeMap<_, _>>(), expected);
        assert!(found.is_sorted_by_key(|row| (row.port, row.transport)));
    }
}

/// Moments of the kept history: the ends, anything between, and around each version.
fn moments(world: &World, shares: &[u16]) -> Vec<UnixMicros> {
    let (from, to) = world.kept();
    let between = |share: &u16| {
        let span = i128::from(to.0 - from.0) * i128::from(*share) / i128::from(u16::MAX);
        UnixMicros(from.0 + i64::try_from(span).unwrap())
    };
    let mut moments: Vec<_> = shares.iter().map(between).collect();
    let versions: Vec<_> = world.model.hosts.values().flatten().collect();
    for share in shares {
        if let Some(version) = versions.get(usize::from(*share) % versions.len().max(1)) {
            moments.extend([version.at, UnixMicros(version.at.0 - 1)]);
        }
    }
    moments.extend([from, to]);
    moments.retain(|at| (from..=to).contains(at));
    moments
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn what_is_asked_of_a_past_moment_is_what_was_then(
        steps in steps(),
        shares in prop::collection::vec(any::<u16>(), 4),
    ) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
        }
        let moments = moments(&world, &shares);
        for at in &moments {
            check_counts(&world, *at);
            check_hosts(&world, *at);
            replay::check(&world, *at);
        }
        for pair in moments.windows(2) {
            check_difference(&world, pair[0], pair[1]);
        }
    }
}
