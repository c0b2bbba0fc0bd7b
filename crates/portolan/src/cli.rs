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
    /// Ask a server what happened to open ports and hosts, or follow it as it happens
    Changes(Changes),
    /// Write all open ports, or all changes, as lines of JSON or as CSV
    Export(Export),
    /// Ask a server to count everything again
    Recount(Recount),
    /// Look after a store that no server has open
    Store(StoreCommand),
    /// Write everything that a running server holds into one file
    Backup(Backup),
    /// Make a store of a backup, for a server to be started on
    Restore(Restore),
    /// Make, list and revoke tokens
    Token(Tokens),
    /// Make, list and revoke keys by which hosts enrol, and list and release those that did
    EnrolKey(EnrolKeys),
    /// Make, list and revoke access keys, for clients that sign requests
    AccessKey(AccessKeys),
    /// Make, list and revoke users, who sign in with a password
    User(Users),
    /// Make a cluster anew of the store of one server, which must be stopped
    Reseed(Reseed),
    /// Look through the audit log of a server
    Audit(AuditCommand),
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

// Its values are read by `settings`, so that all mistakes in them are told together.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// A TOML file; what the command line or the environment says wins over it
    #[arg(long, env = "PORTOLAN_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Where to listen [default: 127.0.0.1:8080]; port 0 picks a free one
    #[arg(long, env = "PORTOLAN_LISTEN", value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// The data folder [default: /var/lib/portolan]
    #[arg(long, env = "PORTOLAN_DATA_DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// A credentials file, read at start and on SIGHUP
    #[arg(long, env = "PORTOLAN_CREDENTIALS")]
    pub(crate) credentials: Option<PathBuf>,
    /// Allow plain HTTP on an address that is not loopback
    #[arg(
        long,
        env = "PORTOLAN_INSECURE_HTTP",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_name = "true|false"
    )]
    pub(crate) insecure_http: Option<String>,
    /// The certificate, and those between it and its CA, in PEM form; read again on SIGHUP
    #[arg(long, env = "PORTOLAN_TLS_CERT")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's private key in PEM form; read again on SIGHUP
    #[arg(long, env = "PORTOLAN_TLS_KEY")]
    pub(crate) tls_key: Option<PathBuf>,
    /// The CA that signs the certificates of hosts, in PEM form; read again on SIGHUP
    #[arg(long, env = "PORTOLAN_TLS_CLIENT_CA")]
    pub(crate) tls_client_ca: Option<PathBuf>,
    /// Whether reports, heartbeats and enrolments need such a certificate: required or optional
    /// [default: required]
    #[arg(long, env = "PORTOLAN_TLS_CLIENT_CERTIFICATE", value_name = "WHETHER")]
    pub(crate) tls_client_certificate: Option<String>,
    /// The key that secret keys are encrypted under [default: secret-key in the data folder]; made if
    /// it is missing
    #[arg(long, env = "PORTOLAN_SECRET_KEY_FILE")]
    pub(crate) secret_key_file: Option<PathBuf>,
    /// How long a host is silent until it is retired, in hours or days, such as 12h, or never
    /// [default: 30d]
    #[arg(long, env = "PORTOLAN_RETIRE_AFTER", value_name = "PERIOD")]
    pub(crate) retire_after: Option<String>,
    #[command(flatten)]
    pub(crate) nats: Nats,
    /// Take a cluster that may lose what was acknowledged, and warn of it as long as the server runs
    #[arg(
        long,
        env = "PORTOLAN_ACCEPT_DATA_LOSS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_name = "true|false"
    )]
    pub(crate) accept_data_loss: Option<String>,
    /// How long the server may not know the end of the cluster's log and still answer reads
    /// [default: 10s]
    #[arg(long, env = "PORTOLAN_MAX_LAG", value_name = "PERIOD")]
    pub(crate) max_lag: Option<String>,
}

/// The cluster that servers share their log in.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Nats {
    /// A NATS JetStream cluster, such as nats://a,b,c or tls://a,b,c: the data folder is this server's
    /// checkpoint of its log then
    #[arg(
        long,
        env = "PORTOLAN_STORE",
        value_name = "URL",
        hide_env_values = true
    )]
    pub(crate) store: Option<String>,
    /// The monitors of all its nodes, such as http://a:8222,http://b:8222,http://c:8222
    #[arg(long, env = "PORTOLAN_NATS_MONITOR", value_name = "URLS")]
    pub(crate) nats_monitor: Option<String>,
    /// The file with the password of the user in the URL
    #[arg(long, env = "PORTOLAN_NATS_PASSWORD_FILE", value_name = "FILE")]
    pub(crate) nats_password_file: Option<PathBuf>,
    /// A credentials file of NATS
    #[arg(long, env = "PORTOLAN_NATS_CREDS", value_name = "FILE")]
    pub(crate) nats_creds: Option<PathBuf>,
    /// Trust only the certificates in this PEM file, instead of the system's
    #[arg(long, env = "PORTOLAN_NATS_CA_FILE", value_name = "FILE")]
    pub(crate) nats_ca_file: Option<PathBuf>,
    /// The certificate to come with, in PEM form
    #[arg(long, env = "PORTOLAN_NATS_CERT", value_name = "FILE")]
    pub(crate) nats_cert: Option<PathBuf>,
    /// Its private key in PEM form
    #[arg(long, env = "PORTOLAN_NATS_KEY", value_name = "FILE")]
    pub(crate) nats_key: Option<PathBuf>,
    /// Copies of each stream [default: 3]
    #[arg(long, env = "PORTOLAN_NATS_REPLICAS", value_name = "NUMBER")]
    pub(crate) nats_replicas: Option<usize>,
    /// What the names of streams begin with [default: PORTOLAN]
    #[arg(long, env = "PORTOLAN_NATS_PREFIX", value_name = "PREFIX")]
    pub(crate) nats_prefix: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Reseed {
    #[command(flatten)]
    pub(crate) nats: Nats,
    /// The data folder of the server that holds most
    #[arg(long, env = "PORTOLAN_DATA_DIR")]
    pub(crate) data_dir: PathBuf,
    /// Also if the cluster holds newer commits, which are lost then
    #[arg(long)]
    pub(crate) even_if_older: bool,
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

/// Which server, as whom, and in which form.
#[derive(Clone, Debug, Args)]
pub(crate) struct Server {
    #[command(flatten)]
    pub(crate) target: Target,
    /// The form of the answer
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

/// Which server, and as whom.
#[derive(Clone, Debug, Args)]
pub(crate) struct Target {
    /// The server's address
    #[arg(long, env = "PORTOLAN_SERVER", default_value = "http://127.0.0.1:8080")]
    pub(crate) server: String,
    /// A token of the role reader or admin
    #[arg(long, env = "PORTOLAN_TOKEN", hide_env_values = true)]
    pub(crate) token: String,
    /// The project; without it, the one that the token is for
    #[arg(long, env = "PORTOLAN_PROJECT")]
    pub(crate) project: Option<String>,
    /// Trust only the certificates in this PEM file, instead of the system's
    #[arg(long, env = "PORTOLAN_CA_FILE")]
    pub(crate) ca_file: Option<PathBuf>,
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
    /// loopback, link-local, private, cgnat, public or any: from where it can be reached
    #[arg(long)]
    pub(crate) exposure: Option<String>,
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
pub(crate) struct Changes {
    #[command(flatten)]
    pub(crate) server: Server,
    /// Go on with what happens, one line a change, until it is interrupted; begins now, or at --since
    #[arg(long, conflicts_with_all = ["until", "sort_dir"])]
    pub(crate) follow: bool,
    /// Only from this moment on, such as 2026-11-24T02:13:00Z
    #[arg(long)]
    pub(crate) since: Option<String>,
    /// Only before this moment
    #[arg(long)]
    pub(crate) until: Option<String>,
    /// Only of this host
    #[arg(long)]
    pub(crate) host_id: Option<String>,
    /// Only of this port
    #[arg(long)]
    pub(crate) port: Option<String>,
    /// TCP, UDP, TCP6 or UDP6
    #[arg(long = "type")]
    pub(crate) kind: Option<String>,
    /// Some of opened, closed, owner_changed, transient, baseline, moved, retired, returned, with commas between
    #[arg(long = "kind")]
    pub(crate) kinds: Option<String>,
    /// Some of any, public, cgnat, private, link-local, loopback, with commas between
    #[arg(long)]
    pub(crate) exposure: Option<String>,
    /// host or container
    #[arg(long)]
    pub(crate) category: Option<String>,
    /// One enterprise project
    #[arg(long)]
    pub(crate) enterprise_project: Option<String>,
    /// Show a port that flaps as one change with a count, once five minutes are over
    #[arg(long)]
    pub(crate) damped: bool,
    /// asc or desc, by time
    #[arg(long)]
    pub(crate) sort_dir: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportRows {
    /// What is open, or was at --as-of
    OpenPorts,
    /// What happened
    Changes,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// One JSON object a line
    #[default]
    Jsonl,
    /// RFC 4180, with a header line
    Csv,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    pub(crate) target: Target,
    /// What a row is
    #[arg(long, value_enum)]
    pub(crate) rows: ExportRows,
    /// The form of a row
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: ExportFormat,
    /// Open ports as they were at this moment, such as 2026-11-24T02:13:00Z
    #[arg(long)]
    pub(crate) as_of: Option<String>,
    /// Changes from this moment on
    #[arg(long)]
    pub(crate) since: Option<String>,
    /// Changes before this moment
    #[arg(long)]
    pub(crate) until: Option<String>,
    /// Some kinds of changes, with commas between
    #[arg(long = "kind")]
    pub(crate) kinds: Option<String>,
    /// One change in the place of many of a port that flaps
    #[arg(long)]
    pub(crate) damped: bool,
    /// One enterprise project
    #[arg(long)]
    pub(crate) enterprise_project: Option<String>,
    /// Only of this host
    #[arg(long)]
    pub(crate) host_id: Option<String>,
    /// host or container
    #[arg(long)]
    pub(crate) category: Option<String>,
    /// TCP, UDP, TCP6 or UDP6
    #[arg(long = "type")]
    pub(crate) kind: Option<String>,
    /// Only this port
    #[arg(long)]
    pub(crate) port: Option<String>,
    /// Some of any, public, cgnat, private, link-local, loopback, with commas between
    #[arg(long)]
    pub(crate) exposure: Option<String>,
    /// The file; it takes this name only when it is whole [default: the standard output]
    pub(crate) file: Option<PathBuf>,
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
    /// Trust only the certificates in this PEM file, instead of the system's
    #[arg(long, env = "PORTOLAN_CA_FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The backup
    pub(crate) file: PathBuf,
    /// The data folder of the new store: empty or missing
    #[arg(long, env = "PORTOLAN_DATA_DIR", default_value = "/var/lib/portolan")]
    pub(crate) data_dir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Tokens {
    #[command(subcommand)]
    pub(crate) action: CredentialAction,
}

#[derive(Debug, Args)]
pub(crate) struct EnrolKeys {
    #[command(subcommand)]
    pub(crate) action: EnrolKeyAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EnrolKeyAction {
    /// Make one; its secret is printed now and never again
    Create(CreateEnrolKey),
    /// List what there is, without secrets
    List(Server),
    /// End one, at once; the hosts that it enrolled go on
    Revoke(RevokeCredential),
    /// List the enrolled hosts
    Hosts(Server),
    /// End the tokens of an enrolled host, at once; its id may be enrolled again
    Release(ReleaseHost),
}

#[derive(Debug, Args)]
pub(crate) struct CreateEnrolKey {
    #[command(flatten)]
    pub(crate) server: Server,
    /// An enterprise project to enrol hosts in; may be given again [default: all that the asking token
    /// has]
    #[arg(long = "enterprise-project")]
    pub(crate) enterprise_projects: Vec<String>,
    /// When it ends, such as 2027-01-01T00:00:00Z [default: never]
    #[arg(long)]
    pub(crate) expires_at: Option<String>,
    /// How many hosts that it enrolled there may be at a time [default: any number]
    #[arg(long)]
    pub(crate) hosts_max: Option<u32>,
    /// A name for people
    #[arg(long)]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ReleaseHost {
    #[command(flatten)]
    pub(crate) server: Server,
    /// Its host id
    pub(crate) host_id: String,
}

#[derive(Debug, Args)]
pub(crate) struct AccessKeys {
    #[command(subcommand)]
    pub(crate) action: AccessKeyAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccessKeyAction {
    /// Make one; its secret key is printed now and never again
    Create(CreateAccessKey),
    /// List what there is, without secrets
    List(Server),
    /// End one, at once
    Revoke(RevokeCredential),
}

#[derive(Debug, Args)]
pub(crate) struct CreateAccessKey {
    #[command(flatten)]
    pub(crate) credential: CreateCredential,
    /// One that signs only beside a security token, and must end
    #[arg(long)]
    pub(crate) temporary: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CredentialAction {
    /// Make one; its secret is printed now and never again
    Create(CreateCredential),
    /// List what there is, without secrets
    List(Server),
    /// End one, at once
    Revoke(RevokeCredential),
}

#[derive(Debug, Args)]
pub(crate) struct CreateCredential {
    #[command(flatten)]
    pub(crate) server: Server,
    #[command(flatten)]
    pub(crate) grant: Grant,
    /// A name for people
    #[arg(long)]
    pub(crate) name: Option<String>,
}

/// What a credential grants.
#[derive(Debug, Args)]
pub(crate) struct Grant {
    /// reader, agent or admin
    #[arg(long)]
    pub(crate) role: String,
    /// An enterprise project; may be given again [default: all that the asking token has]
    #[arg(long = "enterprise-project")]
    pub(crate) enterprise_projects: Vec<String>,
    /// When it ends, such as 2027-01-01T00:00:00Z [default: never]
    #[arg(long)]
    pub(crate) expires_at: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RevokeCredential {
    #[command(flatten)]
    pub(crate) server: Server,
    /// Its id, as the list tells it
    pub(crate) id: String,
}

#[derive(Debug, Args)]
pub(crate) struct Users {
    #[command(subcommand)]
    pub(crate) action: UserAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserAction {
    /// Make one; the password is read from a file or from the standard input
    Create(CreateUser),
    /// List what there is, without passwords
    List(Server),
    /// End one, at once
    Revoke(RevokeCredential),
}

#[derive(Debug, Args)]
pub(crate) struct CreateUser {
    #[command(flatten)]
    pub(crate) server: Server,
    #[command(flatten)]
    pub(crate) grant: Grant,
    /// The name to sign in with
    #[arg(long)]
    pub(crate) name: String,
    /// The domain of the name
    #[arg(long, default_value = "default")]
    pub(crate) domain: String,
    /// A file whose first line is the password [default: the standard input]
    #[arg(long)]
    pub(crate) password_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct AuditCommand {
    #[command(subcommand)]
    pub(crate) action: AuditAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditAction {
    /// Check that no line was changed, lost or slipped in
    Verify(StoreDir),
}
