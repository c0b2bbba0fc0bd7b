//! Agents that enrol: real processes on both sides, a key made by the command, tokens kept in state
//! folders, certificates of hosts.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;
use ureq::tls::{RootCerts, TlsConfig};

use crate::harness::{PROJECT, Process, Server, agent_with, eventually, portolan, sibling, token};

const ADMIN: &str = "admin-token-admin-token-admin-tok";

fn start(folder: &Path, more: &[&str]) -> Server {
    let file = token(ADMIN, PROJECT, "admin") + &token(crate::harness::AGENT, PROJECT, "agent");
    std::fs::write(folder.join("credentials.toml"), file).unwrap();
    Server::start_with(folder, "127.0.0.1:0", more)
}

/// What a command writes, which must succeed.
fn command(server: &Server, arguments: &[&str]) -> String {
    let output = portolan()
        .args(arguments)
        .args(["--server", &server.url, "--token", ADMIN])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {told}");
    String::from_utf8(output.stdout).unwrap()
}

/// Starts an agent that has an enrol key; what it says goes to `name.log`.
fn enrolling(server: &Server, folder: &Path, host_id: &str, name: &str) -> Process {
    let log = std::fs::File::create(folder.join(format!("{name}.log"))).unwrap();
    let child = Command::new(sibling("portolan-agent"))
        .args(["--server", &server.url, "--project", PROJECT])
        .args(["--host-id", host_id, "--scan-interval", "200ms"])
        .arg("--enrol-key-file")
        .arg(folder.join("enrol-key"))
        .arg("--state-dir")
        .arg(folder.join(name))
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    Process(child)
}

fn log(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(format!("{name}.log"))).unwrap()
}

/// The token that a state folder keeps.
fn kept(folder: &Path, name: &str) -> Option<String> {
    let file = std::fs::read(folder.join(name).join("credential.json")).ok()?;
    let kept: Value = serde_json::from_slice(&file).unwrap();
    kept["token"].as_str().map(str::to_owned)
}

/// Whether the host has reported: one that has enrolled is listed before, as `never`.
fn reported(server: &Server, host_id: &str) -> bool {
    let hosts = server.get_as(ADMIN, &format!("/portolan/v1/projects/{PROJECT}/hosts"));
    let hosts = hosts["data_list"].as_array().unwrap();
    let mut of_host = hosts.iter().filter(|host| host["host_id"] == host_id);
    of_host.any(|host| host["freshness"] != "never")
}

fn enrolled(server: &Server) -> Vec<Value> {
    let list = server.get_as(
        ADMIN,
        &format!("/portolan/v1/projects/{PROJECT}/enrolments"),
    );
    list["data_list"].as_array().unwrap().clone()
}

fn is_known(server: &Server, token: &str) -> bool {
    let asked = portolan()
        .args(["ports", "--server", &server.url, "--token", token])
        .output()
        .unwrap();
    // An agent's token may not read, which one that has ended is not even told.
    let told = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert_eq!(asked.status.code(), Some(1), "{told}");
    match (told.contains("APIGW.0302"), told.contains("APIGW.0301")) {
        (true, false) => true,
        (false, true) => false,
        _ => panic!("{told}"),
    }
}

#[test]
fn an_agent_enrols_goes_on_without_its_key_rotates_and_is_not_taken_over() {
    let scene = tempfile::tempdir().unwrap();
    let folder = scene.path();
    let server = start(folder, &[]);
    let key = command(&server, &["enrol-key", "create", "--hosts-max", "1"]);
    assert_eq!(key.lines().count(), 1, "the secret, alone on its line");
    std::fs::write(folder.join("enrol-key"), &key).unwrap();
    let first = enrolling(&server, folder, "web-1", "one");
    eventually("the host reports", || reported(&server, "web-1"));
    let token = kept(folder, "one").unwrap();
    let file = std::fs::metadata(folder.join("one/credential.json")).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    assert!(is_known(&server, &token));
    // A clone with the same key gets nothing, says so, and the first goes on.
    let clone = enrolling(&server, folder, "web-1", "clone");
    eventually("the clone is refused", || {
        log(folder, "clone").contains("PORTOLAN.0019")
    });
    assert_eq!(kept(folder, "clone"), None);
    drop(clone);
    // Nor is there a place for another host.
    let other = enrolling(&server, folder, "web-2", "other");
    eventually("the other is refused", || {
        log(folder, "other").contains("PORTOLAN.0017")
    });
    drop(other);
    // Started again without the key, and told to rotate: its next message does.
    drop(first);
    std::fs::remove_file(folder.join("enrol-key")).unwrap();
    let again = enrolling(&server, folder, "web-1", "one");
    eventually("it has started", || {
        log(folder, "one").contains("the server took the first report")
    });
    again.signal("USR1");
    let _change = TcpListener::bind("127.0.0.1:0").unwrap();
    eventually("the token before has ended", || !is_known(&server, &token));
    let rotated = kept(folder, "one").unwrap();
    assert!(rotated != token && is_known(&server, &rotated));
    // Released, it has no key to enrol with; with one, it enrols by itself.
    let before = enrolled(&server)[0]["enrolled_at"].clone();
    command(&server, &["enrol-key", "release", "web-1"]);
    std::fs::write(folder.join("enrol-key"), &key).unwrap();
    let _another = TcpListener::bind("127.0.0.1:0").unwrap();
    eventually("it enrols again", || {
        enrolled(&server)
            .iter()
            .any(|row| row["enrolled_at"] != before)
    });
    assert!(log(folder, "one").contains("the token of this host has ended; enrolling again"));
    assert!(!is_known(&server, &rotated));
    let list = command(&server, &["enrol-key", "hosts", "--output", "json"]);
    assert!(list.contains("web-1"), "{list}");
    for secret in [key.trim(), &token, &rotated] {
        assert!(
            !log(folder, "one").contains(secret),
            "no log shows a secret"
        );
    }
    drop(again);
    server.stop();
}

struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    fn new(path: &Path) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let ca = CertifiedIssuer::self_signed(params, key).unwrap();
        std::fs::write(path, ca.pem()).unwrap();
        Self(ca)
    }

    /// Writes a certificate for that name, and its key.
    fn sign(&self, folder: &Path, name: &str) -> [PathBuf; 2] {
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let pair = KeyPair::generate().unwrap();
        let signed = params.signed_by(&pair, &self.0).unwrap();
        let files = [format!("{name}.pem"), format!("{name}.key")].map(|name| folder.join(name));
        std::fs::write(&files[0], signed.pem()).unwrap();
        std::fs::write(&files[1], pair.serialize_pem()).unwrap();
        files
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_certificate_of_a_host_is_required_and_speaks_for_that_host_alone() {
    let scene = tempfile::tempdir().unwrap();
    let folder = scene.path();
    let (ca_file, hosts_ca_file) = (folder.join("ca.pem"), folder.join("hosts-ca.pem"));
    let (ca, hosts_ca) = (Ca::new(&ca_file), Ca::new(&hosts_ca_file));
    let [certificate, key] = ca.sign(folder, "127.0.0.1");
    let server = start(
        folder,
        &[
            "--tls-cert",
            text(&certificate),
            "--tls-key",
            text(&key),
            "--tls-client-ca",
            text(&hosts_ca_file),
        ],
    );
    let trusted = text(&ca_file);
    let shows = |issuer: &Ca, name: &str| {
        let [certificate, key] = issuer.sign(folder, name);
        ["--tls-cert", text(&certificate), "--tls-key", text(&key)].map(str::to_owned)
    };
    let agent = |host_id: &str, shown: &[String]| {
        let mut more = vec!["--ca-file", trusted];
        more.extend(shown.iter().map(String::as_str));
        agent_with(&server, folder, host_id, &more)
    };
    let listed = || {
        let arguments = ["hosts", "--output", "json", "--ca-file", trusted];
        command(&server, &arguments)
    };
    // Only the last one may be heard: without a certificate, with another host's, and with one that
    // nobody trusts here.
    let _bare = agent("bare", &[]);
    let _other = agent("other", &shows(&hosts_ca, "somebody"));
    let _foreign = agent("foreign", &shows(&ca, "foreign"));
    let pem = std::fs::read(&ca_file).unwrap();
    let roots = vec![ureq::tls::Certificate::from_pem(&pem).unwrap()];
    let tls = TlsConfig::builder().root_certs(RootCerts::Specific(Arc::new(roots)));
    let config = ureq::Agent::config_builder().tls_config(tls.build());
    let client = config.build().new_agent();
    let refused = |label: &str| {
        let mut answer = client
            .get(format!("{}/metrics", server.url))
            .call()
            .unwrap();
        let page = answer.body_mut().read_to_string().unwrap();
        let count = page
            .lines()
            .find_map(|line| line.strip_prefix(label)?.strip_prefix(' '));
        count.is_some_and(|count| count != "0")
    };
    eventually("the one without is refused", || {
        refused("portolan_errors_total{error_code=\"APIGW.0301\"}")
    });
    eventually("the one of another host is refused", || {
        refused("portolan_reports_total{result=\"rejected\"}")
    });
    eventually("the foreign one ends its handshake", || {
        refused("portolan_tls_handshakes_failed_total")
    });
    let _own = agent("web-1", &shows(&hosts_ca, "web-1"));
    eventually("the host with its own certificate is listed", || {
        listed().contains("\"web-1\"")
    });
    let words = listed();
    for host in ["bare", "other", "foreign"] {
        assert!(!words.contains(host), "{words}");
    }
    server.stop();
}
