//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// A self-hosted inventory of the open ports of a fleet.
#[derive(Debug, Parser)]
#[command(name = "portolan", version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Chart this machine: a server and an agent in one process, and the answer to the first question
    Demo(Demo),
    /// Serve the API on an embedded store
    Serve(Serve),
    /// List the open ports of this machine, host and containers; needs no server
    Scan(Scan),
    /// Ask a server which ports are open, and on how many assets
    Ports(Ports),
    /// Ask a server which hosts it knows
    Hosts(Hosts),
    /// Ask a server for one host and its open ports
    Host(HostId),
    /// Ask a server to count everything again
    Recount(Recount),
    /// Look after a store that no server has open
    Store(StoreCommand),
    /// Write everything that a running server holds into one file
    Backup(Backup),
    /// Make a store of a backup, for a server to be started on
    Restore(Restore),
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// End after the answer instead of staying up
    #[arg(long)]
    pub(crate) once: bool,
    /// Where to listen; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// A TOML file; what the command line or the environment says wins over it
    #[arg(long, env = "PORTOLAN_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Where to listen [default: 127.0.0.1:8080]; port 0 picks a free one
    #[arg(long, env = "PORTOLAN_LISTEN")]
    pub(crate) listen: Option<SocketAddr>,
    /// The data folder [default: /var/lib/portolan]
    #[arg(long, env = "PORTOLAN_DATA_DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// A credentials file, read at start and on SIGHUP
    #[arg(long, env = "PORTOLAN_CREDENTIALS")]
    pub(crate) credentials: Option<PathBuf>,
    /// Allow plain HTTP on an address that is not loopback
    #[arg(long, env = "PORTOLAN_INSECURE_HTTP")]
    pub(crate) insecure_http: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    #[default]
    Table,
    /// For programs
    Json,
    /// For spreadsheets
    Csv,
}

#[derive(Debug, Args)]
pub(crate) struct Scan {
    /// The form of the list
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

/// Which server, and as whom.
#[derive(Debug, Args)]
pub(crate) struct Server {
    /// The server's address
    #[arg(long, env = "PORTOLAN_SERVER", default_value = "http://127.0.0.1:8080")]
    pub(crate) server: String,
    /// A token of the role reader or admin
    #[arg(long, env = "PORTOLAN_TOKEN", hide_env_values = true)]
    pub(crate) token: String,
    /// The project; without it, the one that the token is for
    #[arg(long, env = "PORTOLAN_PROJECT")]
    pub(crate) project: Option<String>,
    /// The form of the answer
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Ports {
    #[command(flatten)]
    pub(crate) server: Server,
    /// Only this port
    #[arg(long)]
    pub(crate) port: Option<String>,
    /// TCP, UDP, TCP6 or UDP6
    #[arg(long = "type")]
    pub(crate) kind: Option<String>,
    /// host or container
    #[arg(long)]
    pub(crate) category: Option<String>,
    /// One enterprise project
    #[arg(long, default_value = "all_granted_eps")]
    pub(crate) enterprise_project: String,
    /// Only ports whose number contains this text
    #[arg(long)]
    pub(crate) port_string: Option<String>,
    /// danger, normal or unknown
    #[arg(long)]
    pub(crate) status: Option<String>,
    /// asc or desc, by port
    #[arg(long)]
    pub(crate) sort_dir: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Hosts {
    #[command(flatten)]
    pub(crate) server: Server,
    /// One enterprise project
    #[arg(long)]
    pub(crate) enterprise_project: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct HostId {
    #[command(flatten)]
    pub(crate) server: Server,
    /// The host's id
    pub(crate) host_id: String,
}

#[derive(Debug, Args)]
pub(crate) struct Recount {
    #[command(flatten)]
    pub(crate) server: Server,
}

#[derive(Debug, Args)]
pub(crate) struct StoreCommand {
    #[command(subcommand)]
    pub(crate) action: StoreAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreAction {
    /// Read everything and compare it with what must be there
    Verify(StoreDir),
    /// Accept the loss of what cannot be read; agents send again what is missing
    Repair(StoreDir),
}

#[derive(Debug, Args)]
pub(crate) struct StoreDir {
    /// The data folder
    #[arg(long, env = "PORTOLAN_DATA_DIR", default_value = "/var/lib/portolan")]
    pub(crate) data_dir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The file; it takes this name only when it is whole
    pub(crate) file: PathBuf,
    /// The server's address
    #[arg(long, env = "PORTOLAN_SERVER", default_value = "http://127.0.0.1:8080")]
    pub(crate) server: String,
    /// A token of the role admin for the whole server
    #[arg(long, env = "PORTOLAN_TOKEN", hide_env_values = true)]
    pub(crate) token: String,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The backup
    pub(crate) file: PathBuf,
    /// The data folder of the new store: empty or missing
    #[arg(long, env = "PORTOLAN_DATA_DIR", default_value = "/var/lib/portolan")]
    pub(crate) data_dir: PathBuf,
}
