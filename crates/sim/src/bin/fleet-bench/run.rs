//! The whole bench: a server on a new folder, loaded, asked, stopped and started again.
//!
//! Holds: the server's counts are compared with the generator's own before anything is asked at
//! speed, and again after the second start; a difference ends the bench. The folder is removed.
//! Limit: the second start finds the data in the page cache, as after a restart of the service.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use portolan_sim::fleet::Fleet;
use tokio::runtime::Runtime;

use crate::args::RunArgs;
use crate::figures;
use crate::load::{self, load};
use crate::query::{self, first_askings, query};
use crate::server::{Place, Running};
use crate::signature::AccessKey;
use portolan_sim::bench::machine::{self, disk_bytes, rss_bytes};
use portolan_sim::bench::table::{Table, megabytes, whole};

/// Tokens of a server that lives for this bench only, on loopback, with made-up data.
pub(crate) const AGENT_TOKEN: &str = "fleet-bench-agent-token-0123456789abcdef";
pub(crate) const READER_TOKEN: &str = "fleet-bench-reader-token-0123456789abcdef";
const PARTIAL_TOKEN: &str = "fleet-bench-partial-token-0123456789abcdef";

/// Runs it all; the figures.
pub(crate) fn run(runtime: &Runtime, args: &RunArgs) -> anyhow::Result<Table> {
    let fleet = args.fleet.fleet();
    let folder = args.own.folder()?;
    let place = prepare(folder.path(), &args.own.portolan, &fleet)?;
    let mut table = Table::new();
    machine::describe(&mut table, Some(folder.path()));

    let running = Running::start(&place)?;
    table.figure("start to ready, empty", seconds(running.ready_after), "");
    load_and_ask(&mut table, runtime, args, &fleet, &running)?;
    let drained = running.stop()?;
    table.figure(
        "stop",
        seconds(drained),
        "from SIGTERM to the end of the process",
    );
    let disk = disk_bytes(&place.data)?;
    let hosts = fleet.options().hosts;
    table.figure(
        "bytes a host on disk",
        each(disk, hosts),
        format!("{}, stopped", megabytes(disk)),
    );

    let again = Running::start(&place)?;
    let note = format!(
        "{} of CPU; data in the page cache",
        seconds(again.ready_cpu)
    );
    table.figure(
        format!("start to ready, {hosts} hosts"),
        seconds(again.ready_after),
        note,
    );
    runtime.block_on(counts_are_right(
        &reader(&args.fleet.project, &again),
        &fleet,
        args.load.step,
    ))?;
    let rss = rss_bytes(again.pid())?;
    table.figure(
        "resident a host, after the start",
        each(rss, hosts),
        megabytes(rss),
    );
    again.stop()?;
    folder.close().context("could not remove the data folder")?;
    Ok(table)
}

fn load_and_ask(
    table: &mut Table,
    runtime: &Runtime,
    args: &RunArgs,
    fleet: &Fleet,
    running: &Running,
) -> anyhow::Result<()> {
    let hosts = fleet.options().hosts;
    let target = agent(running);
    let empty = rss_bytes(running.pid())?;
    table.figure("resident, empty", megabytes(empty), "");
    runtime
        .block_on(load(&target, fleet, &args.load))?
        .tell(table, &args.load);
    let rss = rss_bytes(running.pid())?;
    table.figure(
        "resident a host, after the load",
        each(rss, hosts),
        megabytes(rss),
    );
    let reader = reader(&args.fleet.project, running);
    let rows = runtime.block_on(counts_are_right(&reader, fleet, args.load.step))?;
    table.figure(
        "rows (port, type) of category host",
        whole(rows as f64),
        "as the generator counts",
    );
    for measured in runtime.block_on(query(&reader, &args.query))? {
        measured.tell(table);
    }
    runtime.block_on(first_askings(&reader, table))?;
    Ok(())
}

/// Compares `total_num` of each category over the whole project with the generator's figures;
/// the rows of category host.
pub(crate) async fn counts_are_right(
    reader: &query::Target,
    fleet: &Fleet,
    step: u32,
) -> anyhow::Result<u64> {
    let figures = figures::count(fleet, step).context("a fleet without hosts")?;
    let expected = [
        ("host", figures.host_rows()),
        ("container", figures.container_rows()),
    ];
    for (category, rows) in expected {
        let parameters = format!("enterprise_project_id=all_granted_eps&category={category}");
        let (total, _) = reader.statistics(&parameters).await?;
        ensure!(
            total == rows as u64,
            "the server counts {total} rows of category {category}, the generator made {rows}"
        );
    }
    Ok(figures.host_rows() as u64)
}

/// Whoever asks a server about all of a project.
pub(crate) fn reader(project: &str, running: &Running) -> query::Target {
    query::Target {
        server: running.url.clone(),
        token: READER_TOKEN.to_owned(),
        partial_token: Some(PARTIAL_TOKEN.to_owned()),
        access_key: Some(access_key()),
        project: project.to_owned(),
        pid: Some(running.pid()),
    }
}

fn access_key() -> AccessKey {
    AccessKey {
        ak: "FLEETBENCHACCESSKEY0".to_owned(),
        sk: "fleet-bench-secret-key-0123456789abcdefgh".to_owned(),
    }
}

/// Whoever sends reports to a server.
pub(crate) fn agent(running: &Running) -> load::Target {
    load::Target {
        server: running.url.clone(),
        token: AGENT_TOKEN.to_owned(),
        pid: Some(running.pid()),
    }
}

/// What a server of the fleet's needs in a folder: room for its data, and the tokens.
pub(crate) fn prepare(folder: &Path, portolan: &Path, fleet: &Fleet) -> anyhow::Result<Place> {
    let place = Place {
        portolan: portolan.to_owned(),
        data: folder.join("data"),
        credentials: folder.join("credentials.toml"),
        log: folder.join("log"),
    };
    fs::create_dir(&place.data)?;
    fs::write(&place.credentials, credentials(fleet))?;
    Ok(place)
}

fn credentials(fleet: &Fleet) -> String {
    let project = &fleet.options().project;
    let token = |secret: &str, role: &str, enterprise_projects: &[&str]| {
        format!(
            "[[token]]\nsecret = \"{secret}\"\nproject_id = \"{project}\"\n\
             enterprise_projects = {enterprise_projects:?}\nrole = \"{role}\"\n\n"
        )
    };
    let all = ["all_granted_eps"];
    let half: Vec<&str> = fleet
        .enterprise_projects()
        .iter()
        .step_by(2)
        .map(String::as_str)
        .collect();
    let AccessKey { ak, sk } = access_key();
    let signed = format!(
        "[[access_key]]\nak = \"{ak}\"\nsk = \"{sk}\"\nproject_id = \"{project}\"\n\
         enterprise_projects = {all:?}\nrole = \"reader\"\n"
    );
    token(AGENT_TOKEN, "agent", &all)
        + &token(READER_TOKEN, "reader", &all)
        + &token(PARTIAL_TOKEN, "reader", &half)
        + &signed
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

fn each(bytes: u64, hosts: u32) -> String {
    whole(bytes as f64 / f64::from(hosts))
}
