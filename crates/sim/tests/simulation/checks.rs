//! What can be checked of a server at any moment: replay, recount, and counts from the sets.

use std::collections::{BTreeMap, BTreeSet};

use portolan_census::{
    Choice, Filter, HostFacts, Page, PageRequest, Selection, Sockets, Start, State,
};
use portolan_store::{Published, RecordKey, Snapshot, rebuild_all, recount};
use portolan_wire::hss::port_statistics::SortDir;
use portolan_wire::ids::{HostKey, ProjectId};
use portolan_wire::open_port::{Category, OpenPort, Transport};

use crate::broken::{Broken, Rule, must};
use crate::log_store::LogStore;
use crate::model::Model;

const CATEGORIES: [Category; 2] = [Category::Host, Category::Container];

/// Checks what a running server shows against its disk, and that against what must be there.
pub(crate) fn check(store: &LogStore, published: &Published, model: &Model) -> Result<(), Broken> {
    let records = check_replay(store, published)?;
    let replayed = records.iter().map(|(key, value)| (key, value));
    must(
        replayed.eq(model.durable_records()),
        Rule::CensusIsReplay,
        || {
            format!(
                "records are {:?}, replayed {records:?}",
                model.durable_records(),
            )
        },
    )?;
    let state = published.state.load_full();
    for (project, _) in state.projects() {
        counts_are_those_of_the_sets(&state, project, model.durable())?;
    }
    Ok(())
}

/// Checks what a running server shows against its own disk. Hands out the records there.
pub(crate) fn check_replay(
    store: &LogStore,
    published: &Published,
) -> Result<Vec<(RecordKey, Vec<u8>)>, Broken> {
    let state = published.state.load_full();
    let replayed = rebuild_all(&store.replica(), |_| {})
        .map_err(|error| Broken::new(Rule::CensusIsReplay, error.to_string()))?;
    let (told_now, told_then) = (told(&state), told(&replayed.state));
    must(told_now == told_then, Rule::CensusIsReplay, || {
        format!("the census tells {told_now:?}\nand its replay {told_then:?}")
    })?;
    for (project, _) in state.projects() {
        recounts(store, published, project)?;
    }
    Ok(replayed.records)
}

/// The program's own recount.
fn recounts(store: &LogStore, published: &Published, project: &ProjectId) -> Result<(), Broken> {
    let found = recount(store, published, project, &Selection::Whole)
        .map_err(|error| Broken::new(Rule::CountsAreRecounts, error.to_string()))?;
    must(
        found.differences.is_empty(),
        Rule::CountsAreRecounts,
        || format!("{:?}", found.differences),
    )
}

/// A recount that shares no code with the program: from the sets on the disk, asset by asset.
fn counts_are_those_of_the_sets(
    state: &State,
    project: &ProjectId,
    durable: &BTreeMap<HostKey, Snapshot>,
) -> Result<(), Broken> {
    let hosts: Vec<_> = durable
        .iter()
        .filter(|(key, _)| key.project == *project)
        .collect();
    let of = |selection: &Selection, category: Category, sockets: Sockets| {
        let mut assets = BTreeMap::<(u16, Transport), BTreeSet<(&str, &str)>>::new();
        for (key, stored) in &hosts {
            let enterprise_project = stored.host.enterprise_project_id.as_str().into();
            for port in stored
                .open_ports
                .iter()
                .filter(|_| selection.holds(&enterprise_project))
            {
                if port.netns.is_some() == (category == Category::Container) && shows(sockets, port)
                {
                    let row = assets.entry((port.port, port.transport)).or_default();
                    row.insert((key.host.as_str(), asset(port)));
                }
            }
        }
        let rows = assets
            .into_iter()
            .map(|((port, transport), of)| (port, transport, of.len() as u64));
        rows.collect::<Vec<_>>()
    };
    let Some(shown) = state.project(project.as_str()) else {
        return Ok(());
    };
    let scopes = shown
        .enterprise_projects()
        .map(|id| Selection::of([id.clone()]));
    for selection in scopes.chain([Selection::Whole]) {
        for category in CATEGORIES {
            for sockets in Sockets::ALL {
                let page = shown.page(&selection, &filter(category, sockets), &all_rows());
                let rows = page
                    .rows
                    .iter()
                    .map(|row| (row.port, row.transport, row.num));
                let (rows, sets) = (rows.collect::<Vec<_>>(), of(&selection, category, sockets));
                must(rows == sets, Rule::CountsAreRecounts, || {
                    format!(
                        "{project} {selection:?} {category:?} {sockets:?}: {rows:?}, by the sets {sets:?}"
                    )
                })?;
            }
        }
    }
    Ok(())
}

fn asset(port: &OpenPort) -> &str {
    let netns = port.netns.as_deref().unwrap_or("");
    port.container_id
        .as_deref()
        .filter(|_| port.netns.is_some())
        .unwrap_or(netns)
}

/// All that a census answers: the facts of each host and what is ignored of it, and every row of every
/// scope.
type Told = Vec<(String, Vec<(HostFacts, Vec<Choice>)>, Vec<Page>)>;

pub(crate) fn told(state: &State) -> Told {
    let projects = state.projects().map(|(id, project)| {
        let hosts = project.hosts_after(None).chain(project.all_retired());
        let facts = hosts.map(|host| {
            let choices = host.ignored.choices().iter().cloned();
            (host.facts.clone(), choices.collect())
        });
        let scopes = project
            .enterprise_projects()
            .map(|id| Selection::of([id.clone()]));
        let pages = scopes.chain([Selection::Whole]).flat_map(|selection| {
            let lists = CATEGORIES
                .into_iter()
                .flat_map(|category| Sockets::ALL.map(move |sockets| (category, sockets)));
            let pages = lists.map(|(category, sockets)| {
                project.page(&selection, &filter(category, sockets), &all_rows())
            });
            pages.collect::<Vec<_>>()
        });
        (id.to_string(), facts.collect(), pages.collect())
    });
    projects.collect()
}

fn shows(sockets: Sockets, port: &OpenPort) -> bool {
    match sockets {
        Sockets::All => true,
        Sockets::V6 => port.laddr.is_ipv6(),
        Sockets::Exposed(exposure) => port.exposure() == exposure,
    }
}

fn filter(category: Category, sockets: Sockets) -> Filter {
    Filter {
        category,
        sockets,
        transport: None,
        port: None,
        port_string: None,
        status: None,
    }
}

fn all_rows() -> PageRequest {
    PageRequest {
        sort_dir: SortDir::Asc,
        start: Start::Offset(0),
        limit: usize::MAX,
    }
}
