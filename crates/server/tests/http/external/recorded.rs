//! A server that answers what Keystone answered.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use portolan_server::credentials::{
    ExternalKeystone, ExternalRoles, KeystonePassword, ServiceUser,
};

use crate::app::{App, Token};

/// A token's answers, by the name of its recording.
pub(super) fn recording(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/keystone");
    std::fs::read(folder.join(format!("{name}.http"))).unwrap()
}

/// The token that a recording is about.
pub(super) fn token_of(name: &str) -> String {
    header(&recording(name), "x-subject-token")
}

pub(super) fn project_of(name: &str) -> String {
    let recording = String::from_utf8(recording(name)).unwrap();
    let body = recording.split_once("\r\n\r\n").unwrap().1;
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    body["token"]["project"]["id"].as_str().unwrap().to_owned()
}

fn header(message: &[u8], name: &str) -> String {
    let head = String::from_utf8_lossy(message).into_owned();
    let line = head.lines().find_map(|line| {
        let (given, value) = line.split_once(": ")?;
        given.eq_ignore_ascii_case(name).then(|| value.to_owned())
    });
    line.unwrap_or_default()
}

#[derive(Default)]
struct Inner {
    /// By the token that is asked about; of every other one Keystone says that it is unknown.
    answers: HashMap<String, String>,
    /// What it answers to a log-in.
    log_in: Option<String>,
    /// Service tokens that it does not take any more.
    log_ins: u64,
    stale: bool,
    asked: u64,
    shut: bool,
}

/// A Keystone on a port of its own.
#[derive(Clone)]
pub(super) struct Recorded {
    pub(super) address: SocketAddr,
    inner: Arc<(Mutex<Inner>, Condvar)>,
}

impl Recorded {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let recorded = Self {
            address: listener.local_addr().unwrap(),
            inner: Arc::default(),
        };
        let serving = recorded.clone();
        // It ends with the process, as its listener does.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let serving = serving.clone();
                let stream = stream.unwrap();
                std::thread::spawn(move || serving.answer(stream));
            }
        });
        for name in ["alice", "bob", "admin", "unscoped"] {
            recorded.says(&token_of(name), name);
        }
        recorded
    }

    /// From now on it answers that recording to questions about a token.
    pub(super) fn says(&self, token: &str, recording: &str) {
        let mut inner = self.inner.0.lock().unwrap();
        inner.answers.insert(token.to_owned(), recording.to_owned());
    }

    /// From now on it answers that recording to log-ins.
    pub(super) fn says_to_log_ins(&self, recording: &str) {
        self.inner.0.lock().unwrap().log_in = Some(recording.to_owned());
    }

    /// The service user's token is not taken until it logs in again.
    pub(super) fn forget_the_service_user(&self) {
        self.inner.0.lock().unwrap().stale = true;
    }

    /// Holds all answers back, or lets them out.
    pub(super) fn shut(&self, shut: bool) {
        self.inner.0.lock().unwrap().shut = shut;
        self.inner.1.notify_all();
    }

    /// How often it was asked about a token, and for a log-in.
    pub(super) fn asked(&self) -> (u64, u64) {
        let inner = self.inner.0.lock().unwrap();
        (inner.asked, inner.log_ins)
    }

    fn answer(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let length = header(head.as_bytes(), "content-length");
        let mut body = vec![0; length.parse().unwrap_or(0)];
        reader.read_exact(&mut body).unwrap();
        let name = self.decide(&head, &body);
        // Who asked may have gone.
        let _gone = stream.write_all(&recording(&name));
    }

    /// The recording of the answer to a request.
    fn decide(&self, head: &str, body: &[u8]) -> String {
        let (inner, opened) = &*self.inner;
        let mut inner = inner.lock().unwrap();
        if head.starts_with("POST /v3/auth/tokens?nocatalog ") {
            inner.log_ins += 1;
            let asked: serde_json::Value = serde_json::from_slice(body).unwrap();
            let user = &asked["auth"]["identity"]["password"]["user"];
            let is_right = (&user["name"], &user["password"])
                == (&"portolan".into(), &"portolan-password".into())
                && asked["auth"]["scope"]["project"]["name"] == "service";
            if !is_right {
                return "service-log-in-refused".to_owned();
            }
            inner.stale = false;
            return inner.log_in.clone().unwrap_or("service-log-in".to_owned());
        }
        assert!(head.starts_with("GET /v3/auth/tokens?nocatalog "), "{head}");
        inner.asked += 1;
        let mut inner = opened.wait_while(inner, |inner| inner.shut).unwrap();
        if inner.stale || header(head.as_bytes(), "x-auth-token") != token_of("service-log-in") {
            return "service-token-ended".to_owned();
        }
        let subject = header(head.as_bytes(), "x-subject-token");
        let answer = inner.answers.get_mut(&subject);
        answer.map_or("unknown".to_owned(), |name| name.clone())
    }

    /// What a server is told of it, with these enterprise projects for alice's project and others.
    pub(super) fn settings(&self, fleets: &[&str], others: &[&str]) -> ExternalKeystone {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)));
        let roles = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let granted = |ids: &[&str]| {
            let ids = ids.iter().map(|&id| id.to_owned()).collect();
            ExternalKeystone::enterprise_projects(ids).unwrap()
        };
        let mut enterprise_projects = BTreeMap::new();
        for (project, ids) in [(project_of("alice").as_str(), fleets), ("*", others)] {
            if !ids.is_empty() {
                enterprise_projects.insert(project.to_owned(), granted(ids));
            }
        }
        ExternalKeystone {
            url: format!("http://{}/v3/", self.address),
            user: ServiceUser {
                name: "portolan".into(),
                domain: "Default".into(),
                password: KeystonePassword::new("portolan-password".into()),
                project: "service".into(),
                project_domain: "Default".into(),
            },
            roles: ExternalRoles {
                admin: roles(&["admin"]),
                reader: roles(&["reader", "member"]),
                agent: roles(&["agent"]),
            },
            enterprise_projects,
            client: config.build().into(),
        }
    }
}

/// A server beside a Keystone; the fleet's tokens grant enterprise project `0`, no others grant any.
pub(super) fn beside() -> (Recorded, App) {
    let keystone = Recorded::start();
    let app = App::with_keystone(&[], keystone.settings(&["0"], &[]));
    (keystone, app)
}

/// Who holds the token of a recording.
pub(super) fn holder(name: &str) -> Token {
    Token {
        secret: token_of(name),
        ..Token::reader(&project_of("alice"), &["0"])
    }
}
