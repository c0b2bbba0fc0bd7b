//! Measures pages of open ports: what the last page costs beside the first, on a server of its own.
//!
//! Holds: the number of listeners is compared with the generator's own before anything is measured;
//! in each round every page has its turn.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use portolan_sim::fleet::Fleet;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::args::{LoadHow, PagesArgs};
use crate::load::load;
use crate::query::Target;
use crate::run::{agent, prepare, reader};
use crate::server::Running;
use crate::turn::Turn;
use portolan_sim::bench::machine;
use portolan_sim::bench::spread::Spread;
use portolan_sim::bench::table::{Table, micros, times, whole};

/// The port that every host has.
const PORT: u16 = 22;
/// The largest offset that there is.
const OFFSET_MAX: u64 = 2_000_000;

/// A page, and what it is compared with: another one by its place in the list.
struct Page {
    name: String,
    path: String,
    beside: Option<usize>,
}

/// Starts, loads, measures and stops.
pub(crate) fn pages(runtime: &Runtime, args: &PagesArgs) -> anyhow::Result<Table> {
    let fleet = args.fleet.fleet();
    let folder = args.own.folder()?;
    let mut table = Table::new();
    machine::describe(&mut table, Some(folder.path()));
    let running = Running::start(&prepare(folder.path(), &args.own.portolan, &fleet)?)?;
    let how = LoadHow {
        batch: 100,
        in_flight: 16,
        step: 0,
    };
    runtime.block_on(load(&agent(&running), &fleet, &how))?;
    let target = reader(&args.fleet.project, &running);
    runtime.block_on(measure(&mut table, &target, &fleet, args))?;
    running.stop()?;
    folder.close().context("could not remove the data folder")?;
    Ok(table)
}

async fn measure(
    table: &mut Table,
    target: &Target,
    fleet: &Fleet,
    args: &PagesArgs,
) -> anyhow::Result<()> {
    let listeners = target.total(&detail(target, "")).await?;
    let made = made(fleet);
    ensure!(
        listeners == made,
        "the server has {listeners} listeners of port {PORT}, the generator made {made}"
    );
    table.figure(
        format!("listeners of port {PORT}"),
        whole(listeners as f64),
        "as the generator counts",
    );
    let pages = pages_of(target).await?;
    let (rounds, seconds) = args.how.turns();
    let mut costs: Vec<Vec<Turn>> = pages.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (page, costs) in pages.iter().zip(&mut costs) {
            let request = target.server.get(&page.path, &target.token);
            let length = Duration::from_secs(seconds);
            let turn = target.turn(&request, args.how.connections, length).await?;
            costs.push(turn);
        }
    }
    for (page, turns) in pages.iter().zip(&costs) {
        tell(table, page, turns, page.beside.and_then(|at| costs.get(at)));
    }
    Ok(())
}

async fn pages_of(target: &Target) -> anyhow::Result<Vec<Page>> {
    let mut pages = Vec::new();
    for limit in [10, 200] {
        let lists = [
            (
                format!("ports/detail of port {PORT}"),
                detail(target, &format!("&limit={limit}")),
            ),
            (
                "ports of all hosts".to_owned(),
                ports(target, &format!("&limit={limit}")),
            ),
        ];
        for (name, path) in lists {
            let total = target.total(&path).await?;
            let offset = total.saturating_sub(limit).min(OFFSET_MAX);
            let first = pages.len();
            pages.push(Page {
                name: format!("{name}, first {limit}"),
                path: path.clone(),
                beside: None,
            });
            pages.push(Page {
                name: format!("{name}, {limit} from {}", whole(offset as f64)),
                path: format!("{path}&offset={offset}"),
                beside: Some(first),
            });
        }
    }
    let project = &target.project;
    pages.push(Page {
        name: format!("hosts of port {PORT}, first 50"),
        path: format!("/portolan/v1/projects/{project}/ports/{PORT}/assets"),
        beside: None,
    });
    Ok(pages)
}

fn tell(table: &mut Table, page: &Page, turns: &[Turn], beside: Option<&Vec<Turn>>) {
    let name = &page.name;
    let cost = Spread::of(turns.iter().filter_map(Turn::server_micros));
    table.spread(format!("{name}: server CPU a request"), cost, micros);
    let p99 = Spread::of(turns.iter().map(|turn| f64::from(turn.p99_micros)));
    table.spread(format!("{name}: answer time p99"), p99, micros);
    if let Some(beside) = beside {
        let pairs = turns.iter().zip(beside);
        let against = pairs.filter_map(|(turn, first)| {
            let first = first.server_micros().filter(|cost| *cost > 0.0)?;
            Some(turn.server_micros()? / first)
        });
        let name = format!("{name}: CPU against the first page");
        table.spread(name, Spread::of(against), times);
    }
}

fn detail(target: &Target, more: &str) -> String {
    let project = &target.project;
    format!(
        "/v5/{project}/asset/ports/detail?port={PORT}&enterprise_project_id=all_granted_eps{more}"
    )
}

fn ports(target: &Target, more: &str) -> String {
    let project = &target.project;
    format!("/v5/{project}/asset/ports?enterprise_project_id=all_granted_eps{more}")
}

/// The listeners of the port that the generator makes, of category host.
fn made(fleet: &Fleet) -> u64 {
    let of_host = |ports: Vec<portolan_wire::open_port::OpenPort>| {
        let listeners = ports
            .iter()
            .filter(|open| open.port == PORT && open.netns.is_none());
        listeners.count() as u64
    };
    fleet
        .reports()
        .map(|report| of_host(report.open_ports))
        .sum()
}

impl Target {
    /// The `total_num` of a list.
    async fn total(&self, path: &str) -> anyhow::Result<u64> {
        let (body, _) = self.json(path).await?;
        match body.get("total_num").and_then(Value::as_u64) {
            Some(total) => Ok(total),
            None => bail!("{path} is not answered with total_num: {body}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_server::{Reply, TestServer, reader};

    #[tokio::test]
    async fn the_last_page_ends_with_the_list_or_is_at_the_largest_offset() {
        for (total, last) in [(5_000_000, 2_000_000), (1_000, 990), (3, 0)] {
            let server =
                TestServer::start(move |_| Reply::ok(format!(r#"{{"total_num":{total}}}"#))).await;
            let pages = pages_of(&reader(&server)).await.unwrap();
            let expected = format!("&limit=10&offset={last}");
            let second = pages.get(1).unwrap();
            assert!(second.path.ends_with(&expected), "{}", second.path);
            assert_eq!(second.beside, Some(0));
        }
    }

    #[tokio::test]
    async fn another_number_of_listeners_than_was_made_ends_the_bench() {
        let server = TestServer::start(|_| Reply::ok(r#"{"total_num":1}"#)).await;
        let args = ["fleet-bench", "pages", "--portolan", "x", "--hosts", "3"];
        let args = <crate::args::Args as clap::Parser>::try_parse_from(args).unwrap();
        let crate::args::Command::Pages(args) = args.command else {
            panic!("{args:?}")
        };
        let fleet = args.fleet.fleet();
        let told = measure(&mut Table::new(), &reader(&server), &fleet, &args).await;
        let error = told.unwrap_err().to_string();
        assert!(
            error.contains("1 listeners of port 22, the generator made"),
            "{error}"
        );
    }
}
