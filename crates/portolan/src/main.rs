//! `portolan`: demo, serve, scan, and questions to a server.
//!
//! Data goes to stdout, talk to stderr. Exit codes: 0 fine, 1 failed, 2 bad usage.
#![forbid(unsafe_code)]

mod ask;
mod audit;
mod backup;
mod changes;
mod cli;
mod client;
mod cluster;
mod credentials;
mod demo;
mod export;
mod follow;
mod history;
mod keystone;
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "for servers that join a cluster")
)]
mod nats_monitor;
mod output;
mod ownership;
mod periods;
mod scan;
mod serve;
mod settings;
mod signals;
mod store;
mod usage;
mod whole_file;

use std::io::{IsTerminal as _, stderr};
use std::process::ExitCode;

use clap::Parser as _;
use portolan_agent::with_causes;
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command};
use crate::usage::Usage;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Prints help and version on stdout with exit code 0, mistakes on stderr with exit code 2.
    let cli = Cli::parse();
    log(match cli.command {
        // Its own sentences say all that a first look needs.
        Command::Demo(_) => "error",
        _ => "info",
    });
    let done = match cli.command {
        Command::Demo(arguments) => demo::demo(&arguments),
        Command::Serve(arguments) => serve::serve(&arguments),
        Command::Scan(arguments) => scan::scan(&arguments),
        Command::Ports(arguments) => ask::ports(&arguments),
        Command::Hosts(arguments) => ask::hosts(&arguments),
        Command::Host(arguments) => ask::host(&arguments),
        Command::Changes(arguments) => changes::changes(&arguments),
        Command::Export(arguments) => export::export(&arguments),
        Command::Recount(arguments) => ask::recount(&arguments),
        Command::Store(arguments) => store::store(&arguments),
        Command::Backup(arguments) => backup::backup(&arguments),
        Command::Restore(arguments) => backup::restore(&arguments),
        Command::Reseed(arguments) => cluster::reseed_of(&arguments),
        Command::EnrolKey(arguments) => credentials::enrol_keys(&arguments.action),
        Command::Token(arguments) => credentials::tokens(&arguments.action),
        Command::AccessKey(arguments) => credentials::access_keys(&arguments.action),
        Command::User(arguments) => credentials::users(&arguments.action),
        Command::Audit(arguments) => audit::audit(&arguments),
    };
    match done {
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    if let Some(Usage(mistakes)) = error.downcast_ref() {
        for mistake in mistakes {
            output::say(&format!("portolan: {mistake}"));
        }
        return ExitCode::from(EXIT_USAGE);
    }
    output::say(&format!("portolan: {}", with_causes(&**error)));
    ExitCode::FAILURE
}

/// Bad usage that only the program itself can see.
pub(crate) const EXIT_USAGE: u8 = 2;

/// `RUST_LOG` wins over the default.
fn log(default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .init();
}
