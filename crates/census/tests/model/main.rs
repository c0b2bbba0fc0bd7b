//! The census against a naive model: sets of ports in maps, counted anew at each question.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod awaited;
mod fresh;
mod lists;
mod naive;
mod steps;

use std::collections::{BTreeMap, BTreeSet};

use portolan_census::{
    Agents, Builder, Cells, Commit, Counted, Cursor, Filter, HostCommit, HostFacts, Page,
    PageRequest, Pair, Project, Recount, Retired, Selection, Sockets, Start, State,
};
use portolan_wire::digest::Digest;
use portolan_wire::exposure::Exposure;
use portolan_wire::hss::port_statistics::{PortStatus, SortDir};
use portolan_wire::ids::{EnterpriseProjectId, HostId, HostKey};
use portolan_wire::open_port::{Category, OpenPort, Transport};
use portolan_wire::time::UnixMicros;
use proptest::prelude::*;

use crate::naive::{Model, Row};
use crate::steps::{Step, steps};

fn facts(id: &str, enterprise_project: &str, ports: &[OpenPort], version: u64) -> HostFacts {
    HostFacts {
        id: HostId::from(id),
        enterprise_project: EnterpriseProjectId::from(enterprise_project),
        pair: Pair {
            generation: 1,
            sequence: version,
        },
        at: UnixMicros(i64::try_from(version).unwrap()),
        digest: Digest::of(ports),
        record_hash: u128::from(version),
        agents: Agents::default(),
        heartbeat_interval_s: 30,
        open_ports: u32::try_from(ports.len()).unwrap(),
        cells: Cells::of(ports.iter().map(Counted::from)),
        history_at: 0,
        retired_at: None,
    }
}

fn apply(state: &mut State, model: &mut Model, step: &Step, version: u64) {
    match step {
        Step::Put(id, enterprise_project, ports) => {
            model
                .hosts
                .insert(id.clone(), (enterprise_project.clone(), ports.clone()));
            put(state, model, id, version);
        }
        Step::Ignore(id, choice) if model.hosts.contains_key(id) => {
            let choices = model.ignored.entry(id.clone()).or_default();
            choices.insert(choice.clone());
            put(state, model, id, version);
        }
        Step::IgnoreNoLonger(id, choice) if model.hosts.contains_key(id) => {
            model.ignored.entry(id.clone()).or_default().remove(choice);
            put(state, model, id, version);
        }
        Step::Ignore(..) | Step::IgnoreNoLonger(..) => {}
        Step::Silent(silent) => {
            let known = |id: &&str| model.hosts.contains_key(*id);
            let key = |id: &str| HostKey {
                project: "p".into(),
                host: id.into(),
            };
            // Also of one that is not there, and of those that already are as they become.
            let hosts = ["a", "b", "c", "d", "e"].map(|id| (key(id), !silent.contains(id)));
            state.apply(Commit::Fresh(hosts.into()));
            let silent = silent.iter().copied().filter(known);
            model.stale = silent.map(str::to_owned).collect();
        }
        Step::Remove(id) => {
            let key = HostKey {
                project: "p".into(),
                host: id.as_str().into(),
            };
            let is_held = model.hosts.contains_key(id);
            if is_held {
                let at = UnixMicros(i64::try_from(version).unwrap());
                let facts = HostFacts {
                    retired_at: Some(at),
                    ..facts(id, "0", &[], version)
                };
                let project = "p".into();
                state.apply(Commit::Retire(Retired { project, facts }));
                assert!(state.retired(&key).is_some());
            }
            assert!(state.host(&key).is_none());
            // Now and then it is kept for when it comes back.
            if version.is_multiple_of(2) {
                state.apply(Commit::Forget(key));
            }
            model.hosts.remove(id);
            model.ignored.remove(id);
            model.stale.remove(id);
        }
    }
}

/// Puts a host of the model into the census.
fn put(state: &mut State, model: &Model, id: &str, version: u64) {
    let (enterprise_project, ports) = model.hosts.get(id).unwrap();
    state.apply(Commit::Put(HostCommit {
        project: "p".into(),
        facts: facts(id, enterprise_project, ports, version),
        ignored: model.ignored_of(id),
    }));
}

fn selection(scope: Option<&[&str]>) -> Selection {
    scope.map_or(Selection::Whole, |scope| {
        Selection::of(scope.iter().map(|id| EnterpriseProjectId::from(*id)))
    })
}

fn page(
    project: Option<&Project>,
    scope: Option<&[&str]>,
    filter: &Filter,
    request: &PageRequest,
) -> Page {
    project
        .map(|p| p.page(&selection(scope), filter, request))
        .unwrap_or_default()
}

fn filters() -> Vec<Filter> {
    let every = Filter {
        category: Category::Host,
        sockets: Sockets::All,
        transport: None,
        port: None,
        port_string: None,
        status: None,
    };
    let mut filters = Vec::new();
    for category in [Category::Host, Category::Container] {
        let every = Filter {
            category,
            ..every.clone()
        };
        filters.push(Filter {
            transport: Some(Transport::Udp),
            ..every.clone()
        });
        filters.push(Filter {
            transport: Some(Transport::Tcp),
            sockets: Sockets::V6,
            ..every.clone()
        });
        filters.push(Filter {
            port: Some(22),
            ..every.clone()
        });
        filters.push(Filter {
            port: Some(53),
            transport: Some(Transport::Tcp),
            ..every.clone()
        });
        filters.push(Filter {
            port_string: Some("80".into()),
            ..every.clone()
        });
        filters.push(Filter {
            port: Some(8080),
            port_string: Some("81".into()),
            ..every.clone()
        });
        filters.push(Filter {
            status: Some(PortStatus::Danger),
            ..every.clone()
        });
        filters.push(Filter {
            status: Some(PortStatus::Danger),
            port_string: Some("3".into()),
            ..every.clone()
        });
        filters.push(Filter {
            status: Some(PortStatus::Normal),
            transport: Some(Transport::Tcp),
            ..every.clone()
        });
        filters.push(Filter {
            status: Some(PortStatus::Normal),
            port: Some(6379),
            ..every.clone()
        });
        filters.push(Filter {
            status: Some(PortStatus::Danger),
            transport: Some(Transport::Tcp),
            sockets: Sockets::V6,
            ..every.clone()
        });
        filters.push(Filter {
            status: Some(PortStatus::Unknown),
            port_string: Some("2".into()),
            ..every.clone()
        });
        for exposure in Exposure::ALL {
            let exposed = Filter {
                sockets: Sockets::Exposed(exposure),
                ..every.clone()
            };
            for status in [PortStatus::Danger, PortStatus::Normal] {
                filters.push(Filter {
                    status: Some(status),
                    transport: Some(Transport::Tcp),
                    ..exposed.clone()
                });
            }
            filters.push(exposed);
        }
        filters.push(every);
    }
    filters
}

fn check(state: &State, model: &Model) {
    let project = state.project("p").map(|project| &**project);
    assert_eq!(
        project.map_or(0, Project::host_count),
        model.hosts.len(),
        "retired hosts are no hosts"
    );
    let scopes: [Option<&[&str]>; 6] = [
        None,
        Some(&["0"]),
        Some(&["x"]),
        Some(&["0", "x"]),
        Some(&["x", "y", "nowhere"]),
        Some(&["nowhere"]),
    ];
    for scope in scopes {
        for filter in filters() {
            for sort_dir in [SortDir::Asc, SortDir::Desc] {
                let rows = model.rows(scope, &filter, sort_dir);
                check_pages(project, scope, &filter, sort_dir, &rows);
            }
        }
        check_top(project, model, scope);
    }
    check_hosts(project, model);
    lists::check(project, &scopes, model);
    fresh::check(project, &scopes, model);
}

fn check_pages(
    project: Option<&Project>,
    scope: Option<&[&str]>,
    filter: &Filter,
    sort_dir: SortDir,
    rows: &[Row],
) {
    for offset in [0, 1, 2, 5, rows.len(), rows.len() + 3] {
        for limit in [1, 3, 200] {
            let request = PageRequest {
                sort_dir,
                start: Start::Offset(offset),
                limit,
            };
            let page = page(project, scope, filter, &request);
            let got: Vec<_> = page
                .rows
                .iter()
                .map(|r| (r.port, r.transport, r.num, r.status))
                .collect();
            let expected: Vec<_> = rows.iter().copied().skip(offset).take(limit).collect();
            assert_eq!(got, expected, "{scope:?} {filter:?} {request:?}");
            assert_eq!(page.total, rows.len() as u64);
            assert_eq!(page.more, offset + limit < rows.len());
        }
    }
    // By cursor, also one whose row is not there.
    for cursor in rows
        .iter()
        .map(|r| (r.0, r.1))
        .chain([(7, Transport::Udp), (50_000, Transport::Tcp)])
    {
        let start = Start::After(Cursor {
            port: cursor.0,
            transport: cursor.1,
        });
        let page = page(
            project,
            scope,
            filter,
            &PageRequest {
                sort_dir,
                start,
                limit: 4,
            },
        );
        let got: Vec<_> = page.rows.iter().map(|r| (r.port, r.transport)).collect();
        let after = |row: &(u16, Transport)| match sort_dir {
            SortDir::Asc => *row > cursor,
            SortDir::Desc => {
                (std::cmp::Reverse(row.0), row.1) > (std::cmp::Reverse(cursor.0), cursor.1)
            }
        };
        let expected: Vec<_> = rows
            .iter()
            .map(|r| (r.0, r.1))
            .filter(after)
            .take(4)
            .collect();
        assert_eq!(
            got, expected,
            "{scope:?} {filter:?} {sort_dir:?} after {cursor:?}"
        );
    }
}

fn check_top(project: Option<&Project>, model: &Model, scope: Option<&[&str]>) {
    let mut hosts = BTreeMap::<u16, BTreeSet<&str>>::new();
    for (id, (enterprise_project, ports)) in &model.hosts {
        if scope.is_none_or(|scope| scope.contains(&enterprise_project.as_str())) {
            for port in ports.iter().filter(|port| port.netns.is_none()) {
                hosts.entry(port.port).or_default().insert(id);
            }
        }
    }
    let mut expected: Vec<(u16, u64)> = hosts
        .into_iter()
        .map(|(port, hosts)| (port, hosts.len() as u64))
        .collect();
    expected.sort_by_key(|(port, hosts)| (std::cmp::Reverse(*hosts), *port));
    expected.truncate(5);
    let top = project.map(|project| project.top_ports(&selection(scope), 5));
    let got: Vec<(u16, u64)> = top
        .into_iter()
        .flatten()
        .map(|top| (top.port, top.hosts))
        .collect();
    assert_eq!(got, expected, "{scope:?}");
}

fn check_hosts(project: Option<&Project>, model: &Model) {
    let Some(project) = project else { return };
    let ids: Vec<_> = project
        .hosts_after(None)
        .map(|h| h.facts.id.to_string())
        .collect();
    assert!(
        ids.iter().eq(model.hosts.keys()),
        "hosts in the order of their ids"
    );
    let choices = model.ignored.values().map(|choices| choices.len() as u64);
    assert_eq!(project.choices(), choices.sum::<u64>());
    let mut recount = Recount::default();
    recount.project(project, &Selection::Whole);
    assert_eq!(
        recount.differences,
        [],
        "invariant 4: every count equals a recount"
    );
}

/// The census of the model's hosts, made at once.
fn built(model: &Model, version: u64) -> State {
    let mut builder = Builder::default();
    for (id, (enterprise_project, ports)) in &model.hosts {
        let facts = facts(id, enterprise_project, ports, version);
        builder.add(HostCommit {
            project: "p".into(),
            facts,
            ignored: model.ignored_of(id),
        });
    }
    builder.finish()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Reports, moves between enterprise projects, removals and what is ignored, in any order.
    #[test]
    fn the_census_equals_the_naive_model(steps in steps()) {
        let (mut state, mut model) = (State::default(), Model::default());
        for (version, step) in (1..).zip(&steps) {
            apply(&mut state, &mut model, step, version);
        }
        check(&state, &model);
    }

    /// A census made at once answers the same, and takes commits like one that grew.
    #[test]
    fn a_census_made_at_once_goes_on_like_one_that_grew(steps in steps(), at in 0usize..30) {
        let (mut state, mut model) = (State::default(), Model::default());
        for (version, step) in (1..).zip(&steps) {
            apply(&mut state, &mut model, step, version);
            if version == at as u64 {
                state = built(&model, version);
                model.stale.clear();
            }
        }
        check(&state, &model);
        model.stale.clear();
        check(&built(&model, 1_000), &model);
    }

    /// What was published stays as it was, whatever is applied later.
    #[test]
    fn a_published_clone_never_changes(steps in steps(), at in 0usize..30) {
        let (mut state, mut model) = (State::default(), Model::default());
        let mut published = None;
        for (version, step) in (1..).zip(&steps) {
            apply(&mut state, &mut model, step, version);
            if version == at as u64 { published = Some((state.clone(), model.clone())); }
        }
        if let Some((state, model)) = published { check(&state, &model); }
    }

    /// Invariant 2 for the census alone: after every prefix, the newest facts of each host, put in
    /// any order, give the same answers.
    #[test]
    fn a_replay_of_the_newest_facts_gives_the_same_census(steps in steps()) {
        let (mut live, mut model) = (State::default(), Model::default());
        for (version, step) in (1..).zip(&steps) {
            apply(&mut live, &mut model, step, version);
            let (mut replayed, mut again) = (State::default(), Model::default());
            for (id, (enterprise_project, ports)) in model.hosts.iter().rev() {
                let put = Step::Put(id.clone(), enterprise_project.clone(), ports.clone());
                apply(&mut replayed, &mut again, &put, version);
                for choice in model.ignored.get(id).into_iter().flatten() {
                    let ignore = Step::Ignore(id.clone(), choice.clone());
                    apply(&mut replayed, &mut again, &ignore, version);
                }
            }
            for filter in filters() {
                let request = PageRequest { sort_dir: SortDir::Asc, start: Start::Offset(0), limit: 1_000 };
                for scope in [None, Some(&["0", "y"][..])] {
                    let of = |state: &State| page(state.project("p").map(|p| &**p), scope, &filter, &request);
                    prop_assert_eq!(of(&live), of(&replayed));
                }
            }
        }
    }
}
