//! `fleet-bench`: loads a running `portolan serve` over HTTP with a generated fleet, and measures.
//!
//! The figure that counts is the server's CPU (user and system) a request, from /proc/PID/stat:
//! on a shared machine rates swing by half from minute to minute, CPU much less. Whatever is
//! compared is measured in turns, A B A B, and told as median, lowest and highest.
//! Holds: what is sent is made and compressed outside the measured time; an answer that is not
//! what it should be ends the bench, because a rate of wrong answers is no figure.
//! Exit code 1 also where a figure misses what is promised (`overload`, `visible`, `agent`, `fanout`).
//! Limits: plain HTTP on this machine; one client thread, whose own cost is told in the figures.
#![forbid(unsafe_code)]

mod against;
mod agent;
mod answers;
mod args;
mod bare_log;
mod ceilings;
mod crowd;
mod encode;
mod fanout;
mod figures;
mod http;
mod load;
mod null_server;
mod overload;
mod pages;
mod query;
mod rows;
mod run;
mod server;
mod signature;
#[cfg(test)]
mod test_server;
mod turn;
mod visible;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use args::{Args, Command};
use portolan_sim::bench::machine;
use portolan_sim::bench::table::Table;

fn main() -> ExitCode {
    match &Args::parse().command {
        Command::NullServer(null) => end(null_server::serve(&null.answer)),
        Command::Listen(listen) => end(agent::listen(listen.address)),
        Command::Rows(fleet) => end(rows::print(&fleet.fleet())),
        Command::Answers(args) => end(answers::answers(args)),
        command => match measure(command) {
            Ok(table) => match table.print() {
                Ok(()) => end(goals(&table)),
                Err(_) => ExitCode::FAILURE,
            },
            Err(error) => end(Err(error)),
        },
    }
}

/// Fails where a goal was missed.
fn goals(table: &Table) -> anyhow::Result<()> {
    let missed = table.missed();
    anyhow::ensure!(missed.is_empty(), "missed: {}", missed.join("; "));
    Ok(())
}

fn end(done: anyhow::Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fleet-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(command: &Command) -> anyhow::Result<Table> {
    // One thread, so that the server keeps at least one core of two and the client costs least.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("could not start the client's runtime")?;
    let mut table = Table::new();
    machine::describe(&mut table, None);
    match command {
        Command::Figures(fleet) => figures::tell(&mut table, &fleet.fleet()),
        Command::Load(load) => {
            let target = load::Target {
                server: load.server.url.clone(),
                token: load.token.clone(),
                pid: load.server.server_pid,
            };
            let fleet = load.fleet.fleet();
            let loaded = runtime.block_on(load::load(&target, &fleet, &load.how))?;
            loaded.tell(&mut table, &load.how);
        }
        Command::Query(query) => {
            let target = query::Target {
                server: query.server.url.clone(),
                token: query.reader_token.clone(),
                partial_token: query.partial_token.clone(),
                access_key: query.access_key(),
                project: query.project.clone(),
                pid: query.server.server_pid,
            };
            let asked = runtime.block_on(query::query(&target, &query.how))?;
            asked.iter().for_each(|measured| measured.tell(&mut table));
        }
        // These have no figures to tell.
        Command::NullServer(_) | Command::Rows(_) | Command::Answers(_) | Command::Listen(_) => {}
        Command::Agent(args) => return agent::measure(&runtime, args),
        Command::Visible(args) => return visible::visible(&runtime, args),
        Command::Ceilings(args) => return ceilings::ceilings(&runtime, args),
        Command::Run(run) => return run::run(&runtime, run),
        Command::Overload(overload) => return overload::overload(&runtime, overload),
        Command::Pages(args) => return pages::pages(&runtime, args),
        Command::Against(args) => return against::against(&runtime, args),
        Command::Fanout(args) => return fanout::fanout(&runtime, args),
    }
    Ok(table)
}
