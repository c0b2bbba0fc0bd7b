//! `portolan demo`: a server on an embedded store and an agent on this machine, in one process, and
//! the answer to the question that the API is for.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use portolan_agent::{Config, ScanInterval, Secret, ServerUrl, Stop, TokenSource};
use portolan_server::credentials::{Credentials, Grant, TokenHash, random_token};
use portolan_server::{Running, Setup, open_and_serve};
use portolan_store::SystemClock;
use portolan_wire::visible::visible;
use serde_json::Value;
use tempfile::TempDir;

use crate::EXIT_USAGE;
use crate::cli::{self, Target};
use crate::client::Client;
use crate::output;
use crate::signals::{Asked, Signals};

const PROJECT: &str = "demo";
/// Rows asked for at once.
const PAGE: usize = 200;
/// How long the first report may take: it is durable within milliseconds on any sound disk.
const FIRST_REPORT: Duration = Duration::from_secs(60);

pub(crate) fn demo(arguments: &cli::Demo) -> anyhow::Result<ExitCode> {
    if !arguments.listen.ip().is_loopback() {
        output::say(&format!(
            "portolan demo: --listen must be an address of loopback, got {}: the demo speaks plain HTTP",
            arguments.listen
        ));
        return Ok(ExitCode::from(EXIT_USAGE));
    }
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
    let answered = runtime.block_on(until_answered(&agent, &mut signals, address, &token));
    let ended = match answered {
        Ok(true) if !arguments.once => {
            runtime.block_on(stay(&mut running, &mut signals, address, &token))
        }
        other => other.map(|_| ()),
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
#[derive(Clone)]
struct Agent {
    stop: Stop,
    thread: Arc<Mutex<Option<AgentThread>>>,
}

type AgentThread = JoinHandle<Result<(), portolan_agent::RunError>>;

impl Agent {
    fn start(server: SocketAddr, folder: &TempDir, token: &str) -> anyhow::Result<Self> {
        let config = Config {
            server: ServerUrl::parse(&format!("http://{server}"))?,
            token: TokenSource::Literal(Secret::token(token)?),
            project: PROJECT.into(),
            enterprise_project: "0".into(),
            scan_interval: ScanInterval::Auto,
            events: true,
            caps: None,
            state_dir: folder.path().join("agent"),
            ca_file: None,
            client_certificate: None,
            rotate_after: portolan_agent::ROTATE_AFTER_DEFAULT,
            host_id: None,
            look: portolan_sockets::Options::default(),
        };
        let stop = Stop::new().context("cannot make what ends the agent")?;
        let agents_stop = stop.clone();
        let thread = std::thread::Builder::new()
            .name("agent".into())
            .spawn(move || portolan_agent::run(&config, &agents_stop))
            .context("cannot start the agent's thread")?;
        let thread = Arc::new(Mutex::new(Some(thread)));
        Ok(Self { stop, thread })
    }

    fn has_ended(&self) -> bool {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    fn end(&self) -> anyhow::Result<()> {
        self.stop.stop();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match thread.map(JoinHandle::join) {
            Some(Ok(ended)) => Ok(ended?),
            Some(Err(_)) => bail!("the agent's thread panicked"),
            None => Ok(()),
        }
    }
}

/// Prints the answer, unless it is told to end before there is one; says whether it was printed.
async fn until_answered(
    agent: &Agent,
    signals: &mut Signals,
    address: SocketAddr,
    token: &str,
) -> anyhow::Result<bool> {
    let (agent, token) = (agent.clone(), token.to_owned());
    let ended = Arc::new(AtomicBool::new(false));
    let told_to_end = Arc::clone(&ended);
    let answering =
        tokio::task::spawn_blocking(move || answer(&agent, address, &token, &told_to_end));
    let mut answering = std::pin::pin!(answering);
    loop {
        tokio::select! {
            answered = &mut answering => return answered?.map(|()| true),
            asked = signals.next() => if asked == Asked::End {
                ended.store(true, Ordering::Release);
                return Ok(false);
            }
        }
    }
}

/// Waits for the first report, asks the question, and prints the answer.
fn answer(
    agent: &Agent,
    address: SocketAddr,
    token: &str,
    told_to_end: &AtomicBool,
) -> anyhow::Result<()> {
    let client = Client::of(&Target {
        server: format!("http://{address}"),
        token: token.into(),
        project: Some(PROJECT.into()),
        ca_file: None,
    })?;
    let Some(host) = first_host(&client, agent, told_to_end)? else {
        return Ok(());
    };
    tell_what_was_not_seen(&host);
    let target = format!("/v5/{PROJECT}/asset/port/statistics?category=host&limit={PAGE}");
    output::say(&format!("GET http://{address}{target}"));
    output::json(&whole_answer(
        &client,
        &format!("http://{address}{target}"),
    )?)
}

/// All pages as one answer: `total_num` is the number of its rows.
fn whole_answer(client: &Client, url: &str) -> anyhow::Result<Value> {
    let mut whole = client.get(url)?;
    for offset in (PAGE..).step_by(PAGE) {
        let page = client.get(&format!("{url}&offset={offset}"))?;
        let Some(Value::Array(rows)) = page.get("data_list") else {
            break;
        };
        match whole.get_mut("data_list") {
            Some(Value::Array(all)) if !rows.is_empty() => all.extend_from_slice(rows),
            _ => break,
        }
    }
    Ok(whole)
}

/// The agent's host, once it has reported; `None` if it was told to end before.
fn first_host(
    client: &Client,
    agent: &Agent,
    told_to_end: &AtomicBool,
) -> anyhow::Result<Option<Value>> {
    let until = Instant::now() + FIRST_REPORT;
    while !told_to_end.load(Ordering::Acquire) {
        let hosts = client.read_all("/hosts", "data_list", &[])?;
        if let Some(host) = hosts.into_iter().next() {
            return Ok(Some(host));
        }
        if agent.has_ended() {
            bail!("the agent has ended");
        }
        if Instant::now() > until {
            bail!(
                "the agent's first report did not arrive within {} s",
                FIRST_REPORT.as_secs()
            );
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(None)
}

fn tell_what_was_not_seen(host: &Value) {
    let number = |name: &str| {
        host.pointer(&format!("/coverage/{name}"))
            .and_then(Value::as_u64)
            .unwrap_or(0)
    };
    let open_ports = host.get("open_ports").and_then(Value::as_u64);
    output::say(&format!(
        "{} in {} of {}",
        count(open_ports.unwrap_or(0), "open port"),
        count(number("namespaces"), "network namespace"),
        host.get("host_name")
            .and_then(Value::as_str)
            .map(visible)
            .unwrap_or_default(),
    ));
    let (skipped, unattributed) = (number("namespaces_skipped"), number("sockets_unattributed"));
    if skipped == 0 && unattributed == 0 {
        return;
    }
    let mut what = Vec::new();
    if skipped > 0 {
        what.push(count(skipped, "other network namespace"));
    }
    if unattributed > 0 {
        what.push(format!("the program of {}", count(unattributed, "socket")));
    }
    let needed = match host.pointer("/coverage/privileged") {
        Some(Value::Bool(true)) => "`portolan scan` says why",
        _ => "root, or CAP_SYS_ADMIN, CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, would see them",
    };
    output::say(&format!("Not seen: {}; {needed}.", what.join(" and ")));
}

/// So many things of a name that takes an s.
fn count(number: u64, name: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {name}{plural}")
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
