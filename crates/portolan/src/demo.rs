//! `portolan demo`: a server on an embedded store and an agent on this machine, in one process, and
//! the answer to the question that the API is for.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use portolan_agent::{Config, ScanInterval, Secret, ServerUrl, Stop, TokenSource};
use portolan_server::credentials::{Credentials, Grant, TokenHash, random_token};
use portolan_server::{Running, Setup, open_and_serve};
use portolan_store::SystemClock;
use serde_json::Value;
use tempfile::TempDir;

use crate::cli::{self, Output, Server};
use crate::client::Client;
use crate::output;
use crate::signals::{Asked, Signals};

const PROJECT: &str = "demo";
/// How long the first report may take: it is durable within milliseconds on any sound disk.
const FIRST_REPORT: Duration = Duration::from_secs(60);

pub(crate) fn demo(arguments: &cli::Demo) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let folder = tempfile::Builder::new()
        .prefix("portolan-demo-")
        .tempdir()
        .context("cannot make a folder for the demo's store")?;
    let token = random_token().context("cannot make a token")?;
    let mut signals = runtime
        .block_on(async { Signals::new() })
        .context("cannot watch for signals")?;
    let mut running = runtime.block_on(server(arguments.listen, &folder, &token))?;
    let address = running.local_addr();
    let agent = Agent::start(address, &folder, &token)?;
    let answered = answer(address, &token);
    let ended = match answered {
        Ok(()) if !arguments.once => {
            runtime.block_on(stay(&mut running, &mut signals, address, &token))
        }
        other => other,
    };
    let agent_ended = agent.end();
    let stopped = runtime
        .block_on(running.stop())
        .context("cannot close the demo's store");
    ended.and(agent_ended).and(stopped)?;
    Ok(ExitCode::SUCCESS)
}

async fn server(listen: SocketAddr, folder: &TempDir, token: &str) -> anyhow::Result<Running> {
    let mut credentials = Credentials::default();
    credentials.add(
        TokenHash::of(token),
        Grant {
            project_id: PROJECT.into(),
            ..Grant::whole_server()
        },
    );
    let data_dir = folder.path().join("server");
    let clock = Arc::new(SystemClock);
    Ok(open_and_serve(listen, Setup::new(data_dir, credentials), clock).await?)
}

/// The agent's thread.
struct Agent {
    stop: Stop,
    thread: JoinHandle<Result<(), portolan_agent::RunError>>,
}

impl Agent {
    fn start(server: SocketAddr, folder: &TempDir, token: &str) -> anyhow::Result<Self> {
        let config = Config {
            server: ServerUrl::parse(&format!("http://{server}"))?,
            token: TokenSource::Literal(Secret::token(token)?),
            project: PROJECT.into(),
            enterprise_project: "0".into(),
            scan_interval: ScanInterval::Auto,
            state_dir: folder.path().join("agent"),
            ca_file: None,
            host_id: None,
        };
        let stop = Stop::new();
        let agents_stop = stop.clone();
        let thread = std::thread::Builder::new()
            .name("agent".into())
            .spawn(move || portolan_agent::run(&config, &agents_stop))
            .context("cannot start the agent's thread")?;
        Ok(Self { stop, thread })
    }

    fn end(self) -> anyhow::Result<()> {
        self.stop.stop();
        match self.thread.join() {
            Ok(ended) => Ok(ended?),
            Err(_) => bail!("the agent's thread panicked"),
        }
    }
}

/// Waits for the first report, asks the question, and prints the answer.
fn answer(address: SocketAddr, token: &str) -> anyhow::Result<()> {
    let client = Client::new(&Server {
        server: format!("http://{address}"),
        token: token.into(),
        project: Some(PROJECT.into()),
        ca_file: None,
        output: Output::Json,
    })?;
    let host = first_host(&client)?;
    tell_what_was_not_seen(&host);
    let target = format!("/v5/{PROJECT}/asset/port/statistics?category=host&limit=200");
    output::say(&format!("GET http://{address}{target}"));
    output::json(&client.get(&format!("http://{address}{target}"))?)
}

fn first_host(client: &Client) -> anyhow::Result<Value> {
    let until = Instant::now() + FIRST_REPORT;
    loop {
        let hosts = client.read_all("/hosts", &[])?;
        if let Some(host) = hosts.into_iter().next() {
            return Ok(host);
        }
        if Instant::now() > until {
            bail!(
                "the agent's first report did not arrive within {} s",
                FIRST_REPORT.as_secs()
            );
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn tell_what_was_not_seen(host: &Value) {
    let number = |name: &str| {
        host.pointer(&format!("/coverage/{name}"))
            .and_then(Value::as_u64)
            .unwrap_or(0)
    };
    output::say(&format!(
        "{} open ports in {} network namespaces of {}",
        host.get("open_ports").unwrap_or(&Value::Null),
        number("namespaces"),
        host.get("host_name")
            .and_then(Value::as_str)
            .map(output::visible)
            .unwrap_or_default(),
    ));
    let (skipped, unattributed) = (number("namespaces_skipped"), number("sockets_unattributed"));
    if skipped == 0 && unattributed == 0 {
        return;
    }
    let needed = match host.pointer("/coverage/privileged") {
        Some(Value::Bool(true)) => "this process has every privilege that could help",
        _ => "root, or CAP_SYS_ADMIN, CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, would see them",
    };
    output::say(&format!(
        "Not seen: {skipped} other network namespaces and the programs of {unattributed} sockets; {needed}."
    ));
}

async fn stay(
    running: &mut Running,
    signals: &mut Signals,
    address: SocketAddr,
    token: &str,
) -> anyhow::Result<()> {
    output::say(&format!(
        "The server stays up until Ctrl-C; ask it yourself:\n  curl -H 'X-Auth-Token: {token}' 'http://{address}/v5/{PROJECT}/asset/port/statistics'"
    ));
    loop {
        tokio::select! {
            asked = signals.next() => if asked == Asked::End { return Ok(()) },
            error = running.failed() => bail!("{error}"),
        }
    }
}
