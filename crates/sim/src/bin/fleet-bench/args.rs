//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args as ClapArgs, Parser, Subcommand};
use portolan_sim::fleet::{Fleet, Options};
use tempfile::TempDir;

use crate::http::ServerUrl;
use crate::signature::AccessKey;

/// Loads a running `portolan serve` with a generated fleet, and measures.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Count what the generated fleet holds and how fast it is made; no server.
    Figures(FleetArgs),
    /// Send every host's report: reports a second, bytes, CPU, answer times.
    Load(LoadArgs),
    /// Ask for port statistics, each query in turn with /healthz: rates, CPU, answer times.
    Query(QueryArgs),
    /// The null handler that queries are compared with; the bench starts it itself.
    NullServer(NullServerArgs),
    /// Measure reports and heartbeats beside what bounds them, turn by turn.
    Ceilings(CeilingsArgs),
    /// Measure how long a socket of this machine takes into the count, through a real agent.
    Visible(VisibleArgs),
    /// Measure what a real agent costs this machine, and what it misses.
    Agent(AgentArgs),
    /// Listen at an address for a millisecond; the bench starts it itself.
    Listen(ListenArgs),
    /// Do it all: start a server on a new data folder, load, query, stop it, start it again.
    Run(RunArgs),
    /// Write the fleet's open ports as CSV rows, for databases that are measured beside Portolan.
    Rows(FleetArgs),
    /// A loaded server of its own, asked what the databases are asked, a turn for each line on stdin.
    Answers(AnswersArgs),
    /// Measure what a reader pays for clients that misbehave, on a server of its own.
    Overload(OverloadArgs),
    /// Measure first and last pages of open ports, on a server of its own.
    Pages(PagesArgs),
    /// Compare reports a second of two builds of the server, turn by turn.
    Against(AgainstArgs),
    /// Measure how long a change takes to the last of many readers, on a server of its own.
    Fanout(FanoutArgs),
}

/// Which fleet.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct FleetArgs {
    /// Number of hosts.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=16_777_215))]
    pub(crate) hosts: u32,
    /// The seed that makes the fleet.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// The project that the fleet belongs to.
    #[arg(long, default_value = "fleet")]
    pub(crate) project: String,
    /// Number of enterprise projects.
    #[arg(long, default_value_t = 1_000)]
    pub(crate) enterprise_projects: u32,
}

impl FleetArgs {
    pub(crate) fn fleet(&self) -> Fleet {
        Fleet::new(Options {
            seed: self.seed,
            hosts: self.hosts,
            project: self.project.clone(),
            enterprise_projects: self.enterprise_projects,
            ..Options::default()
        })
    }
}

/// Which server.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct ServerArgs {
    /// The server, such as http://127.0.0.1:8080.
    #[arg(long = "server")]
    pub(crate) url: ServerUrl,
    /// The server's process on this machine; its CPU is told only with this.
    #[arg(long)]
    pub(crate) server_pid: Option<u32>,
}

/// A server of the bench's own.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct OwnServerArgs {
    /// The `portolan` program, built with --release.
    #[arg(long)]
    pub(crate) portolan: PathBuf,
    /// Where its data folder is made and removed; on tmpfs a sync costs nothing, so give a disk.
    #[arg(long, default_value = ".")]
    pub(crate) work_dir: PathBuf,
}

impl OwnServerArgs {
    /// A new folder in the work folder, which goes when this is dropped.
    pub(crate) fn folder(&self) -> anyhow::Result<TempDir> {
        tempfile::Builder::new()
            .prefix("fleet-bench-")
            .tempdir_in(&self.work_dir)
            .with_context(|| format!("could not make a folder in {}", self.work_dir.display()))
    }
}

/// How reports are sent.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct LoadHow {
    /// Reports of one request: 1, as agents send them, to 1,000.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) batch: u32,
    /// Requests in flight, each on a connection of its own.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=3_000))]
    pub(crate) in_flight: u32,
    /// The step of the fleet's day, in minutes; a larger one makes newer reports.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub(crate) step: u32,
}

/// How queries are asked.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct QueryHow {
    /// Rounds of each query; in each, /healthz has a turn, too.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) rounds: u32,
    /// Length of a turn, in seconds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,
    /// 5 rounds of 1 s, to try whether all works.
    #[arg(long, conflicts_with_all = ["rounds", "seconds"])]
    pub(crate) quick: bool,
    /// Connections, each with one request at a time.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=3_000))]
    pub(crate) connections: u32,
}

impl QueryHow {
    /// Rounds, and seconds of a turn.
    pub(crate) fn turns(&self) -> (u32, u64) {
        if self.quick {
            (5, 1)
        } else {
            (self.rounds, self.seconds)
        }
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct LoadArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// A token of role agent for the project and all its enterprise projects.
    #[arg(long)]
    pub(crate) token: String,
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    #[command(flatten)]
    pub(crate) how: LoadHow,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct QueryArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// A token of role reader for the project and all its enterprise projects.
    #[arg(long)]
    pub(crate) reader_token: String,
    /// A token of role reader for a part of them.
    #[arg(long)]
    pub(crate) partial_token: Option<String>,
    /// An access key of role reader for the project and all its enterprise projects.
    #[arg(long, requires = "secret_key")]
    pub(crate) access_key: Option<String>,
    /// Its secret key.
    #[arg(long, requires = "access_key")]
    pub(crate) secret_key: Option<String>,
    /// The project to ask about.
    #[arg(long, default_value = "fleet")]
    pub(crate) project: String,
    #[command(flatten)]
    pub(crate) how: QueryHow,
}

impl QueryArgs {
    pub(crate) fn access_key(&self) -> Option<AccessKey> {
        let (ak, sk) = self.access_key.clone().zip(self.secret_key.clone())?;
        Some(AccessKey { ak, sk })
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct NullServerArgs {
    /// The answer to give, head and body as HTTP/1.1 has them.
    #[arg(long)]
    pub(crate) answer: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct VisibleArgs {
    #[command(flatten)]
    pub(crate) own: OwnServerArgs,
    /// The `portolan-agent` program, built with --release.
    #[arg(long)]
    pub(crate) agent: PathBuf,
    /// Sockets.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) rounds: u32,
    /// Longest pause before a socket opens, and before it closes, in milliseconds.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub(crate) pause_ms: u32,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AgentArgs {
    #[command(flatten)]
    pub(crate) own: OwnServerArgs,
    /// The `portolan-agent` program, in the form in which it is shipped.
    #[arg(long)]
    pub(crate) agent: PathBuf,
    /// Time at rest, in seconds.
    #[arg(long, default_value_t = 180, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) seconds: u64,
    /// Connections a second.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) connections: u32,
    /// How long they come, in seconds.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) load_seconds: u64,
    /// Turns with an agent and without.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) pairs: u32,
    /// Connections in a turn.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) turn: u32,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ListenArgs {
    /// Address and port.
    pub(crate) address: SocketAddr,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CeilingsArgs {
    #[command(flatten)]
    pub(crate) own: OwnServerArgs,
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    /// Rounds.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) rounds: u32,
    /// Length of a turn that has no end of its own, in seconds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) own: OwnServerArgs,
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    #[command(flatten)]
    pub(crate) load: LoadHow,
    #[command(flatten)]
    pub(crate) query: QueryHow,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AnswersArgs {
    #[command(flatten)]
    pub(crate) own: OwnServerArgs,
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    /// Length of a turn, in milliseconds.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=600_000))]
    pub(crate) turn_ms: u64,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct OverloadArgs {
    #[command(flatten)]
    pub(crate) own: OwnServerArgs,
    /// Clients that misbehave at once; server and bench must each be allowed as many open files.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(5..=3_000))]
    pub(crate) misbehaving: u32,
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    #[command(flatten)]
    pub(crate) how: QueryHow,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct PagesArgs {
    #[command(flatten)]
    pub(crate) own: OwnServerArgs,
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    #[command(flatten)]
    pub(crate) how: QueryHow,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AgainstArgs {
    #[command(flatten)]
    pub(crate) own: OwnServerArgs,
    /// The other `portolan` program, built with --release.
    #[arg(long)]
    pub(crate) against: PathBuf,
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    /// Rounds; in each, every host reports twice to both.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) rounds: u32,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct FanoutArgs {
    #[command(flatten)]
    pub(crate) own: OwnServerArgs,
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    /// Readers that follow the changes; one credential may have so many.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_024))]
    pub(crate) readers: u32,
    /// Changes.
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) changes: u32,
    /// A change each so many milliseconds; later where the last reader does not have the one before.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(0..=60_000))]
    pub(crate) every_ms: u64,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_quick_bench_is_5_rounds_of_a_second_and_a_full_one_15_of_5() {
        let turns = |quick: &[&str]| {
            let args = ["fleet-bench", "run", "--portolan", "x"]
                .iter()
                .chain(quick);
            match Args::try_parse_from(args).unwrap().command {
                Command::Run(run) => run.query.turns(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(turns(&["--quick"]), (5, 1));
        assert_eq!(turns(&[]), (15, 5));
    }
}
