//! A whole server in a folder of its own.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use portolan_server::credentials::ExternalKeystone;
use portolan_server::{
    ClusterSettings, Limits, Running, Settings, Setup, Tls, TlsFiles, credentials, join_and_serve,
    open_and_serve,
};
use portolan_store::Clock;
use portolan_store::jetstream::Log;
use portolan_wire::time::UnixMicros;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::answer::Answer;
use crate::client::{Connection, Request};
use crate::fleet::Host;

/// What the clock of every server says at first.
pub(crate) const START: &str = "2026-11-24T02:13:00Z";

/// A clock that a test sets. It stands still in between.
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn set(&self, now: UnixMicros) {
        self.0.store(now.0, Ordering::SeqCst);
    }

    pub(crate) fn advance_s(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> UnixMicros {
        UnixMicros(self.0.load(Ordering::SeqCst))
    }
}

/// An entry of a credentials file.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) secret: String,
    pub(crate) project: String,
    pub(crate) enterprise_projects: Vec<String>,
    pub(crate) role: &'static str,
    pub(crate) expires_at: Option<String>,
}

/// Every enterprise project that there is.
pub(crate) const ALL: &[&str] = &["all_granted_eps"];

impl Token {
    pub(crate) fn new(role: &'static str, project: &str, enterprise_projects: &[&str]) -> Self {
        let name = format!("{role}:{project}:{}", enterprise_projects.join("+"));
        Self {
            // 32 characters at least, and another one for each grant.
            secret: format!("{name:=<64}"),
            project: project.to_owned(),
            enterprise_projects: enterprise_projects
                .iter()
                .map(|&id| id.to_owned())
                .collect(),
            role,
            expires_at: None,
        }
    }

    pub(crate) fn reader(project: &str, enterprise_projects: &[&str]) -> Self {
        Self::new("reader", project, enterprise_projects)
    }

    pub(crate) fn agent(project: &str, enterprise_projects: &[&str]) -> Self {
        Self::new("agent", project, enterprise_projects)
    }

    /// A credentials file.
    pub(crate) fn file(tokens: &[&Self]) -> String {
        let mut toml = String::new();
        tokens.iter().for_each(|token| token.write(&mut toml));
        toml
    }

    fn write(&self, toml: &mut String) {
        let Self {
            secret,
            project,
            enterprise_projects,
            role,
            ..
        } = self;
        writeln!(
            toml,
            "[[token]]\nsecret = {secret:?}\nproject_id = {project:?}\n\
             enterprise_projects = {enterprise_projects:?}\nrole = {role:?}"
        )
        .unwrap();
        if let Some(end) = &self.expires_at {
            writeln!(toml, "expires_at = {end:?}").unwrap();
        }
    }
}

/// A running server.
pub(crate) struct App {
    runtime: Runtime,
    running: Option<Running>,
    dir: TempDir,
    settings: Settings,
    limits: Limits,
    tls: Option<Arc<Tls>>,
    keystone: Option<ExternalKeystone>,
    /// What it shares with other servers, where there are any.
    pub(crate) log: Option<Arc<dyn Log>>,
    pub(crate) cluster: ClusterSettings,
    pub(crate) clock: Arc<TestClock>,
}

impl App {
    /// Starts a server that knows these tokens.
    pub(crate) fn start(tokens: &[&Token]) -> Self {
        Self::with_settings(tokens, Settings::default())
    }

    pub(crate) fn with_settings(tokens: &[&Token], settings: Settings) -> Self {
        let mut app = Self::stopped(tokens);
        app.settings = settings;
        app.serve();
        app
    }

    /// Starts a server that allows its clients this.
    pub(crate) fn with_limits(tokens: &[&Token], limits: Limits) -> Self {
        let mut app = Self::stopped(tokens);
        app.limits = limits;
        app.serve();
        app
    }

    /// The same, which speaks TLS.
    pub(crate) fn with_tls(tokens: &[&Token], limits: Limits, tls: TlsFiles) -> Self {
        let mut app = Self::stopped(tokens);
        (app.limits, app.tls) = (limits, Some(Arc::new(Tls::read(tls).unwrap())));
        app.serve();
        app
    }

    /// Starts a server on a credentials file.
    pub(crate) fn of_file(toml: &str, settings: Settings, limits: Limits) -> Self {
        let mut app = Self::of_stopped_file(toml);
        (app.settings, app.limits) = (settings, limits);
        app.serve();
        app
    }

    /// The same beside a Keystone.
    pub(crate) fn with_keystone(tokens: &[&Token], keystone: ExternalKeystone) -> Self {
        let mut app = Self::stopped(tokens);
        app.keystone = Some(keystone);
        app.serve();
        app
    }

    pub(crate) fn stopped(tokens: &[&Token]) -> Self {
        Self::of_stopped_file(&Token::file(tokens))
    }

    fn of_stopped_file(toml: &str) -> Self {
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("credentials.toml"), toml).unwrap();
        Self::in_folder(dir, START.parse().unwrap())
    }

    /// A server on the data and credentials of a folder, not started yet.
    fn in_folder(dir: TempDir, now: UnixMicros) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let clock = Arc::new(TestClock(AtomicI64::new(now.0)));
        Self {
            runtime,
            running: None,
            dir,
            settings: Settings::default(),
            limits: Limits::default(),
            tls: None,
            keystone: None,
            log: None,
            cluster: ClusterSettings::default(),
            clock,
        }
    }

    /// Starts the server, which must not be running.
    pub(crate) fn serve(&mut self) {
        let credentials =
            credentials::read_file(&self.dir.path().join("credentials.toml")).unwrap();
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let data = self.dir.path().join("data");
        let setup = Setup {
            settings: self.settings,
            limits: self.limits,
            tls: self.tls.clone(),
            keystone: self.keystone.clone(),
            cluster: self.cluster,
            ..Setup::new(data, credentials)
        };
        let running = match self.log.clone() {
            None => self.runtime.block_on(open_and_serve(listen, setup, clock)),
            Some(log) => {
                let joining = join_and_serve(listen, setup, clock, move || Ok(log));
                self.runtime.block_on(joining)
            }
        };
        self.running = Some(running.unwrap());
    }

    /// Stops the server; one that does not stop well fails the test.
    pub(crate) fn stop(&mut self) {
        let running = self.running.take().unwrap();
        self.runtime.block_on(running.stop()).unwrap();
    }

    /// Stops the server and starts it again on the same folder.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.serve();
    }

    /// The token that this server made for a new cluster, if it did.
    pub(crate) fn first_token(&self) -> Option<String> {
        let path = self.running.as_ref().unwrap().first_token()?;
        Some(std::fs::read_to_string(path).unwrap().trim().to_owned())
    }

    /// As SIGHUP does it.
    pub(crate) fn read_credentials_again(&self) {
        let file = self.dir.path().join("credentials.toml");
        let running = self.running.as_ref().unwrap();
        running.replace_credentials(credentials::read_file(&file).unwrap());
    }

    /// Where the server keeps everything.
    pub(crate) fn data_dir(&self) -> std::path::PathBuf {
        self.dir.path().join("data")
    }

    /// A server on a copy of this one's folder as it is now, as a crash would leave it.
    pub(crate) fn crashed_copy(&self) -> Self {
        let dir = TempDir::new().unwrap();
        copy(self.dir.path(), dir.path());
        let mut copy = Self::in_folder(dir, self.clock.now());
        copy.settings = self.settings;
        copy.serve();
        copy
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.running.as_ref().unwrap().local_addr()
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.address())
    }

    /// A sample of `/metrics`, by its name and labels, asked for on a connection of its own.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        metric(&mut self.connect(), name)
    }

    /// Sends a request on a connection of its own.
    pub(crate) fn send(&self, request: &Request) -> Answer {
        self.connect().send(request)
    }

    pub(crate) fn get(&self, token: &Token, target: &str) -> Answer {
        self.send(&Request::get(target).token(token))
    }

    /// The HSS statistics of the token's project.
    pub(crate) fn hss(&self, token: &Token, query: &str) -> Answer {
        self.get(
            token,
            &format!("/v5/{}/asset/port/statistics?{query}", token.project),
        )
    }

    /// A native read of the token's project.
    pub(crate) fn native(&self, token: &Token, rest: &str) -> Answer {
        self.get(
            token,
            &format!("/portolan/v1/projects/{}{rest}", token.project),
        )
    }

    /// Posts reports or heartbeats as they are and gives the results of the 200.
    pub(crate) fn post(&self, token: &Token, list: &str, items: &[Value]) -> Vec<Value> {
        let target = format!("/portolan/v1/projects/{}/{list}", token.project);
        let body = serde_json::to_vec(&json!({ list: items })).unwrap();
        let answer = self.send(&Request::post(target, body).token(token));
        let results = answer.ok()["results"].as_array().unwrap().clone();
        let places: Vec<_> = results
            .iter()
            .map(|result| result["index"].as_u64().unwrap())
            .collect();
        assert!(places.into_iter().eq(0..items.len() as u64), "{results:?}");
        results
    }

    /// Posts the reports of hosts, all of which must be accepted.
    pub(crate) fn report(&self, token: &Token, hosts: &[&Host]) -> Vec<Value> {
        let reports: Vec<Value> = hosts.iter().map(|host| host.report()).collect();
        let results = self.post(token, "reports", &reports);
        for (host, result) in hosts.iter().zip(&results) {
            assert_eq!(result["host_id"], host.id, "{result}");
            assert_eq!(result["status"], "accepted", "{result}");
        }
        results
    }
}

/// A sample of `/metrics`, by its name and labels; 0 where it is not there.
pub(crate) fn metric(connection: &mut Connection, name: &str) -> u64 {
    let page = String::from_utf8(connection.send(&Request::get("/metrics")).body).unwrap();
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().unwrap())
}

impl Drop for App {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else {
            return;
        };
        let stopped = self.runtime.block_on(running.stop());
        if !std::thread::panicking() {
            stopped.unwrap();
        }
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}
